"""What concerns no single panel: tombstones that nobody needs, the wall clock's jumps."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from gateway.fleet.assignment import Assignment
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired
from gateway.store.contract import StoreError

LOG = logging.getLogger(__name__)
_PERIOD_S = 5.0
_JUMP_S = 2.0


class Housekeeper:
    """`time_jumped` is called when the wall clock moved otherwise than time went by, and when it becomes trusted."""

    def __init__(self, context: FleetContext, desired: Desired, assignment: Assignment, time_jumped: Callable[[], None]) -> None:
        self._context = context
        self._desired = desired
        self._assignment = assignment
        self._time_jumped = time_jumped
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        offset, trusted = self._offset(), self._context.trusted()
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    await self._wake.wait()
            self._wake.clear()
            jump = self._offset() - offset
            await self._forget(touch=jump < -_JUMP_S)
            if abs(jump) > _JUMP_S or self._context.trusted() != trusted:
                self._time_jumped()
            offset, trusted = self._offset(), self._context.trusted()

    def _offset(self) -> float:
        return self._context.clock.wall() - self._context.clock.monotonic()

    async def _forget(self, *, touch: bool) -> None:
        """`touch`: write in any case, so that the last write is not later than now and a start trusts the clock."""
        async with self._context.write_lock:
            link_ids = self._assignment.forgettable()
            if not link_ids and not touch:
                return
            try:
                await self._context.store.forget(link_ids, self._context.now())
            except StoreError as error:
                LOG.warning("tombstones kept", extra={"count": len(link_ids), "error": str(error)})
                return
            self._desired.forget(link_ids)
