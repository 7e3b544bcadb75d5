"""What an operator reads about a panel that was found to hold something else: every slot, every date, every identifier."""

from __future__ import annotations

from dataclasses import replace

from drivers.contract import IdentifierSlot, PanelImage, Period, Slot, set_key
from gateway.fleet.panel.differences import differences, owner_called
from gateway.identifiers.own_ids import new_own_id
from tests.support.fleet_site import link
from tests.support.panel_parts import bound

MONDAY_TO_FRIDAY = 0b11111
CHRISTMAS = 20_811
"""2026-12-24 as a day number."""
OFFICE = Slot(("a",), (Period(MONDAY_TO_FRIDAY, 540, 1080),))


def test_each_schedule_that_changed_is_told_and_no_other() -> None:
    before = PanelImage(slots={1: OFFICE, 2: OFFICE, 4: OFFICE})
    now = PanelImage(slots={1: OFFICE, 2: replace(OFFICE, periods=()), 3: replace(OFFICE, link_ids=()), 4: OFFICE})
    assert differences(before, now) == (
        "slot 2 was Mon-Fri 09:00-18:00 for a, is never open for a",
        "slot 3 was free, is Mon-Fri 09:00-18:00",
    )
    assert differences(now, now) == ()


def test_no_id_of_the_gateways_own_is_told_to_somebody_who_has_to_find_out_whose_slot_changed() -> None:
    named, nameless, unknown = link(1), new_own_id(), new_own_id()
    items = {key: replace(bound(number), uid=number) for number, key in enumerate((named, nameless), 1)}
    assert owner_called(named, items[named]) == named
    assert owner_called(nameless, items[nameless]) == "profile 2 (uid 2)"
    assert owner_called(nameless, replace(items[nameless], content=None)) == "uid 2"
    shared = replace(OFFICE, link_ids=(set_key((named, nameless)), unknown))
    (told,) = differences(PanelImage(slots={1: shared}), PanelImage(), lambda key: owner_called(key, items.get(key)))
    assert told == f"slot 1 was Mon-Fri 09:00-18:00 for {named}, profile 2 (uid 2), an item without a link_id, is free"


def test_a_slot_whose_check_word_contradicts_it_is_told_so() -> None:
    damaged = PanelImage(slots={1: replace(OFFICE, damaged=True)})
    (said,) = differences(PanelImage(slots={1: OFFICE}), damaged)
    assert said.endswith("for a, and its check word contradicts it")


def test_each_group_of_special_days_that_changed_is_told_with_its_dates() -> None:
    before = PanelImage(special_days=((CHRISTMAS, CHRISTMAS + 1), (0,), (5,)))
    now = PanelImage(special_days=((CHRISTMAS,), (-1,), (5,), (CHRISTMAS,)))
    assert differences(before, now) == (
        "special days 1 were 2026-12-24, 2026-12-25, are 2026-12-24",
        "special days 2 were 1970-01-01, are no date",
        "special days 4 were none, are 2026-12-24",
    )
    assert differences(now, PanelImage(special_days=now.special_days[:3])) == ("special days 4 were 2026-12-24, are none",)


CARD = IdentifierSlot(space="card", number=4711, schedules=None, outputs=(0,))


def told(before: IdentifierSlot | None, now: IdentifierSlot | None) -> tuple[str, ...]:
    earlier, later = (PanelImage(identifiers={} if slot is None else {7: slot}) for slot in (before, now))
    return differences(earlier, later)


def test_an_identifier_that_changed_is_told_without_the_number_that_opens_doors() -> None:
    assert told(CARD, CARD) == ()
    assert told(None, CARD) == ("identifier slot 7 was free, is a card for all hours, doors 0",)
    assert told(CARD, None) == ("identifier slot 7 was a card for all hours, doors 0, is free",)
    assert told(CARD, replace(CARD, number=4712)) == (
        "identifier slot 7 was a card for all hours, doors 0, is a card for all hours, doors 0 with another number",
    )
    limited = replace(CARD, schedules=(1, 3), outputs=(0, 2), valid_from=0, valid_to=29_672_640, passes=5)
    assert told(None, limited) == (
        "identifier slot 7 was free, is a card for the hours of slots 1 and 3, doors 0 and 2,"
        " from 1970-01-01 00:00 UTC, until 2026-06-02 00:00 UTC, 5 entries",
    )
    useless = replace(CARD, schedules=(), outputs=(), passes=0, damaged=True)
    assert told(None, useless) == (
        "identifier slot 7 was free, is a card for no hours, doors none, 0 entries, and its check word contradicts it",
    )


def test_a_date_that_no_calendar_has_is_told_and_keeps_nobody_from_reading_the_rest() -> None:
    last = 253_402_300_799 // 60
    assert told(None, replace(CARD, valid_to=last))[0].endswith("until 9999-12-31 23:59 UTC")
    assert told(None, replace(CARD, valid_to=last + 1))[0].endswith("until the end of time")
    assert told(None, replace(CARD, valid_to=2**32 - 1))[0].endswith("until the end of time")
