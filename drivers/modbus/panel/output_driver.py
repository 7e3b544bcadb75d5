"""A unit's outputs, identity, counters and clock: everything that a driver does except schedules. By itself it is the driver
of boards that have outputs only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from config.panel_model import PanelModel
from config.panel_parts import CapacityField, IdentityCheck, OutputCommand, Outputs, Register
from drivers.calls import Call, failed, rejected
from drivers.contract import (
    Acknowledgement,
    AvailabilityFeed,
    ClockSetting,
    LogPage,
    Outcome,
    PanelCapabilities,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Priority,
    Stretch,
    WritePlan,
    nothing,
)
from drivers.errors import DriverError, PanelException, WrongDevice
from drivers.modbus.panel.event_log import read_log
from drivers.modbus.panel.named import read_area
from drivers.modbus.panel.restarts import Reading
from drivers.modbus.panel.set_clock import ClockWriter
from drivers.modbus.panel.unit import Facts, PanelUnit
from drivers.modbus.wire.requests import Request, write_coil, write_register

_ON, _OFF = 0xFF00, 0x0000
_NOT_THERE = frozenset({0x01, 0x02})
"""Modbus exception codes: no such function, no such address."""


def capabilities_of(model: PanelModel) -> PanelCapabilities:
    return PanelCapabilities(**model.capabilities.model_dump())


def output_request(model: PanelModel, output: int, on: bool, lease_s: int | None) -> Request | None:
    """The write that switches an output; None where the model cannot. A lease is neither longer nor shorter than asked."""
    outputs = model.outputs
    if outputs is None:
        return None
    if on and lease_s is not None:
        lease = outputs.lease
        if lease is None or lease_s > lease.longest_s:
            return None
        return _timed(model, lease, output, 10 * lease_s)
    if outputs.switch is not None:
        return replace(_command(model, outputs.switch, output, _ON if on else _OFF), anywhere=not on)
    if not on and outputs.lease is not None:
        return replace(_command(model, outputs.lease, output, 0), anywhere=True)
    return None


def longest_pulse(model: PanelModel) -> int:
    """In tenths of a second; 0 where the model times no pulses."""
    pulse = model.outputs.pulse if model.outputs else None
    return 0 if pulse is None else pulse.max_units * pulse.tenths_per_unit


def pulse_request(model: PanelModel, output: int, tenths_s: int) -> Request | None:
    """The write that pulses an output, never to be repeated; None where the model cannot, or not for so long."""
    pulse = model.outputs.pulse if model.outputs else None
    if pulse is None or tenths_s > longest_pulse(model):
        return None
    return replace(_timed(model, pulse, output, tenths_s), repeatable=False)


def _timed(model: PanelModel, command: OutputCommand, output: int, tenths: int) -> Request:
    return _command(model, command, output, max(1, tenths // command.tenths_per_unit))


def _command(model: PanelModel, command: OutputCommand, output: int, value: int) -> Request:
    write = write_coil if command.function == "coil" else write_register
    return write(command.address - model.addressing.base + output, value)


def _registers_of(field: CapacityField) -> tuple[str, ...]:
    return (field.read,) if field.where is None else (field.read, field.where.read)


def _reported(field: CapacityField, facts: Facts) -> int:
    if field.where is not None and facts.number(field.where.read) < field.where.at_least:
        return 0
    return min(facts.number(field.read), field.at_most)


class OutputDriver:
    """See `drivers.contract.PanelDriver`. Without schedules every image is the empty one."""

    def __init__(self, unit: PanelUnit) -> None:
        self.on_news: Callable[[], None] = nothing
        self._unit = unit
        self._model = unit.model
        self._whole = self._capabilities = capabilities_of(unit.model)
        self._clock_writer = ClockWriter(unit) if unit.model.clock is not None else None
        self._seen: Reading | None = None
        """The panel's counters as they were last read."""
        self._own_commits = 0
        """Commits that left and were not refused."""

    @property
    def capabilities(self) -> PanelCapabilities:
        return self._capabilities

    @property
    def availability(self) -> AvailabilityFeed:
        return self._unit.availability

    @property
    def connection(self) -> int:
        return self._unit.wire.connection

    @property
    def quarantined_until(self) -> float | None:
        return self._unit.wire.quarantined_until(self._unit.unit)

    def hasten(self) -> None:
        self._unit.wire.hasten(self._unit.unit)

    def restrict(self, capacity: Mapping[str, int]) -> None:
        """A unit may hold less or more than its model says: what it reports counts, and replaces an earlier report.
        Unknown names are left out.
        One without room for dates has none at all, in no other form either.
        """
        found, whole = self._whole.reported(capacity), self._whole
        if capacity.get("max_days_in_special_day_group"):
            groups, days = whole.max_special_day_groups, whole.special_day_bitmap_days
            found = replace(found, max_special_day_groups=groups, special_day_bitmap_days=days)
        elif "max_days_in_special_day_group" in capacity:
            found = replace(found, max_special_day_groups=0, special_day_bitmap_days=0)
        self._capabilities = found

    def write_counts(self) -> Mapping[str, int]:
        return dict(self._unit.written)

    # --- schedules: none

    def plan(self, target: PanelImage, known: PanelImage) -> WritePlan:
        if target.slots:
            raise ValueError(f"{self._model.name} holds no schedules")
        return WritePlan(target)

    async def apply(self, plan: WritePlan, priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)

    @property
    def unsaved(self) -> bool:
        return False

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def read_back(self, priority: Priority, deadline: float | None) -> PanelImage | Acknowledgement:
        return PanelImage()

    def give_way(self) -> None:
        """Nothing is staged."""

    async def read_passes(
        self, slots: Collection[int], priority: Priority, deadline: float | None
    ) -> Mapping[int, int] | Acknowledgement:
        return {}

    async def read_log(self, first: int | None, priority: Priority, deadline: float | None) -> LogPage | Acknowledgement:
        if self._model.events is None:
            return rejected(f"{self._model.name} keeps no events")
        try:
            return await read_log(self._unit, self._model.events, first, Call(priority, deadline))
        except DriverError as error:
            return failed(error)

    async def quick_look(self, image: PanelImage, priority: Priority, deadline: float | None) -> bool | Acknowledgement:
        return not image.slots

    def stretches(self, image: PanelImage) -> Sequence[Stretch]:
        return ()

    async def look_at(
        self, image: PanelImage, stretch: Stretch, priority: Priority, deadline: float | None
    ) -> bool | Acknowledgement:
        return True

    # --- the unit itself

    async def status(self, priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        call = Call(priority, deadline)
        model, counters = self._model, self._model.counters
        names = [check.read for check in model.identity if check.equals is not None]
        names += [name for field in model.capacity.values() for name in _registers_of(field)]
        names += [name for name in (counters.uptime_s, counters.resets, counters.commits) if name]
        names += self._read_along()
        names = names or list(model.registers)[:1]
        try:
            facts = await self._known_facts(names, call)
            self._met(facts)
            seen = None if self._clock_writer is None else await self._clock_writer.read(call)
            if not names and seen is None:
                await self._unit.exchange(self._sign_of_life(), call)
        except PanelException as error:
            return failed(self._stranger(f"exception {error.code:#04x}") if error.code in _NOT_THERE else error)
        except DriverError as error:
            return failed(error)
        self._reading(facts)
        capacity = {name: _reported(field, facts) for name, field in model.capacity.items()}
        self.restrict(capacity)
        return PanelStatus(
            clock=seen.wall if seen else None,
            clock_read_at=seen.read_at if seen else None,
            uptime_s=facts.number(counters.uptime_s) if counters.uptime_s else None,
            reset_count=facts.number(counters.resets) if counters.resets else None,
            capacity=capacity,
            clock_due=seen.due if seen else False,
            clock_due_at=seen.due_at if seen else None,
            clock_table=seen.table if seen else None,
            commit_count=facts.number(counters.commits) if counters.commits else None,
            own_commits=self._own_commits,
        )

    def _read_along(self) -> Collection[str]:
        """The registers that the status fetches for `_met`."""
        return ()

    def _met(self, facts: Facts) -> None:
        """Learn from what the status read."""

    def _sign_of_life(self) -> Request:
        """A read for a panel whose model names no register to read."""
        state = self._model.outputs.state if self._model.outputs else None
        if state is None:
            return read_area("input", self._model.addressing.base, 1, self._model.addressing)
        return read_area(state.area, state.address, 1, self._model.addressing)

    async def identity(self, priority: Priority, deadline: float | None) -> PanelIdentity | Acknowledgement:
        counters = self._model.counters
        names = [check.read for check in self._model.identity]
        names += [name for name in (counters.commits, counters.serial) if name]
        try:
            facts = await self._unit.meet(self._known_facts(names, Call(priority, deadline)))
        except DriverError as error:
            return failed(error)
        return PanelIdentity(
            serial=facts.serial(),
            commit_count=facts.number(counters.commits) if counters.commits else None,
        )

    async def _known_facts(self, names: Collection[str], call: Call) -> Facts:
        """Read named registers; those of them that tell a device must be as in this model. Raises WrongDevice otherwise."""
        checks = [check for check in self._model.identity if check.read in names]
        try:
            facts = await self._unit.facts(names, call)
        except PanelException as error:
            if checks and error.code in _NOT_THERE:
                raise self._stranger(self._identity_register(checks[0])) from error
            raise
        for check in checks:
            if check.equals is not None and facts.number(check.read) & check.mask != check.equals & check.mask:
                raise self._stranger(self._identity_register(check))
        return facts

    def _identity_register(self, check: IdentityCheck) -> str:
        register = self._model.registers[check.read]
        return f"identity {'register' if register.area in ('input', 'holding') else register.area} {register.address}"

    def _stranger(self, place: str) -> WrongDevice:
        article = "an" if self._model.name[0] in "aeiou" else "a"
        kind = f"{article} {self._model.name}"
        return WrongDevice(f"unit {self._unit.unit} does not answer like {kind} ({place}): is the model right?")

    def _reading(self, facts: Facts) -> Reading:
        """Take the counters from the facts and keep them."""
        counters = self._model.counters
        self._seen = Reading(
            uptime_s=facts.number(counters.uptime_s) if counters.uptime_s else None,
            resets=facts.number(counters.resets) if counters.resets else None,
            at=self._unit.clock.monotonic(),
        )
        return self._seen

    async def set_clock(self, setting: ClockSetting, priority: Priority, deadline: float | None) -> Acknowledgement:
        if self._clock_writer is None:
            return rejected(f"{self._model.name} has no clock that can be set")
        try:
            await self._clock_writer.write(setting, Call(priority, deadline))
        except DriverError as error:
            return failed(error)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    # --- outputs

    async def set_output(
        self, output: int, on: bool, lease_s: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        request = output_request(self._model, output, on, lease_s)
        return await self._switch(output, request, "switch outputs so", Call(priority, deadline))

    @property
    def longest_pulse(self) -> int:
        return longest_pulse(self._model)

    async def time_pulses(self, tenths_s: Mapping[int, int], priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def pulse(self, output: int, tenths_s: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        request, call = pulse_request(self._model, output, tenths_s), Call(priority, deadline)
        began = self._unit.clock.monotonic()
        said = await self._switch(output, request, "pulse outputs so", call)
        if said.outcome is Outcome.UNCONFIRMED and await self._pulses(output, tenths_s, began, call):
            return Acknowledgement(Outcome.ACKNOWLEDGED)
        return said

    async def end_pulse(self, output: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        """Where a model has a switch, that ended it already."""
        outputs = self._model.outputs
        if outputs is None or outputs.pulse is None or outputs.switch is not None:
            return Acknowledgement(Outcome.ACKNOWLEDGED)
        end = replace(_command(self._model, outputs.pulse, output, 0), anywhere=True)
        return await self._switch(output, end, "end pulses", Call(priority, deadline))

    async def _pulses(self, output: int, tenths_s: int, began: float, call: Call) -> bool:
        """Whether the panel shows that an output stays on for as long as a pulse that left after `began` would have it."""
        left = self._model.outputs.pulsing if self._model.outputs else None
        if left is None or left.type == "bit":
            return False
        request = read_area(left.area, left.address + output, 1, self._model.addressing)
        try:
            (shown,) = await self._unit.exchange(request, call)
            await self._unit.must_be_met(call)
        except DriverError:
            return False
        passed = 10 * (self._unit.clock.monotonic() - began)
        return shown > 0 and shown >= tenths_s - passed

    async def _switch(self, output: int, request: Request | None, what: str, call: Call) -> Acknowledgement:
        if request is None or not 0 <= output < self._capabilities.outputs:
            return rejected(f"{self._model.name} cannot {what}, or has no output {output}")
        serial = self._unit.serial
        try:
            await self._unit.exchange(request, call)
            await self._unit.must_have_been(serial, call)
        except DriverError as error:
            return failed(error)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def read_outputs(self, priority: Priority, deadline: float | None) -> tuple[bool, ...] | Acknowledgement:
        """Where a panel shows what an output does beside what it was commanded to do, the first counts."""
        outputs = self._model.outputs
        if outputs is None or outputs.state is None or not self._capabilities.outputs:
            return rejected(f"{self._model.name} has no outputs to read")
        call, serial = Call(priority, deadline), self._unit.serial
        try:
            shown = await self._shown(outputs.state, outputs, call)
            await self._unit.must_have_been(serial, call, anywhere=True)
        except DriverError as error:
            return failed(error)
        return shown

    async def _shown(self, state: Register, outputs: Outputs, call: Call) -> tuple[bool, ...]:
        held = await self._each(state, call)
        if outputs.acts is None:
            return held
        acts = await self._each(outputs.acts, call)
        unasked = [on and not wanted for on, wanted in zip(acts, held, strict=True)]
        if not any(unasked) or outputs.pulsing is None:
            return acts
        pulses = await self._each(outputs.pulsing, call)
        if any(on and not pulse for on, pulse in zip(unasked, pulses, strict=True)):
            acts = await self._each(outputs.acts, call)  # a pulse may have ended in between
        return tuple(on and (wanted or not pulse) for on, wanted, pulse in zip(acts, held, pulses, strict=True))

    async def _each(self, register: Register, call: Call) -> tuple[bool, ...]:
        """Whether each output's register is anything but 0."""
        request = read_area(register.area, register.address, self._capabilities.outputs, self._model.addressing)
        return tuple(bool(value) for value in await self._unit.exchange(request, call))
