"""Reads a panel image as the panel acts on it: when it is open by the panel's own wall clock. Knows no bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drivers.contract import PanelCapabilities, PanelImage, Slot
from gateway.compiler.table import CLOSED, MINUTES, SPECIAL, DayPlan, union, within
from gateway.schedules.local_time import weekday


def is_open(image: PanelImage, capabilities: PanelCapabilities, local_minute: int, link_id: str | None = None) -> bool:
    """Whether `link_id` (None: anybody) is open when the panel's clock reads this minute since 1970-01-01T00:00.

    A slot that the gateway cannot read (`opaque`) counts as closed.
    """
    day, minute = divmod(local_minute, MINUTES)
    if not _representable(capabilities, day):
        return False
    numbers = image.slots if link_id is None else numbers_of(image, link_id)
    plans = (_slot_plan(slot, image, capabilities, day) for slot in _linked(image, numbers))
    return any(start <= minute < end for plan in plans for start, end in plan)


def numbers_of(image: PanelImage, link_id: str) -> tuple[int, ...]:
    """The used slots that carry a link_id."""
    named = [number for number, slot in image.slots.items() if link_id in slot.link_ids]
    return tuple(sorted({*named, *(number for number in image.allocation.get(link_id, ()) if number in image.slots)}))


def _representable(capabilities: PanelCapabilities, day: int) -> bool:
    first, last = capabilities.first_date, capabilities.last_date
    return (first is None or day >= first) and (last is None or day <= last)


def _linked(image: PanelImage, numbers: Iterable[int]) -> Iterator[Slot]:
    """The slots and all slots that they link to, each once."""
    waiting, seen = list(numbers), set[int]()
    while waiting:
        number = waiting.pop()
        slot = image.slots.get(number)
        if slot is None or number in seen:
            continue
        seen.add(number)
        yield slot
        if slot.link is not None:
            waiting.append(slot.link)


def _days(groups: Sequence[Sequence[int]], capabilities: PanelCapabilities, day: int) -> int:
    """The bits of `Period.days` that apply on a day."""
    special = sum(1 << SPECIAL + group for group, dates in enumerate(groups) if day in dates)
    if special and capabilities.special_days_effect == "replace":
        return special
    return special | 1 << weekday(day)


def lies_within(
    image: PanelImage, other: PanelImage, capabilities: PanelCapabilities, link_id: str | None = None, since: int = 0
) -> bool:
    """Whether `image` is open for `link_id` (None: for anybody) only where `other` is, at every reading of the panel's clock from
    the day `since` (from 1970-01-01) on."""
    days = _telling_days((image, other), max(since, capabilities.first_date or 0))
    return all(within(day_plan(image, capabilities, day, link_id), day_plan(other, capabilities, day, link_id)) for day in days)


def _telling_days(images: Sequence[PanelImage], first: int) -> set[int]:
    """Days that represent all from `first` on: special days, and a week from each day on which a slot, or a run of days without
    special ones, begins."""
    slots = [slot for image in images for slot in image.slots.values()]
    groups = [group for image in images for group in image.special_days] + [
        group for slot in slots for group in slot.special_days
    ]
    special = {day for group in groups for day in group}
    begins = {first, *(day + 1 for day in special)}
    begins |= {slot.valid_from for slot in slots if slot.valid_from is not None}
    begins |= {slot.valid_to + 1 for slot in slots if slot.valid_to is not None}
    return {day for day in special | {day + weekday for day in begins for weekday in range(7)} if day >= first}


def day_plan(image: PanelImage, capabilities: PanelCapabilities, day: int, link_id: str | None = None) -> DayPlan:
    """When `link_id` (None: anybody) is open on a day; as `is_open`."""
    if not _representable(capabilities, day):
        return CLOSED
    numbers = image.slots if link_id is None else numbers_of(image, link_id)
    return union([_slot_plan(slot, image, capabilities, day) for slot in _linked(image, numbers)])


def _slot_plan(slot: Slot, image: PanelImage, capabilities: PanelCapabilities, day: int) -> DayPlan:
    """The intervals that one slot opens on one day, in any order."""
    if slot.opaque is not None or (slot.valid_from is not None and day < slot.valid_from):
        return CLOSED
    if slot.valid_to is not None and day > slot.valid_to:
        return CLOSED
    groups = image.special_days if capabilities.special_days_scope == "panel" else slot.special_days
    mask = _days(groups, capabilities, day)
    return tuple((period.start, period.end) for period in slot.periods if period.days & mask)
