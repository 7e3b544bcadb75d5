"""The serial number that the gateway reports: one for each store, whatever machine it is on."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

from gateway.store.contract import Snapshot, Store, StoreError

FACT = "device_serial_number"
_log = logging.getLogger(__name__)


async def serial_number(store: Store, snapshot: Snapshot, path: Path, *, is_new: bool) -> str:
    """A UUID, kept in the store. A new store gets a random one; an older one keeps the number that was derived from its path."""
    known = snapshot.facts.get(FACT)
    if known is not None:
        return known
    made = str(uuid.uuid4() if is_new else _of_path(path))
    try:
        await store.put_fact(FACT, made, at=snapshot.last_write_at)
    except StoreError as error:
        _log.warning("serial number not kept", extra={"error": str(error)})
    return made


def _of_path(path: Path) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"panel-gateway:{path.absolute()}")
