"""Long work in turns: between them whoever else needs the loop goes on, however much one request holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 64
"""Profiles that are looked at, or compiled for one panel, in one turn: some 0.15 s at the very most."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The same items. Nobody else gets a turn as long as they are AT_ONCE at most."""
    left = AT_ONCE
    for item in items:
        if not left:
            await asyncio.sleep(0)
            left = AT_ONCE
        left -= 1
        yield item
