"""A thousand events a second, stored and streamed: what each reader waits for one, and what requests beside it notice."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from config.settings import HttpSettings, Settings, SiteSettings, StoreSettings, UserSettings
from drivers.clock import SystemClock
from gateway.app import Gateway
from gateway.store.events import SiteEvent
from tests.benchmarks.rows import Row
from tests.support.api_server import BASIC

_RATE = 1000
_BATCH = 20
_ASK_EVERY_S = 0.01
_FEW, _MANY = 3, 200


@asynccontextmanager
async def gateway_in(folder: Path) -> AsyncIterator[tuple[Gateway, str, int]]:
    settings = Settings(
        site=SiteSettings(clock_source="host"),
        http=HttpSettings(port=0),
        store=StoreSettings(path=folder / "gateway.db"),
        users=(UserSettings(name="admin", password="123456"),),
    )
    gateway = Gateway(settings, None, SystemClock(), released_at=0)
    url = await gateway.start()
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        yield gateway, host, int(port)
    finally:
        await gateway.stop()


@asynccontextmanager
async def readers_of(host: str, port: int, readers: int, events: int) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = ("-m", "tests.benchmarks.event_readers", host, str(port), str(readers), str(events))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, limit=1 << 26)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _happen(gateway: Gateway, events: int) -> float:
    """Seconds until all are durable, at `_RATE` at most."""
    began = time.monotonic()
    keeping = []
    for number in range(0, events, _BATCH):
        sent = [SiteEvent(time.time(), "output_on", "gate", {"output": 1, "n": n, "sent_at": time.time()}) for n in range(_BATCH)]
        keeping.append(asyncio.create_task(gateway.journal.keep(sent, {"gate": ("log", str(number))})))
        await asyncio.sleep(max(0.0, began + (number + _BATCH) / _RATE - time.monotonic()))
    await asyncio.gather(*keeping)
    return time.monotonic() - began


async def _ask(host: str, port: int, until: asyncio.Event) -> list[float]:
    """What a small request takes, one after the other, in milliseconds."""
    reader, writer = await asyncio.open_connection(host, port)
    took: list[float] = []
    head = f"GET /gateway/v1/panels HTTP/1.1\r\nHost: {host}\r\nAuthorization: {BASIC}\r\n\r\n".encode()
    while not until.is_set():
        began = time.monotonic()
        writer.write(head)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(size)
        took.append(1000 * (time.monotonic() - began))
        await asyncio.sleep(_ASK_EVERY_S)
    writer.close()
    return took


async def _asked_for(host: str, port: int, seconds: float) -> list[float]:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    return await _ask(host, port, over)


async def _streamed(gateway: Gateway, host: str, port: int, readers: int, events: int) -> tuple[float, list[float], Any]:
    """Seconds until all are durable, what requests took meanwhile, and what the readers say."""
    async with readers_of(host, port, readers, events) as process:
        over = asyncio.Event()
        asking = asyncio.create_task(_ask(host, port, over))
        took_s = await _happen(gateway, events)
        over.set()
        assert process.stdout is not None
        return took_s, await asking, json.loads(await process.stdout.readline())


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]


async def _run(events: int, many: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        async with gateway_in(Path(folder)) as (gateway, host, port):
            quiet = await _asked_for(host, port, events / _RATE)
            took_s, asked, few = await _streamed(gateway, host, port, _FEW, events)
            _, _, crowd = await _streamed(gateway, host, port, many, events)
    assert set(few["taken"] + crowd["taken"]) == {events}, "a reader missed events"
    rate = events / took_s
    return [
        Row(f"events a second, stored and streamed to {_FEW}", rate, "/s", goal=0.95 * _RATE, at_least=True),
        Row("  a request beside them, p99", _percentile(asked, 99), "ms", "on a quiet site", _percentile(quiet, 99), 1.2),
        Row("  from the event to its reader, p95", _percentile(few["lags_ms"], 95), "ms"),
        Row(f"  to each of {many} readers, p95", _percentile(crowd["lags_ms"], 95), "ms", goal=1000.0),
    ]


def run(quick: bool) -> list[Row]:
    return asyncio.run(_run(200, 5) if quick else _run(10_000, _MANY))
