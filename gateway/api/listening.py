"""The ports of the HTTP surface: TLS where there is a certificate, and plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import web

from config.settings import HttpSettings
from config.tls import Pair
from gateway.api.server import HEADER_S, Protocol

_GOODBYE_S = 5.0
"""How long a client may take to confirm that a TLS connection ends."""


class CannotListen(Exception):
    """The text names the address and says why."""


class Listeners:
    """Bound first, and answered on later. Only `change` replaces the certificate."""

    def __init__(self, server: web.Server, http: HttpSettings, tls: Pair | None, backlog: int) -> None:
        """`backlog`: how many connections are accepted at once."""
        self._server, self._http, self._tls = server, http, tls
        self._backlog = backlog
        self._opened: list[asyncio.Server] = []
        self._hands: set[_Handshake] = set()

    async def bind(self) -> None:
        """Raises CannotListen."""
        plain, secure = self._server, partial(_Handshake, self._server, lambda: self._tls, self._hands)
        ports = [(self._http.port, plain if self._tls is None else secure)]
        if self._http.plain_port is not None:
            ports.append((self._http.plain_port, plain))
        for port, made in ports:
            self._opened.append(await self._bound(port, made))

    async def _bound(self, port: int, made: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
        host, loop = self._http.host, asyncio.get_running_loop()
        try:
            return await loop.create_server(made, host, port, backlog=self._backlog, start_serving=False)
        except OSError as error:
            self.close()
            raise CannotListen(f"http: cannot listen at {host}:{port}: {error.strerror}") from error

    async def start_serving(self, queue: int) -> None:
        """`queue`: how many connections may wait to be accepted."""
        for listening in self._opened:
            await listening.start_serving()
            for each in listening.sockets:
                with each.dup() as own:  # asyncio uses the backlog as the number of connections to accept at once, too
                    own.listen(queue)

    @property
    def urls(self) -> tuple[str, ...]:
        """The one for clients first."""
        places = [listening.sockets[0].getsockname()[:2] for listening in self._opened]
        schemes = ["http" if self._tls is None else "https", "http"]
        return tuple(_url(scheme, host, port) for scheme, (host, port) in zip(schemes, places, strict=False))

    @property
    def certificate_ends_at(self) -> float | None:
        """Unix seconds; None: there is none, or it does not say."""
        return None if self._tls is None else self._tls.expires_at

    def change(self, tls: Pair) -> bool:
        """Connections from now on see this certificate; those of before go on. Returns whether it is another one."""
        before, self._tls = self._tls, tls
        return before is not None and before.digest != tls.digest

    def close(self) -> None:
        for listening in self._opened:
            listening.close()
        for each in tuple(self._hands):
            each.abort()


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class _Handshake(asyncio.Protocol):
    """A connection until TLS is agreed on; then it is its `Protocol`'s.

    Takes its place among the connections first, and waits for its turn: the library's own way counts nobody before the end of
    the handshake, which costs more than a request does. What arrives with the client's last word of it is kept for the Protocol.
    """

    def __init__(self, server: web.Server, tls: Callable[[], Pair | None], hands: set[_Handshake]) -> None:
        made = server()
        assert isinstance(made, Protocol)
        self._protocol = made
        self._tls, self._hands = tls, hands
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._is_lost = self._is_handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._protocol.takes_place(transport):
            self._transport = transport
            self._hands.add(self)
            transport.pause_reading()
            self._protocol.in_turn(self._begin)

    def _begin(self) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        self._task = asyncio.get_running_loop().create_task(self._agree(self._transport))
        return True

    async def _agree(self, transport: asyncio.Transport) -> None:
        pair = self._tls()
        assert pair is not None, "the port of TLS is opened with a certificate"
        try:
            agreed = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                pair.context,
                server_side=True,
                ssl_handshake_timeout=HEADER_S,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError:  # the client speaks no TLS, does not trust the certificate, or has gone
            agreed = None
        if agreed is None or self._is_lost:
            transport.abort()
            self._leave()
            return
        self._hands.discard(self)
        self._is_handed_over = True
        agreed.set_protocol(self._protocol)
        self._protocol.connection_made(agreed)
        for piece in self._early:
            self._protocol.data_received(piece)

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._is_lost = True
        if self._is_handed_over:  # it was lost just before, and this call was under way
            self._protocol.connection_lost(exc)
        else:
            self._leave()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _leave(self) -> None:
        self._hands.discard(self)
        self._protocol.gives_place_back()
