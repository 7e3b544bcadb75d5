"""One item on one Modbus TCP panel: the request's time against the parts it cannot do without, and its frames against the fewest.

A peer, a bare script without a gateway, changes the same panel in the same run: it writes the slot, commits and reads it back.
"""

from __future__ import annotations

import asyncio
import json
from statistics import median
from time import perf_counter

from tests.benchmarks.rows import Row
from tests.benchmarks.service import UPSERT, Bench, bench, written
from tests.benchmarks.workload import SiteText, item
from tests.benchmarks.yardsticks import Commits, bare_handler, peer, replay, sockets
from tests.support.processes import Client

_WARM_UP = 5
_FEWEST = 5.0
"""The minute, the check word, the commit, what the panel says of it, the slot: the table in `drivers/README.md`."""


async def _measure(ready: Bench, rounds: int) -> dict[str, list[float]]:
    """Every round has all the parts, so that noise meets them all."""
    times: dict[str, list[float]] = {"request": [], "handler": [], "frames": [], "commit": [], "count": [], "peer": []}
    _, answer = await ready.upsert([item(1)])
    ready.sample()
    commits = Commits(ready.folder)
    with bare_handler(json.dumps({"result": answer}).encode()) as url:
        bare = Client(ready.client.session, url)
        async with sockets(ready.farm.ports) as clients:
            for number in range(rounds + _WARM_UP):
                body = item(1, 1 + number)
                ready.farm.frames()
                took, answer = await ready.upsert([body])
                written(answer)
                frames = {name: [pdu for _, pdu in taken] for name, taken in ready.farm.frames().items()}
                began = perf_counter()
                await bare.call("POST", UPSERT, {"list_items": [body]})
                handled = perf_counter() - began
                times["request"].append(took)
                times["handler"].append(handled)
                times["frames"].append(await replay(clients, frames))
                times["commit"].append(commits.one(json.dumps(body)))
                times["count"].append(len(frames["p0"]))
                times["peer"].append(await peer(clients["p0"], ready.farm.slots()["p0"][0]))
    commits.close()
    return {name: values[_WARM_UP:] for name, values in times.items()}


async def _run(rounds: int, latency_ms: float) -> list[Row]:
    async with bench(SiteText(1, latency_ms=latency_ms), 1) as ready:
        times = await _measure(ready, rounds)
        profile = ready.profile()
    p50 = {name: 1000 * median(values) for name, values in times.items()}
    parts = p50["handler"] + p50["frames"] + p50["commit"]
    note = (
        f"handler {p50['handler']:.2f} ms, {median(times['count']):.0f} frames {p50['frames']:.2f} ms, "
        f"FULL commit {p50['commit']:.2f} ms\n{profile}"
    )
    where = f"one item, one TCP panel ({latency_ms:g} ms an exchange), p50"
    return [
        Row(where, p50["request"], "ms", "bare handler + the same frames + one FULL commit", parts, 1.5, note=note),
        Row("  its frames, the median", median(times["count"]), "frames", "the fewest that prove it", _FEWEST, 1.0),
        Row("  against a bare script", p50["request"], "ms", "pymodbus: write the slot, commit, read it back", p50["peer"]),
    ]


def run(quick: bool) -> list[Row]:
    rounds = 30 if quick else 300
    return [row for latency_ms in (0.0, 1.0) for row in asyncio.run(_run(rounds, latency_ms))]
