"""A gateway process beside simulated panels in other processes, and what it costs."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import aiohttp

from config.loader import load_settings
from tests.benchmarks.farm import Farm, farm
from tests.benchmarks.workload import SiteText
from tests.support.processes import Client, Running, logged_in, run

UPSERT = "/api/v1/access/timeprofile/items/link"
_UNLIMITED = aiohttp.ClientTimeout(total=None)
_SAMPLER = Path(__file__).parent / "sampler"
_SAMPLES = "samples.txt"
_PATIENCE = 1000


@dataclass(frozen=True, slots=True)
class Bench:
    """A running gateway, its panels, and a client. `folder` holds its files."""

    folder: Path
    farm: Farm
    gateway: Running
    client: Client

    async def upsert(self, items: Sequence[object]) -> tuple[float, list[dict[str, Any]]]:
        """Seconds that the request took, and its answer."""
        began = perf_counter()
        answer = await self.client.upsert(*items)
        return perf_counter() - began, answer

    def cpu_s(self) -> float:
        """CPU seconds of the gateway's process so far."""
        tasks = Path(f"/proc/{self.gateway.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def sample(self) -> None:
        """Begin to note where the gateway spends its time, where `BENCH_PROFILE` is set."""
        if profiled():
            self.gateway.process.send_signal(signal.SIGUSR1)

    def profile(self) -> str:
        """Where it was since `sample`; empty where `BENCH_PROFILE` is not set."""
        if not profiled():
            return ""
        written = self.folder / _SAMPLES
        self.gateway.process.send_signal(signal.SIGUSR2)
        for _ in range(_PATIENCE):
            if written.exists():
                break
            sleep(0.01)
        text = written.read_text()
        written.unlink()
        return text

    def memory_mib(self) -> float:
        """Resident memory of the gateway's process."""
        pages = int(Path(f"/proc/{self.gateway.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def profiled() -> bool:
    return "BENCH_PROFILE" in os.environ


def written(answer: Sequence[dict[str, Any]]) -> None:
    """Raises AssertionError unless every item succeeded."""
    failed = [entry for entry in answer if not entry["success"]]
    assert not failed, failed[:2]


def write_config(folder: Path, site: SiteText, panels: Farm | None = None) -> Path:
    config = folder / "site.toml"
    config.write_text(site.toml({} if panels is None else panels.ports))
    return config


@asynccontextmanager
async def client_of(gateway: Running) -> AsyncIterator[Client]:
    async with logged_in(gateway.url) as client, aiohttp.ClientSession(timeout=_UNLIMITED) as session:
        yield Client(session, client.url, client.headers)


@asynccontextmanager
async def panels_of(site: SiteText, processes: int) -> AsyncIterator[tuple[Path, Farm]]:
    """A folder with the configuration of a gateway, and its panels."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with farm(load_settings(write_config(folder, site)), processes) as panels:
            yield write_config(folder, site, panels), panels


@asynccontextmanager
async def gateway_of(config: Path, panels: Farm) -> AsyncIterator[Bench]:
    """A gateway that has come to terms with its panels."""
    log = config.parent / "gateway.log"
    sampling = {"PYTHONPATH": str(_SAMPLER), "SAMPLES": str(config.parent / _SAMPLES)} if profiled() else {}
    async with run("serve", "--config", str(config), log=log, environment=sampling) as gateway, client_of(gateway) as client:
        await client.until_in_sync()
        panels.frames()
        yield Bench(config.parent, panels, gateway, client)
        assert await gateway.end() == 0, log.read_text()[-2000:]


@asynccontextmanager
async def bench(site: SiteText, processes: int) -> AsyncIterator[Bench]:
    async with panels_of(site, processes) as (config, panels), gateway_of(config, panels) as ready:
        yield ready
