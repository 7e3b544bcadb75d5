"""A thousand profiles over a hundred panels, each bound to five: from zero, again, and after the loss of a panel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic, perf_counter
from typing import Any

from tests.benchmarks.farm import Frame, requested
from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import SiteText, item, link_id
from tests.benchmarks.yardsticks import replay, sockets

COPIES = 5
_STAGING = b"\x10\x10"
"""Function and address of a first write to a lost table: to one of its schedule slots 0 to 3."""
_SETTLED_S = 0.5


@dataclass(frozen=True, slots=True)
class _Size:
    profiles: int
    panels: int
    processes: int
    repeats: int

    def site(self) -> SiteText:
        bindings = [
            (link_id(number), [f"p{(number * COPIES + copy) % self.panels}" for copy in range(COPIES)])
            for number in range(self.profiles)
        ]
        return SiteText(self.panels, bindings, latency_ms=1.0)

    def items(self) -> list[dict[str, Any]]:
        return [item(number) for number in range(self.profiles)]

    def __str__(self) -> str:
        return f"{self.profiles:,} profiles over {self.panels} panels, {COPIES} each"


async def _from_zero(ready: Bench, size: _Size) -> list[Row]:
    """All in one request; then, erased again, one request a profile."""
    ready.sample()
    once, answer = await ready.upsert(size.items())
    profile = ready.profile()
    written(answer)
    together = {name: [pdu for _, pdu in taken] for name, taken in ready.farm.frames().items()}
    async with sockets(ready.farm.ports) as clients:
        bare = await replay(clients, together)
    await ready.client.delete(*(each["link_id"] for each in size.items()))
    await ready.client.until_in_sync()
    ready.farm.frames()
    began = perf_counter()
    for each in size.items():
        written((await ready.upsert([each]))[1])
    singly = perf_counter() - began
    alone = {name: [pdu for _, pdu in taken] for name, taken in ready.farm.frames().items()}
    async with sockets(ready.farm.ports) as clients:
        bare_alone = await replay(clients, alone)
    frames, frames_alone = (sum(map(len, each.values())) for each in (together, alone))
    note = f"{once:.2f} s and {frames:,} frames against {singly:.2f} s and {frames_alone:,} frames\n{profile}"
    return [
        Row(f"{size}, from zero, against one write a profile", singly / once, "x faster", goal=5.0, at_least=True, note=note),
        Row("  against bare frames", once, "s", f"{frames:,} bare frames", bare, 2.0),
        Row("  against bare frames, one write a profile", once, "s", f"{frames_alone:,} bare frames", bare_alone),
    ]


async def _again(ready: Bench, size: _Size) -> list[Row]:
    """What nothing has changed in costs no byte."""
    cpu, sent = [], 0
    items = size.items()
    ready.farm.frames()
    ready.sample()
    for _ in range(size.repeats):
        before = ready.cpu_s()
        _, answer = await ready.upsert(items)
        cpu.append(ready.cpu_s() - before)
        written(answer)
        sent += sum(map(len, requested(ready.farm.frames())))
    each = 1e6 * median(cpu) / (size.profiles * COPIES)
    return [
        Row("the same request again, bytes", sent, "bytes", goal=0.0),
        Row("the same request again, CPU an item and panel", each, "us", goal=50.0, note=ready.profile()),
    ]


async def _lost(ready: Bench, panel: str) -> tuple[float, float, float, int]:
    """Seconds of detection, of writing all again, and of the same frames bare; how many of these."""
    before = ready.farm.slots()[panel]
    ready.farm.act(panel, "restore")
    ready.farm.frames()
    began = monotonic()
    await ready.client.call("POST", f"/gateway/v1/panels/{panel}/sync", status=202)
    frames = await _settled(ready, panel)
    assert ready.farm.slots()[panel] == before
    first = next(number for number, (_, pdu) in enumerate(frames) if pdu.startswith(_STAGING))
    begins = frames[first][0]
    async with sockets({panel: ready.farm.ports[panel]}) as clients:
        bare = await replay(clients, {panel: [pdu for _, pdu in frames[first:]]})
    return begins - began, frames[-1][0] - begins, bare, len(frames) - first


async def _settled(ready: Bench, panel: str) -> Sequence[Frame]:
    """What reached the panel until it was left alone."""
    frames: list[Frame] = []
    while not frames or monotonic() - frames[-1][0] < _SETTLED_S:
        await asyncio.sleep(_SETTLED_S)
        frames += ready.farm.frames()[panel]
    return frames


async def _after_loss(ready: Bench, size: _Size) -> Row:
    runs = [await _lost(ready, "p0") for _ in range(size.repeats)]
    detection, writing, bare = (median(run[column] for run in runs) for column in range(3))
    note = f"detection {1000 * detection:.0f} ms, writing {1000 * writing:.0f} ms, {runs[0][3]} bare frames {1000 * bare:.0f} ms"
    what = "after one panel's total loss"
    return Row(what, detection + writing, "s", "its bare frames plus detection", detection + bare, 1.1, note=note)


async def _measure(size: _Size) -> list[Row]:
    async with bench(size.site(), size.processes) as ready:
        rows = await _from_zero(ready, size)
        rows += await _again(ready, size)
        return [*rows, await _after_loss(ready, size)]


def run(quick: bool) -> list[Row]:
    size = _Size(20, 10, 2, 2) if quick else _Size(1000, 100, 10, 7)
    return asyncio.run(_measure(size))
