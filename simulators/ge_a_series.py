"""`ge-a-series`: a lighting panel with sixteen schedules, two calendars and a clock; what is not saved to flash is volatile.

Register numbers as in the maker's list; a PDU address is one less. A schedule's number counts from 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy

from config.settings import PanelSettings
from simulators.clock import MINUTES, Windows, loop_time
from simulators.fields_clock import Fields, FieldsClock
from simulators.ge_tables import (
    CALENDARS,
    DATES,
    LISTS_AT,
    PARTIAL_READ,
    PARTIAL_WRITE,
    PROTECTED,
    RESTRICTED,
    SCHEDULES,
    STRIDE,
    UNUSED,
    Calendar,
    Schedule,
    Tables,
)
from simulators.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, ModbusRefusal
from simulators.panel import SimulatedPanel
from simulators.regions import Region, RegionMap

OUTPUTS = 66
OUTPUTS_AT, VALUES_AT, FROZEN_AT = 1, 501, 601
CALENDARS_AT, CALENDAR_WORDS, DATES_AT = 10001, 183, 3
SCHEDULES_AT = 20001
ZONE_AT, RESETS_AT, COMMAND_AT, CLOCK_AT, CLOCK_WORDS = 50026, 50033, 50035, 50036, 4
LOAD, SAVE, RECONFIGURE = 1, 2, 3
_COIL = {0xFF00: True, 0x0000: False}


class GeASeries(SimulatedPanel):
    """Follows the option `time_bytes` of the panel model. `edge_only`: a clock step leaves every value until its next event."""

    model = "ge-a-series"

    def __init__(
        self, settings: PanelSettings, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = loop_time
    ) -> None:
        super().__init__(settings, wall, monotonic)
        self.edge_only = False
        self.saves = 0
        self._reset_count = 0
        self._tables, self._flash = self._factory(), self._factory()
        self._clock = FieldsClock(self.oscillator, wall())
        self._outputs = [False] * OUTPUTS
        self._forced: dict[int, tuple[bool, int]] = {}
        """Schedule index -> a value that holds until the next event, and the local minute it was given at."""
        self._map = RegionMap([region for part in (self._calendars(), self._schedules(), self._system()) for region in part])

    # --- the map

    def _calendars(self) -> list[Region]:
        regions = []
        for index in range(CALENDARS):
            at = CALENDARS_AT - 1 + index * CALENDAR_WORDS
            regions.append(Region(at, 2, self._calendar_state(index), _refuse(RESTRICTED), _refuse(RESTRICTED)))
            regions.append(Region(at + 2, 1, self._calendar_count(index), _refuse(PROTECTED), _refuse(PROTECTED)))
            regions.append(self._dates(at + DATES_AT, index))
        return regions

    def _calendar_state(self, index: int) -> Callable[[int, int], Sequence[int]]:
        """Out of service (never), and whether today is a date of it."""

        def read(offset: int, count: int) -> Sequence[int]:
            today = int(self.local_second() // 60) // MINUTES
            return (0, int(today in self._calendar(index).days))[offset : offset + count]

        return read

    def _calendar_count(self, index: int) -> Callable[[int, int], Sequence[int]]:
        return lambda offset, count: (len(self._calendar(index).days),)

    def _dates(self, start: int, index: int) -> Region:
        def read(offset: int, count: int) -> Sequence[int]:
            if offset % 2 or count % 2:
                raise ModbusRefusal(PARTIAL_READ)
            return self._calendar(index).words()[offset : offset + count]

        return Region(
            start,
            2 * DATES,
            read,
            lambda offset, words: self._calendar(index).write(offset, words),
            lambda offset, words: self._calendar(index).check(offset, words, self._calendar(1 - index).days),
        )

    def _schedules(self) -> list[Region]:
        return [self._schedule_region(index) for index in range(SCHEDULES)]

    def _schedule_region(self, index: int) -> Region:
        def read(offset: int, count: int) -> Sequence[int]:
            words = self._schedule(index).words[:]
            words[1] = int(self._value(index))
            return words[offset : offset + count]

        def write(offset: int, words: Sequence[int]) -> None:
            was = self._value(index)
            self._schedule(index).write(offset, words)
            if offset == 0:
                self._freeze(index, bool(words[0]), was)
            if offset <= 1 < offset + len(words):
                self._force(index, bool(words[1 - offset]))

        start = SCHEDULES_AT - 1 + STRIDE * index
        return Region(start, STRIDE, read, write, lambda offset, words: self._schedule(index).check(offset, words))

    def _system(self) -> list[Region]:
        return [
            Region(ZONE_AT - 1, 3, lambda at, n: self._tables.zone[at : at + n], self._set_zone),
            Region(RESETS_AT - 1, 1, lambda at, n: (self._reset_count & 0xFFFF,), _refuse(PROTECTED), _refuse(PROTECTED)),
            Region(COMMAND_AT - 1, 1, _unreadable, self._command, self._check_command),
            Region(CLOCK_AT - 1, CLOCK_WORDS, self._read_clock, self._set_clock, self._check_clock),
        ]

    def _calendar(self, index: int) -> Calendar:
        return self._tables.calendars[index]

    def _schedule(self, index: int) -> Schedule:
        return self._tables.schedules[index]

    # --- requests

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]:
        if function != READ_COILS:
            raise ModbusRefusal(ILLEGAL_FUNCTION)
        return [self._coil(at) for at in range(address + 1, address + 1 + count)]

    def _coil(self, register: int) -> bool:
        if OUTPUTS_AT <= register < OUTPUTS_AT + OUTPUTS:
            return self._outputs[register - OUTPUTS_AT]
        if VALUES_AT <= register < VALUES_AT + SCHEDULES:
            return self._value(register - VALUES_AT)
        if FROZEN_AT <= register < FROZEN_AT + SCHEDULES:
            return self._is_frozen(register - FROZEN_AT)
        raise ModbusRefusal(ILLEGAL_ADDRESS)

    def write_bit(self, address: int, value: int) -> None:
        if value not in _COIL:
            raise ModbusRefusal(ILLEGAL_VALUE)
        self.write_bits(address, (_COIL[value],))

    def write_bits(self, address: int, bits: Sequence[int]) -> None:
        for at in range(address + 1, address + 1 + len(bits)):
            self._coil(at)
        for register, bit in enumerate(bits, address + 1):
            self._write_coil(register, bool(bit))

    def _write_coil(self, register: int, on: bool) -> None:
        if register < VALUES_AT:
            self._outputs[register - OUTPUTS_AT] = on
        elif register < FROZEN_AT:
            self._force(register - VALUES_AT, on)
        else:
            index = register - FROZEN_AT
            self._freeze(index, on, self._value(index))

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        if function != READ_HOLDING:
            raise ModbusRefusal(ILLEGAL_FUNCTION)
        return self._map.read(address, count)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        self._map.write(address, words)

    def write_word(self, address: int, value: int) -> None:
        """Write one word by FC06: the only way to remove an entry of a schedule."""
        index, at = divmod(address - (SCHEDULES_AT - 1), STRIDE)
        if value == UNUSED and 0 <= index < SCHEDULES and at >= LISTS_AT and at % 2 == 0:
            self._schedule(index).remove(at)
        else:
            self._map.write(address, (value,))

    def _set_zone(self, offset: int, words: Sequence[int]) -> None:
        self._tables.zone[offset : offset + len(words)] = words

    # --- values

    def _is_frozen(self, index: int) -> bool:
        return bool(self._schedule(index).words[0])

    def _freeze(self, index: int, frozen: bool, value: bool) -> None:
        self._schedule(index).words[0] = int(frozen)
        if frozen:
            self._force(index, value)

    def _force(self, index: int, value: bool) -> None:
        self._forced[index] = (value, int(self.local_second() // 60))

    def _value(self, index: int) -> bool:
        """The value now: by the table, unless it is frozen, or was forced and no event has come since."""
        now = int(self.local_second() // 60)
        forced = self._forced.get(index)
        if forced is not None and (self._is_frozen(index) or not self._event_between(index, forced[1], now)):
            return forced[0]
        if forced is not None:
            del self._forced[index]
        return self.is_open_at(index + 1, *divmod(now, MINUTES))

    def _event_between(self, index: int, after: int, until: int) -> bool:
        """Whether an event came later than the minute `after`; midnight is one. A clock set back counts from where it is."""
        day, minute = divmod(until, MINUTES)
        if after // MINUTES < day:
            return True
        starts = (edge for window in self._tables.windows(index, day) for edge in window)
        return any(after % MINUTES < start <= minute for start in starts)

    # --- flash, clock

    @staticmethod
    def _check_command(offset: int, words: Sequence[int]) -> None:
        if words[0] not in (LOAD, SAVE, RECONFIGURE):
            raise ModbusRefusal(ILLEGAL_VALUE)

    def _command(self, offset: int, words: Sequence[int]) -> None:
        if words[0] == SAVE:
            self._flash = deepcopy(self._tables)
            self.saves += 1
        elif words[0] == LOAD:
            self._load()

    def _load(self) -> None:
        """A schedule that flash knows as out of service freezes at what its table says now."""
        self._tables = deepcopy(self._flash)
        self._forced.clear()
        for index in range(SCHEDULES):
            if self._is_frozen(index):
                self._force(index, self._value(index))

    def makes_durable(self, pdu: bytes) -> bool:
        at = (COMMAND_AT - 1).to_bytes(2, "big")
        return pdu in (b"\x06" + at + b"\x00\x02", b"\x10" + at + b"\x00\x01\x02\x00\x02")

    def _read_clock(self, offset: int, count: int) -> Sequence[int]:
        if offset % 2 or count % 2:
            raise ModbusRefusal(PARTIAL_READ)
        now = self._clock.fields()
        words = (
            now.hour << 8 | now.minute,
            now.second << 8 | now.hundredth,
            now.weekday << 8 | now.day,
            now.month << 8 | now.year - 1900,
        )
        return words[offset : offset + count]

    @staticmethod
    def _check_clock(offset: int, words: Sequence[int]) -> None:
        if len(words) != CLOCK_WORDS:
            raise ModbusRefusal(PARTIAL_WRITE)
        FieldsClock.check(_clock_fields(words))

    def _set_clock(self, offset: int, words: Sequence[int]) -> None:
        values = [self._value(index) for index in range(SCHEDULES)]
        self._clock.set(_clock_fields(words))
        for index, value in enumerate(values):
            if self.edge_only or self._is_frozen(index):
                self._force(index, value)
            else:
                self._forced.pop(index, None)

    # --- power

    def _boot(self, cold: bool) -> None:
        super()._boot(cold)
        self._load()
        self._outputs = [False] * OUTPUTS
        self._reset_count += 1

    def _factory(self) -> Tables:
        return Tables(self.settings.options.get("time_bytes") == "minute_hour")

    def _erase(self) -> None:
        self._flash = self._factory()
        self._reset_count = -1
        self.saves = 0

    # --- for tests and people

    def local_second(self) -> float:
        return self._clock.local_second()

    def day_windows(self, slot: int, day: int) -> Windows:
        return self._tables.windows(slot - 1, day)

    def kept_windows(self, slot: int, day: int) -> Windows:
        return self._flash.windows(slot - 1, day)

    def details(self) -> dict[str, object]:
        return {"saves": self.saves}

    def schedules_open_now(self) -> tuple[int, ...]:
        return tuple(index + 1 for index in range(SCHEDULES) if self._value(index))

    def outputs(self) -> tuple[bool, ...]:
        return tuple(self._outputs)


def _refuse(code: int) -> Callable[[int, Sequence[int]], None]:
    def refuse(offset: int, words: Sequence[int]) -> None:
        raise ModbusRefusal(code)

    return refuse


def _unreadable(offset: int, count: int) -> Sequence[int]:
    raise ModbusRefusal(RESTRICTED)


def _clock_fields(words: Sequence[int]) -> Fields:
    hour, minute, second, hundredth = words[0] >> 8, words[0] & 0xFF, words[1] >> 8, words[1] & 0xFF
    weekday, day, month, year = words[2] >> 8, words[2] & 0xFF, words[3] >> 8, 1900 + (words[3] & 0xFF)
    return Fields(year, month, day, weekday, hour, minute, second, hundredth)
