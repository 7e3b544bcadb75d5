"""Wall clock and instants: what a site's clock reads at an instant, and which instants read a given wall clock.

Instants are whole Unix seconds. A local second counts from 1970-01-01T00:00 of the wall clock, as if every day had 86,400
seconds; a local day is `local second // DAY_S`. The two differ by the zone's offset at that instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_S = 86_400
_EPOCH = date(1970, 1, 1).toordinal()

# The calendar within which answers are given. Rules that begin in 2200 and repeat every 1000 years come back in it once.
FIRST_INSTANT = -2 * DAY_S
LAST_DAY = date(3299, 12, 31).toordinal() - _EPOCH
LAST_SECOND = (LAST_DAY + 1) * DAY_S

_BUCKET = 400 * DAY_S


@dataclass(frozen=True, slots=True)
class ClockChange:
    """From `instant` on the offset is `after`; one second earlier it was `before`. Offsets are seconds east of UTC."""

    instant: int
    before: int
    after: int


def weekday(day: int) -> int:
    """The weekday of a day that counts from 1970-01-01, a Thursday: 0 Monday .. 6 Sunday."""
    return (day + 3) % 7


def day_of(moment: date) -> int:
    return moment.toordinal() - _EPOCH


def date_of(day: int) -> date:
    return date.fromordinal(day + _EPOCH)


def offset_at(zone: ZoneInfo, instant: int) -> int:
    """Seconds east of UTC."""
    return _offset_of(datetime.fromtimestamp(instant, zone))


def _offset_of(moment: datetime) -> int:
    offset = moment.utcoffset() or timedelta()
    return offset.days * DAY_S + offset.seconds


def local_second(zone: ZoneInfo, instant: int) -> int:
    return instant + offset_at(zone, instant)


def steady_until(zone: ZoneInfo, instant: int) -> int:
    """An instant up to which the offset remains that of `instant`: the next clock change, unless that is many months away."""
    bucket = instant // _BUCKET
    return next((change.instant for change in _changes(zone, bucket) if change.instant > instant), (bucket + 1) * _BUCKET)


def changes_between(zone: ZoneInfo, start: int, end: int) -> Iterator[ClockChange]:
    """Clock changes with start <= instant < end, ascending."""
    for bucket in range((start - 1) // _BUCKET, (end - 1) // _BUCKET + 1):
        yield from (change for change in _changes(zone, bucket) if start <= change.instant < end)


@lru_cache(maxsize=4096)
def _changes(zone: ZoneInfo, bucket: int) -> tuple[ClockChange, ...]:
    """Changes in (bucket * _BUCKET, (bucket + 1) * _BUCKET]. Two that cancel out in a day would go unseen; no zone has them."""
    start = bucket * _BUCKET
    probes = range(start, start + _BUCKET, DAY_S)
    return tuple(change for probe in probes for change in _search(zone, probe, probe + DAY_S))


def _search(zone: ZoneInfo, low: int, high: int) -> Iterator[ClockChange]:
    before, after = offset_at(zone, low), offset_at(zone, high)
    if before == after:
        return
    if high - low == 1:
        yield ClockChange(high, before, after)
        return
    middle = (low + high) // 2
    yield from _search(zone, low, middle)
    yield from _search(zone, middle, high)


def start_not_wider(zone: ZoneInfo, instant: int) -> int:
    """The local second of a start that must not open earlier: in the second pass of a repeated hour, the end of that hour."""
    second = local_second(zone, instant)
    change = _repeated(zone, instant, second)
    return second if change is None or instant < change.instant else change.instant + change.before


def end_not_wider(zone: ZoneInfo, instant: int) -> int:
    """The local second of an end that must not close later: in the first pass of a repeated hour, the start of that hour."""
    second = local_second(zone, instant)
    change = _repeated(zone, instant, second)
    return second if change is None or instant >= change.instant else change.instant + change.after


def _repeated(zone: ZoneInfo, instant: int, second: int) -> ClockChange | None:
    """The clock change that makes the wall clock read twice what it reads at `instant`: this local second."""
    changes = changes_between(zone, instant - DAY_S, instant + DAY_S)
    return next((c for c in changes if c.instant + c.after <= second < c.instant + c.before), None)


def is_ever_read(zone: ZoneInfo, start: int, end: int) -> bool:
    """Whether the wall clock reads any of the local seconds start <= s < end; not when all lie in a missing hour (or day)."""
    return end - start > DAY_S or not (_is_missing(zone, start) and _is_missing(zone, end - 1))


def _is_missing(zone: ZoneInfo, second: int) -> bool:
    """A missing reading, taken with the offset from before the clock change, comes back as a later one."""
    offset = _offset_of(datetime.fromtimestamp(second, UTC).replace(tzinfo=zone))
    return local_second(zone, second - offset) != second
