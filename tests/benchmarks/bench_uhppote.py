"""UHPPOTE boards: many profiles and many cards in one request, beside the same datagrams sent bare; one board may be silent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from statistics import median
from time import monotonic, perf_counter
from typing import Any

from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import BoardsText, item

PEOPLE = "/api/v1/access/identifier/items/link"
_WRITES = frozenset({0x30, 0x40, 0x50, 0x52, 0x80, 0x88})
_LATENCY_MS = 10.0
"""What a board is said to take for an exchange."""


async def _one(port: int, frames: Sequence[bytes]) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        for frame in frames:
            await loop.sock_sendall(sock, frame)
            assert len(await loop.sock_recv(sock, 2048)) == len(frame)


async def bare(ports: Mapping[str, int], frames: Mapping[str, Sequence[bytes]]) -> float:
    """Seconds for these datagrams: one after the other to a board, the boards side by side."""
    began = perf_counter()
    await asyncio.gather(*(_one(ports[name], sent) for name, sent in frames.items()))
    return perf_counter() - began


def _taken(ready: Bench) -> dict[str, list[bytes]]:
    return {name: [frame for _, frame in taken] for name, taken in ready.farm.frames().items()}


def _written(frames: Mapping[str, Sequence[bytes]]) -> int:
    return sum(frame[1] in _WRITES for sent in frames.values() for frame in sent)


def _person(number: int, profile: str) -> dict[str, Any]:
    return {
        "link_id": f"91c615e3-1040-4815-8ecb-{1_000_000 + number:012d}",
        "identifier_owner": {"name": f"person {number}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(1_000_000 + number),
        "lock": "first",
        "time_profiles": {"link_ids": [profile]},
    }


async def _profiles(boards: int, profiles: int, rounds: int, latency_ms: float) -> list[Row]:
    took, alone = list[float](), list[float]()
    others, beside = list[float](), list[float]()
    silent = f"p{boards - 1}"
    async with bench(BoardsText(boards, latency_ms=latency_ms), 2) as ready:
        for number in range(rounds):
            items = [item(each, number) for each in range(profiles)]
            for listed, is_silent in ((others, False), (beside, True)):
                if is_silent:
                    ready.farm.act(silent, "off")
                began = monotonic()
                seconds, answer = await ready.upsert(items)
                frames = ready.farm.frames()
                listed.append(max(taken[-1][0] for name, taken in frames.items() if name != silent) - began)
                if not is_silent:
                    written(answer)
                    took.append(seconds)
                    sent = {name: [frame for _, frame in taken] for name, taken in frames.items()}
                    alone.append(await bare(ready.farm.ports, sent))
                ready.farm.act(silent, "on")
                await ready.client.delete(*(each["link_id"] for each in items))
                await ready.client.until_in_sync()
                ready.farm.frames()
    name = f"{profiles} profiles x {boards} boards, one request, {latency_ms:.0f} ms an exchange"
    count = sum(map(len, sent.values()))
    goal = 1.5 if latency_ms else None
    return [
        Row(name, median(took), "s", f"the same {count:,} datagrams sent bare", median(alone), goal),
        Row("  one silent: the others' last datagram", median(beside), "s", "none silent", median(others), 1.05),
    ]


async def _cards(boards: int, cards: int, latency_ms: float) -> list[Row]:
    profile = item(1)
    people = [_person(number, profile["link_id"]) for number in range(cards)]
    async with bench(BoardsText(boards, latency_ms=latency_ms), 2) as ready:
        written((await ready.upsert([profile]))[1])
        _taken(ready)
        began = perf_counter()
        written((await ready.client.call("POST", PEOPLE, {"list_items": people}))["result"])
        took, frames = perf_counter() - began, _taken(ready)
        alone = await bare(ready.farm.ports, frames)
        _taken(ready)
        written((await ready.client.call("POST", PEOPLE, {"list_items": people}))["result"])
        again = _written(_taken(ready))
    where = f"{cards:,} cards x {boards} boards, {latency_ms:.0f} ms an exchange"
    yardstick = f"the same {sum(map(len, frames.values())):,} datagrams sent bare"
    return [
        Row(where, took, "s", yardstick, alone, 1.5 if latency_ms else None),
        Row("  the same again, datagrams that write", again, "", goal=0),
    ]


def run(quick: bool) -> list[Row]:
    rows: list[Row] = []
    for latency_ms in (0.0, _LATENCY_MS):
        rows += asyncio.run(_profiles(*((4, 4, 1) if quick else (50, 50, 3)), latency_ms))
        rows += asyncio.run(_cards(*((2, 20) if quick else (10, 1000)), latency_ms))
    return rows
