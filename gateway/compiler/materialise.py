"""One profile on slots of its own: which days to cover, how many slots for them, and how far they reach. Pure.

A profile's days are made of a few intervals (a window over three days: from its start to midnight, whole days, from midnight to
its end). All of them may go into one slot or be spread over several that are united; every spread is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from drivers.contract import PanelCapabilities, Slot
from gateway.compiler.fit import DayRanges, best_fit
from gateway.compiler.shapes import Shape
from gateway.compiler.table import DayPlan, Interval

Plans = Mapping[int, DayPlan]

_INTERVALS_SPREAD = 4
_DAYS_SEEN = 14


@dataclass(frozen=True, slots=True)
class Cover:
    """Slots that together open all that is asked up to day `reach`; `complete`: without end."""

    slots: tuple[Slot, ...]
    reach: int
    complete: bool

    def reaches(self, day: int) -> bool:
        return self.complete or self.reach >= day


@dataclass(frozen=True, slots=True)
class Days:
    """What is asked on some days, and which days these are."""

    plans: Plans
    covered: DayRanges


def cover(shape: Shape, capabilities: PanelCapabilities, today: int, horizon: int, enough: int) -> Cover | None:
    """The best cover with at most `max_slots_per_profile` slots; None where not even one day fits.

    As many slots as it takes to reach day `enough`; another one only where it at least doubles the reach.
    """
    best: Cover | None = None
    for days in _views(shape, capabilities, today, horizon):
        for found in _covers(days, capabilities):
            if not found.complete and days.covered.goes_beyond(horizon):
                continue
            best = found if best is None or _better(found, best, today, enough) else best
            if best.complete and len(best.slots) == 1:
                return _from_the_start(best, shape, capabilities, today)
            if not days.covered.whole and best.reach >= enough and 2 * (best.reach - today + 1) > horizon - today + 1:
                break
    return None if best is None else _from_the_start(best, shape, capabilities, today)


def _better(found: Cover, best: Cover, today: int, enough: int) -> bool:
    if found.reaches(enough) != best.reaches(enough):
        return found.reaches(enough)
    if len(found.slots) == len(best.slots):
        return (found.complete, found.reach) > (best.complete, best.reach)
    if len(found.slots) < len(best.slots):
        return not _better(best, found, today, enough)
    return not best.complete and (found.complete or found.reach - today + 1 >= 2 * (best.reach - today + 1))


def _from_the_start(found: Cover, shape: Shape, capabilities: PanelCapabilities, today: int) -> Cover:
    """The cover of a weekly pattern, valid from its own first day, so that the slot does not depend on the day of compiling."""
    steady = shape.steady
    if not found.complete or steady is None or steady.first >= today or len(found.slots) > 1:
        return found
    slot = found.slots[0]
    begins = max(steady.first, capabilities.first_date or 0)
    first = next(iter(shape.plans(begins, min(today, begins + 6))), None)
    if slot.valid_from is None or slot.special_days or first is None:
        return found
    return replace(found, slots=(replace(slot, valid_from=min(first, slot.valid_from)),))


def _views(shape: Shape, capabilities: PanelCapabilities, today: int, horizon: int) -> Iterator[Days]:
    """The ways to view the coming days, first those by which everything may be held without end."""
    first = today if capabilities.first_date is None else max(today, capabilities.first_date)
    last = shape.last_day
    if capabilities.last_date is not None:
        horizon = min(horizon, capabilities.last_date)
        last = capabilities.last_date if last is None and shape.steady is None else last
        last = None if last is None else min(last, capabilities.last_date)
    ranged = capabilities.date_range != "none"
    if last is not None and last <= horizon:
        yield _days(shape, DayRanges(((first, last),), whole=True, by_date=not ranged))
        return
    if shape.steady is not None and ranged:
        yield from _steady_days(shape, first, last)
    if last is not None:
        yield from _all_dates(shape, capabilities, first, last)
    yield _days(shape, DayRanges(((first, horizon),), whole=False, by_date=not ranged))


def _days(shape: Shape, covered: DayRanges) -> Days:
    plans: dict[int, DayPlan] = {}
    for low, high in covered.ranges:
        plans.update(shape.plans(low, high))
    return Days(plans, covered)


def _steady_days(shape: Shape, first: int, last: int | None) -> Iterator[Days]:
    steady = shape.steady
    if steady is None:
        return
    settled = max(first, steady.first) + _DAYS_SEEN - 1
    if steady.last is None:
        yield _days(shape, DayRanges(((first, settled),), whole=True, endless=True))
    elif last is not None and last >= first:
        tail = min(steady.last, last) - _DAYS_SEEN
        ranges = ((first, settled), (tail, last)) if tail > settled and last >= tail else ((first, last),)
        yield _days(shape, DayRanges(ranges, whole=True))


def _all_dates(shape: Shape, capabilities: PanelCapabilities, first: int, last: int) -> Iterator[Days]:
    """All open days that are left, where they are few enough to be written as dates one by one."""
    if capabilities.special_days_scope != "schedule" or not capabilities.max_special_day_groups:
        return
    room = capabilities.max_days_in_special_day_group * capabilities.max_special_day_groups * capabilities.max_slots_per_profile
    plans = dict(islice(((day, plan) for day, plan in shape.days(first, last) if plan), room + 1))
    if len(plans) <= room:
        yield Days(plans, DayRanges(((first, last),), whole=True, by_date=True))


def _covers(days: Days, capabilities: PanelCapabilities) -> Iterator[Cover]:
    intervals = list(dict.fromkeys(interval for plan in days.plans.values() for interval in plan))
    for spread in _spreads(intervals):
        if len(spread) > capabilities.max_slots_per_profile:
            continue
        found = _cover(days, spread, capabilities)
        if found is not None:
            yield found


def _spreads(intervals: Sequence[Interval]) -> Iterator[list[list[Interval]]]:
    """All ways to divide the intervals into parts, fewest parts first."""
    if len(intervals) > _INTERVALS_SPREAD:
        yield [list(intervals)]
        yield [[interval] for interval in intervals]
        return
    yield from sorted(_partitions(list(intervals)), key=len)


def _partitions(intervals: list[Interval]) -> Iterator[list[list[Interval]]]:
    if not intervals:
        return
    if len(intervals) == 1:
        yield [intervals]
        return
    head, rest = intervals[0], intervals[1:]
    for parts in _partitions(rest):
        yield [[head], *parts]
        for number, part in enumerate(parts):
            yield [*parts[:number], [head, *part], *parts[number + 1 :]]


def _cover(days: Days, spread: list[list[Interval]], capabilities: PanelCapabilities) -> Cover | None:
    parts = [_kept(days.plans, chosen) for chosen in spread]
    fits = [best_fit(plans, days.covered, capabilities) for plans in parts]
    found = [fit for fit in fits if fit is not None]
    if len(found) < len(parts):
        return None
    short = [fit.reach for fit in found if not fit.complete]
    if not short:
        return Cover(tuple(fit.slot for fit in found), max(fit.reach for fit in found), complete=True)
    slots = (found[0].slot,) if len(found) == 1 else _slots_until(min(short), parts, days.covered, capabilities)
    return Cover(slots, min(short), complete=False)


def _kept(plans: Plans, chosen: list[Interval]) -> Plans:
    return {day: kept for day, plan in plans.items() if (kept := tuple(interval for interval in plan if interval in chosen))}


def _slots_until(reach: int, parts: Sequence[Plans], covered: DayRanges, capabilities: PanelCapabilities) -> tuple[Slot, ...]:
    """The slots of parts that reach differently far, closed after what all of them reach."""
    near = [{day: plan for day, plan in plans.items() if day <= reach} for plans in parts]
    fits = [best_fit(plans, covered.until(reach), capabilities) for plans in near]
    return tuple(fit.slot for fit in fits if fit is not None)
