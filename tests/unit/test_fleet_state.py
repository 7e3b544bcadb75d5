"""What is known of one panel: each thing that happens to it, and what may be claimed of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from drivers.clock import HostMoment
from drivers.contract import (
    IDENTIFIER,
    Availability,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Period,
    Reason,
    Slot,
    item_key,
    set_key,
)
from gateway.fleet.panel.failure import CLOCK_NOT_SET, Failure
from gateway.fleet.panel.state import PanelState, disbelieved
from gateway.store.contract import Certain, ClockGiven, ObservedPanel, OneOf, Unknown
from tests.support.fleet_site import START, link, profile
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B, C = link(1), link(2), link(3)
CARD, OTHER = item_key(IDENTIFIER, link(9)), item_key(IDENTIFIER, link(8))
EXACT = ItemOutcome(ItemState.EXACT)
REFUSED = ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT)
REJECTED = Failure(Reason.PANEL_REJECTED, "no", permanent=True)
SILENT = Failure(Reason.NO_REPLY, "nothing")


def holding(*keys: str, generation: int = 1, outcome: ItemOutcome = EXACT) -> PanelImage:
    """Each item in a slot of its own, in this order."""
    slots = {number: Slot((key,), (Period(127, 0, 60),)) for number, key in enumerate(keys)}
    given = {key: (number,) for number, key in enumerate(keys)}
    return PanelImage(slots, (), given, dict.fromkeys(keys, generation), dict.fromkeys(keys, outcome))


def with_card(passes: int | None = 5, number: int = 4711) -> PanelImage:
    slot = IdentifierSlot(space="card", number=number, passes=passes)
    return PanelImage(identifiers={3: slot}, allocation={CARD: (3,)}, generations={CARD: 1}, outcomes={CARD: EXACT})


def knowing(known: Any = None, **parts: Any) -> PanelParts:
    return PanelParts(observed=ObservedPanel(known=Certain(holding(A)) if known is None else known), **parts)


def in_a_loop(test: Callable[[], None]) -> None:
    async def main() -> None:
        test()

    run_virtual(main())


def read(image: PanelImage, *, ours: tuple[str, ...] = (A, B, C), **parts: Any) -> PanelState:
    """A panel that was read whole just now."""
    state = knowing(**parts).state
    state.read(image, ours)
    return state


@pytest.mark.parametrize(
    ("known", "images", "image"),
    [
        (Unknown(), (), None),
        (Certain(holding(A)), (holding(A),), holding(A)),
        (OneOf((holding(A),)), (holding(A),), holding(A)),
        (OneOf((holding(A), holding(B))), (holding(A), holding(B)), None),
    ],
)
def test_nothing_that_was_remembered_is_claimed_of_a_panel_before_it_was_looked_at(
    known: Any, images: tuple[PanelImage, ...], image: PanelImage | None
) -> None:
    def check() -> None:
        state = knowing(known).state
        assert not state.certain
        assert (state.images(), state.image) == (images, image)
        assert state.to_be_read is (len(images) != 1)
        assert state.in_doubt_since == START

    in_a_loop(check)


@pytest.mark.parametrize(
    ("known", "allocation", "doubted"),
    [
        (Unknown(), {A: (0,)}, True),
        (Unknown(), {}, False),
        (Certain(holding(A)), {A: (0,)}, False),
        (OneOf((holding(A),), others=True), {A: (0,)}, True),
    ],
)
def test_a_panel_that_was_written_once_and_is_not_remembered_may_hold_anything(
    known: Any, allocation: Any, doubted: bool
) -> None:
    def check() -> None:
        state = knowing(known, allocation=allocation, labelled=False).state
        assert state.doubted is doubted
        assert state.may_carry_any is doubted
        state.read(holding(A), (A,))
        assert not state.may_carry_any

    in_a_loop(check)


def test_a_panel_that_labels_its_slots_may_carry_what_nobody_remembers_until_it_was_seen_whole() -> None:
    def check() -> None:
        state = knowing().state
        assert (state.unread, state.may_carry_any) == (True, True)
        state.confirm()
        assert (state.unread, state.may_carry_any) == (False, False)
        state.identity.stranger = "another unit"
        assert (state.unread, state.may_carry_any) == (True, True)
        assert not knowing(labelled=False).state.unread, "a panel without link_ids has nothing to tell"

    in_a_loop(check)


def test_a_look_that_finds_what_was_held_makes_it_certain() -> None:
    def check() -> None:
        state = knowing().state
        state.confirm()
        assert state.certain
        assert (state.held(), state.carried) == (holding(A), {A})
        assert state.looked_at

    in_a_loop(check)


def test_what_was_read_is_certain_and_what_nobody_is_bound_to_leaves() -> None:
    def check() -> None:
        state = knowing(Unknown()).state
        state.bind(bound(1))
        state.read(holding(A, B), (A, B))
        assert state.certain
        assert (state.looked_at, state.carried, state.doubted) == (True, {A, B}, False)
        assert state.leaving == {B: START}
        assert state.strangers == frozenset()

    in_a_loop(check)


def test_a_link_id_that_nobody_asked_for_is_a_stranger_until_somebody_does() -> None:
    def check() -> None:
        foreign = replace(holding(A, B), allocation={A: (0,)})
        state = read(foreign, ours=(A,))
        assert state.strangers == {B}
        assert not state.adopt(C, 7.0)
        assert state.strangers == {B}
        assert state.foreign() == {1}
        assert state.adopt(B, 7.0)
        assert state.strangers == frozenset()
        assert state.leaving == {A: START, B: 7.0}
        assert state.held().allocation == {A: (0,), B: (1,)}
        assert state.foreign() == frozenset()

    in_a_loop(check)


def test_an_item_in_doubt_leaves_from_when_it_was_first_doubted_and_a_set_never_does() -> None:
    def check() -> None:
        state = knowing().state
        state.expect(A, 1.0)
        state.expect(A, 2.0)
        state.expect(set_key((A, B)), 3.0)
        assert state.leaving == {A: 1.0}

    in_a_loop(check)


def test_a_profile_that_is_only_renamed_is_held_as_it_is_and_keeps_its_refusal() -> None:
    def check() -> None:
        state = read(holding(A))
        state.bind(bound(1))
        renamed = replace(bound(1, generation=2), content=replace(profile(1), name="another"))
        state.bind(renamed)
        assert state.held().generations == {A: 2}
        state.verdicts = {A: (2, REFUSED)}
        state.bind(replace(renamed, generation=3))
        assert state.verdicts == {A: (3, REFUSED)}
        assert state.held().generations == {A: 3}
        state.bind(bound(1, generation=4, start=600))
        assert state.held().generations == {A: 3}, "other hours are another thing"
        assert state.verdicts == {A: (3, REFUSED)}

    in_a_loop(check)


def test_every_change_of_what_is_bound_makes_what_was_compiled_out_of_date() -> None:
    def check() -> None:
        state = read(holding(A))
        versions = [state.version]
        changes: tuple[Callable[[], None], ...] = (
            lambda: state.bind(bound(1)),
            lambda: state.unbind(A, 1.0),
            lambda: state.bind_output(0, bound(1)),
            lambda: state.unbind_output(0, A),
            lambda: state.disclaim("other"),
            lambda: state.spend({CARD: (("card", 1, 0), 1)}),
        )
        for change in changes:
            change()
            versions.append(state.version)
        assert versions == [*range(versions[0], versions[0] + 7)]
        state.spend({CARD: (("card", 1, 0), 1)})
        assert state.version == versions[-1], "the same again is no change"

    in_a_loop(check)


def test_what_is_unbound_leaves_where_the_panel_may_have_it_and_stays_when_it_is_bound_again() -> None:
    def check() -> None:
        state = read(holding(A))
        state.bind(bound(1))
        state.bind(bound(2))
        state.unbind(B, 5.0)
        assert state.leaving == {}, "the panel was seen without it"
        state.unbind(A, 6.0)
        assert state.leaving == {A: 6.0}
        assert A not in state.bound
        state.bind(bound(1))
        assert state.leaving == {}
        state.doubt()
        state.bind(bound(2))
        state.unbind(B, 7.0)
        assert state.leaving == {B: 7.0}, "a panel that was not looked at may hold anything"

    in_a_loop(check)


def test_an_output_is_free_when_the_last_of_its_profiles_is_unbound() -> None:
    def check() -> None:
        state = knowing().state
        state.bind_output(2, bound(1))
        state.bind_output(2, bound(2))
        state.unbind_output(2, A)
        assert state.outputs == {2: {B: bound(2)}}
        state.unbind_output(2, B)
        state.unbind_output(2, B)
        assert state.outputs == {}

    in_a_loop(check)


def test_what_is_remembered_of_a_panel_names_items_and_no_sets() -> None:
    def check() -> None:
        state = PanelParts(
            allocation={B: (1,), set_key((A, B)): (4,)}, observed=ObservedPanel(known=OneOf((holding(A), holding(C))))
        ).state
        assert state.remembered() == {A, B, C}
        assert state.may_hold(A)
        assert not state.may_hold(B)
        assert state.may_carry(B)

    in_a_loop(check)


def test_foreign_slots_are_counted_over_all_that_a_panel_may_hold() -> None:
    def check() -> None:
        before = replace(holding(A, B), allocation={A: (0,)}, identifiers={5: IdentifierSlot(space="card", number=1)})
        state = knowing(OneOf((before, holding(A)))).state
        assert state.foreign() == {1}
        assert state.foreign_identifiers() == {5}
        single = knowing(OneOf((before, holding(A))), capabilities={"max_schedules": 1, "scope": "panel"}).state
        assert single.foreign() == {1}
        assert single.foreign((A,)) == frozenset(), "a single table is the gateway's as soon as something is bound to it"
        single.bind(bound(1))
        assert single.foreign() == frozenset()
        assert single.foreign(()) == {1}

    in_a_loop(check)


def test_what_was_compiled_for_other_settings_is_held_as_nothing_that_is_asked_now() -> None:
    def check() -> None:
        parts = knowing()
        state = parts.state
        state.read(holding(A), (A,))
        state.verdicts = {A: (1, REFUSED)}
        state.compiled(50.0)
        state.disclaim("new")
        assert state.certain
        held = state.held()
        assert (held.slots, held.generations, held.outcomes) == (holding(A).slots, {}, {})
        assert (state.observed.compiled_for, state.observed.compiled_at, state.verdicts) == ("new", 0.0, {})
        assert state.asked_anew_at == START

    in_a_loop(check)


def test_a_clock_that_was_ahead_leaves_no_instant_that_lies_ahead() -> None:
    def check() -> None:
        state = read(holding(A))
        state.begun(holding(A, B))
        state.acknowledged(START + 500.0)
        state.unbind(A, START + 100.0)
        state.expect(C, 5.0)
        state.reached(away=True)
        state.disclaim("x")
        state.none_later_than(START + 50.0)
        assert (state.observed.seen_at, state.observed.acknowledged_at) == (START + 50.0, START + 50.0)
        assert state.leaving == {A: START + 50.0, C: 5.0}
        assert (state.asked_anew_at, state.in_doubt_since, state.away_since) == (START, START, START)
        state.none_later_than(40.0)
        assert (state.asked_anew_at, state.in_doubt_since, state.away_since) == (40.0, 40.0, 40.0)
        state.none_later_than(1e12)
        assert (state.observed.seen_at, state.away_since) == (40.0, 40.0)

    in_a_loop(check)


def test_a_panel_is_away_from_when_it_was_first_missed() -> None:
    async def main() -> None:
        parts = knowing()
        state = parts.state
        assert state.unreachable() is None
        state.reached(away=True)
        await parts.clock.sleep(10)
        state.reached(away=True)
        assert state.away_since == START
        state.reached(away=False)
        assert not state.away_since
        parts.driver.feed.set(Availability.QUARANTINED, "dead")
        assert state.unreachable() == Failure(Reason.QUARANTINED, "dead")
        parts.driver.feed.set(Availability.BUS_UNAVAILABLE, "gone")
        assert state.unreachable() == Failure(Reason.BUS_UNAVAILABLE, "gone")

    run_virtual(main())


def test_during_a_transaction_the_panel_may_hold_either_image_and_afterwards_what_it_acknowledged() -> None:
    def check() -> None:
        state = read(holding(A))
        state.committed(PanelStatus(commit_count=5))
        state.begun(holding(A, B))
        assert state.certain
        assert state.images() == (holding(A), holding(A, B))
        assert state.image is None
        assert state.observed.commit_count is None
        state.acknowledged(9.0)
        assert (state.held(), state.observed.seen_at, state.observed.acknowledged_at) == (holding(A, B), 9.0, 9.0)
        state.begun(holding(A))
        state.not_sent()
        assert state.held() == holding(A, B)
        state.begun(holding(A))
        state.refused(holding(A), 11.0)
        assert (state.held(), state.observed.seen_at, state.observed.acknowledged_at) == (holding(A), 11.0, 9.0)

    in_a_loop(check)


def test_a_refusal_that_changed_nothing_leaves_known_what_was_known() -> None:
    def check() -> None:
        state = read(holding(A))
        for unlabelled, same in ((PanelImage(holding(A).slots), True), (with_card(), False)):
            state.begun(holding(A, B))
            state.refused(unlabelled, 1.0)
            assert (state.held() == holding(A)) is same
        cards = read(with_card())
        cards.begun(holding(A))
        cards.refused(PanelImage(identifiers=with_card(number=5).identifiers), 1.0)
        assert cards.held().allocation == {}

    in_a_loop(check)


@pytest.mark.parametrize("ends", ["acknowledged", "not_sent"])
def test_what_happens_to_a_panel_in_the_middle_of_a_transaction_leaves_it_in_doubt_though_it_acknowledges(ends: str) -> None:
    def check() -> None:
        state = read(holding(A))
        state.begun(holding(A, B))
        state.doubt()
        assert not state.certain
        if ends == "acknowledged":
            state.acknowledged(1.0)
        else:
            state.not_sent()
        assert not state.certain
        assert state.image == (holding(A, B) if ends == "acknowledged" else holding(A))

    in_a_loop(check)


def test_a_panel_is_in_doubt_from_when_it_was_certain_last_and_not_from_each_doubt_anew() -> None:
    async def main() -> None:
        parts = knowing()
        state = parts.state
        state.read(holding(A), (A,))
        await parts.clock.sleep(10)
        state.doubt()
        await parts.clock.sleep(10)
        state.doubt()
        assert state.in_doubt_since == START + 10
        state.confirm()
        state.clock_found(missing=True, withheld=CLOCK_NOT_SET)
        assert state.in_doubt_since == START + 20
        assert (state.clock_missing, state.clock_withheld) == (True, CLOCK_NOT_SET)
        await parts.clock.sleep(10)
        state.clock_found(missing=True)
        state.doubt()
        assert (state.in_doubt_since, state.clock_withheld) == (START + 20, None)
        state.confirm()
        state.clock_found(missing=False)
        assert (state.in_doubt_since, state.clock_missing) == (START + 20, False)

    run_virtual(main())


def test_nothing_is_known_of_a_panel_whose_content_is_forgotten_and_slots_that_it_lacks_belong_to_nobody() -> None:
    def check() -> None:
        state = read(holding(A), allocation={A: (0,), B: (99,)})
        state.measured(PanelStatus(capacity={"max_schedules": 8}), 0, 5.0)
        state.committed(PanelStatus(commit_count=3))
        state.forget_content()
        assert (state.images(), state.allocation, state.doubted) == ((), {A: (0,)}, True)
        assert (state.observed.capacity, state.observed.commit_count, state.commits.seen) == ({}, None, None)
        empty = read(holding(A))
        empty.forget_content()
        assert not empty.doubted

    in_a_loop(check)


def test_the_panels_own_account_is_kept_and_a_restart_puts_what_it_holds_in_doubt() -> None:
    def check() -> None:
        state = read(holding(A))
        status = PanelStatus(capacity={"max_schedules": 8}, reset_count=7, uptime_s=100)
        state.measured(status, 0, 5.0)
        assert state.held() == holding(A)
        observed = state.observed
        assert (observed.capacity, observed.reset_count, observed.uptime_s, observed.seen_at) == (
            {"max_schedules": 8},
            7,
            100,
            5.0,
        )
        state.measured(status, 2, 6.0)
        state.measured(status, 1, 7.0)
        assert not state.certain
        assert state.observed.resets == 3

    in_a_loop(check)


def test_commits_of_others_are_those_that_the_gateway_did_not_send() -> None:
    def check() -> None:
        state = read(holding(A))
        assert state.committed(PanelStatus(commit_count=10, own_commits=1)) == 0
        assert state.observed.commit_count == 10
        assert state.committed(PanelStatus(commit_count=14, own_commits=2)) == 3
        assert state.commits.foreign == 3
        assert state.commits.last_at == START

    in_a_loop(check)


def test_commits_of_others_while_the_gateway_was_away_count_where_it_did_not_write_itself() -> None:
    def check() -> None:
        remembered = ObservedPanel(known=Certain(holding(A)), commit_count=10)
        assert PanelParts(observed=remembered).state.committed(PanelStatus(commit_count=12)) == 2
        writing = replace(remembered, known=OneOf((holding(A), holding(B))))
        assert PanelParts(observed=writing).state.committed(PanelStatus(commit_count=12)) == 0

    in_a_loop(check)


def test_each_drift_is_counted_and_told_with_its_changes_until_the_panel_is_in_step() -> None:
    def check() -> None:
        state = read(holding(A))
        state.drift(("slot 1",))
        state.drift(("slot 2",))
        assert (state.drifted, state.last_drift, state.observed.drifts) == (True, (START, ("slot 2",)), 2)
        state.settled({})
        assert not state.drifted
        assert state.last_drift == (START, ("slot 2",))

    in_a_loop(check)


def test_a_store_that_may_be_older_than_the_last_write_makes_a_panel_be_read_whole() -> None:
    observed = disbelieved(ObservedPanel(known=Certain(holding(A)), commit_count=4, drifts=2))
    assert observed == ObservedPanel(known=OneOf((holding(A),), others=True), drifts=2)


def test_what_a_panel_says_of_itself_and_when_its_clock_was_set_is_kept() -> None:
    def check() -> None:
        state = knowing().state
        given = ClockGiven(HostMoment("boot", 1.0, 2.0), 3600)
        state.clock_given(given)
        state.identified(PanelIdentity("0A", 4))
        assert (state.observed.clock_given, state.observed.identity) == (given, PanelIdentity("0A", 4))
        state.reserve({C: (5,)})
        assert state.allocation == {C: (5,)}
        state.gave_up(SILENT)
        assert (state.failure, state.failed) == (SILENT, False)
        state.gave_up(Failure(Reason.FAILED))
        assert state.failed
        state.gave_up(None)
        assert not state.failed

    in_a_loop(check)


def test_an_item_that_the_panel_refuses_alone_is_given_up_after_five_times_and_that_is_told_once() -> None:
    def check() -> None:
        state = read(holding())
        state.bind(bound(1))
        for count in range(1, 5):
            assert state.count_refusal(A, 1, REJECTED) == {}
            assert state.refusals(A, 1) == count
            assert not state.given_up(bound(1))
        fresh = state.count_refusal(A, 1, REJECTED)
        assert list(fresh) == [A]
        assert (fresh[A].outcome, fresh[A].reason) == (ItemState.REFUSED, Reason.PANEL_REJECTED)
        assert state.given_up(bound(1))
        assert not state.given_up(bound(1, generation=2)), "what is asked anew is tried anew"
        assert state.count_refusal(A, 1, REJECTED) == {}
        state.forgive()
        assert not state.given_up(bound(1))
        assert state.verdicts == {}

    in_a_loop(check)


def test_what_was_not_written_is_pending_for_its_reason() -> None:
    def check() -> None:
        state = read(holding())
        state.postponed({A: 1, B: 2}, SILENT)
        state.postponed({B: 3}, REJECTED)
        pending = ItemOutcome(ItemState.PENDING, Reason.NO_REPLY, "nothing")
        assert state.verdicts == {A: (1, pending), B: (3, replace(pending, reason=Reason.PANEL_REJECTED, message="no"))}

    in_a_loop(check)


def test_a_panel_in_step_refuses_what_it_lacks_and_has_let_go_of_what_left() -> None:
    def check() -> None:
        image = replace(holding(A), outcomes={A: EXACT, B: REFUSED})
        state = read(image, ours=(A, B))
        for item in (bound(1), bound(2)):
            state.bind(item)
        state.leaving = {C: 1.0, A: 2.0}
        for key in (B, C):
            state.count_refusal(key, 1, REJECTED)
        state.postponed({A: 1}, SILENT)
        state.verdicts = {**state.verdicts, C: (1, REFUSED)}
        assert state.settled({A: 1, B: 1}) == {B: REFUSED}
        assert state.verdicts == {B: (1, REFUSED)}, "what it holds is not pending, and of what nobody asks nothing is said"
        assert state.leaving == {A: 2.0}, "what is still there leaves"
        assert state.observed.failures == {f"{B}:1": 1}
        assert state.observed.outcomes == {A: EXACT, B: REFUSED}
        assert state.settled({A: 1, B: 1}) == {}, "a refusal is told once"

    in_a_loop(check)


def test_what_was_given_up_is_remembered_as_refused_over_a_restart() -> None:
    def check() -> None:
        state = read(holding())
        state.bind(bound(1))
        for _ in range(5):
            state.count_refusal(A, 1, REJECTED)
        state.settled({A: 1})
        told = state.observed.outcomes[A]
        assert (told.outcome, told.reason) == (ItemState.REFUSED, Reason.PANEL_REJECTED)
        again = PanelParts(observed=state.observed).state
        again.bind(bound(1))
        again.confirm()
        assert again.settled({A: 1}) == {A: told}

    in_a_loop(check)


def test_entries_that_were_had_in_a_slot_that_somebody_took_away_go_on_counting() -> None:
    def check() -> None:
        unused = IdentifierSlot(space="card", number=1, passes=5)
        both = with_card()
        both = replace(both, identifiers={**both.identifiers, 4: unused}, allocation={**both.allocation, OTHER: (4,)})
        state = read(both)
        state.bound[CARD], state.bound[OTHER] = bound(9), bound(8)
        state.counted({CARD: 2})
        version = state.version
        state.read(both, (CARD, OTHER))
        assert state.version == version
        assert state.spent == {}
        state.read(PanelImage(), (CARD, OTHER))
        assert state.spent == {CARD: (("card", 4711, 0), 2), OTHER: (("card", 1, 0), 0)}
        assert state.version == version + 1
        del state.bound[OTHER]
        state.read(with_card(), (CARD,))
        state.counted({CARD: 3})
        state.another_unit()
        assert state.spent[CARD] == (("card", 4711, 0), 5)
        assert state.images() == ()

    in_a_loop(check)


def test_entries_that_nobody_had_are_noted_for_nobody() -> None:
    def check() -> None:
        state = read(with_card())
        state.bound[CARD] = bound(9)
        state.counted({CARD: 0})
        state.read(PanelImage(), (CARD,))
        assert state.spent == {}

    in_a_loop(check)


def test_what_the_store_had_of_the_panel_as_another_model_counts_until_it_is_taken_over() -> None:
    def check() -> None:
        parts = knowing(Unknown())
        state = PanelState(
            parts.settings, "line", parts.driver, {}, ObservedPanel(), parts.clock.wall, parts.wear, former=(A, set_key((A,)))
        )
        assert state.remembered() == {A}
        assert state.doubted
        state.forget_content()
        assert state.doubted
        state.taken_over()
        assert state.remembered() == frozenset()
        state.forget_content()
        assert not state.doubted

    in_a_loop(check)
