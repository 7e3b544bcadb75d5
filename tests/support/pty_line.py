"""A pseudo-terminal pair with a scripted panel at the far end, on the wall clock."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.scripted_line import crc


class PtyPanel:
    """Answers each write of the near end with what `answer` makes of it."""

    def __init__(self, master: int, path: str, answer: Callable[[bytes], bytes]) -> None:
        self.path = path
        self.answer = answer
        self.heard: list[bytes] = []
        self._master: int | None = master
        self._pending = b""
        asyncio.get_running_loop().add_reader(master, self._readable)

    def _readable(self) -> None:
        assert self._master is not None
        with suppress(OSError):
            self._pending += os.read(self._master, 4096)
        if len(self._pending) > 3 and crc(self._pending[:-2]) == self._pending[-2:]:
            request, self._pending = self._pending, b""
            self.heard.append(request)
            os.write(self._master, self.answer(request))

    def say(self, data: bytes) -> None:
        """Unasked."""
        assert self._master is not None
        os.write(self._master, data)

    def unplug(self) -> None:
        """The device is gone, as when an adapter is pulled out."""
        if self._master is not None:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            self._master = None


@contextmanager
def pty_panel(answer: Callable[[bytes], bytes]) -> Iterator[PtyPanel]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    path = os.ttyname(slave)
    os.close(slave)
    panel = PtyPanel(master, path, answer)
    try:
        yield panel
    finally:
        panel.unplug()
