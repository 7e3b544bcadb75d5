"""Panels whose profiles share tables or dates: what is acknowledged stays, room is counted, old dates leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from time import process_time

import pytest

from drivers.contract import ItemState, PanelCapabilities, Reason
from gateway.compiler.image import is_open
from gateway.schedules.local_time import day_of
from gateway.schedules.time_profile import Frequency, Repeat
from tests.unit.compiler_oracle import record
from tests.unit.test_compiler import DOMAT, GE, NOW, OPTIONS, at, bound, compiled, profile, states, weekly

STALE = replace(OPTIONS, allow_stale=True)


def test_a_stale_table_tells_everybody_its_own_end() -> None:
    soon = profile("a", "2026-10-05T09:00", "2026-10-05T18:00", Repeat(Frequency.WEEK, 1, end=at("2026-12-01T00:00")))
    late = profile("b", "2026-10-06T09:00", "2026-10-06T18:00", Repeat(Frequency.WEEK, 1, end=at("2027-03-01T00:00")))
    held = compiled(bound(soon, late), DOMAT, options=STALE)
    grown = compiled(bound(soon, late, weekly("c")), DOMAT, options=STALE, held=held, now=NOW + 3600)
    assert [grown.outcomes[link_id].valid_until for link_id in "ab"] == [held.outcomes[link_id].valid_until for link_id in "ab"]


def test_a_renewal_that_finds_no_slot_says_so() -> None:
    small = replace(GE, max_schedules=1)
    far = profile("a", "2028-01-03T09:00", "2028-01-03T18:00")
    held = compiled(bound(far, weekly("b")), small)
    assert states(held) == {"a": "materialised", "b": "exact"}
    later = compiled(bound(far, weekly("b")), small, now=at("2027-10-01T00:00"), held=held)
    assert states(later) == {"a": "refused", "b": "exact"}
    assert later.outcomes["a"].reason is Reason.NO_FREE_SLOT
    assert later.allocation == {"a": (), "b": (1,)}


def test_dates_of_long_ago_do_not_stretch_a_calendar_beyond_its_span() -> None:
    yearly = bound(profile("a", "2026-11-02T09:00", "2026-11-02T18:00", Repeat(Frequency.YEAR)))
    image = compiled(yearly, GE)
    for year in range(2027, 2040):
        image = compiled(yearly, GE, now=at(f"{year}-11-01T00:00"), held=image)
    (days,) = image.special_days
    assert days[-1] - days[0] <= 10 * 366


@pytest.mark.parametrize("youngest", [True, False])
def test_profiles_whose_dates_come_to_differ_do_not_starve_each_other(youngest: bool) -> None:
    """The one that has nothing written yet goes, whether it is the youngest or not."""
    first = profile("a", "2026-11-02T09:00", "2026-11-02T18:00", Repeat(Frequency.MONTH))
    second = profile("b", "2026-11-10T09:00", "2026-11-10T12:00", Repeat(Frequency.MONTH))
    yearly = profile("c", "2028-03-05T10:00", "2028-03-05T11:00", Repeat(Frequency.YEAR))
    everybody = bound(first, second, yearly) if youngest else bound(yearly, first, second)
    held = compiled(everybody, GE)
    assert states(held) == {"a": "materialised", "b": "materialised", "c": "materialised"}
    for month in (7, 12):
        held = compiled(everybody, GE, now=at(f"2027-{month:02}-01T00:00"), held=held)
    held = compiled(everybody, GE, now=at("2028-03-04T12:00"), held=held)
    assert held.outcomes["c"].outcome is ItemState.REFUSED
    assert {states(held)[link_id] for link_id in "ab"} == {"materialised"}
    assert (held.outcomes["a"].valid_until or 0) > at("2028-06-01T00:00")


# ---- who leaves a table that does not fit ----

TWO_PLANS = PanelCapabilities(
    max_schedules=1, max_distinct_day_plans=2, max_special_day_groups=3, max_days_in_special_day_group=30, scope="panel"
)
NIGHT = profile("old", "2026-03-10T20:00", "2026-03-11T08:00", Repeat(Frequency.YEAR))  # three plans with the closed one
FORTNIGHT = profile("young", "2026-11-03T09:00", "2026-11-03T18:00", Repeat(Frequency.WEEK, 2))
SIXTY_DAYS = replace(OPTIONS, horizon_days=60)


def test_one_who_fits_nowhere_leaves_alone_and_names_a_day_to_come() -> None:
    everybody = bound(NIGHT, FORTNIGHT)
    held = compiled(everybody, TWO_PLANS, options=SIXTY_DAYS)
    for _ in range(2):
        renewal = min(outcome.renew_at for outcome in held.outcomes.values() if outcome.renew_at is not None)
        held = compiled(everybody, TWO_PLANS, now=renewal + 1, options=SIXTY_DAYS, held=held)
    assert states(held) == {"old": "refused", "young": "materialised"}
    refusal = held.outcomes["old"].refusal
    assert refusal is not None
    assert (refusal.limit, refusal.day, refusal.interval) == ("max_distinct_day_plans", day_of(date(2027, 3, 11)), (0, 480))


def test_who_has_nothing_to_do_with_a_misfit_stays() -> None:
    hours = [profile(str(hour), f"2026-11-25T{hour:02}:00", f"2026-11-25T{hour + 1:02}:00") for hour in (9, 12, 15)]
    everybody = bound(*hours, weekly("mondays", days="0"))
    held = compiled(everybody, DOMAT, now=at("2026-11-05T00:00"), options=STALE)
    held = compiled(everybody, DOMAT, now=at("2026-11-22T00:00") + 1, options=STALE, held=held)
    assert states(held) == {"9": "materialised", "12": "materialised", "15": "refused", "mondays": "exact"}


def test_the_youngest_leaves_where_nobody_alone_clears_a_misfit() -> None:
    small = replace(DOMAT, max_time_periods_per_day=3)
    hours = [profile(str(hour), f"2026-11-25T{hour:02}:00", f"2026-11-25T{hour + 1:02}:00") for hour in (9, 12, 15, 18)]
    held = compiled(bound(*hours), small, now=at("2026-11-05T00:00"), options=STALE)
    held = compiled(bound(*hours), small, now=at("2026-11-22T00:00") + 1, options=STALE, held=held)
    assert states(held) == {"9": "materialised", "12": "refused", "15": "refused", "18": "refused"}


def test_a_newcomer_costs_nobody_what_is_not_due_yet() -> None:
    """The horizon of a change is what the panel knows already; 23 February, a plan too many, is looked at when it is due."""
    options, three_plans = replace(OPTIONS, horizon_days=90), replace(TWO_PLANS, max_distinct_day_plans=3)
    monthly = profile("monthly", "2026-11-23T20:00", "2026-11-23T21:00", Repeat(Frequency.MONTH))
    held = compiled(bound(monthly, FORTNIGHT), three_plans, options=options)
    newcomer = profile("new", "2026-11-17T09:00", "2026-11-17T18:00", Repeat(Frequency.WEEK, 4, True))
    everybody = bound(monthly, FORTNIGHT, newcomer)
    grown = compiled(everybody, three_plans, now=at("2026-12-20T00:00"), options=options, held=held)
    assert states(grown) == dict.fromkeys(("monthly", "young", "new"), "materialised")
    due = compiled(everybody, three_plans, now=at("2027-01-10T00:00"), options=options, held=grown)
    assert states(due) == {"monthly": "materialised", "young": "refused", "new": "materialised"}


# ---- dates ----


def test_a_date_keeps_what_its_weekday_says() -> None:
    one_table = PanelCapabilities(
        max_schedules=1, max_special_day_groups=2, max_days_in_special_day_group=30, scope="panel", special_days_effect="replace"
    )
    daily = profile("a", "2026-10-01T08:00", "2026-10-01T10:00", Repeat(Frequency.DAY))
    once = profile("b", "2026-11-20T18:00", "2026-11-20T20:00")
    image = compiled(bound(daily, once), one_table)
    assert states(image) == {"a": "exact", "b": "exact"}
    day = day_of(date(2026, 11, 20))
    assert [is_open(image, one_table, day * 1440 + 60 * hour) for hour in (8, 12, 18)] == [True, False, True]


def test_an_occurrence_that_never_fits_is_refused_though_only_its_first_day_is_near() -> None:
    """Three days that differ on a panel with two calendars."""
    long = bound(profile("a", "2026-12-30T20:00", "2027-01-02T08:00", Repeat(Frequency.YEAR)))
    near = replace(OPTIONS, horizon_days=60)  # 30 December is its last day
    refusal = compiled(long, GE, options=near).outcomes["a"].refusal
    assert refusal is not None
    assert (refusal.limit, refusal.day) == ("max_special_day_groups", day_of(date(2027, 1, 2)))
    assert states(compiled(long, replace(GE, max_special_day_groups=3), options=near)) == {"a": "materialised"}


def test_an_occurrence_longer_than_the_horizon_is_written_as_far_as_that() -> None:
    long = bound(profile("a", "2026-12-30T00:00", "2028-01-02T00:00", Repeat(Frequency.YEAR, 3, True)))
    outcome = compiled(long, GE, options=replace(OPTIONS, horizon_days=60)).outcomes["a"]
    assert (outcome.outcome, outcome.valid_until) == (ItemState.MATERIALISED, at("2026-12-31T00:00"))


def test_many_profiles_of_one_panel_are_told_apart_quickly() -> None:
    """No join without room, and each join looks at the newcomer's dates only: far from quadratic in profiles times dates."""
    hid = record("hid-like")
    many = [
        profile(str(number), f"2026-11-{2 + number % 14:02}T08:00", f"2026-11-{2 + number % 14:02}T17:00", FORTNIGHT.repeat)
        for number in range(1000)
    ]
    started = process_time()
    image = compiled(bound(*many), hid)
    assert process_time() - started < 10
    assert sum(outcome.outcome is ItemState.MATERIALISED for outcome in image.outcomes.values()) == 255
    assert image.outcomes["999"].reason is Reason.NO_FREE_SLOT
