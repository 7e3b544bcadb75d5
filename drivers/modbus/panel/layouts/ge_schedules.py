"""Layout `ge-schedules`: schedules of nine day lists, and calendars shared by all schedules: a date swaps the plan of all.

Schedule: +0 out of service, +1 its value now, +2 the lists (Monday to Sunday, calendar 1, calendar 2), each a fixed number of
entries of a time word and a value word. The first entry of a list stands at 00:00. An unused entry's time reads 0xFFFF; an
entry is removed by FC06 0xFFFF, one a write. Calendar: a count, then dates of two words; 0xFFFFFFFF is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.panel_model import PanelModel
from config.schedule_layouts import GeSchedules
from drivers.contract import PanelCapabilities, PanelImage, Slot, Stretch
from drivers.modbus.panel.layouts.events import ListCodec, Phases, add_list
from drivers.modbus.panel.layouts.ge_calendars import (
    NO_DATE,
    CalendarWrite,
    Dates,
    calendar_writes,
    date_words,
    day_of,
    list_of,
    lists_visited,
)
from drivers.modbus.panel.layouts.intervals import WEEK, Intervals, day_plan, merged, periods_of, within
from drivers.modbus.panel.layouts.layout import NoEntries, Read, read_words
from drivers.modbus.panel.layouts.without_commit import Writer, unchanged
from drivers.modbus.panel.steps import Check, Transaction
from drivers.modbus.panel.words import checks, chunks
from drivers.modbus.wire.requests import Request, read_coils, read_holding_registers, write_coil

_UNUSED = 0xFFFF
_LISTS_AT = 2
_OUT_OF_SERVICE, _VALUE_NOW = 0, 1


class GeLayout(NoEntries):
    """Calendars change between the closings and the openings. A list that a date comes under, even only in between, is wholly
    closed first where it would open more on that day than both the old and the new plan do.
    """

    def __init__(self, model: PanelModel, layout: GeSchedules, capabilities: PanelCapabilities) -> None:
        self._model = model
        self._layout = layout
        self._capabilities = capabilities
        self._lists = WEEK + len(layout.calendars)
        self._list_words = 2 * layout.events_per_day
        self._codec = ListCodec(
            entries=layout.events_per_day,
            open=1,
            closed=0,
            encode_time=self._time_word,
            decode_time=self._minute,
            unused_time=_UNUSED,
            fixed_midnight=True,
        )

    # --- words

    def _time_word(self, minute: int) -> int:
        hour, rest = divmod(minute, 60)
        return hour << 8 | rest if self._layout.time_bytes == "hour_minute" else rest << 8 | hour

    def _minute(self, word: int) -> int | None:
        high, low = word >> 8, word & 0xFF
        hour, minute = (high, low) if self._layout.time_bytes == "hour_minute" else (low, high)
        return 60 * hour + minute if hour < 24 and minute < 60 else None

    def _first(self, number: int) -> int:
        return self._layout.schedules + self._layout.stride * (number - self._capabilities.first_id)

    def _list_at(self, number: int, index: int) -> int:
        return self._first(number) + _LISTS_AT + self._list_words * index

    def _numbers(self) -> range:
        return range(self._capabilities.first_id, self._capabilities.first_id + self._capabilities.max_schedules)

    def encode(self, image: PanelImage) -> Mapping[int, int]:
        """The words of the used schedules and both calendars."""
        words = {at: word for number in image.slots for at, word in self._cared(self._slot_words(image, number)).items()}
        for index in range(len(self._layout.calendars)):
            words |= self._cared(self._calendar_words(index, _group(image, index)))
        return words

    @staticmethod
    def _cared(words: Mapping[int, int | None]) -> dict[int, int]:
        return {at: word for at, word in words.items() if word is not None}

    def _slot_words(self, image: PanelImage, number: int) -> dict[int, int | None]:
        """All words of a schedule, closed everywhere where the image has none; None where any value will do."""
        first = self._first(number)
        slot = image.slots.get(number, Slot(()))
        if slot.opaque is not None:
            return {first + at: None if at == _VALUE_NOW else word for at, word in enumerate(slot.opaque)}
        words: dict[int, int | None] = {first + _OUT_OF_SERVICE: 0}
        for index in range(self._lists):
            words |= dict(enumerate(self._codec.words(day_plan(slot.periods, index)), self._list_at(number, index)))
        return words

    def _calendar_words(self, index: int, dates: Dates) -> dict[int, int | None]:
        first = self._layout.calendars[index] + 1
        words: dict[int, int | None] = {}
        for position in range(self._layout.dates_per_calendar):
            day = dates[position] if position < len(dates) else None
            pair = (_UNUSED, _UNUSED) if day is None else (None, None) if day == NO_DATE else date_words(day)
            words |= dict(enumerate(pair, first + 2 * position))
        return words

    def decode(self, words: Mapping[int, int]) -> PanelImage:
        slots = {number: slot for number in self._numbers() if (slot := self._decode_slot(number, words)) is not None}
        groups = [self._decode_calendar(index, words) for index in range(len(self._layout.calendars))]
        while groups and not groups[-1]:
            groups.pop()
        return PanelImage(slots=slots, special_days=tuple(groups))

    def _decode_slot(self, number: int, words: Mapping[int, int]) -> Slot | None:
        first = self._first(number)
        if first not in words:
            return None
        plans: dict[int, Intervals] = {}
        for index in range(self._lists):
            start = self._list_at(number, index)
            plan = self._codec.plan([words[at] for at in range(start, start + self._list_words)])
            if plan is None or words[first + _OUT_OF_SERVICE] != 0:
                return Slot((), opaque=tuple(words.get(first + at, 0) for at in range(self._layout.stride)))
            plans[index] = plan
        periods = periods_of(plans)
        return Slot((), periods) if periods else None

    def _decode_calendar(self, index: int, words: Mapping[int, int]) -> tuple[int, ...]:
        first = self._layout.calendars[index] + 1
        pairs = [(words[at], words[at + 1]) for at in range(first, first + 2 * self._layout.dates_per_calendar, 2) if at in words]
        while pairs and pairs[-1] == (_UNUSED, _UNUSED):
            pairs.pop()
        return tuple(day_of(*pair) for pair in pairs)

    # --- change

    def transaction(self, target: PanelImage, known: PanelImage) -> Transaction:
        numbers = sorted(n for n in {*target.slots, *known.slots} if target.slots.get(n) != known.slots.get(n))
        everywhere = sorted({*target.slots, *known.slots})
        moved = [index for index in range(len(self._layout.calendars)) if _group(target, index) != _group(known, index)]
        if not numbers and not moved:
            return unchanged(known)
        held = {at: word for n in everywhere for at, word in self._cared(self._slot_words(known, n)).items()}
        dates = calendar_writes(self._groups(known), self._groups(target))
        wholly_off = self._wholly_off(target, known, everywhere, held, dates) if moved else frozenset()
        lists = [(n, index) for n in everywhere for index in range(self._lists) if n in numbers or (n, index) in wholly_off]
        phases = self._phases(target, lists, held, wholly_off)
        writer = Writer(self._model, held, self._protected(everywhere, held, target))
        writer.values_off(phases)
        writer.begin_phase()
        for write in dates:
            self._write_dates(writer, write)
        writer.times_and_on(phases, _UNUSED)
        return writer.transaction(known, self._expected(target, known, lists, moved))

    def _phases(
        self,
        target: PanelImage,
        lists: Iterable[tuple[int, int]],
        held: Mapping[int, int],
        wholly_off: frozenset[tuple[int, int]],
    ) -> Phases:
        phases = Phases()
        for number, index in lists:
            wanted = self._slot_words(target, number)
            start = self._list_at(number, index)
            words = [wanted[at] for at in range(start, start + self._list_words)]
            add_list(self._codec, start, words, held, phases, (number, index) in wholly_off)
            service = self._first(number) + _OUT_OF_SERVICE
            if wanted[service] is not None and held.get(service) != wanted[service]:
                phases.off[service] = wanted[service] or 0
        return phases

    def _protected(self, numbers: Iterable[int], held: Mapping[int, int], target: PanelImage) -> frozenset[int]:
        """The words that a frame must not carry along: times at 00:00, unused entries, the value now."""
        midnights = {self._list_at(n, index) for n in numbers for index in range(self._lists)}
        unused = {at for n in numbers for at, word in self._slot_words(target, n).items() if word == _UNUSED}
        return frozenset(midnights | unused | {at for at, word in held.items() if word == _UNUSED})

    def _wholly_off(
        self,
        target: PanelImage,
        known: PanelImage,
        numbers: Iterable[int],
        held: Mapping[int, int],
        dates: Iterable[CalendarWrite],
    ) -> frozenset[tuple[int, int]]:
        """The lists to close before the calendars change."""
        old, new = self._groups(known), self._groups(target)
        visited = lists_visited(old, dates)
        switched = {(list_of(old, day), list_of(new, day), lists) for day, lists in visited.items()}
        off: set[tuple[int, int]] = set()
        for number in numbers:
            after = dict(held) | self._phases(target, [(number, index) for index in range(self._lists)], held, frozenset()).off
            for before, then, lists in switched:
                allowed = merged((*self._plan(known, number, before), *self._plan(target, number, then)))
                passed = lists - {before}
                off |= {(number, index) for index in passed if not self._stays_within(number, index, after, allowed)}
        return frozenset(off)

    @staticmethod
    def _plan(image: PanelImage, number: int, index: int) -> Intervals:
        slot = image.slots.get(number)
        return day_plan(slot.periods, index) if slot is not None and slot.opaque is None else ()

    def _stays_within(self, number: int, index: int, words: Mapping[int, int], allowed: Intervals) -> bool:
        start = self._list_at(number, index)
        effect = self._codec.effect([words.get(at) for at in range(start, start + self._list_words)])
        return effect is not None and within(effect, allowed)

    def _groups(self, image: PanelImage) -> tuple[Dates, ...]:
        return tuple(_group(image, index) for index in range(len(self._layout.calendars)))

    def _write_dates(self, writer: Writer, write: CalendarWrite) -> None:
        address = self._layout.calendars[write.calendar] + 1 + 2 * write.place
        if write.dates:
            writer.block(address, tuple(word for day in write.dates for word in date_words(day)))
        else:
            writer.removal(address, (_UNUSED, _UNUSED))

    def _expected(
        self, target: PanelImage, known: PanelImage, lists: Iterable[tuple[int, int]], moved: Iterable[int]
    ) -> dict[int, int | None]:
        """The lists that were touched, whole, and the calendars up to their end."""
        expected: dict[int, int | None] = {}
        for number, index in lists:
            words, start, service = self._slot_words(target, number), self._list_at(number, index), self._first(number)
            expected |= {at: words[at] for at in (service, *range(start, start + self._list_words))}
        for index in moved:
            most = max(len(_group(target, index)), len(_group(known, index)))
            first = self._layout.calendars[index]
            dates = self._calendar_words(index, _group(target, index))
            expected |= {first: len(_group(target, index))} | {at: word for at, word in dates.items() if at <= first + 2 * most}
        return expected

    # --- read

    def quick_checks(self, image: PanelImage, commits: int | None = None) -> tuple[Check, ...]:
        """Reads the frozen values, the calendars and all lists: no word tells which schedules are used."""
        addressing, count = self._model.addressing, self._capabilities.max_schedules
        frozen = Check(read_coils(self._layout.frozen - addressing.base, count), (0,) * count)
        expected = {at: word for number in self._numbers() for at, word in self._slot_words(image, number).items()}
        dates: dict[int, int | None] = {}
        for index, first in enumerate(self._layout.calendars):
            group = _group(image, index)
            words = self._calendar_words(index, group)
            dates |= {first: len(group)} | {at: word for at, word in words.items() if at <= first + 2 * len(group)}
        return (frozen, *checks(dates, addressing), *checks(expected, addressing, 1))

    def stretches(self, image: PanelImage, most: int) -> Iterable[Stretch]:
        """The places for dates that a calendar does not use. A panel refuses to read half a date."""
        for index, first in enumerate(self._layout.calendars):
            unused, last = first + 1 + 2 * len(_group(image, index)), first + 2 * self._layout.dates_per_calendar
            yield from (Stretch(True, at, count) for at, count in chunks(unused, last, most - most % 2))

    def stretch_check(self, image: PanelImage, stretch: Stretch) -> Check:
        request = read_holding_registers(stretch.address - self._model.addressing.base, stretch.words)
        return Check(request, (_UNUSED,) * stretch.words)

    def unknown(self) -> PanelImage:
        return PanelImage(slots={number: Slot((), opaque=()) for number in self._numbers()})

    async def read(self, read: Read, *, thoroughly: bool = False) -> PanelImage:
        """Reads every schedule and both calendars whole: no word tells which of them are used."""
        addresses = [self._first(n) + at for n in self._numbers() for at in range(self._layout.stride)]
        for first in self._layout.calendars:
            addresses += range(first, first + 1 + 2 * self._layout.dates_per_calendar)
        return self.decode(await read_words(read, addresses, self._model.addressing))

    # --- values in force

    def values_read(self) -> Request:
        return read_coils(self._layout.values - self._model.addressing.base, self._capabilities.max_schedules)

    def acting(self, values: tuple[int, ...]) -> Mapping[int, bool]:
        return {number: bool(value) for number, value in zip(self._numbers(), values, strict=True)}

    def due(self, image: PanelImage, day: int, minute: int) -> Mapping[int, bool]:
        index = list_of(self._groups(image), day)
        opaque = {number for number, slot in image.slots.items() if slot.opaque is not None}
        plans = {number: self._plan(image, number, index) for number in self._numbers() if number not in opaque}
        return {number: any(start <= minute < end for start, end in plan) for number, plan in plans.items()}

    def force(self, slot: int, is_open: bool) -> tuple[Request, ...]:
        address = self._layout.values - self._model.addressing.base + slot - self._capabilities.first_id
        return (write_coil(address, 0xFF00 if is_open else 0x0000),)


def _group(image: PanelImage, index: int) -> tuple[int, ...]:
    return image.special_days[index] if index < len(image.special_days) else ()
