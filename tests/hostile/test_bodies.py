"""Bodies that are cut off, packed, nested, endless or slow."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

import pytest

from tests.hostile.site import LINK, Attacked, attacked, closed, head

ABORTED = 400
LEAK_MIB = 20.0
LONGEST_S = 0.1
ONE = "91c615e3-1040-4815-8ecb-000000000001"


async def _abort(gateway: Attacked, path: str, headers: dict[str, str], body: bytes) -> None:
    """All of a body but its last byte, then the connection's end."""
    _, writer = await gateway.connect()
    writer.write(head("POST", path, {"Content-Length": str(len(body)), **headers}) + body[:-1])
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    await closed(writer)


@pytest.mark.parametrize("path", ["/api/v1/login", LINK, "/gateway/v1/plan", "/nowhere"])
async def test_bodies_that_are_never_finished_leave_nothing_behind(tmp_path: Path, path: str) -> None:
    packed = gzip.compress(b" " * 4_000_000)
    plain = b'{"list_items": [' + b" " * 100_000 + b"]}"
    async with attacked(tmp_path) as gateway:
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


WIDE = {
    "nested arrays": b'{"list_items": ' + b"[" * 8000 + b"]" * 8000 + b"}",
    "nested objects": b'{"list_items": ' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
    "unclosed": b"[" * 15_000_000,
    "empty arrays": b'{"list_items": [' + b"[]," * 5_000_000 + b"[]]}",
    "numbers": b'{"list_items": [' + b"1," * 7_000_000 + b"1]}",
    "strings": b'{"list_items": [' + b'"",' * 5_000_000 + b'""]}',
    "quotes": b'{"list_items": [' + b'"\\"",' * 3_000_000 + b'""]}',
    "keys": b"{" + b",".join(b'"%d":0' % number for number in range(1_300_000)) + b"}",
    "digits": b'{"list_items": ' + b"9" * 15_000_000 + b"}",
    "one string": b'{"list_items": "' + b"x" * 15_000_000 + b'"}',
    "spaces": b'{"list_items"' + b" " * 15_000_000 + b": 1}",
    "long name": json.dumps(
        {"list_items": [{"link_id": "91c615e3-1040-4815-8ecb-000000000001", "name": "x" * 15_000_000}]}
    ).encode(),
    "link_ids": json.dumps({"link_ids": ["x"] * 1_000_000, "list_items": []}).encode()[:-1],
}


@pytest.mark.parametrize("body", WIDE.values(), ids=WIDE)
async def test_no_body_holds_the_loop(tmp_path: Path, body: bytes) -> None:
    async with attacked(tmp_path) as gateway:
        gateway.begin_meter()
        for method, path in (("POST", LINK), ("DELETE", LINK), ("POST", "/gateway/v1/plan")):
            answer = await gateway.send(method, path, {"Authorization": gateway.bearer}, body)
            assert answer.startswith(b"HTTP/1.1 400 "), answer[:300]
            detail = json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
            assert "expected" in detail
            assert "seen" in detail
        took, whose = gateway.longest_callback()
        assert took < LONGEST_S, whose
