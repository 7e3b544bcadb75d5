"""Profiles side by side when slots are short, and what a refusal names."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from drivers.contract import ItemState, PanelCapabilities, Reason, Refusal
from gateway.compiler import joint, placement
from gateway.compiler.compiler import BoundProfile
from gateway.schedules.time_profile import Frequency, Repeat
from tests.unit.test_compiler import (
    DOMAT,
    GE,
    MONDAY,
    OPEN_PANEL,
    OPTIONS,
    UHPPOTE,
    at,
    bound,
    compiled,
    profile,
    states,
    weekly,
)

ONE_SLOT = replace(OPEN_PANEL, max_schedules=1)
FAR = profile("a", "2027-12-20T09:00", "2027-12-20T18:00")


def test_a_renewal_takes_the_slot_that_something_past_gives_back() -> None:
    both = bound(FAR, profile("b", "2026-11-02T09:00", "2026-11-02T18:00"))
    held = compiled(both, ONE_SLOT)
    assert held.allocation == {"a": (), "b": (0,)}
    renewed = compiled(both, ONE_SLOT, now=at("2027-11-20T00:00"), held=held)
    assert (states(renewed), renewed.allocation) == ({"a": "exact", "b": "exact"}, {"a": (0,), "b": ()})


def test_a_renewal_without_room_stays_as_it_is_held_and_is_tried_again_later() -> None:
    both = bound(FAR, weekly("b"))
    held = compiled(both, ONE_SLOT)
    due = held.outcomes["a"].renew_at or 0
    waiting = compiled(both, ONE_SLOT, now=due, held=held)
    assert waiting.outcomes["a"].outcome is ItemState.MATERIALISED
    assert waiting.outcomes["a"].valid_until == held.outcomes["a"].valid_until
    assert due < (waiting.outcomes["a"].renew_at or 0) < (held.outcomes["a"].valid_until or 0)


def test_a_renewal_without_room_is_refused_when_what_is_held_has_ended() -> None:
    both = bound(FAR, weekly("b"))
    held = compiled(both, ONE_SLOT)
    ended = compiled(both, ONE_SLOT, now=held.outcomes["a"].valid_until or 0, held=held)
    assert states(ended) == {"a": "refused", "b": "exact"}
    assert ended.outcomes["a"].reason is Reason.NO_FREE_SLOT


def refusal(*profiles: BoundProfile, capabilities: PanelCapabilities, link_id: str = "z") -> Refusal:
    found = compiled(list(profiles), capabilities).outcomes[link_id].refusal
    assert found is not None
    return found


@pytest.mark.parametrize("capabilities", [OPEN_PANEL, UHPPOTE, GE, DOMAT])
def test_a_window_below_the_resolution_is_named(capabilities: PanelCapabilities) -> None:
    blink = profile("z", "2026-11-02T09:00:10", "2026-11-02T09:01:00", Repeat(Frequency.DAY))
    found = refusal(*bound(blink), capabilities=capabilities)
    assert (found.limit, found.day, found.interval) == ("resolution_s", MONDAY, (540, 541))


@pytest.mark.parametrize("capabilities", [ONE_SLOT, replace(GE, max_schedules=1), replace(UHPPOTE, max_schedules=1)])
def test_the_first_that_finds_no_slot_is_named(capabilities: PanelCapabilities) -> None:
    found = refusal(*bound(weekly("a"), weekly("z", "10:00", "11:00", "0")), capabilities=capabilities)
    assert (found.limit, found.reason, found.day, found.interval) == (
        "max_schedules",
        Reason.NO_FREE_SLOT,
        MONDAY,
        (600, 660),
    )


def test_a_panel_without_schedules_names_what_it_cannot_hold() -> None:
    found = refusal(*bound(weekly("z")), capabilities=replace(OPEN_PANEL, max_schedules=0))
    assert (found.limit, found.day, found.interval) == ("max_schedules", None, None), "no day is at fault"


def test_a_weekly_newcomer_that_splits_the_days_of_others_is_named_with_a_day_of_theirs() -> None:
    dates = profile("a", "2026-11-02T09:00", "2026-11-02T10:00", Repeat(Frequency.MONTH))
    newcomer = weekly("z", "08:00", "09:00", "0")
    found = refusal(*bound(dates, weekly("b", "12:00", "13:00", "1"), newcomer), capabilities=GE)
    assert found.limit == "max_special_day_groups"
    assert found.day is not None
    assert found.interval is not None


def test_slots_stay_when_all_is_acknowledged_and_options_are_the_same() -> None:
    held = compiled(bound(weekly("a"), weekly("b")), UHPPOTE)
    assert compiled(bound(weekly("a"), weekly("b")), UHPPOTE, now=at("2027-11-01T00:00"), options=OPTIONS, held=held) == held


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[object]:
    """One entry for each call of a module's function from now on."""
    calls: list[object] = []
    real = getattr(module, name)

    def called(*arguments: object) -> object:
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(module, name, called)
    return calls


def test_a_full_panel_compiles_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    compilations = counted(monkeypatch, placement, "compile_alone")
    never = profile("never", "2026-02-28T09:00", "2026-02-28T10:00")
    later = profile("later", "2029-11-02T09:00", "2029-11-02T10:00")
    many = [weekly(f"b{number}") for number in range(50)]
    image = compiled(bound(weekly("a"), *many, never, later), ONE_SLOT)
    assert len(compilations) == 3
    assert [name for name, state in states(image).items() if state == "refused"] == [one.link_id for one in many]
    assert (states(image)["never"], states(image)["later"]) == ("exact", "materialised")
    refused = image.outcomes["b49"].refusal
    assert refused is not None
    assert (refused.reason, refused.message) == (Reason.NO_FREE_SLOT, "all 1 slots are taken: 2026-11-02 09:00-18:00")


def test_a_panel_whose_tables_are_taken_arranges_them_for_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    arrangements = counted(monkeypatch, joint, "arranged")
    image = compiled(bound(*(weekly(f"b{number:02}") for number in range(50))), replace(GE, max_schedules=2))
    assert len(arrangements) == 3, "of nobody, of one, of two"
    assert list(image.generations) == ["b00", "b01"]
