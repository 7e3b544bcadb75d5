"""Our own errors inside callbacks of an event loop: asyncio would log them and go on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType


class Defects:
    """`with defects:` around callbacks. `tell` gets the error, to raise it where somebody waits. Interrupts pass."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[Exception], None]) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self._tell(error)
        return True
