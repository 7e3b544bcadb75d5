"""One hour of a whole site in real processes: panels of every model on pseudo-terminals and TCP, and a gateway that is killed.

    python -m tests.benchmarks.soak_hour [--minutes 60] [--seed S] [--keep FOLDER]

Drawn at random: requests, kills, wrong host clocks, adapters that change names, replaced units, power cuts, silent panels and
lines, servers that hang up in mid-reply, panels that are deaf after they saved, panels that reject, a full disk.

Judged by what the simulated panels have open (their control URL) against what clients asked and were answered, never by what the
gateway says of itself; what it claims, it is held to. In the first part gateways are killed, in the second one lives on and its
memory and descriptors are measured, in the third all faults end and every panel must open exactly what is asked. Prints figures;
status 1 when anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from gateway.schedules.time_profile import Readings
from tests.benchmarks.hour_faults import Mishaps
from tests.benchmarks.hour_judge import Judge, local_second
from tests.benchmarks.hour_load import Load
from tests.benchmarks.hour_site import (
    ACCESS,
    EVERYWHERE,
    LEASE_S,
    STORAGE,
    ZONE,
    Disk,
    HostTime,
    cost,
    gateway_of,
    panels_of,
    small_disk,
    swap_adapters,
    write_site,
)
from tests.support.chance import Drawn
from tests.support.host_time import faketime
from tests.support.ledger import Ledger
from tests.support.processes import Client, Running, logged_in

KILLED, LIVING = 0.45, 0.85
"""Where the first and the second part of the time end."""
_OWN_WRITES = 32
"""What a gateway may write to a panel of itself within the hour: what a day gives for the table and for the clock."""
_GROWTH = 1.15
_MOST_LIES = 50
_LOOK_S, _MEASURE_S = 2.0, 30.0


class Hour:
    def __init__(self, folder: Path, disk: Disk, judge: Judge, random: Random, minutes: float) -> None:
        self.judge, self.ledger, self.random = judge, judge.ledger, random
        self.counts: Counter[str] = Counter()
        self.costs: list[tuple[float, int]] = []
        self._folder, self._disk = folder, disk
        self._config = folder / "site.toml"
        self._began, self._whole_s = time.monotonic(), 60 * minutes
        self._swapped = False
        midnight = int(datetime.now(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
        self.load = Load(Drawn(random, midnight, 9, 6), judge, lambda: local_second(time.time()) % 86_400)
        self.mishaps = Mishaps(judge, random)

    def _passed(self) -> float:
        return (time.monotonic() - self._began) / self._whole_s

    async def run(self) -> None:
        looking = asyncio.create_task(self._look_always())
        try:
            while self._passed() < KILLED and not looking.done():
                await self._short_life()
            if self._swapped:
                self._swap()
            await self._long_life(looking)
        finally:
            looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking

    async def _look_always(self) -> None:
        while len(self.judge.lies) < _MOST_LIES:
            await asyncio.sleep(_LOOK_S)
            await self.judge.look()

    def _swap(self) -> None:
        swap_adapters(self._folder)
        self._swapped = not self._swapped
        self.counts["adapters changed names"] += 1

    def _host_time(self) -> HostTime:
        if faketime() is None or self.random.random() < 0.6:
            return HostTime()
        return HostTime(self.random.choice(("+3d", "-3d", "+5h", "-90m", "+400d")), "unsynchronised")

    async def _short_life(self) -> None:
        """Ends by `kill -9`, sometimes while it starts."""
        is_first = not self.counts["kills"]  # every unit and the right time are met first
        if not is_first and (self.random.random() < 0.15 or self._swapped):
            self._swap()
        host = HostTime() if is_first else self._host_time()
        seconds = self.random.choice((self.random.uniform(20, 60), self.random.uniform(60, 150)))
        seconds = min(seconds, max(5.0, (KILLED - self._passed()) * self._whole_s))
        is_full = self._disk.can_be_full and self.random.random() < 0.25
        self.counts["kills"] += 1
        self.counts["lives by a wrong clock"] += not host.is_right
        self.counts["lives on a full disk"] += is_full
        async with self._life(host) as (gateway, client), asyncio.TaskGroup() as group:
            working = [group.create_task(self.load.run(client)), group.create_task(self.mishaps.run())]
            if is_full:
                await asyncio.sleep(seconds / 3)
                self._disk.fill()
            await asyncio.sleep(seconds / 3 if is_full else seconds)
            if self.random.random() < 0.5:
                self._disk.clear()
            await asyncio.sleep(seconds / 3 if is_full else 0)
            gateway.process.kill()
            await gateway.process.wait()
            for task in working:
                task.cancel()
        self._disk.clear()

    @asynccontextmanager
    async def _life(self, host: HostTime) -> AsyncIterator[tuple[Running, Client]]:
        async with (
            gateway_of(self._config, self._disk, host, self._folder / "gateway.log") as gateway,
            logged_in(gateway.url) as client,
        ):
            self.judge.lies.extend(await self.load.found(client))
            yield gateway, client

    async def _long_life(self, looking: asyncio.Task[None]) -> None:
        async with self._life(HostTime()) as (gateway, client):
            async with asyncio.TaskGroup() as group:
                working = [group.create_task(self.load.run(client)), group.create_task(self.mishaps.run())]
                while self._passed() < LIVING and not looking.done():
                    self.costs.append(cost(gateway.process.pid))
                    await asyncio.sleep(min(_MEASURE_S, self._whole_s / 40))
                for task in working:
                    task.cancel()
            await self.mishaps.end()
            refused = await self._at_rest(client)
            while self._passed() < 1 and not looking.done():
                await self.judge.compare(refused)
                await asyncio.sleep(_LOOK_S)
            self.costs.append(cost(gateway.process.pid))
            self.judge.lies.extend(await self.load.found(client))
            assert await gateway.end() == 0, "it did not stop cleanly"

    async def _at_rest(self, client: Client) -> Mapping[str, set[str]]:
        """Once no item waits for any panel; by target, the link_ids that it refuses."""
        until = self._began + self._whole_s + 600
        while True:
            views = await self._views(client)
            waiting = [name for name, view in views.items() if view["state"] not in ("in_sync", "refused", "foreign")]
            if not waiting:
                return {name: _refused(view) for name, view in views.items()}
            if time.monotonic() > until:
                self.judge.lies.append(f"faults ended, and these do not come to rest: {[views[name] for name in waiting]}")
                return {}
            await asyncio.sleep(1)

    @staticmethod
    async def _views(client: Client) -> dict[str, Any]:
        panels = await client.panels()
        return {name: (await client.call("GET", f"/gateway/v1/panels/{name}"))["panels"][0] for name in panels}

    async def judged(self) -> None:
        """What is known at the end only: how often storage was written, and whether memory and descriptors stay."""
        views = await self.judge.panels()
        for name, key in STORAGE.items():
            first = self.ledger.asked_of[name]
            most = (2 * first + _OWN_WRITES) * (42 if key == "eeprom_writes" else 1)
            self.counts[f"writes to {name}"] = views[name][key]
            if views[name][key] > most:
                self.judge.lies.append(f"{name} was written {views[name][key]} times for {first} contents that were asked for")
        settled = self.costs[len(self.costs) // 4 :]
        (memory, descriptors), (memory_at_end, descriptors_at_end) = settled[0], settled[-1]
        if memory_at_end > memory * _GROWTH or descriptors_at_end > descriptors + 3:
            self.judge.lies.append(f"it grows: {memory:.1f} MiB, {descriptors} files; {memory_at_end:.1f}, {descriptors_at_end}")


def _refused(view: Mapping[str, Any]) -> set[str]:
    return {item["link_id"] for item in view["items"] if item["outcome"] == "refused" or item["reason"] == "not_started"}


async def soak(folder: Path, minutes: float, seed: int) -> Hour:
    config, random = write_site(folder), Random(seed)
    readings = Readings(ZoneInfo(ZONE))
    ledger = Ledger(readings, EVERYWHERE, ACCESS, LEASE_S + 4, time.monotonic)
    async with panels_of(config, folder / "panels.log") as panels, aiohttp.ClientSession() as session:
        with small_disk(folder / "disk") as disk:
            hour = Hour(folder, disk, Judge(panels.url, session, ledger, random), random, minutes)
            await hour.run()
            await hour.judged()
        assert await panels.end() == 0, "a simulated panel crashed"
    return hour


def told(hour: Hour) -> str:
    counts = hour.counts + hour.load.counts + hour.mishaps.counts + hour.judge.counts
    rows = [f"  {count:6} {name}" for name, count in counts.items()]
    costs = [f"{memory:.1f} MiB, {descriptors} files" for memory, descriptors in (hour.costs[0], hour.costs[-1])]
    rows.append(f"  the living gateway: {costs[0]} at first, {costs[1]} at last; {len(hour.costs)} times measured")
    return "\n".join([*rows, *(f"LIE {lie}" for lie in hour.judge.lies[:20]), f"{len(hour.judge.lies)} untrue, wider or lost"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak_hour", description="A whole site in real processes.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for logs, in place of a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hour-") as name:
        folder = Path(name) if chosen.keep is None else chosen.keep
        folder.mkdir(parents=True, exist_ok=True)
        hour = asyncio.run(soak(folder.resolve(), chosen.minutes, chosen.seed))
    print(told(hour))
    return 1 if hour.judge.lies else 0


if __name__ == "__main__":
    sys.exit(main())
