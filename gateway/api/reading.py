"""Parses bodies: small ones here, in turns; large ones in a process beside this one.

A thread would not do: parsing holds the interpreter's lock, and every line and request would wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from aiohttp import web

from gateway.api.bodies import read_body, values_of
from gateway.api.errors import ApiError
from gateway.concurrency import in_turns

T = TypeVar("T")
Reader = Callable[[bytes], Iterable[T]]
"""A function of a module, which the other process imports by its name. Raises ApiError."""

LARGE = 1024 * 1024
MANY_VALUES = 32_768
"""A body of this many bytes or values is parsed in the other process. A smaller one is parsed in some milliseconds at most, and
the other process takes up to a second to start."""
LENGTH = struct.Struct("!Q")
_MODULE = "gateway.api.reading_process"
_READ_S = 60.0


class ReadingProcess:
    """Runs readers in a process of its own, one body at a time. It starts when it is needed first, and anew where it died."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, reader: Reader[T], body: bytes) -> list[T]:
        """Raises what the reader raises, and ApiError (503) where the process died of this body or cannot be started."""
        async with self._turn:
            for _ in range(2):  # it may just have ended because it had been idle
                try:
                    async with asyncio.timeout(_READ_S):
                        return await self._ask(reader, body)
                except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError):
                    await self._end()
                except asyncio.CancelledError:
                    await self._end()
                    raise
        raise ApiError(503, "large requests cannot be read just now", code="busy", headers={"Retry-After": "5"})

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _ask(self, reader: Reader[T], body: bytes) -> list[T]:
        if self._process is None:
            command = (sys.executable, "-m", _MODULE)
            self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        sending, answers = self._process.stdin, self._process.stdout
        assert sending is not None
        assert answers is not None
        name = pickle.dumps(reader)
        sending.writelines((LENGTH.pack(len(name)), name, LENGTH.pack(len(body)), body))
        await sending.drain()
        values: list[T] = []
        refusal: ApiError | None = None
        while (batch := await _frame(answers)) is not None:
            if isinstance(batch, ApiError):
                refusal = batch
            else:
                values += batch
        if refusal is not None:
            raise ApiError(refusal.status, refusal.detail, code=refusal.code, vendor=refusal.vendor, headers=refusal.headers)
        return values

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _frame(answers: asyncio.StreamReader) -> Any:
    """The next batch; None after the last."""
    (length,) = LENGTH.unpack(await answers.readexactly(LENGTH.size))
    return pickle.loads(await answers.readexactly(length)) if length else None  # noqa: S301 - from a process of our own


READING = web.AppKey("reading", ReadingProcess)


async def read(request: web.Request, reader: Reader[T], most: int | None = None) -> list[T]:
    """Read and parse the body of a request, at most `most` bytes (`max_body` where absent). Raises ApiError."""
    body = await read_body(request, most)
    if len(body) < LARGE and values_of(request) < MANY_VALUES:
        return [value async for value in in_turns(reader(body))]
    return await request.app[READING].read(reader, body)
