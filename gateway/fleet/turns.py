"""Long work in turns: between them whoever else needs the loop goes on, however much one request holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 64
"""Profiles that are compiled for one panel in one turn: some 0.15 s at the very most."""

TURN_S = 0.02
"""After so long others get their turn. While a thread compiles, each turn waits for it some milliseconds."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The same items. Nobody else gets a turn while all is done within TURN_S."""
    loop = asyncio.get_running_loop()
    until = loop.time() + TURN_S
    for item in items:
        if loop.time() > until:
            await asyncio.sleep(0)
            until = loop.time() + TURN_S
        yield item
