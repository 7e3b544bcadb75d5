"""The byte stream under a line: how it is written to, and what it calls when bytes arrive or it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from drivers.defects import Defects


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


class Receiver(asyncio.Protocol):
    """The callbacks of one opened stream."""

    def __init__(self, arrived: Callable[[bytes], None], gone: Callable[[Receiver], None], defects: Defects) -> None:
        self._defects = defects
        self._arrived = arrived
        self._gone = gone
        self.lost = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self.lost:
            return
        try:
            self._arrived(data)
        except Exception as error:
            self._defects.tell(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.closed.done():
            self.closed.set_result(None)
        try:
            self._gone(self)
        except Exception as error:
            self._defects.tell(error)
