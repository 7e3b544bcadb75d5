"""A controller by itself: who it is, its clock, its doors. What it holds is the driver's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from config.settings import UhppotePanelSettings
from drivers.calls import Call, failed, rejected
from drivers.clock import Clock
from drivers.contract import (
    Acknowledgement,
    AvailabilityFeed,
    ClockSetting,
    Outcome,
    PanelIdentity,
    PanelStatus,
    Priority,
)
from drivers.errors import DriverError, PanelException, Unconfirmed, VerifyFailed
from drivers.uhppote.panel.board import Board
from drivers.uhppote.wire.messages import (
    Door,
    get_device,
    get_door,
    get_time,
    open_door,
    read_device,
    read_done,
    read_door,
    read_time,
    set_door,
    set_time,
)

NORMALLY_OPEN, NORMALLY_CLOSED, CONTROLLED = 1, 2, 3
"""The modes of a door."""
_LONGEST_PULSE = 2550
"""Tenths of a second: the delay of a door is a byte of seconds."""
_DAY_S = 86_400
_ATTEMPTS = 3
_TOLERANCE_S = 2
"""Allows for whole seconds on both sides and the time on the wire."""


class DeviceDriver:
    """A part of `drivers.contract.PanelDriver`. Output n is door n + 1."""

    def __init__(self, panel: UhppotePanelSettings, board: Board, clock: Clock) -> None:
        self._doors = panel.doors
        self._board = board
        self._clock = clock
        self._timed: dict[int, int] = {}
        """Tenths of a second for which outputs were seen to open."""

    @property
    def availability(self) -> AvailabilityFeed:
        return self._board.availability

    @property
    def connection(self) -> int:
        return self._board.wire.connection

    @property
    def quarantined_until(self) -> float | None:
        return self._board.wire.quarantined_until(self._board.serial)

    def hasten(self) -> None:
        self._board.wire.hasten(self._board.serial)

    def write_counts(self) -> Mapping[str, int]:
        return {}

    @property
    def unsaved(self) -> bool:
        return False

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    # --- who it is, and its clock

    async def identity(self, priority: Priority, deadline: float | None) -> PanelIdentity | Acknowledgement:
        try:
            device = await self._board.ask(get_device(), read_device, Call(priority, deadline))
        except DriverError as error:
            return failed(error)
        return PanelIdentity(serial=f"{device.serial:X}")

    async def status(self, priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        try:
            wall, read_at = await self._read_clock(Call(priority, deadline))
        except DriverError as error:
            return failed(error)
        return PanelStatus(clock=wall, clock_read_at=read_at)

    async def set_clock(self, setting: ClockSetting, priority: Priority, deadline: float | None) -> Acknowledgement:
        try:
            await self._set_clock(setting, Call(priority, deadline))
        except DriverError as error:
            return failed(error)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def _read_clock(self, call: Call) -> tuple[tuple[int, int] | None, float]:
        """What the clock shows, and the instant in the middle of the call."""
        before = self._clock.wall()
        wall = await self._board.ask(get_time(), read_time, call)
        return wall, (before + self._clock.wall()) / 2

    async def _set_clock(self, setting: ClockSetting, call: Call) -> None:
        """Each frame carries the time at which it leaves, however long it waited. Raises DriverError."""
        started = self._clock.monotonic()

        def now() -> tuple[int, int]:
            instant = round(setting.instant + self._clock.monotonic() - started)
            return divmod(instant + 60 * setting.offset_minutes, _DAY_S)

        for attempt in range(_ATTEMPTS):
            try:
                await self._board.ask(set_time(now), read_time, call if not attempt else call.finished())
            except Unconfirmed:
                if attempt + 1 == _ATTEMPTS:
                    raise
            if await self._shows(setting, started, call.finished()):
                return
        raise VerifyFailed("the controller's clock does not show the time that was set")

    async def _shows(self, setting: ClockSetting, started: float, call: Call) -> bool:
        wall, read_at = await self._read_clock(call)
        middle = self._clock.monotonic() - (self._clock.wall() - read_at)
        wanted = setting.instant + middle - started + 60 * setting.offset_minutes
        return wall is not None and abs(wall[0] * _DAY_S + wall[1] - wanted) <= _TOLERANCE_S

    # --- doors

    async def read_outputs(self, priority: Priority, deadline: float | None) -> tuple[bool, ...] | Acknowledgement:
        """Doors in the mode normally open: a door that somebody opened for a moment is not held."""
        call = Call(priority, deadline)
        try:
            modes = [await self._door(output, call) for output in range(self._doors)]
        except DriverError as error:
            return failed(error)
        return tuple(door.mode == NORMALLY_OPEN for door in modes)

    async def set_output(
        self, output: int, on: bool, lease_s: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        if on and lease_s is not None:
            return rejected("a door of this controller stays open without the gateway: it takes no lease")
        if not 0 <= output < self._doors:
            return rejected(f"the controller has no door {output + 1}")
        try:
            return await self._hold(output, on, Call(priority, deadline))
        except DriverError as error:
            return failed(error)

    async def _hold(self, output: int, on: bool, call: Call) -> Acknowledgement:
        """The end of a hold leaves a door alone that is not held."""
        door = await self._door(output, call)
        if on != (door.mode == NORMALLY_OPEN):
            await self._set_door(replace(door, mode=NORMALLY_OPEN if on else CONTROLLED), call)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def _set_door(self, wanted: Door, call: Call) -> None:
        """Set a door and verify it. Raises DriverError."""
        await self._board.ask(set_door(wanted), read_door, call)
        if await self._board.ask(get_door(wanted.door), read_door, call.finished()) != wanted:
            raise VerifyFailed(f"door {wanted.door} reads back otherwise than it was set")

    async def time_pulses(self, tenths_s: Mapping[int, int], priority: Priority, deadline: float | None) -> Acknowledgement:
        call = Call(priority, deadline)
        try:
            for output, tenths in tenths_s.items():
                known = self._timed.get(output) == tenths or output >= self._doors
                if not known and tenths % 10 == 0 and 10 <= tenths <= _LONGEST_PULSE:
                    await self._time(output, tenths, call)
        except DriverError as error:
            return failed(error)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def _time(self, output: int, tenths: int, call: Call) -> None:
        """The mode of the door stays as it is. Raises DriverError."""
        door = await self._door(output, call)
        wanted = replace(door, delay_s=tenths // 10)
        if door != wanted:
            await self._set_door(wanted, call)
        self._timed[output] = tenths

    @property
    def longest_pulse(self) -> int:
        return _LONGEST_PULSE

    async def pulse(self, output: int, tenths_s: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        """The controller opens a door for its own delay: another time than that is refused."""
        if not 0 <= output < self._doors:
            return rejected(f"the controller has no door {output + 1}")
        call = Call(priority, deadline)
        try:
            door = await self._door(output, call)
            if 10 * door.delay_s != self._timed.get(output):
                self._timed.pop(output, None)  # somebody else set it: it is timed anew at the next look
            if 10 * door.delay_s != tenths_s:
                return rejected(f"door {door.door} opens for {door.delay_s} s, not for {tenths_s / 10:g} s")
            if not await self._board.ask(open_door(door.door), read_done, call):
                raise PanelException(0, f"the controller did not open door {door.door}")
        except DriverError as error:
            return failed(error)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def end_pulse(self, output: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        return rejected("the controller ends a pulse by itself")

    async def _door(self, output: int, call: Call) -> Door:
        return await self._board.ask(get_door(output + 1), read_door, call)
