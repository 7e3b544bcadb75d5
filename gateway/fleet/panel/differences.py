"""What a panel was read to hold beside what it held before, slot by slot and in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from drivers.contract import IdentifierSlot, PanelImage, Slot, is_set, named_in
from gateway.fleet.panel.opening import opening_text
from gateway.identifiers.own_ids import is_own_id
from gateway.schedules.local_time import date_of
from gateway.store.contract import DesiredItem

S = TypeVar("S", Slot, IdentifierSlot)
_LAST_MINUTE = int(datetime.max.replace(tzinfo=UTC).timestamp()) // 60
_DAMAGED = ", and its check word contradicts it"


def differences(before: PanelImage, now: PanelImage, called: Callable[[str], str] = str) -> tuple[str, ...]:
    """One phrase a slot: `slot 3 was Mon-Fri 09:00-18:00, is Mon-Fri 09:00-23:00`. `called`: a slot's owner in words."""
    return (*_schedules(before, now, called), *_special_days(before, now), *_identifiers(before, now))


def owner_called(key: str, item: DesiredItem | None) -> str:
    """The link_id of a slot's owner; of one that was made without one, its name and number. `item`: what is known of it."""
    if not is_own_id(key):
        return key
    if item is None:
        return "an item without a link_id"
    number = f"uid {item.uid}"
    return number if item.profile is None or not item.profile.name else f"{item.profile.name} ({number})"


def _schedules(before: PanelImage, now: PanelImage, called: Callable[[str], str]) -> Iterator[str]:
    for number, old, new in _changed(before.slots, now.slots):
        yield f"slot {number} was {_hours(before, number, old, called)}, is {_hours(now, number, new, called)}"


def _changed(before: Mapping[int, S], now: Mapping[int, S]) -> Iterator[tuple[int, S | None, S | None]]:
    for number in sorted({*before, *now}):
        old, new = before.get(number), now.get(number)
        if old != new:
            yield number, old, new


def _hours(image: PanelImage, number: int, slot: Slot | None, called: Callable[[str], str]) -> str:
    if slot is None:
        return "free"
    owners = [each for key in slot.link_ids for each in (named_in(key) if is_set(key) else (key,))]
    whose = f" for {', '.join(map(called, owners))}" if owners else ""
    return f"{opening_text(image, [number]) or 'never open'}{whose}{_DAMAGED if slot.damaged else ''}"


def _special_days(before: PanelImage, now: PanelImage) -> Iterator[str]:
    for group in range(max(len(before.special_days), len(now.special_days))):
        old, new = (_group(image, group) for image in (before, now))
        if old != new:
            yield f"special days {group + 1} were {_dates(old)}, are {_dates(new)}"


def _group(image: PanelImage, group: int) -> tuple[int, ...]:
    return image.special_days[group] if group < len(image.special_days) else ()


def _dates(days: Iterable[int]) -> str:
    return ", ".join(str(date_of(day)) if day >= 0 else "no date" for day in days) or "none"


def _identifiers(before: PanelImage, now: PanelImage) -> Iterator[str]:
    for number, old, new in _changed(before.identifiers, now.identifiers):
        other = " with another number" if old is not None and new is not None and old.known_by != new.known_by else ""
        yield f"identifier slot {number} was {_entry(old)}, is {_entry(new)}{other}"


def _entry(slot: IdentifierSlot | None) -> str:
    """The slot in words, without its number, which opens doors."""
    if slot is None:
        return "free"
    doors = " and ".join(map(str, slot.outputs)) or "none"
    return f"a {slot.space} for {_when(slot)}, doors {doors}{_bounds(slot)}{_DAMAGED if slot.damaged else ''}"


def _when(slot: IdentifierSlot) -> str:
    if slot.schedules is None:
        return "all hours"
    return f"the hours of slots {' and '.join(map(str, slot.schedules))}" if slot.schedules else "no hours"


def _bounds(slot: IdentifierSlot) -> str:
    first = "" if slot.valid_from is None else f", from {_minute(slot.valid_from)}"
    last = "" if slot.valid_to is None else f", until {_minute(slot.valid_to)}"
    return first + last + ("" if slot.passes is None else f", {slot.passes} entries")


def _minute(minute: int) -> str:
    """A Unix minute, however far off."""
    return f"{datetime.fromtimestamp(60 * minute, UTC):%Y-%m-%d %H:%M} UTC" if minute < _LAST_MINUTE else "the end of time"
