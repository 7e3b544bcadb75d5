"""Rules on the wall clock: which days a window starts on. python-dateutil expands those that go by months.

Added here are only: finding out that a rule's date never comes, or that its windows leave no gap, without walking; and moving
DTSTART forward by whole intervals, so that asking about today does not walk from 1970.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import chain, pairwise, product
from math import gcd
from typing import Any

from dateutil.rrule import MO, MONTHLY, rrule
from dateutil.rrule import weekday as nth_weekday

from gateway.schedules.local_time import DAY_S, LAST_DAY, date_of, day_of, weekday
from gateway.schedules.time_profile import DayType, Frequency, NthDay

# The Gregorian calendar repeats, weekdays included, after 400 years.
_CYCLE_MONTHS = 4800
_CYCLE_DAYS = 146_097

_NAMED_DAYS = (DayType.MON, DayType.TUE, DayType.WED, DayType.THU, DayType.FRI, DayType.SAT, DayType.SUN)
_SETS = {DayType.WEEK_DAY: (0, 1, 2, 3, 4), DayType.DAY_OFF: (5, 6), DayType.DAY: (0, 1, 2, 3, 4, 5, 6)}


@dataclass(frozen=True, slots=True)
class LocalRule:
    """A time profile on the wall clock, every reading settled; no zone is left in it.

    A window starts at `start_second` of every start day and lasts `length` local seconds (0: never open). Start days are those
    from `first_day` to `last_day` (None: no end; repeat end, looper count and envelope are already in it) that the rule names:
    `frequency` None    `first_day` alone
    DAY                 every `interval` days from first_day
    WEEK                `weekdays` (0 Monday) of every `interval`-th week, weeks start on Monday, counted from first_day's
    MONTH               `nth`, or else `month_days`, of every `interval`-th month counted from first_day's
    YEAR                `nth`, or else `month_days`, of `months` of every `interval`-th year counted from first_day's
    Fields that the frequency does not use are empty. An empty set, or a date that never comes, has no start day.
    Windows are cut to `opens` <= s < `closes` (None: no end). It matters only where an envelope is bounded in a repeated hour.
    """

    frequency: Frequency | None
    anchor: int
    length: int
    interval: int = 1
    weekdays: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    nth: NthDay | None = None
    last_day: int | None = None
    opens: int = 0
    closes: int | None = None

    @property
    def first_day(self) -> int:
        return self.anchor // DAY_S

    @property
    def start_second(self) -> int:
        """Seconds after midnight."""
        return self.anchor % DAY_S


@dataclass(frozen=True, slots=True)
class _Months:
    """Every `step`-th month from `first`; months count from year 0."""

    first: int
    step: int


def start_days(rule: LocalRule, first: int) -> Iterator[int]:
    """Local days >= first on which a window starts; ascending, lazy, up to the calendar's end."""
    low = max(first, rule.first_day)
    high = LAST_DAY if rule.last_day is None else min(rule.last_day, LAST_DAY)
    if low > high:
        return iter(())
    match rule.frequency:
        case None:
            return iter((rule.first_day,) if low == rule.first_day else ())
        case Frequency.DAY:
            return iter(range(_up(low, rule.first_day, rule.interval), high + 1, rule.interval))
        case Frequency.WEEK:
            return _expand_weeks(rule, low, high)
        case Frequency.MONTH | Frequency.YEAR:
            ever = (m for m in _months(rule) if _ever(m.first % _CYCLE_MONTHS, m.step, rule.month_days, rule.nth))
            return heapq.merge(*(_expand_months(rule, months, low, high) for months in ever))


def _up(value: int, origin: int, step: int) -> int:
    """The smallest origin + k * step that is >= value."""
    return value + (origin - value) % step


def _expand_weeks(rule: LocalRule, low: int, high: int) -> Iterator[int]:
    weekdays = sorted(rule.weekdays)
    first = _up(_monday(low), _monday(rule.first_day), 7 * rule.interval)
    for monday in range(first, high + 1 if weekdays else first, 7 * rule.interval):
        for number in weekdays:
            if low <= monday + number <= high:
                yield monday + number


def _monday(day: int) -> int:
    return day - weekday(day)


def _months(rule: LocalRule) -> tuple[_Months, ...]:
    """The rules of a yearly recurrence, one per month: BYSETPOS would otherwise count over the whole year."""
    first = date_of(rule.first_day)
    if rule.frequency is Frequency.MONTH:
        return (_Months(_month_of(first), rule.interval),)
    return tuple(_Months(12 * first.year + month - 1, 12 * rule.interval) for month in sorted(rule.months))


def _month_of(moment: date) -> int:
    return 12 * moment.year + moment.month - 1


def _first_of(month: int) -> int:
    return day_of(date(month // 12, month % 12 + 1, 1))


def _expand_months(rule: LocalRule, months: _Months, low: int, high: int) -> Iterator[int]:
    month = _up(_month_of(date_of(low)), months.first, months.step)
    if month > _month_of(date_of(high)):
        return iter(())
    start = date_of(max(low, _first_of(month)))
    return map(day_of, rrule(MONTHLY, start, until=date_of(high), interval=months.step, wkst=MO, **_month_parts(rule)))


def _month_parts(rule: LocalRule) -> dict[str, Any]:
    if rule.nth is None:
        return {"bymonthday": sorted(rule.month_days)}
    order, day_type = rule.nth.order.value, rule.nth.day_type
    if day_type is DayType.DAY:
        return {"bymonthday": order}
    if day_type in _SETS:
        return {"byweekday": _SETS[day_type], "bysetpos": order}
    return {"byweekday": nth_weekday(_NAMED_DAYS.index(day_type), order)}


def longest_gap(rule: LocalRule) -> int | None:
    """The longest distance in days between neighbouring start days, had the rule no end; None: it starts once or never."""
    match rule.frequency:
        case None:
            return None
        case Frequency.DAY:
            return rule.interval
        case Frequency.WEEK:
            days = sorted(rule.weekdays)
            turns = pairwise([*days, days[0] + 7 * rule.interval]) if days else ()
            return max((after - before for before, after in turns), default=None)
        case Frequency.MONTH | Frequency.YEAR:
            months = _months(rule)
            firsts = tuple(m.first % _CYCLE_MONTHS for m in months)
            return _longest_month_gap(firsts, months[0].step, rule.month_days, rule.nth) if months else None


@lru_cache(maxsize=4096)
def _ever(first: int, step: int, month_days: frozenset[int], nth: NthDay | None) -> bool:
    """Whether any of the months has such a day; not 30 February, nor 29 February of every second year from an odd one on."""
    return any(_matches(month_days, nth, *_kind(month)) for month in _cycle((first,), step))


@lru_cache(maxsize=1024)
def _longest_month_gap(firsts: tuple[int, ...], step: int, month_days: frozenset[int], nth: NthDay | None) -> int | None:
    matches = {kind: _matches(month_days, nth, *kind) for kind in product(range(28, 32), range(7))}
    months = [(_start_of(month), days) for month in _cycle(firsts, step) if (days := matches[_kind(month)])]
    if not months:
        return None
    start, days = months[0]
    months.append((start + _CYCLE_DAYS * step // gcd(_CYCLE_MONTHS, step), days))
    between = (start + days[0] - earlier - past[-1] for (earlier, past), (start, days) in pairwise(months))
    within = (after - before for days in {days for _, days in months} for before, after in pairwise(days))
    return max(chain(between, within))


def _cycle(firsts: tuple[int, ...], step: int) -> Iterator[int]:
    """The months of all rules together, until calendar and interval come back to where they began."""
    rounds = _CYCLE_MONTHS // gcd(_CYCLE_MONTHS, step)
    return (first + turn * step for turn in range(rounds) for first in firsts)


@lru_cache(maxsize=1)
def _month_starts() -> tuple[int, ...]:
    """The first day of every month of one cycle, and of the month after it."""
    return tuple(_first_of(month) for month in range(_CYCLE_MONTHS, 2 * _CYCLE_MONTHS + 1))


def _start_of(month: int) -> int:
    """Days from an arbitrary origin to the first of a month, without the limits of `date`."""
    cycle, rest = divmod(month, _CYCLE_MONTHS)
    return _month_starts()[rest] + cycle * _CYCLE_DAYS


def _kind(month: int) -> tuple[int, int]:
    """The length of a month and the weekday of its first day: all that its days depend on."""
    starts, rest = _month_starts(), month % _CYCLE_MONTHS
    return starts[rest + 1] - starts[rest], weekday(starts[rest])


def _matches(month_days: frozenset[int], nth: NthDay | None, length: int, weekday: int) -> tuple[int, ...]:
    """The days of a month of that length whose first day is that weekday (0 Monday)."""
    if nth is None:
        return tuple(day for day in sorted(month_days) if day <= length)
    wanted = _SETS.get(nth.day_type) or (_NAMED_DAYS.index(nth.day_type),)
    days = tuple(day for day in range(1, length + 1) if (weekday + day - 1) % 7 in wanted)
    position = nth.order.value
    return days[-1:] if position < 0 else days[position - 1 : position]
