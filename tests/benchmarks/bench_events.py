"""A thousand events a second, stored and streamed: what each reader waits for one, and what requests beside it notice."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from config.settings import HttpSettings, Settings, SiteSettings, StoreSettings, UserSettings
from drivers.clock import SystemClock
from gateway.app import Gateway
from gateway.cli.service import collect_rarely
from gateway.journal.journal import GATHER_S
from gateway.store.events import SiteEvent
from tests.benchmarks.rows import Row

_RATE = 1000
_BATCH = 20
_TURN_S = 1.0
"""What else the machine does comes and goes within seconds: in turns of five it was now in one kind of turn, now in the other."""
_TAKEN_S = 0.5
"""After this the readers have taken what happened: a turn without events does not begin with the work of the one before."""
_FEW, _MANY = 3, 200
Span = tuple[float, float]
"""From and to, in monotonic seconds."""


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
    collect_rarely()  # as `serve` does
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        yield gateway, host, int(port)
    finally:
        await gateway.stop()


@asynccontextmanager
async def _beside(module: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of this folder, once it has said that it is ready; it ends by itself."""
    piped = asyncio.subprocess.PIPE
    named = ("-m", f"tests.benchmarks.{module}", *map(str, arguments))
    process = await asyncio.create_subprocess_exec(sys.executable, *named, stdin=piped, stdout=piped, limit=1 << 26)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def readers_of(host: str, port: int, readers: int, events: int) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Readers of the stream; each reads until it has taken `events`."""
    return _beside("event_readers", host, port, readers, events)


async def _said(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


async def _happen(gateway: Gateway, events: int) -> tuple[Span, float]:
    """At `_RATE` at most, until all are durable. Returns the span in which some happen while others are written, and the seconds
    that all took, without the time for which the last ones may wait for others.
    """
    began = time.monotonic()
    keeping = []
    for number in range(0, events, _BATCH):
        sent = [SiteEvent(time.time(), "output_on", "gate", {"output": 1, "n": n, "sent_at": time.time()}) for n in range(_BATCH)]
        keeping.append(asyncio.create_task(gateway.journal.keep(sent, {"gate": ("log", str(number))})))
        await asyncio.sleep(max(0.0, began + (number + _BATCH) / _RATE - time.monotonic()))
    happened = time.monotonic()
    await asyncio.gather(*keeping)
    return (began + GATHER_S, happened), max(happened, time.monotonic() - GATHER_S) - began


async def _rest(seconds: float) -> Span:
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return began, time.monotonic()


@dataclass(frozen=True, slots=True)
class _Streamed:
    """`questions`, `changes`: the p99 of requests while events happened, and in the pauses, in milliseconds; `taken`: how many
    events each reader took; `lags_ms`: from an event to a reader.
    """

    rate: float
    questions: tuple[float, float]
    changes: tuple[float, float]
    taken: list[int]
    lags_ms: list[float]


async def _streamed(gateway: Gateway, host: str, port: int, readers: int, events: int) -> _Streamed:
    """By turns a second without events and one with them: what else the machine does meanwhile weighs on both alike.

    Requests come from a process of their own: on the gateway's loop a client would wait for events, too, and count it.
    """
    turn = min(events, int(_RATE * _TURN_S))
    busy, quiet, took_s = list[Span](), list[Span](), 0.0
    async with readers_of(host, port, readers, events) as reading, _beside("event_requests", host, port) as asking:
        for _ in range(0, events, turn):
            quiet.append(await _rest(turn / _RATE))
            span, seconds = await _happen(gateway, turn)
            busy.append(span)
            took_s += seconds
            await asyncio.sleep(_TAKEN_S)
        assert asking.stdin is not None
        asking.stdin.close()
        asked, read = await _said(asking), await _said(reading)
    questions, changes = ((_p99(busy, asked[kind]), _p99(quiet, asked[kind])) for kind in ("questions", "changes"))
    return _Streamed(events / took_s, questions, changes, read["taken"], read["lags_ms"])


def _p99(spans: Sequence[Span], asked: Sequence[tuple[float, float]]) -> float:
    return _percentile([took for at, took in asked if any(began <= at < ended for began, ended in spans)], 99)


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]


async def _run(events: int, many: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        async with gateway_in(Path(folder)) as (gateway, host, port):
            few = await _streamed(gateway, host, port, _FEW, events)
            crowd = await _streamed(gateway, host, port, many, events // 2)
    assert (set(few.taken), set(crowd.taken)) == ({events}, {events // 2}), "a reader missed events"
    between = "between them, without events"
    (question, question_between), (change, change_between) = few.questions, few.changes
    beside_many, between_many = crowd.questions
    return [
        Row(f"events a second, stored and streamed to {_FEW}", few.rate, "/s", goal=0.95 * _RATE, at_least=True),
        Row("  a question beside them, p99", question, "ms", between, question_between, 1.2),
        Row("  a durable change beside them, p99", change, "ms", between, change_between, 1.2),
        Row("  from the event to its reader, p95", _percentile(few.lags_ms, 95), "ms"),
        Row(f"  a question beside {many} readers, p99", beside_many, "ms", between, between_many),
        Row(f"  to each of {many} readers, p95", _percentile(crowd.lags_ms, 95), "ms", goal=1000.0),
    ]


def run(quick: bool) -> list[Row]:
    return asyncio.run(_run(200, 5) if quick else _run(20_000, _MANY))
