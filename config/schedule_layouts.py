"""How a panel's schedule words are arranged: the parameters of each named layout. The code of a layout is in the drivers.

`period-table` describes plain register tables wholly in data; the other layouts are for what data cannot express well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from config.panel_parts import Address, Capabilities, Part, Word


class OpenAccessIdentifiers(Part):
    """Slots of 16 words with a number, references to schedule slots and a check word; committed together with the schedules."""

    slots: Address
    erase: Address
    """Writing i here frees identifier slot i at once."""
    erase_storage: Literal["flash", "eeprom"] | None = None
    """Each use costs the endurance of this storage."""
    in_use: str
    """Name of the register that counts used slots."""
    passes: Address
    """How many entries identifier i has had is read at this address + i."""


class OpenAccessSlots(Part):
    """Slots of 64 words with link_id, dates and a check word; staged and committed."""

    layout: Literal["open-access-slots"]
    slots: Address
    check_words: Address
    """The check word of slot s is also read at this address + s."""
    erase: Address
    """Writing s here frees slot s at once."""
    erase_storage: Literal["flash", "eeprom"] | None = None
    """Each use costs the endurance of this storage."""
    in_use: str
    """Name of the register that counts used slots."""
    identifiers: OpenAccessIdentifiers | None = None


class GeSchedules(Part):
    """Schedules of nine day lists (Monday to Sunday, two calendars) of timed values; calendars are lists of dates."""

    layout: Literal["ge-schedules"]
    schedules: Address
    stride: int = Field(290, ge=1)
    events_per_day: int = Field(16, ge=1)
    calendars: tuple[Address, ...]
    """The register that counts a calendar's dates; the dates follow it."""
    dates_per_calendar: int = Field(90, ge=1)
    frozen: Address
    """Coils, one a schedule: its value stands still while set."""
    values: Address
    """Coils, one a schedule: its value now; written, it holds until the schedule's next event."""
    time_bytes: Literal["hour_minute", "minute_hour"] = "hour_minute"


class Forcing(Part):
    """Words written to a register one after the other, closed first: then the panel acts on what its table says now."""

    address: Address
    values: tuple[Word, ...] = Field(min_length=1)


class ModeInForce(Part):
    """The holding register with the mode that acts now: open where the bits of `mask` read `open`."""

    address: Address
    mask: Word = 0xFFFF
    open: Word
    force: Forcing | None = None
    """For a panel that may go on with an old mode after its clock was set."""


class WeekEvents(Part):
    """One table of seven days with a fixed number of timed modes a day; a mode holds until the next one."""

    layout: Literal["week-events"]
    address: Address
    events_per_day: int = Field(ge=1)
    day_stride: int = Field(ge=1)
    open: Word
    closed: Word
    disabled: Word
    """Added to a mode: this event does not count."""
    in_force: ModeInForce | None = None


class UnusedPeriod(Part):
    """What the words of an unused period read."""

    start: Word = 0
    end: Word = 0
    days: Word = 0


_DAY_ENDS = {"minutes": 1440, "hour_minute_bytes": 0x1800, "hhmm": 2400, "bcd": 0x2400}
"""The word that means 24:00."""


class PeriodTable(Part):
    """Plain register tables. Slot s at `address` + s * `slot_stride`; all offsets count from the slot's first word.

    `per_day`: a list of periods for each weekday, Monday first; `records`: one list, each with a weekday mask (bit 0
    Monday). A period is closed while its `gate` word holds the unused value: it is written last.
    """

    layout: Literal["period-table"]
    address: Address
    slot_stride: int = Field(ge=1)
    style: Literal["per_day", "records"]
    first_period: int = Field(0, ge=0)
    periods: int = Field(ge=1)
    """The number of periods of a day with `per_day`, else of a slot."""
    period_stride: int = Field(2, ge=1)
    day_stride: int = Field(0, ge=0)
    start: int = Field(0, ge=0)
    end: int = Field(1, ge=0)
    days: int | None = Field(None, ge=0)
    gate: Literal["start", "end", "days"] = "end"
    time: Literal["minutes", "hour_minute_bytes", "hhmm", "bcd"] = "minutes"
    unused: UnusedPeriod = UnusedPeriod()
    state: int | None = Field(None, ge=0)
    """Offset of a word that reads `state_used` or `state_free`."""
    state_used: Word = 1
    state_free: Word = 0
    valid_from: int | None = Field(None, ge=0)
    valid_to: int | None = Field(None, ge=0)
    """Offsets of days since 1970, 0 and 0xFFFF open."""


class UhppoteProfiles(Part):
    """Time profiles in messages: three periods on one set of weekdays between two dates, and a link to another profile."""

    layout: Literal["uhppote-profiles"]


ScheduleLayout = Annotated[
    OpenAccessSlots | GeSchedules | WeekEvents | PeriodTable | UhppoteProfiles, Field(discriminator="layout")
]


_OPEN_ACCESS_SLOT = 64
_WEEK = 7
_GE_HEAD = 2
"""How many words of a schedule stand before its lists."""


def layout_faults(layout: ScheduleLayout) -> Iterator[tuple[str, str]]:
    """The keys of a layout that contradict each other, each with what is wrong."""
    match layout:
        case GeSchedules():
            if layout.stride < _GE_HEAD + 2 * layout.events_per_day * (_WEEK + len(layout.calendars)):
                yield "stride", "less than the lists of a schedule take"
        case WeekEvents():
            if layout.day_stride < 2 * layout.events_per_day:
                yield "day_stride", "less than the events of a day take"
        case PeriodTable():
            yield from _table_faults(layout)


def _table_faults(table: PeriodTable) -> Iterator[tuple[str, str]]:
    if (table.style == "records") != (table.days is not None):
        yield "days", "records have a `days` word, a per_day table has none"
    if table.style == "per_day" and table.day_stride < table.periods * table.period_stride:
        yield "day_stride", "less than the periods of a day take"
    if table.gate == "days" and table.days is None:
        yield "gate", "the gate word `days` does not exist"
    for key in ("start", "end", "days"):
        offset = getattr(table, key)
        if offset is not None and offset >= table.period_stride:
            yield key, "a word of a period lies outside period_stride"
    if not _gate_closes(table):
        yield "unused", f"a period with the unused `{table.gate}` word could be open"
    taken = _WEEK * table.day_stride if table.style == "per_day" else table.periods * table.period_stride
    if table.first_period + taken > table.slot_stride:
        yield "slot_stride", "the periods reach into the next slot"
    for key in ("state", "valid_from", "valid_to"):
        offset = getattr(table, key)
        if offset is not None and offset >= table.slot_stride:
            yield key, "a word of a slot lies outside slot_stride"


def _gate_closes(table: PeriodTable) -> bool:
    """The unused gate word closes a period whatever its other words say."""
    unused = table.unused
    closes = {"start": unused.start >= _DAY_ENDS[table.time], "end": unused.end == 0, "days": unused.days == 0}
    return closes[table.gate]


def layout_extents(layout: ScheduleLayout, schedules: int) -> Iterator[tuple[str, int, int]]:
    """The key, documented address and number of addresses of every block that a layout of `schedules` schedules uses."""
    match layout:
        case OpenAccessSlots():
            yield "slots", layout.slots, _OPEN_ACCESS_SLOT * schedules
            yield "check_words", layout.check_words, schedules
            yield "erase", layout.erase, 1
        case GeSchedules():
            yield "schedules", layout.schedules, layout.stride * schedules
            yield from ((f"calendars[{n}]", at, 1 + 2 * layout.dates_per_calendar) for n, at in enumerate(layout.calendars))
            yield "frozen", layout.frozen, schedules
            yield "values", layout.values, schedules
        case WeekEvents():
            yield "address", layout.address, _WEEK * layout.day_stride
            if layout.in_force is not None:
                yield "in_force.address", layout.in_force.address, 1
            if layout.in_force is not None and layout.in_force.force is not None:
                yield "in_force.force.address", layout.in_force.force.address, 1
        case PeriodTable():
            yield "address", layout.address, layout.slot_stride * schedules


def layout_misfits(record: Capabilities, layout: ScheduleLayout) -> Iterator[tuple[str, str]]:
    """The capabilities for which the layout has no words, each with what is wrong."""
    limits: dict[str, int] = {}
    wanted: dict[str, object] = {"link_chain": False, "special_days_effect": "replace"}
    match layout:
        case OpenAccessSlots():
            limits = {"max_periods_per_schedule": 12, "max_special_day_groups": 1, "max_days_in_special_day_group": 14}
            limits |= {"special_day_bitmap_days": 224}
            wanted |= {"day_model": "mask_per_period", "semantics": "period", "end_minute": "exclusive"}
        case GeSchedules():
            limits = {"max_time_periods_per_day": layout.events_per_day, "max_special_day_groups": len(layout.calendars)}
            limits |= {"max_days_in_special_day_group": layout.dates_per_calendar, "special_day_bitmap_days": 0}
            wanted |= {"semantics": "event_list", "midnight_entry": True, "date_range": "none", "special_days_scope": "panel"}
        case WeekEvents():
            limits = {"max_time_periods_per_day": layout.events_per_day, "max_special_day_groups": 0, "max_schedules": 1}
            wanted |= {"semantics": "event_list", "midnight_entry": True, "date_range": "none"}
        case PeriodTable():
            a_day = "max_time_periods_per_day" if layout.style == "per_day" else "max_periods_per_schedule"
            limits = {a_day: layout.periods, "max_special_day_groups": 0}
            wanted |= {"day_model": "per_day" if layout.style == "per_day" else "mask_per_period", "semantics": "period"}
            if layout.valid_from is None or layout.valid_to is None:
                wanted["date_range"] = "none"
            if layout.gate == "end":
                wanted["end_minute"] = "exclusive"
        case UhppoteProfiles():
            limits = {"max_periods_per_schedule": 3, "max_special_day_groups": 0}
            wanted |= {"day_model": "mask_per_schedule", "semantics": "period", "date_range": "required", "link_chain": True}
            wanted |= {"end_minute": "inclusive"}
    yield from ((name, f"must be {value!r} with this layout") for name, value in wanted.items() if getattr(record, name) != value)
    for name, most in limits.items():
        value = getattr(record, name)
        if value is None or value > most:
            yield name, f"must be given, and at most {most}, with this layout"
