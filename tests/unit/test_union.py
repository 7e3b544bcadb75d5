"""Panels whose profiles share tables or dates: what is acknowledged stays, room is counted, old dates leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.contract import ItemState, Reason
from gateway.schedules.time_profile import Frequency, Repeat
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
