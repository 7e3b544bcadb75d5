"""The two calendars of a `ge-schedules` panel: dates as words, and a change of both as writes in an order. Pure.

No date may stand in both calendars, so one that moves is taken out before it is put in. Deleting a date moves later ones up:
dates are deleted from the end only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from drivers.modbus.panel.layouts.intervals import WEEK, weekday

NO_DATE = -1
"""Stands for words of a calendar that are not a date."""
_DATES_A_FRAME = 61
_EPOCH = date(1970, 1, 1)
_YEAR_BASE = 1900
Dates = Sequence[int]


class CalendarWrite(NamedTuple):
    """Writes dates from a place on; without dates, deletes the one at this place."""

    calendar: int
    place: int
    dates: tuple[int, ...]


def calendar_writes(held: Sequence[Dates], wanted: Sequence[Dates]) -> tuple[CalendarWrite, ...]:
    """The writes that change all calendars: first each loses the dates that another one gets, then each gets its own."""
    between = []
    for index, dates in enumerate(held):
        elsewhere = {day for other, group in enumerate(wanted) if other != index for day in group} - set(wanted[index])
        leaves = not elsewhere.isdisjoint(dates)
        between.append(tuple(day for day in dates if day not in elsewhere and day != NO_DATE) if leaves else dates)
    return (*_all_writes(held, between), *_all_writes(between, wanted))


def _all_writes(held: Sequence[Dates], wanted: Sequence[Dates]) -> Iterator[CalendarWrite]:
    for index, (have, want) in enumerate(zip(held, wanted, strict=True)):
        yield from (CalendarWrite(index, place, dates) for place, dates in calendar_frames(have, want))
        yield from (CalendarWrite(index, place, ()) for place in range(len(have) - 1, len(want) - 1, -1))


def lists_visited(held: Sequence[Dates], writes: Iterable[CalendarWrite]) -> Mapping[int, frozenset[int]]:
    """The day lists that each date comes under while the calendars are written."""
    places = [list(dates) for dates in held]
    visited: dict[int, set[int]] = {}
    for calendar, place, dates in writes:
        touched = {*places[calendar][place : place + max(1, len(dates))], *dates} - {NO_DATE}
        places[calendar][place : place + max(1, len(dates))] = dates
        for day in touched:
            visited.setdefault(day, set()).add(list_of(places, day))
    return {day: frozenset(lists) for day, lists in visited.items()}


def list_of(calendars: Sequence[Dates], day: int) -> int:
    """The list that a day goes by: a calendar's where it stands in one, else its weekday's."""
    return next((WEEK + index for index, dates in enumerate(calendars) if day in dates), weekday(day))


def date_words(day: int) -> tuple[int, int]:
    when = _EPOCH + timedelta(days=day)
    return when.isoweekday() << 8 | when.day, when.month << 8 | (when.year - _YEAR_BASE) & 0xFF


def day_of(high: int, low: int) -> int:
    """The day that two words say; NO_DATE where the gateway would not have written them."""
    try:
        day = (date(_YEAR_BASE + (low & 0xFF), low >> 8, high & 0xFF) - _EPOCH).days
    except ValueError:
        return NO_DATE
    return day if day >= 0 and date_words(day) == (high, low) else NO_DATE


def calendar_frames(held: Dates, wanted: Dates) -> list[tuple[int, tuple[int, ...]]]:
    """(position, dates) of the writes that bring a calendar's places to `wanted`, in an order that never loses a common date.

    A frame that overwrites a date waits until the date stands at its new place.
    """
    differing = [at for at in range(len(wanted)) if at >= len(held) or held[at] != wanted[at]]
    frames: list[list[int]] = []
    for at in differing:
        if frames and frames[-1][-1] == at - 1 and len(frames[-1]) < _DATES_A_FRAME:
            frames[-1].append(at)
        else:
            frames.append([at])
    ordered: list[list[int]] = []
    while frames:
        ready = next((frame for frame in frames if not _awaited(frame, frames, held, wanted)), frames[0])
        frames.remove(ready)
        ordered.append(ready)
    return [(frame[0], tuple(wanted[at] for at in frame)) for frame in ordered]


def _awaited(frame: list[int], frames: list[list[int]], held: Dates, wanted: Dates) -> bool:
    """Whether another frame still has to write a date that this one would overwrite."""
    lost = {held[at] for at in frame if at < len(held)}
    return any(wanted[at] in lost for other in frames if other is not frame for at in other)
