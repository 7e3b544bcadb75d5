"""The link to one controller, by UDP or TCP: one exchange at a time, its reply told from every other one.

The protocol numbers no transactions. In their place each exchange has a port or a connection of its own: a late or doubled reply
arrives where nobody waits any more.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import closing

from drivers.errors import (
    BusUnavailable,
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    UnexpectedReply,
)
from drivers.link import UnitTiming, WireTally
from drivers.name_lookup import NameLookup
from drivers.uhppote.wire.frames import SIZE, Reply, Request, frame, parse
from drivers.uhppote.wire.places import Place, find, is_broadcast, open_socket

_log = logging.getLogger(__name__)

_LONGEST = 2048
_SEARCH_S = 1.0
_CONNECT_S = 3.0
_MOST_MISSED = 3
"""After this many missed replies in a row a controller that was searched for, or has a name, is looked for anew."""
_PORTS_KEPT = 3
"""How many ports of earlier exchanges are kept open, so that late replies are counted."""


class BoardLink(ABC):
    """A `drivers.link.Link` to the controller with one serial number."""

    quiet_at, jammed_s, closes = 0.0, 0.0, False

    def __init__(self, serial: int, place: Place, bind: str | None, tally: WireTally, name: str) -> None:
        """`place`: a host, or where a broadcast reaches it. `bind`: the address of this machine to send from. `name`: the
        line's."""
        self.tally = tally
        self.on_lost: Callable[[], None] = _nothing
        self.sent = False
        self.openings = 0
        self._serial, self._bind = serial, bind
        self._host, self._port = place
        self._names = NameLookup(self._host)
        self._facts = {"line": name, "unit": serial}
        self._peer: Place | None = None
        self._moves = False
        """The controller may have another address by now: it was searched for, or its host has a name."""
        self._missed = 0

    @property
    def address(self) -> str | None:
        """Where the controller answers from; None: that is not known now."""
        return None if self._peer is None else self._peer[0]

    @property
    def connected(self) -> bool:
        return self._peer is not None

    @property
    def stale(self) -> bool:
        return self._moves and self._missed >= _MOST_MISSED

    async def open(self) -> None:
        await self.close()
        try:
            address = (await self._names.addresses())[0]
            self._peer = await self._reach((address, self._port))
            self._moves = self._peer != (self._host, self._port)
        except OSError as error:
            raise BusUnavailable(f"{self._host}:{self._port}: {error.strerror or error}") from error
        self._missed = 0
        self.openings += 1

    async def _reach(self, place: Place) -> Place:
        """Where the controller is. Raises OSError, BusUnavailable."""
        if not is_broadcast(place):
            return place
        found = await find(place, self._bind, self._serial, _SEARCH_S)
        if found is None:
            raise BusUnavailable(f"no controller with serial number {self._serial} answers at {self._host}:{self._port}")
        return found

    async def close(self) -> None:
        self._peer = None

    async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> Reply:
        self.sent = False
        if self._peer is None:
            raise BusUnavailable("not open")
        try:
            reply = await self._ask(self._peer, unit, request, timing.timeout_s)
        except NoReply:
            self._missed += 1
            raise
        self._missed = 0
        return reply

    @abstractmethod
    async def _ask(self, peer: Place, unit: int, request: Request, timeout_s: float) -> Reply:
        """Send a request and return its reply. Raises DriverError."""

    def _leaving(self, unit: int, request: Request) -> bytes:
        """The frame, made as it leaves: what it says may be of that moment."""
        data = frame(unit, request)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("request sent", extra={**self._facts, "frame": data.hex()})
        return data

    def _answer(self, data: bytes, function: int) -> Reply | DriverError:
        """What arrived, as the reply that is waited for, or as what it is instead. Counts what is odd."""
        reply = parse(data)
        if reply is None:
            self.tally.glitch_bytes[self._serial] += len(data)
            return CorruptReply(f"{len(data)} bytes that are no frame")
        if (reply.serial, reply.function) != (self._serial, function):
            self.tally.late_dropped[self._serial] += 1
            return UnexpectedReply(f"a reply to function {reply.function:#04x} of controller {reply.serial}")
        return reply

    def _refused(self, error: OSError) -> BusUnavailable:
        """Nobody listens there: that is told at once, and nothing was carried out."""
        self._peer = None
        return BusUnavailable(f"{self._host}:{self._port}: {error.strerror or error}")

    def frame(self, unit: int, request: Request) -> bytes:
        return frame(unit, request)

    def doubts(self, unit: int, request: Request) -> bool:
        return False

    def wire_ms(self, request: Request) -> float | None:
        return None

    def wire_bytes(self, request: Request) -> int:
        return 2 * SIZE


class UdpLink(BoardLink):
    def __init__(self, serial: int, place: Place, bind: str | None, tally: WireTally, name: str) -> None:
        super().__init__(serial, place, bind, tally, name)
        self._used: deque[socket.socket] = deque()

    async def _ask(self, peer: Place, unit: int, request: Request, timeout_s: float) -> Reply:
        self._count_late()
        odd: DriverError | None = None
        loop = asyncio.get_running_loop()
        try:
            sock = open_socket(socket.SOCK_DGRAM, self._bind)
            self._used.append(sock)
            sock.connect(peer)
            async with asyncio.timeout(timeout_s):
                await loop.sock_sendall(sock, self._leaving(unit, request))
                self.sent = True
                while True:
                    heard = self._answer(await loop.sock_recv(sock, _LONGEST), request.function)
                    if isinstance(heard, Reply):
                        return heard
                    odd = heard
        except TimeoutError as error:
            raise odd or NoReply("no reply") from error
        except OSError as error:
            raise self._refused(error) from error

    def _count_late(self) -> None:
        """Count what came to the ports of earlier exchanges since, and close the oldest of them."""
        for sock in self._used:
            while self._drained(sock):
                pass
        while len(self._used) >= _PORTS_KEPT:
            self._used.popleft().close()

    def _drained(self, sock: socket.socket) -> bool:
        try:
            data = sock.recv(_LONGEST)
        except OSError:  # nothing is there, or nobody listens at the other end any more
            return False
        if parse(data) is None:
            self.tally.glitch_bytes[self._serial] += len(data)
        else:
            self.tally.late_dropped[self._serial] += 1
        return True

    async def close(self) -> None:
        await super().close()
        self._count_late()
        while self._used:
            self._used.popleft().close()


class TcpLink(BoardLink):
    async def _reach(self, place: Place) -> Place:
        if is_broadcast(place):
            raise BusUnavailable(f"{self._host} is a broadcast address: by TCP each controller needs its own `host`")
        with closing(await self._connected(place)):
            return place

    async def _connected(self, place: Place) -> socket.socket:
        sock = open_socket(socket.SOCK_STREAM, self._bind)
        try:
            async with asyncio.timeout(_CONNECT_S):
                await asyncio.get_running_loop().sock_connect(sock, place)
        except TimeoutError as error:
            sock.close()
            raise OSError(f"no connection to {place[0]}:{place[1]}") from error
        except BaseException:
            sock.close()
            raise
        return sock

    async def _ask(self, peer: Place, unit: int, request: Request, timeout_s: float) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            sock = await self._connected(peer)
        except OSError as error:
            raise self._refused(error) from error
        heard = b""
        with closing(sock):
            try:
                async with asyncio.timeout(timeout_s):
                    await loop.sock_sendall(sock, self._leaving(unit, request))
                    self.sent = True
                    while len(heard) < SIZE and (more := await loop.sock_recv(sock, _LONGEST)):
                        heard += more
            except TimeoutError as error:
                if heard:
                    raise CorruptReply(f"{len(heard)} bytes without a whole frame") from error
                raise NoReply("no reply") from error
            except OSError as error:
                raise ConnectionLost(str(error)) from error
        if len(heard) < SIZE:
            raise ConnectionLost("the controller hung up")
        reply = self._answer(heard, request.function)
        if isinstance(reply, DriverError):
            raise reply
        return reply


def _nothing() -> None:
    return
