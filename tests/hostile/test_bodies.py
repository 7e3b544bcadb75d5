"""Bodies that are cut off, packed, nested, endless or slow."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.site import LINK, Attacked, attacked, closed, head, long_half

ABORTED = 400
LEAK_MIB = 20.0
ONE = "91c615e3-1040-4815-8ecb-000000000001"


async def _abort(gateway: Attacked, path: str, headers: dict[str, str], body: bytes) -> None:
    """All of a body but its last byte, then the connection's end."""
    _, writer = await gateway.connect()
    writer.write(head("POST", path, {"Content-Length": str(len(body)), **headers}) + body[:-1])
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    await closed(writer)


async def _leave(folder: Path, path: str) -> None:
    packed = gzip.compress(b" " * 4_000_000)
    plain = b'{"list_items": [' + b" " * 100_000 + b"]}"
    async with attacked(folder) as gateway:
        known = {"Authorization": gateway.bearer}
        for headers in ({}, known):
            await _abort(gateway, path, headers, plain)
        before = gateway.memory_mib()
        for number in range(ABORTED):
            headers = known if number % 2 else {}
            await _abort(gateway, path, headers, plain)
            await _abort(gateway, path, {**headers, "Content-Encoding": "gzip"}, packed)
        await gateway.client.profiles()
        assert gateway.memory_mib() - before < LEAK_MIB


async def test_bodies_that_are_never_finished_leave_nothing_behind(tmp_path: Path) -> None:
    await _leave(tmp_path, LINK)


@long_half
@pytest.mark.parametrize("path", ["/api/v1/login", "/gateway/v1/plan", "/nowhere", "/api/info"])
async def test_nor_do_they_at_other_paths(tmp_path: Path, path: str) -> None:
    await _leave(tmp_path, path)


async def test_bodies_in_work_share_one_room(tmp_path: Path) -> None:
    body = b" " * 15_900_000
    async with attacked(tmp_path) as gateway:
        headers = {"Authorization": gateway.bearer, "Content-Length": str(len(body) + 1), "Expect": "100-continue"}
        before, waiting = gateway.memory_mib(), []
        for _ in range(4):
            reader, writer = await gateway.connect()
            writer.write(head("POST", LINK, headers))
            assert b" 100 " in await reader.readline()
            writer.write(body)
            await writer.drain()
            waiting.append(writer)
        refused = await gateway.send("POST", LINK, {"Authorization": gateway.bearer}, body)
        assert refused.startswith(b"HTTP/1.1 503 "), refused[:300]
        assert b"Retry-After: " in refused
        assert gateway.memory_mib() - before < 64 + LEAK_MIB
        for writer in waiting:
            await closed(writer)
        async with asyncio.timeout(20):
            while not (await gateway.send("POST", LINK, {"Authorization": gateway.bearer}, body)).startswith(b"HTTP/1.1 400 "):
                pass


WIDE: dict[str, Callable[[], bytes]] = {
    "nested arrays": lambda: b'{"list_items": ' + b"[" * 8000 + b"]" * 8000 + b"}",
    "nested objects": lambda: b'{"list_items": ' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
    "unclosed": lambda: b"[" * 15_000_000,
    "empty arrays": lambda: b'{"list_items": [' + b"[]," * 5_000_000 + b"[]]}",
    "numbers": lambda: b'{"list_items": [' + b"1," * 7_000_000 + b"1]}",
    "strings": lambda: b'{"list_items": [' + b'"",' * 5_000_000 + b'""]}',
    "quotes": lambda: b'{"list_items": [' + b'"\\"",' * 3_000_000 + b'""]}',
    "keys": lambda: b"{" + b",".join(b'"%d":0' % number for number in range(1_300_000)) + b"}",
    "digits": lambda: b'{"list_items": ' + b"9" * 15_000_000 + b"}",
    "one string": lambda: b'{"list_items": "' + b"x" * 15_000_000 + b'"}',
    "spaces": lambda: b'{"list_items"' + b" " * 15_000_000 + b": 1}",
    "long name": lambda: json.dumps(
        {"list_items": [{"link_id": "91c615e3-1040-4815-8ecb-000000000001", "name": "x" * 15_000_000}]}
    ).encode(),
    "link_ids": lambda: json.dumps({"link_ids": ["x"] * 1_000_000, "list_items": []}).encode()[:-1],
}


QUICK = ("nested arrays", "empty arrays", "link_ids", "long name")


async def _hold(folder: Path, bodies: Iterable[Callable[[], bytes]], *calls: tuple[str, str]) -> None:
    async with attacked(folder) as gateway:

        async def refused(method: str, path: str, body: bytes) -> None:
            answer = await gateway.send(method, path, {"Authorization": gateway.bearer}, body)
            assert answer.startswith(b"HTTP/1.1 400 "), answer[:300]
            detail = json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
            assert "expected" in detail
            assert "got" in detail

        async def ordered() -> None:
            fields = ",".join(["name", "date_from"] * 400)
            assert await gateway.status(f"{LINK}?order_by={fields}", Authorization=gateway.bearer) == 200

        for body in bodies:
            made = body()
            for method, path in calls:
                await gateway.never_holds_the_loop(partial(refused, method, path, made))
        await gateway.never_holds_the_loop(ordered)


async def test_no_body_holds_the_loop(tmp_path: Path) -> None:
    await _hold(tmp_path, [WIDE[name] for name in QUICK], ("POST", LINK))


@long_half
async def test_nor_does_any_other_body(tmp_path: Path) -> None:
    await _hold(tmp_path, WIDE.values(), ("POST", LINK), ("DELETE", LINK), ("POST", "/gateway/v1/plan"))


async def test_large_bodies_are_still_read_when_the_process_that_reads_them_dies(tmp_path: Path) -> None:
    item = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())["list_items"][9]
    items = [{**item, "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}"} for number in range(1500)]
    async with attacked(tmp_path) as gateway:
        assert len(await gateway.client.upsert(*items)) == 1500
        (child,) = gateway.children()
        os.kill(child, signal.SIGKILL)
        assert len(await gateway.client.upsert(*items)) == 1500
        (other,) = gateway.children()
        assert other != child
        assert await gateway.gateway.end() == 0
        assert gateway.gone(other)


@long_half
async def test_a_body_may_pause_but_not_for_long(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        reader, writer = await gateway.connect()
        writer.write(head("POST", LINK, {"Authorization": gateway.bearer, "Content-Length": "18"}) + b'{"list_')
        await asyncio.sleep(15)
        writer.write(b"items")
        began = asyncio.get_running_loop().time()
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 30)
        assert asyncio.get_running_loop().time() - began > 19
        await closed(writer)


@long_half
async def test_a_connection_between_two_requests_is_kept_for_75_seconds(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        reader, writer = await gateway.connect()
        for pause in (75, 0):
            writer.write(head("GET", "/healthz", {}))
            assert b" 200 " in await reader.readline()
            await reader.readuntil(b"}")
            await asyncio.sleep(pause)
        assert await asyncio.wait_for(reader.read(), 90) == b""
        await closed(writer)


ONE_OBJECT = (
    ("POST", "/api/v1/network/ntp"),
    ("POST", "/api/v1/access/identifier"),
    ("POST", "/api/v1/access/identifier/items/delete"),
    ("DELETE", "/api/v1/access/timeprofile/items"),
    ("POST", "/api/v1/forward"),
    ("POST", "/api/v1/system/data/clear"),
)


async def test_no_object_of_many_keys_holds_the_loop(tmp_path: Path) -> None:
    fitting = b"{" + b",".join(b'"k%d":0' % number for number in range(40_000)) + b"}"
    async with attacked(tmp_path) as gateway:

        async def sent(method: str, path: str) -> None:
            known = {"Authorization": gateway.bearer}
            refused = await gateway.send(method, path, {**known, "Content-Length": "7000000"}, b"{")
            assert refused.startswith(b"HTTP/1.1 413 "), refused[:300]
            assert (await gateway.send(method, path, known, fitting))[9:12] in (b"400", b"413")

        for method, path in ONE_OBJECT:
            await gateway.never_holds_the_loop(partial(sent, method, path))
