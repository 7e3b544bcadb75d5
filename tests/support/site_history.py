"""Hours of a whole site in virtual time: requests, kills and mishaps drawn from a seed, judged by what simulated panels open."""

from __future__ import annotations

import asyncio
import heapq
import json
import os
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.schedules.time_profile import Readings
from tests.support.chance import Drawn
from tests.support.ledger import Ledger
from tests.support.open_minutes import NEAR_S, OpenMinutes
from tests.support.site_end import SiteEnd
from tests.support.site_mishaps import Mishap, Mishaps
from tests.support.site_record import Record
from tests.support.site_requests import Requests
from tests.support.soaked_site import EVERYWHERE, LEASE_S, READERS, STARTS, ZONE, settings
from tests.support.virtual_site import VirtualSite

HOUR = 3600.0
_SETTLE_S = 40 * HOUR
"""What a day's budget holds back has to come within so long after the last fault."""
_LOOK_S, _SEARCH_S = 60, 300
_REQUEST_S, _MISHAP_S, _KILL_S = 150, 400, 2400
"""On average between two of them."""
Event = Callable[[], Coroutine[Any, Any, None]]


class SiteHistory:
    def __init__(self, folder: Path, seed: int, hours: float) -> None:
        self.random, self.record = Random(seed), Record()
        start = STARTS[seed % len(STARTS)]
        self.site = VirtualSite(settings(), folder, start.timestamp())
        self.ledger = Ledger(Readings(ZONE), EVERYWHERE, READERS, LEASE_S + NEAR_S, self._time)
        self.units = {
            name: OpenMinutes(panel, self.ledger, ZONE, self.site.right.wall) for name, panel in self.site.panels.items()
        }
        midnight: datetime = start.replace(hour=0, minute=0)
        drawn = Drawn(self.random, int(midnight.timestamp()), profiles=8, people=4)
        self._requests = Requests(self.site, self.ledger, self.units, drawn, self.random, self.record)
        self._mishaps = Mishaps(self.site, self.random, self.record.counts, self._strike)
        self._end = SiteEnd(self.site, self.ledger, self.units, drawn.numbers)
        self._hours = hours
        self._queue: list[tuple[float, int, Event]] = []
        self._numbers = 0

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    # the course of it

    async def run(self) -> Record:
        """Ends early where anything is found."""
        await self.site.open()
        for wait_s, what in ((_LOOK_S, self._look), (90, self._request), (600, self._mishap), (1500, self._kill)):
            self._in(wait_s, what)
        end = self._time() + self._hours * HOUR
        while self._queue[0][0] < end and not self._found():
            at, _, what = heapq.heappop(self._queue)
            await asyncio.sleep(max(0.0, at - self._time()))
            await what()
        if not self._found():
            await self._settle()
        await self._stop()
        self._tell()
        return self.record

    def _in(self, seconds: float, what: Event) -> None:
        self._numbers += 1
        heapq.heappush(self._queue, (self._time() + seconds, self._numbers, what))

    def _found(self) -> bool:
        return bool(self.record.lies) or any(unit.lies for unit in self.units.values())

    async def _stop(self) -> None:
        working = self._requests.working
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)
        await self.site.close()

    # what happens

    async def _look(self) -> None:
        self._in(_LOOK_S, self._look)
        self._look_once()
        if self._time() // _LOOK_S % (_SEARCH_S // _LOOK_S) == 0:
            self.record.lies.extend(self._end.wider(self.random))
            for unit in self.units.values():
                unit.find_rest(self._mishaps.calm_s(unit.name))

    def _look_once(self) -> None:
        self._requests.collect()
        failed = self.site.fleet.failed
        if failed.done():
            failed.result()
        for unit in self.units.values():
            unit.look()
            unit.look_now()

    async def _request(self) -> None:
        self._in(self.random.expovariate(1 / _REQUEST_S), self._request)
        self._requests.one()

    async def _mishap(self) -> None:
        self._in(self.random.expovariate(1 / _MISHAP_S), self._mishap)
        mishap = self._mishaps.draw()
        if mishap is not None:
            await mishap.begin()
            self._in(mishap.seconds, self._ending(mishap))

    def _ending(self, mishap: Mishap) -> Event:
        async def end() -> None:
            await self._mishaps.end(mishap)

        return end

    def _strike(self, *names: str) -> None:
        for name in names:
            self.units[name].struck = True

    async def _kill(self) -> None:
        self._in(self.random.expovariate(1 / _KILL_S), self._kill)
        self._measure()
        self.record.counts["kills"] += 1
        await self.site.kill()
        self._requests.killed()
        await self.site.open()
        self._compare_lists()

    def _compare_lists(self) -> None:
        """Nothing is lost, and nothing is there that was never asked; nobody waits for an answer."""
        fleet = self.site.fleet
        listed = {item.link_id: json.loads(item.body) for kind in (TIME_PROFILE, IDENTIFIER) for item in fleet.items(kind)}
        self.record.lies.extend(self.ledger.found(listed, fleet.bindings()))

    def _measure(self) -> None:
        """Tasks and descriptors, where nobody waits for an answer."""
        if not self._requests.working:
            self.record.tasks.append(len(asyncio.all_tasks()))
            self.record.descriptors.append(len(os.listdir("/proc/self/fd")))

    # the end

    async def _settle(self) -> None:
        """All faults end; then every panel comes to open what is asked of it, and nothing else."""
        await self._mishaps.end_all()
        until, differs = self._time() + _SETTLE_S, ""
        while self._time() < until and not self._found():
            await asyncio.sleep(_SEARCH_S)
            self._look_once()
            if self._requests.working:
                continue
            self._compare_lists()
            differs = self._end.difference()
            if not differs:
                self._measure()
                self.record.lies.extend(self._end.unlike())
                return
        self.record.lies.append(f"faults are over, and after hours {differs}")

    def _tell(self) -> None:
        record = self.record
        for name, unit in self.units.items():
            record.lies.extend(unit.lies)
            record.counts.update(unit.counts)
            record.most_written[name] = unit.most_written()
        record.lies.extend(self._end.worn(self._time()))
        for what, seen in (("tasks", record.tasks), ("descriptors", record.descriptors)):
            half = len(seen) // 2
            if half and min(seen[half:]) > max(seen[: half + 1]):
                record.lies.append(f"{what} grow: {seen}")
