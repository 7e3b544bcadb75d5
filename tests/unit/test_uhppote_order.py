"""A UHPPOTE board acts on each write at once: whatever is written half, nobody comes in who may not come in before or after.

The board is cut off after every single write of a change. Who comes in is asked of the board itself, at the minutes around every
boundary of the hours that are meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import IdentifierSlot, PanelCapabilities, PanelImage, Period, Slot
from drivers.uhppote.panel.steps import DeleteCard, PutCard, PutProfile, steps_between
from drivers.uhppote.wire.frames import frame
from gateway.fleet.panel.planner import steps
from simulators.uhppote_board import UhppoteBoard
from tests.unit.test_sim_uhppote_board import SERIAL, board

CAPABILITIES = PanelCapabilities(
    max_schedules=253, first_id=2, missing_reference="open", references=1, max_identifiers=100, link_chain=True, outputs=4
)
MONDAY = 20_759
DAY = 1440


@dataclass(frozen=True)
class Meant:
    """What a panel has to hold: each profile, one slot a part, at these numbers; whose card names which profile."""

    profiles: Mapping[str, tuple[tuple[int, tuple[Period, ...]], ...]]
    cards: Mapping[int, str | None]
    """None: always."""

    def image(self) -> PanelImage:
        slots: dict[int, Slot] = {}
        allocation: dict[str, tuple[int, ...]] = {}
        for name, parts in self.profiles.items():
            allocation[name] = numbers = tuple(number for number, _ in parts)
            for index, (number, periods) in enumerate(parts):
                slots[number] = Slot((name,), periods, 20_000, 47_481, link=(*numbers, None)[index + 1])
        identifiers: dict[int, IdentifierSlot] = {}
        for place, (card, owner) in enumerate(self.cards.items()):
            schedules = None if owner is None else allocation[owner][:1]
            identifiers[place] = IdentifierSlot(space="card", number=card, schedules=schedules, outputs=(0, 2))
            allocation[f"identifier:{card}"] = (place,)
        return PanelImage(slots=slots, allocation=allocation, identifiers=identifiers)

    def lets_in(self, card: int, day: int, minute: int) -> bool:
        name = self.cards.get(card, "")
        if name is None:
            return True
        bit = 1 << (day + 3) % 7
        return any(
            period.days & bit and period.start <= minute < period.end
            for _, periods in self.profiles.get(name, ())
            for period in periods
        )


MINUTE = st.integers(0, DAY)


def _periods(days: int, bounds: list[tuple[int, int]]) -> tuple[Period, ...]:
    return tuple(Period(days, min(pair), max(pair)) for pair in bounds)


PART = st.builds(
    _periods,
    st.sampled_from((0b0011111, 0b1100000, 0b1111111, 0b0000100)),
    st.lists(st.tuples(MINUTE, MINUTE).filter(lambda pair: pair[0] != pair[1]), min_size=1, max_size=3, unique=True),
)


@st.composite
def meant(draw: st.DrawFn) -> Meant:
    free = draw(st.permutations(range(2, 10)))
    profiles: dict[str, tuple[tuple[int, tuple[Period, ...]], ...]] = {}
    for name in draw(st.lists(st.sampled_from("abc"), unique=True)):
        count = draw(st.integers(1, 2))
        parts = tuple((number, draw(PART)) for number in free[:count])
        free, profiles[name] = free[count:], parts
    owners = st.sampled_from((*profiles, None))
    return Meant(profiles, draw(st.dictionaries(st.sampled_from((7, 8, 9)), owners)))


def _moments(*images: Meant) -> Iterator[tuple[int, int]]:
    """Every boundary and the minutes beside it, on a working day, on one of its own and at the weekend."""
    bounds = {
        edge
        for image in images
        for parts in image.profiles.values()
        for _, periods in parts
        for period in periods
        for edge in (period.start, period.end)
    }
    minutes = {minute for edge in bounds for minute in (edge - 1, edge, edge + 1) if 0 <= minute < DAY}
    return ((day, minute) for day in (MONDAY, MONDAY + 2, MONDAY + 6) for minute in sorted(minutes | {0, 720}))


def _frames(known: PanelImage, target: PanelImage) -> Iterator[bytes]:
    for step in steps(known, target, CAPABILITIES):
        for write in steps_between(known, step.image, "decimal"):
            yield frame(SERIAL, write.write())
        known = step.image


def _holds_no_loop(it: UhppoteBoard) -> bool:
    for number in it.profiles.records:
        seen: set[int] = set()
        while number in it.profiles.records and number not in seen:
            seen.add(number)
            number = it.profiles.records[number][28]
        if number:
            return False
    return True


def _lets_in(it: UhppoteBoard, card: int, day: int, minute: int) -> bool:
    return it.decide(card, 2, 86_400 * day + 60 * minute) == "granted"


@settings(max_examples=60, deadline=None)
@given(meant(), meant())
def test_nothing_opens_in_between_wherever_a_change_is_cut(before: Meant, after: Meant) -> None:
    it = board()
    for data in _frames(PanelImage(), before.image()):
        assert it.answer_to(data)[8] == 1
    moments, everybody = [*_moments(before, after)], sorted({*before.cards, *after.cards})
    for data in _frames(before.image(), after.image()):
        it.answer_to(data)
        assert _holds_no_loop(it), "a chain leads to itself, or to a profile that is not there"
        for card in everybody:
            record = it.cards.get(card)
            assert all(door in (0, 1) or door in it.profiles.records for door in record[12:16]), "a card names what is not there"
            for day, minute in moments:
                allowed = before.lets_in(card, day, minute) or after.lets_in(card, day, minute)
                assert allowed or not _lets_in(it, card, day, minute), (card, day, minute)
    for card in everybody:
        for day, minute in moments:
            assert _lets_in(it, card, day, minute) == after.lets_in(card, day, minute), (card, day, minute)


WORK, NIGHT = (Period(31, 540, 1080),), (Period(127, 0, 300),)


def of(profiles: Mapping[str, tuple[tuple[int, tuple[Period, ...]], ...]], cards: Mapping[int, str | None]) -> PanelImage:
    return Meant(profiles, cards).image()


def test_hours_that_change_in_place_touch_no_card() -> None:
    known, target = of({"a": ((2, WORK),)}, {7: "a"}), of({"a": ((2, NIGHT),)}, {7: "a"})
    (step,) = steps_between(known, target, "decimal")
    assert isinstance(step, PutProfile)


def test_a_link_is_written_behind_its_target_and_ends_before_it() -> None:
    chain = of({"a": ((9, WORK), (2, NIGHT), (5, WORK))}, {})
    written = [step.number for step in steps_between(PanelImage(), chain, "decimal") if isinstance(step, PutProfile)]
    assert written == [5, 2, 9]
    closed = [step.number for step in steps_between(chain, PanelImage(), "decimal") if isinstance(step, PutProfile)]
    assert closed == [9, 2, 5]


def test_a_slot_that_somebody_else_gets_is_closed_first_and_its_cards_are_gone_by_then() -> None:
    known, target = of({"a": ((2, WORK),)}, {7: "a"}), of({"b": ((2, NIGHT),)}, {8: "b"})
    kinds = [type(step) for step in steps_between(known, target, "decimal")]
    assert kinds == [DeleteCard, PutProfile, PutProfile, PutCard]


def test_a_card_that_only_moves_to_another_profile_is_overwritten_at_once() -> None:
    profiles = {"a": ((2, WORK),), "b": ((3, NIGHT),)}
    (step,) = steps_between(of(profiles, {7: "a"}), of(profiles, {7: "b"}), "decimal")
    assert isinstance(step, PutCard)
    assert not step.is_new
