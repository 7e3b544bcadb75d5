"""The clock of an `open-access-panel`: ten words set as one, offsets from a table, trusted for some hours. Volatile."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.clock import Oscillator, civil
from simulators.modbus_slave import ILLEGAL_VALUE, ModbusRefusal

WORDS = 10
_UNSET = (0,) * WORDS


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


def _long(words: Sequence[int], at: int) -> int:
    return words[at] << 16 | words[at + 1]


class TableClock:
    def __init__(self, oscillator: Oscillator) -> None:
        self._oscillator = oscillator
        self._words: tuple[int, ...] = _UNSET
        self._set_at = 0.0

    @staticmethod
    def check(offset: int, words: Sequence[int]) -> None:
        """Check the words. Refuses what is not a time: zero, offsets of a day or more, changes out of order."""
        first, second = _long(words, 3), _long(words, 6)
        offsets = (_signed(words[at]) for at in (2, 5, 8))
        ordered = second == 0 or 0 < first < second
        if _long(words, 0) == 0 or not ordered or any(abs(minutes) >= 1440 for minutes in offsets):
            raise ModbusRefusal(ILLEGAL_VALUE)

    def set(self, offset: int, words: Sequence[int]) -> None:
        self._words, self._set_at = tuple(words), self._oscillator.now()

    def clear(self) -> None:
        self._words = _UNSET

    def unix(self) -> float | None:
        """Running Unix time; None when unset or no longer trusted."""
        passed = self._oscillator.now() - self._set_at
        trusted = self._words[9] * 3600
        if self._words == _UNSET or (trusted and passed >= trusted):
            return None
        return _long(self._words, 0) + passed

    def local_second(self) -> float | None:
        now = self.unix()
        if now is None:
            return None
        offset = self._words[2]
        for at in (3, 6):
            change = _long(self._words, at)
            if change and now >= change:
                offset = self._words[at + 2]
        return now + 60 * _signed(offset)

    def read(self, offset: int, count: int) -> Sequence[int]:
        now = self.unix()
        if now is None:
            return _UNSET[offset : offset + count]
        running = int(now) & 0xFFFFFFFF
        return (running >> 16, running & 0xFFFF, *self._words[2:])[offset : offset + count]

    def read_civil(self, offset: int, count: int) -> Sequence[int]:
        """Input registers 40-45: year, month, day, hour, minute, second; zeros while unset."""
        now = self.local_second()
        if now is None:
            return (0,) * count
        shown = civil(now)
        return (shown.year, shown.month, shown.day, shown.hour, shown.minute, shown.second)[offset : offset + count]
