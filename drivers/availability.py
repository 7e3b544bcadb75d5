"""Whether a unit can be spoken to: the feed drivers hand on, the count of misses, and the budget for probes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from drivers.contract import Availability


class Feed:
    """A level with a wake-up, see `drivers.contract.AvailabilityFeed`. Changes nobody looked at are merged."""

    def __init__(self) -> None:
        self._current = Availability.UNKNOWN
        self._changed: asyncio.Future[None] | None = None

    @property
    def current(self) -> Availability:
        return self._current

    def set(self, level: Availability) -> None:
        if level is self._current:
            return
        self._current = level
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    async def __aiter__(self) -> AsyncIterator[Availability]:
        told: Availability | None = None
        while True:
            if self._current is not told:
                told = self._current
                yield told
            else:
                await self._change()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)


@dataclass(slots=True)
class Health:
    """Misses of one unit. `limit` in a row, and it is quarantined until a probe is answered."""

    limit: int
    misses: int = 0
    probes: int = 0
    probe_at: float = 0.0
    feed: Feed = field(default_factory=Feed)

    @property
    def quarantined(self) -> bool:
        return self.misses >= self.limit

    def answered(self) -> None:
        self.misses = self.probes = 0
        self.feed.set(Availability.ONLINE)

    def missed(self) -> bool:
        """Count a miss; True when it is the one that leads to quarantine."""
        before = self.quarantined
        self.misses += 1
        if self.quarantined:
            self.feed.set(Availability.QUARANTINED)
        return self.quarantined and not before

    def line_back(self) -> None:
        """After the line was gone nothing is known; one more miss is enough for a unit that was quarantined before."""
        self.misses = min(self.misses, self.limit - 1)
        self.feed.set(Availability.UNKNOWN)


@dataclass(slots=True)
class ProbeBudget:
    """Keeps all probes of one line within a share of its time, and each dead unit's probes ever further apart."""

    share: float
    first_wait_s: float = 1.0
    longest_wait_s: float = 300.0
    _line_free_at: float = 0.0

    def schedule(self, health: Health, now: float) -> None:
        """Set when this unit may be probed next."""
        health.probe_at = now + min(self.longest_wait_s, self.first_wait_s * 2**health.probes)

    def hasten(self, health: Health, now: float) -> None:
        """Somebody asks for this unit: its next probe waits for the line's budget only."""
        health.probe_at = min(health.probe_at, now)

    def due_at(self, health: Health) -> float:
        return max(health.probe_at, self._line_free_at)

    def charge(self, now: float, cost_s: float) -> None:
        """Line time that a probe took, or made others wait."""
        self._line_free_at = max(self._line_free_at, now) + cost_s / self.share - cost_s
