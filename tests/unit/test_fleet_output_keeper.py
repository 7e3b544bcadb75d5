"""The keeper of one panel's outputs at work: when each is switched, prolonged and read, and who is told what of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from config.settings import PanelSettings
from drivers.contract import Outcome, Priority, Reason
from gateway.concurrency import Ticket
from gateway.fleet.events import OutputSwitched
from gateway.fleet.panel.held_output import HeldOutput, Opening, not_held
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.store.contract import DesiredItem, StoreUnavailable
from tests.support.fleet_site import START
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

MINUTE = START % 86_400 // 60
LEASE = 30


def open_for(seconds: int, number: int = 1) -> DesiredItem:
    """A profile that has been open for a minute and closes in `seconds`."""
    item = bound(number, start=MINUTE - 1)
    profile = item.profile
    assert profile is not None
    return replace(item, content=replace(profile, date_to=profile.date_from + 60 + START % 60 + seconds))


class Kept(PanelParts):
    """A panel whose unit is known, with the keeper of its outputs; `marked`: those that an earlier run held."""

    def __init__(self, marked: dict[int, frozenset[str]] | None = None, lease: str | None = None, **settings: Any) -> None:
        chosen = {"id": "lobby", "model": "open-access-panel", "hold_lease_s": LEASE, "poll_ms": 5000, **settings}
        super().__init__(settings=PanelSettings.model_validate(chosen))
        self.state.identity.checked, self.state.identity.connection = True, self.driver.connection
        self.keeper = OutputKeeper(self.state, self.context, marked or {}, lease)

    def commands(self) -> list[str]:
        """What the panel was told since."""
        found = [each for each in self.panel.readings if each.startswith("output")]
        self.panel.readings.clear()
        return found

    def is_on(self, output: int = 0) -> bool:
        return self.panel.outputs.get(output, 0.0) > self.clock.monotonic()

    def switched(self) -> list[tuple[int, bool, Reason | None]]:
        found = [(event.output, event.on, event.reason) for event in self.told if isinstance(event, OutputSwitched)]
        self.told.clear()
        return found

    def ask(self, item: DesiredItem, output: int = 0) -> None:
        self.state.bind_output(output, item)
        self.keeper.wake()

    def drop(self, item: DesiredItem, output: int = 0) -> None:
        self.state.unbind_output(output, item.key)
        self.keeper.wake()

    async def settled(self, seconds: float, output: int = 0) -> bool:
        ticket = Ticket(1)
        self.keeper.settle(ticket, output)
        return await ticket.wait(seconds)


@contextlib.asynccontextmanager
async def at_work(made: Kept) -> AsyncIterator[Kept]:
    await made.store.open()
    task = asyncio.create_task(made.keeper.run())
    try:
        yield made
    finally:
        made.keeper.stop()
        await task


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_an_output_is_marked_switched_on_prolonged_and_off_at_the_edge() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            item = open_for(100)
            made.ask(item)
            assert await made.settled(1.0)
            assert made.is_on()
            assert made.commands() == [f"output 0 on {LEASE}"]
            assert made.switched() == [(0, True, None)]
            assert made.store.allocations["lobby:0"].keys() == {item.key}
            await made.clock.sleep(50)
            assert made.commands() == [f"output 0 on {LEASE}"] * 3
            assert made.switched() == [], "a prolongation is no news"
            await made.clock.sleep(47)
            assert made.is_on()
            await made.clock.sleep(4)
            assert not made.is_on()
            assert made.switched() == [(0, False, None)]
            made.drop(item)
            await made.clock.sleep(70)
            assert not made.store.allocations.get("lobby:0")
            assert made.keeper.held(0) is None

    virtually(main)


def test_what_is_unbound_is_off_when_who_asked_is_told() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.ask(open_for(600))
            assert await made.settled(1.0)
            made.drop(open_for(600))
            assert await made.settled(1.0)
            assert not made.is_on()
            assert await made.settled(1.0, output=5), "nothing is to be done there"

    virtually(main)


def test_whoever_asks_for_what_an_output_does_already_is_told_at_once() -> None:
    async def main() -> None:
        async with at_work(Kept(poll_ms=3_600_000)) as made:
            made.ask(open_for(600))
            assert await made.settled(1.0)
            await made.clock.sleep(20)
            assert await made.settled(0.5)

    virtually(main)


@pytest.mark.parametrize(("on_stop", "on"), [("off", False), ("hold", True)])
def test_a_gateway_that_stops_leaves_outputs_as_the_site_wants_it(on_stop: str, on: bool) -> None:
    async def main() -> None:
        made = Kept(on_stop=on_stop)
        async with at_work(made):
            made.ask(open_for(600))
            assert await made.settled(1.0)
        assert made.is_on() is on
        assert bool(made.store.allocations.get("lobby:0")) is on
        assert await made.settled(0.0), "who asks afterwards does not wait"

    virtually(main)


def test_what_an_earlier_run_left_on_is_off_at_once_unless_it_is_still_asked_for() -> None:
    async def main() -> None:
        kept = open_for(600)
        made = Kept({0: frozenset({kept.key}), 1: frozenset({"gone"}), 99: frozenset({"gone"})}, lease="30")
        made.panel.outputs = {0: float("inf"), 1: float("inf")}
        made.state.bind_output(0, kept)
        async with at_work(made):
            await made.clock.sleep(2)
            assert (made.is_on(0), made.is_on(1)) == (True, False)
            assert made.keeper.marked() == {0: {kept.key}}

    virtually(main)


def test_nothing_is_switched_on_before_it_is_known_which_unit_it_is_and_nobody_is_told_before() -> None:
    async def main() -> None:
        made = Kept()
        made.state.identity.checked = False
        async with at_work(made):
            made.ask(open_for(600))
            assert not await made.settled(3.0)
            assert made.commands() == []
            made.state.identity.recognised("A")
            made.keeper.wake()
            assert await made.settled(1.0)
            assert made.is_on()

    virtually(main)


def test_a_unit_that_cannot_be_known_keeps_nobody_waiting() -> None:
    async def main() -> None:
        made = Kept()
        made.state.identity.checked, made.state.identity.stranger = False, "another unit"
        async with at_work(made):
            made.ask(open_for(600))
            assert await made.settled(1.0)
            assert made.commands() == ["output 0 off None"]

    virtually(main)


def test_behind_a_new_connection_the_unit_is_asked_before_anything_is_opened() -> None:
    async def main() -> None:
        made = Kept()
        doubted: list[float] = []
        made.state.identity.doubted = lambda: doubted.append(made.clock.monotonic())
        async with at_work(made):
            made.ask(open_for(-30, 2), output=1)
            await made.clock.sleep(5)
            made.driver.connection += 1
            made.commands()
            made.ask(open_for(600))
            await made.clock.sleep(0.5)
            assert len(doubted) >= 1
            assert made.commands() == []

    virtually(main)


def test_behind_a_new_connection_nobody_is_asked_for_an_output_that_is_as_it_has_to_be() -> None:
    async def main() -> None:
        made = Kept()
        doubted: list[float] = []
        made.state.identity.doubted = lambda: doubted.append(made.clock.monotonic())
        async with at_work(made):
            made.ask(open_for(-30))
            await made.clock.sleep(5)
            made.driver.connection += 1
            made.keeper.wake()
            await made.clock.sleep(5)
            assert doubted == []

    virtually(main)


def test_a_jump_of_the_clock_right_before_an_edge_gives_no_lease_that_outlasts_it() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.ask(open_for(10))
            assert await made.settled(1.0)
            await made.clock.sleep(9.2)
            made.commands()
            made.keeper.recalculate()
            await made.clock.sleep(0.5)
            assert made.commands() == []
            await made.clock.sleep(1)
            assert not made.is_on()

    virtually(main)


def test_a_command_that_fails_is_told_and_tried_again_within_a_second() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.panel.online = False
            made.ask(open_for(600))
            assert await made.settled(5.0)
            assert not made.is_on()
            failure = made.keeper.failure
            assert failure is not None
            assert failure.reason in (Reason.NO_REPLY, Reason.QUARANTINED)
            assert made.switched() == [(0, True, failure.reason)]
            made.driver.back()
            await made.clock.sleep(1.5)
            assert made.is_on()
            assert made.keeper.failure is None

    virtually(main)


def test_a_store_that_takes_no_mark_opens_nothing() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.store.refuse = StoreUnavailable("full")
            made.ask(open_for(600))
            assert await made.settled(5.0)
            assert made.commands() == []
            assert made.keeper.failure is not None
            made.store.refuse = None
            await made.clock.sleep(1.5)
            assert made.is_on()

    virtually(main)


def test_what_somebody_switches_by_hand_is_put_right_at_the_next_look_and_told() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.ask(open_for(600))
            assert await made.settled(1.0)
            await made.clock.sleep(6)
            made.switched()
            made.panel.outputs.clear()
            await made.clock.sleep(5.5)
            assert made.is_on()
            assert made.switched() == [(0, True, None)]

    virtually(main)


def test_looks_come_at_the_pace_of_the_site_and_only_while_there_is_something_to_look_at() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            await made.clock.sleep(30)
            assert made.panel.readings == []
            made.ask(open_for(600))
            await made.clock.sleep(31)
            assert made.panel.readings.count("read_outputs") in (7, 8)

    virtually(main)


def test_a_relay_that_acknowledges_and_does_nothing_is_not_held() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            set_output = made.driver.set_output

            async def dead(*arguments: Any) -> Any:
                said = await set_output(*arguments)
                made.panel.outputs.clear()
                return said

            vars(made.driver).update(set_output=dead)
            made.ask(open_for(600))
            await made.settled(2.0)
            held = made.keeper.held(0)
            assert held is not None
            assert held.contradicted
            assert not held.is_right
            vars(made.driver).update(set_output=set_output)
            await made.clock.sleep(11)
            assert [held.contradicted, held.is_right] == [False, True]

    virtually(main)


async def opened(made: Kept, seconds: float) -> list[Outcome]:
    """Somebody opened output 0 for a time; the list gets what becomes of the closing."""
    ended: list[Outcome] = []
    held = HeldOutput(0, made.state, made.context)
    held.opened = Opening("door", made.clock.monotonic() + seconds, True, lambda said: ended.append(said.outcome))
    made.keeper.take(held)
    await made.clock.sleep(1)
    assert made.is_on()
    return ended


def test_what_somebody_opened_is_closed_in_time_and_who_opened_it_is_told_once() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            ended = await opened(made, 10)
            await made.clock.sleep(8.5)
            assert ended == []
            await made.clock.sleep(1)
            assert ended == [Outcome.ACKNOWLEDGED]
            assert not made.is_on()
            await made.clock.sleep(70)
            assert ended == [Outcome.ACKNOWLEDGED]
            assert made.keeper.held(0) is None

    virtually(main)


def test_who_opened_what_cannot_be_closed_is_told_at_once_and_again_when_it_is_closed() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            ended = await opened(made, 10)
            made.panel.online = False
            await made.clock.sleep(20)
            assert len(ended) == 1
            assert ended[0] is not Outcome.ACKNOWLEDGED
            made.driver.back()
            await made.clock.sleep(10)
            assert ended[1:] == [Outcome.ACKNOWLEDGED]

    virtually(main)


def test_a_profile_goes_on_with_what_somebody_opened() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            ended = await opened(made, 10)
            made.ask(open_for(600))
            await made.clock.sleep(30)
            assert made.is_on()
            assert ended == []
            held = made.keeper.held(0)
            assert held is not None
            assert held.opened is None

    virtually(main)


def test_a_closing_goes_before_a_grant_that_waits_for_the_line() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.ask(open_for(600))
            assert await made.settled(1.0)
            made.commands()
            made.driver.queued_s[Priority.GRANT] = 60.0
            made.ask(open_for(600, 2), output=1)
            await made.clock.sleep(1)
            made.drop(open_for(600))
            await made.clock.sleep(0.5)
            assert made.commands() == ["output 0 off None"]
            assert not made.is_on()

    virtually(main)


def test_after_a_defect_everything_is_off_before_anything_is_opened_again() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            made.ask(open_for(3600))
            assert await made.settled(1.0)
            made.commands()
            made.keeper.report(ZeroDivisionError("a defect"))
            await made.clock.sleep(0.1)
            assert made.keeper.defect is not None
            assert made.commands() == ["output 0 off None"]
            assert await made.settled(0.0), "while it rests nobody waits"
            made.keeper.again()
            await made.clock.sleep(0.5)
            assert made.panel.readings[0] == "read_outputs", "it is read first"
            assert made.is_on()
            assert made.keeper.defect is None

    virtually(main)


def test_profiles_hold_outputs_that_the_panel_has() -> None:
    async def main() -> None:
        made = Kept()
        assert not_held(7, made.state, made.context) is None
        refused = not_held(8, made.state, made.context)
        assert refused is not None
        assert refused[0] == "outputs"
        async with at_work(made):
            made.ask(open_for(600), output=8)
            await made.clock.sleep(1)
            assert made.keeper.held(8) is None
            await made.keeper.inherit({3: {"x"}, 8: {"x"}})
            assert made.keeper.held(8) is None
            assert made.keeper.held(3) is not None
            await made.clock.sleep(1)
            assert "output 3 off None" in made.commands()

    virtually(main)


def test_an_output_that_a_panel_does_not_show_is_not_called_on_and_keeps_no_other_from_being_switched() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:

            async def fewer(*_: Any) -> tuple[bool, ...]:
                return (made.is_on(),)

            vars(made.driver).update(read_outputs=fewer)
            made.ask(open_for(600))
            made.ask(open_for(600), output=1)
            assert await made.settled(5.0)
            shown, hidden = made.keeper.held(0), made.keeper.held(1)
            assert shown is not None
            assert hidden is not None
            assert (shown.is_right, hidden.is_right, made.keeper.defect) == (True, False, None)

    virtually(main)


def test_who_waits_for_an_output_when_the_gateway_stops_waits_no_longer() -> None:
    async def main() -> None:
        made = Kept()
        made.state.identity.checked = False
        async with at_work(made):
            made.ask(open_for(600))
            waiting = asyncio.create_task(made.settled(600))
            await made.clock.sleep(1)
            assert not waiting.done(), "nobody knows yet which unit it is"
        assert await waiting
        assert made.clock.monotonic() < 10

    virtually(main)


def test_a_closing_that_failed_is_told_and_tried_at_once_when_an_operator_asks() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            item = open_for(600)
            made.ask(item)
            assert await made.settled(1.0)
            made.panel.online = False
            made.drop(item)
            assert await made.settled(5.0)
            assert made.keeper.failure is not None
            assert made.keeper.failure.reason in (Reason.NO_REPLY, Reason.QUARANTINED)
            made.driver.back()
            made.keeper.again()
            await made.clock.sleep(0.1)
            assert not made.is_on()

    virtually(main)


def test_what_is_seen_off_is_remembered_no_longer_so_that_a_restart_leaves_it_to_others() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            item = open_for(600)
            made.ask(item)
            assert await made.settled(1.0)
            made.drop(item)
            assert await made.settled(1.0)
            await made.clock.sleep(0.5)
            assert not made.store.allocations.get("lobby:0")

    virtually(main)


def test_a_gateway_that_cannot_read_outputs_opens_none_again_and_again() -> None:
    async def main() -> None:
        async with at_work(Kept()) as made:
            read_outputs = made.driver.read_outputs

            async def unreadable(*arguments: Any) -> Any:
                await made.clock.sleep(0.3)
                raise ZeroDivisionError("a defect")

            vars(made.driver).update(read_outputs=unreadable)
            made.ask(open_for(36_000))
            await made.clock.sleep(1)
            assert made.keeper.defect is not None
            made.commands()
            await made.clock.sleep(1200)
            assert not made.is_on()
            assert not any(" on " in command for command in made.commands())
            vars(made.driver).update(read_outputs=read_outputs)
            made.keeper.again()
            await made.clock.sleep(1)
            assert made.is_on()

    virtually(main)
