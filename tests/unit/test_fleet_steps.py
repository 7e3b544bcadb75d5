"""The steps to what a panel must hold where people, dates and chains of slots depend on each other, and how long each may be."""

from __future__ import annotations

from dataclasses import replace

from drivers.contract import (
    IDENTIFIER,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    PanelCapabilities,
    PanelImage,
    Period,
    Priority,
    Slot,
    item_key,
)
from gateway.fleet.panel.planner import Step, closing, paced, revokes, single, steps
from gateway.fleet.panel.slots import adopt, foreign_identifiers
from tests.support.fake_panel import ACCESS_PANEL
from tests.support.fleet_site import link

LINKS = [link(number) for number in range(3)]
STRANGER = Slot(("aaaaaaaa-0000-0000-0000-000000000001",), (Period(1, 0, 10),))
EXACT = ItemOutcome(ItemState.EXACT)
CARD, OTHER_CARD = item_key(IDENTIFIER, "a"), item_key(IDENTIFIER, "b")
HOURS = Slot((LINKS[0],), (Period(127, 0, 60),))


def people(
    schedule: int | None, *cards: tuple[str, int, int], special_days: tuple[tuple[int, ...], ...] = (), generation: int = 1
) -> PanelImage:
    """A time profile in a slot, and cards: key, identifier slot, number; each refers to the profile's slot."""
    slots = {} if schedule is None else {schedule: HOURS}
    allocation = {} if schedule is None else {LINKS[0]: (schedule,)}
    refer = () if schedule is None else (schedule,)
    identifiers = {slot: IdentifierSlot(space="card", number=number, schedules=refer) for _, slot, number in cards}
    allocation |= {key: (slot,) for key, slot, _ in cards}
    return PanelImage(
        slots, special_days, allocation, dict.fromkeys(allocation, generation), dict.fromkeys(allocation, EXACT), identifiers
    )


def summary(known: PanelImage, target: PanelImage, capabilities: PanelCapabilities) -> list[tuple[Priority, set[str]]]:
    return [(step.priority, set(step.link_ids)) for step in steps(known, target, capabilities)]


OPENS_WITHOUT = replace(ACCESS_PANEL, missing_reference="open")
CLOSED_WITHOUT = replace(ACCESS_PANEL, missing_reference="closed")


def test_a_card_that_would_be_open_always_without_its_schedule_comes_after_it_and_goes_before_it() -> None:
    one = people(0, (CARD, 3, 1))
    assert summary(PanelImage(), one, OPENS_WITHOUT) == [(Priority.GRANT, {LINKS[0]}), (Priority.GRANT, {CARD})]
    assert summary(one, PanelImage(), OPENS_WITHOUT) == [(Priority.REVOCATION, {CARD}), (Priority.REVOCATION, {LINKS[0]})]
    assert summary(PanelImage(), one, CLOSED_WITHOUT) == [(Priority.GRANT, {LINKS[0], CARD})]
    assert summary(one, PanelImage(), CLOSED_WITHOUT) == [(Priority.REVOCATION, {LINKS[0], CARD})]
    alone = people(None, (CARD, 3, 1))
    assert summary(PanelImage(), alone, OPENS_WITHOUT) == [(Priority.GRANT, {CARD})]


def test_a_number_with_a_new_owner_changes_hands_in_one_write() -> None:
    before, after = people(0, (CARD, 3, 1)), people(0, (OTHER_CARD, 3, 1))
    made = list(steps(before, after, CLOSED_WITHOUT))
    assert made[0].image.identifiers == after.identifiers
    assert made[-1].image is after
    merged = single(before, after, OTHER_CARD).image
    assert merged.allocation.keys() == {LINKS[0], OTHER_CARD}
    moved = people(0, (OTHER_CARD, 4, 1))
    assert single(before, moved, OTHER_CARD).image.identifiers.keys() == {4}, "the number is in one slot only"


def test_dates_that_are_the_panels_change_in_one_write_with_all_that_depends_on_them() -> None:
    before, after = people(0, special_days=((5,),)), people(0, (CARD, 3, 1), special_days=((6,),))
    assert closing(before, after) == {LINKS[0]}
    scoped = replace(CLOSED_WITHOUT, special_days_scope="panel")
    assert summary(before, after, scoped) == [(Priority.REVOCATION, {LINKS[0], CARD})]
    apart = replace(CLOSED_WITHOUT, special_days_scope="schedule")
    assert len(summary(before, after, apart)) == 2
    same = replace(after, special_days=before.special_days)
    assert summary(before, same, scoped) == [(Priority.GRANT, {CARD})]


def test_a_chain_of_slots_changes_in_one_write() -> None:
    chain = replace(people(0), slots={0: replace(HOURS, link=1), 1: Slot((LINKS[1],))}, allocation={LINKS[0]: (0, 1)})
    other = replace(people(0), slots={2: Slot((LINKS[2],), (Period(1, 0, 9),))}, allocation={LINKS[2]: (2,)})
    assert summary(chain, other, CLOSED_WITHOUT) == [(Priority.REVOCATION, {LINKS[0], LINKS[2]})]
    assert summary(other, chain, CLOSED_WITHOUT) == [(Priority.REVOCATION, {LINKS[0], LINKS[2]})]


def test_a_write_that_renews_or_opens_takes_nothing_away() -> None:
    one = people(0)
    renewed = replace(one, slots={0: replace(HOURS, periods=())})
    assert not revokes(one, Step(renewed, Priority.REVOCATION, frozenset({LINKS[0]})))
    assert revokes(one, Step(replace(renewed, generations={LINKS[0]: 2}), Priority.REVOCATION, frozenset({LINKS[0]})))
    assert revokes(one, Step(PanelImage(), Priority.REVOCATION, frozenset({LINKS[0]})))
    assert not revokes(one, Step(people(0, (CARD, 3, 1)), Priority.GRANT, frozenset({CARD})))
    assert revokes(one, Step(PanelImage(), Priority.REVOCATION, frozenset()))
    assert not revokes(one, Step(one, Priority.GRANT, frozenset()))
    nobodys = replace(one, slots={**one.slots, 5: STRANGER})
    assert revokes(nobodys, Step(one, Priority.GRANT, frozenset({CARD})))
    assert not revokes(nobodys, Step(nobodys, Priority.GRANT, frozenset({CARD})))


def parts_of(count: int, share: float) -> list[int]:
    """How many cards each part of a fill has, where a card takes this share of what a part may take."""
    cards = [(item_key(IDENTIFIER, f"{number:03}"), number, number) for number in range(count)]
    target = people(None, *cards)
    step = Step(target, Priority.GRANT, frozenset(target.allocation))

    def load(known: PanelImage, image: PanelImage) -> float:
        return share * len(image.identifiers.keys() - known.identifiers.keys())

    made = list(paced(PanelImage(), step, load))
    assert made[-1].image is target
    return [len(each.link_ids) for each in made]


def test_a_long_fill_is_done_in_parts_that_each_take_what_a_part_may_take() -> None:
    assert parts_of(4, 0.25) == [4]
    assert parts_of(5, 0.25) == [4, 1]
    assert parts_of(8, 0.25) == [4, 4]
    assert parts_of(3, 2.0) == [1, 1, 1]
    assert parts_of(1, 5.0) == [1]


def test_a_part_that_turns_out_too_long_is_made_shorter_and_the_next_ones_with_it() -> None:
    cards = [(item_key(IDENTIFIER, f"{number:03}"), number, number) for number in range(6)]
    target = people(None, *cards)

    def load(known: PanelImage, image: PanelImage) -> float:
        """The first three are dear."""
        fresh = image.identifiers.keys() - known.identifiers.keys()
        return sum(0.5 if number < 3 else 0.1 for number in fresh)

    made = list(paced(PanelImage(), Step(target, Priority.GRANT, frozenset(target.allocation)), load))
    assert [len(each.link_ids) for each in made] == [2, 2, 2]


def test_where_schedules_change_too_a_card_goes_first_and_comes_back_when_they_are_there() -> None:
    before = people(0, (CARD, 3, 1), (OTHER_CARD, 4, 2))
    after = people(1, (CARD, 3, 1), (OTHER_CARD, 4, 2), generation=2)
    made = list(paced(before, Step(after, Priority.REVOCATION, frozenset(after.allocation)), lambda known, image: 2.0))
    assert [set(each.link_ids) for each in made] == [{CARD}, {OTHER_CARD}, {LINKS[0]}, {CARD}, {OTHER_CARD}]
    assert made[1].image.identifiers == {}
    assert made[-1].image is after
    fresh = people(1, (CARD, 3, 1))
    made = list(paced(PanelImage(), Step(fresh, Priority.GRANT, frozenset(fresh.allocation)), lambda known, image: 2.0))
    assert [set(each.link_ids) for each in made] == [{LINKS[0]}, {CARD}]


def test_link_ids_that_share_slots_are_written_together() -> None:
    shared = Slot((LINKS[0], LINKS[1]), (Period(127, 0, 60),))
    more = Slot((LINKS[1], LINKS[2]), (Period(127, 0, 60),))
    target = PanelImage(
        slots={0: shared, 1: more},
        allocation={LINKS[0]: (0,), LINKS[1]: (0, 1), LINKS[2]: (1,), CARD: (0,)},
        identifiers={0: IdentifierSlot(space="card", number=1)},
    )
    assert single(PanelImage(), target, LINKS[0]).link_ids == {LINKS[0], LINKS[1], LINKS[2]}
    assert single(PanelImage(), replace(target, allocation={CARD: (0,)}), CARD).link_ids == {CARD}


def test_what_is_read_is_what_was_remembered_where_it_is_the_same_and_nobodys_where_it_is_not() -> None:
    remembered = people(0, (CARD, 3, 1), generation=4)
    read = replace(remembered, allocation={}, generations={}, outcomes={})
    found = adopt(read, (remembered,), {}, {LINKS[0]}, {("card", 1, 0): CARD}.get)
    assert (found.allocation, found.generations) == (remembered.allocation, remembered.generations)
    assert found.outcomes == remembered.outcomes
    changed = replace(read, slots={0: replace(HOURS, periods=())})
    found = adopt(changed, (remembered,), {}, {LINKS[0]}, {("card", 1, 0): CARD}.get)
    assert found.allocation == remembered.allocation
    assert (found.generations, found.outcomes) == ({CARD: 4}, {CARD: EXACT}), "its times are others by now"
    nobodys = adopt(read, (), {}, set(), lambda number: None)
    assert (nobodys.allocation, nobodys.slots) == ({}, read.slots)
    given = adopt(read, (), {CARD: (3,)}, set(), lambda number: None)
    assert given.allocation == {CARD: (3,)}, "the slot was given to somebody who has another number by now"
    damaged = replace(read, identifiers={3: replace(read.identifiers[3], damaged=True)})
    found = adopt(damaged, (), {OTHER_CARD: (3,)}, set(), {("card", 1, 0): CARD}.get)
    assert found.allocation == {OTHER_CARD: (3,)}, "a damaged slot is whose it was given, whatever it says"
    found = adopt(read, (), {OTHER_CARD: (3,)}, set(), {("card", 1, 0): CARD}.get)
    assert found.allocation == {CARD: (3,)}


def test_a_number_that_is_nobodys_any_more_is_taken_from_the_panel_by_whose_it_was_seen_to_be() -> None:
    """It was changed, and its slot given away, while the panel was out of reach: a slot of nobody would open doors forever."""
    held = people(3, (OTHER_CARD, 1, 7), (CARD, 3, 1))
    read = replace(held, allocation={}, generations={}, outcomes={})
    remembered = (people(3), people(0, (OTHER_CARD, 3, 9)), held)
    found = adopt(read, remembered, {}, {LINKS[0]}, lambda number: None)
    assert found.allocation == held.allocation
    assert foreign_identifiers(found) == frozenset()
