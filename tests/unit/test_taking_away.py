"""What is deleted leaves a panel while nobody knows the time, on every shipped model that holds schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from drivers.contract import IdentifierSlot, PanelCapabilities, PanelImage
from gateway.compiler.compiler import CompileOptions, compile_panel
from gateway.compiler.image import is_open, lies_within
from gateway.compiler.options import BoundProfile
from gateway.fleet.panel.taking_away import narrowed, taken_away
from gateway.schedules.time_profile import Frequency, Repeat, TimeProfile
from tests.unit.compiler_oracle import record
from tests.unit.test_compiler import DOMAT, MONDAY, NOW, OPTIONS, bound, compiled, profile, weekly

GE, OPEN = record("ge-a-series"), record("open-access-panel")
HOLIDAY = profile("holiday", "2026-11-04T06:00", "2026-11-04T08:00", Repeat(Frequency.YEAR))
WORK, NIGHT, LUNCH = weekly("work"), weekly("night", "19:00", "21:00"), weekly("lunch", "12:00", "13:00")
LATE = weekly("late", "21:00", "22:00")


def without(held: PanelImage, leaving: set[str], profiles: list[TimeProfile], capabilities: PanelCapabilities) -> PanelImage:
    """`profiles` are what is bound now; compiled as of the time of the last compilation."""

    def anew(link_ids: frozenset[str]) -> PanelImage:
        known = [BoundProfile(each, 1) for each in profiles if each.link_id in link_ids]
        return compile_panel(known, capabilities, held.allocation, NOW, OPTIONS, held)

    return taken_away(held, leaving, anew, capabilities)


def opens(image: PanelImage, capabilities: PanelCapabilities, day: int, clock: int) -> bool:
    return is_open(image, capabilities, day * 1440 + clock * 60)


@pytest.mark.parametrize("capabilities", [OPEN, GE, DOMAT], ids=["open-access-panel", "ge-a-series", "domat-fc013"])
@pytest.mark.parametrize("leaving", ["work", "night"])
def test_a_deletion_goes_out_and_the_others_keep_theirs(capabilities: PanelCapabilities, leaving: str) -> None:
    held = compiled(bound(WORK, NIGHT), capabilities)
    assert set(held.generations) == {"work", "night"}
    staying = [each for each in (WORK, NIGHT) if each.link_id != leaving]
    image = without(held, {leaving}, staying, capabilities)
    assert lies_within(image, held, capabilities)
    assert not image.allocation.get(leaving)
    assert opens(image, capabilities, MONDAY, 10) is (leaving != "work")
    assert opens(image, capabilities, MONDAY, 20) is (leaving != "night")
    assert image.generations == {staying[0].link_id: 1}


@pytest.mark.parametrize("capabilities", [OPEN, GE, DOMAT], ids=["open-access-panel", "ge-a-series", "domat-fc013"])
def test_the_last_one_leaves_nothing_open(capabilities: PanelCapabilities) -> None:
    held = compiled(bound(WORK), capabilities)
    assert without(held, {"work"}, [], capabilities).slots == {}


def test_on_a_shared_table_whoever_is_asked_for_otherwise_meanwhile_is_cleared_too() -> None:
    """What the panel holds of it is nowhere else any more: it cannot be told from what was deleted."""
    held = compiled(bound(WORK, NIGHT), DOMAT)
    image = taken_away(held, {"work"}, lambda _: PanelImage(), DOMAT)
    assert (image.slots, image.allocation) == ({}, {})


def test_what_would_open_more_than_the_panel_did_is_not_written() -> None:
    held = compiled(bound(WORK, NIGHT), DOMAT)
    wider = compiled(bound(weekly("night", "19:00", "22:00")), DOMAT)
    assert taken_away(held, {"work"}, lambda _: wider, DOMAT).slots == {}


def test_one_whose_hours_lie_inside_anothers_loses_them_with_it_and_keeps_its_own() -> None:
    held = compiled(bound(WORK, LUNCH), DOMAT)
    image = without(held, {"work"}, [LUNCH], DOMAT)
    assert (opens(image, DOMAT, MONDAY, 10), opens(image, DOMAT, MONDAY, 12)) == (False, True)
    image = without(held, {"lunch"}, [WORK], DOMAT)
    assert opens(image, DOMAT, MONDAY, 12)


def test_dates_that_are_the_panels_stay_for_those_who_stay() -> None:
    held = compiled(bound(WORK, HOLIDAY), GE)
    assert set(held.generations) == {"work", "holiday"}
    image = without(held, {"holiday"}, [WORK], GE)
    assert lies_within(image, held, GE)
    assert opens(image, GE, MONDAY + 2, 10) is opens(held, GE, MONDAY + 2, 10)
    assert not opens(image, GE, MONDAY + 2, 6)


def test_who_is_not_there_takes_nothing_away() -> None:
    held = compiled(bound(WORK, NIGHT), DOMAT, options=CompileOptions(OPTIONS.readings))
    assert without(held, {"never"}, [WORK, NIGHT], DOMAT) == held


@pytest.mark.parametrize(("missing", "stays"), [("closed", True), ("open", False), ("unknown", False)])
def test_a_card_goes_with_its_schedule_where_it_would_open_always_without_it(
    missing: Literal["closed", "open", "unknown"], stays: bool
) -> None:
    capabilities = replace(OPEN, missing_reference=missing)
    held = replace(
        compiled(bound(WORK, NIGHT), OPEN),
        identifiers={3: IdentifierSlot(space="card", number=1, schedules=(0,)), 4: IdentifierSlot(space="card", number=2)},
    )
    held = replace(held, allocation={**held.allocation, "identifier:p": (3,), "identifier:q": (4,)})
    image = without(held, {"work"}, [NIGHT], capabilities)
    assert 0 not in image.slots
    assert (3 in image.identifiers, 4 in image.identifiers) == (stays, True)


def changed(held: PanelImage, asked: list[TimeProfile], capabilities: PanelCapabilities, *, sure: bool = True) -> PanelImage:
    """What is left of what a panel holds when `asked`, of generation 2 where it is no longer as held, is bound now."""
    generations = {each.link_id: 1 + (each not in (WORK, NIGHT, LATE, HOLIDAY)) for each in asked}

    def anew(link_ids: frozenset[str]) -> PanelImage:
        known = [BoundProfile(each, generations[each.link_id]) for each in asked if each.link_id in link_ids]
        return compile_panel(known, capabilities, held.allocation, NOW, OPTIONS, held)

    fresh = {link_id: generation for link_id, generation in generations.items() if generation > 1}
    return narrowed(held, fresh, fresh if sure else (), anew, capabilities, MONDAY)


@pytest.mark.parametrize("capabilities", [OPEN, GE, DOMAT], ids=["open-access-panel", "ge-a-series", "domat-fc013"])
@pytest.mark.parametrize(
    ("hours", "left"),
    [(("10:00", "12:00"), range(10, 12)), (("07:00", "20:00"), range(9, 18)), (("17:00", "19:00"), range(0))],
    ids=["fewer", "more", "others"],
)
def test_of_changed_hours_those_are_left_that_were_there_and_are_asked_for_alone(
    capabilities: PanelCapabilities, hours: tuple[str, str], left: range
) -> None:
    held = compiled(bound(WORK, LATE), capabilities)
    image = changed(held, [weekly("work", *hours), LATE], capabilities)
    assert lies_within(image, held, capabilities)
    assert [clock for clock in range(24) if opens(image, capabilities, MONDAY, clock)] == [*left, 21]


def test_one_of_no_known_generation_narrows_and_is_closed_by_no_other_hours() -> None:
    held = compiled(bound(WORK, NIGHT), OPEN)
    moved = [weekly("work", "17:00", "19:00"), NIGHT]
    assert changed(held, moved, OPEN, sure=False) == held
    assert opens(changed(held, [weekly("work", "10:00", "12:00"), NIGHT], OPEN, sure=False), OPEN, MONDAY, 12) is False


def test_dates_that_are_the_panels_do_not_close_one_that_only_gets_more_hours() -> None:
    held = compiled(bound(WORK, HOLIDAY), GE)
    image = changed(held, [weekly("work", "07:00", "20:00"), HOLIDAY], GE)
    assert image == held
    narrow = changed(held, [weekly("work", "10:00", "12:00"), HOLIDAY], GE)
    assert lies_within(narrow, held, GE)
    assert not opens(narrow, GE, MONDAY, 13)
