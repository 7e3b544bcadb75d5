"""WHEN as people write it: `now`, `fri 18:30`, `tomorrow 9:00`, `2026-12-24 08:00`, `24.12. 8:00`, `in 2 h`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from config.nearest import did_you_mean
from gateway.cli.output import Mistakes

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NEAR = {"today": 0, "tomorrow": 1, "yesterday": -1}
_NAMED_TIMES = {"noon": time(12), "midnight": time(0)}
_LENGTHS = {
    name: length
    for names, length in (("min minute minutes", 60), ("h hour hours", 3600), ("d day days", 86_400))
    for name in names.split()
}
_TIME = re.compile(r"([0-9]{1,2})(?:[:.]([0-9]{2}))?(?::[0-9]{2}(?:\.[0-9]+)?)?(am|pm)?")
"""Seconds, as `events` shows them, are read and count for nothing: no panel opens in the middle of a minute."""
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})?")
_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[t ][0-9:.]+(z|[+-][0-9]{2}:?[0-9]{2})")
"""A moment as log records write it, not on the wall clock of the site."""
_JOINED = re.compile(r"(?<=[0-9])t(?=[0-9])")
_IN = re.compile(r"in ([0-9]{1,5}) ?([a-z]+)")
_FIRST_YEAR, _LAST_YEAR = 1971, 2200
EXPECTED = "'now', 'fri 18:30', 'tomorrow 9:00', '2026-12-24 08:00' or 'in 2 h'"


@dataclass(frozen=True, slots=True)
class Moment:
    """`at`: in the site's zone. `note`: how it was read, where it could be read otherwise."""

    at: datetime
    note: str = ""

    @property
    def unix(self) -> int:
        return int(self.at.timestamp())

    @property
    def shown(self) -> str:
        """`Friday 2026-11-27 18:30`, with how it was read."""
        return f"{self.at:%A %Y-%m-%d %H:%M}" + (f" ({self.note})" if self.note else "")


def when(words: Sequence[str], now: datetime) -> Moment:
    """`now`: in the site's zone; the moment is in the same. Raises Mistakes that say what was expected."""
    text = " ".join(" ".join(words).lower().replace(",", " ").split())
    if not words or text == "now":
        return Moment(now)
    if (later := _IN.fullmatch(text)) and later[2] in _LENGTHS:
        later_at = datetime.fromtimestamp(now.timestamp() + int(later[1]) * _LENGTHS[later[2]], now.tzinfo)
        return _real(later_at.date(), later_at.time(), "", now)
    if _OFFSET.fullmatch(text):
        return _instant(text, now)
    first, _, rest = _JOINED.sub(" ", text).partition(" ")
    day, note = _day(first, now.date(), text)
    if day is None and rest:  # `18:30 fri`, as well
        before, _, last = text.rpartition(" ")
        day, note = _day(last, now.date(), text)
        rest = before
    if day is None:
        clock = _clock(text, text)
        return _real(now.date(), clock, "" if clock >= now.time() else "today, it is past", now)
    if rest:
        return _real(day, _clock(rest.removeprefix("at "), text), note, now)
    return _real(day, now.time(), ", ".join(filter(None, (note, f"{now:%H:%M} as now"))), now)


def _instant(text: str, now: datetime) -> Moment:
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(now.tzinfo)
    except (ValueError, OverflowError) as error:
        raise Mistakes([f"{text!r}: there is no such moment"]) from error
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise Mistakes([f"{text}: expected a year from {_FIRST_YEAR} to {_LAST_YEAR}"])
    return Moment(at.replace(second=0, microsecond=0))


def _real(day: date, clock: time, note: str, now: datetime) -> Moment:
    """An hour that the clock skips or repeats is read as it is in summer, or for the first time, and told."""
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise Mistakes([f"{day}: expected a year from {_FIRST_YEAR} to {_LAST_YEAR}"])
    at = datetime.combine(day, clock.replace(second=0, microsecond=0), now.tzinfo)
    there = datetime.fromtimestamp(at.timestamp(), now.tzinfo)
    if (there.hour, there.minute) != (at.hour, at.minute):
        return Moment(there, f"{at:%H:%M} is skipped by the clock on that day")
    if at.utcoffset() != at.replace(fold=1).utcoffset():
        return Moment(at, "the first of two, the clock repeats that hour")
    return Moment(at, note)


def _day(word: str, today: date, text: str) -> tuple[date | None, str]:
    """The day that a word means; None: it is no day. A weekday is the next one, today counts."""
    if word in _NEAR:
        return today + timedelta(_NEAR[word]), ""
    named = [index for index, name in enumerate(_WEEKDAYS) if len(word) >= 2 and name.startswith(word)]
    if len(named) == 1:
        ahead = (named[0] - today.weekday()) % 7
        return today + timedelta(ahead), "today" if ahead == 0 else ""
    try:
        if iso := _ISO.fullmatch(word):
            return date(int(iso[1]), int(iso[2]), int(iso[3])), ""
        if dotted := _DOTTED.fullmatch(word):
            year = int(dotted[3] or today.year)
            return date(year, int(dotted[2]), int(dotted[1])), "" if dotted[3] else f"of {year}"
    except ValueError as error:
        raise Mistakes([f"{text!r}: there is no such day"]) from error
    return None, ""


def _clock(word: str, text: str) -> time:
    if word in _NAMED_TIMES:
        return _NAMED_TIMES[word]
    read = _TIME.fullmatch(word.replace(" ", ""))
    if read is None or (read[2] is None and read[3] is None):
        raise Mistakes([f"{text!r} is no moment: expected {EXPECTED}{_near(word, text)}"])
    hour, minute, half = int(read[1]), int(read[2] or 0), read[3]
    if half is not None and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    elif half is not None:
        hour = 99
    if hour > 23 or minute > 59:
        raise Mistakes([f"{text!r}: expected an hour from 0 to 23 and a minute from 0 to 59"])
    return time(hour, minute)


def _near(word: str, text: str) -> str:
    """What may be meant by the part that is no time of day; where it is the whole text, by the first word."""
    if word.isascii() and word.isdigit() and len(word) <= 2 and int(word) < 24:
        return f"; did you mean '{word}:00'?"
    if word != text:
        return did_you_mean(word, _NAMED_TIMES)
    return did_you_mean(text.split()[0], [*_WEEKDAYS, *_NEAR, *_NAMED_TIMES, "now"]) if text else ""
