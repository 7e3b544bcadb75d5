"""Keeps in the store what the next start has to know and no request waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from gateway.store.contract import Store, StoreError

_EVERY_S = 5.0
_log = logging.getLogger(__name__)


class Kept(Protocol):
    """Something that is remembered over a restart as a fact of the site."""

    def unsaved(self) -> str | None:
        """What has to be stored now; None: nothing new."""
        ...

    def saved(self) -> None:
        """What `unsaved` gave last is stored."""
        ...


class Keeper:
    """`stamp`: the time to give to a durable write."""

    def __init__(self, fact: str, kept: Kept, store: Store, stamp: Callable[[], float]) -> None:
        self._fact = fact
        self._kept = kept
        self._store = store
        self._stamp = stamp

    async def keep(self) -> None:
        """Store what is new. What the store refuses is tried again at the next call."""
        text = self._kept.unsaved()
        if text is None:
            return
        try:
            await self._store.put_fact(self._fact, text, at=self._stamp())
        except StoreError as error:
            _log.warning("not kept yet", extra={"fact": self._fact, "error": str(error)})
        else:
            self._kept.saved()

    async def run(self) -> None:
        """Store what is new every few seconds, without end."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.keep()
