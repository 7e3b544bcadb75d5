"""How a panel's schedule words lie: the parameters of each named layout. The code of a layout is the drivers'.

`period-table` describes plain register tables wholly in data; the other layouts say what data cannot express sanely.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.panel_parts import Address, Capabilities, Part, Word


class OpenAccessSlots(Part):
    """Slots of 64 words with link_id, dates and a check word; staged and committed."""

    layout: Literal["open-access-slots"]
    slots: Address
    check_words: Address
    """The check word of slot s is also read at this address + s."""
    erase: Address
    """Writing s here frees slot s at once."""
    in_use: str
    """Name of the register that counts used slots."""


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


class ModeInForce(Part):
    """The holding register with the mode that acts now: open where the bits of `mask` read `open`."""

    address: Address
    mask: Word = 0xFFFF
    open: Word


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
    """What an unused period reads."""

    start: Word = 0
    end: Word = 0
    days: Word = 0


_DAY_ENDS = {"minutes": 1440, "hour_minute_bytes": 0x1800, "hhmm": 2400, "bcd": 0x2400}
"""24:00 as a word."""


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
    """A day with `per_day`, else a slot."""
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

    @model_validator(mode="after")
    def _fits(self) -> PeriodTable:
        if (self.style == "records") != (self.days is not None):
            raise ValueError("records have a `days` word, a per_day table has none")
        if self.style == "per_day" and self.day_stride < self.periods * self.period_stride:
            raise ValueError("day_stride is less than the periods of a day take")
        if self.gate == "days" and self.days is None:
            raise ValueError("the gate word `days` does not exist")
        words = {"start": self.start, "end": self.end, "days": self.days}
        if any(offset is not None and offset >= self.period_stride for offset in words.values()):
            raise ValueError("a word of a period lies outside period_stride")
        self._gate_closes()
        days = 7 * self.day_stride if self.style == "per_day" else self.periods * self.period_stride
        if self.first_period + days > self.slot_stride:
            raise ValueError("the periods reach into the next slot")
        if any(offset is not None and offset >= self.slot_stride for offset in (self.state, self.valid_from, self.valid_to)):
            raise ValueError("a word of a slot lies outside slot_stride")
        return self

    def _gate_closes(self) -> None:
        """The unused gate word closes a period whatever its other words say."""
        closes = {
            "start": self.unused.start >= _DAY_ENDS[self.time],
            "end": self.unused.end == 0,
            "days": self.unused.days == 0,
        }
        if not closes[self.gate]:
            raise ValueError(f"a period with the unused `{self.gate}` word could be open")


ScheduleLayout = Annotated[OpenAccessSlots | GeSchedules | WeekEvents | PeriodTable, Field(discriminator="layout")]


def layout_misfits(record: Capabilities, layout: ScheduleLayout) -> Iterator[str]:
    """Capabilities that the layout has no words for, each with what it has."""
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
    yield from (f"{name} is not {value!r}" for name, value in wanted.items() if getattr(record, name) != value)
    for name, most in limits.items():
        value = getattr(record, name)
        if value is None or value > most:
            yield f"{name} is more than {most}"
