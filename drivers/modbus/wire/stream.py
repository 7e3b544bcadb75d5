"""The byte stream under an RTU line: how it is written to, and what it calls when bytes arrive or it ends."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from drivers.defects import Defects

_RECEIVED_AT_ONCE = 8192


class Outlet(Protocol):
    """The writing side of an open stream."""

    def heard(self) -> bytes:
        """Bytes that have arrived and were not reported yet: read right before a frame is written. Raises OSError."""
        ...

    def write(self, data: bytes, /) -> None: ...

    def forget(self) -> None:
        """Drop what was written and has not left yet, where the stream knows it."""
        ...

    def gone(self) -> bool:
        """Whether the far end closed, even if the loop has not reported it yet: asked before a frame is written."""
        ...

    def close(self) -> None: ...


Connect = Callable[["Receiver"], Awaitable[Outlet]]
"""Opens the byte stream and has it call the receiver. Raises OSError."""


def far_end_closed(near: socket.socket | None) -> bool:
    """Whether the kernel already knows that the far end closed or cut the connection of this socket."""
    if near is None or near.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(near.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def receive_little(near: socket.socket | None) -> None:
    """Let the kernel keep little of what a far end sends: what is received at once holds the loop until it is looked through."""
    with suppress(OSError):  # it may have closed already
        if near is not None:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_AT_ONCE)


class Receiver(asyncio.Protocol):
    """The callbacks of one opened stream."""

    def __init__(self, arrived: Callable[[bytes], None], gone: Callable[[Receiver], None], defects: Defects) -> None:
        self._defects = defects
        self._arrived = arrived
        self._gone = gone
        self.lost = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        with self._defects:
            if not self.lost:
                self._arrived(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.closed.done():
            self.closed.set_result(None)
        with self._defects:
            self._gone(self)
