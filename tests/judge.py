"""A second, independent opinion on when a time profile is open: brute force from first principles.

Written apart from the engine: no python-dateutil, nothing of `gateway.schedules` but the profile's values. It asks of one
day at a time whether a window starts on it, walks back from the moment in question to the latest such day, and finds the
ends of repeated hours by stepping through them second by second. Slow, and meant to be.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.schedules.time_profile import DayType, Frequency, NthDay, Readings, Repeat, TimeProfile

SECONDS_A_DAY = 86_400
_SEVEN = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def judge_is_open(profile: TimeProfile, readings: Readings, instant: int) -> bool:
    """Whether the profile is open at this Unix second."""
    return Judge(profile, readings).is_open(instant)


def judge_is_open_local(profile: TimeProfile, readings: Readings, local_second: int) -> bool:
    """Whether the profile is open when the wall clock reads this local second (since 1970-01-01T00:00 of the wall clock)."""
    return Judge(profile, readings).is_open_local(local_second)


def judge_is_open_at_minute(profile: TimeProfile, readings: Readings, local_minute: int) -> bool:
    """As `judge_is_open_local`, for the first second of a local minute since 1970-01-01T00:00."""
    return judge_is_open_local(profile, readings, local_minute * 60)


def wall_clock(zone: ZoneInfo, instant: int) -> datetime:
    """What the clock on the wall shows, without a zone; `fold` 1 in the second pass of a repeated hour."""
    return datetime.fromtimestamp(instant, zone).replace(tzinfo=None)


def seconds_on_wall(moment: datetime) -> int:
    """Local second of a wall clock reading."""
    return int(moment.replace(tzinfo=UTC, fold=0).timestamp())


class Judge:
    """One profile under one set of readings. Remembers per day whether a window starts on it."""

    def __init__(self, profile: TimeProfile, readings: Readings) -> None:
        self._readings = readings
        self._envelope = readings.window == "envelope"
        self._repeat = profile.repeat or (Repeat(Frequency.DAY) if self._envelope else None)
        start, end = self._read(profile.date_from), self._read(profile.date_to)
        if profile.is_all_day:
            start, end = self._whole_days(profile)
        self._bounds = (start, end)
        if (self._repeat is None or self._envelope) and not profile.is_all_day and readings.timestamp == "instant":
            self._bounds = (self._late_start(profile.date_from), self._early_end(profile.date_to))
        self._anchor = start
        self._length = end - start
        if self._envelope:
            self._length = SECONDS_A_DAY if profile.is_all_day else (end - start) % SECONDS_A_DAY
        self._starts: dict[int, bool] = {}
        self._last = self._last_by_count()

    def is_open(self, instant: int) -> bool:
        return self.is_open_local(seconds_on_wall(wall_clock(self._readings.zone, instant)))

    def is_open_local(self, second: int) -> bool:
        if self._repeat is None:
            return self._bounds[0] <= second < self._bounds[1]
        if self._envelope and not self._bounds[0] <= second < self._bounds[1]:
            return False
        start = self._latest_start(second)
        return start is not None and second < start + self._length

    def starts_on(self, day: int) -> bool:
        """Whether a window starts on this local day."""
        if day not in self._starts:
            self._starts[day] = self._decide(day)
        return self._starts[day] and (self._last is None or day <= self._last)

    def _read(self, instant: int) -> int:
        if self._readings.timestamp == "local_as_utc":
            return instant
        return seconds_on_wall(wall_clock(self._readings.zone, instant))

    def _whole_days(self, profile: TimeProfile) -> tuple[int, int]:
        first = self._read(profile.date_from) // SECONDS_A_DAY
        last, clock = divmod(self._read(profile.date_to), SECONDS_A_DAY)
        if clock == 0 or self._read(profile.date_to - 1) // SECONDS_A_DAY < last:
            last -= 1
        return first * SECONDS_A_DAY, (max(first, last) + 1) * SECONDS_A_DAY

    def _late_start(self, instant: int) -> int:
        """In the second pass of a repeated hour: where that hour ends."""
        if wall_clock(self._readings.zone, instant).fold == 0:
            return self._read(instant)
        while wall_clock(self._readings.zone, instant).fold == 1:
            instant += 1
        return self._read(instant)

    def _early_end(self, instant: int) -> int:
        """In the first pass of a repeated hour: where that hour starts."""
        while self._comes_again(instant - 1) and self._comes_again(instant):
            instant -= 1
        return self._read(instant)

    def _comes_again(self, instant: int) -> bool:
        here = datetime.fromtimestamp(instant, self._readings.zone)
        return here.fold == 0 and here.utcoffset() != here.replace(fold=1).utcoffset()

    def _latest_start(self, second: int) -> int | None:
        clock = self._anchor % SECONDS_A_DAY
        day = (second - clock) // SECONDS_A_DAY
        while day * SECONDS_A_DAY >= self._anchor - clock and day * SECONDS_A_DAY + clock + self._length > second:
            if self.starts_on(day):
                return day * SECONDS_A_DAY + clock
            day -= 1
        return None

    def _last_by_count(self) -> int | None:
        """Tries one day after the other, for 240 years, until the count is used up."""
        if self._repeat is None or not self._repeat.custom or self._readings.looper == "interval":
            return None
        left, first = self._repeat.interval, self._anchor // SECONDS_A_DAY
        for day in range(first, first + 240 * 366):
            left -= self._decide(day)
            if left == 0:
                return day
        return None

    def _decide(self, day: int) -> bool:
        repeat, first = self._repeat, self._anchor // SECONDS_A_DAY
        if repeat is None or day < first:
            return False
        if repeat.end is not None and day > self._read(repeat.end) // SECONDS_A_DAY:
            return False
        every = 1 if repeat.custom and self._readings.looper == "count" else repeat.interval
        here, anchor = _date(day), _date(first)
        match repeat.frequency:
            case Frequency.DAY:
                return (day - first) % every == 0
            case Frequency.WEEK:
                weeks = (day - here.weekday() - first + anchor.weekday()) // 7
                return weeks % every == 0 and here.weekday() in _given(repeat.weekdays, anchor.weekday())
            case Frequency.MONTH:
                months = (here.year - anchor.year) * 12 + here.month - anchor.month
                return months % every == 0 and _on_day(here, repeat.nth, _given(repeat.month_days, anchor.day))
            case Frequency.YEAR:
                in_month = here.month in _given(repeat.months, anchor.month)
                return in_month and (here.year - anchor.year) % every == 0 and _on_day(here, repeat.nth, {anchor.day})


def _date(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


def _given(asked: frozenset[int] | None, own: int) -> set[int]:
    return {own} if asked is None else set(asked)


def _on_day(here: datetime, nth: NthDay | None, days: set[int]) -> bool:
    if nth is None:
        return here.day in days
    if not _is_type(here, nth.day_type):
        return False
    alike = [day for day in _month_of(here) if _is_type(day, nth.day_type)]
    place = alike.index(here) + 1
    return (
        place == len(alike)
        if nth.order.name == "LAST"
        else place == ("FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH").index(nth.order.name) + 1
    )


def _month_of(here: datetime) -> list[datetime]:
    days = (here.replace(day=1) + timedelta(days=n) for n in range(31))
    return [day for day in days if day.month == here.month]


def _is_type(here: datetime, day_type: DayType) -> bool:
    name = _SEVEN[here.weekday()]
    return day_type.name in (name, "DAY", "DAY_OFF" if name in ("SAT", "SUN") else "WEEK_DAY")
