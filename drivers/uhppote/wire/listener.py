"""Hears what controllers send by themselves: an event, as soon as it happens. That there is one is all that is taken from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from drivers.uhppote.wire.frames import GET_STATUS, parse
from drivers.uhppote.wire.places import Place

Heard = Callable[[int, str], None]
"""Called with the serial number and the address of who sent an event. Both may be wrong: anybody can send a datagram."""


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Place) -> None:
        frame = parse(data)
        if frame is not None and frame.function == GET_STATUS:
            self._heard(frame.serial, addr[0])


async def listen(place: Place, heard: Heard) -> asyncio.DatagramTransport:
    """Listen until the transport is closed. Raises OSError."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Ear(heard), local_addr=place)
    return transport
