"""Connections that are slow, idle or too many."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from tests.hostile.site import DIGEST, LINK, Attacked, attacked, closed, head, long_half

IDLE = 1500
HELD_DESCRIPTORS = 1000 + 60
SLOW_S = 10.0
PATIENCE_S = 30.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _opened(gateway: Attacked, count: int, sent: bytes = b"") -> list[Connection]:
    connections = []
    for _ in range(count):
        with contextlib.suppress(ConnectionError):
            reader, writer = await gateway.connect()
            writer.write(sent)
            connections.append((reader, writer))
    return connections


async def _all_closed(connections: list[Connection]) -> None:
    await asyncio.gather(*(closed(writer) for _, writer in connections))


async def _end_at(connection: Connection) -> float:
    """When the other side ends it."""
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(connection[0].read(), 2 * SLOW_S)
    return asyncio.get_running_loop().time()


@pytest.mark.long
async def test_a_header_or_a_login_that_does_not_come_to_its_end_is_cut_off(tmp_path: Path) -> None:
    halves = {
        "request line": b"GET /api/in",
        "header": b"GET /api/info HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "login": head("POST", "/api/v1/login", {"Content-Length": "60"}) + b'{"username": ',
    }
    async with attacked(tmp_path) as gateway:
        quiet = await _opened(gateway, 1)
        began = asyncio.get_running_loop().time()
        slow = [(await _opened(gateway, 1, sent))[0] for sent in halves.values()]
        for _, writer in slow[:2]:
            writer.write(b"x")
        ended = await asyncio.gather(*map(_end_at, slow))
        assert all(each - began > SLOW_S - 0.5 for each in ended), dict(zip(halves, ended, strict=True))
        quiet[0][1].write(head("GET", "/healthz", {}))
        assert b" 200 " in await quiet[0][0].readline(), "a connection may wait before its first request"
        await _all_closed(slow + quiet)


async def test_a_header_without_end_is_cut_off_before_it_fills_the_memory(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        ((reader, writer),) = await _opened(gateway, 1, b"GET / HTTP/1.1\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 4_000_000 and not reader.at_eof():
                writer.write(b"X-%d: %s\r\n" % (sent, b"x" * 4000))
                await writer.drain()
                sent += 4000
                await asyncio.sleep(0)
        assert sent < 4_000_000
        await closed(writer)


async def _flooded(gateway: Attacked, count: int) -> None:
    before = gateway.memory_mib()
    kept = await _opened(gateway, 20)
    for reader, writer in kept:
        writer.write(head("GET", LINK, {"Authorization": gateway.bearer}))
        await reader.readuntil(b"\r\n\r\n")
    idle = await _opened(gateway, count // 2) + await _opened(gateway, count // 2, b"GET /api/info HTTP/1.1\r\nHost")
    assert await gateway.status("/healthz") == 200
    assert await gateway.status("/readyz") == 200
    assert await gateway.status(LINK, Authorization=gateway.bearer) == 200
    await gateway.client.profiles()
    assert gateway.descriptors() < HELD_DESCRIPTORS
    for reader, writer in kept:
        writer.write(head("GET", LINK, {"Authorization": gateway.bearer}))
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n"), "who is logged in never makes way"
    assert gateway.memory_mib() - before < 60
    await _all_closed(idle + kept)


async def test_idle_connections_make_way_for_those_who_come(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        await _flooded(gateway, IDLE)


@long_half
async def test_five_thousand_idle_connections(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        await _flooded(gateway, 5000)


async def test_health_answers_when_every_other_place_has_a_request_in_work(tmp_path: Path) -> None:
    async with attacked(tmp_path, "max_connections = 40") as gateway:
        unfinished = {"Authorization": gateway.bearer, "Content-Length": "1000", "Expect": "100-continue"}
        working = []
        for _ in range(23):  # and the connection that logged in
            working += await _opened(gateway, 1, head("POST", LINK, unfinished))
            assert b" 100 " in await working[-1][0].readline()
        others = await _opened(gateway, 40)
        for _ in range(20):
            assert await gateway.status("/healthz") == 200
            assert await gateway.status("/readyz") == 200
        refused = await gateway.send("GET", "/api/info")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in refused
        await _all_closed(working + others)
        async with asyncio.timeout(PATIENCE_S):
            while await gateway.status("/api/info") != 200:
                pass


async def test_logins_that_never_arrive_keep_nobody_out(tmp_path: Path) -> None:
    async with attacked(tmp_path, "max_connections = 40") as gateway:
        slow = head("POST", "/api/v1/login", {"Content-Length": "60", "Expect": "100-continue"})
        logins = []
        for _ in range(30):
            logins += await _opened(gateway, 1, slow)
            assert b" 100 " in await logins[-1][0].readline()
        for _ in range(20):
            assert await gateway.status("/api/info") == 200
            assert await gateway.status(f"/api/v1/login?username=admin&password={DIGEST}") == 200
            await gateway.client.profiles()
        await _all_closed(logins)


async def test_connections_of_somebody_who_logged_out_keep_nobody_out(tmp_path: Path) -> None:
    async with attacked(tmp_path, "max_connections = 40") as gateway:
        known = {"Authorization": gateway.bearer}
        left = await _opened(gateway, 23, head("GET", LINK, known))  # and the connection that logged in
        for reader, _ in left:
            assert b" 200 " in await reader.readline()
        left[0][1].write(head("POST", "/api/v1/logout", {**known, "Content-Length": "0"}))
        while b" 200 " not in await left[0][0].readline():
            pass
        for reader, writer in left:
            writer.write(head("GET", LINK, known))
            while b" 401 " not in await reader.readline():
                pass
        idle = await _opened(gateway, 40)
        assert await gateway.status("/api/info") == 200
        await _all_closed(left + idle)


async def test_health_answers_at_the_limit_of_descriptors_and_the_log_stays_short(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -n 160; exec "$0" "$@"')
    async with attacked(tmp_path, before=limited) as gateway:
        for _ in range(2):
            idle = await _opened(gateway, 150)
            assert await gateway.status("/healthz") == 200
            assert await gateway.status("/api/info") == 200
            assert gateway.descriptors() <= 160
            await _all_closed(idle)
        records = [json.loads(line) for line in gateway.log().splitlines()]
        assert any(record["message"] == "fewer connections than configured" for record in records)
        assert not [record for record in records if record["level"] == "error"], records
        assert len(records) < 50
