"""Settles a time profile on the wall clock of its site: every reading is decided here, once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice

from gateway.schedules.local_time import DAY_S, date_of, end_not_wider, local_second, start_not_wider
from gateway.schedules.rules import LocalRule, start_days
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile, WallReading

_ONCE_A_DAY = Repeat(Frequency.DAY)


def wall_reading(profile: TimeProfile, readings: Readings) -> WallReading:
    """What the profile's instants read on the site's wall clock, by the zone's current rules."""
    start, end, last = (_read(at, readings) for at in (profile.date_from, profile.date_to, profile.date_to - 1))
    not_before, not_after = start, end
    if readings.timestamp == "instant":
        not_before = start_not_wider(readings.zone, profile.date_from)
        not_after = end_not_wider(readings.zone, profile.date_to)
    ends = None if profile.repeat is None else profile.repeat.end
    until = None if ends is None else _read(ends, readings) // DAY_S
    return WallReading(readings.zone.key, readings.timestamp, start, end, last, not_before, not_after, until)


def is_read_for(profile: TimeProfile, readings: Readings) -> bool:
    """Whether the profile keeps a reading that counts for this site."""
    kept = profile.reading
    return kept is not None and (kept.zone, kept.timestamp) == (readings.zone.key, readings.timestamp)


def accepted(profile: TimeProfile, readings: Readings) -> TimeProfile:
    """The profile with the reading that it keeps from now on, however the zone's rules change."""
    return profile if is_read_for(profile, readings) else replace(profile, reading=wall_reading(profile, readings))


def local_rule(profile: TimeProfile, readings: Readings) -> LocalRule:
    reading = accepted(profile, readings).reading
    assert reading is not None, "it was read just now"
    if profile.is_all_day:
        reading = _all_day(reading)
    if readings.window == "envelope":
        return _ended(_envelope(reading, profile, readings), profile.repeat, reading, readings)
    if profile.repeat is None:
        return LocalRule(None, reading.not_before, max(0, reading.not_after - reading.not_before))
    rule = _repeated(profile.repeat, reading.start, max(0, reading.end - reading.start), readings)
    return _ended(rule, profile.repeat, reading, readings)


def _read(instant: int, readings: Readings) -> int:
    return instant if readings.timestamp == "local_as_utc" else local_second(readings.zone, instant)


def _all_day(reading: WallReading) -> WallReading:
    """The reading from 00:00 of the first date to 24:00 of the last.

    An end at a day's first moment adds no day; where 00:00 is in a missing hour, that moment is the end of the hour.
    """
    first = reading.start // DAY_S
    last = min((reading.end - 1) // DAY_S, reading.last // DAY_S)
    start, end = first * DAY_S, (max(first, last) + 1) * DAY_S
    return replace(reading, start=start, end=end, not_before=start, not_after=end)


def _envelope(reading: WallReading, profile: TimeProfile, readings: Readings) -> LocalRule:
    """One window per day, from the start's time of day to the end's, inside the envelope."""
    length = DAY_S if profile.is_all_day else (reading.end - reading.start) % DAY_S
    rule = _repeated(profile.repeat or _ONCE_A_DAY, reading.start, length, readings)
    last_day = (reading.not_after - 1 - rule.start_second) // DAY_S
    return replace(rule, last_day=last_day, opens=reading.not_before, closes=reading.not_after)


def _repeated(repeat: Repeat, anchor: int, length: int, readings: Readings) -> LocalRule:
    """The rule; what the API left out is the anchor's own weekday, day number or month."""
    first = date_of(anchor // DAY_S)
    counted = repeat.custom and readings.looper == "count"
    rule = partial(LocalRule, repeat.frequency, anchor, length, 1 if counted else repeat.interval)
    match repeat.frequency:
        case Frequency.DAY:
            return rule()
        case Frequency.WEEK:
            return rule(weekdays=_or(repeat.weekdays, first.weekday()))
        case Frequency.MONTH:
            days = frozenset[int]() if repeat.nth else _or(repeat.month_days, first.day)
            return rule(month_days=days, nth=repeat.nth)
        case Frequency.YEAR:
            days = frozenset[int]() if repeat.nth else frozenset((first.day,))
            return rule(months=_or(repeat.months, first.month), month_days=days, nth=repeat.nth)


def _or(given: frozenset[int] | None, own: int) -> frozenset[int]:
    return frozenset((own,)) if given is None else given


def _ended(rule: LocalRule, repeat: Repeat | None, reading: WallReading, readings: Readings) -> LocalRule:
    """The rule with its end by date and by count, both as a last start day."""
    if repeat is None:
        return rule
    if reading.until is not None:
        rule = _until(rule, reading.until)
    if repeat.custom and readings.looper == "count":
        last = next(islice(start_days(rule, rule.first_day), repeat.interval - 1, None), None)
        rule = rule if last is None else _until(rule, last)
    return rule


def _until(rule: LocalRule, last_day: int) -> LocalRule:
    return replace(rule, last_day=last_day if rule.last_day is None else min(rule.last_day, last_day))
