"""Long work in turns: between them whoever else needs the loop goes on, however much one request holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 64
"""Profiles that are compiled for one panel in one turn: some 0.15 s at the very most."""

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
