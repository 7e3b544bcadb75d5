"""Which unit stands at a panel's place, by its number or by what it holds; and entries that go on counting over slots that go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drivers.contract import (
    IDENTIFIER,
    Acknowledgement,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    Outcome,
    PanelImage,
    Period,
    Reason,
    Slot,
    item_key,
)
from gateway.fleet.numbers import KnownBy
from gateway.fleet.panel.entries import Spent, added, forgiven, limited, losing, spent_of, text_of, without_entries
from gateway.fleet.panel.failure import failure_of
from gateway.fleet.panel.identity import SAME, Identity, Neighbour, UnitVerdict, holds_same, judge, met_twice
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number


def neighbour(serial: str | None = None, found: str | None = None, *, departed: bool = False) -> Neighbour:
    return Neighbour("gate", ("model", ""), serial, found, (), departed)


ELSEWHERE = "and A, the panel's own, is at gate's place: are the ports swapped?"
SWAPPED = UnitVerdict("this is gate's unit (serial number B): are the ports swapped?")


@pytest.mark.parametrize(
    ("found", "known", "fixed", "neighbours", "verdict"),
    [
        ("A", "A", None, (), SAME),
        ("A", None, None, (), SAME),
        (None, None, None, (), SAME),
        ("A", "B", "A", (), SAME),
        ("B", "B", "A", (), UnitVerdict("the unit has serial number B, the configuration says A")),
        (None, "B", "A", (), UnitVerdict("the unit reports no serial number, the configuration says A")),
        (None, "A", None, (), UnitVerdict("the unit reports no serial number, the panel has A", replaceable=True)),
        ("B", "A", None, (), UnitVerdict("the unit has serial number B, the panel has A", replaceable=True)),
        ("B", "A", None, (neighbour("C"),), UnitVerdict("the unit has serial number B, the panel has A", replaceable=True)),
        ("C", "A", None, (neighbour("B", "A"),), UnitVerdict(f"the unit has serial number C, {ELSEWHERE}")),
        (None, "A", None, (neighbour("B", "A"),), UnitVerdict(f"the unit reports no serial number, {ELSEWHERE}")),
        (
            "C",
            "A",
            None,
            (neighbour("A", "A"),),
            UnitVerdict("the unit has serial number C, the panel has A", replaceable=True),
        ),
        ("B", "A", None, (neighbour("B"),), SWAPPED),
        ("B", None, None, (neighbour("B"),), SWAPPED),
        ("B", "A", None, (neighbour("B", "B"),), SWAPPED),
        ("B", None, None, (neighbour("B", "B"),), SAME),
        ("B", None, None, (neighbour("B", departed=True),), SAME),
        (
            "B",
            "A",
            None,
            (neighbour("B", departed=True),),
            UnitVerdict("the unit has serial number B: this was the unit of gate, which has left the site"),
        ),
    ],
)
def test_a_number_tells_whether_a_unit_is_the_panel(
    found: str | None, known: str | None, fixed: str | None, neighbours: tuple[Neighbour, ...], verdict: UnitVerdict
) -> None:
    assert judge(found, known, fixed, neighbours) == verdict


@pytest.mark.parametrize(
    ("found", "known", "others", "twice"),
    [
        ("A", "A", (neighbour("A", "A"),), True),
        ("A", "A", (neighbour("A"),), True),
        ("A", "B", (neighbour("A"),), False),
        ("A", "A", (neighbour("A", "C"),), False),
        ("A", "B", (neighbour("C", "A"),), True),
        ("A", "A", (), False),
        (None, None, (neighbour(),), False),
    ],
)
def test_a_number_that_two_units_have_tells_nothing(
    found: str | None, known: str | None, others: tuple[Neighbour, ...], twice: bool
) -> None:
    assert met_twice(found, known, others) is twice


def test_a_unit_is_known_on_its_connection_and_for_a_moment_on_the_next() -> None:
    identity = Identity({"serial": "A", "where": "line 1"})
    identity.connection, identity.asked_at = 3, 100.0
    assert not identity.is_known(3, 100.0)
    identity.recognised("A")
    assert identity.is_known(3, 500.0)
    assert identity.is_known(4, 100.9)
    assert not identity.is_known(4, 101.0)
    identity.forget()
    assert not identity.is_known(3, 100.0)


def test_who_waits_to_know_which_unit_it_is_hears_of_it_either_way_and_the_store_keeps_it() -> None:
    heard: list[bool] = []
    identity = Identity({})
    identity.changed = lambda: heard.append(identity.checked)
    identity.read("A", numbered=True)
    identity.recognised("A")
    identity.settled()
    assert (identity.facts(), identity.numbered, identity.compared) == ({"serial": "A"}, True, True)
    identity.read("B", numbered=True)
    identity.refused("another")
    assert heard == [True, False]
    assert identity.facts() == {"serial": "A", "stranger": "another"}
    assert (identity.offered, identity.compared, identity.accepted) == ("B", False, False)
    identity.note = "odd"
    identity.accept()
    assert identity.facts() == {"serial": "B"}
    assert not identity.note
    assert (identity.accepted, identity.checked, identity.compared) == (True, False, False)
    identity.settled()
    assert (identity.accepted, identity.compared) == (False, True)
    identity.forget()
    assert (identity.found, identity.checked, identity.compared) == (None, False, False)
    identity.drop()
    assert identity.facts() == {}


OPEN = Slot(("a",), (Period(127, 0, 60),))


@pytest.mark.parametrize(
    ("read", "same"),
    [
        ({}, True),
        ({"slots": {1: replace(OPEN, link_ids=())}}, True),
        ({"slots": {1: replace(OPEN, link_ids=("b",))}}, False),
        ({"slots": {1: replace(OPEN, periods=())}}, False),
        ({"slots": {2: OPEN}}, False),
        ({"slots": {1: OPEN, 2: OPEN}}, False),
        ({"special_days": ((1,),)}, False),
        ({"identifiers": {0: IdentifierSlot(space="card", number=1)}}, False),
    ],
)
def test_two_units_hold_the_same_where_they_open_the_same_in_the_same_slots(read: dict[str, Any], same: bool) -> None:
    image = PanelImage(slots={1: OPEN})
    assert holds_same(image, replace(image, **read)) is same


# entries

KEY, OTHER = item_key(IDENTIFIER, "k"), item_key(IDENTIFIER, "o")
KNOWN_BY: KnownBy = ("card", 4711, 0)
EXACT = ItemOutcome(ItemState.EXACT)


def cards(number: int = 4711, passes: int | None = 3, slot: int = 5) -> PanelImage:
    """A card with a limited number of entries, and one with as many as it likes."""
    return PanelImage(
        slots={5: OPEN},
        allocation={KEY: (slot, 9), OTHER: (6,), "a": (5,)},
        generations={KEY: 1, OTHER: 1},
        outcomes={KEY: EXACT, OTHER: EXACT},
        identifiers={
            slot: IdentifierSlot(space="card", number=number, passes=passes),
            6: IdentifierSlot(space="card", number=1),
        },
    )


def test_entries_are_counted_in_the_slots_of_those_who_have_a_limited_number_of_them() -> None:
    assert limited(cards(), [KEY, OTHER, "a"]) == {5: KEY}
    assert limited(cards(), [OTHER, "a"]) == {}
    assert limited(cards(passes=0), [KEY]) == {5: KEY}


def test_a_count_ends_with_its_slot_or_with_its_number() -> None:
    assert losing(cards(), cards(passes=9), [KEY]) == {}
    assert losing(cards(), cards(number=4712), [KEY]) == {5: KEY}
    assert losing(cards(), cards(slot=7), [KEY]) == {5: KEY}


def test_entries_add_up_over_slots_and_begin_anew_with_another_number() -> None:
    spent = added({}, cards(), {5: KEY}, {5: 2})
    assert spent == {KEY: (KNOWN_BY, 2)}
    assert added(spent, cards(), {5: KEY}, {5: 3}) == {KEY: (KNOWN_BY, 5)}
    assert added(spent, cards(), {5: KEY}, {}) == spent
    assert added(spent, cards(number=1), {5: KEY}, {5: 3}) == {KEY: (("card", 1, 0), 3)}
    asked = Identifier("k", "card", Number("card", "4711"), "all")
    assert forgiven(spent, KEY, asked, 4) == {KEY: (KNOWN_BY, -4)}


def test_entries_survive_a_restart() -> None:
    spent: Spent = {KEY: (KNOWN_BY, 2), OTHER: (("code", 12, 4), -1)}
    assert spent_of("lobby", text_of(spent)) == spent
    assert spent_of("lobby", None) == {}


def test_who_is_let_in_no_more_holds_no_generation_and_all_others_hold_theirs() -> None:
    emptied = without_entries(cards(), {5: KEY})
    assert (emptied.identifiers[5].passes, emptied.identifiers[6]) == (0, cards().identifiers[6])
    assert (emptied.generations, emptied.outcomes) == ({OTHER: 1}, {OTHER: EXACT})
    assert emptied.allocation == cards().allocation


@pytest.mark.parametrize(
    ("outcome", "reason", "permanent"),
    [
        (Outcome.REJECTED, None, True),
        (Outcome.REJECTED, Reason.NO_REPLY, True),
        (Outcome.UNCONFIRMED, Reason.VERIFY_FAILED, True),
        (Outcome.UNCONFIRMED, Reason.PANEL_REJECTED, True),
        (Outcome.UNCONFIRMED, None, False),
        (Outcome.NOT_SENT, Reason.QUEUE_FULL, False),
    ],
)
def test_what_the_panel_itself_stands_in_the_way_of_is_not_tried_over_and_over(
    outcome: Outcome, reason: Reason | None, permanent: bool
) -> None:
    failure = failure_of(Acknowledgement(outcome, None, reason, "said"))
    assert (failure.reason, failure.message, failure.permanent, failure.due) == (
        reason or Reason.UNEXPECTED_REPLY,
        "said",
        permanent,
        None,
    )
