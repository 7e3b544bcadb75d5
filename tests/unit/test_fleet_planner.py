"""Steps and ownership of slots, by property: closings first, nothing of others touched, nothing claimed that was not read."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import ItemOutcome, ItemState, PanelImage, Period, Priority, Slot
from gateway.fleet.panel.planner import clearing, closing, opening, single, steps
from gateway.fleet.panel.slots import adopt, foreign, slots_of
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


@given(images(), images())
def test_generations_are_claimed_only_for_what_was_read(image: PanelImage, read: PanelImage) -> None:
    found = adopt(PanelImage(slots=read.slots), [image], image.allocation, set(LINKS), lambda number: None)
    for link_id, generation in found.generations.items():
        assert slots_of(read, link_id) == slots_of(image, link_id) != {}
        assert generation == image.generations[link_id]
    assert foreign(found) == {9}
