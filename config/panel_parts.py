"""Parts of a panel model file: registers, the capability record, the write plan, clock and outputs.

Addresses are the ones of the panel's own document; `Addressing.base` is the documented number of the register whose PDU
address is 0. Frozen, strict, unknown keys refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Word = Annotated[int, Field(ge=0, le=0xFFFF)]
Address = Annotated[int, Field(ge=0, le=0x1FFFF)]
Area = Literal["coil", "discrete", "holding", "input"]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Addressing(Part):
    """How documented addresses map to PDU addresses, and how much one frame may carry."""

    base: Address = 0
    max_read_words: int = Field(125, ge=1, le=125)
    max_write_words: int = Field(123, ge=1, le=123)
    single_write: bool = True
    """Whether a single word is written by FC06; False: always by FC16."""
    word_order: Literal["high_first", "low_first"] = "high_first"
    """The order of the words in values wider than a register."""
    byte_order: Literal["high_first", "low_first"] = "high_first"
    """The order of the two bytes of a register, where it carries a number wider than a byte."""


class Register(Part):
    """One value. `type` hex: the words as hexadecimal text, `words` of them."""

    area: Area = "input"
    address: Address
    type: Literal["bit", "u16", "i16", "u32", "hex"] = "u16"
    words: int = Field(1, ge=1, le=16)

    @property
    def width(self) -> int:
        """How many addresses the register takes."""
        return {"u32": 2, "hex": self.words}.get(self.type, 1)

    @model_validator(mode="after")
    def _bits_are_bits(self) -> Register:
        if (self.area in ("coil", "discrete")) != (self.type == "bit"):
            raise ValueError("coils and discrete inputs have type bit, registers another one")
        return self


class IdentityCheck(Part):
    """The panel is of this model when the register, masked, reads `equals`; without `equals` it has to be there only."""

    read: str
    equals: Word | None = None
    mask: Word = 0xFFFF


class Counters(Part):
    """Names of registers (of `[registers]`) by which a restart or a foreign change is noticed."""

    uptime_s: str | None = None
    resets: str | None = None
    commits: str | None = None
    serial: str | None = None


class AtLeast(Part):
    """A named register that must read at least so much."""

    read: str
    at_least: int = Field(ge=0)


class CapacityField(Part):
    """A capability that the unit itself reports in a named register; `at_most`: what the map has room for.

    `where`: on a unit of which this does not hold the capability is 0.
    """

    read: str
    at_most: int = Field(ge=0)
    where: AtLeast | None = None


NumberSpace = Literal["card", "code", "plate", "qr"]


_RETIRED = frozenset({"special_days_exclusive", "write_unit", "readback"})


class Capabilities(Part):
    """The capability record: the same fields, types and defaults as the drivers' contract has."""

    @model_validator(mode="before")
    @classmethod
    def _without_retired_fields(cls, record: object) -> object:
        """Model files of 0.1.0 may name fields that nothing depended on: they are taken and left aside."""
        if not isinstance(record, dict):
            return record
        kept = ((key, value) for key, value in record.items() if key not in _RETIRED)
        return {key: tuple(value) if isinstance(value, list) else value for key, value in kept}

    max_schedules: int = Field(ge=0)
    first_id: int = Field(0, ge=0)
    max_time_periods_per_day: int | None = Field(None, ge=1)
    max_periods_per_schedule: int | None = Field(None, ge=1)
    max_distinct_day_plans: int | None = Field(None, ge=1)
    day_model: Literal["per_day", "mask_per_period", "mask_per_schedule"] = "mask_per_period"
    max_special_day_groups: int = Field(0, ge=0)
    max_days_in_special_day_group: int = Field(0, ge=0)
    special_day_bitmap_days: int = Field(0, ge=0)
    special_days_scope: Literal["schedule", "panel"] = "schedule"
    special_days_effect: Literal["replace", "add"] = "replace"
    special_days_span_years: int | None = Field(None, ge=1)
    date_range: Literal["none", "optional", "required"] = "none"
    first_date: int | None = None
    last_date: int | None = None
    link_chain: bool = False
    max_slots_per_profile: int = Field(1, ge=1)
    resolution_s: int = Field(60, ge=1)
    end_minute: Literal["exclusive", "inclusive", "unknown"] = "exclusive"
    last_minute: Literal["23:59", "24:00"] = "24:00"
    semantics: Literal["period", "event_list"] = "period"
    midnight_entry: bool = False
    carry_over: bool = False
    atomic: bool = False
    commit_step: bool = False
    clock: Literal["rw", "w", "none"] = "rw"
    dst: Literal["self", "table", "gateway"] = "gateway"
    clock_at_power_on: Literal["keeps", "unset", "unknown"] = "unknown"
    events_on_clock_step: Literal["evaluates", "edge_only", "unknown"] = "unknown"
    missing_reference: Literal["closed", "open", "unknown"] = "unknown"
    storage: Literal["ram", "eeprom", "flash"] = "ram"
    endurance: int | None = Field(None, ge=1)
    scope: Literal["panel", "output", "card"] = "card"
    stores_link_ids: bool = False
    outputs: int = Field(0, ge=0)
    output_deadman: bool = False
    max_identifiers: int = Field(0, ge=0)
    identifier_types: tuple[NumberSpace, ...] = ()
    references: int = Field(0, ge=0)
    identifier_validity: Literal["none", "day", "minute", "second"] = "none"
    max_passes: int = Field(0, ge=0)
    code_digits: int = Field(0, ge=0)
    card_bits: int = Field(64, ge=1, le=64)
    reserved_cards: tuple[int, ...] = ()
    event_log: int = Field(0, ge=0)
    log_names: Literal["slot", "number"] = "slot"


class Command(Part):
    """Words written to fixed registers. `count_staged`: the number of staged slots is written behind them."""

    address: Address
    values: tuple[Word, ...] = Field(min_length=1)
    count_staged: bool = False
    repeatable: bool = True
    storage: Literal["flash", "eeprom"] | None = None
    """Each use costs the endurance of this storage."""


class BusyStatus(Part):
    """What a commit's status register reads while the panel does not act on the commit yet; `done` then means that it does.

    `where`: the units that tell; absent: all.
    """

    equals: Word
    where: AtLeast | None = None


class CommitStatus(Part):
    """The register that says how the last commit ended, and those that say why it was refused."""

    read: str
    done: Word
    refused_address: str | None = None
    refused_reason: str | None = None
    reasons: dict[str, str] = Field(default_factory=dict)
    """Reason number (as text) -> what it means."""
    lost: tuple[Word, ...] = ()
    """`refused_address` values that mean: what was staged is gone (a restart, the staging time-out). Tried again."""
    staged: str | None = None
    """The register that counts staged slots: where it reads 0, a change does not begin with `begin`."""
    busy: BusyStatus | None = None
    """Panels that say when they act on a commit. Others are asked by `begin`."""


class Busy(Part):
    """The exception code by which the panel asks to wait; tried again every `retry_ms` for at most `give_up_ms`."""

    code: int = Field(6, ge=1, le=255)
    retry_ms: float = Field(20, gt=0, le=10_000)
    give_up_ms: float = Field(3000, gt=0, le=600_000)


class BitSetting(Part):
    """Bits of a holding register that must read `value` for writes to last or for the table to act; looked at each time."""

    address: Address
    mask: Word
    value: Word
    write: Word | None = None
    """The word written where the bits read otherwise; absent: the word as it was read, with these bits corrected."""
    when: Literal["always", "transaction", "clock"] = "always"
    """`always`: before anything is written. `transaction`: behind the words of a table, which acts by these bits. `clock`: before
    the clock is set, and saved.
    """


class WritePlanRules(Part):
    """How a change travels.

    A transaction is: `prepare` bits, `begin`, the words, `commit`, the bits by which a table acts, `save`. Words are written
    in the order that the schedule layout keeps (closings, then the rest, then openings, where there is no commit). Runs of
    changed words that are at most `merge_gap` unchanged words apart go in one frame.
    """

    merge_gap: int = Field(0, ge=0, le=123)
    prepare: tuple[BitSetting, ...] = ()
    begin: Command | None = None
    commit: Command | None = None
    commit_status: CommitStatus | None = None
    save: Command | None = None
    load: Command | None = None
    """Brings back what was last saved: sent where a restart took away a part of what was written since."""
    busy: Busy | None = None
    storage_per_write: Literal["flash", "eeprom"] | None = None
    """Every write of a word costs the endurance of this storage."""


ClockField = Literal["hour", "minute", "second", "hundredth", "weekday", "day", "month", "year", "zero"]


class FieldsClock(Part):
    """Wall clock as bytes, two a word, high byte first, written by one FC16; the gateway owns changes of offset."""

    codec: Literal["fields"]
    address: Address
    fields: tuple[ClockField, ...] = Field(min_length=2)
    encoding: Literal["binary", "bcd"] = "binary"
    year_base: int = Field(2000, ge=0, le=2200)
    first_weekday: int = Field(1, ge=0, le=1)
    """The number that stands for Monday."""


class UnixTableClock(Part):
    """Ten words: Unix time (2), offset in minutes, next change (2), offset after it, the one after (2), offset, trusted hours."""

    codec: Literal["unix-table"]
    address: Address
    wall: str
    """Name of the first of six registers with year, month, day, hour, minute, second."""
    trusted_hours: int = Field(0, ge=0, le=0xFFFF)


class MessageClock(Part):
    """Wall clock in a message of the protocol; the gateway owns changes of offset."""

    codec: Literal["message"]


Clock = Annotated[FieldsClock | UnixTableClock | MessageClock, Field(discriminator="codec")]


class OutputCommand(Part):
    """Output n at `address` + n. `tenths_per_unit` tells what one unit of a timed command lasts."""

    function: Literal["coil", "register"]
    address: Address
    tenths_per_unit: int = Field(1, ge=1)
    max_units: int = Field(0xFFFF, ge=1, le=0xFFFF)

    @property
    def longest_s(self) -> int:
        """The longest time that a timed command can express, in whole seconds."""
        return self.max_units * self.tenths_per_unit // 10


class Outputs(Part):
    """`state`: where output 0 is read, anything but 0 is on; `switch`: on and off; `lease`: on for a time, writing again
    prolongs; `pulse`: once. `acts` and `pulsing`: where `state` only says what was commanded, what output 0 does, and for how
    many tenths of a second its pulse still lasts (of a bit: whether it lasts)."""

    state: Register | None = None
    acts: Register | None = None
    pulsing: Register | None = None
    switch: OutputCommand | None = None
    lease: OutputCommand | None = None
    pulse: OutputCommand | None = None


LoggedKind = Literal["granted", "denied", "output_on", "output_off", "restarted", "clock_set", "committed"]


class EventLog(Part):
    """The panel's log of events. `last`: the register with the sequence number of its last event; `start`: two words, from which
    sequence number on the window shows events; `window`: where they are read, `events` of them.

    An event is 8 words: sequence number (2; 0: no event), Unix time (2; 0: the clock is unset), kind, identifier slot, output,
    reason; `none` stands for no slot or output.
    """

    last: str
    start: Address
    window: Address
    events: int = Field(ge=1, le=15)
    kinds: dict[str, LoggedKind]
    """Kind number (as text) -> what happened."""
    reasons: dict[str, Annotated[str, Field(pattern=r"^[a-z_]+$")]] = Field(default_factory=dict)
    """Reason number (as text) -> why nobody was let in, one word."""
    none: Word = 0xFFFF


class Option(Part):
    """A value of the file that a panel's settings may choose otherwise: `$name` stands for it where it is used."""

    default: bool | int | float | str
    meaning: str
    choices: tuple[bool | int | float | str, ...] = ()
