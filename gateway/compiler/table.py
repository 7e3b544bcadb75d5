"""Day plans and weekly tables: what a panel's slot says about one day, seven weekdays and groups of special days. Pure values.

A day counts from 1970-01-01 of the wall clock; a minute counts from its midnight (0..1440); intervals are half open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivers.contract import PanelCapabilities, Period
from gateway.compiler.event_list import day_events

MINUTES = 1440
SPECIAL = 7
"""The bit of the first group of special days in a period's `days`; bits 0..6 are Monday..Sunday."""

Interval = tuple[int, int]
DayPlan = tuple[Interval, ...]
"""The open intervals of one day: ascending, neither overlapping nor touching."""

CLOSED: DayPlan = ()
CLOSED_WEEK: tuple[DayPlan, ...] = (CLOSED,) * 7


def union(plans: Iterable[DayPlan]) -> DayPlan:
    merged: list[Interval] = []
    for start, end in sorted(interval for plan in plans for interval in plan):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def within(plan: DayPlan, other: DayPlan) -> bool:
    """Whether every minute of `plan` is in `other`."""
    return all(any(start <= low and high <= end for start, end in other) for low, high in plan)


@dataclass(frozen=True, slots=True)
class Table:
    """The content of one slot: a plan for each weekday, Monday first, and one for each group of special days."""

    week: tuple[DayPlan, ...]
    special: tuple[DayPlan, ...] = ()

    def periods(self) -> tuple[Period, ...]:
        """The periods, ascending by time; equal intervals of several days are one period."""
        days: dict[Interval, int] = {}
        for bit, plan in enumerate((*self.week, *self.special)):
            for interval in plan:
                days[interval] = days.get(interval, 0) | 1 << bit
        return tuple(Period(mask, start, end) for (start, end), mask in sorted(days.items()))


def entries(plan: DayPlan, capabilities: PanelCapabilities) -> int:
    """How much of `max_time_periods_per_day` a day plan takes."""
    if capabilities.semantics == "period":
        return len(plan)
    return len(day_events(plan, fixed_midnight=capabilities.midnight_entry or capabilities.carry_over))


def day_fits(plan: DayPlan, capabilities: PanelCapabilities) -> bool:
    most = capabilities.max_time_periods_per_day
    return most is None or entries(plan, capabilities) <= most


def plans_fit(plans: Iterable[DayPlan], capabilities: PanelCapabilities) -> bool:
    """Whether one slot can hold all these different day plans, judged by limits that do not depend on which day has which."""
    return _exceeded(set(plans), capabilities) is None


def exceeded(table: Table, capabilities: PanelCapabilities) -> str | None:
    """The capability of which a table needs more than there is; None where it fits."""
    plans: Sequence[DayPlan] = (*table.week, *table.special)
    most = capabilities.max_periods_per_schedule
    if capabilities.day_model == "per_day" and most is not None and sum(map(len, plans)) > most:
        return "max_periods_per_schedule"
    return _exceeded(set(plans), capabilities)


def _exceeded(plans: set[DayPlan], capabilities: PanelCapabilities) -> str | None:
    if not all(day_fits(plan, capabilities) for plan in plans):
        return "max_time_periods_per_day"
    if capabilities.max_distinct_day_plans is not None and len(plans) > capabilities.max_distinct_day_plans:
        return "max_distinct_day_plans"
    if capabilities.day_model == "mask_per_schedule" and len(plans - {CLOSED}) > 1:
        return "day_model"
    most = capabilities.max_periods_per_schedule
    if capabilities.day_model != "per_day" and most is not None and len({span for plan in plans for span in plan}) > most:
        return "max_periods_per_schedule"
    return None
