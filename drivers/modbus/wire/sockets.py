"""A connection to a host as the byte stream of a link."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
from contextlib import suppress

from drivers.clock import Clock
from drivers.errors import BusUnavailable
from drivers.modbus.wire.far_end import FarEnd
from drivers.modbus.wire.stream import Connect, Outlet, Receiver
from drivers.name_lookup import NameLookup

_CONNECT_S = 3.0
_RECEIVED_AT_ONCE = 8192
"""The kernel keeps little of what a far end sends: what is received at once holds the loop until it is looked through."""
_READ_AT_ONCE = 32 * 1024
"""Room that is made before each reading: asyncio's 256 KiB may take three calls of the system. It is more than a device server
may bring, so that one that sends without end is found out early."""
_AT_ONCE = struct.pack("ii", 1, 0)


def connection_to(host: str, port: int, taken_within_ms: int | None = None) -> Connect:
    """Connects to the first address of the host that accepts. `taken_within_ms`: a far end that takes nothing for so long loses
    the connection (tcp(7), TCP_USER_TIMEOUT); None: as long as the system tries."""
    names = NameLookup(host)

    async def connect(receiver: Receiver) -> Outlet:
        refused = OSError("no address")
        for address in await names.addresses():
            try:
                async with asyncio.timeout(_CONNECT_S):
                    transport, _ = await asyncio.get_running_loop().create_connection(lambda: receiver, address, port)
            except TimeoutError:
                refused = OSError(f"no connection to {address} port {port} within {_CONNECT_S:.0f} s")
            except OSError as error:
                why = os.strerror(error.errno) if error.errno else str(error)
                refused = OSError(f"no connection to {address} port {port}: {why}")
            else:
                names.reached(address)
                transport.max_size = _READ_AT_ONCE  # type: ignore[attr-defined]
                return _SocketOutlet(transport, transport.get_extra_info("socket"), taken_within_ms)
        raise refused

    return connect


async def get_ready(outlet: Outlet, far_end: FarEnd, clock: Clock) -> None:
    """Give a new connection the time that its host needs before the first request. Raises BusUnavailable."""
    wait_s = far_end.wait_s(clock.monotonic())
    try:
        if wait_s and not outlet.gone():
            await clock.sleep(wait_s)
    except asyncio.CancelledError:
        outlet.close()
        raise
    if outlet.gone():
        outlet.close()
        far_end.closed_at_once()
        raise BusUnavailable("the connection was closed at once")
    far_end.opened(clock.monotonic(), wait_s)


class _SocketOutlet:
    """See that no request is delivered after it was given up: when the socket is closed, the kernel drops what it still holds
    (socket(7), SO_LINGER)."""

    def __init__(self, transport: asyncio.WriteTransport, near: socket.socket | None, taken_within_ms: int | None) -> None:
        self._transport = transport
        self._ended = select.poll()
        if near is None or near.fileno() < 0:
            return
        self._ended.register(near.fileno(), select.POLLRDHUP)
        with suppress(OSError):  # it may have closed already
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_AT_ONCE)
            if taken_within_ms is not None:
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, taken_within_ms)

    def heard(self) -> bytes:
        return b""

    def write(self, data: bytes, /) -> None:
        self._transport.write(data)

    def forget(self) -> None:
        return

    def gone(self) -> bool:
        return self._transport.is_closing() or bool(self._ended.poll(0))

    def close(self) -> None:
        self._transport.abort()
