"""A simulated wire as the byte stream that a driver's link opens."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from drivers.modbus.stream import Connect, Outlet, Receiver
from simulators.wire import VirtualWire, WireEnd


class _Outlet:
    """What has arrived is told at once."""

    def __init__(self, end: WireEnd) -> None:
        self.write, self.close = end.write, end.close

    def heard(self) -> bytes:
        return b""

    def forget(self) -> None:
        return


def on_wire(wire: VirtualWire) -> Connect:
    pumps: set[asyncio.Task[None]] = set()

    async def connect(receiver: Receiver) -> Outlet:
        reader, end = wire.connect()
        pump = asyncio.create_task(_pump(reader, receiver))
        pumps.add(pump)
        pump.add_done_callback(pumps.discard)
        return _Outlet(end)

    return connect


async def _pump(reader: asyncio.StreamReader, receiver: Receiver) -> None:
    with suppress(OSError):
        while data := await reader.read(4096):
            receiver.data_received(data)
    receiver.connection_lost(None)
