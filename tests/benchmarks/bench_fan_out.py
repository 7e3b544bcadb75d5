"""Fifty profiles on fifty panels in one request: panels are processes of their own, and one of them may be silent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import monotonic
from typing import Any

from tests.benchmarks.farm import Frame, for_requests
from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import SiteText, item, link_id
from tests.benchmarks.yardsticks import replay, sockets


@dataclass
class _Times:
    """Seconds, one entry a round."""

    request: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """Until the last frame for the request reached the last panel that is never silent."""
    others_beside_silent: list[float] = field(default_factory=list)
    silent: list[float] = field(default_factory=list)
    frames: int = 0
    profile: str = ""


def _pdus(frames: Mapping[str, Sequence[Frame]]) -> dict[str, list[bytes]]:
    return {name: [pdu for _, pdu in taken] for name, taken in frames.items()}


def _last_of_others(frames: Mapping[str, Sequence[Frame]], silent: str) -> float:
    return max(at for name, taken in frames.items() if name != silent for at, _ in for_requests(taken))


async def _clear(ready: Bench, items: Sequence[dict[str, Any]]) -> None:
    await ready.client.delete(*(each["link_id"] for each in items))
    await ready.client.until_in_sync()
    ready.farm.frames()


async def _round(ready: Bench, times: _Times, items: Sequence[dict[str, Any]], silent: str) -> None:
    ready.sample()
    began = monotonic()
    took, answer = await ready.upsert(items)
    written(answer)
    times.profile = ready.profile()
    frames = ready.farm.frames()
    times.request.append(took)
    times.others.append(_last_of_others(frames, silent) - began)
    pdus = _pdus(frames)
    times.frames = sum(map(len, pdus.values()))
    async with sockets(ready.farm.ports) as clients:
        times.bare.append(await replay(clients, pdus))


async def _silent_round(ready: Bench, times: _Times, items: Sequence[dict[str, Any]], silent: str) -> None:
    ready.farm.act(silent, "off")
    began = monotonic()
    took, answer = await ready.upsert(items)
    frames = ready.farm.frames()
    times.silent.append(took)
    times.others_beside_silent.append(_last_of_others(frames, silent) - began)
    for entry in answer:
        said = {panel["panel"]: panel for panel in entry["panels"]}
        assert said.pop(silent)["outcome"] == "pending", entry
        assert not entry["success"], entry
        assert all(panel["success"] for panel in said.values()), entry
    ready.farm.act(silent, "on")


async def _measure(panels: int, profiles: int, rounds: int, latency_ms: float, with_silent: bool) -> _Times:
    times, silent = _Times(), f"p{panels - 1}"
    async with bench(SiteText(panels, latency_ms=latency_ms), panels) as ready:
        for number in range(rounds):
            items = [item(each, number) for each in range(profiles)]
            await _round(ready, times, items, silent)
            await _clear(ready, items)
            if with_silent:
                await _silent_round(ready, times, items, silent)
                await _clear(ready, items)
    assert link_id(0) == items[0]["link_id"]
    return times


def run(quick: bool) -> list[Row]:
    size, rounds = (4, 2) if quick else (50, 5)
    name = f"{size} profiles x {size} TCP panels, one request"
    fast = asyncio.run(_measure(size, size, rounds, 0.0, with_silent=False))
    slow = asyncio.run(_measure(size, size, rounds, 20.0, with_silent=False))
    # A panel that was silent gets single requests for ten minutes: what it takes belongs to no other row.
    beside = asyncio.run(_measure(size, size, rounds, 20.0, with_silent=True))
    return [
        Row(
            name,
            median(fast.request),
            "s",
            f"{fast.frames} bare frames over {size} sockets, one after the other on each",
            median(fast.bare),
            1.3,
            note=fast.profile,
        ),
        Row(f"{name}, 20 ms an exchange", median(slow.request), "s", goal=1.5, note=slow.profile),
        Row("  against bare frames", median(slow.request), "s", f"{slow.frames} bare frames, likewise", median(slow.bare), 1.15),
        Row(
            "  one silent: the others' last frame",
            median(beside.others_beside_silent),
            "s",
            "the same panels with none silent",
            median(beside.others),
            1.05,
        ),
        Row("  one silent: the answer, told apart", median(beside.silent), "s"),
    ]
