"""A look at one panel: what it is asked, in which order, what is believed of it then, and what becomes of its clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.settings import DoorSettings
from drivers.clock import Sync
from drivers.contract import (
    IDENTIFIER,
    Acknowledgement,
    IdentifierSlot,
    Outcome,
    PanelImage,
    PanelStatus,
    Period,
    Priority,
    Reason,
    Slot,
    item_key,
)
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.events import ClockMeasured, ClockSet, Drifted, ForeignCommitted, ForeignFound, Restarted
from gateway.fleet.host_clock import ClockTrust, PanelClock
from gateway.fleet.panel.clocks import said_at
from gateway.fleet.panel.failure import Failure
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.panel.inspection import Inspection
from gateway.schedules.time_profile import Readings
from gateway.store.contract import Certain, ObservedPanel
from tests.support.fake_panel import FakeDriver
from tests.support.fleet_site import START, link
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B = link(1), link(2)
HOUR = 3600.0
OPEN = Slot((A,), (Period(127, 540, 600),))
HELD = PanelImage({0: OPEN}, (), {A: (0,)}, {A: 1})


class Looked(PanelParts):
    """A panel with the part that looks at it; its clock is right, and it holds one slot that is remembered."""

    def __init__(self, observed: ObservedPanel | None = None, **parts: Any) -> None:
        super().__init__(observed=ObservedPanel(known=Certain(HELD)) if observed is None else observed, **parts)
        self.panel.slots = {0: OPEN}
        self.panel.clock_offset_s = 0.0
        self.inspection = Inspection(self.state, self.context, Foreign(self.state, self.context, {}))

    async def asked(self, work: Coroutine[Any, Any, Failure | None]) -> list[str]:
        """What the panel is asked for the sake of this, which does not fail."""
        self.panel.readings.clear()
        assert await work is None
        return list(self.panel.readings)

    async def look(self) -> list[str]:
        self.inspection.begin()
        return await self.asked(self.inspection.look(Priority.GRANT))

    async def keep_clock(self) -> list[str]:
        self.inspection.begin()
        return await self.asked(self.inspection.keep_clock(Priority.GRANT))

    async def clock_failure(self) -> Failure:
        self.inspection.begin()
        failure = await self.inspection.keep_clock(Priority.GRANT)
        assert failure is not None
        return failure

    def events(self, kind: type) -> list[Any]:
        found = [event for event in self.told if isinstance(event, kind)]
        self.told.clear()
        return found


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


async def looked(observed: ObservedPanel | None = None, **parts: Any) -> Looked:
    """A panel that was looked at, and whose clock was found right."""
    made = Looked(observed, **parts)
    await made.store.open()
    await made.look()
    await made.keep_clock()
    made.told.clear()
    return made


def test_a_panel_that_is_remembered_is_asked_who_it_is_once_and_then_whether_it_is_as_it_was() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        assert await made.look() == ["status", "identity", "quick_look"]
        assert made.state.certain
        assert made.state.identity.checked
        made.state.doubt()
        assert await made.look() == ["status", "quick_look"]
        made.state.identity.forget()
        assert await made.look() == ["status", "identity", "quick_look"]

    virtually(main)


def test_a_panel_that_is_as_it_was_is_the_panel_and_its_strangers_doors_and_commits_are_looked_after() -> None:
    async def main() -> None:
        stranger = Slot((B,), (Period(127, 0, 60),))
        held = replace(HELD, slots={0: OPEN, 3: stranger})
        made = Looked(ObservedPanel(known=Certain(held), commit_count=5))
        await made.store.open()
        made.panel.slots = {0: OPEN, 3: stranger}
        made.context.doors = (
            DoorSettings(id="front", name="Front", panel="lobby", output=2, pulse_s=1.5),
            DoorSettings(id="back", name="Back", panel="gate", output=3, pulse_s=1.5),
        )
        pulses: list[Mapping[int, int]] = []
        status, time_pulses = made.driver.status, made.driver.time_pulses

        async def counting(priority: Priority, deadline: float | None) -> Any:
            said = await status(priority, deadline)
            return replace(said, commit_count=7) if isinstance(said, PanelStatus) else said

        async def noting(tenths_s: Mapping[int, int], priority: Priority, deadline: float | None) -> Any:
            pulses.append(tenths_s)
            return await time_pulses(tenths_s, priority, deadline)

        vars(made.driver).update(status=counting, time_pulses=noting)
        assert await made.look() == ["status", "identity", "quick_look"]
        assert made.state.identity.compared
        (found,) = [event for event in made.told if isinstance(event, ForeignFound)]
        assert found.slots == {3: "every day 00:00-01:00"}
        assert pulses == [{2: 15}]
        assert made.events(ForeignCommitted) == [ForeignCommitted("lobby", 2)]
        await made.look()
        assert made.events(ForeignCommitted) == [], "each is told once"

    virtually(main)


def test_a_panel_without_anybody_elses_slots_commits_and_doors_tells_of_none() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        await made.look()
        assert [event for event in made.told if isinstance(event, ForeignFound | ForeignCommitted)] == []
        assert not made.inspection.read_all
        assert not made.inspection.move_clock

    virtually(main)


@pytest.mark.parametrize("answers", [True, False])
def test_entries_that_people_had_are_read_with_the_panel(answers: bool) -> None:
    async def main() -> None:
        key = item_key(IDENTIFIER, link(9))
        card = IdentifierSlot(space="card", number=4711, passes=3)
        held = replace(HELD, allocation={**HELD.allocation, key: (5,)}, identifiers={5: card})
        made = Looked(ObservedPanel(known=Certain(held)))
        await made.store.open()
        made.state.bound[key] = bound(9)

        async def read_passes(slots: Any, *_: object) -> Any:
            return dict.fromkeys(slots, 2) if answers else Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY)

        vars(made.driver).update(read_passes=read_passes)
        failure = await made.inspection.look(Priority.GRANT)
        assert (failure is None) is answers
        assert made.state.certain is answers
        assert made.state.observed.entries == ({key: 2} if answers else {})

    virtually(main)


def test_a_panel_that_every_look_reads_whole_owes_no_look_at_every_word() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        await made.look()
        assert made.inspection.whole.reached().ended_at is None
        made.inspection.whole.next(())
        await made.look()
        assert made.inspection.whole.reached().ended_at is not None

    virtually(main)


def test_a_panel_of_unknown_content_is_read_whole() -> None:
    async def main() -> None:
        made = Looked(ObservedPanel())
        await made.store.open()
        assert await made.look() == ["status", "identity", "read_back"]
        assert made.state.held().slots == {0: OPEN}
        assert made.events(Drifted) == [], "what nobody remembers cannot have drifted"
        assert made.state.observed.drifts == 0

    virtually(main)


def test_who_asks_for_all_gets_all_read_though_a_quick_look_would_do() -> None:
    async def main() -> None:
        made = await looked()
        made.inspection.read_all = True
        assert await made.look() == ["status", "read_back"]
        assert await made.look() == ["status", "quick_look"]
        made.inspection.read_all = True
        made.panel.deaf = deque([False, True])
        assert await made.inspection.look(Priority.GRANT) is not None
        assert await made.look() == ["status", "read_back"], "it is still owed"

    virtually(main)


def test_what_is_asked_for_while_the_panel_is_being_read_is_read_once_more() -> None:
    async def main() -> None:
        made = await looked()
        made.inspection.read_all = True
        read_back = made.driver.read_back

        async def meanwhile(priority: Priority, deadline: float | None) -> Any:
            made.inspection.read_all = True
            return await read_back(priority, deadline)

        vars(made.driver).update(read_back=meanwhile)
        await made.look()
        assert not made.state.certain

    virtually(main)


def test_a_panel_that_holds_something_else_has_drifted_and_the_difference_is_told() -> None:
    async def main() -> None:
        made = await looked()
        made.panel.slots = {0: replace(OPEN, periods=())}
        assert await made.look() == ["status", "quick_look", "read_back", "identity"]
        (drifted,) = made.events(Drifted)
        assert drifted == Drifted("lobby", ("slot 0 was every day 09:00-10:00 for " + A + ", is never open for " + A,))
        assert made.state.last_drift is not None
        assert made.state.last_drift[1] == drifted.changes
        assert made.state.held().slots == {0: replace(OPEN, periods=())}

    virtually(main)


@pytest.mark.parametrize("reading", [0, 1, 2])
def test_a_panel_that_falls_silent_in_a_look_is_not_certain(reading: int) -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        made.panel.deaf = deque([number == reading for number in range(reading + 1)])
        failure = await made.inspection.look(Priority.GRANT)
        assert failure is not None
        assert failure.reason is Reason.NO_REPLY
        assert not made.state.certain

    virtually(main)


def test_another_kind_of_device_is_no_panel_and_has_to_say_who_it_is_again() -> None:
    async def main() -> None:
        made = await looked()
        made.panel.foreign = True
        failure = await made.inspection.look(Priority.GRANT)
        assert failure is not None
        assert failure.reason is Reason.WRONG_DEVICE
        assert not made.state.identity.checked

    virtually(main)


def test_a_panel_that_is_silent_is_still_the_panel_that_it_was() -> None:
    async def main() -> None:
        made = await looked()
        made.panel.deaf = deque([True])
        assert await made.inspection.look(Priority.GRANT) is not None
        assert made.state.identity.checked

    virtually(main)


@pytest.mark.parametrize("found", [True, False])
def test_a_frame_of_the_look_at_every_word_that_reads_otherwise_makes_all_be_read(found: bool) -> None:
    async def main() -> None:
        made = await looked()
        if found:
            made.panel.slots = {0: replace(OPEN, periods=())}
        assert await made.asked(made.inspection.look_on(Priority.BACKGROUND)) == ["look_at 0"]
        assert (made.state.certain, made.inspection.read_all) == (not found, found)
        made.state.confirm()
        assert await made.asked(made.inspection.look_on(Priority.BACKGROUND)) == ["look_at 1"]

    virtually(main)


def test_a_frame_that_is_not_answered_is_asked_for_again_and_nothing_is_doubted() -> None:
    async def main() -> None:
        made = await looked()
        made.panel.deaf = deque([True])
        assert await made.inspection.look_on(Priority.BACKGROUND) is not None
        assert made.state.certain
        assert await made.asked(made.inspection.look_on(Priority.BACKGROUND)) == ["look_at 0"]

    virtually(main)


def test_a_panel_whose_content_is_forgotten_is_looked_at_from_its_first_word_on() -> None:
    async def main() -> None:
        made = await looked()
        for number in range(2):
            assert await made.asked(made.inspection.look_on(Priority.BACKGROUND)) == [f"look_at {number}"]
        made.state.doubt()
        made.inspection.read_all = True
        await made.look()
        assert await made.asked(made.inspection.look_on(Priority.BACKGROUND)) == ["look_at 2"]
        made.state.forget_content()
        await made.look()
        assert await made.asked(made.inspection.look_on(Priority.BACKGROUND)) == ["look_at 0"]

    virtually(main)


def test_strangers_are_told_of_where_a_panel_is_read_whole_too() -> None:
    async def main() -> None:
        made = Looked(ObservedPanel())
        await made.store.open()
        made.panel.slots = {3: replace(OPEN, link_ids=(B,))}
        await made.look()
        assert [event.slots for event in made.told if isinstance(event, ForeignFound)] == [{3: "every day 09:00-10:00"}]

    virtually(main)


def test_a_unit_without_a_number_that_holds_what_a_neighbour_holds_is_not_the_panel() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        made.panel.serial = None
        other = replace(HELD, slots={0: replace(OPEN, periods=())})
        made.panel.slots = dict(other.slots)
        kind = (made.state.observed.model, made.state.observed.options)
        made.context.neighbours = lambda: (Neighbour("gate", kind, None, None, (other,)),)
        failure = await made.inspection.look(Priority.GRANT)
        assert failure is not None
        assert failure.reason is Reason.IDENTITY_CHANGED
        assert not made.state.certain

    virtually(main)


# restarts


async def restarts(change: Callable[[Looked], None], after_s: float = 100.0) -> int:
    """How many restarts a look finds after something happened; they put what is held in doubt."""
    made = await looked()
    await made.clock.sleep(after_s)
    change(made)
    await made.asked(made.inspection.measure(Priority.GRANT))
    found = made.state.observed.resets
    assert made.state.certain is (found == 0)
    assert made.events(Restarted) == [Restarted("lobby")] * (found > 0)
    return found


def counted(by: int) -> Callable[[Looked], None]:
    def change(made: Looked) -> None:
        made.panel.resets += by

    return change


def booted(ago_s: float) -> Callable[[Looked], None]:
    def change(made: Looked) -> None:
        made.panel.booted_at = made.clock.monotonic() - ago_s

    return change


@pytest.mark.parametrize(
    ("change", "found"),
    [(counted(0), 0), (counted(1), 1), (counted(3), 3), (counted(-2), 1), (booted(10), 1), (booted(90), 1), (booted(97), 0)],
)
def test_restarts_are_told_by_the_count_or_by_the_time_since_the_last_look(change: Callable[[Looked], None], found: int) -> None:
    async def main() -> None:
        assert await restarts(change) == found

    virtually(main)


def test_a_restart_while_the_gateway_was_away_is_told_by_what_it_remembers() -> None:
    async def main() -> None:
        for remembered, found in (
            (ObservedPanel(uptime_s=1000), 1),
            (ObservedPanel(uptime_s=0), 0),
            (ObservedPanel(uptime_s=0, reset_count=2), 1),
        ):
            made = Looked(remembered)
            made.panel.resets = 3
            await made.inspection.measure(Priority.GRANT)
            assert made.state.observed.resets == found

    virtually(main)


def test_after_a_restart_the_unit_is_asked_who_it_is_and_its_clock_is_looked_at() -> None:
    async def main() -> None:
        made = await looked()
        assert not made.inspection.clock_due()
        made.panel.resets += 1
        await made.inspection.measure(Priority.GRANT)
        assert not made.state.identity.checked
        assert made.inspection.clock_due()

    virtually(main)


def test_a_panel_that_reports_fewer_slots_is_compiled_for_those() -> None:
    async def main() -> None:
        made = Looked(observed=ObservedPanel(known=Certain(HELD), capacity={"max_schedules": 8}))
        made.panel.capabilities = replace(made.panel.capabilities, max_schedules=4)
        await made.inspection.measure(Priority.GRANT)
        assert made.driver.capabilities.max_schedules == 4
        assert made.state.observed.capacity == {"max_schedules": 4}
        assert made.state.observed.compiled_for != ""
        made.panel.defects = {"restrict"}
        await made.inspection.measure(Priority.GRANT)  # nothing new: nothing to restrict
        made.inspection.begin_anew()
        with pytest.raises(ZeroDivisionError):
            await made.inspection.measure(Priority.GRANT)

    virtually(main)


# the clock


async def off_by(seconds: float | None, **parts: Any) -> Looked:
    """A panel whose clock went wrong after it was found right."""
    made = await looked(**parts)
    made.panel.clock_offset_s = seconds
    made.inspection.forget_clock()
    return made


def bound_s(made: Looked) -> float:
    return float(made.settings.clock_bound_s)


@pytest.mark.parametrize(("beyond", "is_set"), [(-1.5, False), (1.0, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_set_once_it_is_off_by_more_than_the_bound(beyond: float, is_set: bool, sign: int) -> None:
    async def main() -> None:
        made = await looked()
        made.panel.clock_offset_s = sign * (bound_s(made) + beyond + (sign < 0))
        assert await made.keep_clock() == (["status", "set_clock", "status"] if is_set else ["status"])
        assert not made.state.clock_missing
        assert bool(made.events(ClockSet)) is is_set
        assert not made.inspection.clock_due()

    virtually(main)


def test_an_error_of_the_clock_is_told_in_milliseconds_and_one_that_is_unset_has_none() -> None:
    async def main() -> None:
        made = await off_by(1.0)
        await made.keep_clock()
        assert abs(made.state.clock_drift_ms or 2000) <= 1000
        assert ClockMeasured("lobby", made.state.clock_drift_ms) in made.told
        made.panel.clock_offset_s = None
        made.panel.clock_fault = Reason.NO_REPLY
        made.told.clear()
        await made.inspection.measure(Priority.GRANT)
        assert made.events(ClockMeasured) == [ClockMeasured("lobby", None)]
        assert made.state.clock_missing, "nothing counts by a clock that is unset"

    virtually(main)


def test_a_clock_that_is_set_says_what_it_showed_and_what_it_shows() -> None:
    async def main() -> None:
        made = await off_by(None)
        assert await made.keep_clock() == ["status", "set_clock", "status"]
        (told,) = made.events(ClockSet)
        assert (told.panel, told.reason, told.before) == ("lobby", None, "unset")
        assert told.now == said_at(ZoneInfo("UTC"), made.clock.wall())
        assert not made.state.clock_missing
        given = made.state.observed.clock_given
        assert given is not None
        assert given.offset_s == 0
        assert given.moment.wall == pytest.approx(made.clock.wall(), abs=1)
        made.panel.clock_offset_s = 7200.0
        await made.keep_clock()
        (told,) = made.events(ClockSet)
        assert told.before != told.now

    virtually(main)


def test_a_clock_that_refuses_is_missing_and_is_asked_again_within_the_hour() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.takes_clock = False
        assert await made.keep_clock() == ["status", "set_clock"]
        assert made.state.clock_missing
        assert made.inspection.clock_due(), "a clock that is missing is looked at whenever there is a chance"
        made.panel.takes_clock = True
        assert await made.keep_clock() == ["status", "set_clock", "status"]
        assert not made.state.clock_missing

    virtually(main)


def test_a_clock_write_that_is_lost_fails_the_attempt() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.clock_fault = Reason.NO_REPLY
        failure = await made.clock_failure()
        assert (failure.reason, failure.permanent) == (Reason.NO_REPLY, False)
        assert made.state.clock_missing
        assert made.state.observed.clock_given is None

    virtually(main)


def test_a_clock_that_is_acknowledged_and_shows_another_time_is_not_set() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.ignores_clock = True
        failure = await made.clock_failure()
        assert failure.reason is Reason.CLOCK_NOT_SET
        assert made.state.clock_missing

    virtually(main)


def test_a_right_clock_is_looked_at_every_hour_and_at_every_change_of_the_offset() -> None:
    async def main() -> None:
        made = await looked()
        assert made.inspection.clock_at == made.clock.wall() + HOUR
        assert made.state.law_until is None
        await made.clock.sleep(HOUR - 1)
        assert not made.inspection.clock_due()
        await made.clock.sleep(1)
        assert made.inspection.clock_due()
        await made.keep_clock()
        assert not made.inspection.clock_due()

    virtually(main)


def test_a_clock_that_the_gateway_moves_in_autumn_is_looked_at_when_the_offset_changes() -> None:
    async def main() -> None:
        change = 1_793_512_800  # 2026-11-01, 02:00 in New York
        made = Looked(capabilities={"dst": "gateway"})
        await made.store.open()
        made.clock.wall_offset = change - 600.0
        made.panel.clock_offset_s = -4 * HOUR
        options = made.context.options
        made.context.options = FleetOptions(Readings(ZoneInfo("America/New_York")), clock=options.clock)
        await made.look()
        await made.keep_clock()
        assert (made.inspection.clock_at, made.state.law_until) == (change, change)
        await made.clock.sleep(601)
        assert made.inspection.clock_due()
        assert "set_clock" in await made.keep_clock()
        assert made.panel.clock_offset_s == -5 * HOUR

    virtually(main)


def test_a_clock_that_trusts_itself_for_a_while_only_is_set_again_in_time() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        made.panel.trusted_s, made.panel.clock_set_at = 2000.0, made.clock.wall()
        await made.look()
        await made.keep_clock()
        assert made.inspection.clock_at == pytest.approx(made.clock.wall() + 1000, abs=1)
        await made.clock.sleep(1001)
        assert await made.keep_clock() == ["status", "set_clock", "status"]

    virtually(main)


def test_a_panel_without_a_clock_is_asked_for_none() -> None:
    async def main() -> None:
        made = Looked(capabilities={"clock": "none"})
        await made.store.open()
        await made.look()
        assert not made.inspection.clock_due()
        assert made.events(ClockMeasured) == []
        assert not made.state.clock_missing

    virtually(main)


def test_a_clock_that_cannot_be_read_is_set_at_the_start_after_a_restart_and_every_hour() -> None:
    async def main() -> None:
        made = Looked(capabilities={"clock": "w"})
        await made.store.open()
        made.panel.clock_offset_s = None
        await made.look()
        assert "set_clock" in await made.keep_clock()
        (told,) = made.events(ClockSet)
        assert told.before == "unknown: it cannot be read"
        assert not made.state.clock_missing
        assert not made.inspection.clock_due()
        made.inspection.forget_clock()
        assert await made.keep_clock() == ["status"]
        await made.clock.sleep(HOUR)
        assert "set_clock" in await made.keep_clock()
        made.panel.resets += 1
        assert "set_clock" in await made.keep_clock()

    virtually(main)


def test_nothing_is_written_to_a_clock_while_the_gateways_own_is_not_trusted() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        made.clock.sync = Sync.UNSYNCHRONISED
        made.context.trust = ClockTrust(made.clock, Rules(released_at=2 * START), {}, 0)
        assert not made.context.trusted()
        made.panel.clock_offset_s = 7200.0
        await made.look()
        assert made.events(ClockMeasured) == [], "no error is told by a clock that is not trusted"
        assert await made.keep_clock() == ["status"]
        assert not made.state.clock_missing
        made.panel.clock_offset_s = None
        assert await made.keep_clock() == ["status"]
        assert made.state.clock_missing

    virtually(main)


def test_a_clock_that_spent_its_share_of_writes_is_missing_until_it_is_earned() -> None:
    async def main() -> None:
        made = await off_by(7200.0, capabilities={"endurance": 3652})
        made.panel.transactions += [(Priority.GRANT, PanelImage())] * 2
        made.state.wear.noticed(clock=True)
        failure = await made.clock_failure()
        assert failure.reason is Reason.ENDURANCE_SPENT
        assert made.state.clock_missing

    virtually(main)


def test_a_panels_clock_speaks_of_the_hosts_unless_it_may_have_stood_still() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        heard: list[float | None] = []

        def hear(panel: str, clock: PanelClock | None) -> None:
            heard.append(None if clock is None else clock.epoch)

        vars(made.context.trust).update(heard=hear)
        await made.look()
        made.panel.clock_offset_s = 60.0
        await made.asked(made.inspection.measure(Priority.GRANT))
        before, after = heard
        assert before is not None
        assert after == pytest.approx(before + 60, abs=1)
        made.panel.resets += 1
        await made.asked(made.inspection.measure(Priority.GRANT))
        assert heard[2:] == [None], "it was without power"
        made.inspection.begin()
        await made.keep_clock()
        assert heard[-1] is not None, "it was set"

    virtually(main)


# what has to be saved


async def unsaved(outcome: Outcome = Outcome.ACKNOWLEDGED) -> tuple[Looked, list[Priority]]:
    """A panel that holds what it has not saved; the list gets the priorities at which it is told to, which ends so."""
    made = Looked(ObservedPanel())
    await made.store.open()
    saves: list[Priority] = []

    class Saving(type(made.driver)):  # type: ignore[misc]
        unsaved = True

        async def save(self, priority: Priority, deadline: float | None) -> Any:
            saves.append(priority)
            return Acknowledgement(outcome)

    made.driver.__class__ = Saving
    return made, saves


def test_what_was_read_and_not_saved_is_saved_before_anything_is_claimed_of_it() -> None:
    async def main() -> None:
        made, saves = await unsaved()
        await made.look()
        assert saves == [Priority.GRANT]

    virtually(main)


def test_a_panel_that_was_not_read_owes_no_save() -> None:
    async def main() -> None:
        made, saves = await unsaved()
        assert await made.inspection.save(Priority.GRANT) is None
        assert saves == []
        await made.look()
        made.driver.__class__ = FakeDriver
        assert await made.inspection.save(Priority.GRANT) is None
        assert saves == [Priority.GRANT]

    virtually(main)


@pytest.mark.parametrize("why", ["refused", "spent"])
def test_what_cannot_be_saved_is_not_read_as_if_it_were(why: str) -> None:
    async def main() -> None:
        made, saves = await unsaved(Outcome.REJECTED if why == "refused" else Outcome.ACKNOWLEDGED)
        if why == "spent":
            made.panel.transactions += [(Priority.GRANT, PanelImage())] * 20_000
            made.state.wear.noticed()
        failure = await made.inspection.look(Priority.GRANT)
        assert failure is not None
        assert (failure.reason is Reason.ENDURANCE_SPENT) is (why == "spent")
        assert len(saves) == (why == "refused")
        assert not made.state.certain

    virtually(main)


def test_what_is_taken_away_is_saved_along_with_it_and_waits_for_nothing() -> None:
    async def main() -> None:
        made, saves = await unsaved()
        made.state.leaving = {B: 1.0}
        assert made.inspection.closes_first()
        await made.look()
        assert saves == []
        await made.state.wear.begin({B: "-"}, {}, narrows=True)
        made.panel.transactions.append((Priority.REVOCATION, PanelImage()))
        made.state.wear.ended(Outcome.ACKNOWLEDGED)
        assert not made.inspection.closes_first()
        assert await made.inspection.save(Priority.REVOCATION) is None
        assert saves == [Priority.REVOCATION]

    virtually(main)
