"""Hypothesis strategies of time profiles, zones and readings, drawn to clock changes, month ends and ends of rules."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from gateway.schedules.time_profile import DayType, Frequency, NthDay, Readings, Repeat, TimeProfile, WeekOrder

MINUTE, HOUR, DAY = 60, 3600, 86_400

# Whole and half hours of summer time, two steps, 45-minute offsets, changes at midnight, a skipped day, a changing Ramadan.
ZONES = tuple(
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Europe/Dublin",
        "America/Sao_Paulo", "Pacific/Apia", "Antarctica/Troll", "America/Havana", "America/St_Johns", "Asia/Beirut",
        "Pacific/Kiritimati",
    )
)  # fmt: skip

zones = st.sampled_from(ZONES)


def readings(
    zone: st.SearchStrategy[ZoneInfo] = zones,
    window: st.SearchStrategy[str] | None = None,
    timestamp: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[Readings]:
    return st.builds(
        Readings,
        zone=zone,
        window=window or st.sampled_from(["first_occurrence", "first_occurrence", "envelope"]),
        looper=st.sampled_from(["interval", "interval", "count"]),
        timestamp=timestamp or st.sampled_from(["instant", "instant", "local_as_utc"]),
    )


@lru_cache(maxsize=512)
def clock_changes(zone: ZoneInfo, year: int) -> tuple[int, ...]:
    """The instants in a year at which the zone's offset changes; found hour by hour, then second by second."""

    def offset(instant: int) -> object:
        return datetime.fromtimestamp(instant, zone).utcoffset()

    first, last = (int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (year, year + 1))
    days = (start for start in range(first, last, DAY) if offset(start) != offset(start + DAY))
    hours = (hour for start in days for hour in range(start, start + DAY, HOUR) if offset(hour) != offset(hour + HOUR))
    return tuple(next(t for t in range(hour + 1, hour + HOUR + 1) if offset(t) != offset(hour)) for hour in hours)


def instants(zone: ZoneInfo, first_year: int = 1971, last_year: int = 2199) -> st.SearchStrategy[int]:
    """Anywhere in the years, whole days and minutes preferred, and often within hours of a clock change."""
    years = st.one_of(st.integers(2005, 2035), st.integers(first_year, last_year)).filter(lambda y: first_year <= y <= last_year)
    return years.flatmap(lambda year: _in_year(zone, year))


def _in_year(zone: ZoneInfo, year: int) -> st.SearchStrategy[int]:
    first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    anywhere = st.builds(lambda day, second: first + day * DAY + second, st.integers(0, 364), _clocks)
    changes = clock_changes(zone, year)
    if not changes:
        return anywhere
    near = st.builds(lambda change, minutes, seconds: change + minutes * MINUTE + seconds,
                     st.sampled_from(changes), st.integers(-30 * 60, 30 * 60), st.sampled_from([0, 0, 0, 1, 59]))  # fmt: skip
    close = st.builds(lambda change, minutes: change + minutes * 10 * MINUTE, st.sampled_from(changes), st.integers(-9, 9))
    return st.one_of(anywhere, near, close)


_clocks = st.one_of(
    st.integers(0, 24 * 4 - 1).map(lambda quarter: quarter * 15 * MINUTE),
    st.integers(0, 24 * 60 - 1).map(lambda minute: minute * MINUTE),
    st.integers(0, DAY - 1),
)

durations = st.one_of(
    st.integers(1, 96).map(lambda quarters: quarters * 15 * MINUTE),
    st.integers(0, 3 * DAY),
    st.sampled_from([0, 1, MINUTE, DAY - 1, DAY, DAY + 1, 7 * DAY, 28 * DAY, 31 * DAY, 366 * DAY]),
    st.integers(0, 400).map(lambda days: days * DAY),
)

nth_days = st.builds(NthDay, st.sampled_from(WeekOrder), st.sampled_from(DayType))
loopers = st.one_of(st.integers(1, 5), st.sampled_from([6, 7, 12, 13, 28, 400, 1000]))


def _some(values: st.SearchStrategy[int], largest: int) -> st.SearchStrategy[frozenset[int] | None]:
    return st.one_of(st.none(), st.frozensets(values, min_size=1, max_size=largest))


_month_days = st.one_of(st.integers(1, 31), st.sampled_from([1, 28, 29, 30, 31]))
_plain = st.sampled_from(
    [(Frequency.DAY, 1), (Frequency.WEEK, 1), (Frequency.WEEK, 2), (Frequency.MONTH, 1), (Frequency.YEAR, 1)]
)


def repeats(end: st.SearchStrategy[int | None]) -> st.SearchStrategy[Repeat]:
    """Every shape of repetition that the API can express."""
    return st.one_of(
        st.builds(lambda plain, end: Repeat(plain[0], plain[1], end=end), _plain, end),
        st.builds(Repeat, st.just(Frequency.DAY), loopers, st.just(True), end=end),
        st.builds(Repeat, st.just(Frequency.WEEK), loopers, st.just(True), weekdays=_some(st.integers(0, 6), 7), end=end),
        st.builds(Repeat, st.just(Frequency.MONTH), loopers, st.just(True), month_days=_some(_month_days, 31), end=end),
        st.builds(Repeat, st.just(Frequency.MONTH), loopers, st.just(True), nth=nth_days, end=end),
        st.builds(
            Repeat,
            st.just(Frequency.YEAR),
            loopers,
            st.just(True),
            months=_some(st.integers(1, 12), 12),
            nth=st.none() | nth_days,
            end=end,
        ),
    )


@st.composite
def profiles(draw: st.DrawFn, zone: ZoneInfo, first_year: int = 1971, last_year: int = 2150) -> TimeProfile:
    """A profile of a site in this zone."""
    start = draw(instants(zone, first_year, last_year))
    end = start + draw(durations)
    last = st.one_of(st.none(), st.integers(-DAY, 900 * DAY).map(lambda seconds: end + seconds))
    return TimeProfile(
        link_id="00000000-0000-4000-8000-000000000001",
        name="drawn",
        is_all_day=draw(st.booleans()) and draw(st.booleans()),
        date_from=start,
        date_to=end,
        repeat=draw(st.one_of(st.none(), repeats(last), repeats(last), repeats(last))),
    )


@st.composite
def sites(draw: st.DrawFn, first_year: int = 1971, last_year: int = 2150) -> tuple[TimeProfile, Readings]:
    """A profile together with the readings of its site."""
    chosen = draw(readings())
    return draw(profiles(chosen.zone, first_year, last_year)), chosen


@st.composite
def moments(draw: st.DrawFn, profile: TimeProfile, zone: ZoneInfo) -> int:
    """An instant worth asking a profile about: near its bounds and its end, near clock changes, soon after, or years later."""
    repeat_end = profile.repeat.end if profile.repeat is not None else None
    bounds = st.sampled_from([profile.date_from, profile.date_to, profile.date_to if repeat_end is None else repeat_end])
    near = st.builds(lambda bound, off: bound + off, bounds, st.integers(-2 * DAY, 2 * DAY))
    later = st.builds(lambda off: profile.date_from + off, st.integers(0, 800 * DAY))
    year = datetime.fromtimestamp(profile.date_from, UTC).year
    return draw(st.one_of(near, later, instants(zone, year, min(2199, year + 20)), instants(zone)))
