"""Carrying an image to one panel: in which steps, what is durable before the first byte, and what is known after each end."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from config.settings import PanelSettings
from drivers.contract import (
    IDENTIFIER,
    Acknowledgement,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    Outcome,
    PanelImage,
    Period,
    Priority,
    Reason,
    Slot,
    item_key,
)
from gateway.fleet.bindings import Bindings
from gateway.fleet.desired import Desired
from gateway.fleet.events import Pushed, Refused, Repaired, Revoked
from gateway.fleet.panel.closing import closing_goal
from gateway.fleet.panel.compilation import Goal, compile_goal, refresh
from gateway.fleet.panel.event_reader import EventReader
from gateway.fleet.panel.failure import Failure
from gateway.fleet.panel.transactions import Transactions
from gateway.store.contract import Certain, OneOf, StoreUnavailable
from tests.support.fleet_site import START, link
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B, C = link(1), link(2), link(3)
CARD = item_key(IDENTIFIER, link(9))
EXACT = ItemOutcome(ItemState.EXACT)


class Carried(PanelParts):
    """A panel that was read empty, and these numbers of time profiles bound to it."""

    def __init__(self, *numbers: int, **parts: Any) -> None:
        super().__init__(**parts)
        self.state.read(PanelImage(), ())
        for number in numbers:
            self.state.bind(bound(number))
        self.transactions = Transactions(self.state, self.context, EventReader(self.state, self.context, None))
        self.steps = 0
        self.transactions.stepped = self.step

    def step(self) -> None:
        self.steps += 1

    async def goal(self) -> Goal:
        self.context.ours = Desired(dict(self.state.bound), Bindings({}, {}, (), {}))
        refresh(self.state, self.context)
        return await compile_goal(self.state, self.context)

    async def write(self) -> Failure | None:
        goal = await self.goal()
        self.state.reserve({**self.state.allocation, **goal.image.allocation})
        return await self.transactions.write(goal)

    def sent(self) -> list[tuple[Priority, list[int]]]:
        """The priority of each transaction that the panel took, and the slots that were used after it."""
        return [(priority, sorted(image.slots)) for priority, image in self.panel.transactions]

    def events(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


async def carried(*numbers: int, **parts: Any) -> Carried:
    """A panel that holds these."""
    made = Carried(*numbers, **parts)
    await made.store.open()
    assert await made.write() is None
    made.panel.transactions.clear()
    made.told.clear()
    made.steps = 0
    return made


def test_what_is_asked_is_written_and_told_and_then_known_to_the_store() -> None:
    async def main() -> None:
        made = Carried(1, 2)
        await made.store.open()
        goal = await made.goal()
        assert await made.transactions.write(goal) is None
        assert made.sent() == [(Priority.GRANT, [0, 1])]
        assert made.state.held() == goal.image
        assert made.state.observed.acknowledged_at == pytest.approx(made.clock.wall())
        assert made.state.observed.compiled_at == START
        (pushed,) = made.events(Pushed)
        assert (pushed.panel, pushed.link_ids, pushed.words) == ("lobby", {A, B}, 128)
        assert pushed.seconds == pytest.approx(made.driver.latency_s, abs=0.005)
        assert made.events(Revoked) == []
        assert made.steps == 1
        marked = made.store.observed["lobby"]
        assert isinstance(marked.known, OneOf), "before the first byte"
        await made.transactions.keep()
        kept = made.store.observed["lobby"]
        assert kept.known == Certain(goal.image)

    virtually(main)


def test_what_the_panel_holds_already_costs_no_transaction_and_hands_over_the_slots_all_the_same() -> None:
    async def main() -> None:
        made, ends = await carried(1), list[Outcome]()
        vars(vars(made.transactions)["_events"]).update(ended=ends.append)
        assert await made.write() is None
        assert made.sent() == []
        assert made.steps == 1
        assert ends == [Outcome.ACKNOWLEDGED]

    virtually(main)


def test_nothing_is_written_to_a_panel_that_is_not_certain() -> None:
    async def main() -> None:
        made = await carried(1)
        goal = await made.goal()
        made.state.doubt()
        made.state.unbind(A, 1.0)
        assert await made.transactions.write(goal) is None
        assert made.sent() == []

    virtually(main)


def test_what_is_taken_away_goes_first_and_is_told_with_its_lag() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.unbind(A, made.clock.wall() - 5)
        made.state.bind(bound(2))
        assert await made.write() is None
        assert made.sent() == [(Priority.REVOCATION, []), (Priority.GRANT, [0])]
        (revoked,) = made.events(Revoked)
        assert list(revoked.link_ids) == [A]
        assert revoked.lag_s == pytest.approx(5 + made.driver.latency_s, abs=0.01)
        assert [sorted(each.link_ids) for each in made.events(Pushed)] == [[A], [B]]

    virtually(main)


def test_another_generation_in_the_same_slot_takes_the_older_one_away() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.bind(replace(bound(1, generation=2, start=600), changed_at=made.clock.wall() - 3))
        assert await made.write() is None
        (revoked,) = made.events(Revoked)
        assert revoked.lag_s == pytest.approx(3, abs=0.1)

    virtually(main)


@pytest.mark.parametrize(
    ("fault", "certain", "holds", "reason", "permanent"),
    [
        ("not_sent", True, False, Reason.QUEUE_FULL, False),
        ("lost_request", False, False, Reason.NO_REPLY, False),
        ("lost_reply", False, False, Reason.NO_REPLY, False),
        ("rejected", True, False, Reason.PANEL_REJECTED, True),
        ("verify", False, False, Reason.VERIFY_FAILED, True),
    ],
)
def test_after_a_write_that_failed_nothing_is_claimed_that_was_not_seen(
    fault: Any, certain: bool, holds: bool, reason: Reason, permanent: bool
) -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()
        made.panel.faults = deque([fault])
        failure = await made.write()
        assert failure is not None
        assert (failure.reason, failure.permanent) == (reason, permanent)
        assert made.state.certain is certain
        if certain:
            assert made.state.held().slots == {}
        generation, outcome = made.state.verdicts[A]
        assert (generation, outcome.outcome, outcome.reason) == (1, ItemState.PENDING, reason)
        assert made.steps == 0
        assert made.events(Pushed) == []

    virtually(main)


def test_a_refusal_that_does_not_say_what_the_panel_holds_puts_it_in_doubt() -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()

        async def refuse(*_: object) -> Acknowledgement:
            return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED)

        vars(made.driver).update(apply=refuse)
        assert await made.write() is not None
        assert not made.state.certain

    virtually(main)


def test_a_defect_in_the_middle_of_a_write_leaves_the_panel_in_doubt() -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()
        made.panel.defects = {"apply"}
        with pytest.raises(ZeroDivisionError):
            await made.write()
        assert not made.state.certain

    virtually(main)


def test_one_item_that_the_panel_refuses_keeps_nobody_else_out_and_is_given_up_after_five_times() -> None:
    async def main() -> None:
        made = Carried(1, 2, 3)
        await made.store.open()
        made.panel.refuses = {B}
        assert await made.write() is not None
        assert made.sent() == []
        for tries in range(1, 6):
            failure = await made.write()
            assert failure is not None
            assert failure.permanent
            assert made.state.refusals(B, 1) == tries
            assert sorted(made.state.held().generations) == [A, C]
        assert [list(event.outcomes) for event in made.events(Refused)] == [[B]]
        made.panel.transactions.clear()
        assert await made.write() is None
        made.transactions.record(await made.goal())
        assert made.sent() == []
        assert made.state.verdicts[B][1].outcome is ItemState.REFUSED

    virtually(main)


def test_once_all_went_well_one_by_one_all_is_written_together_again() -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()
        made.panel.faults = deque(["rejected"])
        assert await made.write() is not None
        for number in (2, 3):
            made.state.bind(bound(number))
        assert await made.write() is None
        assert len(made.sent()) == 3
        made.panel.transactions.clear()
        for number in (4, 5):
            made.state.bind(bound(number))
        assert await made.write() is None
        assert len(made.sent()) == 1

    virtually(main)


def test_nothing_is_opened_on_a_panel_whose_clock_is_wrong_and_what_closes_is_closed() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.clock_found(missing=True)
        made.state.unbind(A, 1.0)
        made.state.bind(bound(2))
        assert await made.write() is None
        assert made.sent() == [], "what was compiled to open is not begun"
        assert await made.transactions.write(await closing_goal(made.state, made.context)) is None
        assert made.sent() == [(Priority.REVOCATION, [])]

    virtually(main)


def test_what_opens_waits_for_a_store_that_refuses_and_what_closes_does_not() -> None:
    async def main() -> None:
        made = await carried(1)
        made.store.refuse_lazy = StoreUnavailable("full")
        made.state.bind(bound(2))
        with pytest.raises(StoreUnavailable):
            await made.write()
        assert made.sent() == []
        assert made.state.certain
        assert made.state.held().generations == {A: 1}
        made.state.unbind(B, 1.0)
        made.state.unbind(A, 1.0)
        assert await made.write() is None
        assert made.sent() == [(Priority.REVOCATION, [])]

    virtually(main)


def test_the_store_is_told_what_is_news_and_nothing_while_it_has_another_models_state() -> None:
    async def main() -> None:
        made = await carried(1)
        await made.transactions.keep()
        del made.store.observed["lobby"]
        await made.transactions.keep()
        assert "lobby" not in made.store.observed
        made.state.doubt()
        made.state.former = frozenset({C})
        await made.transactions.keep()
        assert "lobby" not in made.store.observed
        await made.transactions.take_over()
        await made.transactions.keep()
        assert "lobby" in made.store.observed
        assert made.state.former == frozenset()

    virtually(main)


@pytest.mark.parametrize("former", [frozenset[str](), frozenset({C})])
def test_what_a_write_costs_and_what_the_panel_may_hold_by_it_take_one_commit(former: frozenset[str]) -> None:
    """What another model was known to hold is not written over before the panel was read."""

    async def main() -> None:
        made, marks = Carried(1, capabilities={"storage": "flash"}), list[bool]()
        await made.store.open()
        made.state.former = former
        put = made.store.put_panel_fact

        async def noted(*of: Any, durable: bool = True) -> None:
            marks.append(of[-1] is not None)
            await put(*of, durable=durable)

        vars(made.store).update(put_panel_fact=noted)
        assert await made.write() is None
        assert marks == [not former]

    virtually(main)


def test_an_erasure_that_is_cut_off_while_its_mark_is_stored_leaves_the_panel_known_as_it_is() -> None:
    async def main() -> None:
        made = await carried(1, capabilities={"storage": "flash"})
        await made.transactions.keep()
        put = made.store.put_panel_fact

        async def cut_off(*of: Any, durable: bool = True) -> None:
            await put(*of, durable=durable)
            assert isinstance(made.store.observed["lobby"].known, OneOf)
            raise asyncio.CancelledError

        vars(made.store).update(put_panel_fact=cut_off)
        with pytest.raises(asyncio.CancelledError):
            await made.transactions.erase()
        await made.transactions.keep()
        assert made.store.observed["lobby"].known == Certain(made.state.held())

    virtually(main)


# giving way


async def meanwhile(made: Carried, happens: Callable[[], None], at: str = "apply") -> Failure | None:
    """Something happens once while the panel is being written, or while the store is."""
    owner = made.driver if at == "apply" else made.store
    name = "apply" if at == "apply" else "put_observed"
    work, done = getattr(owner, name), False

    async def with_it(*arguments: Any) -> Any:
        nonlocal done
        if not done:
            done = True
            happens()
        return await work(*arguments)

    setattr(owner, name, with_it)
    return await made.write()


def test_what_is_asked_in_the_middle_of_a_write_is_left_for_the_next_image() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.unbind(A, 1.0)
        made.state.bind(bound(2))
        assert await meanwhile(made, lambda: made.state.bind(bound(3))) is None
        assert made.sent() == [(Priority.REVOCATION, [])], "the opening gives way once"
        made.state.bind(bound(3))
        assert await made.write() is None
        assert made.state.held().generations == {B: 1, C: 1}

    virtually(main)


def test_openings_get_their_turn_however_fast_changes_follow_each_other() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.unbind(A, 1.0)
        for number in (2, 3):
            made.state.bind(bound(number))
        goal = await made.goal()
        made.state.bind(bound(4))
        assert await made.transactions.write(goal) is None
        assert made.sent() == [], "what is newer goes first once"
        assert await made.transactions.write(replace(goal, version=goal.version - 1)) is None
        assert [priority for priority, _ in made.sent()] == []
        made.state.read(PanelImage(), ())
        goal = await made.goal()
        made.state.bind(bound(3, generation=2, start=700))
        made.state.bind(bound(5))
        assert await made.transactions.write(goal) is None
        assert made.sent()[-1][0] is Priority.GRANT
        assert set(made.state.held().generations) == {B, link(4)}, "without what was changed since"

    virtually(main)


def test_after_openings_had_their_turn_what_is_newer_goes_first_again() -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()
        written = []
        for number in range(2, 6):
            goal = await made.goal()
            made.state.bind(bound(number))
            assert await made.transactions.write(goal) is None
            written.append(len(made.sent()))
        assert written == [0, 1, 1, 2]

    virtually(main)


@pytest.mark.parametrize("at", ["apply", "store"])
def test_a_closing_that_is_asked_for_while_an_opening_waits_for_the_store_goes_first(at: str) -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.bind(bound(2))
        assert await meanwhile(made, made.transactions.hurry, at) is None
        assert made.sent() == ([(Priority.GRANT, [0, 1])] if at == "apply" else [])
        assert made.state.certain
        assert await made.write() is None
        assert made.state.held().generations == {A: 1, B: 1}, "it gives way once"

    virtually(main)


def test_nothing_gives_way_where_nothing_is_being_opened() -> None:
    async def main() -> None:
        made, gave_way = await carried(1), list[int]()
        vars(made.driver).update(give_way=lambda: gave_way.append(len(made.sent())))
        made.transactions.hurry()
        made.state.bind(bound(2))
        assert await made.write() is None
        made.transactions.hurry()
        assert (made.sent(), gave_way) == ([(Priority.GRANT, [0, 1])], [])

    virtually(main)


@pytest.mark.parametrize("at", ["apply", "store"])
def test_what_happens_to_the_panel_in_a_write_leaves_it_in_doubt(at: str) -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()
        assert await meanwhile(made, made.state.doubt, at) is None
        assert not made.state.certain

    virtually(main)


def test_a_stopping_gateway_begins_no_further_transaction() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.unbind(A, 1.0)
        made.state.bind(bound(2))
        made.transactions.stopped = True
        assert await made.write() is None
        assert made.sent() == []

    virtually(main)


def test_a_fill_that_began_while_the_time_was_known_opens_nothing_once_it_is_not() -> None:
    async def main() -> None:
        made = Carried(1)
        await made.store.open()

        def doubted() -> None:
            made.context.doubt = "older"

        assert await meanwhile(made, doubted, "store") is None
        assert made.sent() == []
        assert made.state.held().slots == {}

    virtually(main)


def test_a_first_write_that_did_not_leave_is_no_repeat_when_it_does() -> None:
    """A repeat takes from what the storage may be written, and waits where that is spent."""

    async def main() -> None:
        made = Carried(1, capabilities={"storage": "flash"})
        await made.store.open()
        put, apply, writes = made.store.put_panel_fact, made.driver.apply, Counter(flash=0)

        async def doubted(*of: Any, durable: bool = True) -> None:
            made.context.doubt = "older"
            await put(*of, durable=durable)

        async def wearing(*of: Any) -> Any:
            writes["flash"] += 1
            return await apply(*of)

        vars(made.driver).update(apply=wearing, write_counts=lambda: dict(writes))
        vars(made.store).update(put_panel_fact=doubted)
        assert await made.write() is None
        assert made.sent() == []
        vars(made.store).update(put_panel_fact=put)
        made.context.doubt = ""
        before = made.state.wear.view()
        assert await made.write() is None
        assert made.sent() == [(Priority.GRANT, [0])]
        after = made.state.wear.view()
        assert before is not None
        assert after is not None
        assert after.left == before.left

    virtually(main)


# erasing


def test_an_erasure_takes_strangers_too_and_waits_for_the_storage() -> None:
    async def main() -> None:
        made = await carried(1, capabilities={"endurance": 3652})
        stranger = Slot((C,), (Period(127, 0, 60),))
        made.panel.slots[5] = stranger
        made.state.read(replace(made.state.held(), slots={**made.state.held().slots, 5: stranger}), (A,))
        assert await made.transactions.erase() is None
        assert made.sent() == [(Priority.REVOCATION, [])]
        failure = await made.transactions.erase()
        assert failure is None, "an empty panel costs nothing"
        made.panel.transactions += [(Priority.GRANT, PanelImage())] * 9
        made.state.wear.noticed()
        made.state.restate(PanelImage({5: stranger}))
        failure = await made.transactions.erase()
        assert failure is not None
        assert failure.reason is Reason.ENDURANCE_SPENT

    virtually(main)


def test_what_was_erased_is_written_anew_at_once_however_far_apart_writes_have_to_be() -> None:
    async def main() -> None:
        spaced = PanelSettings(id="lobby", model="open-access-panel", commit_spacing_s=3600)
        made = await carried(1, capabilities={"endurance": 365_200}, settings=spaced)
        await made.clock.sleep(3600)
        assert await made.transactions.erase() is None
        assert await made.write() is None
        assert made.state.held().generations == {A: 1}

    virtually(main)


def test_a_panel_that_is_retired_is_erased_once_and_its_slots_are_given_back() -> None:
    async def main() -> None:
        made = await carried(1)
        made.state.reserve({A: (0,)})
        await made.store.put_allocation("lobby", {A: (0,)}, 1.0)
        made.state.unbind(A, 1.0)
        said = await made.transactions.retire()
        assert (said.reason, said.due) == (Reason.DEPARTED, made.clock.monotonic() + 300)
        assert made.sent() == [(Priority.REVOCATION, [])]
        assert made.state.allocation == {}
        assert made.store.allocations.get("lobby", {}) == {}
        assert made.state.leaving == {}
        assert (await made.transactions.retire()).reason is Reason.DEPARTED
        assert len(made.sent()) == 1
        made.panel.faults = deque(["lost_reply"])
        made.state.restate(PanelImage({5: Slot((C,), ())}))
        assert (await made.transactions.retire()).reason is Reason.NO_REPLY

    virtually(main)


# people


def with_card(passes: int | None = 3) -> PanelImage:
    slot = IdentifierSlot(space="card", number=4711, schedules=None, outputs=(0,), passes=passes)
    return PanelImage(identifiers={3: slot}, allocation={CARD: (3,)}, generations={CARD: 1}, outcomes={CARD: EXACT})


def test_before_a_slot_with_counted_entries_goes_nobody_enters_by_it_and_its_count_is_kept() -> None:
    async def main() -> None:
        made = Carried(capabilities={"max_identifiers": 8, "references": 4})
        await made.store.open()
        made.state.bound[CARD] = bound(9)
        made.state.read(with_card(), (CARD,))
        seen: list[int | None] = []
        apply, plan = made.driver.apply, made.driver.plan

        def planned(target: PanelImage, known: PanelImage) -> Any:
            made_of = plan(target, known)
            return made_of if target.identifiers == known.identifiers else replace(made_of, operations=((), known))

        async def applied(made_of: Any, *rest: Any) -> Any:
            slot = made_of.target.identifiers.get(3)
            seen.append(None if slot is None else slot.passes)
            return await apply(made_of, *rest)

        async def counted(slots: Any, *_: Any) -> Any:
            return dict.fromkeys(slots, 2)

        vars(made.driver).update(plan=planned, apply=applied, read_passes=counted)
        assert await made.transactions.erase() is None
        assert seen == [0, None]
        assert made.state.spent == {CARD: (("card", 4711, 0), 2)}
        assert "2" in made.store.panel_facts["lobby"]["entries"]

    virtually(main)


@pytest.mark.parametrize(
    ("fails", "reason"),
    [("emptying", Reason.PANEL_REJECTED), ("restart", Reason.UNEXPECTED_REPLY), ("counting", Reason.NO_REPLY)],
)
def test_a_slot_whose_entries_could_not_be_counted_stays(fails: str, reason: Reason) -> None:
    async def main() -> None:
        made = Carried(capabilities={"max_identifiers": 8, "references": 4})
        await made.store.open()
        made.state.bound[CARD] = bound(9)
        made.state.read(with_card(), (CARD,))
        written: list[PanelImage] = []
        plan = made.driver.plan

        def planned(target: PanelImage, known: PanelImage) -> Any:
            return replace(plan(target, known), operations=((), known), target=target)

        async def applied(made_of: Any, *_: Any) -> Acknowledgement:
            written.append(made_of.target)
            if fails == "restart":
                made.state.doubt()
            refused = Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, "no")
            return refused if fails == "emptying" else Acknowledgement(Outcome.ACKNOWLEDGED)

        async def counted(*_: Any) -> Acknowledgement:
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY, "silent")

        vars(made.driver).update(plan=planned, apply=applied, read_passes=counted)
        failure = await made.transactions.erase()
        assert failure is not None
        assert failure.reason is reason
        assert [image.identifiers[3].passes for image in written] == [0], "the slot is not given away"
        assert made.state.spent == {}

    virtually(main)


def test_a_slot_whose_panel_restarts_while_its_entries_are_counted_stays_and_they_count() -> None:
    async def main() -> None:
        made = Carried(capabilities={"max_identifiers": 8, "references": 4})
        await made.store.open()
        made.state.bound[CARD] = bound(9)
        made.state.read(with_card(), (CARD,))
        written: list[PanelImage] = []
        plan = made.driver.plan

        async def applied(made_of: Any, *_: Any) -> Acknowledgement:
            written.append(made_of.target)
            return Acknowledgement(Outcome.ACKNOWLEDGED)

        async def counted(slots: Any, *_: Any) -> Any:
            made.state.doubt()
            return dict.fromkeys(slots, 2)

        def planned(target: PanelImage, known: PanelImage) -> Any:
            return replace(plan(target, known), operations=((), known), target=target)

        vars(made.driver).update(plan=planned, apply=applied, read_passes=counted)
        failure = await made.transactions.erase()
        assert failure is not None
        assert failure.reason is Reason.UNEXPECTED_REPLY
        assert [image.identifiers[3].passes for image in written] == [0]
        assert made.state.spent == {CARD: (("card", 4711, 0), 2)}

    virtually(main)


def test_a_panel_that_is_in_step_again_is_repaired() -> None:
    async def main() -> None:
        made = await carried(1)
        made.transactions.record(await made.goal())
        assert made.events(Repaired) == []
        made.state.drift(("slot 0",))
        made.transactions.record(await made.goal())
        assert made.events(Repaired) == [Repaired("lobby")]

    virtually(main)


def test_what_was_tried_is_remembered_of_what_still_concerns_the_panel() -> None:
    async def main() -> None:
        made = await carried(1, 2)
        fingerprint = made.state.observed.compiled_for
        made.state.bound.pop(B)
        made.transactions.record(replace(await made.goal(), asked={A: 1}))
        assert not made.state.wear.is_first({A: f"1 {fingerprint}"})
        assert made.state.wear.is_first({B: f"1 {fingerprint}"})

    virtually(main)


def test_a_panel_with_little_endurance_repeats_no_opening_on_its_own() -> None:
    async def main() -> None:
        settings = PanelSettings(id="lobby", model="open-access-panel")
        made = await carried(1, settings=settings, capabilities={"endurance": 3652})
        made.panel.transactions += [(Priority.GRANT, PanelImage())] * 9
        made.state.wear.noticed()
        made.panel.slots = {}
        made.state.read(PanelImage(), (A,))
        failure = await made.write()
        assert failure is not None
        assert failure.reason is Reason.ENDURANCE_SPENT
        assert failure.due is not None
        made.state.bind(bound(2))
        assert await made.write() is None, "what is newly asked takes it along"

    virtually(main)
