"""Working side by side on one event loop: a lock with an urgent lane, work in turns, waiting for several at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

TURN_S = 0.02
"""After so long others get their turn. While a thread compiles, each turn waits for it some milliseconds."""


class UrgentFirst:
    """A lock; who is urgent gets it before all others that wait."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def held(self, *, urgent: bool) -> AsyncIterator[None]:
        if self._taken:
            await self._wait(urgent)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, urgent: bool) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if urgent else self._waiting.append)(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        self._taken = False


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The same items. Nobody else gets a turn while all is done within TURN_S."""
    loop = asyncio.get_running_loop()
    until = loop.time() + TURN_S
    for item in items:
        if loop.time() > until:
            await asyncio.sleep(0)
            until = loop.time() + TURN_S
        yield item


class Ticket:
    """Done when `settled` was called `panels` times."""

    def __init__(self, panels: int) -> None:
        self._left = panels
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settled(self) -> None:
        self._left -= 1
        if self._left <= 0 and not self._done.done():
            self._done.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Whether all were settled in time."""
        done, _ = await asyncio.wait([self._done], timeout=max(0.0, seconds))
        return bool(done)
