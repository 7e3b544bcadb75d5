"""How late the event loop comes to what is due: the time for which every request, panel and door waits."""

from __future__ import annotations

import asyncio
from collections import deque

_EVERY_S = 0.25
_REMEMBERED_S = 60.0


class LoopLag:
    """Measures while `run` does."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            now = loop.time()
            self._seen.append((now, max(0.0, now - due)))
            while self._seen[0][0] < now - _REMEMBERED_S:
                self._seen.popleft()

    def worst_s(self) -> float:
        """Seconds by which it was late at most within the last minute."""
        return max((late for _, late in self._seen), default=0.0)
