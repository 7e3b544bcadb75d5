"""Weekly tables on panels that cannot store a validity: from when and until when such a table is correct. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import PanelCapabilities
from gateway.compiler.moment import CLOCK_SLACK_S, Moment
from gateway.compiler.shapes import Shape
from gateway.compiler.table import CLOSED, DayPlan, Interval
from gateway.schedules.local_time import DAY_S, weekday

Week = tuple[DayPlan, ...]

_RENEWED_DAYS_AHEAD = 3


def forever(shape: Shape) -> bool:
    """Whether the profile is a weekly pattern without end, once it has started."""
    return shape.steady is not None and shape.steady.last is None


def begun(shape: Shape, today: int) -> bool:
    """Whether the weekly pattern was in force before today."""
    return shape.steady is not None and shape.steady.first < today


def first_open(shape: Shape, week: Week, capabilities: PanelCapabilities) -> int:
    """The first day on which a weekly pattern with an open day is open, of those that the panel knows."""
    first = max(shape.steady.first if shape.steady else 0, capabilities.first_date or 0)
    return next(day for day in range(first, first + 7) if week[weekday(day)])


def week_from(shape: Shape, first: int) -> Week:
    """The plans of seven days from `first` on, Monday first."""
    plans = shape.plans(first, first + 6)
    week = [CLOSED] * 7
    for day, plan in plans.items():
        week[weekday(day)] = plan
    return tuple(week)


def weekly_table(shape: Shape) -> Week:
    """The week of a profile that is weekly without end."""
    return week_from(shape, shape.steady.first if shape.steady else 0)


def starts_at(shape: Shape, moment: Moment) -> int:
    """The instant from which the weekly table may be written: the profile has started, and what the table opens wrongly before
    is past on every panel clock. If it is not after now: at once."""
    first = shape.next_window(0)
    start = first[0] if first else 0
    wrong = _wrong_until(shape, moment.safe_second // DAY_S)
    if start <= moment.second and wrong <= moment.safe_second:
        return int(moment.now)
    return max(moment.instant_of(max(start, wrong + CLOCK_SLACK_S)), int(moment.now) + CLOCK_SLACK_S)


def _wrong_until(shape: Shape, from_day: int) -> int:
    """The local second up to which the weekly table opens more than is asked, looking from a day on."""
    steady_first = shape.steady.first if shape.steady else 0
    week = weekly_table(shape)
    for day in range(steady_first - 1, max(from_day, steady_first - 8) - 1, -1):
        asked = shape.plans(day, day).get(day, CLOSED)
        extra = [_last_extra(interval, asked) for interval in week[weekday(day)]]
        if any(end is not None for end in extra):
            return day * DAY_S + 60 * max(end for end in extra if end is not None)
    return 0


def _last_extra(interval: Interval, asked: DayPlan) -> int | None:
    """The end of the last minutes of an interval that are not asked for; None where all are."""
    start, end = interval
    for low, high in reversed(asked):
        if low < end <= high:
            end = low
    return end if end > start else None


@dataclass(frozen=True, slots=True)
class Stale:
    """A weekly table of the coming days that may be wrong from day `wrong_from` on and is to be renewed on day `renew_on`."""

    week: Week
    wrong_from: int
    renew_on: int


def stale_table(shape: Shape, today: int, horizon: int) -> Stale:
    """The plans of the next seven days as a weekly table, and when the next one is due: at the horizon at the latest."""
    week = week_from(shape, today)
    plans = shape.plans(today + 7, horizon)
    for day in range(today + 7, horizon + 1):
        if plans.get(day, CLOSED) != week[weekday(day)]:
            return Stale(week, day, day - _RENEWED_DAYS_AHEAD)
    return Stale(week, horizon + 1, horizon + 1 - _RENEWED_DAYS_AHEAD)
