"""Connections without sockets on virtual time: simulated panels at the far end of `loop.create_connection`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from simulators.responder import Responder, Sending
from tests.support.virtual_time import VirtualTimeLoop

T = TypeVar("T")


class VirtualConnection(asyncio.Transport):
    """The near end. The far end answers each request as the responder says; requests come whole."""

    def __init__(self, protocol: asyncio.Protocol, responder: Responder, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._protocol = protocol
        self._responder = responder
        self._loop = loop
        self._closed = False
        self._free_at = 0.0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        request = bytes(data)
        for sending in self._responder.tcp(int.from_bytes(request[:2], "big"), request[6], request[7:]):
            self._free_at = max(self._free_at, self._loop.time() + sending.after_s)
            self._loop.call_at(self._free_at, self._send, sending)

    def _send(self, sending: Sending) -> None:
        if self._closed:
            return
        self._protocol.data_received(sending.data)
        if sending.cut:
            self.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self._closed


class VirtualTcpLoop(VirtualTimeLoop):
    responder: Responder
    connections = 0

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *where: Any, **how: Any
    ) -> tuple[VirtualConnection, asyncio.Protocol]:
        self.connections += 1
        protocol = protocol_factory()
        transport = VirtualConnection(protocol, self.responder, self)
        protocol.connection_made(transport)
        return transport, protocol


def run_virtual_tcp(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualTcpLoop) as runner:
        return runner.run(main)
