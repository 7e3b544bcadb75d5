"""What one panel must hold: from what it is compiled, what is compiled anew, and which slots are given to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.settings import PanelSettings
from drivers.clock import Sync
from drivers.contract import (
    IDENTIFIER,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    PanelImage,
    Period,
    Reason,
    Slot,
    item_key,
    set_key,
)
from gateway.fleet.bindings import Bindings
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.desired import Desired
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.panel.closing import taking_away, unbound
from gateway.fleet.panel.compilation import (
    AT_ONCE,
    alone,
    compilation,
    compile_bound,
    compile_goal,
    fingerprint,
    is_current,
    kept_allocation,
    refresh,
    used,
)
from gateway.fleet.panel.failure import Failure
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.schedules.time_profile import Readings
from gateway.store.contract import Certain, DesiredItem, ObservedPanel, OneOf
from tests.support.fleet_site import START, link
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B, C = link(1), link(2), link(3)
CARD = item_key(IDENTIFIER, link(9))
EXACT = ItemOutcome(ItemState.EXACT)
OPEN = Slot((A,), (Period(127, 540, 600),))
HELD = PanelImage({0: OPEN}, (), {A: (0,)}, {A: 1}, {A: EXACT})


def parts(*items: DesiredItem, known: PanelImage = HELD, **more: Any) -> PanelParts:
    """A panel that holds this, with these bound to it."""
    made = PanelParts(**more)
    made.context.ours = Desired({item.key: item for item in items}, Bindings({}, {}, (), {}))
    made.state.read(known, made.context.ours)
    for item in items:
        made.state.bind(item)
    return made


def card(*profiles: str, number: str = "4711") -> DesiredItem:
    asked = Identifier(link(9), "card", Number("card", number), "all", profiles=profiles or None)
    return DesiredItem(link(9), 9, 1, 1, asked, "", float(START), kind=IDENTIFIER)


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_a_goal_says_what_it_was_compiled_from_and_is_out_of_date_once_any_of_it_changed() -> None:
    async def main() -> None:
        changes: list[Callable[[PanelParts], object]] = [
            lambda made: made.state.bind(bound(3)),
            lambda made: made.state.forget_content(),
            lambda made: made.state.disclaim("other"),
            lambda made: made.state.count_refusal(A, 1, Failure(Reason.PANEL_REJECTED)),
        ]
        for change in changes:
            made = parts(bound(1), bound(2))
            refresh(made.state, made.context)
            goal = await compile_goal(made.state, made.context)
            assert (goal.asked, goal.version, goal.may_open) == ({A: 1, B: 1}, made.state.version, True)
            assert (goal.compiled_for, goal.compiled_at) == (fingerprint(made.state, made.context), START)
            assert is_current(made.state, goal)
            change(made)
            assert not is_current(made.state, goal)

    virtually(main)


def test_the_oldest_item_is_served_first_and_what_was_given_up_is_left_out() -> None:
    async def main() -> None:
        young, old = replace(bound(1), sequence=7), replace(bound(2), sequence=3)
        made = parts(young, old, known=PanelImage(), capabilities={"max_schedules": 1})
        assert list((await compile_goal(made.state, made.context)).image.allocation) == [B]
        for _ in range(5):
            made.state.count_refusal(B, 1, Failure(Reason.PANEL_REJECTED))
        goal = await compile_goal(made.state, made.context)
        assert list(goal.image.allocation) == [A]
        assert goal.asked == {A: 1, B: 1}

    virtually(main)


def test_slots_of_others_stay_where_they_are_and_are_given_to_nobody() -> None:
    async def main() -> None:
        stranger = Slot((C,), (Period(1, 0, 60),))
        cards = {5: IdentifierSlot(space="card", number=1, schedules=(2,))}
        known = PanelImage({0: stranger, 2: stranger}, identifiers=cards)
        made = parts(bound(1), known=known, capabilities={"max_identifiers": 8, "references": 4})
        goal = await compile_goal(made.state, made.context)
        assert goal.image.slots.keys() == {0, 1, 2}
        assert goal.image.slots[0] == stranger
        assert goal.image.identifiers == cards
        assert goal.image.allocation == {A: (1,)}

    virtually(main)


def test_a_card_whose_only_profile_was_deleted_opens_never_and_one_whose_profile_is_elsewhere_has_its_hours() -> None:
    async def main() -> None:
        readers = {"max_identifiers": 8, "references": 4, "identifier_types": ("card",)}
        gone = parts(card(B), known=PanelImage(), capabilities=readers)
        elsewhere = parts(card(B), known=PanelImage(), capabilities=readers)
        elsewhere.context.ours = Desired({B: bound(2), CARD: card(B)}, Bindings({}, {}, (), {}))
        both = parts(card(A, B), bound(1), known=PanelImage(), capabilities=readers)
        images = [(await compile_goal(made.state, made.context)).image for made in (gone, elsewhere, both)]
        outcomes = [image.outcomes[CARD] for image in images]
        assert outcomes[0] != outcomes[1], "what is missing is told from what is over"
        assert images[2].identifiers[images[2].allocation[CARD][0]].schedules == images[2].allocation[A]

    virtually(main)


def test_a_question_binds_nothing() -> None:
    async def main() -> None:
        made = parts(bound(1))
        image = await compile_bound(made.state, made.context, {B: bound(2)})
        assert image.generations == {A: 1, B: 1}
        assert list(made.state.bound) == [A]

    virtually(main)


@pytest.mark.parametrize(("outcome", "stays"), [(EXACT, True), (replace(EXACT, renew_at=START + 1), True)])
def test_what_is_held_as_it_is_asked_is_not_compiled_anew(outcome: ItemOutcome, stays: bool) -> None:
    async def main() -> None:
        held = replace(HELD, outcomes={A: outcome})
        made = parts(bound(1), bound(2), known=held)
        assert compilation(made.state, made.context, {}).size == (1 if stays else 2)
        due = replace(HELD, outcomes={A: replace(EXACT, renew_at=START)})
        assert compilation(parts(bound(1), bound(2), known=due).state, made.context, {}).size == 2
        older = parts(bound(1, generation=2), bound(2))
        assert compilation(older.state, older.context, {}).size == 2
        without = parts(bound(1), bound(2), known=replace(HELD, outcomes={}))
        assert compilation(without.state, without.context, {}).size == 2
        people = parts(bound(1), card(A))
        assert compilation(people.state, people.context, {}).size == 0

    virtually(main)


def test_where_profiles_share_slots_one_that_is_new_makes_all_be_compiled() -> None:
    async def main() -> None:
        shared = {"max_schedules": 1, "scope": "panel"}
        made = parts(bound(1), bound(2), capabilities=shared)
        assert compilation(made.state, made.context, {}).size == 2
        assert compilation(parts(bound(1), capabilities=shared).state, made.context, {}).size == 0
        apart = parts(bound(1), bound(2))
        assert compilation(apart.state, apart.context, {}).size == 1

    virtually(main)


def test_much_is_compiled_beside_the_loop_and_little_on_it() -> None:
    async def main() -> None:
        made = parts(*(bound(number) for number in range(1, AT_ONCE + 1)), known=PanelImage(), capabilities={"max_schedules": 32})
        submitted: list[object] = []

        class Refusing:
            def submit(self, *work: object) -> Any:
                submitted.append(work)
                raise RuntimeError("beside")

        vars(made.context).update(compiling=Refusing())
        await compile_goal(made.state, made.context)
        assert submitted == []
        made.state.bind(bound(AT_ONCE + 1))
        with pytest.raises(RuntimeError, match="beside"):
            await compile_goal(made.state, made.context)

    virtually(main)


def test_a_question_waits_for_the_panels_that_are_at_work() -> None:
    async def main() -> None:
        made = parts(bound(1))
        turns: list[str] = []

        async def work() -> None:
            async with alone(made.state, made.context, {}, urgent=False):
                turns.append("work")

        async def ask() -> None:
            await compile_bound(made.state, made.context, {})
            turns.append("question")

        async with made.context.turn.held(urgent=False):
            waiting = [asyncio.create_task(each) for each in (work(), ask())]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        assert turns == ["work", "question"]

    virtually(main)


# what was compiled for others


@pytest.mark.parametrize(("back_s", "counts"), [(0.0, True), (60.0, True), (61.0, False)])
def test_what_was_compiled_by_a_clock_that_was_ahead_no_longer_counts(back_s: float, counts: bool) -> None:
    async def main() -> None:
        made = parts(bound(1))
        refresh(made.state, made.context)
        made.state.read(HELD, (A,))
        made.state.compiled(made.clock.wall())
        made.clock.wall_offset -= back_s
        refresh(made.state, made.context)
        assert bool(made.state.held().generations) is counts
        assert made.state.asked_anew_at <= made.clock.wall()

    virtually(main)


def test_a_clock_that_is_not_trusted_makes_nothing_out_of_date() -> None:
    async def main() -> None:
        made = parts(bound(1))
        refresh(made.state, made.context)
        made.state.read(HELD, (A,))
        made.state.compiled(made.clock.wall())
        made.clock.wall_offset -= 7200
        made.clock.sync = Sync.UNSYNCHRONISED
        made.context.trust = ClockTrust(made.clock, Rules(released_at=2 * START), {}, 0)
        refresh(made.state, made.context)
        assert made.state.held().generations == {A: 1}

    virtually(main)


def test_another_reading_of_profiles_or_another_setting_of_the_panel_is_another_compilation() -> None:
    async def main() -> None:
        made = parts(bound(1))
        before = fingerprint(made.state, made.context)
        assert fingerprint(made.state, made.context) == before
        stale = parts(settings=PanelSettings(id="lobby", model="open-access-panel", allow_stale=True))
        assert fingerprint(stale.state, stale.context) != before
        made.context.options = FleetOptions(Readings(ZoneInfo("Europe/Berlin")), clock=made.context.options.clock)
        assert fingerprint(made.state, made.context) != before
        fewer = parts(capabilities={"max_schedules": 4})
        assert fingerprint(fewer.state, fewer.context) != before

    virtually(main)


# slots


def test_what_is_on_its_way_out_keeps_its_slots_until_somebody_else_gets_them() -> None:
    async def main() -> None:
        made = parts(bound(1), bound(2))
        made.state.reserve({A: (0,), B: (1,), C: (2,)})
        ours = {A, B, C}
        made.state.doubt()
        assert kept_allocation(made.state, {A: (5,), "x": ()}, ours) == {B: (1,), C: (2,), A: (5,)}
        assert kept_allocation(made.state, {A: (2,)}, ours) == {B: (1,), A: (2,)}
        assert kept_allocation(made.state, {A: (5,)}, {A, B}) == {B: (1,), A: (5,)}
        made.state.read(HELD, ours)
        assert kept_allocation(made.state, {B: (5,)}, ours) == {A: (0,), B: (5,)}, "the panel was seen without the others"
        assert used({A: (1,), B: ()}) == {A: (1,)}

    virtually(main)


def test_a_slot_with_a_number_that_somebody_had_before_is_kept_until_it_is_overwritten() -> None:
    async def main() -> None:
        before = IdentifierSlot(space="card", number=1)
        held = PanelImage(allocation={CARD: (3, 4), A: (7,)}, identifiers={3: before, 4: before})
        made = parts(card(), known=held)
        assert kept_allocation(made.state, {CARD: (4,)}, {CARD}) == {CARD: (4, 3)}
        other = item_key(IDENTIFIER, link(8))
        assert kept_allocation(made.state, {CARD: (4,), other: (3,)}, {CARD}) == {CARD: (4,), other: (3,)}
        assert kept_allocation(made.state, {A: (8,)}, {A}) == {A: (8,)}, "only people have numbers"

    virtually(main)


# what is taken away


def test_while_the_time_is_not_known_only_what_must_not_be_held_goes() -> None:
    async def main() -> None:
        both = replace(
            HELD,
            slots={0: OPEN, 1: replace(OPEN, link_ids=(B,)), 2: Slot((C,))},
            allocation={A: (0,), B: (1,), set_key((A, B)): (6,)},
            generations={A: 1, B: 1},
            outcomes={A: EXACT, B: EXACT},
        )
        made = parts(bound(1), known=both)
        made.state.compiled(5.0)
        assert unbound(made.state) == [B]
        goal = taking_away(made.state, made.context, [B])
        assert goal.image.slots.keys() == {0, 2}
        assert goal.image.generations == {A: 1}
        assert (goal.asked, goal.version, goal.compiled_at) == ({}, made.state.version, 5.0)
        assert is_current(made.state, goal)

    virtually(main)


def test_a_panel_that_may_hold_one_of_two_images_is_compiled_for_as_if_it_were_empty() -> None:
    async def main() -> None:
        made = PanelParts(observed=ObservedPanel(known=OneOf((HELD, PanelImage()))))
        made.state.bind(bound(1))
        goal = await compile_goal(made.state, made.context)
        assert goal.image.generations == {A: 1}
        assert made.state.observed.known != Certain(HELD)

    virtually(main)
