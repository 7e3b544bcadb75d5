"""The time of a simulated panel: an oscillator that may run fast or slow, and local seconds on a wall clock.

A local second counts from 1970-01-01T00:00 on the panel's own wall clock, whatever its offset from UTC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTES = 1440
"""The minutes of a day."""
Windows = tuple[tuple[int, int], ...]
"""Windows in minutes of a day: start, end exclusive."""


def weekday(day: int) -> int:
    """The weekday, 0 Monday to 6 Sunday; 1970-01-01 was a Thursday."""
    return (day + 3) % 7


def loop_time() -> float:
    """Monotonic seconds of the running event loop: real, or a test's own."""
    return asyncio.get_running_loop().time()


def civil(local_second: float) -> datetime:
    """The date and time of a local second. The zone attached has no meaning: it only keeps the machine's zone out."""
    return EPOCH + timedelta(seconds=int(local_second))


def local_second_of(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Raises ValueError for a date or time that does not exist."""
    return int((datetime(year, month, day, hour, minute, second, tzinfo=UTC) - EPOCH).total_seconds())


class Oscillator:
    """Counts its own seconds since it was built; `drift_ppm` makes them longer or shorter from now on."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._origin = monotonic()
        self._passed = 0.0
        self._drift_ppm = 0.0

    def now(self) -> float:
        return self._passed + (self._monotonic() - self._origin) * (1 + self._drift_ppm / 1e6)

    @property
    def drift_ppm(self) -> float:
        return self._drift_ppm

    @drift_ppm.setter
    def drift_ppm(self, ppm: float) -> None:
        self._passed = self.now()
        self._origin = self._monotonic()
        self._drift_ppm = ppm

    def jump(self, seconds: float) -> None:
        """Make the clock wrong by this many seconds at once."""
        self._passed += seconds
