"""Boards on which an identifier names one schedule: what several profiles open together stands in slots of a set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.contract import ItemOutcome, ItemState, PanelCapabilities, PanelImage, Reason, is_identifier, item_key, set_key
from gateway.compiler.compiler import compile_panel
from gateway.compiler.explain_identifier import lets_in
from gateway.compiler.identifiers import BoundIdentifier, with_identifiers
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.compiler.sets import sets_named
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import number_of
from gateway.schedules.time_profile import TimeProfile
from tests.unit.compiler_oracle import (
    MINUTES,
    Asked,
    complaints,
    days_of_interest,
    earliest_minute,
    minutes_of_interest,
    record,
)
from tests.unit.strategies import moments, profiles, readings
from tests.unit.test_compiler import NOW, OPTIONS, profile, weekly

pytestmark = pytest.mark.cpu

READERS: dict[str, Any] = {
    "max_identifiers": 8,
    "identifier_types": ("card",),
    "references": 1,
    "identifier_validity": "day",
    "max_passes": 0,
}
BOARD = replace(record("uhppote"), **READERS)
"""A board that names one profile a door; its profiles are linked."""
HOLIDAYS = replace(record("zkteco-like"), missing_reference="open", **READERS)
"""A table with holiday types, which are the panel's."""
EIGHT_HOLIDAYS = replace(record("hid-like"), missing_reference="closed", **READERS)
ONE_SLOT = replace(record("open-access-panel"), max_slots_per_profile=1, **READERS)
SEVERAL_SLOTS = replace(record("open-access-panel"), **READERS)
PANELS = {
    "a board of linked profiles": BOARD,
    "three holiday types": HOLIDAYS,
    "eight holiday types": EIGHT_HOLIDAYS,
    "one slot": ONE_SLOT,
    "several slots": SEVERAL_SLOTS,
}
every_panel = pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())


def card(number: int, named: Sequence[str], closed: Sequence[str] = ()) -> BoundIdentifier:
    names = tuple(sorted(named))
    found = Identifier(f"p{number}", "card", number_of("card", str(number)), "first", profiles=names)
    return BoundIdentifier(found, 1, frozenset(closed))


def compiled(
    bound: Sequence[BoundProfile],
    people: Sequence[BoundIdentifier],
    panel: PanelCapabilities,
    held: PanelImage | None = None,
    now: float = NOW,
    options: CompileOptions = OPTIONS,
) -> PanelImage:
    held = held or PanelImage()
    everything = [*bound, *sets_named((each.identifier.profiles for each in people), bound, panel)]
    panel = replace(panel, outputs=max(panel.outputs, 2))
    image = compile_panel(everything, panel, held.allocation, now, options, held)
    return with_identifiers(image, people, panel, held.allocation, options, held)


def of(image: PanelImage, number: int) -> ItemOutcome:
    return image.outcomes[item_key("identifier", f"p{number}")]


WORK, NIGHT, LUNCH = weekly("work"), weekly("night", "19:00", "21:00"), weekly("lunch", "12:00", "13:00")
FAIR = profile("fair", "2026-11-07T10:00", "2026-11-07T12:00", None)


def bound(*profiles: TimeProfile, generation: int = 1) -> list[BoundProfile]:
    return [BoundProfile(each, generation) for each in profiles]


@every_panel
def test_who_names_two_profiles_refers_to_one_schedule_that_is_open_while_either_is(panel: PanelCapabilities) -> None:
    image = compiled(bound(WORK, NIGHT), [card(1, ("work", "night"))], panel)
    (slot,) = image.identifiers.values()
    assert slot.schedules == image.allocation[set_key(("night", "work"))][:1]
    assert of(image, 1).outcome is ItemState.EXACT
    assert not complaints(
        replace(image, allocation={key: numbers for key, numbers in image.allocation.items() if not is_identifier(key)}), panel
    )
    monday = 20_759 * MINUTES
    opens = [lets_in(image, panel, item_key("identifier", "p1"), 0, monday + 60 * hour) for hour in (8, 10, 18, 20, 22)]
    assert opens == [False, True, False, True, False]


@every_panel
def test_a_deleted_member_narrows_the_set_in_its_place_and_touches_nobody(panel: PanelCapabilities) -> None:
    people = [card(1, ("work", "night"))]
    before = compiled(bound(WORK, NIGHT), people, panel)
    after = compiled(bound(WORK), [card(1, ("work", "night"), closed=("night",))], panel, before)
    key = set_key(("night", "work"))
    assert after.allocation[key][0] == before.allocation[key][0]
    assert after.identifiers == before.identifiers
    assert after.generations[key] != before.generations[key]
    monday = 20_759 * MINUTES
    assert lets_in(after, panel, item_key("identifier", "p1"), 0, monday + 60 * 10)
    assert not lets_in(after, panel, item_key("identifier", "p1"), 0, monday + 60 * 20)


@every_panel
def test_who_has_nothing_left_of_what_he_named_refers_to_nothing_and_is_let_in_never(panel: PanelCapabilities) -> None:
    before = compiled(bound(WORK, NIGHT), [card(1, ("work", "night"))], panel)
    after = compiled([], [card(1, ("work", "night"), closed=("work", "night"))], panel, before)
    assert set_key(("night", "work")) not in after.allocation
    assert all(slot.schedules == () for slot in after.identifiers.values())
    assert bool(after.identifiers) == (panel.missing_reference == "closed"), "no reference may mean always"
    assert of(after, 1).outcome is ItemState.EXACT


@every_panel
def test_a_set_without_an_open_minute_grants_nothing(panel: PanelCapabilities) -> None:
    past = [replace(each, date_from=60, date_to=120, repeat=None, reading=None) for each in (WORK, NIGHT)]
    image = compiled(bound(*past), [card(1, ("work", "night"))], panel)
    assert all(slot.schedules == () for slot in image.identifiers.values())
    assert bool(image.identifiers) == (panel.missing_reference == "closed")


@every_panel
def test_profiles_come_before_sets_when_slots_run_out(panel: PanelCapabilities) -> None:
    small = replace(panel, max_schedules=2)
    image = compiled(bound(WORK, NIGHT), [card(1, ("work", "night")), card(2, ("work",))], small)
    assert {"work", "night"} <= set(image.generations)
    assert (of(image, 1).outcome, of(image, 1).reason) == (ItemState.REFUSED, Reason.PROFILE_NOT_HELD)
    assert of(image, 2).outcome is ItemState.EXACT


@every_panel
def test_the_slot_of_a_set_is_nobody_elses_while_a_card_names_it(panel: PanelCapabilities) -> None:
    key = set_key(("night", "work"))
    before = compiled(bound(WORK, NIGHT), [card(1, ("work", "night"))], panel)
    small = replace(panel, max_schedules=2 + len(before.allocation[key]))
    named = replace(OPTIONS, kept_for=dict.fromkeys(before.allocation[key], key))
    after = compiled(bound(WORK, NIGHT, LUNCH), [], small, before, options=named)
    assert after.outcomes["lunch"].reason is Reason.NO_FREE_SLOT
    assert not after.slots.keys() & set(before.allocation[key])


def test_a_member_that_the_board_cannot_hold_is_closed_and_refuses_who_names_it() -> None:
    dated = replace(HOLIDAYS, max_special_day_groups=0, max_days_in_special_day_group=0)
    image = compiled(bound(WORK, FAIR), [card(1, ("fair", "work"))], dated)
    assert (of(image, 1).outcome, of(image, 1).reason) == (ItemState.REFUSED, Reason.PROFILE_NOT_HELD)
    monday = 20_759 * MINUTES
    assert lets_in(image, dated, item_key("identifier", "p1"), 0, monday + 60 * 10)


def test_a_profile_that_is_not_bound_there_refuses_and_the_rest_lets_in() -> None:
    image = compiled(bound(WORK), [card(1, ("work", "elsewhere"))], BOARD)
    assert (of(image, 1).outcome, of(image, 1).reason) == (ItemState.REFUSED, Reason.PROFILE_NOT_HELD)
    assert "elsewhere" in (of(image, 1).message or "")
    (slot,) = image.identifiers.values()
    assert slot.schedules


@every_panel
@settings(max_examples=int(os.environ.get("COMPILER_EXAMPLES", "4")), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_set_is_never_wider_than_its_members_and_as_wide_where_it_says_so(
    panel: PanelCapabilities, data: st.DataObject
) -> None:
    site = data.draw(readings())
    drawn = data.draw(st.lists(profiles(site.zone, 2000, 2100), min_size=2, max_size=3))
    named = [replace(each, link_id=f"m{number}") for number, each in enumerate(drawn)]
    now = data.draw(moments(named[0], site.zone))
    options = CompileOptions(site)
    image = compiled(bound(*named), [card(1, [each.link_id for each in named])], panel, now=now, options=options)
    asked = [Asked(each, site) for each in named]
    key, first = item_key("identifier", "p1"), earliest_minute(site, now)
    days = days_of_interest(named[0], site, image, now, ())
    clock = minutes_of_interest(asked, image)
    opened = replace(panel, outputs=2)
    outcome = of(image, 1)
    for minute in (day * MINUTES + at for day in days for at in clock):
        if minute < first:
            continue
        found, wanted = lets_in(image, opened, key, 0, minute), any(each.is_open(minute) for each in asked)
        assert wanted or not found, minute
        if outcome.outcome is ItemState.EXACT and minute // MINUTES <= (panel.last_date or 10**6):
            assert found or not wanted or minute // MINUTES < (panel.first_date or 0), minute
