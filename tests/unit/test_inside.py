"""Profiles that need no place of their own because the table of the others is open whenever they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.contract import PanelCapabilities, PanelImage, Reason
from gateway.compiler.compiler import CompileOptions
from gateway.compiler.image import is_open
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Frequency, Repeat, TimeProfile
from tests.unit.test_compiler import DOMAT, MONDAY, NOW, OPTIONS, READINGS, bound, compiled, profile, weekly

ONE_TABLE = PanelCapabilities(max_schedules=1, day_model="per_day", max_time_periods_per_day=3, scope="panel")
MONTHLY, YEARLY = Repeat(Frequency.MONTH), Repeat(Frequency.YEAR)
INSIDE = "inside the table of the others"


def daily(start: str, end: str) -> TimeProfile:
    return profile("outer", f"2026-10-01T{start}", f"2026-10-0{1 if end > start else 2}T{end}", Repeat(Frequency.DAY))


def said(outer: TimeProfile, inner: TimeProfile, capabilities: PanelCapabilities = DOMAT, narrow: str = "resolution") -> str:
    """The inner profile's outcome; where it is exact, minutes of some years are looked at."""
    options = CompileOptions(READINGS, narrow=frozenset(narrow.split()))
    image = compiled(bound(outer, inner), capabilities, options=options)
    outcome = image.outcomes[inner.link_id]
    if outcome.outcome.value == "exact":
        assert missing(inner, capabilities, image) == []
    return outcome.outcome.value


def missing(inner: TimeProfile, capabilities: PanelCapabilities, image: PanelImage) -> list[int]:
    recurrence = Recurrence(inner, READINGS)
    windows = recurrence.local_windows(MONDAY, MONDAY + 1500)
    low, high = MONDAY * 1440, (MONDAY + 1500) * 1440
    minutes = (minute for start, end in windows for minute in range(max(-(-start // 60), low), min(end // 60, high), 7))
    return [minute for minute in minutes if not is_open(image, capabilities, minute, inner.link_id)]


def test_all_days_of_a_window_count_not_only_those_before_the_horizon() -> None:
    last = profile("inner", "2027-12-05T20:00", "2027-12-07T08:00", YEARLY)  # NOW + 399 days is the horizon's last day
    assert said(daily("20:00", "00:00"), last) == "refused"
    assert said(daily("00:00", "00:00"), last) == "exact"


def test_a_start_on_another_weekday_in_later_years_counts() -> None:
    """9 November is a Monday in 2026; in 2028 it is not."""
    assert said(weekly("outer", days="0"), profile("inner", "2026-11-09T10:00", "2026-11-09T11:00", YEARLY)) == "refused"
    assert said(weekly("outer", days="0123456"), profile("inner", "2026-11-09T10:00", "2026-11-09T11:00", YEARLY)) == "exact"


@pytest.mark.parametrize(
    ("repeat", "expected"),
    [
        (Repeat(Frequency.WEEK, 2), "exact"),
        (Repeat(Frequency.WEEK, 60, True, weekdays=frozenset({0, 4})), "exact"),
        (Repeat(Frequency.WEEK, 60, True, weekdays=frozenset({0, 5})), "refused"),
        (Repeat(Frequency.DAY, 14, True), "exact"),
        (Repeat(Frequency.DAY, 3, True), "refused"),
        (MONTHLY, "refused"),
        (None, "exact"),
    ],
    ids=str,
)
def test_the_weekdays_that_a_rule_can_start_on(repeat: Repeat | None, expected: str) -> None:
    assert said(weekly("outer"), profile("inner", "2028-01-03T10:00", "2028-01-03T11:00", repeat)) == expected


def test_long_windows_need_every_day() -> None:
    assert said(daily("00:00", "00:00"), profile("inner", "2026-11-09T10:00", "2028-11-09T11:00", YEARLY)) == "exact"
    assert said(weekly("outer", "00:00", "23:59"), profile("inner", "2028-11-09T10:00", "2028-11-22T11:00", YEARLY)) == "refused"


def test_what_the_panel_cuts_is_not_there() -> None:
    """Asked for are whole minutes; the table is open at the panel's steps."""
    late = replace(daily("00:00", "00:00"), is_all_day=True)
    evening = profile("inner", "2026-11-04T22:00", "2026-11-05T00:00", MONTHLY)
    no_midnight = replace(ONE_TABLE, last_minute="23:59")
    assert said(late, evening, no_midnight, "resolution last_minute") == "narrowed"
    quarters = replace(ONE_TABLE, resolution_s=900)
    odd = profile("inner", "2026-11-04T08:08", "2026-11-04T09:00", MONTHLY)
    assert said(daily("08:07", "18:00"), odd, quarters) == "narrowed"
    assert said(daily("08:15", "18:00"), odd, quarters, narrow="") == "refused"
    assert said(daily("08:00", "18:00"), odd, quarters, narrow="") == "exact"


def test_a_cut_is_told() -> None:
    odd = profile("inner", "2026-11-04T08:08", "2026-11-04T09:00", MONTHLY)
    outcome = compiled(bound(daily("08:07", "18:00"), odd), replace(ONE_TABLE, resolution_s=900)).outcomes["inner"]
    assert (outcome.message, outcome.cuts) == (INSIDE, ("starts and ends moved to the panel's steps",))


def test_where_an_end_is_read_either_way_nothing_is_exact() -> None:
    either_way = replace(ONE_TABLE, end_minute="unknown")
    inner = profile("inner", "2026-11-04T10:00", "2026-11-04T18:00", MONTHLY)
    assert said(daily("08:00", "18:00"), inner, either_way, "last_minute") == "narrowed"


def test_a_window_that_vanishes_stays_refused() -> None:
    short = profile("inner", "2026-11-04T10:01", "2026-11-04T10:09", MONTHLY)
    outcome = compiled(bound(daily("08:00", "18:00"), short), replace(ONE_TABLE, resolution_s=900)).outcomes["inner"]
    assert outcome.reason is Reason.BELOW_RESOLUTION


def test_a_cut_that_is_not_allowed_is_refused_however_late_it_comes() -> None:
    far = profile("a", "2045-05-31T01:08", "2045-05-31T09:00")
    stale = replace(OPTIONS, allow_stale=True, narrow=frozenset())
    refusal = compiled(bound(far), replace(DOMAT, resolution_s=900), now=NOW, options=stale).outcomes["a"].refusal
    assert refusal is not None
    assert (refusal.limit, refusal.interval) == ("resolution_s", (68, 540))
