"""One profile for a thousand panels in one request."""

from __future__ import annotations

import asyncio
from statistics import median

from tests.benchmarks.rows import Row
from tests.benchmarks.service import bench, written
from tests.benchmarks.workload import SiteText, item
from tests.benchmarks.yardsticks import replay, sockets

_PATIENT_MS = 5000
"""Processes with 500 simulated panels each may be slow to answer."""


async def _measure(panels: int, rounds: int) -> Row:
    took, bare, count, profile = list[float](), list[float](), 0, ""
    async with bench(SiteText(panels, timeout_ms=_PATIENT_MS), 2) as ready:
        for number in range(rounds):
            ready.farm.frames()
            ready.sample()
            seconds, answer = await ready.upsert([item(1, number)])
            written(answer)
            profile = ready.profile()
            pdus = {name: [pdu for _, pdu in taken] for name, taken in ready.farm.frames().items()}
            count = sum(map(len, pdus.values()))
            async with sockets(ready.farm.ports) as clients:
                bare.append(await replay(clients, pdus))
            took.append(seconds)
    what = f"one profile x {panels:,} TCP panels, one request"
    return Row(what, median(took), "s", f"{count:,} bare frames over {panels:,} sockets", median(bare), note=profile)


def run(quick: bool) -> list[Row]:
    return [asyncio.run(_measure(20, 2) if quick else _measure(1000, 5))]
