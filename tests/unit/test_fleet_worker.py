"""One panel's worker: when it goes to work, who is told of the end of it, and what a look in the background leads to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from drivers.clock import Sync
from drivers.contract import (
    Acknowledgement,
    Allocation,
    Availability,
    ItemOutcome,
    ItemState,
    Outcome,
    PanelCapabilities,
    PanelImage,
    Priority,
    Reason,
    WritePlan,
)
from drivers.trace import request_id
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.concurrency import Ticket
from gateway.fleet.bindings import Bindings
from gateway.fleet.clock_trust import Rules
from gateway.fleet.desired import Desired
from gateway.fleet.events import Away, Back, Failed, Revoked
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.panel.backoff import back_off_s
from gateway.fleet.panel.compilation import Goal
from gateway.fleet.panel.event_reader import EventReader
from gateway.fleet.panel.failure import STORE_DOUBTED, Failure
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.leaving import Leaving
from gateway.fleet.panel.place import all_of_it
from gateway.fleet.panel.reconciler import Reconciler
from gateway.store.contract import Certain, ObservedPanel, StoreUnavailable
from tests.support.fake_panel import FakeDriver
from tests.support.fleet_site import START, link, one_slot_each
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B, C = link(1), link(2), link(3)
HOUR = 3600.0


class Worked(PanelParts):
    """A panel with its worker. `asked` notes when it was asked for its status, in seconds since the test began."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(observed=ObservedPanel(known=Certain(PanelImage())), **parts)
        self.panel.clock_offset_s = 0.0
        self.worker = Reconciler(
            self.state,
            self.context,
            Foreign(self.state, self.context, {}),
            EventReader(self.state, self.context, None),
            Leaving(self.state, self.context, None),
        )
        self.statuses: list[float] = []
        status = self.driver.status

        async def noted(priority: Priority, deadline: float | None) -> Any:
            self.statuses.append(round(self.clock.monotonic(), 1))
            return await status(priority, deadline)

        vars(self.driver).update(status=noted)

    def ask(self, *numbers: int, **changes: Any) -> None:
        """Bind these; the worker is not woken."""
        for number in numbers:
            self.state.bind(bound(number, **changes))
        self.context.ours = Desired(dict(self.state.bound), Bindings({}, {}, (), {}))

    def take_away(self, key: str) -> None:
        self.state.unbind(key, self.clock.wall())
        self.worker.wake()

    async def settled(self, seconds: float = 30.0, enough: Callable[[], bool] = all_of_it) -> bool:
        """Whether somebody who asks now is told of the end within these seconds."""
        ticket = Ticket(1)
        self.worker.settle(ticket, enough)
        return await ticket.wait(seconds)

    def generations(self) -> dict[str, int]:
        return dict(self.state.held().generations)

    def events(self, kind: type) -> list[Any]:
        found = [event for event in self.told if isinstance(event, kind)]
        self.told.clear()
        return found

    def distrust(self) -> None:
        self.clock.sync = Sync.UNSYNCHRONISED
        self.context.trust = ClockTrust(self.clock, Rules(released_at=2 * START), {}, 0)


class Unsaving(FakeDriver):
    """A panel that holds what it does not save."""

    unsaved = True

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, "no")


@contextlib.asynccontextmanager
async def at_work(**parts: Any) -> AsyncIterator[Worked]:
    made = Worked(**parts)
    await made.store.open()
    task = asyncio.create_task(made.worker.run())
    try:
        yield made
    finally:
        made.worker.stop()
        await task


async def unseen_writes(made: Worked) -> Counter[str]:
    """Six writes leave for storage that wears out, none is seen carried out, and 30 s pass. Returns their number, which goes
    on rising."""
    writes, apply = Counter(flash=0), made.driver.apply

    async def wearing(*arguments: Any) -> Any:
        writes["flash"] += 1
        return await apply(*arguments)

    vars(made.driver).update(apply=wearing, write_counts=lambda: dict(writes))
    made.ask(1)
    made.panel.faults = deque(["lost_request"] * 6)
    await made.settled()
    await made.clock.sleep(30)
    return writes


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_what_is_asked_is_on_the_panel_when_who_asked_is_told() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1, 2)
            assert await made.settled()
            assert made.generations() == {A: 1, B: 1}
            assert made.store.allocations["lobby"] == made.state.allocation == {A: (0,), B: (1,)}
            made.take_away(A)
            assert await made.settled()
            assert made.generations() == {B: 1}
            (revoked,) = made.events(Revoked)
            assert revoked.lag_s < 1
            assert made.state.leaving == {}

    virtually(main)


def test_a_panel_in_step_is_asked_for_its_clock_every_hour_and_for_nothing_else() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(2 * HOUR + 10)
            assert made.statuses == [0.0, HOUR, 2 * HOUR]
            assert [each for each in made.panel.readings if each != "status"] == ["identity", "quick_look"]

    virtually(main)


def test_a_panel_without_a_clock_in_step_is_asked_for_nothing() -> None:
    async def main() -> None:
        async with at_work(capabilities={"clock": "none"}) as made:
            await made.clock.sleep(5 * HOUR)
            assert made.statuses == [0.0]

    virtually(main)


def test_what_ends_is_renewed_in_time_and_not_more_often_than_once_a_minute() -> None:
    async def main() -> None:
        async with at_work() as made:
            compiled: list[float] = []
            compile_panel = made.context.compile

            def noted(*arguments: Any) -> PanelImage:
                compiled.append(round(made.clock.monotonic()))
                image = compile_panel(*arguments)
                renewal = START + 250 if len(compiled) == 1 else int(made.clock.wall())
                return replace(image, outcomes={A: ItemOutcome(ItemState.MATERIALISED, renew_at=renewal)})

            vars(made.context).update(compile=noted)
            made.ask(1)
            assert await made.settled()
            await made.clock.sleep(375)
            assert compiled == [0, 250, 310, 370]
            made.context.doubt = "older"
            made.worker.wake()
            await made.clock.sleep(600)
            assert compiled == [0, 250, 310, 370], "nothing is renewed while nothing may be opened"

    virtually(main)


def test_what_failed_is_tried_again_ever_later_and_who_waits_is_told_at_once() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            made.panel.faults = deque(["not_sent"] * 3)
            assert await made.settled(0.5)
            assert made.generations() == {}
            await made.clock.sleep(30)
            assert [event.reason for event in made.events(Failed)] == [Reason.QUEUE_FULL] * 3
            assert made.generations() == {A: 1}
            assert made.state.failure is None
            made.panel.faults = deque(["not_sent"])
            made.ask(2)
            began = made.clock.monotonic()
            assert await made.settled(0.5)
            while B not in made.generations():
                await made.clock.sleep(0.05)
            assert made.clock.monotonic() - began == pytest.approx(back_off_s("lobby", 1), abs=0.2), "it begins anew"

    virtually(main)


def test_who_asks_while_the_panel_is_away_is_told_at_once_that_it_is() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.driver.feed.set(Availability.QUARANTINED, "dead")
            await made.clock.sleep(1)
            assert made.events(Away) == [Away("lobby", Reason.QUARANTINED)]
            assert not made.state.identity.checked
            made.ask(1)
            assert await made.settled(0.0)
            assert made.state.failure == Failure(Reason.QUARANTINED, "dead")
            made.driver.feed.set(Availability.BUS_UNAVAILABLE, "gone")
            await made.clock.sleep(1)
            assert made.events(Away) == [], "away is away"
            made.driver.back()
            await made.clock.sleep(1)
            assert made.events(Back) == [Back("lobby")]
            assert made.generations() == {A: 1}

    virtually(main)


def test_a_panel_that_comes_back_while_a_repeat_waits_is_looked_at_and_is_not_written_sooner() -> None:
    async def main() -> None:
        async with at_work(capabilities={"endurance": 3_652_500}) as made:
            writes = await unseen_writes(made)
            for _ in range(3):
                made.driver.feed.set(Availability.QUARANTINED, "dead")
                await made.clock.sleep(1)
                made.statuses.clear()
                made.driver.back()
                await made.clock.sleep(1)
                assert len(made.statuses) > 0
                assert (writes["flash"], made.panel.slots) == (6, {}), "the seventh try waits for 24 seconds"
            await made.clock.sleep(24)
            assert made.generations() == {A: 1}

    virtually(main)


def test_what_was_written_and_could_not_be_saved_is_not_said_to_be_held() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.driver.__class__ = Unsaving
            made.ask(1)
            made.worker.sync()
            assert await made.settled()
            assert (list(made.panel.slots), made.state.certain) == ([0], False)
            assert made.state.failure is not None
            assert made.state.failure.reason is Reason.PANEL_REJECTED
            made.driver.__class__ = FakeDriver
            await made.clock.sleep(5)
            assert made.state.certain

    virtually(main)


def test_who_waits_while_the_panel_goes_away_waits_no_longer() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.panel.online = False
            made.ask(1)
            assert await made.settled(1.0)

    virtually(main)


def test_who_asks_of_a_worker_that_stopped_or_is_content_with_less_does_not_wait() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            assert await made.settled(0.0, lambda: True)
            made.worker.stop()
            assert await made.settled(0.0)

    virtually(main)


def test_a_panel_that_restarts_each_time_it_is_read_is_given_up_for_a_while() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            status = made.driver.status

            async def restarting(*arguments: Any) -> Any:
                made.panel.power_cut(made.clock.monotonic())
                return await status(*arguments)

            vars(made.driver).update(status=restarting)
            made.told.clear()
            made.worker.check()
            await made.clock.sleep(0.5)
            (failed,) = made.events(Failed)
            assert failed.message == "the panel restarts each time it is read"
            assert made.panel.readings.count("set_clock") == 3

    virtually(main)


def test_a_unit_that_may_be_another_one_is_asked_who_it_is() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            made.panel.readings.clear()
            made.worker.meet_again()
            assert await made.settled()
            assert "identity" in made.panel.readings

    virtually(main)


def test_another_connection_is_another_unit_until_it_says_who_it_is() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.driver.connection += 1
            made.panel.readings.clear()
            made.ask(1)
            assert await made.settled()
            assert made.panel.readings[:3] == ["status", "identity", "quick_look"]
            made.ask(2)
            made.panel.readings.clear()
            assert await made.settled()
            assert "identity" not in made.panel.readings

    virtually(main)


def test_an_operators_erasure_is_done_once_and_all_is_written_anew() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            made.panel.transactions.clear()
            made.worker.erase()
            await made.clock.sleep(1)
            assert [sorted(image.slots) for _, image in made.panel.transactions] == [[], [0]]
            made.worker.check()
            await made.clock.sleep(1)
            assert len(made.panel.transactions) == 2

    virtually(main)


def test_an_operator_has_a_clock_set_that_the_gateway_would_not_move_on_its_own() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.clock.sync = Sync.UNKNOWN
            made.context.trust = ClockTrust(made.clock, Rules(released_at=0), {}, 0)
            made.panel.clock_offset_s = 7300.0
            made.worker.check(whole=True)
            await made.clock.sleep(1)
            assert made.panel.clock_offset_s == 7300.0
            assert made.state.clock_withheld is not None
            made.panel.readings.clear()
            made.worker.sync()
            await made.clock.sleep(1)
            assert made.panel.clock_offset_s == 0.0
            assert "read_back" in made.panel.readings, "all that it holds is read"

    virtually(main)


def test_what_was_given_up_is_tried_again_when_an_operator_asks() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.panel.refuses = {A}
            made.ask(1)
            await made.settled()
            await made.clock.sleep(HOUR)
            assert made.state.given_up(bound(1))
            made.panel.refuses = set()
            made.worker.check()
            await made.clock.sleep(1)
            assert made.generations() == {}
            made.worker.requeue()
            await made.clock.sleep(1)
            assert made.generations() == {A: 1}

    virtually(main)


def test_an_operators_retry_repeats_at_once_what_nobody_saw_carried_out() -> None:
    async def main() -> None:
        async with at_work(capabilities={"endurance": 3_652_500}) as made:
            await unseen_writes(made)
            assert len(made.panel.faults) == 0
            assert made.panel.slots == {}, "the seventh try waits for 24 seconds"
            made.worker.requeue()
            await made.clock.sleep(1)
            assert made.generations() == {A: 1}

    virtually(main)


def test_a_store_that_may_be_older_opens_nothing_and_says_why() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            made.context.doubt = "older"
            made.ask(2)
            assert await made.settled()
            assert made.state.failure is STORE_DOUBTED
            assert made.generations() == {A: 1}
            made.take_away(A)
            assert await made.settled()
            assert made.generations() == {}, "what is taken away goes"

    virtually(main)


def test_while_the_time_is_not_known_what_nobody_asks_for_goes_and_nothing_comes() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1, 2)
            assert await made.settled()
            made.distrust()
            made.take_away(A)
            made.ask(3)
            await made.settled()
            await made.clock.sleep(5)
            assert made.generations() == {B: 1}

    virtually(main)


def test_a_store_that_takes_no_new_slot_keeps_what_leaves_on_no_panel() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            made.store.refuse = StoreUnavailable("full")
            made.ask(2)
            made.take_away(A)
            assert await made.settled()
            assert made.generations() == {}
            failure = made.state.failure
            assert failure is not None
            assert (failure.reason, failure.message) == (Reason.BUS_UNAVAILABLE, "the store refused: full")
            made.store.refuse = None
            await made.clock.sleep(30)
            assert made.generations() == {B: 1}

    virtually(main)


def test_a_worker_that_met_a_defect_begins_again_with_a_reading() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            told, restrict = list[Mapping[str, int]](), made.driver.restrict

            def noted(capacity: Mapping[str, int]) -> None:
                told.append(capacity)
                restrict(capacity)

            vars(made.driver).update(restrict=noted)
            made.panel.defects = {"plan"}
            made.ask(1)
            assert await made.settled(1.0)
            assert made.state.failed
            assert made.state.images() == ()
            assert await made.settled(0.0), "while it rests nobody waits"
            made.panel.defects = set()
            made.panel.readings.clear()
            await made.clock.sleep(1.5 * back_off_s("lobby", 1))
            assert made.generations() == {A: 1}, "the first defect does not cost the pause of a second one"
            assert "read_back" in made.panel.readings
            assert len(told) == 1, "and the driver is told anew what the unit says of itself"
            assert not made.state.failed

    virtually(main)


def test_a_panel_that_is_retired_is_erased_and_is_not_written_again() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            made.state.retired = True
            made.worker.sync()
            await made.clock.sleep(HOUR)
            assert made.panel.slots == {}
            assert made.state.failure is not None
            assert made.state.failure.reason is Reason.DEPARTED

    virtually(main)


def test_what_the_store_had_of_a_panel_as_another_model_is_over_once_the_panel_was_read() -> None:
    async def main() -> None:
        made = Worked()
        await made.store.open()
        await made.store.put_allocation("lobby", {C: (5,)}, 1.0)
        made.state.former = frozenset({C})
        task = asyncio.create_task(made.worker.run())
        await made.clock.sleep(1)
        assert made.state.former == frozenset()
        assert made.store.allocations["lobby"] == {}
        assert "lobby" in made.store.observed
        made.worker.stop()
        await task

    virtually(main)


def test_what_a_panel_has_earned_of_writes_is_durable_within_the_hour() -> None:
    async def main() -> None:
        async with at_work(capabilities={"endurance": 36_525}) as made:
            made.ask(1)
            assert await made.settled()
            made.panel.transactions += [(Priority.GRANT, PanelImage())] * 4
            made.state.wear.noticed()
            kept = made.store.panel_facts["lobby"]["wear"]
            await made.clock.sleep(HOUR + 10)
            assert made.store.panel_facts["lobby"]["wear"] != kept

    virtually(main)


def test_a_gateway_that_stops_forgets_no_write_that_it_saw() -> None:
    """One that restarts often would write as if nothing had been written yet."""

    async def main() -> None:
        async with at_work(capabilities={"endurance": 36_525}) as made:
            made.ask(1)
            assert await made.settled()
            made.panel.transactions += [(Priority.GRANT, PanelImage())] * 4
            made.state.wear.noticed()
            kept = made.store.panel_facts["lobby"]["wear"]
        assert made.store.panel_facts["lobby"]["wear"] != kept

    virtually(main)


def test_who_asks_for_what_is_being_written_has_nothing_compiled_again() -> None:
    """The retries of impatient clients would cost a whole attempt each."""

    async def main() -> None:
        async with at_work() as made:
            compiled, writing = 0, asyncio.Event()
            apply = made.driver.apply

            def counted(*arguments: Any) -> PanelImage:
                nonlocal compiled
                compiled += 1
                return one_slot_each(*arguments)

            async def noted(*arguments: Any) -> Acknowledgement:
                writing.set()
                return await apply(*arguments)

            made.ask(1)
            assert await made.settled()
            vars(made.context).update(compile=counted)
            vars(made.driver).update(apply=noted)
            made.ask(2)
            asked = asyncio.create_task(made.settled())
            await writing.wait()
            again = asyncio.create_task(made.settled())
            assert (await asked, await again) == (True, True)
            assert made.generations() == {A: 1, B: 1}
            await made.clock.sleep(1)
            assert compiled == 1

    virtually(main)


def test_frames_that_a_later_request_made_necessary_are_logged_with_that_one() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            asked_by, apply = list[str | None](), made.driver.apply

            async def noted(*arguments: Any) -> Acknowledgement:
                asked_by.append(request_id.get())
                if len(asked_by) == 1:
                    made.ask(3)
                    request_id.set("later")
                    made.worker.wake()
                    request_id.set(asked_by[0])
                return await apply(*arguments)

            vars(made.driver).update(apply=noted)
            made.ask(2)
            request_id.set("earlier")
            made.take_away(A)
            assert await made.settled()
            assert asked_by == ["earlier", "later"]

    virtually(main)


def test_what_is_taken_away_goes_also_while_others_are_changed_all_the_time() -> None:
    """A large panel takes longer to compile than the next change takes to come."""

    async def main() -> None:
        async with at_work(capabilities={"max_schedules": 32}) as made:
            changed, changes, compiled, gone = threading.Event(), 0, 0, asyncio.Event()
            filled, apply = asyncio.Event(), made.driver.apply

            def slow(*arguments: Any) -> PanelImage:
                nonlocal compiled
                compiled += 1
                changed.clear()
                image = one_slot_each(*arguments)
                changed.wait(0.02)  # nobody can change anything where it waits to the end
                return image

            async def noted(plan: WritePlan, *arguments: Any) -> Acknowledgement:
                filled.set()
                if A not in plan.target.allocation:
                    gone.set()
                return await apply(plan, *arguments)

            vars(made.driver).update(apply=noted)
            numbers = range(2, 32)
            made.ask(1, *numbers)
            made.worker.wake()
            await filled.wait()
            vars(made.context).update(compile=slow)
            made.take_away(A)
            while compiled < 30 and not gone.is_set():  # by compilations: how many changes fit into one is up to the threads
                await made.clock.sleep(0.001)
                async with made.context.write_lock:
                    changes += 1
                    made.ask(*numbers, generation=changes + 1, start=changes)
                    made.worker.wake()
                    changed.set()
            assert gone.is_set()

    virtually(main)


def test_a_slot_that_becomes_free_is_given_to_what_found_none() -> None:
    async def main() -> None:
        async with at_work(capabilities={"max_schedules": 1, "scope": "schedule"}) as made:
            made.ask(1, 2)
            assert await made.settled()
            assert made.generations() == {A: 1}
            made.take_away(A)
            assert await made.settled()
            assert made.generations() == {B: 1}

    virtually(main)


# in the background


async def looked(change: Callable[[Worked], None]) -> list[str]:
    """What the panel is asked by a look in the background after something happened, and by what follows from it."""
    async with at_work() as made:
        made.ask(1)
        assert await made.settled()
        change(made)
        made.panel.readings.clear()
        await made.worker.look()
        await made.clock.sleep(0.5)
        return list(made.panel.readings)


def drifted(made: Worked) -> None:
    made.panel.slots = {}


def silent(made: Worked) -> None:
    made.panel.deaf = deque([True])


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (lambda made: None, ["status", "quick_look"]),
        (drifted, ["status", "quick_look", "read_back", "identity"]),
        (silent, ["status", "quick_look"]),
        (lambda made: made.driver.feed.set(Availability.QUARANTINED), []),
    ],
)
def test_a_look_in_the_background_finds_what_is_wrong_and_the_worker_puts_it_right(
    change: Callable[[Worked], None], asked: list[str]
) -> None:
    async def main() -> None:
        assert await looked(change) == asked

    virtually(main)


def test_what_drifted_is_written_again() -> None:
    async def main() -> None:
        async with at_work() as made:
            made.ask(1)
            assert await made.settled()
            made.panel.slots = {}
            await made.worker.look()
            await made.clock.sleep(0.5)
            assert list(made.panel.slots) == [0]
            assert not made.state.drifted

    virtually(main)


def test_work_does_not_wait_for_a_look_in_the_background() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.driver.background_s = 60.0
            look = asyncio.create_task(made.worker.look())
            await made.clock.sleep(1)
            made.ask(1)
            assert await made.settled(1.0)
            await look
            assert made.generations() == {A: 1}

    virtually(main)


def test_a_look_that_is_under_way_ends_early_for_who_waits_for_it() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.driver.background_s = 60.0
            look = asyncio.create_task(made.worker.look())
            await made.clock.sleep(1)
            began = made.clock.monotonic()
            await made.worker.looked()
            await look
            assert made.clock.monotonic() == began

    virtually(main)


def test_a_defect_in_a_look_is_a_defect_of_the_panels_work() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            made.panel.defects = {"quick_look"}
            await made.worker.look()
            await made.clock.sleep(0.1)
            assert made.state.failed

    virtually(main)


def test_who_finds_no_room_until_somebody_else_is_gone_is_let_in_by_the_same_attempt() -> None:
    def in_use(
        profiles: Sequence[BoundProfile],
        capabilities: PanelCapabilities,
        allocation: Allocation,
        now: float,
        options: CompileOptions,
        held: PanelImage | None = None,
    ) -> PanelImage:
        """A slot that somebody refers to is nobody else's yet."""
        if held is not None and held.generations.keys() - {each.profile.link_id for each in profiles}:
            capabilities = replace(capabilities, max_schedules=0)
        return one_slot_each(profiles, capabilities, allocation, now, options, held)

    async def main() -> None:
        async with at_work() as made:
            made.context.compile = in_use
            made.ask(1)
            assert await made.settled()
            made.ask(2)
            made.take_away(A)
            assert await made.settled()
            assert made.generations() == {B: 1}

    virtually(main)


def test_that_storage_is_spent_is_told_once_however_often_a_write_is_tried() -> None:
    async def main() -> None:
        async with at_work() as made:
            await made.clock.sleep(1)
            work, tries = made.worker, list[float]()

            async def spent(_: Goal) -> Failure:
                tries.append(made.clock.monotonic())
                return Failure(Reason.ENDURANCE_SPENT, "spent", due=made.clock.monotonic() + 10)

            made.told.clear()
            vars(work)["_transactions"].write = spent
            made.ask(1)
            work.wake()
            await made.clock.sleep(60)
            assert len(tries) > 4
            assert [event.reason for event in made.events(Failed)] == [Reason.ENDURANCE_SPENT]

    virtually(main)
