"""The tables of a `ge-a-series` panel: sixteen schedules of nine day lists, two calendars. Their checks and their meaning.

One copy is what the panel works with, another one is its flash. Day lists: 0 Monday to 6 Sunday, 7 and 8 the calendars'.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from datetime import date, timedelta

from simulators.clock import MINUTES, Windows, weekday
from simulators.modbus_slave import ILLEGAL_VALUE, ModbusRefusal

PARTIAL_READ, PARTIAL_WRITE, PROTECTED, NOT_SINGLE, RESTRICTED = 0x83, 0x84, 0x85, 0x86, 0x89

SCHEDULES, STRIDE, LISTS, ENTRIES = 16, 290, 9, 16
LIST_WORDS = 2 * ENTRIES
LISTS_AT = 2
CALENDARS, DATES = 2, 90
UNUSED = 0xFFFF
SPAN_YEARS = 10
_EPOCH = date(1970, 1, 1)


def day_of_date(first: int, second: int) -> int:
    """Days since 1970 of a calendar date (weekday and day, month and year - 1900). Refuses what is not a date."""
    try:
        day = (date(1900 + (second & 0xFF), second >> 8, first & 0xFF) - _EPOCH).days
    except ValueError:
        raise ModbusRefusal(ILLEGAL_VALUE) from None
    if first >> 8 != weekday(day) + 1:
        raise ModbusRefusal(ILLEGAL_VALUE)
    return day


def date_words(day: int) -> tuple[int, int]:
    when = _EPOCH + timedelta(days=day)
    return when.isoweekday() << 8 | when.day, when.month << 8 | when.year - 1900


class Schedule:
    """290 words: out of service, value now (kept elsewhere), nine lists of sixteen times and values."""

    def __init__(self, minute_first: bool) -> None:
        self._minute_first = minute_first
        self.words = array("H", [0, 0, *(0, 0, *(UNUSED,) * (LIST_WORDS - 2)) * LISTS])

    def check(self, offset: int, words: Sequence[int]) -> None:
        """Refuses a write of several words (FC16) or of one; the removal of an entry is `remove`."""
        for at, word in enumerate(words, offset):
            if at < LISTS_AT:
                self._wanted(word <= 1)
            elif at % 2 == 0:
                self._check_time(at, word, len(words))
            else:
                its_time = words[at - 1 - offset] if at > offset else self.words[at - 1]
                self._wanted(word <= 1 or (word == UNUSED and its_time == UNUSED))

    def _check_time(self, at: int, word: int, written: int) -> None:
        if (at - LISTS_AT) % LIST_WORDS == 0:
            if word != 0:
                raise ModbusRefusal(RESTRICTED)
        elif word == UNUSED:
            if self.words[at] != UNUSED:
                raise ModbusRefusal(NOT_SINGLE if written > 2 else RESTRICTED)
        else:
            hour, minute = self._time(word)
            self._wanted(hour < 24 and minute < 60)

    def remove(self, at: int) -> None:
        """FC06 0xFFFF to an entry's time. A day's first entry stays."""
        if (at - LISTS_AT) % LIST_WORDS == 0:
            raise ModbusRefusal(RESTRICTED)
        self.words[at] = self.words[at + 1] = UNUSED

    def write(self, offset: int, words: Sequence[int]) -> None:
        self.words[offset : offset + len(words)] = array("H", words)

    def windows(self, index: int) -> Windows:
        """When the day list is on. The latest entry counts, of two at one time the later one; nothing goes on past midnight."""
        start = LISTS_AT + LIST_WORDS * index
        entries = [
            (60 * hour + minute, self.words[at + 1])
            for at in range(start, start + LIST_WORDS, 2)
            if self.words[at] != UNUSED
            for hour, minute in [self._time(self.words[at])]
        ]
        entries.sort(key=lambda entry: entry[0])
        ends = [*(minute for minute, _ in entries[1:]), MINUTES]
        return tuple((minute, end) for (minute, value), end in zip(entries, ends, strict=True) if value == 1 and minute < end)

    def _time(self, word: int) -> tuple[int, int]:
        high, low = word >> 8, word & 0xFF
        return (low, high) if self._minute_first else (high, low)

    @staticmethod
    def _wanted(good: bool) -> None:
        if not good:
            raise ModbusRefusal(ILLEGAL_VALUE)


class Calendar:
    """Up to ninety dates in the order in which they were written. Deleting one moves the later ones up."""

    def __init__(self) -> None:
        self.days: list[int] = []

    def words(self) -> list[int]:
        """All places, two words each."""
        words = [word for day in self.days for word in date_words(day)]
        return words + [UNUSED] * (2 * DATES - len(words))

    def check(self, offset: int, words: Sequence[int], elsewhere: Collection[int]) -> None:
        """`elsewhere`: dates of the other calendar."""
        if offset % 2 or len(words) % 2:
            raise ModbusRefusal(PARTIAL_WRITE)
        if (UNUSED, UNUSED) in self._pairs(words):
            if len(words) > 2:
                raise ModbusRefusal(NOT_SINGLE)
        else:
            days = [day_of_date(*pair) for pair in self._pairs(words)]
            if set(days) & set(elsewhere):
                raise ModbusRefusal(ILLEGAL_VALUE)
            self._check_dates(offset // 2, days)

    def _check_dates(self, place: int, days: Sequence[int]) -> None:
        """No gap before them, and all dates within ten years."""
        if place > len(self.days):
            raise ModbusRefusal(RESTRICTED)
        after = [*self.days[:place], *days, *self.days[place + len(days) :]]
        first, last = (_EPOCH + timedelta(days=day) for day in (min(after), max(after)))
        if (last.year - first.year, last.month, last.day) > (SPAN_YEARS, first.month, first.day):
            raise ModbusRefusal(ILLEGAL_VALUE)

    def write(self, offset: int, words: Sequence[int]) -> None:
        place = offset // 2
        if (UNUSED, UNUSED) in self._pairs(words):
            del self.days[place : place + 1]
        else:
            days = [day_of_date(*pair) for pair in self._pairs(words)]
            self.days[place : place + len(days)] = days

    @staticmethod
    def _pairs(words: Sequence[int]) -> list[tuple[int, int]]:
        return list(zip(words[::2], words[1::2], strict=True))


class Tables:
    """Everything that flash keeps, except outputs and counters."""

    def __init__(self, minute_first: bool) -> None:
        self.schedules = [Schedule(minute_first) for _ in range(SCHEDULES)]
        self.calendars = [Calendar() for _ in range(CALENDARS)]
        self.zone = [0, 0, 0]
        """UTC enable, offset, DST enable: kept, not acted upon, for nobody knows its rules."""

    def day_list(self, day: int) -> int:
        """The list that applies on a day. No date is in both calendars."""
        listed = [index for index, calendar in enumerate(self.calendars) if day in calendar.days]
        return 7 + listed[0] if listed else weekday(day)

    def windows(self, schedule: int, day: int) -> Windows:
        return self.schedules[schedule].windows(self.day_list(day))
