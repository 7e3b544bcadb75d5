"""What a panel's table says of each item: held, pending for which reason, refused, removed, and what it may still open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from config.settings import PanelSettings
from drivers.contract import (
    IDENTIFIER,
    Availability,
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
from gateway.compiler.sets import set_generation
from gateway.fleet.bindings import Bindings
from gateway.fleet.clock_trust import Rules
from gateway.fleet.desired import Desired
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.panel.days import days_of
from gateway.fleet.panel.event_reader import EventReader
from gateway.fleet.panel.failure import AT_WORK, CLOCK_NOT_SET, STORE_DOUBTED, Failure
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.leaving import Leaving
from gateway.fleet.panel.opening import opening_text
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.panel.table import Table
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.store.contract import Certain, DesiredItem, OneOf
from tests.support.fleet_site import START, link
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B = link(1), link(2)
CARD = item_key(IDENTIFIER, link(9))
EXACT = ItemOutcome(ItemState.EXACT)
REFUSED = ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT, "full")
HOURS = "every day 09:00-10:00"


class Told(PanelParts):
    """The table of a panel; `ours`: what the gateway knows besides what is bound."""

    def __init__(self, known: Any = None, bound: Sequence[DesiredItem] = (), **parts: Any) -> None:
        super().__init__(**parts)
        self.context.ours = Desired({item.key: item for item in bound}, Bindings({}, {}, (), {}))
        reconciler = Reconciler(
            self.state,
            self.context,
            Foreign(self.state, self.context, {}),
            EventReader(self.state, self.context, None),
            Leaving(self.state, self.context, None),
        )
        self.table = Table(self.state, self.context, reconciler)
        for item in bound:
            self.table.bind(item)
        self.knows(OneOf(()) if known is None else known)

    def knows(self, known: Any) -> None:
        self.state.observed = replace(self.state.observed, known=known)


def image(generation: int = 1, outcome: ItemOutcome = EXACT, key: str = A) -> PanelImage:
    slot = Slot((key,), (Period(127, 540, 600),))
    return PanelImage({0: slot}, (), {key: (0,)}, {key: generation}, {key: outcome})


def in_a_loop(test: Callable[[], None]) -> None:
    async def main() -> None:
        test()

    run_virtual(main())


def untrusted(made: Told) -> None:
    made.context.trust = ClockTrust(made.clock, Rules(released_at=2 * START), {}, 0)


def test_a_panel_that_was_seen_to_hold_what_is_asked_says_so() -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1)])
        assert made.table.is_settled(A)
        result = made.table.result(A)
        assert (result.panel, result.success, result.outcome, result.reason) == ("lobby", True, ItemState.EXACT, None)
        assert result.still_grants is None
        assert made.table.held_generation(A) == 1

    in_a_loop(check)


@pytest.mark.parametrize(
    "known",
    [
        Certain(image(generation=2)),
        Certain(PanelImage()),
        Certain(image(outcome=REFUSED)),
        Certain(replace(image(), outcomes={})),
        Certain(image(outcome=replace(EXACT, valid_until=START))),
        OneOf((image(),)),
        OneOf(()),
    ],
)
def test_nothing_else_is_called_held(known: Any) -> None:
    def check() -> None:
        made = Told(known, [bound(1)])
        assert not made.table.holds(A)
        assert not made.table.result(A).success
        assert not made.table.is_settled(A)

    in_a_loop(check)


@pytest.mark.parametrize(("generation", "away", "said"), [(1, True, True), (1, False, False), (2, True, False)])
def test_only_while_a_panel_is_out_of_reach_what_was_seen_last_stands_for_what_it_holds(
    generation: int, away: bool, said: bool
) -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1, generation)])
        made.state.doubt()
        if away:
            made.driver.feed.set(Availability.BUS_UNAVAILABLE, "no line")
        assert made.table.last_seen(A).success is said

    in_a_loop(check)


def test_what_ends_in_a_second_is_held_until_then() -> None:
    def check() -> None:
        made = Told(Certain(image(outcome=replace(EXACT, valid_until=START + 1))), [bound(1)])
        assert made.table.result(A).valid_until == START + 1

    in_a_loop(check)


def test_what_nobody_asks_for_is_held_by_nobody() -> None:
    def check() -> None:
        made = Told(Certain(image()))
        assert not made.table.holds(A)
        assert not made.table.refuses(A)

    in_a_loop(check)


def test_during_a_write_is_held_what_the_panel_holds_before_and_after_it() -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1)])
        made.state.begun(replace(image(), slots={}))
        assert made.table.holds(A)
        made.state.acknowledged(1.0)
        made.state.begun(image(generation=2))
        assert not made.table.holds(A)
        assert made.table.held_generation(A) is None

    in_a_loop(check)


@pytest.mark.parametrize(
    ("change", "is_held"),
    [
        (lambda held: replace(held, slots={}), False),
        (lambda held: replace(held, slots={**held.slots, 1: Slot(("b",), (Period(1, 0, 60),))}), True),
        (lambda held: replace(held, special_days=((1,),)), False),
    ],
    ids=["its slot", "another slot", "dates of all slots"],
)
def test_what_is_written_word_by_word_is_not_held_before_the_last_word(
    change: Callable[[PanelImage], PanelImage], is_held: bool
) -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1)], capabilities={"atomic": False})
        made.clock.wall_offset += 100
        made.state.begun(change(image()))
        assert made.table.holds(A) is is_held
        assert made.table.is_midway(A) is not is_held
        assert made.table.held_last(A)
        assert [made.clock.wall() - since for since, _ in made.table.overdue([A])] == [0], "it was held until a moment ago"
        made.state.acknowledged(1.0)
        assert made.table.holds(A)

    in_a_loop(check)


@pytest.mark.parametrize("why", ["doubt", "clock", "time"])
def test_what_was_held_is_pending_while_nobody_knows_whether_it_is(why: str) -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1)])
        if why == "doubt":
            made.state.doubt()
        elif why == "clock":
            made.state.clock_found(missing=True)
        else:
            untrusted(made)
        result = made.table.result(A)
        assert (result.success, result.outcome) == (False, ItemState.PENDING)
        assert result.reason is (Reason.DEADLINE_PASSED if why == "doubt" else Reason.CLOCK_NOT_SET)
        assert made.table.held_last(A)
        assert made.table.held_generation(A) == 1
        assert result.still_grants is None, "the present generation is no older one"

    in_a_loop(check)


def test_an_older_generation_that_is_still_there_is_told_with_its_hours() -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1, generation=2)])
        result = made.table.result(A)
        assert (result.still_grants, result.still_grants_text, result.still_grants_until) == (1, HOURS, None)
        assert made.table.still_grants(A) == 1
        made.knows(OneOf((image(generation=2), replace(image(), generations={}), image(generation=1))))
        assert made.table.still_grants(A) == 0
        made.knows(Certain(image(generation=2)))
        assert made.table.still_grants(A) is None

    in_a_loop(check)


EVE, CHRISTMAS = 20_811, 20_812
"""2026-12-24 and 25 as day numbers."""
ON_GROUP_0 = (Period(1 << 7, 540, 600),)


@pytest.mark.parametrize(
    ("slot", "until"),
    [
        (Slot((A,), ON_GROUP_0, special_days=((EVE, CHRISTMAS),)), CHRISTMAS + 1),
        (Slot((A,), ON_GROUP_0, special_days=((EVE, CHRISTMAS),), valid_to=EVE), EVE + 1),
        (Slot((A,), ON_GROUP_0, special_days=((EVE, CHRISTMAS),), valid_from=CHRISTMAS + 1), 1),
        (Slot((A,), ON_GROUP_0, special_days=((EVE, CHRISTMAS),), valid_from=CHRISTMAS), CHRISTMAS + 1),
        (Slot((A,), (Period(127, 0, 60),), valid_to=EVE), EVE + 1),
        (Slot((A,), (Period(127, 0, 60),)), None),
        (Slot((A,), (Period(127, 0, 60), *ON_GROUP_0), special_days=((EVE,),)), None),
        (Slot((A,), (Period(127, 0, 60),), opaque=(1,), valid_to=EVE), None),
    ],
)
def test_until_when_an_older_generation_may_still_open_is_told_in_the_days_of_the_site(slot: Slot, until: int | None) -> None:
    def check() -> None:
        made = Told(Certain(replace(image(), slots={0: slot})), [bound(1, generation=2)])
        assert made.table.result(A).still_grants_until == (None if until is None else until * 86_400)
        other = replace(image(3), slots={0: Slot((A,), (Period(127, 0, 60),), valid_to=CHRISTMAS)})
        made.state.bind(bound(1, generation=4))
        made.knows(OneOf((made.state.images()[0], other)))
        result = made.table.result(A)
        assert result.still_grants == 1
        assert result.still_grants_until == (None if until is None else max(until, CHRISTMAS + 1) * 86_400)

    in_a_loop(check)


def test_a_slot_that_has_begun_is_not_told_with_its_beginning() -> None:
    begins = PanelImage({0: Slot((A,), (Period(127, 540, 600),), valid_from=EVE, valid_to=EVE)})
    assert opening_text(begins, [0], EVE - 1) == f"{HOURS}, from 2026-12-24, until 2026-12-24"
    assert opening_text(begins, [0], EVE) == f"{HOURS}, until 2026-12-24"
    assert opening_text(begins, [0], EVE + 1) is None


def test_all_that_a_panel_may_still_open_is_told_each_once() -> None:
    def check() -> None:
        never = replace(image(), slots={0: Slot((A,))})
        made = Told(OneOf((image(), never, image(2))), [bound(1, generation=3)])
        result = made.table.result(A)
        assert (result.still_grants, result.still_grants_text) == (1, f"{HOURS} or never")
        made.knows(OneOf((image(), replace(image(), generations={}))))
        assert made.table.result(A).still_grants == 0

    in_a_loop(check)


def refusing(generation: int = 1, outcome: ItemOutcome = REFUSED) -> Told:
    made = Told(Certain(PanelImage()), [bound(1)])
    made.state.verdicts = {A: (generation, outcome)}
    return made


def test_a_refusal_is_an_answer_for_the_generation_that_was_refused() -> None:
    def check() -> None:
        made = refusing()
        assert made.table.is_settled(A)
        result = made.table.result(A)
        assert (result.success, result.outcome, result.reason, result.message) == (
            False,
            ItemState.REFUSED,
            Reason.NO_FREE_SLOT,
            "full",
        )
        older = refusing(generation=2)
        assert not older.table.is_settled(A)
        assert older.table.result(A).outcome is ItemState.PENDING

    in_a_loop(check)


PENDING = ItemOutcome(ItemState.PENDING, Reason.NOT_STARTED, "not yet")


def test_what_is_pending_says_why_and_a_closed_panel_comes_before_the_items_own_reason() -> None:
    def check() -> None:
        made = refusing(outcome=PENDING)
        assert not made.table.refuses(A)
        assert made.table.result(A).message == "not yet"
        made.state.gave_up(Failure(Reason.NO_REPLY, "silent"))
        assert made.table.result(A).message == "not yet"
        made.state.verdicts = {A: (2, PENDING)}
        assert made.table.result(A).message == "silent"
        made.state.gave_up(None)
        assert made.table.result(A).message == AT_WORK.message
        made.state.verdicts = {A: (1, PENDING)}
        made.state.clock_found(missing=True)
        assert made.table.result(A).message == CLOCK_NOT_SET.message
        made.state.clock_found(missing=True, withheld=Failure(Reason.CLOCK_NOT_SET, "moved too far"))
        assert made.table.result(A).message == "moved too far"
        made.context.doubt = "older"
        assert made.table.result(A).message == STORE_DOUBTED.message
        for reason in (Reason.FAILED, Reason.WRONG_DEVICE, Reason.IDENTITY_CHANGED):
            made.state.gave_up(Failure(reason, "another"))
            assert made.table.result(A).message == "another"
        made.state.gave_up(Failure(Reason.NO_REPLY, "silent"))
        assert made.table.result(A).message == STORE_DOUBTED.message
        made.driver.feed.set(Availability.BUS_UNAVAILABLE, "no line")
        assert made.table.result(A).message == "no line"

    in_a_loop(check)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (None, "dead"),
        (Failure(Reason.NO_REPLY, "silent"), "silent"),
        (Failure(Reason.PANEL_REJECTED, "no", permanent=True), "dead"),
        (Failure(Reason.DEADLINE_PASSED, "later", due=9.0), "dead"),
    ],
)
def test_the_attempt_that_led_to_a_quarantine_says_so_in_its_own_words(failure: Failure | None, told: str) -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1, generation=2)])
        made.state.gave_up(failure)
        made.driver.feed.set(Availability.QUARANTINED, "dead")
        assert made.table.result(A).message == told
        made.table.unbind(A, 1.0)
        assert A not in made.state.bound
        assert made.table.result(A).message == told

    in_a_loop(check)


def test_what_is_unbound_is_removed_once_the_panel_was_seen_without_it() -> None:
    def check() -> None:
        made = Told(Certain(image(generation=3)))
        result = made.table.result(A)
        assert (result.outcome, result.still_grants, result.still_grants_text) == (ItemState.PENDING, 3, HOURS)
        assert result.message == AT_WORK.message
        assert made.table.removal(A, 3).outcome is ItemState.PENDING
        assert made.table.removal(A, 2).outcome is ItemState.REMOVED, "a newer generation is another matter"
        made.knows(Certain(replace(image(), generations={})))
        assert made.table.removal(A, 0).outcome is ItemState.PENDING, "a slot of an unknown generation may be any"
        made.state.gave_up(Failure(Reason.NO_REPLY, "silent"))
        assert made.table.result(A).message == "silent"
        made.knows(Certain(PanelImage()))
        assert made.table.removal(A, 3).success
        made.knows(Certain(replace(PanelImage(), allocation={A: ()})))
        assert made.table.removal(A, 3).success
        made.knows(OneOf((PanelImage(),)))
        assert not made.table.removal(A, 3).success
        assert made.table.removal(A, 3).still_grants is None
        made.knows(Certain(image()))
        made.state.begun(PanelImage())
        assert made.table.removal(A, 3).outcome is ItemState.PENDING

    in_a_loop(check)


def test_how_long_a_panel_lags_behind_and_whether_it_opens_too_much_by_it() -> None:
    def check() -> None:
        made = Told(Certain(image()), [bound(1, generation=2), bound(2)])
        changed = made.state.bound[A].changed_at
        made.state.leaving = {"gone": 7.0}
        assert list(made.table.overdue([A, B])) == [(7.0, True), (changed, True), (changed, False)]
        made.state.leaving = {}
        made.state.asked_anew_at = changed + 50
        assert [since for since, _ in made.table.overdue([A])] == [changed + 50]
        made.knows(OneOf((image(generation=2),)))
        made.state.in_doubt_since = changed + 70
        assert list(made.table.overdue([A])) == [(changed + 70, False)]
        over = int(changed) - 10
        made.knows(Certain(image(2, replace(EXACT, valid_until=over))))
        made.state.bound[A] = replace(made.state.bound[A], changed_at=1.0)
        assert list(made.table.overdue([A])) == [(float(over), False)]
        made.knows(Certain(image(2, replace(EXACT, valid_until=START + 9))))
        assert [since for since, _ in made.table.overdue([A])] == [changed + 70]

    in_a_loop(check)


# people


def card(*profiles: str, generation: int = 1) -> DesiredItem:
    asked = Identifier(link(9), "card", Number("card", "4711"), "all", profiles=profiles or None)
    return DesiredItem(link(9), 9, generation, generation, asked, "", float(START), kind=IDENTIFIER)


def with_card(schedules: tuple[int, ...] | None = (0,), generation: int = 1) -> PanelImage:
    """A time profile in slot 0, and a card in slot 3 that refers to these."""
    return replace(
        image(),
        allocation={A: (0,), CARD: (3,)},
        generations={A: 1, CARD: generation},
        outcomes={A: EXACT, CARD: EXACT},
        identifiers={3: IdentifierSlot(space="card", number=4711, schedules=schedules, outputs=(0,))},
    )


def holds(made: Told, known: PanelImage) -> tuple[bool, bool]:
    """Whether the profile is held, and the card."""
    made.knows(Certain(known))
    return made.table.holds(A), made.table.holds(CARD)


def test_a_profile_is_held_once_the_cards_that_name_it_refer_to_its_slot() -> None:
    def check() -> None:
        made = Told(bound=[bound(1), card(A)], capabilities={"references": 4})
        assert holds(made, with_card()) == (True, True)
        assert holds(made, with_card((5,))) == (False, True)
        assert holds(made, with_card(None)) == (True, True)
        assert holds(made, with_card((5, 0))) == (True, True)
        assert holds(made, with_card((5,), generation=2)) == (True, False), "another generation of the card has its own time"
        twice = with_card()
        twice = replace(
            twice,
            allocation={**twice.allocation, CARD: (3, 4)},
            identifiers={**twice.identifiers, 4: replace(twice.identifiers[3], schedules=(5,))},
        )
        assert holds(made, twice) == (False, True), "one of its two slots has other hours"
        nowhere = replace(with_card((5,)), allocation={A: (), CARD: (3,)}, slots={})
        assert holds(made, nowhere) == (True, True), "a profile that is never open has no slot to refer to"

    in_a_loop(check)


def test_a_card_is_held_once_the_profiles_that_it_names_are() -> None:
    def check() -> None:
        made = Told(bound=[bound(1, generation=2), card(A, B)], capabilities={"references": 4})
        assert holds(made, with_card()) == (False, False)
        made.state.bound[A] = bound(1)
        assert holds(made, with_card()) == (True, True), "a profile that is not bound here is not waited for"
        made.state.bound[B] = bound(2)
        assert holds(made, with_card()) == (True, False), "all of them are waited for"

    in_a_loop(check)


def test_a_card_that_can_name_one_schedule_is_held_by_the_set_of_its_profiles() -> None:
    def check() -> None:
        both = set_key((A, B))
        made = Told(bound=[bound(1), bound(2), card(A, B)], capabilities={"references": 1})
        there = with_card((4,))
        right = set_generation({A: 1, B: 1})
        there = replace(
            there,
            slots={**there.slots, 4: Slot(())},
            allocation={**there.allocation, both: (4,)},
            generations={**there.generations, both: right, B: 1},
            outcomes={**there.outcomes, both: EXACT},
        )
        assert holds(made, there) == (True, True)
        stale = replace(there, generations={**there.generations, both: right + 1})
        assert holds(made, stale) == (False, False)
        made.knows(OneOf((there, stale)))
        assert not made.table.held_last(CARD)
        away = replace(there, identifiers={3: replace(there.identifiers[3], schedules=(5,))})
        assert holds(made, away) == (False, True)
        refused = replace(stale, outcomes={**stale.outcomes, both: REFUSED})
        assert holds(made, refused) == (True, False)

    in_a_loop(check)


# questions


def test_a_plan_says_what_each_item_would_become_and_what_the_write_would_cost() -> None:
    async def main() -> None:
        made = Told(Certain(PanelImage()), capabilities={"max_schedules": 1})
        planned = await made.table.plan({A: bound(1), B: bound(2)})
        assert planned.cost is not None
        assert (planned.cost.panel, planned.cost.line, planned.cost.words, planned.cost.commits) == ("lobby", "line", 64, 1)
        assert planned.cost.frames == ("00",)
        assert [(key, cell.panel, cell.outcome, cell.slots, cell.message) for key, cell in planned.cells.items()] == [
            (A, "lobby", ItemState.EXACT, 1, None),
            (B, "lobby", ItemState.REFUSED, 0, "no free slot"),
        ]
        assert made.state.bound == {}, "a plan binds nothing"

    run_virtual(main())


def test_a_plan_of_a_deletion_says_what_closes_and_what_nobody_can_close() -> None:
    async def main() -> None:
        gone = replace(bound(1), content=None, generation=2)
        made = Told(Certain(image()), [bound(1)])
        planned = await made.table.plan({A: gone})
        assert (planned.cells[A].outcome, planned.cells[A].message) == (ItemState.REMOVED, f"no longer grants {HOURS}")
        assert planned.cost is not None
        assert planned.cost.commits == 1
        assert made.state.bound.keys() == {A}, "a plan deletes nothing"
        untrusted(made)
        assert (await made.table.plan({A: gone})).cells[A].outcome is ItemState.REMOVED, "to take away needs no clock"
        made.driver.feed.set(Availability.QUARANTINED, "silent")
        away = (await made.table.plan({A: gone})).cells[A]
        assert (away.outcome, away.reason) == (ItemState.PENDING, Reason.QUARANTINED)
        assert away.message == f"silent; it still opens {HOURS}"

    run_virtual(main())


def test_the_days_of_what_nobody_asks_for_here_are_those_that_the_panel_holds() -> None:
    async def main() -> None:
        made = Told(Certain(image()))
        days = await days_of(made.state, made.context, bound(1), START // 86_400, 1)
        assert days.compiled is None
        assert days.held is not None

    run_virtual(main())


def test_days_on_which_a_panel_may_open_or_may_not_are_not_told_as_held() -> None:
    async def main() -> None:
        made = Told(OneOf((image(), PanelImage())))
        days = await days_of(made.state, made.context, bound(1), START // 86_400, 1)
        assert days.held is None

    run_virtual(main())


def test_a_plan_for_a_panel_of_unknown_content_says_so() -> None:
    async def main() -> None:
        made = Told()
        planned = await made.table.plan({A: bound(1)})
        assert planned.cells[A].message == "what the panel holds is not known: planned as if it were empty"
        untrusted(made)
        planned = await made.table.plan({A: bound(1)})
        assert planned.cost is None
        cell = planned.cells[A]
        assert (cell.outcome, cell.reason, cell.slots) == (ItemState.PENDING, Reason.CLOCK_NOT_SET, 0)

    run_virtual(main())


def test_a_plan_of_what_was_given_up_says_so() -> None:
    async def main() -> None:
        made = Told(Certain(PanelImage()), [bound(1)])
        for _ in range(5):
            made.state.count_refusal(A, 1, Failure(Reason.PANEL_REJECTED))
        planned = await made.table.plan({A: bound(1)})
        assert (planned.cells[A].outcome, planned.cells[A].message) == (ItemState.REFUSED, "given up after refusals")
        said = await made.table.explain(bound(1), START, asked=False)
        assert (said.compiled, said.message) == (None, "given up after refusals")

    run_virtual(main())


NINE = START - START % 86_400 + 86_400 + 9 * 3600 + 60


def test_an_explanation_tells_what_is_asked_from_what_is_held() -> None:
    async def main() -> None:
        made = Told(Certain(image()), [bound(1)])
        for at, is_open in ((NINE, True), (NINE + 3600, False)):
            said = await made.table.explain(bound(1), at, asked=is_open)
            assert (said.panel, said.compiled, said.held, said.differs_at) == ("lobby", is_open, is_open, None)
        made.knows(OneOf(()))
        said = await made.table.explain(bound(1), NINE, asked=True)
        assert (said.compiled, said.held, said.message) == (True, None, "what the panel holds is not known")
        made.knows(OneOf((image(), PanelImage())))
        said = await made.table.explain(bound(1), NINE, asked=True)
        assert said.held is None
        made.knows(OneOf((image(), image(2))))
        assert (await made.table.explain(bound(1), NINE, asked=True)).held is True
        untrusted(made)
        said = await made.table.explain(bound(1), NINE, asked=True)
        assert (said.compiled, said.held, said.differs_at) == (None, True, None)
        assert said.message == (made.context.timeless() or AT_WORK).message

    run_virtual(main())


def test_an_explanation_of_what_is_gone_says_what_may_still_open() -> None:
    async def main() -> None:
        made = Told(Certain(image()))
        said = await made.table.explain(bound(1), NINE, asked=True)
        assert (said.compiled, said.held, said.differs_at) == (None, True, "held")
        assert said.message == f"not bound to this panel; the panel may still open {HOURS}"
        said = await made.table.explain(replace(bound(1), content=None), NINE + 3600, asked=False)
        assert (said.held, said.differs_at) == (False, None)
        assert said.message == f"deleted; the panel may still open {HOURS}"
        made.knows(OneOf((image(), PanelImage())))
        assert (await made.table.explain(bound(1), NINE, asked=True)).held is None
        made.knows(Certain(PanelImage()))
        said = await made.table.explain(replace(bound(1), content=None), NINE, asked=False)
        assert (said.held, said.differs_at, said.message) == (False, None, "deleted")

    run_virtual(main())


def test_a_card_that_is_gone_is_explained_by_what_its_slots_let_in() -> None:
    async def main() -> None:
        made = Told(Certain(with_card()), settings=PanelSettings(id="gate", model="open-access-panel"))
        for at, lets_in in ((NINE, True), (NINE + 3600, False)):
            said = await made.table.explain(replace(card(A), content=None), at, asked=False)
            assert (said.panel, said.held) == ("gate", lets_in)
        made.table.bind(card(A))
        said = await made.table.explain(card(A), NINE, asked=True)
        assert said.held is True

    run_virtual(main())
