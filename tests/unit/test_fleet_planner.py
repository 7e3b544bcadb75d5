"""Steps and ownership of slots, by property: closings first, nothing of others touched, nothing claimed that was not read."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    set_key,
    stored_as,
)
from gateway.fleet.panel.planner import Step, clearing, closing, opening, paced, revokes, single, steps
from gateway.fleet.panel.slots import adopt, foreign, foreign_identifiers, slots_of
from tests.support.fake_panel import ACCESS_PANEL
from tests.support.fleet_site import link

LINKS = [link(number) for number in range(5)]
STRANGER = Slot(("aaaaaaaa-0000-0000-0000-000000000001",), (Period(1, 0, 10),))
EXACT = ItemOutcome(ItemState.EXACT)


@st.composite
def images(draw: st.DrawFn, stranger: bool = True) -> PanelImage:
    """Up to two slots a link_id, each with one of three contents; slot 9 is foreign."""
    free = draw(st.permutations(range(9)))
    slots: dict[int, Slot] = {9: STRANGER} if stranger else {}
    allocation: dict[str, tuple[int, ...]] = {}
    for link_id in draw(st.sets(st.sampled_from(LINKS))):
        count = draw(st.integers(0, min(2, len(free))))
        numbers, free = tuple(sorted(free[:count])), free[count:]
        for number in numbers:
            slots[number] = Slot((link_id,), (Period(127, draw(st.sampled_from((0, 60, 120))), 600),))
        allocation[link_id] = numbers
    generations = {link_id: draw(st.integers(1, 3)) for link_id in allocation}
    return PanelImage(slots, (), allocation, generations, dict.fromkeys(allocation, EXACT))


def granted(image: PanelImage) -> set[tuple[int, Slot]]:
    return set(image.slots.items())


@given(images(), images())
def test_steps_end_at_the_target_and_close_before_they_open(known: PanelImage, target: PanelImage) -> None:
    made = list(steps(known, target, ACCESS_PANEL))
    assert made[-1].image is target
    assert [step.priority for step in made] in (
        [Priority.GRANT],
        [Priority.REVOCATION],
        [Priority.REVOCATION, Priority.GRANT],
    )
    before = known
    for step in made:
        assert step.image.slots[9] == STRANGER
        assert granted(step.image) <= granted(before) | granted(target)
        if step.priority is Priority.GRANT:
            assert granted(before) <= granted(step.image), "a grant takes nothing away"
        before = step.image
    first = made[0].image
    for link_id in closing(known, target):
        assert slots_of(first, link_id) == slots_of(target, link_id), "all of a link_id at once"


@given(images(), images())
def test_one_by_one_ends_at_the_target_too(known: PanelImage, target: PanelImage) -> None:
    image = clearing(known, target).image
    assert granted(image) <= granted(known)
    for link_id in sorted(opening(image, target)):
        step = single(image, target, link_id)
        given = [number for numbers in step.image.allocation.values() for number in numbers]
        assert len(given) == len(set(given)), "a slot of two"
        image = step.image
    assert image.slots == target.slots


@given(images(), st.booleans(), st.lists(images(), max_size=1))
def test_what_is_read_back_unchanged_is_known_again(image: PanelImage, labelled: bool, others: list[PanelImage]) -> None:
    slots = image.slots if labelled else {number: replace(slot, link_ids=()) for number, slot in image.slots.items()}
    # a panel without link_ids shows a foreign slot like any other: what was remembered there tells whose it is
    found = adopt(PanelImage(slots=slots), [image, *others], image.allocation, set(LINKS), lambda number: None)
    held = {link_id: numbers for link_id, numbers in image.allocation.items() if numbers}
    assert found.slots == image.slots
    assert found.allocation == held
    assert found.generations == {link_id: image.generations[link_id] for link_id in held}
    assert foreign(found) == {9}
    assert foreign(found, table_is_ours=True) == frozenset()


def test_what_a_write_left_half_done_may_be_anybodys_who_had_the_slot_before_or_was_to_get_it() -> None:
    """A panel that stores no link_ids shows words that no image tells: nobody is said to be gone from there."""
    gone, leaving, coming, forgotten = LINKS[:4]
    before = PanelImage({3: Slot((leaving, forgotten), (Period(127, 0, 600),))}, (), {leaving: (3,)})
    after = PanelImage({3: Slot((coming,), (Period(127, 700, 800),))}, (), {coming: (3,)})
    read = PanelImage({3: Slot((), (Period(3, 0, 600),))})
    ours = {leaving, coming}
    for remembered, allocation, whose in (
        ([before, after], {coming: (3,)}, {leaving, coming}),
        ([], {gone: (3,), leaving: (3,)}, {leaving}),
        ([before], {}, {leaving}),
        ([], {forgotten: (3,)}, set[str]()),
    ):
        found = adopt(read, remembered, allocation, ours, lambda number: None)
        assert found.allocation == dict.fromkeys(whose, (3,))
        assert not found.generations
        assert foreign(found) == (frozenset() if whose else {3})


@given(images(), images())
def test_generations_are_claimed_only_for_what_was_read(image: PanelImage, read: PanelImage) -> None:
    found = adopt(PanelImage(slots=read.slots), [image], image.allocation, set(LINKS), lambda number: None)
    for link_id, generation in found.generations.items():
        assert slots_of(read, link_id) == slots_of(image, link_id) != {}
        assert generation == image.generations[link_id]
    assert foreign(found) == {9}


# people

READERS = replace(ACCESS_PANEL, max_identifiers=8, commit_step=False)
OPEN_WITHOUT = replace(READERS, missing_reference="open")
CLOSED_WITHOUT = replace(READERS, missing_reference="closed")
PEOPLE = [item_key(IDENTIFIER, link(100 + number)) for number in range(4)]


@st.composite
def people(draw: st.DrawFn) -> PanelImage:
    """The schedule of a link_id has one slot, always the same. A person has one, with one of four cards that may change hands."""
    held = {LINKS[number]: (number,) for number in draw(st.sets(st.integers(0, 4)))}
    slots = {number: Slot((key,), (Period(127, draw(st.sampled_from((0, 60))), 600),)) for key, (number,) in held.items()}
    cards = draw(st.permutations(range(4)))
    places = draw(st.permutations(range(4)))
    identifiers: dict[int, IdentifierSlot] = {}
    for each in sorted(draw(st.sets(st.integers(0, 3)))):
        named = sorted(draw(st.sets(st.sampled_from(sorted(slots)), max_size=2))) if slots else []
        identifiers[places[each]] = IdentifierSlot(space="card", number=cards[each], schedules=tuple(named), outputs=(0,))
        held[PEOPLE[each]] = (places[each],)
    generations = {key: draw(st.integers(1, 2)) for key in held}
    return PanelImage(slots, (), held, generations, dict.fromkeys(held, EXACT), identifiers)


def hours(image: PanelImage) -> dict[int, tuple[int, ...]]:
    """Whose card is let in by which schedules."""
    return {slot.number: slot.schedules or () for slot in image.identifiers.values()}


def nobody_is_let_in_by_other_hours(known: PanelImage, made: list[Step], target: PanelImage, *, always_without: bool) -> None:
    for step in made:
        assert len(hours(step.image)) == len(step.image.identifiers), "one card in two slots"
        for card, schedules in hours(step.image).items():
            assert schedules in (hours(known).get(card), hours(target).get(card))
            if always_without:
                assert set(schedules) <= step.image.slots.keys(), "a card without its schedule is let in always"


@given(people(), people(), st.sampled_from([OPEN_WITHOUT, CLOSED_WITHOUT]))
def test_no_card_is_let_in_by_hours_that_it_has_neither_before_nor_after(
    known: PanelImage, target: PanelImage, capabilities: PanelCapabilities
) -> None:
    made = list(steps(known, target, capabilities))
    assert made[-1].image == target
    priorities = [step.priority for step in made]
    assert priorities == sorted(priorities), "closings first"
    nobody_is_let_in_by_other_hours(known, made, target, always_without=capabilities is OPEN_WITHOUT)


@given(people(), people(), st.integers(1, 4))
def test_a_long_change_in_parts_lets_nobody_in_by_other_hours_and_each_part_is_short(
    known: PanelImage, target: PanelImage, most: int
) -> None:
    def load(before: PanelImage, after: PanelImage) -> float:
        return changed(before, after) / most

    for step in steps(known, target, OPEN_WITHOUT):
        parts = list(paced(known, step, load))
        assert parts[-1].image == step.image
        assert {part.priority for part in parts} == {step.priority}
        assert frozenset[str]().union(*(part.link_ids for part in parts)) == step.link_ids
        nobody_is_let_in_by_other_hours(known, parts, step.image, always_without=False)
        before = known
        for part in parts:
            assert len(part.link_ids) <= 1 or load(before, part.image) <= 1
            before = part.image
        if load(known, step.image) <= 1:
            assert parts == [step]
        known = step.image


def test_a_fill_of_a_thousand_cards_is_planned_about_once_a_part() -> None:
    """A revocation waits for what is planned meanwhile."""
    cards = {number: IdentifierSlot(space="card", number=number, schedules=None, outputs=(0,)) for number in range(1000)}
    target = PanelImage(identifiers=cards, allocation={f"identifier:{number:04}": (number,) for number in cards})
    planned: list[int] = []

    def load(before: PanelImage, after: PanelImage) -> float:
        planned.append(changed(before, after))
        return (planned[-1] + 1) / 25

    (step,) = steps(PanelImage(), target, OPEN_WITHOUT)
    parts = list(paced(PanelImage(), step, load))
    assert len(parts) <= 45
    assert sum(planned) <= 1000 + 1100, "the whole once to see how long it is, and each part"


@pytest.mark.parametrize("takes", [(0.4, 0.4, 0.9, 0.9), (0.3, 0.3, 0.7, 0.7, 0.7)])
def test_a_revocation_waits_for_no_part_that_takes_longer_than_the_one_before_let_expect(takes: tuple[float, ...]) -> None:
    cards = {number: IdentifierSlot(space="card", number=number, schedules=None, outputs=(0,)) for number in range(len(takes))}
    target = PanelImage(identifiers=cards, allocation={f"identifier:{number}": (number,) for number in cards})

    def load(before: PanelImage, after: PanelImage) -> float:
        return sum(takes[number] for number in cards if before.identifiers.get(number) != after.identifiers.get(number))

    (step,) = steps(PanelImage(), target, OPEN_WITHOUT)
    held = [PanelImage(), *(part.image for part in paced(PanelImage(), step, load))]
    assert all(load(before, after) <= 1 for before, after in pairwise(held))
    assert held[-1].identifiers == cards


def changed(before: PanelImage, after: PanelImage) -> int:
    """How many slots differ."""
    numbers = before.slots.keys() | after.slots.keys(), before.identifiers.keys() | after.identifiers.keys()
    return sum(before.slots.get(each) != after.slots.get(each) for each in numbers[0]) + sum(
        before.identifiers.get(each) != after.identifiers.get(each) for each in numbers[1]
    )


def test_a_number_that_somebody_had_before_is_theirs_by_the_allocation_when_nothing_else_is_remembered() -> None:
    """The gateway lost its power after a number was changed and before the panel was written."""
    old = IdentifierSlot(space="card", number=2, schedules=None, outputs=(0,))
    found = adopt(PanelImage(identifiers={1: old, 4: old}), [], {"identifier:p": (1,)}, set(), lambda number: None)
    assert found.allocation == {"identifier:p": (1,)}
    assert foreign_identifiers(found) == {4}
    assert not found.generations


def test_hours_of_several_profiles_that_a_card_has_are_known_again_after_a_restart() -> None:
    both = set_key(LINKS[:2])
    held = PanelImage({0: Slot((both,), (Period(127, 0, 600),))}, (), {both: (0,)}, {both: 1}, {both: EXACT})
    read = PanelImage({0: replace(held.slots[0], link_ids=(stored_as(both),))})
    for remembered, allocation in (([held], {}), ([], held.allocation)):
        assert adopt(read, remembered, allocation, {both}, lambda number: None).allocation == {both: (0,)}


def test_whoever_replaces_what_nobody_knows_takes_something_away() -> None:
    """A write that was cut off left words in a table that no image tells: putting that right waits for no budget."""
    left = PanelImage({0: Slot((), opaque=(1, 2, 3))})
    wanted = PanelImage({0: Slot((LINKS[0],), (Period(127, 0, 600),))}, (), {LINKS[0]: (0,)}, {LINKS[0]: 1}, {LINKS[0]: EXACT})
    assert revokes(left, Step(wanted, Priority.GRANT, frozenset(LINKS[:1])))
    assert not revokes(PanelImage(), Step(wanted, Priority.GRANT, frozenset(LINKS[:1])))
    beside = replace(wanted, slots={**wanted.slots, 9: STRANGER})
    assert not revokes(PanelImage({9: STRANGER}), Step(beside, Priority.GRANT, frozenset(LINKS[:1])))


def test_whose_card_somebody_else_got_first_is_among_those_whom_the_next_step_is_for() -> None:
    """A step that is for nobody waits for the storage's budget of another day, as one that was tried before."""
    ada, bob = item_key(IDENTIFIER, LINKS[0]), item_key(IDENTIFIER, LINKS[1])

    def cards(first: int, second: int, generation: int) -> PanelImage:
        slots = {0: IdentifierSlot(space="card", number=first), 1: IdentifierSlot(space="card", number=second)}
        given = {ada: (0,), bob: (1,)}
        return PanelImage({}, (), given, dict.fromkeys(given, generation), dict.fromkeys(given, EXACT), slots)

    known, target = cards(1, 2, 1), cards(2, 1, 2)
    between = single(known, target, bob).image
    assert between.identifiers == {1: target.identifiers[1]}
    assert {key for step in steps(between, target, ACCESS_PANEL) for key in step.link_ids} == {ada}
