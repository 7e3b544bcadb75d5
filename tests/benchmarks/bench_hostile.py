"""A client that is logged in, while strangers on the other core do what they can: how much later it is answered."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlsplit

from tests.benchmarks.rows import Row
from tests.benchmarks.workload import SiteText, item
from tests.support.processes import Client, Running, logged_in
from tests.support.processes import run as process

_METER = Path(__file__).parents[1] / "support" / "loop_meter"
_LIST = "/api/v1/access/timeprofile/items/link?limit=50&page_number=1"
_SETTLE_S = 2.0


@dataclass
class _Times:
    """Seconds of each request, and the longest that one callback held the loop."""

    took: list[float] = field(default_factory=list)
    gap_s: float = 0.0
    whose: str = ""
    peak_mib: float = 0.0

    def at(self, share: float) -> float:
        """That share of the requests took no longer."""
        return sorted(self.took)[min(len(self.took) - 1, int(len(self.took) * share))]


async def _calls(client: Client, seconds: float) -> list[float]:
    """Requests one after the other: lists, and a durable change every tenth time."""
    took, end, number = [], perf_counter() + seconds, 0
    while (began := perf_counter()) < end:
        number += 1
        if number % 10:
            await client.call("GET", _LIST)
        else:
            await client.upsert(item(number % 200, number))
        took.append(perf_counter() - began)
    return took


async def _measured(gateway: Running, client: Client, folder: Path, seconds: float) -> _Times:
    gateway.process.send_signal(signal.SIGUSR1)
    took = await _calls(client, seconds)
    _, wall, _, whose = (folder / "meter").read_text().splitlines()
    return _Times(took, float(wall), whose, _peak_mib(gateway))


def _peak_mib(gateway: Running) -> float:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@asynccontextmanager
async def attack(port: int, core: int) -> AsyncIterator[None]:
    attacker = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.attacker", str(port))
    os.sched_setaffinity(attacker.pid, {core})
    try:
        await asyncio.sleep(_SETTLE_S)
        yield
    finally:
        attacker.kill()
        await attacker.wait()


async def _measure(folder: Path, seconds: float) -> tuple[_Times, _Times]:
    config, cores = folder / "site.toml", os.sched_getaffinity(0)
    config.write_text(SiteText(0).toml({}))
    environment = {"PYTHONPATH": str(_METER), "LOOP_METER": str(folder / "meter")}
    serve = ("serve", "--config", str(config))
    async with process(*serve, log=folder / "log", environment=environment) as gateway, logged_in(gateway.url) as client:
        port = urlsplit(gateway.url).port
        assert port is not None
        for each in (gateway.process.pid, 0):
            os.sched_setaffinity(each, {min(cores)})
        await client.upsert(*(item(number) for number in range(200)))
        quiet = await _measured(gateway, client, folder, seconds)
        async with attack(port, max(cores)):
            attacked = await _measured(gateway, client, folder, seconds)
        os.sched_setaffinity(0, cores)
        assert await gateway.end() == 0
    return quiet, attacked


def _rows(folder: Path, quick: bool) -> list[Row]:
    quiet, attacked = asyncio.run(_measure(folder, 2 if quick else 20))
    note = (
        f"quiet: median {1e3 * quiet.at(0.5):.1f} ms, longest gap {1e3 * quiet.gap_s:.0f} ms; under attack: median "
        f"{1e3 * attacked.at(0.5):.1f} ms, {len(attacked.took)} calls, peak {attacked.peak_mib:.0f} MiB; gap by {attacked.whose}"
    )
    slow, quiet_slow = 1e3 * attacked.at(0.99), 1e3 * quiet.at(0.99)
    return [
        Row("a logged-in client under attack: p99", slow, "ms", "no attack", quiet_slow, 3.0, note=note),
        Row("  longest gap of the loop", 1e3 * attacked.gap_s, "ms", goal=100.0),
    ]


def run(quick: bool) -> list[Row]:
    with TemporaryDirectory(prefix="bench-") as name:
        return _rows(Path(name), quick)
