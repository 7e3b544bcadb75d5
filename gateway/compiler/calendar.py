"""When something is open, day by day: what is asked for, what an image opens, and both in short form. Pure.

Days are counted from a first one; a plan holds the whole minutes of one day on the site's wall clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from drivers.contract import IdentifierSlot, PanelCapabilities, PanelImage, is_identifier
from gateway.compiler.image import day_plan, numbers_of
from gateway.compiler.table import CLOSED, MINUTES, DayPlan, union
from gateway.identifiers.identifier import Identifier
from gateway.schedules.local_time import local_second, weekday
from gateway.schedules.recurrence import Recurrence

Days = Sequence[DayPlan]
"""The plans of consecutive days."""

_ALL_DAY: DayPlan = ((0, MINUTES),)


@dataclass(frozen=True, slots=True)
class Calendar:
    """`week`: for each weekday, Monday first, the plan that most of its days have. `changes`: the days that have another one,
    ascending, each as days since 1970-01-01."""

    week: tuple[DayPlan, ...]
    changes: tuple[tuple[int, DayPlan], ...] = ()


def calendar(first: int, plans: Days) -> Calendar:
    """Plans of consecutive days in short form."""
    counts = [Counter[DayPlan]() for _ in range(7)]
    for day, plan in enumerate(plans, first):
        counts[weekday(day)][plan] += 1
    week = tuple(max(count, key=count.__getitem__, default=CLOSED) for count in counts)
    return Calendar(week, tuple((day, plan) for day, plan in enumerate(plans, first) if plan != week[weekday(day)]))


def profile_days(recurrence: Recurrence, first: int, count: int) -> list[DayPlan]:
    """The whole minutes that a time profile asks for; starts are rounded up and ends down, as for panels."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for start, end in recurrence.local_windows(first, first + count - 1):
        low, high = -(-start // 60), end // 60
        for day in range(max(first, low // MINUTES), min(first + count, -(-high // MINUTES))):
            found[day - first] += _clipped(_ALL_DAY, low - day * MINUTES, high - day * MINUTES)
    return [union([plan]) for plan in map(tuple, found)]


def identifier_days(
    identifier: Identifier, hours_of: Callable[[str], Days], zone: ZoneInfo, first: int, count: int
) -> list[DayPlan]:
    """What an identifier asks for: its time profiles together, within its validity. `hours_of`: the days of a profile by its
    link_id, closed ones where it is deleted. Entries that were had are left out of account."""
    if identifier.passes == 0:
        return [CLOSED] * count
    named = None if identifier.profiles is None else [hours_of(link_id) for link_id in identifier.profiles]
    start, end = identifier.valid_from, identifier.valid_to
    opens = first * MINUTES if start is None else -(-local_second(zone, start) // 60)
    closes = (first + count) * MINUTES if end is None else local_second(zone, end) // 60
    plans = [_ALL_DAY] * count if named is None else [union(plans) for plans in zip(*named, strict=True)] or [CLOSED] * count
    return [_clipped(plan, opens - day * MINUTES, closes - day * MINUTES) for day, plan in enumerate(plans, first)]


def image_days(
    image: PanelImage, capabilities: PanelCapabilities, key: str, zone: ZoneInfo, first: int, count: int
) -> list[DayPlan] | None:
    """When a panel that holds `image` is open for an item; None where it holds slots for it that the gateway cannot read."""
    days = range(first, first + count)
    if not is_identifier(key):
        return None if _is_opaque(image, numbers_of(image, key)) else [day_plan(image, capabilities, day, key) for day in days]
    slots = [image.identifiers[number] for number in image.allocation.get(key, ()) if number in image.identifiers]
    named = {number for slot in slots for number in slot.schedules or () if number in image.slots}
    if _is_opaque(image, named) or any(slot.opaque is not None for slot in slots):
        return None
    bounds = [(slot, *_validity(slot, capabilities, zone, first, count)) for slot in slots if slot.passes != 0]
    return [
        union(
            _clipped(_slot_plan(slot, image, capabilities, day), opens - day * MINUTES, closes - day * MINUTES)
            for slot, opens, closes in bounds
        )
        for day in days
    ]


def _slot_plan(slot: IdentifierSlot, image: PanelImage, capabilities: PanelCapabilities, day: int) -> DayPlan:
    """A reference stands for every slot with the link_id of the one it names."""
    if slot.schedules is None:
        return _ALL_DAY
    named = {link_id for number in slot.schedules if number in image.slots for link_id in image.slots[number].link_ids}
    return union(day_plan(image, capabilities, day, link_id) for link_id in named)


def _validity(slot: IdentifierSlot, capabilities: PanelCapabilities, zone: ZoneInfo, first: int, count: int) -> tuple[int, int]:
    """The local minutes, half open, within which a slot counts."""

    def local(minute: int) -> int:
        return minute if capabilities.identifier_validity == "day" else local_second(zone, minute * 60) // 60

    opens = first * MINUTES if slot.valid_from is None else local(slot.valid_from)
    return opens, (first + count) * MINUTES if slot.valid_to is None else local(slot.valid_to) + 1


def _clipped(plan: DayPlan, low: int, high: int) -> DayPlan:
    return tuple((max(start, low), min(end, high)) for start, end in plan if max(start, low) < min(end, high))


def _is_opaque(image: PanelImage, numbers: Iterable[int]) -> bool:
    return any(image.slots[number].opaque is not None for number in numbers)
