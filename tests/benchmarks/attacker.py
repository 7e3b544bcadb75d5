"""Attacks a gateway, by everything that a client without credentials can do, until it is stopped.

python -m tests.benchmarks.attacker PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import sys
from collections.abc import Awaitable, Callable
from itertools import count

LINK = "/api/v1/access/timeprofile/items/link"
_PACKED = gzip.compress(b"[" * 4_000_000)
_PLAIN = b'{"list_items": ' + b"[" * 100_000
_AT_ONCE = 4

Send = Callable[[int, int], Awaitable[None]]


async def _request(port: int, number: int, sent: bytes, *, answered: bool = True) -> None:
    whence = (f"127.0.{number % 200 + 1}.{number // 200 % 200 + 1}", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=whence)
    try:
        writer.write(sent)
        await writer.drain()
        if answered:
            await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def _head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", "")).encode()


async def _login(port: int, number: int) -> None:
    await _request(port, number, _head("GET", f"/api/v1/login?username=admin&password={number:032x}"))


async def _basic(port: int, number: int) -> None:
    await _request(port, number % 3, _head("GET", LINK, "Authorization: Basic YWRtaW46YWRtaW4="))


async def _token(port: int, number: int) -> None:
    await _request(port, number % 3, _head("GET", LINK, f"Authorization: Bearer {number:032x}"))


async def _aborted(port: int, number: int) -> None:
    head = _head("POST", LINK, f"Content-Length: {len(_PLAIN) + 1}")
    await _request(port, number, head + _PLAIN, answered=False)


async def _packed(port: int, number: int) -> None:
    head = _head("POST", "/api/v1/login", "Content-Encoding: gzip", f"Content-Length: {len(_PACKED) + 1}")
    await _request(port, number, head + _PACKED, answered=False)


async def _idle(port: int, number: int) -> None:
    await _request(port, number, b"GET /api/info HTTP/1.1\r\nHo")


async def _health(port: int, number: int) -> None:
    await _request(port, number, _head("GET", "/readyz"))


async def _again(port: int, send: Send, numbers: count[int]) -> None:
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            await send(port, next(numbers))
        await asyncio.sleep(0)


async def main(port: int) -> None:
    numbers = count()
    kinds = (_login, _basic, _token, _aborted, _packed, _idle, _health)
    await asyncio.gather(*(_again(port, send, numbers) for send in kinds for _ in range(_AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
