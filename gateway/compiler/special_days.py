"""Tables that share the panel's special days: a date swaps the plan of every table at once. Pure.

Each day on which any table needs a date asks for a row of plans, one per table; days with the same row share a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.contract import PanelCapabilities
from gateway.compiler.event_list import closings
from gateway.compiler.moment import in_missing_hour
from gateway.compiler.table import CLOSED, CLOSED_WEEK, MINUTES, DayPlan, Interval, Table, exceeded, union
from gateway.compiler.weekly import Week
from gateway.schedules.local_time import weekday

Row = tuple[DayPlan, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of one table: a plan for each weekday, and open days that are none of it, ascending."""

    week: Week
    dates: Mapping[int, DayPlan]


NOTHING = Demand(CLOSED_WEEK, {})


@dataclass(frozen=True, slots=True)
class Rows:
    """Which days ask the same of every table: the row number of each weekday, and of each day with dates, ascending."""

    week: tuple[int, ...] = (0,) * 7
    dates: Mapping[int, int] = field(default_factory=dict)


NO_ROWS = Rows()


@dataclass(frozen=True, slots=True)
class Groups:
    """The days and the row of each group of special days; `reach`: the last day up to which no date is missing.

    `short_of`: the limit that ended it before the horizon, None where nothing did.
    """

    rows: tuple[Row, ...]
    days: tuple[tuple[int, ...], ...]
    reach: int
    short_of: str | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A table that the panel cannot hold: its number, the limit, the day and the plan."""

    table: int
    limit: str
    day: int
    plan: DayPlan


def united(demands: Sequence[Demand]) -> Demand:
    """One table for all demands: open where any of them is."""
    week = tuple(union(demand.week[number] for demand in demands) for number in range(7))
    days = sorted({day for demand in demands for day in demand.dates})
    return Demand(week, {day: union(demand.dates.get(day, CLOSED) for demand in demands) for day in days})


def needed(demand: Demand) -> Demand:
    """The demand without dates that say no more than their weekday."""
    week = demand.week
    dates = {day: plan for day, plan in demand.dates.items() if union((plan, week[weekday(day)])) != week[weekday(day)]}
    return Demand(week, dates)


def beside(rows: Rows, demand: Demand, capabilities: PanelCapabilities) -> Rows:
    """The rows with one more table added."""
    usual = _usual(demand, capabilities)
    numbers: dict[tuple[int, DayPlan], int] = {}
    week = tuple(numbers.setdefault(row, len(numbers)) for row in zip(rows.week, usual, strict=True))
    dates: dict[int, int] = {}
    for day in sorted({*rows.dates, *demand.dates}):
        row = (rows.dates.get(day, rows.week[weekday(day)]), _plan(demand, usual, day))
        dates[day] = numbers.setdefault(row, len(numbers))
    return Rows(week, dates)


def group_days(demands: Sequence[Demand], rows: Rows, capabilities: PanelCapabilities, horizon: int) -> Groups:
    """Put every day with dates into the group of its row, day after day as long as groups and dates suffice."""
    first_days: dict[int, int] = {}
    for day, row in rows.dates.items():
        first_days.setdefault(row, day)
    foreign = list(first_days.values())[capabilities.max_special_day_groups :]
    days = [day for day in rows.dates if not foreign or day < foreign[0]]
    reach, short_of = (foreign[0] - 1, "max_special_day_groups") if foreign else (horizon, None)
    groups: list[list[int]] = []
    current: dict[int, int] = {}
    waiting = min(len(first_days), capabilities.max_special_day_groups)
    for day in days:
        row = rows.dates[day]
        number = current.get(row)
        if number is None:
            waiting -= 1
        if number is None or len(groups[number]) >= capabilities.max_days_in_special_day_group:
            if len(groups) + waiting >= capabilities.max_special_day_groups or not capabilities.max_days_in_special_day_group:
                reach, short_of = day - 1, "max_days_in_special_day_group"
                break
            current[row] = number = len(groups)
            groups.append([])
        groups[number].append(day)
    said = tuple(_row(demands, capabilities, dates[0]) for dates in groups)
    return Groups(said, tuple(map(tuple, groups)), reach, short_of)


def arranged(groups: Groups, held: Sequence[Sequence[int]], capabilities: PanelCapabilities, today: int) -> Groups:
    """The same groups, each where the panel has most of its days already; past days stay there while there is room."""
    overlaps = {
        (number, place): len(set(days).intersection(there))
        for number, days in enumerate(groups.days)
        for place, there in enumerate(held[: capabilities.max_special_day_groups])
    }
    places: dict[int, int] = {}
    for number, place in sorted(overlaps, key=lambda pair: -overlaps[pair]):
        if overlaps[number, place] and number not in places and place not in places.values():
            places[number] = place
    free = (place for place in range(capabilities.max_special_day_groups) if place not in places.values())
    at = {places[number] if number in places else next(free): number for number in range(len(groups.days))}
    closed: Row = (CLOSED,) * len(groups.rows[0]) if groups.rows else ()
    order = [at.get(place) for place in range(max(at, default=-1) + 1)]
    return Groups(
        rows=tuple(closed if number is None else groups.rows[number] for number in order),
        days=tuple(() if number is None else _with_past(number, groups, places, held, capabilities, today) for number in order),
        reach=groups.reach,
        short_of=groups.short_of,
    )


def _with_past(
    number: int,
    groups: Groups,
    places: Mapping[int, int],
    held: Sequence[Sequence[int]],
    capabilities: PanelCapabilities,
    today: int,
) -> tuple[int, ...]:
    days = groups.days[number]
    oldest = days[-1] - 365 * (capabilities.special_days_span_years or 10)
    past = tuple(day for day in held[places[number]] if oldest < day < today - 1) if number in places else ()
    return (*past, *days) if len(past) + len(days) <= capabilities.max_days_in_special_day_group else days


def _row(demands: Sequence[Demand], capabilities: PanelCapabilities, day: int) -> Row:
    return tuple(_plan(demand, _usual(demand, capabilities), day) for demand in demands)


def _usual(demand: Demand, capabilities: PanelCapabilities) -> Week:
    """What a date has to repeat of its weekday's plan."""
    return CLOSED_WEEK if capabilities.special_days_effect == "add" else demand.week


def _plan(demand: Demand, usual: Week, day: int) -> DayPlan:
    own, weekly = demand.dates.get(day, CLOSED), usual[weekday(day)]
    return union((own, weekly)) if own and weekly else own or weekly


def tables_of(demands: Sequence[Demand], groups: Groups) -> tuple[Table, ...]:
    return tuple(Table(demand.week, tuple(row[number] for row in groups.rows)) for number, demand in enumerate(demands))


def misfit(
    tables: Sequence[Table], groups: Groups, capabilities: PanelCapabilities, today: int, gaps: tuple[Interval, ...]
) -> Misfit | None:
    """The first table that the panel cannot hold; `gaps`: hours in which no closing may lie."""
    for number, table in enumerate(tables):
        limit = exceeded(table, capabilities)
        if limit is not None:
            return Misfit(number, limit, *_first_bad(table, limit, groups, capabilities, today))
    return next(_lost_closings(tables, groups, today, gaps), None)


def _first_bad(table: Table, limit: str, groups: Groups, capabilities: PanelCapabilities, today: int) -> tuple[int, DayPlan]:
    """The first open day whose plan no longer fits beside the plans of earlier and closed days."""
    taken = [plan for plan in (*table.week, *table.special) if not plan]
    for day, plan in _next_days(table, groups, today):
        taken.append(plan)
        if exceeded(Table(tuple(taken)), capabilities) == limit:
            return day, plan
    return today, CLOSED


def _next_days(table: Table, groups: Groups, today: int) -> list[tuple[int, DayPlan]]:
    """Each open plan of the table with the first coming day that has it."""
    weekdays = [(day, table.week[weekday(day)]) for day in range(today, today + 7)]
    special = [
        (next((day for day in days if day >= today), today), plan) for days, plan in zip(groups.days, table.special, strict=True)
    ]
    return sorted((day, plan) for day, plan in (*weekdays, *special) if plan)


def _lost_closings(tables: Sequence[Table], groups: Groups, today: int, gaps: tuple[Interval, ...]) -> Iterator[Misfit]:
    """The closings that the clock may jump over: the panel would stay open."""
    if not gaps:
        return
    special = {day: number for number, days in enumerate(groups.days) for day in days}
    near_gaps = {start // MINUTES + off for start, _ in gaps for off in (-2, -1, 0, 1, 2)}
    for number, table in enumerate(tables):
        weekdays = [(day, table.week[weekday(day)]) for day in range(today, today + 9)]
        for minute in closings(weekdays):
            if minute < (today + 8) * MINUTES and in_missing_hour(gaps, minute, weekly=True):
                yield _lost(number, minute, table.week[weekday((minute - 1) // MINUTES)])
        for day in filter(near_gaps.__contains__, special):
            around = [(near, _plan_on(table, special, near)) for near in (day - 1, day, day + 1)]
            for minute in closings(around):
                if minute < (day + 2) * MINUTES and in_missing_hour(gaps, minute, weekly=False):
                    yield _lost(number, minute, _plan_on(table, special, (minute - 1) // MINUTES))


def _plan_on(table: Table, special: Mapping[int, int], day: int) -> DayPlan:
    return table.special[special[day]] if day in special else table.week[weekday(day)]


def _lost(table: int, minute: int, plan: DayPlan) -> Misfit:
    day = (minute - 1) // MINUTES
    interval = next((span for span in plan if span[1] == minute - day * MINUTES), None)
    return Misfit(table, "events_on_clock_step", day, () if interval is None else (interval,))
