"""One connection: how long it may take and stay, and what the HTTP library answers by itself, in the API's words.

A client's bytes may hold credentials: none of them are repeated, neither in an answer nor in a record.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import http_exceptions, web

from gateway.api.addresses import Proxies
from gateway.api.bodies import drop
from gateway.api.connections import Connection, Connections
from gateway.api.errors import ApiError, error_response
from gateway.api.middleware import HEADER, PROTECTION, server_logger
from gateway.api.operators import is_local, is_operator, name_of
from gateway.api.origins import OPEN_PATHS
from gateway.api.turns import Turns

HEADER_S = 10.0
"""The time from the first byte of a request's header to its last."""
IDLE_S = 80.0
"""How long a connection may stay without a request."""
TAKEN_WITHIN_S = 30.0
"""How long a client may take nothing of its answer, which waits in memory."""
_MOST_HEADER = 64 * 1024
_MOST_DROPPED = 64 * 1024
_DROP_S = 2.0
_READ_AT_ONCE = 64 * 1024
_NO_PATH = "/"


def _meaning(error: BaseException | None) -> str:
    if isinstance(error, http_exceptions.LineTooLong):
        return "the path with its query, or a header, is too long: expected at most 8190 bytes, got more"
    if isinstance(error, http_exceptions.BadHttpMethod):
        return "the method is not known: expected one of HTTP's, got another word"
    return "the request line, a header or the encoding of the body is not understood: expected HTTP/1.1, got something else"


def _give_up_who_takes_nothing(transport: asyncio.Transport) -> None:
    """The kernel ends a connection that accepts no bytes for so long (tcp(7), TCP_USER_TIMEOUT)."""
    channel = transport.get_extra_info("socket")
    if channel is None or channel.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):  # it may have closed already
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * TAKEN_WITHIN_S))


def _has_bytes(channel: socket.socket) -> bool:
    """Whether bytes have arrived on a socket that were not read yet."""
    if channel.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _refused(request: web.BaseRequest, error: ApiError, cause: BaseException | None) -> web.Response:
    known = uuid.uuid4().hex
    facts = {"status": error.status, "error": type(cause).__name__, "remote": request.remote, "request_id": known}
    server_logger().warning("not a request", extra=facts)
    response = error_response(_NO_PATH, error)
    response.headers.update({HEADER: known, **PROTECTION})
    response.force_close()
    return response


@dataclass(frozen=True, slots=True)
class Reception:
    """The state that all connections share. `knows`: whether somebody has logged in from an address lately."""

    connections: Connections
    proxies: Proxies
    knows: Callable[[str], bool]
    turns: Turns = field(default_factory=Turns)


class Protocol(web.RequestHandler):
    """`place`: the place that the connection takes; None: none was left, so it is closed. `operator`: the user of this
    machine who needs no login."""

    __slots__ = ("_address", "_header_bytes", "_header_timer", "_reception", "operator", "place")

    def __init__(self, manager: web.Server, reception: Reception, **options: Any) -> None:
        super().__init__(manager, **options)
        self._reception = reception
        self._address = ""
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self.place: Connection | None = None
        self.operator: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self.place is not None or self.takes_place(transport):
            transport.max_size = _READ_AT_ONCE  # type: ignore[attr-defined]
            super().connection_made(transport)
            self._wait_for_turn()

    def takes_place(self, transport: asyncio.Transport) -> bool:
        """Take a place for a new connection; False: there was none, so it is closed."""
        self.place = self._place_for(transport)
        if self.place is None:
            transport.abort()
        else:
            _give_up_who_takes_nothing(transport)
        return self.place is not None

    def gives_place_back(self) -> None:
        if self.place is not None:
            self._reception.connections.gone(self.place)

    def in_turn(self, go: Callable[[], bool]) -> None:
        """Call `go` at once for addresses that somebody has logged in from, and in their turn for all others."""
        if self._is_stranger():
            self._reception.turns.wait(self._address, go)
        else:
            go()

    def _is_stranger(self) -> bool:
        return not (self._reception.knows(self._address) or self._reception.proxies.trusts(self._address))

    def _place_for(self, transport: asyncio.Transport) -> Connection | None:
        """An operator has a place beside all others, however many there are."""
        if is_local(transport):
            self.operator = name_of(transport) if is_operator(transport) else None
            return None if self.operator is None else Connection(None, transport.abort, admitted=True)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        counted = None if self._reception.proxies.counts_by_total_only(self._address) else self._address
        channel, known = transport.get_extra_info("socket"), self._reception.knows(self._address)
        return self._reception.connections.opened(counted, transport.abort, partial(_has_bytes, channel), is_known=known)

    def _wait_for_turn(self) -> None:
        """Do not read from a client that is not logged in until others have had their turn."""
        if self.place is None or self.place.admitted or self.transport is None or not self._is_stranger():
            return
        if self._messages:
            self.close()
        self.transport.pause_reading()
        self._reception.turns.wait(self._address, self._take_turn)

    def _take_turn(self) -> bool:
        """Read on; False when the connection has gone."""
        if self.transport is None or self.transport.is_closing():
            return False
        self.transport.resume_reading()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end_header()
        self.gives_place_back()
        task, waiting = self._task_handler, self._messages
        super().connection_lost(exc)
        # Pipelined requests refer to this object, and it refers to them: the cycle is broken here.
        if task is None or task.done():
            waiting.clear()
        else:
            task.add_done_callback(lambda _: waiting.clear())

    def data_received(self, data: bytes) -> None:
        if self.place is None:
            return
        super().data_received(data)
        if self._messages:
            self._reception.connections.arrived(self.place)
        current = self._current_request
        if current is not None and self._messages and not current.content.is_eof():
            # Only a mistake can come before the end of a body; the library does not tell who reads that.
            current.content.set_exception(web.RequestPayloadError())
        if self._waiter is None or self._waiter.done():
            self._end_header()
        elif data:  # it has not become a request yet
            self._begin_header(len(data))

    def _begin_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _MOST_HEADER:
            self.force_close()
        elif self._header_timer is None:
            self._header_timer = asyncio.get_running_loop().call_later(HEADER_S, self.force_close)

    def _end_header(self) -> None:
        self._header_bytes = 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def begins(self) -> bool:
        """Begin a request; returns whether it may be for any path."""
        return self.place is not None and self._reception.connections.begins(self.place)

    def arriving(self) -> AbstractContextManager[None]:
        """Inside, a request without a login is still arriving: its connection may have to make way."""
        return contextlib.nullcontext() if self.place is None else self._reception.connections.arriving(self.place)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer. The unread rest of a body is received and dropped, so that the client sees the answer and not a reset."""
        done = await super().finish_response(request, resp, start_time)
        if self.place is not None:
            self._reception.connections.ends(self.place)
        if self.transport is not None and not request.content.is_eof():
            with contextlib.suppress(OSError):  # it may have closed already
                if self.transport.can_write_eof():  # TLS cannot
                    self.transport.write_eof()
            await drop(request.content, _MOST_DROPPED, _DROP_S)
        else:
            self._wait_for_turn()
        return done

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer is sent already")
        return _refused(request, ApiError(status, _meaning(exc) if status == 400 else None), exc)

    def log_exception(self, *args: object, **facts: object) -> None:
        """Leave a body that is not what its headers say to the handler, which has answered it."""
        if not isinstance(facts.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **facts)


class _Server(web.Server):
    def __init__(self, handler: Any, reception: Reception, **options: Any) -> None:
        super().__init__(handler, **options)
        self._reception = reception

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, self._reception, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    def __init__(self, app: web.Application, reception: Reception, **options: Any) -> None:
        super().__init__(
            app, keepalive_timeout=IDLE_S, lingering_time=0, read_bufsize=_READ_AT_ONCE, auto_decompress=False, **options
        )
        self._reception = reception

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()

        async def answered(request: web.BaseRequest) -> web.StreamResponse:
            protocol = request.protocol
            assert isinstance(protocol, Protocol)
            try:
                if not protocol.begins() and request.path not in OPEN_PATHS:
                    raise web.HTTPServiceUnavailable
                response = await made.request_handler(request)
            except web.HTTPException as error:  # raised outside the middlewares, such as 417
                return _refused(request, ApiError(error.status, headers=_retry(error.status)), error)
            if not request.content.is_eof() or (response.status >= 400 and not request.content.at_eof()):
                response.force_close()
            return response

        return _Server(
            answered,
            self._reception,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )


def _retry(status: int) -> dict[str, str]:
    return {"Retry-After": "1"} if status == 503 else {}
