"""How old events are, also where the host's clock was years ahead for a while. Pure.

An id tells when its event was stored, unless the clock was ahead then: it goes on from the last one. How far ids were at a
believed second is remembered for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.store.codec import Codec
from gateway.store.events import AHEAD_S

FACT = "retention"
"""The durable fact of the site that keeps the ages."""
DAY_S = 86_400.0
_MARKS = 90
"""The number of marks at most; events whose ids lie ahead are kept for longer by this part of the time."""
_KEPT_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Events are kept for `days`, and at most `limit` of them."""

    days: int
    limit: int

    @property
    def seconds(self) -> float:
        return self.days * DAY_S


@dataclass(frozen=True, slots=True)
class Mark:
    """All events with ids up to this one were stored before this second (Unix)."""

    at: float
    id: int


@dataclass(frozen=True, slots=True)
class Ages:
    """`believed`: the last second (Unix) that counts. A clock that is more than a day away from it counts once it has stood for a
    day while the gateway ran: where it is wrong there is time to set it right. `doubted`: what a clock showed last, whether it
    counts or not; `waited`: for how many seconds one that does not has stood.
    """

    believed: float = 0.0
    doubted: float = 0.0
    waited: float = 0.0
    marks: tuple[Mark, ...] = ()

    def seen(self, now: float, elapsed: float, last: int, kept_for: Retention) -> Ages:
        """A trusted clock shows `now`, `elapsed` seconds of the process after it was looked at last; 0: it was not since the
        start. `last`: the id of the last event.
        """
        if abs(now - self.believed - elapsed) > DAY_S:
            waited = self.waited + elapsed if abs(now - self.doubted - elapsed) <= DAY_S else 0.0
            if waited < DAY_S:
                return replace(self, doubted=now, waited=waited)
        return Ages(believed=now, doubted=now, marks=self._marks_at(now, last, kept_for))

    def _marks_at(self, now: float, last: int, kept_for: Retention) -> tuple[Mark, ...]:
        """All that are not over, the last one that is, and where ids lie ahead and it is time for one, another."""
        told = {min(mark.at, now): mark.id for mark in self.marks}
        over = [at for at in told if at < now - kept_for.seconds]
        marks = [Mark(at, number) for at, number in told.items() if at not in over[:-1]]
        is_due = not marks or now - marks[-1].at >= kept_for.seconds / _MARKS
        if last > (now + AHEAD_S) * 1000 and is_due:
            marks.append(Mark(now, last))
        return tuple(marks)

    def expired(self, kept_for: Retention) -> int:
        """The greatest id of the events that are too old."""
        before = min(self.believed, self.doubted) - kept_for.seconds
        return max([int(before * 1000) - 1, *(mark.id for mark in self.marks if mark.at < before)])

    def is_news(self, kept: Ages) -> bool:
        """Whether it is to be kept in place of what was kept before."""
        moved = abs(self.believed - kept.believed) >= _KEPT_EVERY_S
        return moved or (self.waited, self.marks) != (kept.waited, kept.marks)


AGES: Codec[Ages] = Codec(Ages, "Ages")
