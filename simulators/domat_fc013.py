"""`domat-fc013`: one week table of six events a day, a BCD clock, EEPROM. The table's number is 0.

Word numbers as in the maker's list. Without the EEPROM bit (word 3, bit 0) the table is written to RAM alone and the clock
not at all, without any error.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence

from config.settings import PanelSettings
from simulators.clock import MINUTES, Windows, loop_time, weekday
from simulators.fields_clock import Fields, FieldsClock
from simulators.modbus_slave import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    READ_HOLDING,
    WRITE_REGISTER,
    WRITE_REGISTERS,
    ModbusRefusal,
)
from simulators.panel import SimulatedPanel

LAST, MIRROR, UPTIME_AT = 137, 256, 1000
MOST_READ = 50
STATUS_AT, SET_MODE_AT, MODE_AT, CLOCK_AT, TABLE_AT = 3, 23, 25, 49, 54
CLOCK_WORDS, EVENTS, DAYS = 4, 6, 7
EEPROM_ENABLED, WRITE_ENABLED, AUTOMATIC, DISABLED = 0x0001, 0x8000, 0x0008, 0x8000
COMFORT, STANDBY, OFF = 0, 1, 2
_READ_ONLY = frozenset({1, 2, MODE_AT})
_MODES = 0x001F


def factory_words() -> array[int]:
    """Words 0 (none) to 137. Every day opens at 06:00, is on standby at 08:00, opens at 14:00, is off at 22:00."""
    words = array("H", bytes(2 * (LAST + 1)))
    words[1], words[2], words[SET_MODE_AT] = 0x0505, 0x0013, 1 << COMFORT
    day = (360, COMFORT, 480, STANDBY, 840, COMFORT, 1320, OFF, 360, DISABLED, 360, DISABLED)
    words[TABLE_AT:] = array("H", day * DAYS)
    return words


class DomatFc013(SimulatedPanel):
    """Follows the option `first_word` of the panel model: the word whose PDU address is 0. `edge_only`: a clock step leaves
    the mode in force until the next event, or until the presence mode is written.
    """

    model = "domat-fc013"

    def __init__(
        self, settings: PanelSettings, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = loop_time
    ) -> None:
        super().__init__(settings, wall, monotonic)
        self.edge_only = False
        self.eeprom_writes = 0
        self._left: tuple[int, int] | None = None
        """The mode that a clock step left in force, and the local minute since when."""
        self._base = int(settings.options.get("first_word", 0))
        self._ram, self._eeprom = factory_words(), factory_words()
        self._clock = FieldsClock(self.oscillator, wall())
        self._weekday_shift = 0
        """How many days the weekday that was set is off the date's own."""

    # --- requests

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        if function != READ_HOLDING:
            raise ModbusRefusal(ILLEGAL_FUNCTION)
        if count > MOST_READ:
            raise ModbusRefusal(ILLEGAL_VALUE)
        first = address + self._base
        if first >= UPTIME_AT and first + count <= UPTIME_AT + 2:
            uptime = self.uptime_s()
            return (uptime >> 16, uptime & 0xFFFF)[first - UPTIME_AT : first - UPTIME_AT + count]
        first = first - MIRROR if first > MIRROR else first
        if first < 1 or first + count > LAST + 1:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        return self._shown()[first : first + count]

    def _shown(self) -> Sequence[int]:
        words = self._ram[:]
        words[MODE_AT] = self._mode_in_force()
        words[CLOCK_AT : CLOCK_AT + CLOCK_WORDS] = array("H", self._clock_words())
        return words

    def write_word(self, address: int, value: int) -> None:
        self.write_words(address, (value,))

    def write_words(self, address: int, words: Sequence[int]) -> None:
        first = address + self._base
        written = dict(enumerate(words, first))
        if first < 1 or first + len(words) > LAST + 1 or _READ_ONLY & set(written):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        for at, word in written.items():
            self._check(at, word)
        clock = {at - CLOCK_AT: word for at, word in written.items() if CLOCK_AT <= at < CLOCK_AT + CLOCK_WORDS}
        if clock:
            self._set_clock(clock)
        for at, word in written.items():
            self._store(at, word)

    @staticmethod
    def _check(at: int, word: int) -> None:
        if at >= TABLE_AT:
            good = word < MINUTES if (at - TABLE_AT) % 2 == 0 else word & ~DISABLED <= OFF
        elif at == SET_MODE_AT:
            good = word & ~WRITE_ENABLED in (1, 2, 4, AUTOMATIC, 16) or not word & WRITE_ENABLED
        else:
            good = True
        if not good:
            raise ModbusRefusal(ILLEGAL_VALUE)

    def _store(self, at: int, word: int) -> None:
        if CLOCK_AT <= at < CLOCK_AT + CLOCK_WORDS or (at == SET_MODE_AT and not word & WRITE_ENABLED):
            return
        if at == STATUS_AT:
            self._ram[at] = word & 0xFF
            return
        if at == SET_MODE_AT:
            self._left = None
        self._ram[at] = word & _MODES if at == SET_MODE_AT else word
        if self._eeprom_enabled():
            self._eeprom[at] = self._ram[at]
            self.eeprom_writes += 1

    def _eeprom_enabled(self) -> bool:
        return bool(self._ram[STATUS_AT] & EEPROM_ENABLED)

    # --- clock

    def _clock_words(self) -> tuple[int, ...]:
        now = self._clock.fields()
        shown = (now.weekday - 1 + self._weekday_shift) % DAYS + 1
        low_high = ((now.second, now.minute), (now.hour, shown), (now.day, now.month), (now.year % 100, 0))
        return tuple(_bcd(low) | _bcd(high) << 8 for low, high in low_high)

    def _set_clock(self, written: dict[int, int]) -> None:
        """Set some or all of the four words of the clock; ignored without the EEPROM bit."""
        words = [written.get(at, word) for at, word in enumerate(self._clock_words())]
        (second, minute), (hour, shown), (day, month), (year, unused) = (
            (_decimal(word & 0xFF), _decimal(word >> 8)) for word in words
        )
        if not 1 <= shown <= DAYS or unused:
            raise ModbusRefusal(ILLEGAL_VALUE)
        fields = Fields.of(2000 + year, month, day, hour, minute, second)
        if self._eeprom_enabled():
            mode = self._mode_in_force()
            self._clock.set(fields)
            self._weekday_shift = (shown - fields.weekday) % DAYS
            self._left = (mode, self._minute()) if self.edge_only else None

    # --- values

    def _mode_in_force(self) -> int:
        """The mode now, a bit each: comfort, standby, off. By the table in automatic mode, else as set (a party is comfort)."""
        mode = self._ram[SET_MODE_AT]
        if mode == AUTOMATIC and self._left is not None and not self._event_between(self._left[1], self._minute()):
            return self._left[0]
        if mode == AUTOMATIC:
            self._left = None
            day, minute = divmod(self._minute(), MINUTES)
            return 1 << self._value_at((weekday(day) + self._weekday_shift) % DAYS, minute)
        return mode if mode in (1, 2, 4) else 1 << COMFORT

    def _minute(self) -> int:
        return int(self.local_second() // 60)

    def _event_between(self, after: int, until: int) -> bool:
        """Whether an event came later than the minute `after`."""
        days = range(after // MINUTES, until // MINUTES + 1)
        starts = (MINUTES * day + at for day in days for at, _ in self._events((weekday(day) + self._weekday_shift) % DAYS))
        return any(after < start <= until for start in starts)

    def _events(self, day: int) -> list[tuple[int, int]]:
        """Enabled events of a weekday (0 Monday) by time; of two at one time the later in the list counts."""
        start = TABLE_AT + 2 * EVENTS * day
        pairs = ((self._ram[at], self._ram[at + 1]) for at in range(start, start + 2 * EVENTS, 2))
        return sorted(((minute, value) for minute, value in pairs if not value & DISABLED), key=lambda event: event[0])

    def _carried(self, day: int) -> int:
        """The mode that continues over midnight into a weekday; off where the whole week has no event."""
        for back in range(1, DAYS + 1):
            events = self._events((day - back) % DAYS)
            if events:
                return events[-1][1]
        return OFF

    def _value_at(self, day: int, minute: int) -> int:
        passed = [value for at, value in self._events(day) if at <= minute]
        return passed[-1] if passed else self._carried(day)

    def makes_durable(self, pdu: bytes) -> bool:
        at = int.from_bytes(pdu[1:3], "big") + self._base
        return pdu[0] in (WRITE_REGISTER, WRITE_REGISTERS) and at >= TABLE_AT and self._eeprom_enabled()

    # --- power

    def _boot(self, cold: bool) -> None:
        super()._boot(cold)
        self._ram = self._eeprom[:]
        self._left = None

    def _erase(self) -> None:
        self._eeprom = factory_words()
        self.eeprom_writes = 0

    # --- for tests and people

    def local_second(self) -> float:
        return self._clock.local_second()

    def day_windows(self, slot: int, day: int) -> Windows:
        """The windows by the table, as if in automatic mode and with a weekday that fits the date."""
        events = [(0, self._carried(weekday(day))), *self._events(weekday(day))]
        ends = [*(minute for minute, _ in events[1:]), MINUTES]
        return tuple((at, end) for (at, value), end in zip(events, ends, strict=True) if value == COMFORT and at < end)

    def kept_windows(self, slot: int, day: int) -> Windows:
        ram, self._ram = self._ram, self._eeprom
        try:
            return self.day_windows(slot, day)
        finally:
            self._ram = ram

    def details(self) -> dict[str, object]:
        return {"eeprom_writes": self.eeprom_writes}

    def schedules_open_now(self) -> tuple[int, ...]:
        return (0,) if self._mode_in_force() == 1 << COMFORT else ()


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def _decimal(byte: int) -> int:
    """Refuses digits above nine."""
    if byte >> 4 > 9 or byte & 0xF > 9:
        raise ModbusRefusal(ILLEGAL_VALUE)
    return 10 * (byte >> 4) + (byte & 0xF)
