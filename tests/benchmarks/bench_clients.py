"""A hundred clients that send single items for a minute: what the slowest wait for, and whether somebody is starved."""

from __future__ import annotations

import asyncio
from statistics import median, quantiles
from time import monotonic, perf_counter

from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import SiteText, item, link_id

_PANELS = 10


async def _client(ready: Bench, number: int, until: float) -> list[float]:
    """Seconds of each request of one client, which changes an item of its own again and again."""
    took: list[float] = []
    while monotonic() < until:
        began = perf_counter()
        written(await ready.client.upsert(item(number, 1 + len(took))))
        took.append(perf_counter() - began)
    return took


async def _measure(clients: int, seconds: float) -> list[Row]:
    bindings = [(link_id(number), [f"p{number % _PANELS}"]) for number in range(clients)]
    async with bench(SiteText(_PANELS, bindings=bindings), 1) as ready:
        written((await ready.upsert([item(number) for number in range(clients)]))[1])
        ready.sample()
        until = monotonic() + seconds
        each = await asyncio.gather(*(_client(ready, number, until) for number in range(clients)))
        profile = ready.profile()
    took = [one for client in each for one in client]
    counts = sorted(map(len, each))
    note = f"{len(took) / seconds:.0f} items a second; the client with the fewest got {counts[0]}, with the most {counts[-1]}"
    what = f"{clients} clients send single items for {seconds:.0f} s to {_PANELS} panels: p99"
    fair = "  the client with the fewest answers against the median one"
    return [
        Row(what, 1000 * quantiles(took, n=100)[-1], "ms", "p50", 1000 * median(took), 5.0, note=f"{note}\n{profile}"),
        Row(fair, counts[0], "answers", "the median client", median(counts), 0.5, at_least=True),
    ]


def run(quick: bool) -> list[Row]:
    return asyncio.run(_measure(10, 2.0) if quick else _measure(100, 60.0))
