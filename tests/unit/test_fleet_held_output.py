"""One output held by the gateway: whether it has to be on, for how long a lease may last, and what its place says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from config.settings import DoorSettings, PanelSettings
from drivers.clock import Sync
from drivers.contract import IDENTIFIER, Acknowledgement, Availability, ItemState, Reason
from gateway.compiler.calendar import profile_days
from gateway.fleet.clock_trust import Rules
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.panel.failure import AT_WORK, STORE_DOUBTED, Failure
from gateway.fleet.panel.held_output import HeldOutput, Opening, not_held, refusal
from gateway.fleet.panel.output import Output
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.place import PlaceDays
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.schedules.recurrence import Recurrence
from gateway.store.contract import DesiredItem
from tests.support.fake_panel import ACCESS_PANEL
from tests.support.fleet_site import START, link, profile
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A = link(1)
MINUTE = START % 86_400 // 60
LEASE = 30


def open_for(seconds: int, number: int = 1) -> DesiredItem:
    """A profile that has been open for a minute and closes in `seconds`."""
    item = bound(number, start=MINUTE - 1)
    profile = item.profile
    assert profile is not None
    return replace(item, content=replace(profile, date_to=profile.date_from + 60 + START % 60 + seconds))


def closed() -> DesiredItem:
    return bound(1, start=MINUTE + 60)


class Held(PanelParts):
    """Output 0 of a panel whose unit is known, with what is bound to it."""

    def __init__(
        self, *items: DesiredItem, seen: bool | None = False, taken: bool = True, unattended: bool = False, **parts: Any
    ) -> None:
        settings = PanelSettings(id="lobby", model="open-access-panel", hold_lease_s=LEASE, allow_unattended_outputs=unattended)
        super().__init__(settings=settings, **parts)
        for item in items:
            self.state.bind_output(0, item)
        self.state.identity.checked = True
        self.keeper = OutputKeeper(self.state, self.context, {})
        self.output = HeldOutput(0, self.state, self.context)
        self.output.seen = seen
        if taken:
            self.keeper.take(self.output)
        self.place = Output(0, self.state, self.context, self.keeper)

    def open(self, seconds: float, *, again: bool = True) -> list[Acknowledgement]:
        """Somebody opens it; the list gets what becomes of the closing."""
        ended: list[Acknowledgement] = []
        self.output.opened = Opening("door", self.clock.monotonic() + seconds, again, ended.append)
        return ended

    def says(self, *names: str) -> list[Any]:
        """What the output says of itself now."""
        return [getattr(self.output, name) for name in names]

    def distrust(self) -> None:
        self.clock.sync = Sync.UNSYNCHRONISED
        self.context.trust = ClockTrust(self.clock, Rules(released_at=2 * START), {}, 0)


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_an_output_is_on_while_a_profile_is_open_and_nothing_speaks_against_it() -> None:
    async def main() -> None:
        held = Held(open_for(600))
        assert held.output.wanted()
        assert held.output.edge == START + 600
        assert not Held(closed()).output.wanted()
        assert not Held().output.wanted()
        held.state.identity.stranger = "another unit"
        assert not held.output.wanted()
        held.state.identity.stranger = None
        held.state.retired = True
        assert not held.output.wanted()
        held.state.retired = False
        held.context.doubt = "older"
        assert not held.output.wanted()
        held.context.doubt = ""
        held.distrust()
        assert not held.output.wanted()
        held.output.seen = True
        assert not held.output.wanted(), "nothing stays on by a clock that is not trusted"

    virtually(main)


@pytest.mark.parametrize(
    ("left", "lease", "starts_within"),
    [(600, LEASE, 570.0), (30, 29, 1.0), (10, 9, 1.0), (2, 1, 1.0), (1, 0, 1.0)],
)
def test_a_lease_is_over_when_its_profile_closes(left: int, lease: int, starts_within: float) -> None:
    async def main() -> None:
        held = Held(open_for(left))
        seconds, start = held.output.lease()
        assert seconds == lease
        assert start == pytest.approx(held.clock.monotonic() + min(starts_within, 2 * LEASE - lease))
        assert held.output.wanted() is (lease > 0), "what is off stays off where no lease is so short"
        held.output.seen = True
        assert held.output.wanted(), "what is on stays on to its end"

    virtually(main)


def test_a_lease_goes_on_over_the_edge_of_one_profile_into_another() -> None:
    async def main() -> None:
        held = Held(open_for(10), open_for(600, 2))
        assert held.output.lease()[0] == LEASE
        assert held.output.edge == START + 10

    virtually(main)


def test_an_output_that_does_not_fall_off_by_itself_has_no_lease_and_is_switched_before_the_edge() -> None:
    async def main() -> None:
        held = Held(open_for(10), capabilities={"output_deadman": False}, unattended=True)
        assert held.output.wanted()
        assert list(held.output.lease()) == [None, pytest.approx(held.clock.monotonic() + 10)]
        held.open(5)
        assert held.output.lease() == (None, None)
        assert Held(capabilities={"output_deadman": False}).output.lease() == (None, None)

    virtually(main)


def test_a_whole_lease_is_prolonged_at_its_half_and_one_that_was_cut_never() -> None:
    async def main() -> None:
        held = Held(open_for(600))
        held.output.switched(on=True, lease=LEASE, began=100.0)
        assert held.says("seen", "prolong_at") == [True, 100.0 + LEASE / 2]
        held.output.switched(on=True, lease=LEASE - 1, began=100.0)
        assert held.says("prolong_at") == [math.inf]
        held.output.switched(on=False, lease=None, began=100.0)
        assert held.says("seen", "prolong_at") == [False, None]

    virtually(main)


def test_a_lease_is_due_at_its_half_and_at_once_where_it_is_not_known() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        assert not held.output.due(wanted=True), "it has no lease"
        assert held.output.due(wanted=False)
        held.output.switched(on=True, lease=LEASE, began=held.clock.monotonic())
        assert not held.output.due(wanted=True)
        await held.clock.sleep(LEASE / 2)
        assert held.output.due(wanted=True)
        held.output.switched(on=True, lease=LEASE, began=held.clock.monotonic())
        held.output.recalculate()
        assert held.output.due(wanted=True)
        held.output.seen = False
        assert held.output.due(wanted=True)
        assert not held.output.due(wanted=False)
        held.output.seen = None
        assert held.output.due(wanted=True)
        assert held.output.due(wanted=False)

    virtually(main)


def test_another_binding_ends_no_lease_and_puts_it_in_question() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        assert held.output.wanted()
        held.output.switched(on=True, lease=LEASE, began=held.clock.monotonic())
        held.state.bind(bound(7))
        assert held.output.wanted()
        assert not held.output.due(wanted=True), "what is bound elsewhere is no matter of this output"
        held.state.bind_output(0, open_for(900, 2))
        assert held.output.wanted()
        assert held.output.due(wanted=True)

    virtually(main)


def test_many_profiles_that_were_just_bound_are_worked_out_beside_everything_else() -> None:
    """All at once they would keep every door of the site waiting."""

    async def main() -> None:
        held = Held(open_for(600))
        assert held.output.wanted()
        for number in range(2, 300):
            held.state.bind_output(0, open_for(600, number))
        assert held.says("behind") == [True]
        await held.output.work_out()
        assert held.says("behind") == [False]
        assert held.output.wanted()

    virtually(main)


# what somebody commanded


def test_what_somebody_opens_is_on_until_then_and_is_off_again_where_it_fell_off_unless_told_otherwise() -> None:
    async def main() -> None:
        held = Held()
        held.open(10)
        assert held.output.wanted()
        assert list(held.output.lease()) == [9, pytest.approx(held.clock.monotonic() + 1)]
        assert held.output.kept_for == {"door"}
        held.open(2)
        assert held.output.wanted()
        held.open(1.2)
        assert not held.output.wanted(), "no lease is so short that it would be over"
        held.open(10, again=False)
        assert not held.output.wanted()
        held.output.seen = True
        assert held.output.wanted()
        assert held.says("is_over") == [False]
        await held.clock.sleep(10)
        assert held.says("is_over") == [True]
        assert not held.output.wanted()
        assert set(held.output.kept_for) == set()

    virtually(main)


def test_a_profile_takes_over_from_what_somebody_opened_without_a_gap() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        held.open(10)
        assert held.output.kept_for == {A, "door"}
        held.output.switched(on=True, lease=9, began=held.clock.monotonic())
        assert held.says("passes_on") == [False]
        assert not held.output.due(wanted=True)
        await held.clock.sleep(8.5)
        assert held.says("passes_on") == [True]
        assert held.output.due(wanted=True)
        alone = Held(seen=True)
        alone.open(0.5)
        alone.output.switched(on=True, lease=9, began=alone.clock.monotonic())
        assert not alone.output.due(wanted=True), "nothing takes over"

    virtually(main)


# what it does


def test_an_acknowledgement_is_no_reading() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        assert held.says("is_right") == [True]
        held.output.unread = True
        assert held.says("is_right") == [False]
        held.output.agreed()
        assert held.says("is_right") == [True]
        held.output.contradicted = True
        assert held.says("is_right") == [False]
        held.output.seen = None
        held.output.agreed()
        assert held.says("is_right") == [False]
        off = Held(closed())
        assert off.says("is_right", "is_off") == [True, True]
        off.output.unread = True
        assert off.says("is_right", "is_off") == [False, False]

    virtually(main)


def test_what_a_look_shows_counts_and_contradicts_what_was_commanded() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        held.output.unread = True
        held.output.shown(False)
        assert held.says("seen", "unread", "contradicted") == [False, False, True]
        assert held.says("prolong_at") == [None]
        held.output.shown(True)
        assert held.says("seen", "contradicted", "prolong_at") == [True, False, 0.0]
        held.output.shown(False)
        assert held.says("contradicted") == [False], "somebody switched it by hand"
        held.output.unread = True
        held.output.shown(None)
        assert held.says("seen", "unread") == [None, True]

    virtually(main)


def test_a_lease_may_run_on_though_a_look_had_no_answer() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=None)
        assert held.says("runs") == [False]
        held.output.prolong_at = 5.0
        assert held.says("runs") == [True]
        held.output.shown(None)
        assert held.says("prolong_at") == [0.0]
        held.output.seen = False
        assert held.says("runs") == [False]
        held.output.seen = True
        assert held.says("runs") == [True]
        lasting = Held(open_for(600), seen=True, capabilities={"output_deadman": False}, unattended=True)
        lasting.output.shown(True)
        assert lasting.says("prolong_at") == [None]

    virtually(main)


@pytest.mark.parametrize(
    ("output", "deadman", "unattended", "limit"),
    [
        (0, True, False, None),
        (7, True, False, None),
        (8, True, False, "outputs"),
        (-1, True, False, "outputs"),
        (0, False, False, "output_deadman"),
        (0, False, True, None),
    ],
)
def test_an_output_is_held_where_the_panel_has_it_and_it_falls_off_by_itself(
    output: int, deadman: bool, unattended: bool, limit: str | None
) -> None:
    said = refusal(replace(ACCESS_PANEL, output_deadman=deadman), output, unattended=unattended)
    assert (None if said is None else said[0]) == limit


def test_after_the_clock_went_back_an_output_is_open_by_the_time_that_it_is() -> None:
    async def main() -> None:
        held = Held(open_for(60))
        assert held.output.wanted()
        held.clock.wall_offset += 120
        assert not held.output.wanted()
        held.clock.wall_offset -= 120
        held.output.recalculate()
        assert held.output.wanted()

    virtually(main)


# what its place says


def test_an_output_in_its_state_is_held_by_the_gateway_and_what_is_unbound_is_removed_once_it_is_off() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        result = held.place.result(A)
        assert (result.panel, result.success, result.outcome) == ("lobby:0", True, ItemState.GATEWAY_HELD)
        assert held.place.is_settled(A)
        assert held.place.removal(A, 1).outcome is ItemState.REMOVED
        held.place.unbind(A, 1.0)
        held.output.recalculate()
        assert held.place.result(A).outcome is ItemState.PENDING
        assert held.place.removal(A, 1).outcome is ItemState.PENDING
        assert not held.place.is_settled(A)
        held.output.seen = False
        assert held.place.result(A).outcome is ItemState.REMOVED
        never = Held()
        never.keeper._held.clear()
        assert never.place.result(A).outcome is ItemState.REMOVED
        never.place.bind(open_for(600))
        assert never.place.result(A).message == AT_WORK.message

    virtually(main)


@pytest.mark.parametrize("why", ["seen", "unit", "retired", "time"])
def test_nothing_is_held_on_a_unit_that_nobody_knows_or_by_a_time_that_nobody_knows(why: str) -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        held.state.failure = Failure(Reason.IDENTITY_CHANGED, "another unit")
        if why == "seen":
            held.output.seen = None
        elif why == "unit":
            held.state.identity.checked = False
        elif why == "retired":
            held.state.retired = True
        else:
            held.distrust()
        result = held.place.result(A)
        assert (result.success, result.outcome) == (False, ItemState.PENDING)
        timeless = (held.context.timeless() or AT_WORK).message
        assert result.message == {"seen": AT_WORK.message, "time": timeless}.get(why, "another unit")

    virtually(main)


def test_the_days_of_an_output_are_those_of_a_profile_that_it_may_hold() -> None:
    async def main() -> None:
        held, day = Held(closed()), START // 86_400
        days = await held.place.days(closed(), day, 2)
        assert days == PlaceDays(profile_days(Recurrence(profile(1, MINUTE + 60), held.context.options.readings), day, 2), None)
        assert days.compiled is not None
        assert await held.place.days(bound(2), day, 2) == PlaceDays(None, None), "it is not bound"
        held.context.doors = (DoorSettings(id="front", panel="lobby", output=0),)
        assert await held.place.days(closed(), day, 2) == PlaceDays(None, None), "time profiles do not hold this door"
        assert held.place.last_seen(A) == held.place.result(A)

    virtually(main)


def test_an_output_that_is_pending_says_why() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=None)
        held.context.doubt = "older"
        assert held.place.result(A).message == STORE_DOUBTED.message
        held.driver.feed.set(Availability.QUARANTINED, "dead")
        assert held.place.result(A).message == "dead"
        held.output.contradicted = True
        result = held.place.result(A)
        assert result.reason is Reason.VERIFY_FAILED

    virtually(main)


def card() -> DesiredItem:
    asked = Identifier(link(9), "card", Number("card", "1"), "all")
    return DesiredItem(link(9), 9, 1, 1, asked, "", float(START), kind=IDENTIFIER)


def test_an_output_refuses_what_it_cannot_hold_with_the_first_time_that_is_asked_for() -> None:
    async def main() -> None:
        held = Held(open_for(600), bound(2, start=541), card(), capabilities={"output_deadman": False})
        result = held.place.result(A)
        assert (result.outcome, result.limit) == (ItemState.REFUSED, "output_deadman")
        assert result.message is not None
        assert result.message.startswith("the output would stay on if the gateway died: 20")
        assert held.place.is_settled(A)
        to_the_minute = held.place.result(link(2)).message
        assert to_the_minute is not None
        assert to_the_minute.endswith(" 09:01-10:01")
        reader = held.place.result(card().key)
        assert (reader.outcome, reader.limit) == (ItemState.REFUSED, "max_identifiers")
        assert held.place.result(link(5)).outcome is ItemState.REMOVED
        held.distrust()
        assert held.place.result(A).message == "the output would stay on if the gateway died"
        lacking = Held(open_for(600), capabilities={"outputs": 0})
        assert lacking.place.result(A).message == "the panel has 0 outputs"

    virtually(main)


def test_a_door_that_time_profiles_do_not_hold_is_refused_and_is_off() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        held.context.doors = (DoorSettings(id="front", name="Front", panel="lobby", output=0),)
        refused = not_held(0, held.state, held.context)
        barred = refused is not None
        assert held.output.wanted() is not barred
        assert (held.place.result(A).outcome is ItemState.REFUSED) is barred
        assert not_held(1, held.state, held.context) is None

    virtually(main)


def test_a_plan_promises_to_hold_an_output_as_far_as_the_time_is_known() -> None:
    async def main() -> None:
        held = Held()
        planned = await held.place.plan({A: open_for(600)})
        assert planned.cost is None
        cell = planned.cells[A]
        assert (cell.panel, cell.outcome, cell.slots, cell.message) == ("lobby:0", ItemState.GATEWAY_HELD, 0, None)
        held.distrust()
        cell = (await held.place.plan({A: open_for(600)})).cells[A]
        assert (cell.outcome, cell.reason) == (ItemState.PENDING, Reason.CLOCK_NOT_SET)

    virtually(main)


def test_an_explanation_tells_what_an_output_was_seen_to_do_only_of_this_moment() -> None:
    async def main() -> None:
        held = Held(open_for(600), seen=True)
        now = int(held.clock.wall())
        said = await held.place.explain(open_for(600), now, asked=True)
        assert (said.panel, said.compiled, said.held, said.differs_at, said.message) == (
            "lobby:0",
            True,
            True,
            None,
            "held by the gateway",
        )
        assert (await held.place.explain(open_for(600), now + 1, asked=True)).held is None
        held.output.unread = True
        assert (await held.place.explain(open_for(600), now, asked=True)).held is None
        held.output.unread, held.output.seen = False, False
        assert (await held.place.explain(open_for(600), now, asked=True)).differs_at == "held"
        other = await held.place.explain(open_for(600, 2), now, asked=True)
        assert (other.compiled, other.message) == (None, "not bound to this panel")
        gone = replace(open_for(600), content=None)
        assert (await held.place.explain(gone, now, asked=False)).differs_at is None
        held.output.seen = True
        said = await held.place.explain(gone, now, asked=False)
        assert (said.compiled, said.held, said.differs_at, said.message) == (None, True, "held", "deleted")

    virtually(main)
