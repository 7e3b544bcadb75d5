"""Which dates are written, how far they reach, and that everything is closed afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from drivers.contract import ItemState, PanelCapabilities, PanelImage
from gateway.schedules.local_time import day_of
from gateway.schedules.time_profile import DayType, Frequency, NthDay, Repeat, TimeProfile, WeekOrder
from tests.unit.test_compiler import MONDAY, OPEN_PANEL, OPTIONS, UHPPOTE, at, bound, compiled, profile, states

MONTHLY = Repeat(Frequency.MONTH)


def three_days_a_month() -> TimeProfile:
    return profile("a", "2026-11-02T03:00", "2026-11-05T00:29", MONTHLY)


def last_open_day(image: PanelImage) -> int:
    """The last day on which any slot can be open; every slot says one."""
    return max(slot.valid_to for slot in image.slots.values() if slot.valid_to is not None)


@pytest.mark.parametrize("capabilities", [OPEN_PANEL, UHPPOTE])
def test_all_slots_of_an_occurrence_end_with_what_is_promised(capabilities: PanelCapabilities) -> None:
    image = compiled(bound(three_days_a_month()), capabilities)
    outcome = image.outcomes["a"]
    assert (outcome.outcome, len(image.slots)) == (ItemState.MATERIALISED, 3)
    assert all(slot.valid_to is not None for slot in image.slots.values())
    assert at("1970-01-02T00:00") + last_open_day(image) * 86_400 <= (outcome.valid_until or 0)


def test_a_part_that_goes_on_for_ever_ends_with_the_part_that_does_not() -> None:
    nights = profile("a", "2026-11-02T22:00", "2026-11-03T06:00", Repeat(Frequency.DAY, 4, True))
    image = compiled(bound(nights), replace(UHPPOTE, max_slots_per_profile=2))
    outcome = image.outcomes["a"]
    assert at("1970-01-02T00:00") + last_open_day(image) * 86_400 <= (outcome.valid_until or 0)


def test_dates_of_a_long_but_finite_profile_end_at_the_horizon_unless_all_are_written() -> None:
    finite = profile("a", "2026-11-10T09:00", "2026-11-10T18:00", Repeat(Frequency.MONTH, end=at("2029-03-31T00:00")))
    image = compiled(bound(finite), options=replace(OPTIONS, horizon_days=60))
    assert image.outcomes["a"].valid_until == at("2026-12-31T00:00")
    assert image.slots[0].special_days == ((MONDAY + 8, MONDAY + 38),)
    few = compiled(bound(replace(finite, repeat=replace(MONTHLY, end=at("2027-11-30T00:00")))))
    assert few.outcomes["a"].outcome is ItemState.EXACT


def test_one_set_of_slots_is_written_though_it_reaches_only_to_the_next_date() -> None:
    image = compiled(bound(profile("a", "2026-11-02T09:00", "2026-11-02T18:00", MONTHLY)), UHPPOTE)
    outcome = image.outcomes["a"]
    assert image.allocation == {"a": (2,)}
    assert (outcome.valid_until, outcome.message) == (at("2026-12-02T00:00"), "reaches only 31 days ahead")


def test_nights_that_end_by_date_are_exact_where_there_is_a_date_range() -> None:
    rule = Repeat(Frequency.WEEK, 1, True, weekdays=frozenset({1, 2, 5, 6}), end=at("2027-07-17T12:00"))
    nights = profile("a", "2026-11-10T19:00", "2026-11-11T04:15", rule)
    image = compiled(bound(nights), UHPPOTE, options=replace(OPTIONS, horizon_days=60))
    assert image.outcomes["a"].outcome is ItemState.EXACT
    assert [(slot.valid_to or 0) - MONDAY for slot in image.slots.values()] == [257, 258]


def test_a_rare_day_far_ahead_is_not_written_and_told_up_to_the_horizon() -> None:
    rule = Repeat(Frequency.YEAR, 4, True, months=frozenset({2}), nth=NthDay(WeekOrder.LAST, DayType.DAY))
    image = compiled(bound(profile("a", "2028-02-29T09:00", "2028-02-29T10:00", rule)))
    assert (image.slots, image.outcomes["a"].valid_until) == ({}, at("2027-12-06T00:00"))


def test_an_occurrence_that_is_far_ahead_gets_all_the_slots_it_needs() -> None:
    rule = Repeat(Frequency.YEAR, 2, True, months=frozenset({3, 10}))
    shifts = bound(profile("a", "2026-10-05T21:15", "2026-10-07T18:53", rule))
    image = compiled(shifts, UHPPOTE, now=at("2027-04-21T19:00"))
    assert (image.outcomes["a"].outcome, len(image.slots)) == (ItemState.MATERIALISED, 3)


def test_a_long_one_off_is_one_slot_for_good() -> None:
    days = TimeProfile("a", "a", True, at("2026-11-02T00:00"), at("2029-04-20T00:00"))
    image = compiled(bound(days))
    assert states(image) == {"a": "exact"}
    assert len(image.slots) == 1
    part = profile("a", "2026-11-02T20:00", "2029-04-20T08:00")
    assert states(compiled(bound(part), replace(OPEN_PANEL, max_slots_per_profile=3))) == {"a": "exact"}


def test_an_occurrence_that_never_fits_is_refused_though_only_its_first_day_is_near() -> None:
    """Three days that differ, in a slot whose days are all alike."""
    alike = replace(OPEN_PANEL, day_model="mask_per_schedule", max_slots_per_profile=1)
    long = bound(profile("a", "2026-12-30T20:00", "2027-01-02T08:00", Repeat(Frequency.YEAR)))
    for horizon in (60, 400):
        refusal = compiled(long, alike, options=replace(OPTIONS, horizon_days=horizon)).outcomes["a"].refusal
        assert refusal is not None
        assert refusal.interval == (0, 1440)


def test_nothing_is_written_beyond_the_horizon() -> None:
    nights = bound(profile("a", "2026-12-30T20:00", "2027-01-02T08:00", Repeat(Frequency.YEAR)))
    options = replace(OPTIONS, horizon_days=60)
    image = compiled(nights, replace(OPEN_PANEL, max_slots_per_profile=3), options=options)
    assert image.outcomes["a"].valid_until == at("2026-12-31T00:00")
    assert last_open_day(image) == day_of(date(2026, 12, 30))
