"""A door that somebody opens while a large request fans out: from the command to its frame at the panel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from statistics import median, quantiles
from time import monotonic

from tests.benchmarks.farm import Frame
from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import SiteText, item, link_id

_PULSE = bytes((6, 0x02, 0x10))
_EVERY_S = 0.02
_LATENCY_MS = 20.0
_QUIET = 50

Pressed = list[tuple[str, float]]
"""A door, and when its command left (monotonic seconds)."""


async def _press(ready: Bench, names: Iterator[str], until: asyncio.Task[object] | None) -> Pressed:
    """Open one door after the other, until a request is answered, or a few times."""
    pressed: Pressed = []
    while not until.done() if until is not None else len(pressed) < _QUIET:
        pressed.append((next(names), monotonic()))
        done = await ready.client.call("POST", f"/gateway/v1/doors/{pressed[-1][0]}/open")
        assert done["outcome"] == "acknowledged"
        await asyncio.sleep(_EVERY_S)
    return pressed


def _took_ms(pressed: Pressed, frames: Mapping[str, Sequence[Frame]]) -> dict[str, list[float]]:
    """Milliseconds from each command to its pulse at the panel, by door."""
    pulses = {name: iter([at for at, pdu in taken if pdu.startswith(_PULSE)]) for name, taken in frames.items()}
    took: dict[str, list[float]] = {}
    for name, at in pressed:
        took.setdefault(name, []).append(1000 * (next(pulses[name]) - at))
    return took


async def _run(profiles: int, panels: int) -> list[Row]:
    """The last panel has a door and no profiles: nothing but the command travels on its line."""
    apart = f"p{panels}"
    rules = [(link_id(number), [f"p{number % panels}"]) for number in range(profiles)]
    async with bench(SiteText(panels + 1, bindings=rules, latency_ms=_LATENCY_MS, doors=True), 2) as ready:
        quiet = _took_ms(await _press(ready, cycle([apart]), None), ready.farm.frames())[apart]
        ready.sample()
        giving = asyncio.create_task(ready.upsert([item(number) for number in range(profiles)]))
        names = cycle([name for number in range(panels) for name in (apart, f"p{number}")])
        pressed = await _press(ready, names, giving)
        _, answer = await giving
        written(answer)
        took, profiled = _took_ms(pressed, ready.farm.frames()), ready.profile()
    beside = took.pop(apart)
    busy = [ms for each in took.values() for ms in each]
    p95 = quantiles(beside, n=20)[-1]
    note = "\n".join(filter(None, (f"{len(beside)} commands, p95 {p95:.1f} ms, longest {max(beside):.1f} ms", profiled)))
    what = f"door command to its frame beside a fan-out of {profiles:,} profiles to {panels} panels"
    return [
        Row(what, median(beside), "ms", "none", goal=5.0, note=note),
        Row("  the same on a quiet site", median(quiet), "ms"),
        Row(f"  at panels that are being written, {_LATENCY_MS:.0f} ms an exchange", median(busy), "ms"),
    ]


def run(quick: bool) -> list[Row]:
    return asyncio.run(_run(20, 2) if quick else _run(1000, 20))
