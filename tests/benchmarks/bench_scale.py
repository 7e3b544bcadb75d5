"""What an item costs as the site grows, the memory for it, and how soon a large gateway is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from tests.benchmarks.farm import Farm
from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, client_of, gateway_of, panels_of, written
from tests.benchmarks.workload import SiteText, item, link_id
from tests.support.processes import run as process

_PROCESSES = 2
_BATCH = 1000
_PATIENT_MS = 5000
"""A process with 500 simulated panels may be slow to answer: that is no matter here."""
_IDLE_S = 6.0
_KEPT_S = 1.0
"""What was observed is stored within this time."""
_TOUCHED = 10
"""Panels that a measured request changes, and profiles on each of them."""


@dataclass(frozen=True, slots=True)
class _Size:
    """Each profile on one panel; the profiles of a panel follow each other."""

    panels: int
    profiles: int
    starts: int = 0

    @property
    def on_each(self) -> int:
        return self.profiles // self.panels

    def site(self) -> SiteText:
        bindings = [(link_id(n), [f"p{n // self.on_each}"]) for n in range(self.profiles)]
        return SiteText(self.panels, bindings, timeout_ms=_PATIENT_MS)

    def touched(self, version: int) -> list[dict[str, Any]]:
        """A request of the same shape at every size."""
        panels, places = range(min(_TOUCHED, self.panels)), range(min(_TOUCHED, self.on_each))
        return [item(panel * self.on_each + place, version) for panel in panels for place in places]

    def __str__(self) -> str:
        return f"{self.profiles:,} profiles, {self.panels:,} panels"


@dataclass(frozen=True, slots=True)
class _Costs:
    size: _Size
    load_us: float
    """CPU an item of the load."""
    change_us: float
    """CPU an item that is changed, without what an idle gateway would have used in the time."""
    idle_share: float
    """Share of one core: logs of events are read every two seconds, a panel each."""
    change_ms: float
    """Time of such a request."""
    again_us: float
    """CPU an item of a request that changes nothing."""
    empty_mib: float
    full_mib: float
    profile: str


def _batches(size: _Size) -> Iterator[list[dict[str, Any]]]:
    numbers = iter(range(size.profiles))
    while batch := [item(number) for number in islice(numbers, _BATCH)]:
        yield batch


async def _load(ready: Bench, size: _Size) -> float:
    before = ready.cpu_s()
    for batch in _batches(size):
        written((await ready.upsert(batch))[1])
    return ready.cpu_s() - before


async def _request(ready: Bench, items: list[dict[str, Any]]) -> tuple[float, float]:
    """CPU seconds and seconds."""
    before = ready.cpu_s()
    took, answer = await ready.upsert(items)
    written(answer)
    return ready.cpu_s() - before, took


async def _idle(ready: Bench) -> float:
    """CPU seconds a second of a gateway of which nothing is asked."""
    await asyncio.sleep(_KEPT_S)
    before, began = ready.cpu_s(), perf_counter()
    await asyncio.sleep(_IDLE_S)
    return (ready.cpu_s() - before) / (perf_counter() - began)


async def _costs(ready: Bench, size: _Size, rounds: int) -> _Costs:
    empty = ready.memory_mib()
    loaded = await _load(ready, size)
    full = ready.memory_mib()
    await ready.client.until_in_sync()
    touched = len(size.touched(0))
    idle = await _idle(ready)
    await _request(ready, size.touched(1))
    ready.sample()
    changes = [await _request(ready, size.touched(2 + number)) for number in range(rounds)]
    profile = ready.profile()
    repeats = [await _request(ready, size.touched(1 + rounds)) for _ in range(rounds)]
    return _Costs(
        size,
        1e6 * loaded / size.profiles,
        1e6 * median(cpu - idle * took for cpu, took in changes) / touched,
        idle,
        1e3 * median(took for _, took in changes),
        1e6 * median(cpu - idle * took for cpu, took in repeats) / touched,
        empty,
        max(full, ready.memory_mib()),
        profile,
    )


async def _start(config: Path) -> float:
    """Seconds from nothing to ready."""
    began = perf_counter()
    async with process("serve", "--config", str(config), log=config.parent / "gateway.log") as gateway:
        async with client_of(gateway) as client:
            await client.call("GET", "/readyz")
            took = perf_counter() - began
            await client.until_in_sync()
        assert await gateway.end() == 0
    return took


async def _measure(size: _Size, rounds: int) -> tuple[_Costs, list[float]]:
    async with panels_of(size.site(), min(_PROCESSES, size.panels)) as (config, panels):
        costs = await _one_life(config, panels, size, rounds)
        return costs, [await _start(config) for _ in range(size.starts)]


async def _one_life(config: Path, panels: Farm, size: _Size, rounds: int) -> _Costs:
    async with gateway_of(config, panels) as ready:
        return await _costs(ready, size, rounds)


def _rows(costs: list[_Costs]) -> Iterator[Row]:
    first, top = costs[0], costs[-1]
    for each in costs:
        note = (
            f"a request takes {each.change_ms:.0f} ms; nothing changed: {each.again_us:.0f} us CPU an item; "
            f"loaded at {each.load_us:.0f} us an item; idle {each.idle_share:.1%} of a core; "
            f"{each.full_mib:.0f} MiB, {each.empty_mib:.0f} MiB before the first profile"
        )
        what, note = f"{each.size}: CPU an item changed", f"{note}\n{each.profile}"
        if each is first:
            yield Row(what, each.change_us, "us", goal=300.0, note=note)
        else:
            yield Row(what, each.change_us, "us", str(first.size), first.change_us, 1.1, note=note)
    yield Row(f"{top.size}: resident memory", top.full_mib, "MiB", goal=1024.0)
    middle = costs[-2]
    yield Row("  memory a profile", _each(top), "KiB", str(middle.size), _each(middle), 1.3)


def _each(costs: _Costs) -> float:
    """KiB a profile."""
    return 1024 * (costs.full_mib - costs.empty_mib) / costs.size.profiles


def run(quick: bool) -> list[Row]:
    sizes = (
        [_Size(2, 8), _Size(4, 32, starts=1)]
        if quick
        else [_Size(10, 100), _Size(10, 500), _Size(250, 10_000, starts=3), _Size(1000, 50_000)]
    )
    rounds = 2 if quick else 15
    found = [asyncio.run(_measure(size, rounds)) for size in sizes]
    rows = list(_rows([costs for costs, _ in found]))
    for costs, starts in found:
        if starts:
            rows.append(Row(f"{costs.size}: start to ready", median(starts), "s", goal=5.0))
    return rows
