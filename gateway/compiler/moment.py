"""The present as the compiler needs it: the earliest reading that a panel's clock can still show, and days as instants. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.compiler.table import MINUTES, Interval
from gateway.schedules.local_time import DAY_S, changes_between, local_second

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)

CLOCK_SLACK_S = 60
"""How far a panel's clock may be behind when a table takes effect: no start is written within this time."""

_GAP_YEARS = 10


@dataclass(frozen=True, slots=True)
class Moment:
    """`day`: the day that the site's clock shows, or will show again; `second`: the earliest local second it can still show."""

    now: float
    zone: ZoneInfo
    second: int

    @property
    def day(self) -> int:
        return self.second // DAY_S

    @property
    def safe_second(self) -> int:
        """No panel clock within its bound shows an earlier local second from now on."""
        return self.second - CLOCK_SLACK_S

    def instant_of(self, local: int) -> int:
        """The first instant at which the site's clock shows a local second, or has passed it."""
        return instant_of(self.zone, local)

    def midnight(self, day: int) -> int:
        """The instant at which a local day begins."""
        return instant_of(self.zone, day * DAY_S)


def moment_of(now: float, zone: ZoneInfo) -> Moment:
    instant = int(now // 1)
    readings = [local_second(zone, instant)]
    readings += [change.instant + change.after for change in changes_between(zone, instant + 1, instant + DAY_S)]
    return Moment(now, zone, min(readings))


def instant_of(zone: ZoneInfo, local: int) -> int:
    return int((_EPOCH + timedelta(seconds=local)).replace(tzinfo=zone).timestamp())


@lru_cache(maxsize=256)
def missing_hours(zone: ZoneInfo, day: int) -> tuple[Interval, ...]:
    """The local minutes that the clock skips in the ten years after a day, half open."""
    start = day * DAY_S
    changes = changes_between(zone, start, start + _GAP_YEARS * 366 * DAY_S)
    return tuple(
        ((change.instant + change.before) // 60, -(-(change.instant + change.after) // 60))
        for change in changes
        if change.after > change.before
    )


def in_missing_hour(gaps: tuple[Interval, ...], minute: int, *, weekly: bool) -> bool:
    """Whether the clock skips a local minute (or with `weekly` the same minute of any week)."""
    if not weekly:
        return any(start <= minute < end for start, end in gaps)
    week = 7 * MINUTES
    return any((minute - start) % week < end - start for start, end in gaps)
