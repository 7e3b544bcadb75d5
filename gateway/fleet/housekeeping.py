"""What concerns no single panel: the host's clock, the law of its zone, what is durably known of both, tombstones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.concurrency import in_a_thread
from gateway.fleet import host_clock, zone_law
from gateway.fleet.assignment import Assignment
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired
from gateway.fleet.zone_law import ZoneLaw
from gateway.schedules.zones import newest
from gateway.store.contract import StoreError

LOG = logging.getLogger(__name__)
_PERIOD_S = 5.0
_LAW_PERIOD_S = 1800.0
"""How often the time zone database is read."""


def pause_s(patience_s: float | None) -> float:
    """Seconds until the next look at the host's clock. `patience_s`: for how long it waits for panels; None: for none."""
    return _PERIOD_S if patience_s is None else min(_PERIOD_S, patience_s)


class Housekeeper:
    """`time_jumped` is called when the host's clock stepped, came to be trusted or is no longer trusted, `law_changed` with the
    site's zone when it has other rules."""

    def __init__(
        self,
        context: FleetContext,
        desired: Desired,
        assignment: Assignment,
        law: ZoneLaw,
        time_jumped: Callable[[], None],
        law_changed: Callable[[ZoneInfo], None],
    ) -> None:
        self._context = context
        self._desired = desired
        self._assignment = assignment
        self._law = law
        self._time_jumped = time_jumped
        self._law_changed = law_changed
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def wake(self) -> None:
        """There are news of the host's clock."""
        self._wake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as beside:
            law = beside.create_task(self._follow_law(), name="time zones")
            while not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s(self._context.trust.patience_s())):
                        await self._wake.wait()
                await self.tend()
                await self._forget()
            law.cancel()

    async def tend(self) -> None:
        """Look at the host's clock, and let all know what is new; what has to be durable is, or is tried again."""
        trust = self._context.trust
        trust.look()
        trust.pass_over_the_silent()
        self._wake.clear()  # what is new is handled now
        if trust.news():
            self._time_jumped()
        try:
            await self._keep()
        except StoreError as error:
            LOG.warning("not kept yet", extra={"error": str(error)})

    async def _keep(self) -> None:
        """Raises StoreError."""
        store, trust = self._context.store, self._context.trust
        if (text := trust.unsaved()) is not None:
            await store.put_fact(host_clock.FACT, text, self._context.stamp())
            trust.saved(text)
        if (text := self._law.unsaved()) is not None:
            await store.put_fact(zone_law.FACT, text, self._context.stamp())
            self._law.saved(text)
        if read := self._desired.unkept():
            await store.put_anew(read, self._context.stamp())
            self._desired.kept(read)

    async def _forget(self) -> None:
        async with self._context.write_lock:
            link_ids = self._assignment.forgettable()
            if not link_ids:
                return
            try:
                await self._context.store.forget(link_ids, self._context.stamp())
            except StoreError as error:
                LOG.warning("tombstones kept", extra={"count": len(link_ids), "error": str(error)})
                return
            self._desired.forget(link_ids)

    async def _follow_law(self) -> None:
        """The host's clock goes on being looked at while a medium with the time zone database hangs."""
        while True:
            await self._context.clock.sleep(_LAW_PERIOD_S)
            await self._read_law()

    async def _read_law(self) -> None:
        zone = self._context.options.readings.zone
        try:
            fresh = await in_a_thread(lambda: newest(zone), "time zones")
        except (ZoneInfoNotFoundError, OSError, ValueError) as error:
            LOG.warning("the time zone database cannot be read", extra={"zone": zone.key, "error": str(error)})
            return
        if fresh is not zone and self._context.options.readings.zone is zone:
            self._law_changed(fresh)
