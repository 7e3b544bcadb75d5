"""Deletions that the store does not take now: the panels carry them out, and the store is told when it writes again.

This is the one exception to the rule that what is asked is durable before the first byte leaves: an open door is worse than a
deletion that a restart forgets, and the answer says which it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from drivers.contract import Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired
from gateway.fleet.results import LinkReport, PanelResult
from gateway.store.contract import DesiredChange, DesiredItem, StoreError

LOG = logging.getLogger(__name__)
_PERIOD_S = 5.0


class Undurable:
    """`take_in` tells desired and panels of new items. Callers of `begin` and `keep` hold the context's write lock."""

    def __init__(
        self, desired: Desired, context: FleetContext, take_in: Callable[[Sequence[DesiredItem]], Awaitable[None]]
    ) -> None:
        self._desired = desired
        self._context = context
        self._take_in = take_in
        self._pending: dict[str, DesiredChange] = {}
        """Key -> the deletion that the store is still to be told."""
        self._wake = asyncio.Event()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, key: object) -> bool:
        return key in self._pending

    async def begin(self, deletions: Sequence[DesiredChange], refused: StoreError) -> None:
        """These deletions count from now on, whatever the store says: of live items, and of what only panels know."""
        LOG.error("deletions are not durable: the store refused them", extra={"count": len(deletions), "error": str(refused)})
        self._pending |= {each.key: each for each in deletions}
        at = self._context.stamp()
        await self._take_in([self._tombstone(each, at) for each in deletions])
        self._wake.set()

    def _tombstone(self, deletion: DesiredChange, at: float) -> DesiredItem:
        known = self._desired.live.get(deletion.key) or DesiredItem(deletion.link_id, 0, 0, 0, None, "", at, deletion.kind)
        return replace(known, generation=known.generation + 1, content=None, body=deletion.body, changed_at=at)

    async def keep(self) -> None:
        """Makes them durable. Raises StoreError."""
        if not self._pending:
            return
        changes = tuple(self._pending.values())
        done = await self._context.store.put_desired(changes, {}, self._context.stamp())
        self._pending.clear()
        LOG.info("deletions are durable now", extra={"count": len(done)})
        await self._take_in(done)

    async def run(self) -> None:
        """Try again, until `stop`, what the store refused."""
        while not self._stopping:
            await self._wake.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    self._wake.clear()
                    if not self._stopping:
                        await self._wake.wait()
            async with self._context.write_lock:
                with contextlib.suppress(StoreError):
                    await self.keep()
            if self._pending:
                self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def told(self, report: LinkReport, key: str) -> LinkReport:
        """The answer to a deletion of an item that a restart would forget."""
        if key not in self._pending:
            return report
        return replace(report, success=False, panels=tuple(map(_forgotten, report.panels)), durable=False)


def _forgotten(result: PanelResult) -> PanelResult:
    """That a restart forgets the deletion is more than what keeps the panel from it now, which is told in the message."""
    if result.reason is None:
        return replace(result, success=False, reason=Reason.NOT_DURABLE)
    message = ": ".join(filter(None, (result.reason.value, result.message)))
    return replace(result, reason=Reason.NOT_DURABLE, message=message)
