"""Settles a time profile on the wall clock of its site: every reading is decided here, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from gateway.schedules.local_time import DAY, date_of, end_not_wider, local_second, start_not_wider
from gateway.schedules.rules import LocalRule, start_days
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile

_ONCE_A_DAY = Repeat(Frequency.DAY)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """First occurrence in local seconds: as the clock reads, and as a single window that must not be wider than asked."""

    start: int
    end: int
    not_before: int
    not_after: int


def local_rule(profile: TimeProfile, readings: Readings) -> LocalRule:
    bounds = _all_day(profile, readings) if profile.is_all_day else _bounds(profile, readings)
    if readings.window == "envelope":
        return _ended(_envelope(bounds, profile, readings), profile.repeat, readings)
    if profile.repeat is None:
        return LocalRule(None, bounds.not_before, max(0, bounds.not_after - bounds.not_before))
    rule = _repeated(profile.repeat, bounds.start, max(0, bounds.end - bounds.start), readings)
    return _ended(rule, profile.repeat, readings)


def _read(instant: int, readings: Readings) -> int:
    return instant if readings.timestamp == "local_as_utc" else local_second(readings.zone, instant)


def _bounds(profile: TimeProfile, readings: Readings) -> _Bounds:
    start, end = _read(profile.date_from, readings), _read(profile.date_to, readings)
    if readings.timestamp == "local_as_utc":
        return _Bounds(start, end, start, end)
    return _Bounds(start, end, start_not_wider(readings.zone, profile.date_from), end_not_wider(readings.zone, profile.date_to))


def _all_day(profile: TimeProfile, readings: Readings) -> _Bounds:
    """From 00:00 of the first date to 24:00 of the last.

    An end at a day's first moment adds no day; where 00:00 is in a missing hour, that moment is the end of the hour.
    """
    first = _read(profile.date_from, readings) // DAY
    last = min((_read(profile.date_to, readings) - 1) // DAY, _read(profile.date_to - 1, readings) // DAY)
    start, end = first * DAY, (max(first, last) + 1) * DAY
    return _Bounds(start, end, start, end)


def _envelope(bounds: _Bounds, profile: TimeProfile, readings: Readings) -> LocalRule:
    """A window a day from the start's clock part to the end's, inside the envelope."""
    length = DAY if profile.is_all_day else (bounds.end - bounds.start) % DAY
    rule = _repeated(profile.repeat or _ONCE_A_DAY, bounds.start, length, readings)
    last_day = (bounds.not_after - 1 - rule.start_second) // DAY
    return replace(rule, last_day=last_day, opens=bounds.not_before, closes=bounds.not_after)


def _repeated(repeat: Repeat, anchor: int, length: int, readings: Readings) -> LocalRule:
    """What the API left out is the anchor's own weekday, day number and month."""
    first = date_of(anchor // DAY)
    counted = repeat.custom and readings.looper == "count"
    rule = LocalRule(repeat.frequency, anchor, length, interval=1 if counted else repeat.interval)
    match repeat.frequency:
        case Frequency.DAY:
            return rule
        case Frequency.WEEK:
            return replace(rule, weekdays=_or(repeat.weekdays, first.weekday()))
        case Frequency.MONTH:
            days = frozenset[int]() if repeat.nth else _or(repeat.month_days, first.day)
            return replace(rule, month_days=days, nth=repeat.nth)
        case Frequency.YEAR:
            days = frozenset[int]() if repeat.nth else frozenset((first.day,))
            return replace(rule, months=_or(repeat.months, first.month), month_days=days, nth=repeat.nth)


def _or(given: frozenset[int] | None, own: int) -> frozenset[int]:
    return frozenset((own,)) if given is None else given


def _ended(rule: LocalRule, repeat: Repeat | None, readings: Readings) -> LocalRule:
    """The rule with its end by date and by count: both are a last start day."""
    if repeat is None:
        return rule
    if repeat.end is not None:
        rule = _until(rule, _read(repeat.end, readings) // DAY)
    if repeat.custom and readings.looper == "count":
        last = next(islice(start_days(rule, rule.first_day), repeat.interval - 1, None), None)
        rule = rule if last is None else _until(rule, last)
    return rule


def _until(rule: LocalRule, last_day: int) -> LocalRule:
    return replace(rule, last_day=last_day if rule.last_day is None else min(rule.last_day, last_day))
