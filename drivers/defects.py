"""Our own errors inside callbacks of an event loop: asyncio would log them and go on as if nothing had happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Defects:
    """The defects of one link. One ends the exchange that somebody awaits, and the next attempt to open the link raises it.

    Callbacks catch every Exception and tell it here; interrupts pass.
    """

    __slots__ = ("_awaited", "_broke", "found")

    def __init__(self, broke: Callable[[], None]) -> None:
        """`broke`: sees that the link is not used any more, and wakes who looks after it."""
        self._broke = broke
        self._awaited: asyncio.Future[Any] | None = None
        self.found: Exception | None = None

    def awaited(self) -> asyncio.Future[Any]:
        """The future of an exchange that its caller awaits."""
        self._awaited = asyncio.get_running_loop().create_future()
        return self._awaited

    def tell(self, error: Exception) -> None:
        self.found = error
        self._broke()
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(error)

    def raise_found(self) -> None:
        if self.found is not None:
            raise self.found
