"""A crash inside a simulator must not be lost in an event loop's log: it is kept, reported, and raised at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType


class Crashes:
    """`with crashes:` around every piece of work that a loop calls back. `failed` carries the first error.

    Cancellation and interrupts pass. Needs a running loop.
    """

    def __init__(self, told: Callable[[Exception], None] | None = None) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told = told

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        if not self.failed.done():
            self.failed.set_exception(error)
            if self._told is not None:
                self._told(error)
        return True

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self.failed.done():
            self.failed.result()
