"""Converts a checked wire item into a TimeProfile. Pure; everything has been checked in models.py."""

from __future__ import annotations

from gateway.api.models import MonthOptions, NthDayRange, RepeatCustom, RepeatEnd, RepeatFormat, TimeProfileItem, YearOptions
from gateway.schedules.time_profile import DayType, Frequency, NthDay, Repeat, TimeProfile, WeekOrder

_SIMPLE = {
    "day": Repeat(Frequency.DAY),
    "week": Repeat(Frequency.WEEK),
    "twoWeeks": Repeat(Frequency.WEEK, interval=2),
    "month": Repeat(Frequency.MONTH),
    "year": Repeat(Frequency.YEAR),
}
_WEEKDAYS = {name: number for number, name in enumerate(("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"))}
_FREQUENCIES = {frequency.value: frequency for frequency in Frequency}
_ORDERS = {order.name.lower(): order for order in WeekOrder}
_DAY_TYPES = {day_type.value: day_type for day_type in DayType}


def time_profile(item: TimeProfileItem, link_id: str) -> TimeProfile:
    options = item.time_options
    repeat_format = item.repeat_options.repeat_format
    return TimeProfile(
        link_id=link_id,
        name=item.name,
        is_all_day=options.is_all_day,
        date_from=options.date_from,
        date_to=options.date_to,
        repeat=_repeat(repeat_format) if isinstance(repeat_format, RepeatFormat) else None,
    )


def _repeat(wire: RepeatFormat) -> Repeat:
    end = _end(wire.repeat_end)
    if isinstance(wire.repeat_custom, RepeatCustom):
        return _custom(wire.repeat_custom, end)
    simple = _SIMPLE[wire.repeat_type]
    return simple if end is None else Repeat(simple.frequency, simple.interval, end=end)


def _end(wire: RepeatEnd) -> int | None:
    return wire.date if isinstance(wire.date, int) else None


def _custom(wire: RepeatCustom, end: int | None) -> Repeat:
    weekdays = month_days = months = nth = None
    match wire.repeat_options:
        case list() as names:
            weekdays = frozenset(_WEEKDAYS[name] for name in names)
        case MonthOptions(range=NthDayRange() as day):
            nth = _nth(day)
        case MonthOptions(range=list() as days):
            month_days = frozenset(days)
        case YearOptions(months=numbers, range=day_range):
            months = frozenset(numbers)
            nth = None if day_range is None else _nth(day_range)
    return Repeat(
        frequency=_FREQUENCIES[wire.repeat_point_type],
        interval=wire.repeat_looper,
        custom=True,
        weekdays=weekdays,
        month_days=month_days,
        months=months,
        nth=nth,
        end=end,
    )


def _nth(wire: NthDayRange) -> NthDay:
    return NthDay(_ORDERS[wire.week_order], _DAY_TYPES[wire.day_type])
