"""The shape of one profile on the wall clock, in a panel's whole minutes: its windows, its day plans, and whether they are a
weekly pattern. Pure; no zone is left in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from drivers.contract import PanelCapabilities
from gateway.compiler.table import CLOSED, MINUTES, DayPlan, Interval, day_fits
from gateway.compiler.together import Compiled, ProfileSet, United, recurrence, recurrence_of
from gateway.schedules.local_time import DAY_S, LAST_DAY, LAST_SECOND, weekday
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.rules import LocalRule, longest_gap
from gateway.schedules.time_profile import Frequency, Readings

_WINDOWS_SEEN = 8
"""How many windows are examined. Two at most matter for a day: one that began before it, and one that begins on it."""


@dataclass(frozen=True, slots=True)
class Grain:
    """How finely a panel divides a day: minutes per step, the last end it can express, and how much it holds for one day."""

    step: int
    day_end: int
    capabilities: PanelCapabilities
    fewer: bool = False
    """A day plan that needs more entries than there are loses its shortest intervals."""
    gaps: tuple[Interval, ...] = ()
    """Local minutes that the clock skips: a window that ends at the first of them, in any week, ends a minute earlier."""

    def loses(self, closes: int) -> bool:
        """Whether a window that ends at this local minute ends a minute earlier."""
        return any((closes - first) % (7 * MINUTES) == 0 for first, _ in self.gaps)

    def plan(self, intervals: list[Interval]) -> DayPlan:
        plan = tuple(intervals)
        if self.day_end < MINUTES:
            plan = tuple((start, min(end, self.day_end)) for start, end in intervals if start < self.day_end)
        while self.fewer and plan and not day_fits(plan, self.capabilities):
            shortest = min(plan, key=lambda span: (span[1] - span[0], -span[0]))
            plan = tuple(span for span in plan if span != shortest)
        return plan


def grain_of(capabilities: PanelCapabilities) -> Grain:
    ends_early = capabilities.end_minute == "exclusive" and capabilities.last_minute == "23:59"
    return Grain(-(-max(60, capabilities.resolution_s) // 60), MINUTES - 1 if ends_early else MINUTES, capabilities)


@dataclass(frozen=True, slots=True)
class Coming:
    """`windows`: in local seconds and before rounding, those that touch today and the first one that starts later. `before`:
    whether there is any window at all. `representable`: whether the panel's steps leave something of them; all are alike."""

    windows: tuple[Interval, ...]
    before: bool
    representable: bool

    def after(self, local_second: int) -> bool:
        """Whether it is open at any local second from this one of today on."""
        return any(end > local_second for _, end in self.windows)

    def first_asked(self, local_second: int) -> tuple[int, DayPlan]:
        """The day of the next window from this local second of today on, and its minutes there, in whole minutes that it
        touches; before any cut."""
        return _asked(next((window for window in self.windows if window[1] > local_second), None), local_second)


@dataclass(frozen=True, slots=True)
class Steady:
    """The days from `first` to `last` (None: without end), of which each has the plan of its weekday."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Shape:
    """`last_day`: no window touches a later day; None where windows go on without end."""

    recurrence: Recurrence | United
    grain: Grain
    steady: Steady | None
    last_day: int | None

    def windows(self, first_day: int, last_day: int) -> Iterator[Interval]:
        """Windows in local minutes that touch these days, starts rounded up and ends down; those that vanish are left out."""
        step, gaps = self.grain.step, self.grain.gaps
        seconds = 60 * step
        for start, end in self.recurrence.local_windows(first_day, last_day):
            opens, closes = -(-start // seconds) * step, end // seconds * step
            if gaps:
                closes -= self.grain.loses(closes)
            if opens < closes:
                yield opens, closes

    def days(self, first_day: int, last_day: int) -> Iterator[tuple[int, DayPlan]]:
        """Days in this range that are not closed, with their plans; ascending, lazy."""
        current, intervals = first_day, list[Interval]()
        for opens, closes in self.windows(first_day, last_day):
            for day in range(max(opens // MINUTES, first_day), min((closes - 1) // MINUTES, last_day) + 1):
                if day != current:
                    if intervals:
                        yield current, self.grain.plan(intervals)
                    current, intervals = day, []
                intervals.append(_on_day(opens, closes, day))
        if intervals:
            yield current, self.grain.plan(intervals)

    def plans(self, first_day: int, last_day: int) -> dict[int, DayPlan]:
        return {day: plan for day, plan in self.days(first_day, last_day) if plan}

    def next_window(self, local_second: int) -> Interval | None:
        """The first window, in local seconds and before rounding, that ends after a local second."""
        windows = self.recurrence.local_windows(local_second // DAY_S, LAST_DAY)
        return next((window for window in windows if window[1] > local_second), None)

    def first_asked(self, local_second: int) -> tuple[int, DayPlan]:
        """The first day from this one on that the next window touches, and whole minutes it touches there; before any cut."""
        return _asked(self.next_window(local_second), local_second)

    def coming(self, today: int) -> Coming:
        """The position of the windows around a day."""
        return _coming(self.recurrence, self.grain.step, today)

    def ever_asked(self) -> set[tuple[int, DayPlan]]:
        """Weekdays (0 Monday) with the plan that a window which may start in any week gives them; all windows are alike."""
        return {asked for rule in self.recurrence.rules for asked in self._ever_asked_by(rule)}

    def _ever_asked_by(self, rule: LocalRule) -> Iterator[tuple[int, DayPlan]]:
        step = self.grain.step
        opens, closes = _up(rule.start_second, 60 * step) * step, (rule.start_second + rule.length) // (60 * step) * step
        days = -(-closes // MINUTES)
        for start in _start_weekdays(rule):
            for later in {*range(min(days, 8)), days - 1}:
                if opens < closes and (plan := self.grain.plan([_on_day(opens, closes, later)])):
                    yield (start + later) % 7, plan


def _up(value: int, step: int) -> int:
    return -(-value // step)


def _on_day(opens: int, closes: int, day: int) -> Interval:
    """The part of a window, both in minutes, that lies on a day that it touches."""
    return max(opens - day * MINUTES, 0), min(closes - day * MINUTES, MINUTES)


def _asked(window: Interval | None, local_second: int) -> tuple[int, DayPlan]:
    today = local_second // DAY_S
    if window is None:
        return today, CLOSED
    day = max(window[0] // DAY_S, today)
    return day, (_on_day(window[0] // 60, _up(window[1], 60), day),)


def _coming(recurrence: Recurrence | United, step: int, today: int) -> Coming:
    windows: list[Interval] = []
    for window in islice(recurrence.local_windows(today, LAST_DAY), _WINDOWS_SEEN):
        windows.append(window)
        if window[0] >= (today + 1) * DAY_S:
            break
    before = bool(windows) or next(recurrence.local_windows(0, LAST_DAY), None) is not None
    representable = any(_up(start, 60 * step) < end // (60 * step) for start, end in windows)
    return Coming(tuple(windows), before, representable)


@lru_cache(maxsize=65_536)
def coming_of(profile: Compiled, readings: Readings, step: int, today: int) -> Coming:
    """`Shape.coming` of a profile for which no shape is needed; `step` is the grain's."""
    return _coming(recurrence_of(profile, readings), step, today)


@lru_cache(maxsize=4096)
def shape_of(profile: Compiled, readings: Readings, grain: Grain) -> Shape:
    if isinstance(profile, ProfileSet):
        return _shape_together(
            [shape_of(member, readings, grain) for member in profile.members], recurrence_of(profile, readings)
        )
    alone = recurrence(profile, readings)
    return Shape(alone, grain, _steady(alone), _last_day(alone.rule))


def _shape_together(shapes: Sequence[Shape], recurrence: Recurrence | United) -> Shape:
    """The shape of several together: weekly from the day on from which those without end are and the others are over."""
    ends = [shape.last_day for shape in shapes if shape.last_day is not None]
    endless = [shape.steady for shape in shapes if shape.last_day is None]
    steady = None
    if endless and all(each is not None and each.last is None for each in endless):
        steady = Steady(max([*(each.first for each in endless if each is not None), *(end + 1 for end in ends)]), None)
    return Shape(recurrence, shapes[0].grain, steady, None if endless else max(ends))


def fewer(shape: Shape) -> Shape:
    """The same shape without the intervals for which a day has no entries."""
    return replace(shape, grain=replace(shape.grain, fewer=True))


def _start_weekdays(rule: LocalRule) -> frozenset[int]:
    """The weekdays on which a window may start."""
    if rule.frequency is Frequency.WEEK:
        return rule.weekdays
    alike = rule.frequency is None or (rule.frequency is Frequency.DAY and rule.interval % 7 == 0)
    return frozenset((weekday(rule.first_day),) if alike else range(7))


def _tail_days(rule: LocalRule) -> int:
    """How many days after its start day a window touches."""
    return (rule.start_second + rule.length - 1) // DAY_S if rule.length else 0


def _last_day(rule: LocalRule) -> int | None:
    last_start = rule.first_day if rule.frequency is None else rule.last_day
    return None if last_start is None else last_start + _tail_days(rule)


def _steady(recurrence: Recurrence) -> Steady | None:
    rule = recurrence.rule
    if rule.length == 0:
        return None
    if _gapless(rule) or (rule.frequency is None and rule.length >= DAY_S):
        return _open_throughout(recurrence)
    if not _weekly(rule):
        return None
    first, last = rule.first_day + _tail_days(rule), rule.last_day
    if rule.opens > rule.anchor:
        first = max(first, rule.opens // DAY_S + 1)
    if rule.closes is not None and last is not None:
        last = min(last, rule.closes // DAY_S - 1)
    return Steady(first, last) if last is None or last >= first else None


def _weekly(rule: LocalRule) -> bool:
    match rule.frequency:
        case Frequency.DAY:
            return rule.interval in (1, 7)
        case Frequency.WEEK:
            return rule.interval == 1
        case Frequency.MONTH:
            return rule.interval == 1 and rule.nth is None and rule.month_days.issuperset(range(1, 32))
        case _:
            return False


def _gapless(rule: LocalRule) -> bool:
    gap = longest_gap(rule) if rule.length >= DAY_S else None
    return gap is not None and gap * DAY_S <= rule.length


def _open_throughout(recurrence: Recurrence) -> Steady | None:
    window = next(recurrence.local_windows(recurrence.rule.first_day, LAST_DAY), None)
    if window is None:
        return None
    first, last = _up(window[0], DAY_S), window[1] // DAY_S - 1
    if window[1] >= LAST_SECOND:
        return Steady(first, None)
    return Steady(first, last) if last >= first else None
