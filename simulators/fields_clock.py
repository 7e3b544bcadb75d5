"""A battery-backed wall clock without a zone, set and read field by field. It keeps running through power cuts."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.clock import EPOCH, Oscillator, civil, local_second_of
from simulators.modbus_slave import ILLEGAL_VALUE, ModbusRefusal


@dataclass(frozen=True, slots=True)
class Fields:
    """`weekday`: 1 Monday to 7 Sunday."""

    year: int
    month: int
    day: int
    weekday: int
    hour: int
    minute: int
    second: int
    hundredth: int = 0

    @classmethod
    def of(cls, year: int, month: int, day: int, hour: int, minute: int, second: int) -> Fields:
        """Set the clock, with the date's own weekday. Refuses (exception 3) what does not exist."""
        try:
            shown = civil(local_second_of(year, month, day, hour, minute, second))
        except ValueError:
            raise ModbusRefusal(ILLEGAL_VALUE) from None
        return cls(year, month, day, shown.isoweekday(), hour, minute, second)


class FieldsClock:
    """`start`: Unix seconds that it shows at first, as if it stood in UTC."""

    def __init__(self, oscillator: Oscillator, start: float) -> None:
        self._oscillator = oscillator
        self._offset = start - oscillator.now()

    def local_second(self) -> float:
        return self._oscillator.now() + self._offset

    def fields(self) -> Fields:
        now = self.local_second()
        shown = civil(now)
        hundredth = int(now % 1 * 100)
        return Fields(shown.year, shown.month, shown.day, shown.isoweekday(), shown.hour, shown.minute, shown.second, hundredth)

    def set(self, fields: Fields) -> None:
        self._offset = self.check(fields) - self._oscillator.now()

    @staticmethod
    def check(fields: Fields) -> float:
        """The local second that the fields say. Refuses (exception 3) a date or weekday that does not exist."""
        try:
            second = local_second_of(fields.year, fields.month, fields.day, fields.hour, fields.minute, fields.second)
        except ValueError:
            raise ModbusRefusal(ILLEGAL_VALUE) from None
        if not 0 <= fields.hundredth < 100 or civil(second).isoweekday() != fields.weekday or second < EPOCH.timestamp():
            raise ModbusRefusal(ILLEGAL_VALUE)
        return second + fields.hundredth / 100
