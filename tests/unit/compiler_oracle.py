"""What is looked at when a compiled image is judged: whole minutes asked for, days worth a look, and what a panel can hold.

Nothing here uses the engine: `tests.judge` says what is asked, `gateway.compiler.image` what the panel does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from drivers.contract import ItemState, PanelCapabilities, PanelImage, Slot
from gateway.compiler.image import is_open
from gateway.schedules.time_profile import Readings, TimeProfile
from tests.judge import Judge, seconds_on_wall, wall_clock

DAY, MINUTES = 86_400, 1440
RECORDS = Path(__file__).parent.parent / "vectors" / "capabilities"
NAMES = (
    "open-access-panel",
    "ge-a-series",
    "domat-fc013",
    "uhppote",
    "zkteco-like",
    "hid-like",
    "waveshare-relay-8ch",
)


@cache
def record(name: str) -> PanelCapabilities:
    fields = tomllib.loads((RECORDS / f"{name}.toml").read_text("utf-8"))
    fields["identifier_types"] = tuple(fields.get("identifier_types", ()))
    return PanelCapabilities(**fields)


def local_second(readings: Readings, instant: int) -> int:
    return seconds_on_wall(wall_clock(readings.zone, instant))


def earliest_minute(readings: Readings, now: int) -> int:
    """The earliest whole minute that a right clock can begin to show from now on."""
    return -(-min(local_second(readings, now + step) for step in range(0, 27 * 3600, 450)) // 60)


class Asked:
    """A profile in whole minutes: a minute counts when all of it is open."""

    def __init__(self, profile: TimeProfile, readings: Readings) -> None:
        self._judge = Judge(profile, readings)
        bounds = (profile.date_from, profile.date_to)
        as_they_are = readings.timestamp == "local_as_utc"
        self.clocks = bounds if as_they_are else tuple(local_second(readings, bound) for bound in bounds)
        self._seconds = sorted({0, 59, *((clock + off) % 60 for clock in self.clocks for off in (-1, 0))})

    def is_open(self, minute: int) -> bool:
        return all(self._judge.is_open_local(60 * minute + second) for second in self._seconds)


def minutes_of_interest(asked: Iterable[Asked], image: PanelImage) -> list[int]:
    """Minutes of a day around every edge that the profile or the image can have."""
    edges = {0, MINUTES - 1}
    edges |= {edge for slot in image.slots.values() for period in slot.periods for edge in (period.start, period.end)}
    edges |= {clock % DAY // 60 for each in asked for clock in each.clocks}
    return sorted({edge + off for edge in edges for off in (-1, 0, 1) if 0 <= edge + off < MINUTES})


def days_of_interest(profile: TimeProfile, readings: Readings, image: PanelImage, now: int, extra: Iterable[int]) -> list[int]:
    """Days around now, the profile's bounds, the ends of what is written, and some more."""
    today = local_second(readings, now) // DAY
    middle = [today, local_second(readings, profile.date_from) // DAY, local_second(readings, profile.date_to) // DAY]
    middle += [local_second(readings, o.valid_until) // DAY for o in image.outcomes.values() if o.valid_until is not None]
    for slot in image.slots.values():
        middle += [day for day in (slot.valid_from, slot.valid_to) if day is not None]
    if profile.repeat is not None and profile.repeat.end is not None:
        middle.append(local_second(readings, profile.repeat.end) // DAY)
    near = {day + off for day in middle for off in (-7, -1, 0, 1, 7)}
    return sorted(day for day in near | {today + off for off in extra} | set(range(today - 1, today + 9)) if day >= 0)


def wider(asked: Iterable[Asked], image: PanelImage, capabilities: PanelCapabilities, minutes: Iterable[int]) -> list[int]:
    """Minutes at which the panel is open and nobody asked for it."""
    every = tuple(asked)
    return [m for m in minutes if is_open(image, capabilities, m) and not any(each.is_open(m) for each in every)]


def differing(
    asked: Asked, image: PanelImage, capabilities: PanelCapabilities, link_id: str, minutes: Iterable[int]
) -> list[int]:
    return [m for m in minutes if is_open(image, capabilities, m, link_id) != asked.is_open(m)]


def complaints(image: PanelImage, capabilities: PanelCapabilities, taken: frozenset[int] = frozenset()) -> list[str]:
    """Why a panel of this kind cannot hold this image; empty when it can."""
    return list(_complaints(image, capabilities, taken))


def _complaints(image: PanelImage, capabilities: PanelCapabilities, taken: frozenset[int]) -> Iterator[str]:
    first = capabilities.first_id
    for number, slot in image.slots.items():
        if not first <= number < first + capabilities.max_schedules or number in taken:
            yield f"slot {number}"
        yield from _slot_complaints(slot, capabilities, image)
        if slot.link is not None and (not capabilities.link_chain or slot.link not in image.slots):
            yield f"link {slot.link}"
    if len(image.special_days) > capabilities.max_special_day_groups:
        yield "groups"
    for group in image.special_days:
        if len(group) > capabilities.max_days_in_special_day_group or list(group) != sorted(set(group)):
            yield "days in a group"
    if len(set().union(*image.special_days)) != sum(map(len, image.special_days)):
        yield "a day in two groups"
    for link_id, numbers in image.allocation.items():
        if len(numbers) > capabilities.max_slots_per_profile or any(link_id not in image.slots[n].link_ids for n in numbers):
            yield f"allocation {numbers}"
        if (link_id in image.generations) != (image.outcomes[link_id].outcome in _HELD):
            yield "generation"
    if capabilities.scope != "panel" and any(len(slot.link_ids) != 1 for slot in image.slots.values()):
        yield "shared slot"


_HELD = {ItemState.EXACT, ItemState.NARROWED, ItemState.MATERIALISED, ItemState.GATEWAY_HELD}


def _slot_complaints(slot: Slot, capabilities: PanelCapabilities, image: PanelImage) -> Iterator[str]:
    own = capabilities.special_days_scope == "schedule"
    groups = slot.special_days if own else image.special_days
    bits = 7 + len(groups)
    plans = [tuple((p.start, p.end) for p in slot.periods if p.days >> bit & 1) for bit in range(bits)]
    if any(p.days >> bits or not 0 <= p.start < p.end <= MINUTES for p in slot.periods):
        yield "period"
    if any(_entries(plan, capabilities) > (capabilities.max_time_periods_per_day or 99) for plan in plans):
        yield "periods a day"
    count = sum(map(len, plans)) if capabilities.day_model == "per_day" else len(slot.periods)
    if count > (capabilities.max_periods_per_schedule or 9999):
        yield "periods a schedule"
    if capabilities.day_model == "mask_per_schedule" and len({p.days for p in slot.periods}) > 1:
        yield "weekday sets"
    if capabilities.max_distinct_day_plans is not None and len(set(plans)) > capabilities.max_distinct_day_plans:
        yield "day plans"
    if not own and slot.special_days:
        yield "own days"
    for days in slot.special_days:
        listed = len(days) <= capabilities.max_days_in_special_day_group
        start = slot.valid_from
        if not listed and (start is None or days[0] < start or days[-1] >= start + capabilities.special_day_bitmap_days):
            yield "dates"
    ranged = slot.valid_from is not None or slot.valid_to is not None
    if ranged and capabilities.date_range == "none":
        yield "date range"
    if capabilities.date_range == "required" and (slot.valid_from is None or slot.valid_to is None):
        yield "no date range"
    if (
        capabilities.end_minute == "exclusive"
        and capabilities.last_minute == "23:59"
        and any(p.end == MINUTES for p in slot.periods)
    ):
        yield "24:00"


def _entries(plan: tuple[tuple[int, int], ...], capabilities: PanelCapabilities) -> int:
    if capabilities.semantics == "period":
        return len(plan)
    edges = {edge for span in plan for edge in span if edge < MINUTES}
    return len(edges | {0} if capabilities.midnight_entry or capabilities.carry_over else edges)
