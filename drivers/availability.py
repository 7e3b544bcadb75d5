"""Whether a panel can be spoken to: the feed that drivers hand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from drivers.contract import Availability


class Feed:
    """A level with a wake-up, see `drivers.contract.AvailabilityFeed`. Changes that are not consumed in time are merged."""

    def __init__(self) -> None:
        self._current = Availability.UNKNOWN
        self._cause: str | None = None
        self._changed: asyncio.Future[None] | None = None

    @property
    def current(self) -> Availability:
        return self._current

    @property
    def cause(self) -> str | None:
        return self._cause

    def set(self, level: Availability, cause: str | None = None) -> None:
        """Set the level. Its cause is what led to it, not what confirms it later."""
        if level is self._current:
            return
        self._current, self._cause = level, cause
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    def __aiter__(self) -> AsyncIterator[Availability]:
        return _Listener(self)

    async def change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)


class _Listener:
    """An iterator, not an asynchronous generator: one that is abandoned half-way needs a task to close it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._told: Availability | None = None

    def __aiter__(self) -> _Listener:
        return self

    async def __anext__(self) -> Availability:
        while self._feed.current is self._told:
            await self._feed.change()
        self._told = self._feed.current
        return self._told
