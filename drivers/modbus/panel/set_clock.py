"""A panel's clock: reads it, sets it, verifies that it was set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from config.panel_parts import FieldsClock, UnixTableClock
from drivers.calls import Call
from drivers.contract import ClockSetting
from drivers.errors import Unconfirmed, VerifyFailed
from drivers.modbus.panel.clock_words import (
    TABLE_WORDS,
    WALL_WORDS,
    Wall,
    civil_wall,
    field_words,
    fields_wall,
    seconds_between,
    table_setting,
    table_words,
    wall_of,
)
from drivers.modbus.panel.named import joined, read_area
from drivers.modbus.panel.prepare import When, prepare, stands
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request, read_holding_registers, write_registers_of_now

_OF_CLOCK: tuple[When, ...] = ("clock",)
_BEFORE_CLOCK: tuple[When, ...] = ("always", "clock")
_ATTEMPTS = 3
_TOLERANCE_S = 2
"""Allows for whole seconds on both sides and the time on the wire."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`wall`: what the panel shows, None when unset. `read_at`: the instant in the middle of that reading."""

    wall: Wall | None
    read_at: float
    due: bool = False
    due_at: float | None = None
    words: tuple[int, ...] = ()
    table: ClockSetting | None = None


class ClockWriter:
    """One panel's clock, by the codec of its model."""

    def __init__(self, unit: PanelUnit) -> None:
        self._unit = unit
        self._set_at: float | None = None
        self.settings_written = False
        """Whether bits that the clock needs were written since this was last set to False."""

    async def read(self, call: Call) -> Seen:
        """Read the clock. Raises DriverError."""
        codec = self._unit.model.clock
        if isinstance(codec, UnixTableClock):
            return await self._read_table(codec, call)
        if isinstance(codec, FieldsClock):
            words, read_at = await self._timed(self._fields_read(codec), call)
            due = not await stands(self._unit, _OF_CLOCK, call)
            return Seen(fields_wall(codec, words), read_at, due, words=words)
        raise ValueError(f"{self._unit.model.name} has no clock")

    async def write(self, setting: ClockSetting, call: Call) -> None:
        """Set the clock and verify it. Raises DriverError.

        Each frame carries the time at which it leaves the line, however long it waited. One whose answer is missing is not
        repeated by the line: what became of it is read first.
        """
        started = self._unit.clock.monotonic()
        request = self._request(setting, lambda: round(setting.instant + self._unit.clock.monotonic() - started))
        lost = None
        for _ in range(_ATTEMPTS):
            self.settings_written |= await prepare(self._unit, _BEFORE_CLOCK, call)
            try:
                await self._unit.exchange(request, call)
            except Unconfirmed as error:
                lost = error
            else:
                lost = None
            took = await self._took(setting, started, call)
            await self._unit.must_be_met(call)
            if took:
                self._set_at = self._unit.clock.monotonic()
                return
        raise lost or VerifyFailed("the panel's clock does not show the time that was set")

    def _request(self, setting: ClockSetting, now: Callable[[], int]) -> Request:
        codec, base = self._unit.model.clock, self._unit.model.addressing.base
        if isinstance(codec, UnixTableClock):
            return write_registers_of_now(codec.address - base, lambda: table_words(codec, setting, now()))
        if isinstance(codec, FieldsClock):
            return write_registers_of_now(codec.address - base, lambda: field_words(codec, wall_of(setting, now())))
        raise ValueError(f"{self._unit.model.name} has no clock")

    async def _took(self, setting: ClockSetting, started: float, call: Call) -> bool:
        seen = await self.read(call)
        codec = self._unit.model.clock
        middle = self._unit.clock.monotonic() - (self._unit.clock.wall() - seen.read_at)
        instant = setting.instant + round(middle - started)
        if seen.wall is None or abs(seconds_between(seen.wall, wall_of(setting, instant))) > _TOLERANCE_S:
            return False
        if isinstance(codec, UnixTableClock):
            return self._table_took(codec, setting, instant, seen.words)
        return True

    @staticmethod
    def _table_took(codec: UnixTableClock, setting: ClockSetting, instant: int, words: tuple[int, ...]) -> bool:
        """Whether the rest of the table, too, reads as written at any second around now."""
        offsets = {table_words(codec, setting, instant + shift)[2:] for shift in range(-_TOLERANCE_S, _TOLERANCE_S + 1)}
        return words[2:] in offsets and abs(joined(words[:2]) - instant) <= _TOLERANCE_S

    async def _read_table(self, codec: UnixTableClock, call: Call) -> Seen:
        model = self._unit.model
        register = model.registers[codec.wall]
        table = await self._unit.exchange(read_holding_registers(codec.address - model.addressing.base, TABLE_WORDS), call)
        shown, read_at = await self._timed(read_area(register.area, register.address, WALL_WORDS, model.addressing), call)
        if not any(table):
            return Seen(None, read_at, words=table)
        left_s = self._trusted_s(codec)
        due_at = None if left_s is None else self._unit.clock.wall() + left_s
        return Seen(civil_wall(shown), read_at, self._due(codec, table, left_s), due_at, table, table_setting(table))

    def _trusted_s(self, codec: UnixTableClock) -> float | None:
        """The instant at which half the trusted hours have passed; None where they never pass."""
        if not codec.trusted_hours:
            return None
        return 0.0 if self._set_at is None else self._set_at + codec.trusted_hours * 1800 - self._unit.clock.monotonic()

    def _due(self, codec: UnixTableClock, table: tuple[int, ...], left_s: float | None) -> bool:
        """Whether a change of offset has passed since the table was written, or half the trusted hours have (or may have)."""
        change = joined(table[3:5])
        if change and change <= joined(table[:2]):
            return True
        return table[9] != codec.trusted_hours or (left_s is not None and left_s <= 0)

    def _fields_read(self, codec: FieldsClock) -> Request:
        return read_holding_registers(codec.address - self._unit.model.addressing.base, len(codec.fields) // 2)

    async def _timed(self, request: Request, call: Call) -> tuple[tuple[int, ...], float]:
        """The values, and the instant in the middle of the call; the time spent waiting for the line counts too."""
        before = self._unit.clock.wall()
        values = await self._unit.exchange(request, call)
        return values, (before + self._unit.clock.wall()) / 2
