"""How far a panel's log was read, who held a slot then, and what is remembered of panels that left. All of it pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from config.settings import PanelSettings
from drivers.contract import IDENTIFIER, IdentifierSlot, LoggedEvent, LoggedKind, LogPage, PanelImage, item_key, set_key
from gateway.fleet.panel.departed import Departed
from gateway.fleet.panel.holders import Holders, Person, person_of, slots_of
from gateway.fleet.panel.log_place import LogPlace, Lost, first_of, kind_of, mark_of, met, place_of, taken
from gateway.fleet.panel.remembered import Memory, all_remembered, doubted, forgotten, memory_of, moved, remembering
from gateway.store.contract import Certain, DesiredItem, ObservedPanel, OneOf, Snapshot
from tests.support.panel_parts import PanelParts
from tests.support.virtual_time import run_virtual

GRANTED = LoggedKind.GRANTED


def event(sequence: int, slot: int | None = None, kind: LoggedKind = GRANTED, **more: Any) -> LoggedEvent:
    return LoggedEvent(sequence, kind, 1000 + sequence, slot, 0, **more)


def page(*sequences: int, last: int | None = None, serial: str | None = "A") -> LogPage:
    return LogPage(max(sequences, default=0) if last is None else last, tuple(map(event, sequences)), serial)


READ = LogPlace("A", 5, mark_of(event(5)), 2)


def test_what_a_log_held_before_the_unit_was_the_panel_is_nobodys() -> None:
    assert met(None, page(last=7)) == (LogPlace("A", strange=7), None)
    assert met(READ, page(last=9)) == (READ, None)
    assert met(READ, page(last=5)) == (READ, None)
    assert met(READ, page(last=9, serial="B")) == (LogPlace("B", strange=9), Lost(None, "another unit keeps its own log"))


def test_a_log_that_ends_before_it_was_read_to_began_anew() -> None:
    lost = Lost(None, "the panel's log began anew")
    assert met(READ, page(last=4)) == (LogPlace("A"), lost)
    nameless = replace(READ, serial=None)
    assert met(nameless, page(last=4, serial=None)) == (LogPlace(None, strange=4), lost), "it may be another unit's"


def test_the_last_event_is_read_along_until_it_is_seen_to_be_the_same() -> None:
    assert first_of(READ, checked=False) == 5
    assert first_of(READ, checked=True) == 6
    assert first_of(LogPlace("A", 5), checked=False) == 6


def test_events_are_taken_once_each_and_gaps_are_told() -> None:
    reached, news = taken(READ, page(5, 6, 7))
    assert reached == LogPlace("A", 7, mark_of(event(7)), 2)
    assert news == (event(6), event(7))
    assert taken(READ, page(4, 5)) == (READ, ())
    _, news = taken(READ, page(8, 9, 12))
    full = "the panel's log was full"
    assert news == (Lost(2, full), event(8), event(9), Lost(2, full), event(12))


def test_what_was_overwritten_before_the_unit_was_the_panel_is_no_loss() -> None:
    _, news = taken(LogPlace("A", strange=4), page(3, 4, 5))
    assert news == (event(3), event(4), event(5))
    _, news = taken(LogPlace("A", strange=4), page(6))
    assert news == (Lost(1, "the panel's log was full"), event(6))


def test_a_log_that_says_something_else_of_the_last_event_is_another_one() -> None:
    other = LogPage(6, (event(5, slot=9), event(6)), "A")
    assert taken(READ, other) == (LogPlace("A"), (Lost(None, "the panel's log began anew"),))
    assert taken(LogPlace("A", 5), other)[1] == (event(6),), "where nothing was marked nothing is compared"


def test_a_place_survives_a_restart() -> None:
    assert place_of(json.loads(json.dumps(READ.facts()))) == READ
    carded = event(5, local_second=7, card=4711)
    assert mark_of(carded) != mark_of(event(5))


@pytest.mark.parametrize(
    ("kind", "why", "unknown", "said"),
    [
        (LoggedKind.GRANTED, None, False, "access_granted_by_valid_identifier"),
        (LoggedKind.DENIED, None, False, "access_denied_by_not_valid_identifier"),
        (LoggedKind.DENIED, None, True, "access_denied_by_unknown_card"),
        (LoggedKind.DENIED, "unknown", False, "access_denied_by_unknown_card"),
        (LoggedKind.DENIED, "hours", False, "access_denied_by_not_valid_identifier"),
        (LoggedKind.OUTPUT_ON, None, False, "output_on"),
        (LoggedKind.OUTPUT_OFF, None, False, "output_off"),
        (LoggedKind.RESTARTED, None, False, "panel_restarted"),
        (LoggedKind.CLOCK_SET, None, False, "panel_clock_set"),
        (LoggedKind.COMMITTED, None, False, "panel_committed"),
        (LoggedKind.EXIT_BUTTON, None, False, "lock_was_opened_by_exit_btn"),
        (LoggedKind.DOOR_OPENED, None, False, "door_sensor_was_opened"),
        (LoggedKind.DOOR_CLOSED, None, False, "door_sensor_was_closed"),
        (LoggedKind.OPEN_TOO_LONG, None, False, "lock_is_opened_too_long"),
        (LoggedKind.OTHER, None, True, "panel_event"),
    ],
)
def test_each_entry_of_a_log_is_an_event_of_the_site(kind: LoggedKind, why: str | None, unknown: bool, said: str) -> None:
    assert kind_of(event(1, kind=kind, why=why), unknown=unknown) == said


# who held a slot

ADA: Person = {"link_id": "ada"}
BOB: Person = {"link_id": "bob"}
CARD = item_key(IDENTIFIER, "card")


def test_an_event_names_who_held_the_slot_when_it_happened() -> None:
    holders = Holders()
    holders.free({3: ADA})
    assert holders.last(3) == ADA
    assert holders.of(3, 1, None) == ADA
    assert holders.of(3, 1, BOB) == BOB
    holders.hand_over(10, {3: ADA})
    assert holders.last(3) is None
    assert holders.of(3, 10, BOB) == ADA
    assert holders.of(3, 99, BOB) == ADA, "no commit was seen yet"
    assert holders.of(4, 10, BOB) == BOB
    holders.committed(10)
    assert holders.of(3, 99, BOB) == ADA, "a commit of before is not the one"
    holders.committed(12)
    holders.committed(15)
    assert holders.of(3, 11, BOB) == ADA
    assert holders.of(3, 12, BOB) == BOB
    holders.taken(11)
    assert holders.of(3, 11, BOB) == ADA
    holders.taken(12)
    assert holders.of(3, 11, BOB) == BOB, "all that came before it is told"


def test_where_a_log_shows_no_commits_what_comes_behind_a_hand_over_may_be_eithers() -> None:
    holders = Holders(commits=False)
    holders.hand_over(10, {3: ADA})
    assert holders.of(3, 10, BOB) == ADA
    assert holders.of(3, 11, BOB) is None


def test_a_hand_over_that_came_to_nothing_leaves_the_slot_to_who_had_it() -> None:
    holders = Holders()
    made = holders.hand_over(10, {3: ADA, 4: None})
    other = holders.hand_over(11, {5: BOB})
    holders.withdraw(made)
    assert holders.last(3) == ADA
    assert holders.last(4) is None
    assert holders.of(3, 99, BOB) == BOB
    assert holders.of(5, 99, ADA) == BOB, "another one goes on"
    holders.withdraw(other)
    assert holders.facts()["handed"] == []


def test_events_that_are_missing_leave_nobody_certain() -> None:
    holders = Holders()
    holders.hand_over(10, {3: ADA})
    holders.committed(12)
    holders.hand_over(20, {4: ADA})
    holders.missed(5)
    assert holders.of(3, 11, BOB) == ADA
    assert holders.of(4, 30, BOB) is None
    holders.missed(None)
    assert holders.of(3, 11, BOB) is None, "the numbers began anew"


def test_who_held_what_survives_a_restart_and_nothing_is_under_way_then() -> None:
    holders = Holders()
    holders.free({7: BOB})
    holders.hand_over(10, {3: ADA})
    again = Holders(json.loads(json.dumps(holders.facts())))
    assert again.last(7) == BOB
    assert again.of(3, 10, BOB) == ADA
    assert len(again.settled().handed) == 1
    assert holders.settled().handed == []


def test_what_was_over_when_the_log_was_read_to_its_end_is_forgotten() -> None:
    holders = Holders()
    assert not holders.settled()
    holders.free({7: BOB})
    over = holders.hand_over(10, {3: ADA})
    over.over = True
    settled = holders.settled()
    assert settled
    holders.free({8: ADA})
    late = holders.hand_over(11, {4: ADA})
    holders.caught_up(settled)
    assert (holders.last(7), holders.last(8)) == (None, ADA)
    assert holders.of(3, 99, BOB) == BOB
    assert holders.of(4, 99, BOB) == ADA
    late.over = True
    holders.free({7: BOB})
    holders.caught_up(settled)
    assert holders.last(7) is None
    holders.free({7: ADA})
    holders.caught_up(settled)
    assert holders.last(7) == ADA, "somebody else had it since"


def test_a_person_is_named_as_the_identifier_was_asked_for() -> None:
    body = {
        "identifier_type": "card",
        "identifier_number": "4711",
        "identifier_owner": {"name": "Ada"},
        "apartment_link_id": "flat",
    }
    item = DesiredItem("card", 1, 1, 1, None, json.dumps(body), 0.0, kind=IDENTIFIER, uid=7)
    person = person_of(item)
    assert person == {
        "link_id": "card",
        "uid": 7,
        "type": "card",
        "number": "4711",
        "owner": "Ada",
        "apartment_link_id": "flat",
    }
    unowned = person_of(replace(item, body=json.dumps({**body, "identifier_owner": None})))
    assert unowned is not None
    assert unowned["owner"] == ""
    assert person_of(None) is None
    assert person_of(replace(item, body="")) is None
    assert person_of(replace(item, kind="timeprofile")) is None


def test_slots_are_whose_the_image_says_as_far_as_they_are_used() -> None:
    slot = IdentifierSlot(space="card", number=1)
    image = PanelImage(allocation={CARD: (3, 4), "profile": (5,)}, identifiers={3: slot, 5: slot})
    assert slots_of(image) == {3: CARD}


# what is remembered

PANEL = PanelSettings(id="lobby", model="open-access-panel")
IMAGE = PanelImage(allocation={"a": (0,), set_key(("a", "b")): (1,)})
KNOWN = ObservedPanel(known=Certain(IMAGE), model="open-access-panel", commit_count=3)
SNAPSHOT = Snapshot(
    1,
    {},
    {"lobby": {"b": (2,)}, "lobby:3": {"c": ()}, "lobby:4": {}, "gate": {"d": (0,)}, "gate:1": {"e": ()}},
    {},
    {"lobby": KNOWN, "yard": ObservedPanel(known=OneOf((IMAGE,)))},
    0.0,
    panel_facts={"lobby": {"serial": "A", "where": "line 1", "lease": "30"}, "gate": {"serial": "B"}},
)


def test_what_is_remembered_counts_for_the_model_that_it_was_known_of() -> None:
    marked = {3: frozenset({"c"})}
    assert memory_of(SNAPSHOT, PANEL) == Memory(KNOWN, {"b": (2,)}, marked, facts=SNAPSHOT.panel_facts["lobby"])
    other = PanelSettings(id="lobby", model="ge-a-series")
    former = frozenset({"a", "b", set_key(("a", "b"))})
    assert memory_of(SNAPSHOT, other) == Memory(ObservedPanel(model="ge-a-series"), {}, marked, former)
    unknown = PanelSettings(id="door", model="ge-a-series")
    assert memory_of(SNAPSHOT, unknown) == Memory(ObservedPanel(model="ge-a-series"), {})


def test_under_other_options_a_panels_slots_are_its_own_and_have_to_be_read() -> None:
    snapshot = replace(SNAPSHOT, observed={"lobby": replace(KNOWN, options='{"x":1}')})
    memory = memory_of(snapshot, PANEL)
    assert (memory.observed, memory.allocation) == (ObservedPanel(model="open-access-panel"), {"b": (2,)})
    assert memory.former == {"a", "b", set_key(("a", "b"))}
    assert memory.facts == SNAPSHOT.panel_facts["lobby"]


def test_what_an_older_version_stored_names_no_model_and_is_the_panels() -> None:
    snapshot = replace(SNAPSHOT, observed={"lobby": replace(KNOWN, model="")})
    memory = memory_of(snapshot, PANEL)
    assert memory.nameless
    assert memory.observed == KNOWN


def test_each_panel_that_the_store_knows_may_hold_what_it_was_given() -> None:
    found = all_remembered(SNAPSHOT)
    assert found.keys() == {"lobby", "gate", "yard"}
    assert found["lobby"] == Departed(
        "lobby",
        frozenset({"a", "b"}),
        ("open-access-panel", ""),
        "line 1",
        "A",
        (IMAGE,),
        {3: frozenset({"c"})},
        30,
    )
    assert found["lobby"].holds == {"a", "b", "c"}
    assert [str(target) for target in found["lobby"].targets("c")] == ["lobby:3"]
    assert [str(target) for target in found["lobby"].targets("a")] == ["lobby"]
    assert found["lobby"].neighbour().departed
    assert found["yard"].keys == {"a"}
    assert found["yard"].lease_s is None


def test_what_may_be_older_than_the_panels_is_to_be_read() -> None:
    observed = doubted(SNAPSHOT).observed
    assert observed["lobby"].known == OneOf((IMAGE,), others=True)
    assert observed["lobby"].commit_count is None


def test_what_a_panel_held_when_it_was_taken_out_replaces_what_was_known_of_it_and_of_no_neighbour() -> None:
    async def main() -> None:
        state = PanelParts(allocation={"f": (4,)}).state
        out, others = remembering(SNAPSHOT, state, {2: {"g"}}, {"serial": "A"}), forgotten(SNAPSHOT, "lobby")
        assert out.allocations == {**others.allocations, "lobby": {"f": (4,)}, "lobby:2": {"g": ()}}
        assert out.observed == {**others.observed, "lobby": state.observed}
        assert out.panel_facts == {**others.panel_facts, "lobby": {"serial": "A"}}

    run_virtual(main())


def test_a_panel_that_is_forgotten_or_moved_takes_its_outputs_along_and_no_neighbours() -> None:
    left = forgotten(SNAPSHOT, "lobby")
    assert left.allocations == {"gate": {"d": (0,)}, "gate:1": {"e": ()}}
    assert (list(left.observed), list(left.panel_facts)) == (["yard"], ["gate"])
    there = moved(SNAPSHOT, "lobby", "porch")
    assert there.allocations == {**left.allocations, "porch": {"b": (2,)}, "porch:3": {"c": ()}}
    assert there.observed == {**left.observed, "porch": KNOWN}
    assert there.panel_facts["porch"] == SNAPSHOT.panel_facts["lobby"]
    nobody = moved(SNAPSHOT, "nobody", "porch")
    assert (nobody.allocations["porch"], nobody.observed["porch"]) == ({}, ObservedPanel())
