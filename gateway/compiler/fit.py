"""How far one slot reaches over a row of days: weekday plans, and exceptions by date. Pure.

A slot says a plan for each weekday and, for each group of special days, one plan for all its dates. Which plans are the groups'
is tried; everything else follows from the days themselves, so that the reach found is the greatest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from drivers.contract import PanelCapabilities, Slot
from gateway.compiler.table import CLOSED, CLOSED_WEEK, DayPlan, Table, exceeded, plans_fit
from gateway.schedules.local_time import weekday

_PLANS_TRIED = 6


@dataclass(frozen=True, slots=True)
class DayRanges:
    """The days to be covered, in ranges; between two ranges every day has the plan of its weekday in the week before.

    `endless`: the last week is repeated forever. `whole`: nothing is open outside the ranges (and what goes on from them).
    `by_date`: weekday plans stay closed, and closed days need not be looked at.
    """

    ranges: tuple[tuple[int, int], ...]
    whole: bool
    endless: bool = False
    by_date: bool = False

    def until(self, day: int) -> DayRanges:
        """The days up to this one; later ones may be anything."""
        ranges = tuple((first, min(last, day)) for first, last in self.ranges if first <= day)
        return DayRanges(ranges, whole=False, by_date=self.by_date)

    def goes_beyond(self, day: int) -> bool:
        return self.endless or self.ranges[-1][1] > day


@dataclass(frozen=True, slots=True)
class Fit:
    """`reach`: the last day up to which the slot opens all that is asked. `complete`: for all days, closed ones included."""

    slot: Slot
    reach: int
    complete: bool


def best_fit(plans: Mapping[int, DayPlan], covered: DayRanges, capabilities: PanelCapabilities) -> Fit | None:
    """The slot that reaches furthest; among equals the one with the fewest plans by date. None where no open day fits."""
    best: Fit | None = None
    for special in _special_plans(plans, covered, capabilities):
        fit = _fit(plans, covered, capabilities, special)
        if fit is not None and (best is None or (fit.complete, fit.reach) > (best.complete, best.reach)):
            best = fit
        if best is not None and best.complete:
            break
    return best


def _special_plans(
    plans: Mapping[int, DayPlan], covered: DayRanges, capabilities: PanelCapabilities
) -> Iterator[tuple[DayPlan, ...]]:
    """The choices of plans for the groups of special days; no plans at all first."""
    if not covered.by_date:
        yield ()
    groups = capabilities.max_special_day_groups if capabilities.special_days_scope == "schedule" else 0
    if not groups or not (capabilities.max_days_in_special_day_group or capabilities.special_day_bitmap_days):
        return
    common = [plan for plan, _ in Counter(plans.values()).most_common(_PLANS_TRIED)]
    if capabilities.special_days_effect == "replace" and not covered.by_date:
        common.append(CLOSED)
    yield from combinations(common, min(groups, len(common)))


@dataclass(slots=True)
class _Walk:
    """Takes day after day as long as one slot can hold them all; what it has taken stays correct when it refuses a day.

    `loose`: days of a weekday that has only had special plans so far; they need no dates until another plan comes.
    """

    capabilities: PanelCapabilities
    special: tuple[DayPlan, ...]
    first: int
    week: list[DayPlan | None]
    loose: list[list[tuple[int, DayPlan]]] = field(default_factory=lambda: [[] for _ in range(7)])
    dates: dict[DayPlan, list[int]] = field(default_factory=dict)
    seen: set[DayPlan] = field(default_factory=set)
    last_date: int = -1

    def take(self, day: int, plan: DayPlan) -> bool:
        number = weekday(day)
        have = self.week[number]
        if have == plan:
            return True
        if plan not in self.seen:
            if not plans_fit(self.seen | {plan}, self.capabilities):
                return False
            self.seen.add(plan)
        if have is not None:
            return plan in self.special and self._add([(day, plan)], have)
        loose = self.loose[number]
        if plan in self.special and (not loose or loose[0][1] == plan):
            loose.append((day, plan))
            return True
        return self._settle(number, loose[0][1] if plan in self.special else plan) and self.take(day, plan)

    def rest(self, last: int) -> bool:
        """Settle the loose days; True when the week before `last` needed no date, so that it can be repeated as it is."""
        for number in range(7):
            if self.week[number] is None:
                self.week[number] = self.loose[number][0][1] if self.loose[number] else CLOSED
        return self.last_date <= last - 7

    def _settle(self, number: int, plan: DayPlan) -> bool:
        if not self._add([(day, other) for day, other in self.loose[number] if other != plan], plan):
            return False
        self.week[number] = plan
        return True

    def _add(self, days: list[tuple[int, DayPlan]], usual: DayPlan) -> bool:
        """Use dates for these days, ascending; `usual` is the plan of their weekday."""
        if days and self.capabilities.special_days_effect == "add" and usual != CLOSED:
            return False
        more = {plan: [day for day, other in days if other == plan] for plan in {plan for _, plan in days}}
        if not all(self._has_room(self.dates.get(plan, []), new) for plan, new in more.items()):
            return False
        for plan, new in more.items():
            dates = self.dates.setdefault(plan, [])
            in_order = not dates or dates[-1] < new[0]
            dates.extend(new)
            if not in_order:
                dates.sort()
            self.last_date = max(self.last_date, dates[-1])
        return True

    def _has_room(self, dates: list[int], more: list[int]) -> bool:
        as_list = len(dates) + len(more) <= self.capabilities.max_days_in_special_day_group
        return as_list or max([more[-1], *dates[-1:]]) - self.first < self.capabilities.special_day_bitmap_days


def _fit(
    plans: Mapping[int, DayPlan], covered: DayRanges, capabilities: PanelCapabilities, special: tuple[DayPlan, ...]
) -> Fit | None:
    first = next((day for low, high in covered.ranges for day in _days(plans, low, high, covered.by_date) if day in plans), None)
    if first is None:
        return None
    walk = _Walk(capabilities, special, first, list(CLOSED_WEEK) if covered.by_date else [None] * 7)
    reach, complete = _walk(walk, plans, covered)
    walk.rest(reach)
    if reach < first:
        return None
    in_last_range = len(covered.ranges) == 1 or reach >= covered.ranges[-1][0]
    if not complete and capabilities.date_range != "none" and in_last_range and not covered.endless:
        reach, complete = _until_next(plans, covered, reach)
    slot = _slot(walk, capabilities, None if complete and covered.endless else max(day for day in plans if first <= day <= reach))
    return None if slot is None else Fit(slot, reach, complete)


def _walk(walk: _Walk, plans: Mapping[int, DayPlan], covered: DayRanges) -> tuple[int, bool]:
    """The last day that the walk could take, and whether it took all days."""
    reach = walk.first - 1
    for number, (low, high) in enumerate(covered.ranges):
        for day in _days(plans, max(low, walk.first), high, covered.by_date):
            if not walk.take(day, plans.get(day, CLOSED)):
                return max(reach, day - 1), False
        reach = max(reach, high)
        goes_on = covered.endless or number < len(covered.ranges) - 1
        if goes_on and not covered.by_date and not walk.rest(high):
            return reach, False
    return reach, covered.whole


def _until_next(plans: Mapping[int, DayPlan], covered: DayRanges, reach: int) -> tuple[int, bool]:
    """The reach of a slot whose validity ends: it is correct until the next open day."""
    last = covered.ranges[-1][1]
    following = min((day for day in plans if reach < day <= last), default=None)
    return (last, covered.whole) if following is None else (following - 1, False)


def _days(plans: Mapping[int, DayPlan], low: int, high: int, by_date: bool) -> Iterator[int]:
    if by_date:
        return (day for day in plans if low <= day <= high)
    return iter(range(low, high + 1))


def _slot(walk: _Walk, capabilities: PanelCapabilities, last: int | None) -> Slot | None:
    week = tuple(plan or CLOSED for plan in walk.week)
    groups = [plan for plan in walk.special if walk.dates.get(plan)]
    table = Table(week, tuple(groups))
    if exceeded(table, capabilities) is not None:
        return None
    ranged = capabilities.date_range != "none"
    if last is None and capabilities.date_range == "required":
        last = capabilities.last_date
    return Slot(
        link_ids=(),
        periods=table.periods(),
        valid_from=walk.first if ranged else None,
        valid_to=last if ranged else None,
        special_days=tuple(tuple(walk.dates[plan]) for plan in groups),
    )
