"""Connections without sockets on virtual time: simulated panels at the far end of `loop.create_connection`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from simulators.modbus_slave import MbapRequests, mbap_frame, rtu_frame
from simulators.responder import Responder, Sending
from simulators.wire import byte_time_s, silence_s
from tests.support.soak_tap import Tap
from tests.support.virtual_time import VirtualTimeLoop

T = TypeVar("T")


class _NoSocket:
    """Takes any option."""

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *option: object) -> None:
        return


class VirtualConnection(asyncio.Transport):
    """The near end, with Modbus TCP behind it. The far end answers each request as the responder says."""

    def __init__(self, protocol: asyncio.Protocol, loop: VirtualTcpLoop, responder: Responder) -> None:
        super().__init__({"socket": None})
        self._protocol = protocol
        self._loop = loop
        self._responder = responder
        self._requests = MbapRequests()
        self._closed = False
        self._free_at = 0.0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            return
        for transaction, unit, pdu in self._requests.feed(bytes(data)):
            self._take(transaction, unit, pdu)

    def _take(self, transaction: int, unit: int, pdu: bytes) -> None:
        if self._loop.tap is not None:
            self._loop.tap.sent(bytes((unit,)) + pdu, self._loop.time(), lambda body: mbap_frame(transaction, body[0], body[1:]))
        for sending in self._responder.tcp(transaction, unit, pdu):
            due = max(self._loop.time(), self._free_at if self._loop.serial else 0.0) + sending.after_s
            self._free_at = max(self._free_at, due)
            self._loop.call_at(self._free_at if self._loop.in_order else due, self._send, sending)

    def _send(self, sending: Sending) -> None:
        if self._closed:
            return
        self._hand_on(sending.data)
        if sending.cut:
            self.close()

    def _hand_on(self, data: bytes) -> None:
        if self._loop.tap is not None:
            self._loop.tap.heard(data)
        self._protocol.data_received(data)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closed


class VirtualDeviceServer(VirtualConnection):
    """The near end, with a serial line behind it: RTU frames, as slow as the line, replies in two pieces."""

    def __init__(self, protocol: asyncio.Protocol, loop: VirtualTcpLoop, responder: Responder, baudrate: int) -> None:
        super().__init__(protocol, loop, responder)
        self._extra["socket"] = _NoSocket()  # type: ignore[attr-defined]
        self._byte_s, self._silence_s = byte_time_s(baudrate), silence_s(baudrate)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            return
        frame = bytes(data)
        ends = max(self._free_at, self._loop.time()) + len(frame) * self._byte_s
        if self._loop.tap is not None:
            self._loop.tap.sent(
                frame[:-2], self._loop.time() + len(frame) * self._byte_s, lambda body: rtu_frame(body[0], body[1:])
            )
        self._free_at = ends + self._silence_s
        self._loop.call_at(self._free_at, self._answer, frame)

    def _answer(self, frame: bytes) -> None:
        for sending in self._responder.rtu(frame):
            half = len(sending.data) // 2
            begins = max(self._free_at, self._loop.time() + sending.after_s)
            self._loop.call_at(begins + half * self._byte_s, self._send, Sending(sending.panel, 0.0, sending.data[:half]))
            ends = begins + len(sending.data) * self._byte_s
            self._loop.call_at(ends, self._send, Sending(sending.panel, 0.0, sending.data[half:], sending.cut))
            self._free_at = ends + self._silence_s


@dataclass
class FarHost:
    """Who is behind a port. `baudrate`: of the serial line behind a device server, None where panels speak Modbus TCP."""

    responder: Responder
    baudrate: int | None = None
    refuses: bool = False
    """Whether it takes no connections now."""
    connections: list[VirtualConnection] = field(default_factory=list)

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.close()
        self.connections.clear()


class VirtualTcpLoop(VirtualTimeLoop):
    """`responder` and `baudrate` are behind every port that `hosts` does not name."""

    responder: Responder
    connections = 0
    baudrate: int | None = None
    tap: Tap | None = None
    in_order = True
    """Whether replies of Modbus TCP come in the order of their requests."""
    serial = False
    """Whether a panel begins with a request of Modbus TCP only when it has answered the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: dict[int, FarHost] = {}

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *where: Any, **how: Any
    ) -> tuple[VirtualConnection, asyncio.Protocol]:
        self.connections += 1
        port = where[1] if len(where) > 1 else how.get("port")
        host = self.hosts[port] if port in self.hosts else FarHost(self.responder, self.baudrate)
        if host.refuses:
            raise ConnectionRefusedError("nobody listens")
        protocol = protocol_factory()
        if host.baudrate is None:
            transport = VirtualConnection(protocol, self, host.responder)
        else:
            transport = VirtualDeviceServer(protocol, self, host.responder, host.baudrate)
        host.connections = [*(each for each in host.connections if not each.is_closing()), transport]
        protocol.connection_made(transport)
        return transport, protocol


def run_virtual_tcp(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualTcpLoop) as runner:
        return runner.run(main)
