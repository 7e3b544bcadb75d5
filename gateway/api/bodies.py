"""Request bodies: how much of them is read, how long that may take, and whether their content is worth parsing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from itertools import accumulate

from aiohttp import HttpVersion11, StreamReader, web

from gateway.api.errors import ApiError, bad_value

PAUSE_S = 20.0
"""How long a body may pause."""
IN_WORK = 64 * 1024 * 1024
"""The limit for all bodies in memory together, in bytes."""
DEEPEST = 64
MOST_VALUES = 2_000_000
_RETRY_S = 5
_STEPS: Mapping[int, int] = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1, ord(","): 0}
_NOT_STRUCTURE = bytes(set(range(256)) - _STEPS.keys())


class JsonSize:
    """Counts nesting and values of JSON that arrives in pieces, far more cheaply than parsing it would.

    `values` is never too low and at most one a bracket too high.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.deepest = 0
        self.values = 1
        self._in_string = False
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        text = self._rest + piece
        backslashes = len(text) - len(text.rstrip(b"\\"))
        self._rest = b"\\" * (backslashes % 2)
        if self._rest:
            text = text[:-1]
        parts = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b"".join(parts[self._in_string :: 2]).translate(None, _NOT_STRUCTURE)
        self._in_string ^= len(parts) % 2 == 0
        self.values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        depths = list(accumulate(map(_STEPS.__getitem__, outside), initial=self.depth))
        self.depth, self.deepest = depths[-1], max(self.deepest, *depths)

    @property
    def broken_limit(self) -> str | None:
        """What may be at most, where there is more."""
        if self.deepest > DEEPEST:
            return f"JSON nested at most {DEEPEST} deep"
        return f"JSON of at most {MOST_VALUES} values" if self.values > MOST_VALUES else None


class Room:
    """The memory budget for bodies. Each request takes from it as its body arrives and returns all of it when it is answered."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Whether there was room: nothing is taken where there is not."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        self._left += size


ROOM = web.AppKey("room", Room)
_BODY = web.RequestKey("body", bytes)
_SIZE = web.RequestKey("size", JsonSize)
_TAKEN = web.RequestKey("taken", int)


async def read_body(request: web.Request, most: int | None = None, total_s: float | None = None) -> bytes:
    """The whole body, at most `most` bytes (`max_body` where absent); `total_s`: the seconds it may take.

    Raises ApiError where it is too large, too slow, not whole, or holds too many values.
    """
    if _BODY not in request:
        most = min(request.client_max_size, most or request.client_max_size)
        if (request.content_length or 0) > most:
            raise _too_large(most)
        await _say_continue(request)
        request[_BODY] = await _within(total_s, _pieces(request, most))
    return request[_BODY]


def values_of(request: web.Request) -> int:
    """How many values of JSON the body has that was read; never too low."""
    return request[_SIZE].values


async def expected(request: web.Request) -> None:
    """In place of the library's way to answer `Expect`, which asks for the body before anybody knows who sends it."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


async def _say_continue(request: web.Request) -> None:
    """Only now is the client told that its body is welcome: a refusal spares it."""
    if request.headers.get("Expect") and request.version >= HttpVersion11 and not request.content.is_eof():
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _pieces(request: web.Request, most: int) -> bytes:
    """A body that will be refused is read to its end without being kept: only then its sender looks for an answer."""
    pieces: list[bytes] = []
    read, size, is_room = 0, JsonSize(), True
    request[_SIZE] = size
    while piece := await _piece(request):
        read += len(piece)
        if read > most:
            raise _too_large(most)
        if not is_room or size.broken_limit:
            continue
        is_room = _take(request, len(piece))
        size.feed(piece)
        pieces.append(piece)
        if not is_room or size.broken_limit:
            pieces.clear()
            release(request)
    if size.broken_limit:
        raise bad_value("body", size.broken_limit, "more")
    if not is_room:
        raise ApiError(503, "other large requests are in work", code="busy", headers={"Retry-After": str(_RETRY_S)})
    return b"".join(pieces)


def _take(request: web.Request, size: int) -> bool:
    taken = request.app[ROOM].take(size)
    request[_TAKEN] = request.get(_TAKEN, 0) + taken * size
    return taken


async def _piece(request: web.Request) -> bytes:
    """What has arrived; nothing: the body has ended.

    The library keeps beside the body what its connection died of. With its trace that would keep the body in turn: a cycle that
    only a search for garbage ends, and those are rare here.
    """
    try:
        if request.content.is_eof():  # the rest has arrived: there is nothing to wait for
            return request.content.read_nowait()
        async with asyncio.timeout(PAUSE_S):
            return await request.content.readany()
    except TimeoutError:
        raise ApiError(408, f"the body paused for more than {PAUSE_S:g} s", code="timeout") from None
    except web.RequestPayloadError as error:
        error.with_traceback(None)
        raise bad_value("body", "what the headers say", "something else") from None
    except ConnectionError as error:
        error.with_traceback(None)
        raise bad_value("body", "a whole body", "the end of the connection") from None


async def _within(seconds: float | None, reading: Coroutine[None, None, bytes]) -> bytes:
    if seconds is None:
        return await reading
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except TimeoutError:
        raise ApiError(408, f"the body did not arrive within {seconds:g} s", code="timeout") from None


def release(request: web.Request) -> None:
    """The request's body is no longer in work."""
    request.app[ROOM].give_back(request.pop(_TAKEN, 0))


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"the body is larger than {most} bytes")


async def drop(content: StreamReader, most: int, seconds: float) -> None:
    """Read and forget what still arrives, at most so much and so long."""
    try:
        async with asyncio.timeout(seconds):
            while most > 0 and not content.is_eof():
                most -= len(await content.readany())
    except TimeoutError:
        pass
    except (ConnectionError, web.RequestPayloadError) as error:
        error.with_traceback(None)
