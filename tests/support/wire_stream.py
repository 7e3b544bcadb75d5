"""A simulated wire as the byte stream that a driver's link opens."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from drivers.modbus.wire.stream import Connect, Outlet, Receiver
from simulators.modbus_slave import rtu_frame
from simulators.wire import VirtualWire, WireEnd
from tests.support.soak_tap import Tap


class _Outlet:
    """What has arrived is told at once."""

    def __init__(self, wire: VirtualWire, end: WireEnd, tap: Tap | None) -> None:
        self._wire, self._end, self._tap = wire, end, tap
        self.close = end.close

    def write(self, data: bytes, /) -> None:
        self._end.write(data)
        if self._tap is not None:
            leaves_at = asyncio.get_running_loop().time() + len(data) * self._wire.byte_s
            self._tap.sent(data[:-2], leaves_at, lambda body: rtu_frame(body[0], body[1:]), data)

    def heard(self) -> bytes:
        return b""

    def gone(self) -> bool:
        return False

    def forget(self) -> None:
        return


def on_wire(wire: VirtualWire, tap: Tap | None = None) -> Connect:
    pumps: set[asyncio.Task[None]] = set()

    async def connect(receiver: Receiver) -> Outlet:
        reader, end = wire.connect()
        pump = asyncio.create_task(_pump(reader, receiver, tap))
        pumps.add(pump)
        pump.add_done_callback(pumps.discard)
        return _Outlet(wire, end, tap)

    return connect


async def _pump(reader: asyncio.StreamReader, receiver: Receiver, tap: Tap | None) -> None:
    with suppress(OSError):
        while data := await reader.read(4096):
            if tap is not None:
                tap.heard(data)
            receiver.data_received(data)
    receiver.connection_lost(None)
