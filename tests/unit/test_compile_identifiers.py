"""Identifiers on one panel: which slot, which references, what becomes of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.contract import IdentifierSlot, ItemOutcome, ItemState, PanelCapabilities, PanelImage, Reason, Slot, item_key
from gateway.compiler.compiler import compile_panel
from gateway.compiler.identifiers import BoundIdentifier, with_identifiers
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.compiler.outcome import weakest
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import number_of
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile

PANEL = PanelCapabilities(
    max_schedules=64,
    outputs=8,
    max_identifiers=4,
    identifier_types=("card", "code", "plate", "qr"),
    references=2,
    identifier_validity="minute",
    max_passes=65_534,
    code_digits=19,
    missing_reference="closed",
)
OPTIONS = CompileOptions(Readings(ZoneInfo("Europe/Kyiv")))
EXACT = ItemOutcome(ItemState.EXACT)
HELD = PanelImage(
    slots={0: Slot(("a",)), 3: Slot(("b",)), 5: Slot(("c",))},
    allocation={"a": (0,), "b": (3, 4), "c": (5,), "past": (), "full": ()},
    generations={"a": 1, "b": 1, "c": 1, "past": 1},
    outcomes={
        "a": EXACT,
        "b": ItemOutcome(ItemState.MATERIALISED, valid_until=2_000_000_000),
        "c": ItemOutcome(ItemState.NARROWED, cuts=("resolution",)),
        "past": EXACT,
        "full": ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT, "all slots are taken"),
    },
)


def person(link_id: str, sent: str = "1", **more: Any) -> BoundIdentifier:
    closed = more.pop("closed", frozenset())
    spent = more.pop("spent", 0)
    fields = {"link_id": link_id, "type": "card", "number": number_of("card", sent), "lock": "first", **more}
    return BoundIdentifier(Identifier(**fields), 7, closed, spent)


def compiled(*people: BoundIdentifier, panel: PanelCapabilities = PANEL, held: PanelImage = HELD, **more: Any) -> PanelImage:
    options = replace(OPTIONS, **more)
    allocation = {key: numbers for key, numbers in held.allocation.items() if key.startswith("identifier:")}
    return with_identifiers(HELD, people, panel, allocation, options, held)


def of(image: PanelImage, link_id: str) -> tuple[ItemOutcome, IdentifierSlot | None]:
    key = item_key("identifier", link_id)
    return image.outcomes[key], next((image.identifiers[number] for number in image.allocation[key]), None)


@pytest.mark.parametrize(
    ("profiles", "schedules", "state"),
    [
        (None, None, ItemState.EXACT),
        ((), (), ItemState.EXACT),
        (("a",), (0,), ItemState.EXACT),
        (("a", "b"), (0, 3), ItemState.MATERIALISED),
        (("a", "c"), (0, 5), ItemState.NARROWED),
        (("past",), (), ItemState.EXACT),
        (("a", "deleted"), (0,), ItemState.EXACT),
        (("a", "full"), (0,), ItemState.REFUSED),
        (("elsewhere",), (), ItemState.REFUSED),
    ],
)
def test_it_refers_to_what_the_panel_holds_and_is_as_weak_as_the_weakest(
    profiles: tuple[str, ...] | None, schedules: tuple[int, ...] | None, state: ItemState
) -> None:
    outcome, slot = of(compiled(person("p", profiles=profiles, closed=frozenset({"deleted"}))), "p")
    assert slot is not None
    assert (slot.schedules, outcome.outcome) == (schedules, state)
    assert outcome.valid_until == (2_000_000_000 if "b" in (profiles or ()) else None)
    if state is ItemState.REFUSED:
        assert outcome.reason is Reason.PROFILE_NOT_HELD
        assert (profiles or ())[-1] in (outcome.message or "")


@pytest.mark.parametrize(
    ("change", "panel", "limit"),
    [
        ({}, {"max_identifiers": 0}, "max_identifiers"),
        ({}, {"identifier_types": ("code",)}, "identifier_types"),
        ({"type": "inputCode", "number": number_of("inputCode", "12345")}, {"code_digits": 4}, "code_digits"),
        ({"lock": "second"}, {"outputs": 1}, "outputs"),
        ({"passes": 1}, {"max_passes": 0}, "max_passes"),
        ({"valid_from": 0, "valid_to": 600}, {"identifier_validity": "none"}, "identifier_validity"),
        ({"profiles": ("a", "b", "c")}, {}, "references"),
    ],
)
def test_what_a_panel_cannot_say_is_refused_by_the_name_of_its_limit(
    change: dict[str, Any], panel: dict[str, Any], limit: str
) -> None:
    outcome, slot = of(compiled(person("p", **change), panel=replace(PANEL, **panel)), "p")
    assert slot is None
    assert outcome.outcome is ItemState.REFUSED
    assert outcome.refusal is not None
    assert outcome.refusal.limit == limit


@pytest.mark.parametrize(("lock", "outputs"), [("first", (4,)), ("second", None), ("all", (4, 2))])
def test_a_lock_opens_the_doors_of_the_panel_that_the_site_names_and_no_other(lock: str, outputs: tuple[int, ...] | None) -> None:
    """Output 9 is a door in the file, and the unit has fewer outputs than that."""
    locks = {"first": (4,), "second": (9,), "all": (4, 9, 2)}
    outcome, slot = of(compiled(person("p", lock=lock), locks=locks), "p")
    assert (None if slot is None else slot.outputs) == outputs
    assert (outcome.refusal.limit if outcome.refusal else None) == (None if outputs else "outputs")


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [(0, 0, None), (0, 59, None), (0, 60, (0, 0)), (60, 60, None), (1, 121, (1, 1)), (0, 2**40, (0, 0xFFFF_FFFE))],
)
def test_a_validity_is_rounded_inwards(start: int, end: int, minutes: tuple[int, int] | None) -> None:
    outcome, slot = of(compiled(person("p", valid_from=start, valid_to=end)), "p")
    assert outcome.outcome is ItemState.EXACT
    assert (None if slot is None else (slot.valid_from, slot.valid_to)) == minutes


@pytest.mark.parametrize(("number", "held"), [("4294967294", True), ("4294967296", False), ("16777215", False), ("0", False)])
def test_a_card_number_that_the_panel_cannot_have_is_refused_and_never_cut(number: str, held: bool) -> None:
    panel = replace(PANEL, card_bits=32, reserved_cards=(0, 0x00FF_FFFF, 0xFFFF_FFFF))
    outcome, slot = of(compiled(person("p", number), panel=panel), "p")
    assert (slot is not None) == held
    if not held:
        assert outcome.refusal is not None
        assert outcome.refusal.limit == "identifier_types"


def test_whole_days_are_cut_inwards_only_where_the_site_allows_it() -> None:
    days = replace(PANEL, identifier_validity="day")
    midnight = 1_793_570_400  # 2026-11-02T00:00 in Kyiv
    day = midnight // 86_400 + 1
    bound = person("p", valid_from=midnight - 3600, valid_to=midnight + 86_400 + 60)
    outcome, slot = of(compiled(bound, panel=days), "p")
    assert (outcome.outcome, outcome.cuts) == (ItemState.NARROWED, ("validity_days",))
    assert slot is not None
    assert (slot.valid_from, slot.valid_to) == (1440 * day, 1440 * day + 1439), "minutes of the panel's own wall clock"
    outcome, slot = of(compiled(bound, panel=days, narrow=frozenset()), "p")
    assert (outcome.outcome, slot) == (ItemState.REFUSED, None)
    inside = person("p", valid_from=midnight + 60, valid_to=midnight + 3600)
    assert of(compiled(inside, panel=days), "p")[0].outcome is ItemState.REFUSED


@pytest.mark.parametrize(
    ("asked", "spent", "written", "told"),
    [
        (None, 0, None, False),
        (0, 0, 0, False),
        (3, 0, 3, False),
        (3, 2, 1, False),
        (3, 9, 0, False),
        (65_534, 0, 65_534, False),
        (65_535, 0, 65_534, True),
        (10**9, 0, 65_534, True),
    ],
)
def test_a_number_of_entries_is_never_written_as_more(asked: int | None, spent: int, written: int | None, told: bool) -> None:
    outcome, slot = of(compiled(person("p", passes=asked, spent=spent)), "p")
    assert slot is not None
    assert slot.passes == written
    assert (outcome.message is not None) == told


def test_a_number_keeps_its_slot_whoever_has_it() -> None:
    first = compiled(person("p", "1"), person("q", "2"))
    image = compiled(person("q", "1"), person("p", "2"), held=first)
    assert image.allocation["identifier:q"] == first.allocation["identifier:p"]
    assert image.allocation["identifier:p"] == first.allocation["identifier:q"]


def test_an_occupied_slot_is_nobody_elses_before_it_was_seen_free() -> None:
    full = compiled(*(person(str(number), str(number)) for number in range(4)))
    image = compiled(person("new", "9"), held=replace(full, allocation={}))
    assert of(image, "new")[0].reason is Reason.NO_FREE_SLOT
    assert "identifier:new" not in image.generations


def test_where_no_reference_would_be_always_nothing_is_written() -> None:
    image = compiled(person("p", profiles=("past",)), panel=replace(PANEL, missing_reference="open"))
    assert image.identifiers == {}
    assert of(image, "p")[0].outcome is ItemState.EXACT


def test_the_weakest_says_it_with_the_earliest_end_and_all_cuts() -> None:
    said = weakest(
        (
            ItemOutcome(ItemState.NARROWED, cuts=("x",), message="own"),
            ItemOutcome(ItemState.MATERIALISED, valid_until=9),
            ItemOutcome(ItemState.MATERIALISED, valid_until=5, cuts=("y",)),
        )
    )
    assert said == ItemOutcome(ItemState.MATERIALISED, message="own", valid_until=5, cuts=("x", "y"))


def test_a_schedule_slot_that_somebody_names_is_kept_for_whom_they_mean() -> None:
    one = replace(PANEL, max_schedules=1, max_periods_per_schedule=12, date_range="optional")
    daily = TimeProfile("a", "", False, 1_793_577_600, 1_793_581_200, Repeat(Frequency.DAY))
    for owner, holds in (("a", True), ("b", False), (None, False)):
        options = replace(OPTIONS, kept_for={0: owner})
        image = compile_panel([BoundProfile(daily, 1)], one, {"a": (0,)}, 1_793_577_600, options)
        assert ("a" in image.generations) is holds
        assert image.outcomes["a"].reason is (None if holds else Reason.NO_FREE_SLOT)
