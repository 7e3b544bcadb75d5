"""A look at one panel: what it is asked, in which order, and what is believed of it then."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from config.settings import DoorSettings
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
from gateway.fleet.events import Drifted, ForeignCommitted, ForeignFound, Restarted
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.panel.wear import Wear
from gateway.store.contract import Certain, ObservedPanel
from tests.support.fake_panel import FakeDriver
from tests.support.fleet_site import link
from tests.support.looked_panel import HELD, OPEN, A, B, Looked, looked, virtually
from tests.support.panel_parts import bound


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
        noted = Wear(made.settings, made.driver, made.context, made.store.panel_facts["lobby"]["wear"])
        assert list(noted.written.values()) == [1], "a process that dies in it has counted it"

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


def test_nothing_is_saved_on_a_unit_without_a_number_that_did_not_say_what_it_holds() -> None:
    """It may be another one, whose changes somebody else has yet to take back."""

    async def main() -> None:
        made, saves = await unsaved()
        made.panel.serial, made.panel.deaf = None, deque([False, False, True])
        failure = await made.inspection.look(Priority.GRANT)
        assert (made.panel.readings, saves) == (["status", "identity"], [])
        assert failure is not None
        assert failure.reason is Reason.NO_REPLY

    virtually(main)
