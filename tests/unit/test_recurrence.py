"""Every row of the meaning of a time profile, and every edge rule, by hand-made examples."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import DayType, Frequency, NthDay, Readings, Repeat, TimeProfile, WeekOrder

KYIV = ZoneInfo("Europe/Kyiv")
UTC_ZONE = ZoneInfo("UTC")
DAY, WEEK, MONTH, YEAR = Frequency
FIRST, SECOND, THIRD, FOURTH, FIFTH, LAST = WeekOrder

Window = Literal["first_occurrence", "envelope"]


def instant(text: str, zone: ZoneInfo = KYIV) -> int:
    """The instant of a wall clock reading; with `*` at its end, in the second pass of a repeated hour."""
    moment = datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=zone, fold=text.endswith("*"))
    return int(moment.timestamp())


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def recurrence(
    start: str,
    end: str,
    repeat: Repeat | None = None,
    *,
    all_day: bool = False,
    zone: ZoneInfo = KYIV,
    window: Window = "first_occurrence",
    looper: Literal["interval", "count"] = "interval",
    timestamp: Literal["instant", "local_as_utc"] = "instant",
) -> Recurrence:
    read = (lambda text: instant(text, zone)) if timestamp == "instant" else local
    profile = TimeProfile("00000000-0000-4000-8000-000000000001", "p", all_day, read(start), read(end), repeat)
    return Recurrence(profile, Readings(zone, window, looper, timestamp))


def custom(
    frequency: Frequency,
    looper: int = 1,
    *,
    weekdays: set[int] | None = None,
    month_days: set[int] | None = None,
    months: set[int] | None = None,
    nth: NthDay | None = None,
    end: int | None = None,
) -> Repeat:
    sets = [None if given is None else frozenset(given) for given in (weekdays, month_days, months)]
    return Repeat(frequency, looper, True, sets[0], sets[1], sets[2], nth, end)


def shown(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def dates(subject: Recurrence, count: int) -> list[str]:
    """The dates on which the first windows start."""
    return [shown(start)[:10] for start, _ in islice(subject.local_windows(0, 800_000), count)]


def windows(subject: Recurrence, count: int = 10) -> list[tuple[str, str]]:
    return [(shown(start), shown(end)) for start, end in islice(subject.local_windows(0, 800_000), count)]


def periods(subject: Recurrence, start: str, end: str, zone: ZoneInfo = KYIV) -> list[tuple[str, str]]:
    """Open periods between two wall clock readings, in UTC."""
    return [(shown(opens), shown(closes)) for opens, closes in subject.open_periods(instant(start, zone), instant(end, zone))]


NINE = ("2026-11-02T09:00", "2026-11-02T18:00")  # a Monday
ROWS = [
    ("once", None, ["2026-11-02"]),
    ("day", Repeat(DAY), ["2026-11-02", "2026-11-03", "2026-11-04"]),
    ("week", Repeat(WEEK), ["2026-11-02", "2026-11-09", "2026-11-16"]),
    ("twoWeeks", Repeat(WEEK, 2), ["2026-11-02", "2026-11-16", "2026-11-30"]),
    ("month", Repeat(MONTH), ["2026-11-02", "2026-12-02", "2027-01-02"]),
    ("year", Repeat(YEAR), ["2026-11-02", "2027-11-02", "2028-11-02"]),
    ("custom day", custom(DAY, 5), ["2026-11-02", "2026-11-07", "2026-11-12"]),
    ("custom week", custom(WEEK, 3, weekdays={0, 6}), ["2026-11-02", "2026-11-08", "2026-11-23", "2026-11-29"]),
    ("custom week, own day", custom(WEEK, 2), ["2026-11-02", "2026-11-16"]),
    ("custom month days", custom(MONTH, 2, month_days={1, 15}), ["2026-11-15", "2027-01-01", "2027-01-15", "2027-03-01"]),
    ("custom month, own day", custom(MONTH, 3), ["2026-11-02", "2027-02-02"]),
    ("second monday", custom(MONTH, nth=NthDay(SECOND, DayType.MON)), ["2026-11-09", "2026-12-14"]),
    ("last friday", custom(MONTH, nth=NthDay(LAST, DayType.FRI)), ["2026-11-27", "2026-12-25"]),
    ("first working day", custom(MONTH, nth=NthDay(FIRST, DayType.WEEK_DAY)), ["2026-11-02", "2026-12-01", "2027-01-01"]),
    ("last day off", custom(MONTH, nth=NthDay(LAST, DayType.DAY_OFF)), ["2026-11-29", "2026-12-27"]),
    ("fifth day off", custom(MONTH, nth=NthDay(FIFTH, DayType.DAY_OFF)), ["2026-11-15", "2026-12-19"]),
    ("third day", custom(MONTH, nth=NthDay(THIRD, DayType.DAY)), ["2026-11-03", "2026-12-03"]),
    ("last day", custom(MONTH, nth=NthDay(LAST, DayType.DAY)), ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]),
    ("custom year", custom(YEAR, 2, months={1, 11}), ["2026-11-02", "2028-01-02", "2028-11-02"]),
    ("custom year, own month", custom(YEAR, 3), ["2026-11-02", "2029-11-02"]),
    (
        "custom year with range, one rule a month",
        custom(YEAR, months={1, 12}, nth=NthDay(FIRST, DayType.WEEK_DAY)),
        ["2026-12-01", "2027-01-01", "2027-12-01", "2028-01-03"],
    ),
]


@pytest.mark.parametrize(("repeat", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rows_of_the_table(repeat: Repeat | None, expected: list[str]) -> None:
    assert dates(recurrence(*NINE, repeat), len(expected)) == expected


def test_once_is_one_window() -> None:
    assert windows(recurrence(*NINE)) == [("2026-11-02 09:00", "2026-11-02 18:00")]


MISSING = [
    ("31st", "2026-01-31T09:00", Repeat(MONTH), ["2026-01-31", "2026-03-31", "2026-05-31"]),
    ("29 February", "2024-02-29T09:00", Repeat(YEAR), ["2024-02-29", "2028-02-29"]),
    ("29 February over 2100", "2096-02-29T09:00", Repeat(YEAR), ["2096-02-29", "2104-02-29"]),
    ("fifth monday", "2026-01-01T09:00", custom(MONTH, nth=NthDay(FIFTH, DayType.MON)), ["2026-03-30", "2026-06-29"]),
    ("fifth day off in short months", "2026-02-01T09:00", custom(MONTH, 12, month_days={30, 31}), []),
    ("monday to friday from a sunday", "2026-11-01T09:00", custom(WEEK, weekdays={0, 1, 2, 3, 4}), ["2026-11-02", "2026-11-03"]),
    ("every second week from a sunday", "2026-11-01T09:00", custom(WEEK, 2, weekdays={0, 6}), ["2026-11-01", "2026-11-09"]),
    ("month days before the first", "2026-11-20T09:00", custom(MONTH, 2, month_days={1, 25}), ["2026-11-25", "2027-01-01"]),
    ("30 February", "2026-01-30T09:00", custom(YEAR, months={2}), []),
    ("30 February beside 30 March", "2026-01-30T09:00", custom(YEAR, months={2, 3}), ["2026-03-30", "2027-03-30"]),
    ("29 February in odd years", "2025-01-29T09:00", custom(YEAR, 2, months={2}), []),
    ("29 February every 1000 years", "2100-01-29T09:00", custom(YEAR, 1000, months={2}), []),
    ("fifth monday of February", "2026-01-01T09:00", custom(YEAR, months={2}, nth=NthDay(FIFTH, DayType.MON)), ["2044-02-29"]),
    ("every 1000 years", "2200-11-02T09:00", custom(YEAR, 1000), ["2200-11-02", "3200-11-02"]),
]


@pytest.mark.parametrize(("start", "repeat", "expected"), [row[1:] for row in MISSING], ids=[row[0] for row in MISSING])
def test_dates_that_do_not_exist_have_no_occurrence(start: str, repeat: Repeat, expected: list[str]) -> None:
    subject = recurrence(start, start[:11] + "10:00", repeat)
    assert dates(subject, max(1, len(expected))) == expected
    assert subject.ever_open(0) == bool(expected)
    assert (subject.next_transition(0) is None) == (not expected)


def test_membership_is_half_open() -> None:
    subject = recurrence(*NINE)
    start, end = instant(NINE[0]), instant(NINE[1])
    assert [subject.is_open(t) for t in (start - 1, start - 0.01, start, end - 1, end - 0.01, end)] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]
    assert [subject.next_transition(t) for t in (start - 1, start - 0.5, start, end - 0.5, end)] == [start, start, end, end, None]
    assert (subject.ever_open(end - 0.5), subject.ever_open(end)) == (True, False)


def test_an_empty_window_is_legal_and_never_open() -> None:
    subject = recurrence(NINE[0], NINE[0], Repeat(DAY))
    assert not subject.ever_open(0)
    assert subject.next_transition(0) is None
    assert not subject.is_open(instant(NINE[0]))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-02T09:00", "2026-11-02T09:00", ("2026-11-02 00:00", "2026-11-03 00:00")),
        ("2026-11-02T00:00", "2026-11-02T00:00", ("2026-11-02 00:00", "2026-11-03 00:00")),
        ("2026-11-02T09:00", "2026-11-02T18:00", ("2026-11-02 00:00", "2026-11-03 00:00")),
        ("2026-11-02T09:00", "2026-11-03T00:00", ("2026-11-02 00:00", "2026-11-03 00:00")),
        ("2026-11-02T09:00", "2026-11-03T00:01", ("2026-11-02 00:00", "2026-11-04 00:00")),
        ("2026-11-02T23:59", "2026-11-05T01:00", ("2026-11-02 00:00", "2026-11-06 00:00")),
    ],
)
def test_all_day_is_whole_days(start: str, end: str, expected: tuple[str, str]) -> None:
    assert windows(recurrence(start, end, all_day=True)) == [expected]


def test_all_day_that_ends_at_a_midnight_in_a_missing_hour_adds_no_day() -> None:
    zone = ZoneInfo("America/Sao_Paulo")  # 2018-11-04 began at 01:00
    subject = recurrence("2018-11-03T09:00", "2018-11-04T01:00", all_day=True, zone=zone)
    assert windows(subject) == [("2018-11-03 00:00", "2018-11-04 00:00")]


def test_a_window_may_cross_midnight() -> None:
    subject = recurrence("2026-11-02T22:00", "2026-11-03T06:00", custom(WEEK, weekdays={0, 1}))
    assert windows(subject, 2) == [("2026-11-02 22:00", "2026-11-03 06:00"), ("2026-11-03 22:00", "2026-11-04 06:00")]
    assert subject.is_open(instant("2026-11-04T05:59"))
    assert not subject.is_open(instant("2026-11-04T06:00"))


def test_windows_that_overlap_are_their_union() -> None:
    subject = recurrence("2026-11-02T09:00", "2026-11-04T10:00", custom(WEEK, weekdays={0, 1, 4}))
    assert windows(subject, 3) == [
        ("2026-11-02 09:00", "2026-11-05 10:00"),
        ("2026-11-06 09:00", "2026-11-08 10:00"),
        ("2026-11-09 09:00", "2026-11-12 10:00"),
    ]
    assert list(subject.local_windows(20762, 20762)) == [(local("2026-11-02T09:00"), local("2026-11-05T10:00"))]


@pytest.mark.parametrize(
    ("start", "end", "repeat"),
    [
        ("1970-01-02T09:00", "2199-12-31T18:00", Repeat(DAY)),
        ("1970-01-02T09:00", "1970-01-03T09:00", Repeat(DAY)),
        ("1970-01-02T09:00", "1970-01-09T09:00", Repeat(WEEK)),
        ("1970-01-02T09:00", "1970-02-02T09:00", Repeat(MONTH)),
        ("1970-01-02T09:00", "1971-01-03T09:00", Repeat(YEAR)),
        ("1972-02-29T09:00", "1980-02-29T09:00", Repeat(YEAR)),
    ],
)
def test_windows_that_leave_no_gap_are_open_for_ever(start: str, end: str, repeat: Repeat) -> None:
    subject = recurrence(start, end, repeat)
    assert subject.next_transition(0) == instant(start)
    assert subject.next_transition(instant(start)) is None
    assert subject.next_transition(instant("2150-06-01T00:00")) is None
    assert list(subject.open_periods(0, 10**10)) == [(instant(start), 10**10)]
    assert next(subject.local_windows(40_000, 40_000))[0] == local(start)


def test_windows_that_leave_no_gap_end_with_their_last_start() -> None:
    end = instant("2026-11-20T00:00")
    subject = recurrence("2026-11-02T09:00", "2026-11-05T09:00", Repeat(DAY, end=end))
    assert windows(subject) == [("2026-11-02 09:00", "2026-11-23 09:00")]


def test_a_row_of_windows_is_given_whole_from_any_of_its_days() -> None:
    subject = recurrence("2026-11-02T09:00", "2026-11-04T09:00", custom(WEEK, weekdays={0, 2}))
    whole = (local("2026-11-16T09:00"), local("2026-11-20T09:00"))
    assert [list(subject.local_windows(day, day)) for day in range(20772, 20779)] == [[], *[[whole]] * 5, []]


def test_windows_a_day_too_short_leave_a_gap() -> None:
    subject = recurrence("2026-01-01T00:00", "2026-01-31T00:00", Repeat(MONTH))
    assert windows(subject, 2) == [("2026-01-01 00:00", "2026-01-31 00:00"), ("2026-02-01 00:00", "2026-03-31 00:00")]


@pytest.mark.parametrize("clock", ["00:00", "09:00", "23:59"])
def test_an_occurrence_counts_when_it_starts_on_or_before_the_end_date(clock: str) -> None:
    subject = recurrence("2026-11-02T22:00", "2026-11-03T06:00", Repeat(DAY, end=instant(f"2026-11-04T{clock}")))
    assert dates(subject, 9) == ["2026-11-02", "2026-11-03", "2026-11-04"]
    assert subject.is_open(instant("2026-11-05T05:59"))
    assert subject.next_transition(instant("2026-11-05T05:59")) == instant("2026-11-05T06:00")
    assert not subject.ever_open(instant("2026-11-05T06:00"))


def test_an_end_before_the_first_occurrence_leaves_none() -> None:
    assert not recurrence(*NINE, Repeat(DAY, end=instant("2026-11-01T23:59"))).ever_open(0)


# Kyiv: 2026-03-29 03:00 -> 04:00 (01:00 UTC), 2026-10-25 04:00 -> 03:00 (01:00 UTC).


def test_both_passes_of_a_repeated_hour_count() -> None:
    subject = recurrence("2026-10-01T03:15", "2026-10-01T03:45", Repeat(DAY))
    assert periods(subject, "2026-10-25T00:00", "2026-10-26T00:00") == [
        ("2026-10-25 00:15", "2026-10-25 00:45"),
        ("2026-10-25 01:15", "2026-10-25 01:45"),
    ]


def test_a_clock_change_alone_can_open_and_close() -> None:
    subject = recurrence("2026-10-01T02:00", "2026-10-01T03:30", Repeat(DAY))
    assert periods(subject, "2026-10-25T00:00", "2026-10-26T00:00") == [
        ("2026-10-24 23:00", "2026-10-25 00:30"),
        ("2026-10-25 01:00", "2026-10-25 01:30"),
    ]
    assert subject.next_transition(instant("2026-10-25T03:40")) == instant("2026-10-25T03:00*")
    late = recurrence("2026-03-01T02:00", "2026-03-01T03:30", Repeat(DAY))
    assert late.next_transition(instant("2026-03-29T02:30")) == instant("2026-03-29T04:00")


def test_a_window_that_starts_in_the_missing_hour_starts_at_its_end() -> None:
    subject = recurrence("2026-03-01T03:30", "2026-03-01T05:00", Repeat(DAY))
    assert periods(subject, "2026-03-29T00:00", "2026-03-30T00:00") == [("2026-03-29 01:00", "2026-03-29 02:00")]


def test_a_window_inside_the_missing_hour_is_not_open_that_day() -> None:
    subject = recurrence("2026-03-01T03:10", "2026-03-01T03:50", Repeat(DAY))
    assert periods(subject, "2026-03-29T00:00", "2026-03-30T00:00") == []
    assert subject.next_transition(instant("2026-03-28T04:00")) == instant("2026-03-30T03:10")


def test_windows_always_inside_the_missing_hour_are_never_open() -> None:
    last_sunday = custom(YEAR, months={3}, nth=NthDay(LAST, DayType.SUN))
    subject = recurrence("2026-03-01T03:10", "2026-03-01T03:50", last_sunday)
    assert dates(subject, 2) == ["2026-03-29", "2027-03-28"]
    assert subject.next_transition(instant("2026-03-01T12:00")) is None
    assert not subject.ever_open(0)


def test_a_skipped_day_is_never_read() -> None:
    zone = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
    subject = recurrence("2011-12-29T09:00", "2011-12-29T10:00", Repeat(DAY), zone=zone)
    opens = list(subject.open_periods(instant("2011-12-29T00:00", zone), instant("2012-01-01T00:00", zone)))
    assert opens == [(instant(f"{day}T09:00", zone), instant(f"{day}T10:00", zone)) for day in ("2011-12-29", "2011-12-31")]
    whole = recurrence("2011-12-30T00:00", "2011-12-30T12:00", all_day=True, zone=zone, timestamp="local_as_utc")
    assert not whole.ever_open(0)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-10-25T03:30*", "2026-10-25T06:00", [("2026-10-25 02:00", "2026-10-25 04:00")]),
        ("2026-10-25T03:00*", "2026-10-25T06:00", [("2026-10-25 02:00", "2026-10-25 04:00")]),
        ("2026-10-25T02:00", "2026-10-25T03:30", [("2026-10-24 23:00", "2026-10-25 00:00")]),
        (
            "2026-10-25T02:00",
            "2026-10-25T03:30*",
            [("2026-10-24 23:00", "2026-10-25 00:30"), ("2026-10-25 01:00", "2026-10-25 01:30")],
        ),
        (
            "2026-10-25T03:30",
            "2026-10-25T05:00",
            [("2026-10-25 00:30", "2026-10-25 01:00"), ("2026-10-25 01:30", "2026-10-25 03:00")],
        ),
        ("2026-10-25T03:50", "2026-10-25T03:10*", []),
        ("2026-10-25T03:10*", "2026-10-25T03:50*", []),
    ],
)
def test_a_one_off_bound_in_a_repeated_hour_is_never_wider(start: str, end: str, expected: list[tuple[str, str]]) -> None:
    assert periods(recurrence(start, end), "2026-10-24T00:00", "2026-10-27T00:00") == expected


def test_seconds_are_kept() -> None:
    subject = recurrence("2026-11-02T09:00:01", "2026-11-02T09:00:59", Repeat(DAY))
    opening = instant("2026-12-24T09:00:01")
    assert subject.next_transition(opening - 0.001) == opening
    assert subject.next_transition(opening) == opening + 58


# window_reading envelope


def test_envelope_reads_clock_parts_inside_the_dates() -> None:
    subject = recurrence("2026-11-02T09:00", "2026-11-05T18:00", Repeat(DAY), window="envelope")
    assert windows(subject) == [(f"2026-11-0{day} 09:00", f"2026-11-0{day} 18:00") for day in (2, 3, 4, 5)]
    assert windows(recurrence("2026-11-02T09:00", "2026-11-05T18:00", window="envelope")) == windows(subject)


def test_envelope_over_midnight() -> None:
    subject = recurrence("2026-11-02T22:00", "2026-11-05T06:00", Repeat(DAY), window="envelope")
    assert windows(subject) == [(f"2026-11-0{day} 22:00", f"2026-11-0{day + 1} 06:00") for day in (2, 3, 4)]


def test_envelope_with_equal_clock_parts_is_never_open() -> None:
    assert not recurrence("2026-11-02T09:00", "2026-11-05T09:00", Repeat(DAY), window="envelope").ever_open(0)


def test_envelope_all_day_is_its_days() -> None:
    subject = recurrence(
        "2026-11-02T09:00", "2026-11-09T09:00", custom(WEEK, weekdays={0, 1, 5}), all_day=True, window="envelope"
    )
    assert windows(subject) == [
        ("2026-11-02 00:00", "2026-11-04 00:00"),
        ("2026-11-07 00:00", "2026-11-08 00:00"),
        ("2026-11-09 00:00", "2026-11-10 00:00"),
    ]


def test_envelope_keeps_the_rule_its_end_and_its_count() -> None:
    bounds = ("2026-11-02T09:00", "2027-11-05T18:00")
    week = custom(WEEK, 2, weekdays={1, 3})
    assert dates(recurrence(*bounds, week, window="envelope"), 3) == ["2026-11-03", "2026-11-05", "2026-11-17"]
    assert dates(recurrence(*bounds, week, window="envelope", looper="count"), 9) == ["2026-11-03", "2026-11-05"]
    ended = Repeat(DAY, end=instant("2026-11-03T00:00"))
    assert dates(recurrence(*bounds, ended, window="envelope"), 9) == ["2026-11-02", "2026-11-03"]


def test_envelope_bounds_in_a_repeated_hour_are_never_wider() -> None:
    subject = recurrence("2026-10-25T03:30*", "2026-10-26T05:00", Repeat(DAY), window="envelope")
    assert periods(subject, "2026-10-25T00:00", "2026-10-27T00:00") == [
        ("2026-10-25 02:00", "2026-10-25 03:00"),
        ("2026-10-26 01:30", "2026-10-26 03:00"),
    ]
    assert not subject.is_open(instant("2026-10-25T03:45*"))
    assert not subject.is_open_local(local("2026-10-25T03:45"))
    assert subject.is_open(instant("2026-10-25T04:00"))
    early = recurrence("2026-10-24T02:00", "2026-10-25T03:30", Repeat(DAY), window="envelope")
    assert [early.is_open(instant(f"2026-10-25T{clock}")) for clock in ("02:59", "03:00", "03:00*")] == [True, False, False]


# looper_reading count

COUNTED = [
    ("day", custom(DAY, 3), ["2026-11-02", "2026-11-03", "2026-11-04"]),
    ("week", custom(WEEK, 3, weekdays={0, 4}), ["2026-11-02", "2026-11-06", "2026-11-09"]),
    ("month", custom(MONTH, 2, month_days={1, 2}), ["2026-11-02", "2026-12-01"]),
    ("merged months", custom(YEAR, 3, months={1, 12}, nth=NthDay(LAST, DayType.DAY)), ["2026-12-31", "2027-01-31", "2027-12-31"]),
    ("with an end", custom(DAY, 1000, end=instant("2026-11-03T00:00")), ["2026-11-02", "2026-11-03"]),
    ("rare", custom(YEAR, 2, months={2}, nth=NthDay(FIFTH, DayType.MON)), ["2044-02-29", "2072-02-29"]),
    ("never", custom(MONTH, 9, month_days={31}, end=instant("2026-11-30T00:00")), []),
]


@pytest.mark.parametrize(("repeat", "expected"), [row[1:] for row in COUNTED], ids=[row[0] for row in COUNTED])
def test_looper_as_a_count(repeat: Repeat, expected: list[str]) -> None:
    assert dates(recurrence(*NINE, repeat, looper="count"), 5) == expected


def test_every_two_weeks_is_no_count() -> None:
    assert dates(recurrence(*NINE, Repeat(WEEK, 2), looper="count"), 3) == ["2026-11-02", "2026-11-16", "2026-11-30"]


# timestamp_reading local_as_utc


def test_local_as_utc_takes_the_digits() -> None:
    subject = recurrence(*NINE, Repeat(DAY, end=local("2026-11-03T23:30")), timestamp="local_as_utc")
    assert windows(subject) == [("2026-11-02 09:00", "2026-11-02 18:00"), ("2026-11-03 09:00", "2026-11-03 18:00")]
    assert subject.next_transition(0) == instant(NINE[0])


def test_local_as_utc_has_no_passes_to_tell_apart() -> None:
    subject = recurrence("2026-10-25T03:30", "2026-10-25T05:00", timestamp="local_as_utc")
    assert periods(subject, "2026-10-25T00:00", "2026-10-26T00:00") == [
        ("2026-10-25 00:30", "2026-10-25 01:00"),
        ("2026-10-25 01:30", "2026-10-25 03:00"),
    ]


# The shape that the compiler sees


def test_rule_shows_what_was_settled() -> None:
    rule = recurrence(*NINE, custom(WEEK, 3, weekdays={0, 4}, end=instant("2026-12-01T12:00"))).rule
    assert (rule.frequency, rule.interval, rule.weekdays) == (WEEK, 3, frozenset({0, 4}))
    assert (rule.first_day, rule.start_second, rule.length, rule.last_day) == (20759, 9 * 3600, 9 * 3600, 20788)
    counted = recurrence(*NINE, custom(DAY, 5), looper="count").rule
    assert (counted.interval, counted.last_day) == (1, 20763)
    assert recurrence(*NINE).rule.frequency is None


def test_open_periods_are_clipped_and_lazy() -> None:
    subject = recurrence(*NINE, Repeat(DAY))
    start = instant("2026-11-02T12:00")
    lazy = subject.open_periods(start, instant("2199-01-01T00:00"))
    assert next(lazy) == (start, instant("2026-11-02T18:00"))
    assert list(subject.open_periods(start, start)) == []
    assert list(subject.open_periods(start, start + 60)) == [(start, start + 60)]


def test_instants_outside_the_calendar_are_closed() -> None:
    subject = recurrence("1970-01-02T09:00", "1970-01-03T09:00", Repeat(DAY))
    for far in (-1e18, 1e18, float("inf"), float("-inf")):
        assert not subject.is_open(far)
        assert list(subject.open_periods(10**18, 10**18 + 5)) == []
    assert subject.next_transition(1e18) is subject.next_transition(float("inf")) is None
    assert subject.next_transition(float("-inf")) == instant("1970-01-02T09:00")
