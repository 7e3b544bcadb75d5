"""What is asked, without any panel: who is let in, who names what, and what a place has to be told."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from config.settings import BindingSettings
from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.compiler.explain_identifier import first_no
from gateway.fleet.bindings import Bindings
from gateway.fleet.desired import Change, Desired
from gateway.fleet.target import Target
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.store.contract import DesiredItem
from tests.support.fleet_site import link, profile

UTC = Readings(ZoneInfo("UTC"))
EVERYWHERE = BindingSettings(link_id="*", panels=("@all",))


def timed(number: int, generation: int = 1, content: TimeProfile | None = None) -> DesiredItem:
    return DesiredItem(link(number), number, generation, generation, content or profile(number), "{}", 5.0, uid=number + 40)


def card(number: int, *profiles: int, generation: int = 1) -> DesiredItem:
    asked = Identifier(link(number), "card", Number("card", str(number)), "first", profiles=tuple(map(link, profiles)))
    return DesiredItem(link(number), 100 + number, generation, generation, asked, "{}", 5.0, IDENTIFIER)


def asked(*items: DesiredItem) -> Desired:
    bindings = Bindings({"lobby": None, "gate": None}, {}, (EVERYWHERE,), {}, ("lobby",))
    desired = Desired({item.key: item for item in items}, bindings)
    for item in items:
        desired.rebind(item.key)
    return desired


def noon(number: int) -> int:
    """An instant within a test's profile."""
    return profile(number).date_from + 60


def test_a_card_opens_while_one_of_the_profiles_that_it_names_is_there_and_open() -> None:
    desired = asked(timed(1), timed(2, content=profile(2, start=700)), card(7, 1, 2), card(8, 3))
    person, nobody = (desired.live[card(number).key].identifier for number in (7, 8))
    assert person is not None
    assert nobody is not None

    def why_not(identifier: Identifier, at: int) -> str | None:
        return first_no(identifier, desired.open_at(UTC, at), at)

    assert why_not(person, noon(1)) is None
    assert why_not(person, profile(2, start=700).date_from) is None
    assert why_not(person, noon(1) + 7200) == "none of its time profiles is open"
    assert why_not(nobody, noon(1)) == "none of its time profiles is open"
    unbound = replace(person, profiles=None)
    assert why_not(unbound, noon(1) + 7200) is None


def test_a_profile_is_found_by_the_number_that_the_vendors_pages_show() -> None:
    desired = asked(timed(1), timed(2), card(3))
    found = [desired.entity(TIME_PROFILE, uid) for uid in (42, 0, 43)]
    assert [None if each is None else each.link_id for each in found] == [link(2), None, None]


def test_the_number_of_what_was_forgotten_finds_nothing_that_was_made_again_since() -> None:
    desired = asked(timed(1))
    gone = replace(timed(1, generation=2), content=None)
    desired.absorb(gone)
    assert desired.entity(TIME_PROFILE, 41) == gone
    desired.forget([link(1), link(9)])
    assert link(1) not in desired
    desired.absorb(replace(timed(1, generation=3), uid=77))
    assert desired.entity(TIME_PROFILE, 41) is None
    found = desired.entity(TIME_PROFILE, 77)
    assert found is not None
    assert found.generation == 3


def test_a_list_of_items_shows_what_was_changed_since_the_last_one() -> None:
    desired = asked(timed(1))
    assert [item.generation for item in desired.items(TIME_PROFILE)] == [1]
    desired.absorb(timed(1, generation=2))
    assert [item.generation for item in desired.items(TIME_PROFILE)] == [2]


def test_a_number_belongs_to_nobody_once_no_panel_can_have_it_any_more() -> None:
    desired = asked(card(7))
    body = '{"identifier_type": "card", "identifier_number": "7"}'
    desired.absorb(replace(card(7, generation=2), content=None, body=body))
    assert desired.owner(("card", 7, 0)) == card(7).key, "a panel may still have it"
    desired.forget([card(7).key])
    assert desired.owner(("card", 7, 0)) is None


def test_who_names_a_profile_is_who_names_it_now() -> None:
    desired = asked(timed(1), timed(2), card(7, 1), card(8, 1, 2))
    assert set(desired.naming(link(1))) == {card(7).key, card(8).key}
    desired.absorb(card(7, 2, generation=2))
    assert set(desired.naming(link(1))) == {card(8).key}
    assert set(desired.naming(link(2))) == {card(7).key, card(8).key}
    desired.absorb(replace(card(8, generation=3), content=None, body='{"identifier_type": "card", "identifier_number": "8"}'))
    assert (set(desired.naming(link(1))), set(desired.naming(link(9)))) == (set(), set())


def test_places_are_told_of_what_changed_and_of_nothing_else() -> None:
    desired = asked(timed(1), timed(2))
    lobby, gate = Target("lobby"), Target("gate")
    changed = timed(1, generation=2)
    assert desired.absorb(changed) == (Change(lobby, link(1), changed), Change(gate, link(1), changed))
    assert desired.absorb(replace(changed)) == (), "it is known"
    assert desired.absorb(timed(1)) == (), "an older one comes late"
    assert desired.rebind(link(1)) == ()
    desired.bindings = Bindings({"lobby": None, "gate": None}, {}, (EVERYWHERE,), {link(1): ("gate",)}, ())
    assert desired.rebind(link(1)) == (Change(lobby, link(1), None),)
    assert (desired.targets(link(1)), desired.targets(link(2))) == ((gate,), (lobby, gate))
    desired.leave("gate")
    assert (desired.targets(link(1)), desired.targets(link(2))) == ((), (lobby,))
    tombstone = replace(timed(2, generation=3), content=None)
    assert desired.absorb(tombstone) == (Change(lobby, link(2), None),)
    assert (desired.generation(link(2)), link(2) in desired, desired.is_live(link(2))) == (3, True, False)
    desired.forget([link(2), link(1)])
    assert (desired.generation(link(2)), link(2) in desired, link(1) in desired) == (0, False, True)


def test_cards_go_to_readers_only_unless_a_panel_is_named() -> None:
    desired = asked(card(7), card(8))
    assert desired.targets(card(7).key) == (Target("lobby"),)
    desired.bindings = Bindings({"lobby": None, "gate": None}, {}, (EVERYWHERE,), {link(8): ("gate", "cellar")}, ("lobby",))
    assert desired.wanted(card(8).key) == (Target("gate"),)
    assert (desired.missing(card(8).key), desired.missing(card(7).key)) == (("cellar",), ())


@pytest.mark.parametrize("zone", ["UTC", "Europe/Kyiv"])
def test_profiles_are_listed_as_they_are_read_now_and_kept_once(zone: str) -> None:
    desired = asked(timed(2), timed(1), card(7))
    assert [item.link_id for item in desired.items()] == [link(1), link(2)]
    desired.reread(Readings(ZoneInfo(zone)))
    again = desired.items()
    assert [item.generation for item in again] == [1, 1], "nothing else was asked"
    unkept = desired.unkept()
    assert set(unkept) <= set(again)
    desired.kept(unkept[:1])
    assert desired.unkept() == unkept[1:]
    newer = timed(1, generation=2)
    desired.absorb(newer)
    assert newer in desired.items(), "what was listed before is listed anew"
    desired.kept(unkept)
    assert (desired.unkept(), desired.live[link(1)]) == ((), newer)


def test_what_was_changed_since_it_was_read_anew_is_not_kept_as_it_was_before() -> None:
    desired = asked(timed(1))
    desired.reread(Readings(ZoneInfo("Europe/Kyiv")))
    assert [item.link_id for item in desired.unkept()] == [link(1)]
    desired.absorb(timed(1, generation=2))
    assert desired.unkept() == ()


def test_what_a_clock_that_ran_ahead_dated_is_listed_with_a_time_that_was_and_what_was_deleted_stays_so() -> None:
    desired = asked(timed(1), timed(2), card(7))
    desired.absorb(replace(timed(2, generation=2), content=None))
    assert [item.changed_at for item in desired.items()] == [5.0]
    assert desired.none_later_than(5.0) == []
    keys = {link(1), link(2), card(7).key}
    assert set(desired.none_later_than(4.0)) == {item.key for item in desired.unkept()} == keys
    assert [(item.link_id, item.changed_at) for item in desired.items()] == [(link(1), 4.0)]
    found = [desired.item(key) for key in keys]
    assert [each.changed_at for each in found if each is not None] == [4.0] * 3
    assert (desired.uid_of(link(1)), desired.uid_of(link(2)), desired.uid_of(link(3))) == (41, 42, None)
