"""A line whose units share no wire: a bus for each, so that none waits for another. Seen from outside it is one line."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Generic

from config.settings import LineSettings
from drivers.bus.statistics import LineStatistics, LineTraffic
from drivers.bus.worker import Bus
from drivers.clock import Clock
from drivers.link import Link, R, V, WireTally
from drivers.trace import for_no_request

_GRACE_S = 5.0


class SideBySide(Generic[R, V]):
    """See `drivers.factory.LineWork`. `tally`: what all links of the line count in."""

    def __init__(self, settings: LineSettings, clock: Clock) -> None:
        self.tally = WireTally()
        self._settings = settings
        self._clock = clock
        self._traffic = LineTraffic()
        self._buses: dict[int, Bus[R, V]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

    async def start(self) -> None:
        self._over = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(_until(self._over), name=f"line {self._settings.id}", context=for_no_request())
        for bus in self._buses.values():
            self._begin(bus)

    async def stop(self, grace_s: float) -> None:
        await asyncio.gather(*(bus.stop(grace_s) for bus in self._buses.values()), *self._leaving)
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if self._task is not None:
            await asyncio.wait({self._task})

    def attach(self, unit: int, link: Link[R, V], *, probe: R, timeout_ms: float | None) -> Bus[R, V]:
        """The unit's own bus; None takes the line's reply timeout. See `Bus.attach`."""
        bus = self._buses[unit] = Bus(self._settings, link, self._clock, traffic=self._traffic)
        bus.attach(unit, probe=probe, timeout_ms=timeout_ms)
        if self._task is not None:
            self._begin(bus)
        return bus

    def detach(self, unit: int) -> None:
        """Remove a unit: its queued requests are refused, an exchange under way is finished."""
        bus = self._buses.pop(unit)
        bus.detach(unit)
        leaving = asyncio.create_task(bus.stop(_GRACE_S), context=for_no_request())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    def statistics(self) -> LineStatistics:
        depths = sum((bus.depths() for bus in self._buses.values()), Counter[int]())
        return self._traffic.snapshot(self._clock.monotonic(), self.tally, depths)

    def _begin(self, bus: Bus[R, V]) -> None:
        bus.begin().add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A bus that dies takes the line along."""
        error = None if task.cancelled() else task.exception()
        if error is not None and self._over is not None and not self._over.done():
            self._over.set_exception(error)


async def _until(over: asyncio.Future[None]) -> None:
    await over
