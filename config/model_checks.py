"""What types alone cannot tell of a panel model: unknown names, addresses that no frame can carry, a capability record
that its layout cannot write.

Checks those tables of the file that are valid by themselves, so that one report has everything. Yields (key path, what).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from config.panel_parts import (
    Addressing,
    Capabilities,
    CapacityField,
    Clock,
    Counters,
    EventLog,
    FieldsClock,
    IdentityCheck,
    Option,
    Outputs,
    Register,
    UnixTableClock,
    WritePlanRules,
)
from config.schedule_layouts import (
    OpenAccessSlots,
    ScheduleLayout,
    UhppoteProfiles,
    layout_extents,
    layout_faults,
    layout_misfits,
)

Mistake = tuple[str, str]
Extent = tuple[str, int, int]
"""Key path, documented address, addresses taken."""

_LAST = 0xFFFF
_WORD = ("bit", "u16", "i16")
_NUMBER = (*_WORD, "u32")
_ANY = (*_NUMBER, "hex")
_WALL_WORDS, _TABLE_WORDS, _START_WORDS, _EVENT_WORDS = 6, 10, 2, 8

T = TypeVar("T")


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


Good = Annotated[T | None, WrapValidator(_or_none)]
"""The table; None: it has a mistake of its own, which is reported elsewhere."""


class Tables(BaseModel):
    """The tables of a model file, each by itself."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    addressing: Good[Addressing] = Addressing()
    registers: Good[dict[str, Good[Register]]] = Field(default_factory=dict)
    identity: Good[tuple[Good[IdentityCheck], ...]] = ()
    counters: Good[Counters] = Counters()
    capacity: Good[dict[str, Good[CapacityField]]] = Field(default_factory=dict)
    capabilities: Good[Capabilities] = None
    schedule: Good[ScheduleLayout] = None
    write: Good[WritePlanRules] = WritePlanRules()
    clock: Good[Clock] = None
    outputs: Good[Outputs] = None
    events: Good[EventLog] = None
    options: Good[dict[str, Good[Option]]] = Field(default_factory=dict)

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Tables:
        """The tables of a file as it was read, with its options filled in."""
        return cls.model_validate({key: _with_tuples(value) for key, value in source.items()})

    def most(self, name: str) -> int:
        """The most that a unit of the model may have of something; 1 where nobody says."""
        field = (self.capacity or {}).get(name)
        return max(getattr(self.capabilities, name, 1) or 1, field.at_most if field is not None else 1)


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(one) for key, one in value.items()}
    return tuple(_with_tuples(one) for one in value) if isinstance(value, list) else value


def model_checks(tables: Tables, given: Collection[str]) -> Iterator[Mistake]:
    """`given`: the tables that the file has, right or not."""
    yield from _names(tables)
    yield from _options(tables)
    yield from _capacity(tables)
    yield from _record(tables, given)
    yield from _layout(tables)
    yield from _clock(tables)
    yield from _addresses(tables)


def _named(tables: Tables) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    """Every use of a register's name: its path, the name, the types that do."""
    for index, check in enumerate(tables.identity or ()):
        yield f"identity[{index}].read", check.read if check else None, _WORD if check and check.equals is not None else _ANY
    for name, field in (tables.capacity or {}).items():
        yield f"capacity.{name}.read", field.read if field else None, _NUMBER
    if tables.counters is not None:
        for counter in ("uptime_s", "resets", "commits"):
            yield f"counters.{counter}", getattr(tables.counters, counter), _NUMBER
        yield "counters.serial", tables.counters.serial, _ANY
    status = tables.write.commit_status if tables.write is not None else None
    if status is not None:
        for key in ("read", "refused_address", "refused_reason", "staged"):
            yield f"write.commit_status.{key}", getattr(status, key), _WORD
        if status.busy is not None and status.busy.where is not None:
            yield "write.commit_status.busy.where.read", status.busy.where.read, _NUMBER
    if isinstance(tables.schedule, OpenAccessSlots):
        yield "schedule.in_use", tables.schedule.in_use, ("u16",)
    if isinstance(tables.clock, UnixTableClock):
        yield "clock.wall", tables.clock.wall, ("u16",)
    if tables.events is not None:
        yield "events.last", tables.events.last, ("u32",)


def _names(tables: Tables) -> Iterator[Mistake]:
    registers = tables.registers
    for path, name, types in _named(tables):
        if name is None or registers is None:
            continue
        register = registers.get(name)
        if name not in registers:
            yield path, f"no register is named {name}"
        elif register is not None and register.type not in types:
            yield path, f"the register {name} has type {register.type}; expected {' or '.join(types)}"


def _options(tables: Tables) -> Iterator[Mistake]:
    for name, option in (tables.options or {}).items():
        if option is not None and option.choices and option.default not in option.choices:
            yield f"options.{name}.default", f"expected one of {list(option.choices)}, got {option.default!r}"


def _capacity(tables: Tables) -> Iterator[Mistake]:
    for name in tables.capacity or {}:
        field = Capabilities.model_fields.get(name)
        if field is None or field.annotation not in (int, int | None):
            yield f"capacity.{name}", "no capability that is a number has this name"


def _record(tables: Tables, given: Collection[str]) -> Iterator[Mistake]:
    record = tables.capabilities
    if record is None:
        return
    if (record.max_schedules > 0) != ("schedule" in given):
        yield "schedule", "a model with schedules has a [schedule] layout, one without has none"
    if (record.outputs > 0) != ("outputs" in given):
        yield "outputs", "a model with outputs has an [outputs] table, one without has none"
    if (record.clock == "none") != ("clock" not in given):
        yield "clock", "a model whose clock can be written has a [clock] table, one without has none"
    in_messages = isinstance(tables.schedule, UhppoteProfiles)
    if not in_messages and (record.event_log > 0) != ("events" in given):
        yield "events", "a model with an event log has an [events] table, one without has none"


def _layout(tables: Tables) -> Iterator[Mistake]:
    """Check that the layout can write all that the capability record promises: else a compiled image could not be sent."""
    layout, record = tables.schedule, tables.capabilities
    if layout is None:
        return
    yield from ((f"schedule.{key}", what) for key, what in layout_faults(layout))
    if record is not None:
        yield from ((f"capabilities.{key}", what) for key, what in layout_misfits(record, layout))


def _clock(tables: Tables) -> Iterator[Mistake]:
    clock = tables.clock
    if not isinstance(clock, FieldsClock):
        return
    if len(clock.fields) % 2:
        yield "clock.fields", "expected an even number: two bytes per word"
    twice = sorted({name for name in clock.fields if name != "zero" and clock.fields.count(name) > 1})
    if twice:
        yield "clock.fields", f"more than one {' and '.join(twice)}"


def _addresses(tables: Tables) -> Iterator[Mistake]:
    if tables.addressing is None:
        return
    base = tables.addressing.base
    for path, address, width in _extents(tables):
        if address < base:
            yield path, f"{address} is below addressing.base, {base}"
        elif address - base + width - 1 > _LAST:
            yield path, f"{width} from {address} on reach beyond PDU address {_LAST}"


def _extents(tables: Tables) -> Iterator[Extent]:
    """Every address of the file with what is taken there."""
    for name, register in (tables.registers or {}).items():
        if register is not None:
            yield f"registers.{name}.address", register.address, register.width
    if tables.schedule is not None:
        for key, address, width in layout_extents(tables.schedule, tables.most("max_schedules")):
            yield f"schedule.{key}", address, width
    if tables.write is not None:
        yield from _write_extents(tables.write)
    if isinstance(tables.clock, UnixTableClock):
        yield "clock.address", tables.clock.address, _TABLE_WORDS
        wall = (tables.registers or {}).get(tables.clock.wall)
        if wall is not None:
            yield "clock.wall", wall.address, _WALL_WORDS
    elif isinstance(tables.clock, FieldsClock):
        yield "clock.address", tables.clock.address, len(tables.clock.fields) // 2
    if tables.outputs is not None:
        for part in ("state", "acts", "pulsing", "switch", "lease", "pulse"):
            found = getattr(tables.outputs, part)
            if found is not None:
                yield f"outputs.{part}.address", found.address, tables.most("outputs")
    if tables.events is not None:
        yield "events.start", tables.events.start, _START_WORDS
        yield "events.window", tables.events.window, _EVENT_WORDS * tables.events.events


def _write_extents(write: WritePlanRules) -> Iterator[Extent]:
    for index, bits in enumerate(write.prepare):
        yield f"write.prepare[{index}].address", bits.address, 1
    for key in ("begin", "commit", "save", "load"):
        command = getattr(write, key)
        if command is not None:
            yield f"write.{key}.address", command.address, len(command.values) + command.count_staged
