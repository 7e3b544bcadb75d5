"""Waiting for several panels at once, with one future."""

from __future__ import annotations

import asyncio


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
