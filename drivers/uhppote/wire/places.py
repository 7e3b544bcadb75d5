"""Where controllers are: sockets to them, and the search for a serial number by broadcast."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing

from drivers.uhppote.wire.frames import Reply, frame, parse
from drivers.uhppote.wire.messages import get_device

Place = tuple[str, int]
_LONGEST = 2048


def open_socket(kind: socket.SocketKind, bind: str | None) -> socket.socket:
    """Bound to an address of this machine and a port of its own. Raises OSError."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        if bind is not None:
            sock.bind((bind, 0))
    except OSError:
        sock.close()
        raise
    return sock


def is_broadcast(place: Place) -> bool:
    """Whether this machine sends there to everybody: the kernel connects no plain socket to such an address.

    Raises OSError where it does not send there at all.
    """
    with closing(open_socket(socket.SOCK_DGRAM, None)) as sock:
        try:
            sock.connect(place)
        except PermissionError:
            return True
    return False


async def search(place: Place, bind: str | None, serial: int, within_s: float) -> AsyncGenerator[tuple[Reply, str], None]:
    """Every reply to the question which controllers are there, with the address that it came from. Serial number 0: all of them.

    Raises OSError where nothing can be sent.
    """
    loop = asyncio.get_running_loop()
    asked = get_device()
    with closing(open_socket(socket.SOCK_DGRAM, bind)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        await loop.sock_sendto(sock, frame(serial, asked), place)
        ends = loop.time() + within_s
        while (left_s := ends - loop.time()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    data, (address, *_) = await loop.sock_recvfrom(sock, _LONGEST)
            except TimeoutError:
                return
            reply = parse(data)
            if reply is not None and reply.function == asked.function and serial in (0, reply.serial):
                yield reply, address


async def find(place: Place, bind: str | None, serial: int, within_s: float) -> Place | None:
    """Where the controller with this serial number answers from. Raises OSError where nothing can be sent."""
    async with aclosing(search(place, bind, serial, within_s)) as replies:
        async for _, address in replies:
            return address, place[1]
    return None
