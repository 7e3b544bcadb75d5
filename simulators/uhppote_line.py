"""Simulated UHPPOTE boards in real time: behind UDP ports, or TCP ports that take one request a connection."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Collection
from typing import cast

from simulators.crash import Crashes
from simulators.panel import SimulatedPanel
from simulators.responder import Reply, Responder, Sending
from simulators.uhppote_board import UhppoteBoard
from simulators.uhppote_bytes import FRAME, u32, u32_at

_HERE = "127.0.0.1"
_BROADCAST_HERE = "127.255.255.255"
Place = tuple[str, int]


class BoardResponder(Responder):
    """The boards of one line. What is addressed to serial number 0 is answered by all of them."""

    def datagram(self, frame: bytes) -> list[Sending]:
        if len(frame) != FRAME:
            return []
        serial = u32_at(frame, 4)
        boards = list(self.panels.values()) if serial == 0 else [board for board in (self.at(serial),) if board is not None]
        return [sending for board in boards for sending in self._answer(board.unit, frame)]

    def _answer(self, serial: int, frame: bytes) -> list[Sending]:
        reply = self._reply(serial, frame, len(frame))
        if reply is None or not reply.pdu:
            return []
        told = u32(reply.unit ^ 1 if reply.fault == "foreign_unit" else reply.panel.unit)
        return self._travel(reply, reply.pdu[:4] + told + reply.pdu[8:], checked=True)

    def _faulty(self, panel: SimulatedPanel, pdu: bytes, fault: str) -> Reply | None:
        """A question cannot be refused in this protocol: its answer is late instead."""
        return super()._faulty(panel, pdu, "delay" if fault == "refuse" and not panel.makes_durable(pdu) else fault)

    def _refusal(self, pdu: bytes) -> bytes:
        """The board does not do it, and says so."""
        return pdu[:8] + bytes(FRAME - 8)


class BoardLine:
    """The boards of a line at their places. `where` is (host, port) of the line once it is started. Port 0: a free one.

    `places`: hosts and ports of boards that have places of their own. Each place answers for every board of the line, by serial
    number. The loopback broadcast address is heard too where it is the line's. A host that is not this machine's is left out; if
    it is the line's own, 127.0.0.1 takes its place.
    """

    def __init__(
        self, responder: Responder, crashes: Crashes, address: Place, places: Collection[Place] = (), *, tcp: bool = False
    ) -> None:
        self.where = address
        assert isinstance(responder, BoardResponder)
        self.crashes, self.responder = crashes, responder
        self._places, self._tcp = places, tcp
        self._ears: list[asyncio.DatagramTransport] = []
        self._servers: list[asyncio.Server] = []
        self.connections: set[asyncio.Transport] = set()

    async def start(self) -> None:
        host, port = self.where
        broadcast = host == _BROADCAST_HERE
        try:
            port = await self._listen(_HERE if broadcast else host, port)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            host = _HERE
            port = await self._listen(host, port)
        if broadcast and not self._tcp:
            await self._listen(_BROADCAST_HERE, port, answers=self._ears[0])
        self.where = (host, port)
        for place in set(self._places) - {self.where, (_HERE, port)}:
            try:
                await self._listen(*place)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
        for board in self.responder.panels.values():
            cast("UhppoteBoard", board).tell = self._tell

    async def _listen(self, host: str, port: int, answers: asyncio.DatagramTransport | None = None) -> int:
        """The port. What is heard is answered from there, or from `answers`."""
        loop = asyncio.get_running_loop()
        if self._tcp:
            server = await loop.create_server(lambda: _Connection(self), host, port)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])
        transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(self, answers), local_addr=(host, port))
        self._ears.append(transport)
        return int(transport.get_extra_info("sockname")[1])

    def _tell(self, frame: bytes, address: str, port: int) -> None:
        if self._ears:
            self._ears[0].sendto(frame, (address, port))

    async def stop(self) -> None:
        for ear in self._ears:
            ear.abort()
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._ears.clear()
        self._servers.clear()
        await asyncio.sleep(0)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, line: BoardLine, answers: asyncio.DatagramTransport | None) -> None:
        self._line, self._answers = line, answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._answers = self._answers or cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Place) -> None:
        with self._line.crashes:
            for sending in self._line.responder.datagram(data):
                if sending.after_s > 0:
                    asyncio.get_running_loop().call_later(sending.after_s, self._send, sending.data, addr)
                else:
                    self._send(sending.data, addr)

    def _send(self, data: bytes, addr: Place) -> None:
        if self._answers is not None and not self._answers.is_closing():
            self._answers.sendto(data, addr)


class _Connection(asyncio.Protocol):
    """One request, one reply; then it is closed."""

    def __init__(self, line: BoardLine) -> None:
        self._line = line
        self._transport: asyncio.Transport | None = None
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._line.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._line.connections.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        with self._line.crashes:
            self._heard += data
            if len(self._heard) < FRAME:
                return
            sendings = self._line.responder.datagram(self._heard[:FRAME])
            self._heard = b""
            for sending in sendings:
                asyncio.get_running_loop().call_later(sending.after_s, self._send, sending)

    def _send(self, sending: Sending) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(sending.data)
            self._transport.close()
