"""Clients that are not logged in take turns, address by address: however many there are, they do not occupy the whole loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

EACH_S = 0.002
"""The least time from one turn to the next; longer when the loop is late, so that these turns take half of its time at most."""


class Turns:
    """Calls each `go` in its turn. One that returns False has disconnected: its turn goes to the next one."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Callable[[], bool]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._last = float("-inf")

    def wait(self, address: str, go: Callable[[], bool]) -> None:
        self._waiting.setdefault(address, deque()).append(go)
        if self._timer is None:
            self._schedule(self._last + EACH_S)

    def _schedule(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        due = max(due, loop.time())
        self._timer = loop.call_at(due, self._next, due)

    def _next(self, due: float) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        while self._waiting and not self._first()():
            pass
        if self._waiting:
            self._schedule(self._last + max(EACH_S, self._last - due))

    def _first(self) -> Callable[[], bool]:
        """The first `go` of the address whose turn it is; the address moves to the end."""
        address, queue = next(iter(self._waiting.items()))
        go = queue.popleft()
        if queue:
            self._waiting.move_to_end(address)
        else:
            del self._waiting[address]
        return go
