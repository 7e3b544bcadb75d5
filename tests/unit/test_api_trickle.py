"""Clients that send one byte at a time, and those that only pause."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.api import bodies, server
from tests.support.api_server import ApiServer, api_server

HEADER_S = 0.4
ENDLESS_S = 10.0
"""What is not cut off goes on for so long: a busy machine cuts off late, and too many bytes or lines are another reason to."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_DROP_S", HEADER_S / 4)


async def _trickle(api: ApiServer, first: bytes, drop: bytes) -> tuple[float, bytes]:
    """Seconds until the connection ends though a byte comes all the time, and what was answered."""
    loop = asyncio.get_running_loop()
    began, answer = loop.time(), b""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(first)
    while loop.time() < began + ENDLESS_S:
        try:
            writer.write(drop)
            async with asyncio.timeout(HEADER_S / 4):
                piece = await reader.read(1000)
        except TimeoutError:
            continue
        except ConnectionError:
            break
        if not piece:
            break
        answer += piece
    writer.close()
    return loop.time() - began, answer


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"GET /api/info HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x"),
        (b"GET /api/info HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
        (b"GET /api/info?", b"x"),
        (b"", b"\r\n"),
        (b"POST /api/v1/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: ", b"x"),
        (b"GET /api/info HTTP/1.1\r\nHost: x\r\n\r\nGET /api/info HTTP/1.1\r\nHost: ", b"x"),
    ],
    ids=["header", "headers", "query", "empty lines", "of a body", "second request"],
)
async def test_a_header_that_trickles_is_cut_off_after_its_time(
    monkeypatch: pytest.MonkeyPatch, first: bytes, drop: bytes
) -> None:
    monkeypatch.setattr(server, "HEADER_S", HEADER_S)
    async with api_server() as api:
        took, _ = await _trickle(api, first, drop)
        assert HEADER_S * 0.9 <= took < ENDLESS_S


@pytest.mark.parametrize(
    ("head", "first", "drop"),
    [
        (b"Content-Length: 4000", b'{"username": "', b"a"),
        (b"Transfer-Encoding: chunked", b'e\r\n{"username": "\r\n', b"1\r\na\r\n"),
        (b"Transfer-Encoding: chunked", b"", b"0"),
    ],
    ids=["length", "chunks", "size of a chunk"],
)
async def test_a_login_that_trickles_is_cut_off_after_its_time(
    monkeypatch: pytest.MonkeyPatch, head: bytes, first: bytes, drop: bytes
) -> None:
    monkeypatch.setattr("gateway.api.logins._LOGIN_S", HEADER_S)
    async with api_server() as api:
        start = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + first
        took, answer = await _trickle(api, start, drop)
        assert took < ENDLESS_S
        assert answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")), answer


async def test_a_body_may_pause_and_one_that_pauses_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PAUSE_S", HEADER_S)
    async with api_server() as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        head = (
            b"POST /gateway/v1/plan HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46MTIzNDU2\r\nContent-Length: 30\r\n\r\n{"
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        writer.write(head)
        assert b" 408 " in await asyncio.wait_for(reader.readline(), ENDLESS_S)
        assert loop.time() - began >= HEADER_S * 0.9
        writer.close()


async def test_a_client_that_takes_nothing_of_a_large_answer_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such answers stayed in the memory, and their places taken, for as long as the client liked."""
    monkeypatch.setattr(server, "TAKEN_WITHIN_S", 2 * HEADER_S)
    async with api_server(metrics=b"x" * 30_000_000) as api:
        with socket.socket() as channel:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            channel.connect(("127.0.0.1", api.port))
            channel.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46MTIzNDU2\r\n\r\n")
            assert (await api.call("GET", "/api/info")).status == 200
            assert api.connections() == 2
            async with asyncio.timeout(ENDLESS_S):
                while api.connections() == 2:
                    assert (await api.call("GET", "/api/info")).status == 200
