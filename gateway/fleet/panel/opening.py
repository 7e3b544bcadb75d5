"""What slots open, in words and until when. Pure; days count from 1970-01-01 of the panel's own wall clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from drivers.contract import IdentifierSlot, PanelImage, Period, Slot, is_identifier
from gateway.compiler.table import SPECIAL
from gateway.fleet.results import PanelResult
from gateway.schedules.local_time import DAY_S, date_of

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = (1 << SPECIAL) - 1
_UNREADABLE = "at times that the gateway cannot read"


def opening_text(image: PanelImage, numbers: Collection[int], today: int = 0) -> str | None:
    """When these slots are open from a day on: `Mon-Fri 09:00-18:00, until 2026-12-31`. None: never."""
    said = [_slot_text(image.slots[number], image, today) for number in sorted(numbers) if number in image.slots]
    return "; ".join(dict.fromkeys(text for text in said if text is not None)) or None


def opening_until(image: PanelImage, numbers: Collection[int], zone: ZoneInfo) -> int | None:
    """The instant from which these slots are never open again. None: there is none, or nobody knows."""
    days = [_last_day(image.slots[number], image) for number in numbers if number in image.slots]
    if not days or any(day is None for day in days):
        return None
    last = max(day for day in days if day is not None)
    return int(datetime.combine(date_of(last) + timedelta(days=1), time(), zone).timestamp())


def granting(said: PanelResult, found: Sequence[PanelImage], key: str, zone: ZoneInfo, *, by_days: bool = False) -> PanelResult:
    """A result with what `found`, all that a panel may hold of an older generation of an item, still opens. `by_days`: the panel
    expresses an identifier's validity in days of its own."""
    texts = [granted_text(image, key) for image in found]
    untils = [granted_until(image, key, zone, by_days=by_days) for image in found]
    return replace(
        said,
        still_grants=min(image.generations.get(key, 0) for image in found),
        still_grants_text=" or ".join(dict.fromkeys(text or "never" for text in texts)),
        still_grants_until=None if None in untils else max(each for each in untils if each is not None),
    )


def granted_text(image: PanelImage, key: str) -> str | None:
    """When the slots of an item are open. None: never."""
    if not is_identifier(key):
        return opening_text(image, image.allocation[key])
    slots = [slot for number in image.allocation[key] if (slot := image.identifiers[number]).passes != 0]
    said = [_hours_text(image, slot) for slot in slots]
    return "; ".join(dict.fromkeys(text for text in said if text is not None)) or None


def admission_text(image: PanelImage, number: int, today: int, minute: int) -> str | None:
    """When an identifier slot lets somebody in from a moment on, and where: `always (card, outputs 0, 1)`. None: never.

    `minute`: as the slot counts them.
    """
    slot = image.identifiers[number]
    over = slot.valid_to is not None and slot.valid_to < minute
    if over or slot.passes == 0 or not slot.outputs:
        return None
    when = _hours_text(image, slot, today)
    doors = f"output{'s' if len(slot.outputs) > 1 else ''} {', '.join(map(str, slot.outputs))}"
    return None if when is None else f"{when} ({slot.space}, {doors})"


def _hours_text(image: PanelImage, slot: IdentifierSlot, today: int = 0) -> str | None:
    if slot.opaque is not None and not slot.damaged:
        return _UNREADABLE
    return "always" if slot.schedules is None else opening_text(image, _schedules(image, slot.schedules), today)


def granted_until(image: PanelImage, key: str, zone: ZoneInfo, *, by_days: bool = False) -> int | None:
    """The instant from which the slots of an item are never open again. None: there is none, or nobody knows."""
    if not is_identifier(key):
        return opening_until(image, image.allocation[key], zone)
    ends = [_end(image, image.identifiers[number], zone, by_days) for number in image.allocation[key]]
    return None if None in ends else max((end for end in ends if end is not None), default=None)


def _end(image: PanelImage, slot: IdentifierSlot, zone: ZoneInfo, by_days: bool) -> int | None:
    if slot.opaque is not None and not slot.damaged:
        return None
    valid_to = None if slot.valid_to is None else 60 * (slot.valid_to + 1)
    if valid_to is not None and by_days:
        valid_to = int(datetime.combine(date_of(valid_to // DAY_S), time(), zone).timestamp())
    opening = None if slot.schedules is None else opening_until(image, _schedules(image, slot.schedules), zone)
    return min((end for end in (valid_to, opening) if end is not None), default=None)


def _schedules(image: PanelImage, named: Iterable[int]) -> list[int]:
    """A reference stands for the slot that it names, those that are linked to it, and every slot with its link_id."""
    waiting, chosen = [number for number in named if number in image.slots], dict[int, None]()
    while waiting:
        number = waiting.pop()
        if number not in chosen and number in image.slots:
            chosen[number] = None
            link = image.slots[number].link
            waiting += [] if link is None else [link]
    link_ids = {link_id for number in chosen for link_id in image.slots[number].link_ids}
    return [number for number, slot in image.slots.items() if number in chosen or link_ids.intersection(slot.link_ids)]


def _groups(slot: Slot, image: PanelImage) -> Sequence[Sequence[int]]:
    return slot.special_days or image.special_days


def _dates(period: Period, slot: Slot, image: PanelImage) -> list[int]:
    """The special days on which a period counts."""
    groups = enumerate(_groups(slot, image))
    return sorted({day for group, days in groups if period.days >> SPECIAL + group & 1 for day in days if _valid(day, slot)})


def _valid(day: int, slot: Slot) -> bool:
    return (slot.valid_from is None or day >= slot.valid_from) and (slot.valid_to is None or day <= slot.valid_to)


def _last_day(slot: Slot, image: PanelImage) -> int | None:
    if slot.opaque is not None or any(period.days & _WEEK for period in slot.periods):
        return slot.valid_to if slot.opaque is None else None
    return max((day for period in slot.periods for day in _dates(period, slot, image)), default=0)


def _slot_text(slot: Slot, image: PanelImage, today: int) -> str | None:
    if slot.opaque is not None and not slot.damaged:
        return _UNREADABLE
    if slot.valid_to is not None and slot.valid_to < today:
        return None
    parts = []
    for mask, periods in groupby(sorted(slot.periods), key=lambda period: period.days):
        times = [*periods]
        days = _days_text(mask, [day for day in _dates(times[0], slot, image) if day >= today])
        if days is not None:
            parts.append(f"{days} {', '.join(f'{_clock(each.start)}-{_clock(each.end)}' for each in times)}")
    bounds = [f"from {date_of(slot.valid_from)}"] if slot.valid_from is not None and slot.valid_from > today else []
    bounds += [f"until {date_of(slot.valid_to)}"] if slot.valid_to is not None else []
    return ", ".join(["; ".join(parts), *bounds]) if parts else None


def _days_text(mask: int, dates: Sequence[int]) -> str | None:
    """`every day`, `Mon-Fri`, `Sat, Sun`, `on 2026-12-24`, `on 5 days from 2026-12-24 to 2027-01-06`."""
    week = [] if not mask & _WEEK else ["every day"] if mask & _WEEK == _WEEK else [", ".join(_runs(mask))]
    if len(dates) == 1:
        week.append(f"on {date_of(dates[0])}")
    elif dates:
        week.append(f"on {len(dates)} days from {date_of(dates[0])} to {date_of(dates[-1])}")
    return " and ".join(week) or None


def _runs(mask: int) -> list[str]:
    numbers = [number for number in range(SPECIAL) if mask >> number & 1]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [
        _WEEKDAYS[run[0]] if len(run) == 1 else f"{_WEEKDAYS[run[0]]}{'-' if len(run) > 2 else ', '}{_WEEKDAYS[run[-1]]}"
        for run in runs
    ]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
