"""A time profile: one window plus one recurrence, as the API expresses it, in defined terms.

Pure values. What they mean on the wall clock of a site is `recurrence.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal
from zoneinfo import ZoneInfo


class Frequency(Enum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class WeekOrder(Enum):
    FIRST = 1
    SECOND = 2
    THIRD = 3
    FOURTH = 4
    FIFTH = 5
    LAST = -1


class DayType(Enum):
    """MON..SUN, any working day, any weekend day, any day; the names are the API's."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"
    WEEK_DAY = "WEEK_DAY"
    DAY_OFF = "DAY_OFF"
    DAY = "DAY"


@dataclass(frozen=True, slots=True)
class NthDay:
    """A day of a month such as the second Monday or the last day off."""

    order: WeekOrder
    day_type: DayType


@dataclass(frozen=True, slots=True)
class Repeat:
    """How the first occurrence repeats.

    `custom` tells whether the API's type was `custom` (the looper_reading `count` applies to it alone); `interval` is the
    looper then, else 1, or 2 for `twoWeeks`.
    `weekdays` (0 Monday .. 6 Sunday) for custom weeks, `month_days` (1..31) or `nth` for custom months, `months` (1..12) with
    optional `nth` for custom years; all None where the API gave none: then date_from's own weekday, day, month counts.
    `end` is the instant whose local date is the last on which an occurrence may start; None for never.
    """

    frequency: Frequency
    interval: int = 1
    custom: bool = False
    weekdays: frozenset[int] | None = None
    month_days: frozenset[int] | None = None
    months: frozenset[int] | None = None
    nth: NthDay | None = None
    end: int | None = None


TimestampReading = Literal["instant", "local_as_utc"]


@dataclass(frozen=True, slots=True)
class WallReading:
    """What a profile's instants read on the wall clock of `zone` when its request was accepted, in local seconds.

    `start` and `end` of the first occurrence; `last`: the second before its end; `not_before` and `not_after`: its bounds as a
    single window that is not wider than asked. `until`: the last local day on which an occurrence may start.
    """

    zone: str
    timestamp: TimestampReading
    start: int
    end: int
    last: int
    not_before: int
    not_after: int
    until: int | None = None


@dataclass(frozen=True, slots=True)
class TimeProfile:
    """`date_from` and `date_to` are instants: start and end of the first occurrence. `repeat` None: it occurs once.

    `reading`: what they read on the wall clock when the request was accepted; it counts as long as the site's time zone and
    `timestamp_reading` are the same. None: they are read by the zone's current rules.
    """

    link_id: str
    name: str
    is_all_day: bool
    date_from: int
    date_to: int
    repeat: Repeat | None = None
    reading: WallReading | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """All that was asked of its times: neither its name nor how it was read."""
        return self.link_id, self.is_all_day, self.date_from, self.date_to, self.repeat


@dataclass(frozen=True, slots=True)
class Readings:
    """How a site interprets what the API leaves open."""

    zone: ZoneInfo
    window: Literal["first_occurrence", "envelope"] = "first_occurrence"
    looper: Literal["interval", "count"] = "interval"
    timestamp: TimestampReading = "instant"
