"""The minutes a day plan is open, as sorted, merged (start, end) pairs within 0..1440; and periods from such plans. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from drivers.contract import Period

DAY_MINUTES = 1440
WEEK = 7
Intervals = tuple[tuple[int, int], ...]


def weekday(day: int) -> int:
    """The weekday, 0 for Monday, of a day that counts from 1970-01-01, a Thursday."""
    return (day + 3) % WEEK


def merged(pairs: Iterable[tuple[int, int]]) -> Intervals:
    whole: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        elif end > start:
            whole.append((start, end))
    return tuple(whole)


def day_plan(periods: Iterable[Period], bit: int) -> Intervals:
    """The intervals that the periods open on the days of bit `bit` (0 Monday .. 6 Sunday, 7+g special-day group g)."""
    return merged((period.start, period.end) for period in periods if period.days >> bit & 1)


def periods_of(plans: Mapping[int, Intervals]) -> tuple[Period, ...]:
    """The periods that say these day plans by bit: one for each distinct interval, sorted by start."""
    masks: dict[tuple[int, int], int] = {}
    for bit, plan in plans.items():
        for interval in plan:
            masks[interval] = masks.get(interval, 0) | 1 << bit
    return tuple(Period(days, start, end) for (start, end), days in sorted(masks.items()))


def within(inner: Sequence[tuple[int, int]], outer: Sequence[tuple[int, int]]) -> bool:
    """Whether all of `inner` is open in `outer`; both merged."""
    return all(any(start <= begin and finish <= end for start, end in outer) for begin, finish in inner)
