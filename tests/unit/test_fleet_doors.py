"""Doors of a site: what a lock opens at each panel, and which outputs time profiles may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from config.settings import BindingSettings, DoorSettings, PanelSettings
from drivers.contract import Acknowledgement, Availability, ItemState, Outcome, Priority, Reason
from gateway.access.doors import Done, Doors
from gateway.fleet.events import DoorCommanded
from gateway.fleet.views import CannotDo
from simulators.site import SimulatedSite
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_identifiers import lets_in, panel_of, person
from tests.unit.test_fleet_simulated import gateway_on, tcp_lines, until

RELAYS = replace(ACCESS_PANEL, max_schedules=0, clock="none", outputs=8, output_deadman=True)
NOW_MINUTE = START % 86_400 // 60


def door(name: str, output: int, number: int | None = None, panel: str = "lobby", *, hold: bool = False) -> DoorSettings:
    return DoorSettings(id=name, panel=panel, output=output, number=number, allow_door_hold=hold)


def on_relays(test: Callable[[FleetSite], Awaitable[None]], *doors: DoorSettings) -> None:
    async def main() -> None:
        site = FleetSite({"gate": FakePanel(RELAYS)}, doors=doors)
        site.rules = (BindingSettings(link_id=link(1), panels=("gate:3",)),)
        await site.open()
        try:
            await test(site)
        finally:
            await site.close()

    run_virtual(main())


async def test_a_card_opens_the_doors_that_its_lock_means_at_each_panel_also_after_a_change_of_doors(tmp_path: Path) -> None:
    settings = tcp_lines("lobby", "cellar")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "state.db") as running:
        lobby, cellar = panel_of(simulated, "lobby"), panel_of(simulated, "cellar")

        def opened(panel: object = lobby, card: str = "99") -> list[int]:
            at = panel_of(simulated, "lobby" if panel is lobby else "cellar")
            return [output for output in range(8) if lets_in(at, card, START, output)]

        await running.fleet.upsert([person(1, "99"), person(2, "77", lock="all")])
        assert (opened(), opened(cellar), opened(card="77")) == ([0], [0], [0, 1])
        running.fleet.set_doors((door("front", 5, 3), door("yard", 2, 1), door("hatch", 6)))
        await until(lambda: (opened(), opened(cellar), opened(card="77")) == ([2], [], [2, 5]))

        def outcomes() -> set[ItemState]:
            view = running.fleet.panel("cellar")
            assert view is not None
            return {each.outcome for each in view.items}

        await until(lambda: outcomes() == {ItemState.REFUSED})
        running.fleet.set_doors(())
        await until(lambda: (opened(), opened(cellar)) == ([0], [0]))


def test_a_time_profile_holds_a_door_only_where_the_site_allows_it() -> None:
    def is_on(site: FleetSite) -> bool:
        return site.panels["gate"].outputs.get(3, 0.0) > site.clock.monotonic()

    async def test(site: FleetSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        (result,) = report.panels
        assert (result.outcome, is_on(site)) == (ItemState.REFUSED, False)
        assert "allow_door_hold" in (result.message or "")
        with pytest.raises(CannotDo, match="gate:3 is the door front"):
            await site.fleet.bind(link(2), ["gate:3"])
        site.fleet.set_doors((door("front", 3, panel="gate", hold=True),))
        await site.pass_time(2)
        assert is_on(site)
        site.fleet.set_doors((door("front", 3, panel="gate"),))
        await site.pass_time(2)
        assert not is_on(site)

    on_relays(test, door("front", 3, panel="gate"))


# what somebody commands

FRONT = door("front", 3, 1, "gate")
PEDESTRIAN = DoorSettings(id="wicket", panel="gate", output=5)


@dataclass
class Commanded:
    """A site with doors at a gate, and who commands them."""

    site: FleetSite
    doors: Doors = field(init=False)

    @property
    def panel(self) -> FakePanel:
        return self.site.panels["gate"]

    def open_for(self, output: int = 3) -> float:
        """For how many seconds the panel keeps an output on by itself."""
        return max(0.0, self.panel.outputs.get(output, 0.0) - self.site.clock.monotonic())

    def state(self, which: DoorSettings = FRONT) -> str:
        return self.doors.view(which).state

    def told(self) -> list[tuple[str, str]]:
        events = [event for event in self.site.told if isinstance(event, DoorCommanded)]
        return [(event.action, event.outcome.value) for event in events]

    async def restart(self) -> None:
        await self.site.open()
        self.doors = Doors(self.site.fleet, self.site.clock, (FRONT, PEDESTRIAN))
        await self.site.pass_time(1)


def commanding(
    test: Callable[[Commanded], Awaitable[None]], settings: PanelSettings | None = None, *, deadman: bool = True
) -> None:
    async def main() -> None:
        panel = FakePanel(replace(RELAYS, output_deadman=deadman))
        site = FleetSite({"gate": panel}, doors=(replace_hold(FRONT), PEDESTRIAN))
        site.rules = (BindingSettings(link_id=link(1), panels=("gate:3",)),)
        site.settings["gate"] = settings or PanelSettings(id="gate", model="waveshare-relay-8ch")
        subject = Commanded(site)
        await subject.restart()
        await test(subject)
        await site.close()

    run_virtual(main())


def replace_hold(which: DoorSettings) -> DoorSettings:
    return which.model_copy(update={"allow_door_hold": True})


def outcome(done: Done) -> Outcome:
    return done.said.outcome


def test_a_hold_ends_at_its_time_and_says_so() -> None:
    async def test(subject: Commanded) -> None:
        assert outcome(await subject.doors.hold(FRONT, 150)) is Outcome.ACKNOWLEDGED
        for _ in range(145):
            assert 0 < subject.open_for() < 60.01
            assert subject.state() == "held"
            await subject.site.pass_time(1)
        await subject.site.pass_time(6)
        assert (subject.open_for(), subject.state()) == (0, "closed")
        assert subject.told() == [("hold", "acknowledged"), ("closed", "acknowledged")]
        assert not subject.site.store.allocations.get("gate:3"), "nothing is remembered of it"

    commanding(test)


def test_an_emergency_that_ends_at_its_time_is_told_as_the_end_of_an_emergency() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 20, "emergency_open")
        await subject.site.pass_time(25)
        assert subject.told() == [("emergency_open", "acknowledged"), ("emergency_close", "acknowledged")]

    commanding(test)


@pytest.mark.parametrize(("seconds", "killed_after"), [(20, 1), (20, 19), (90, 5), (90, 45), (90, 85), (3600, 100)])
def test_a_gateway_that_is_killed_lets_go_within_the_holds_time_and_a_later_one_at_once(seconds: int, killed_after: int) -> None:
    async def test(subject: Commanded) -> None:
        began = subject.site.clock.monotonic()
        await subject.doors.hold(FRONT, seconds)
        await subject.site.pass_time(killed_after)
        await subject.site.kill()
        left = seconds - (subject.site.clock.monotonic() - began)
        assert 0 < subject.open_for() <= min(60, left + 0.05)
        await subject.restart()
        assert (subject.open_for(), subject.state()) == (0, "closed"), "a hold is not resumed"

    commanding(test)


def test_an_output_that_stays_on_by_itself_is_held_only_where_the_site_says_so_and_never_left_on() -> None:
    async def refused(subject: Commanded) -> None:
        assert outcome(await subject.doors.hold(FRONT, 20)) is Outcome.REJECTED
        assert outcome(await subject.doors.open(FRONT)) is Outcome.ACKNOWLEDGED, "the panel times a pulse itself"
        assert subject.open_for() == 0

    async def allowed(subject: Commanded) -> None:
        assert outcome(await subject.doors.hold(FRONT, 20)) is Outcome.ACKNOWLEDGED
        assert subject.site.store.allocations["gate:3"] == {"door:front": ()}
        await subject.site.pass_time(19)
        assert subject.state() == "held"
        await subject.site.pass_time(2)
        assert (subject.open_for(), subject.state()) == (0, "closed")
        await subject.doors.hold(FRONT, 3600)
        await subject.site.kill()
        assert subject.open_for() > 3600
        await subject.restart()
        assert subject.open_for() == 0

    commanding(refused, deadman=False)
    settings = PanelSettings(id="gate", model="ge-a-series", allow_unattended_outputs=True)
    commanding(allowed, settings, deadman=False)


def test_a_pulse_longer_than_the_panel_times_is_held_by_leases_and_not_made_up_for() -> None:
    async def test(subject: Commanded) -> None:
        subject.panel.longest_pulse = 100
        assert outcome(await subject.doors.open(FRONT, 10)) is Outcome.ACKNOWLEDGED
        assert subject.panel.pulses == [(3, 100)]
        await subject.site.pass_time(11)
        assert outcome(await subject.doors.open(FRONT, 100)) is Outcome.ACKNOWLEDGED
        assert (len(subject.panel.pulses), subject.state()) == (1, "open")
        await subject.site.pass_time(90)
        assert subject.open_for() > 0
        await subject.site.pass_time(11)
        assert (subject.open_for(), subject.state()) == (0, "closed")
        await subject.doors.open(FRONT, 100)
        subject.panel.outputs.clear()
        await subject.site.pass_time(10)
        assert subject.open_for() == 0, "somebody closed it by hand: a pulse is once"
        await subject.doors.hold(FRONT, 100)
        subject.panel.outputs.clear()
        await subject.site.pass_time(3)
        assert subject.open_for() > 0, "a hold is until its time"

    commanding(test)


@pytest.mark.parametrize(("seconds", "tenths"), [(0.1, 1), (0.19, 1), (0.3, 3), (2.3, 23), (4.25, 42), (4.96, 49)])
def test_a_door_is_open_for_no_longer_than_was_asked(seconds: float, tenths: int) -> None:
    async def test(subject: Commanded) -> None:
        assert outcome(await subject.doors.open(FRONT, seconds)) is Outcome.ACKNOWLEDGED
        assert subject.panel.pulses == [(3, tenths)]

    commanding(test)


def test_a_hold_that_may_have_come_about_is_closed_and_one_that_was_refused_leaves_nothing() -> None:
    async def test(subject: Commanded) -> None:
        subject.panel.reply_lost = True
        assert outcome(await subject.doors.hold(FRONT, 600)) is Outcome.UNCONFIRMED
        assert subject.open_for() > 0
        subject.panel.reply_lost = False
        await subject.site.pass_time(3)
        assert (subject.open_for(), subject.state()) == (0, "closed")
        subject.panel.online = False
        await subject.site.pass_time(3)
        assert outcome(await subject.doors.hold(FRONT, 600)) is not Outcome.ACKNOWLEDGED
        assert subject.state() == "unknown"
        subject.panel.online = True
        await subject.site.pass_time(30)
        assert (subject.open_for(), subject.state()) == (0, "closed"), "no door opens late"

    commanding(test)


def test_a_hold_that_the_panel_refuses_leaves_nothing_to_look_after() -> None:
    async def test(subject: Commanded) -> None:
        async def refused(*_: object) -> Acknowledgement:
            return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, "no")

        switch = subject.site.drivers["gate"].set_output
        vars(subject.site.drivers["gate"]).update(set_output=refused)
        assert outcome(await subject.doors.hold(FRONT, 600)) is Outcome.REJECTED
        vars(subject.site.drivers["gate"]).update(set_output=switch)
        await subject.site.pass_time(3)
        assert "output 3 off None" not in subject.panel.readings, "somebody else may have it on"

    commanding(test)


def test_a_door_at_an_output_that_the_panel_lacks_is_refused() -> None:
    async def test(subject: Commanded) -> None:
        beyond = door("beyond", 8, panel="gate")
        subject.site.fleet.set_doors((FRONT, beyond))
        doors = Doors(subject.site.fleet, subject.site.clock, (FRONT, beyond))
        done = await doors.open(beyond, 3)
        assert (done.said.outcome, done.said.reason) == (Outcome.REJECTED, Reason.NOT_REPRESENTABLE)

    commanding(test)


def test_a_command_that_waited_too_long_for_its_output_is_not_sent_and_says_so() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        subject.site.drivers["gate"].queued_s = {Priority.REVOCATION: 10.0}
        await subject.site.pass_time(31)
        done = await subject.doors.hold(FRONT, 600)
        assert (done.said.outcome, done.said.reason) == (Outcome.NOT_SENT, Reason.DEADLINE_PASSED)

    commanding(test)


def test_a_pulse_that_may_have_come_about_leaves_the_door_unknown_for_its_time_and_is_sent_once() -> None:
    async def test(subject: Commanded) -> None:
        subject.panel.reply_lost = True
        assert outcome(await subject.doors.open(FRONT, 8)) is Outcome.UNCONFIRMED
        subject.panel.reply_lost = False
        assert subject.state() == "unknown"
        await subject.site.pass_time(9)
        assert (subject.panel.pulses, subject.state()) == ([(3, 80)], "closed")

    commanding(test)


@pytest.mark.parametrize("another", [False, True])
def test_behind_a_new_connection_a_door_opens_once_the_unit_there_is_known_to_be_the_panel(another: bool) -> None:
    """A host that hangs up on idle connections would let nobody in; two readers that changed places would let in anybody."""

    async def test(subject: Commanded) -> None:
        await subject.site.pass_time(5)
        subject.site.drivers["gate"].connection += 1
        if another:
            subject.panel.serial = "ANOTHER"
        expected = Outcome.NOT_SENT if another else Outcome.ACKNOWLEDGED
        assert outcome(await subject.doors.open(FRONT)) is expected
        assert subject.panel.pulses == ([] if another else [(3, 50)])

    settings = PanelSettings(id="gate", model="open-access-panel", on_replacement="ask")
    commanding(test, settings)


@pytest.mark.parametrize("another", [False, True])
def test_a_closing_that_another_unit_may_have_acknowledged_is_told_as_done_only_when_the_unit_is_known(another: bool) -> None:
    """Two readers changed places: the door that was opened stands open, and another one was closed."""

    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 600)
        subject.site.drivers["gate"].connection += 1
        if another:
            subject.panel.serial = "ANOTHER"
        expected = Outcome.UNCONFIRMED if another else Outcome.ACKNOWLEDGED
        assert outcome(await subject.doors.release(FRONT)) is expected

    settings = PanelSettings(id="gate", model="open-access-panel", on_replacement="ask")
    commanding(test, settings)


def test_the_first_command_after_a_start_waits_until_the_panel_was_met() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.close()
        await subject.site.open()
        doors = Doors(subject.site.fleet, subject.site.clock, (FRONT,))
        assert outcome(await doors.open(FRONT)) is Outcome.ACKNOWLEDGED

    commanding(test)


def test_a_release_leaves_a_door_to_the_time_profile_that_holds_it() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 600)
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE, length=30)])
        await subject.site.pass_time(2)
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED
        view = subject.doors.view(FRONT)
        assert (subject.open_for() > 0, view.state, view.held_by) == (True, "held", None)
        assert outcome(await subject.doors.open(FRONT, 5)) is Outcome.ACKNOWLEDGED
        await subject.site.pass_time(8)
        assert subject.open_for() > 0, "a pulse shortens no hold"
        await subject.site.fleet.delete([link(1)])
        await subject.site.pass_time(2)
        assert (subject.open_for(), subject.state()) == (0, "closed")

    commanding(test)


def test_a_hold_that_was_released_is_not_told_to_end_when_the_time_profile_behind_it_does() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 600)
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE, length=30)])
        await subject.doors.release(FRONT)
        await subject.site.fleet.delete([link(1)])
        await subject.site.pass_time(2)
        assert (subject.open_for(), subject.state()) == (0, "closed")
        assert subject.told() == [("hold", "acknowledged"), ("release", "acknowledged")]

    commanding(test)


def test_a_release_opens_the_door_for_no_moment() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 600)
        subject.panel.readings.clear()
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED
        await subject.site.pass_time(3)
        switched = [said for said in subject.panel.readings if said.startswith("output 3 ")]
        assert set(switched) == {"output 3 off None"}

    commanding(test)


def test_a_release_leaves_no_lease_that_outlasts_the_time_profile_that_holds_the_door() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        await subject.site.pass_time(95 - subject.site.clock.wall() % 60)
        await subject.doors.hold(FRONT, 600)
        assert subject.open_for() > 50
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED
        await subject.site.pass_time(0.1)
        assert 20 < subject.open_for() <= 60 - subject.site.clock.wall() % 60

    commanding(test)


def test_a_profile_that_opens_within_the_only_lease_of_a_hold_leaves_no_gap_at_its_end() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE + 1, length=30)])
        await subject.doors.hold(FRONT, 90)
        for _ in range(1000):
            assert subject.open_for() > 0
            await subject.site.pass_time(0.1)

    commanding(test, PanelSettings(id="gate", model="waveshare-relay-8ch", hold_lease_s=200))


def test_a_profile_that_opens_during_a_hold_keeps_the_door_open_at_its_end() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE + 1, length=30)])
        await subject.doors.hold(FRONT, 110)
        await subject.site.pass_time(130)
        assert (subject.open_for() > 0, subject.state()) == (True, "held")
        assert subject.told() == [("hold", "acknowledged")], "nothing closed"

    commanding(test)


@pytest.mark.parametrize("on_stop", ["off", "hold"])
def test_a_gateway_that_stops_ends_holds_whatever_it_does_with_the_outputs_of_profiles(on_stop: Literal["off", "hold"]) -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 600)
        await subject.site.close()
        assert subject.open_for() == 0
        assert subject.told()[-1] == ("closed", "acknowledged")
        await subject.site.open()

    commanding(test, PanelSettings(id="gate", model="waveshare-relay-8ch", on_stop=on_stop))


def test_a_command_overtakes_what_waits_for_the_line() -> None:
    async def test(subject: Commanded) -> None:
        later = (Priority.REVOCATION, Priority.GRANT, Priority.VERIFICATION, Priority.BACKGROUND)
        subject.site.drivers["gate"].queued_s = dict.fromkeys(later, 5.0)
        began = subject.site.clock.monotonic()
        for done in (await subject.doors.open(FRONT), await subject.doors.hold(FRONT, 20), await subject.doors.release(FRONT)):
            assert outcome(done) is Outcome.ACKNOWLEDGED
        assert subject.site.clock.monotonic() - began < 0.1
        subject.site.drivers["gate"].queued_s = {Priority.OPERATOR: 60.0}
        assert outcome(await subject.doors.open(FRONT)) is Outcome.NOT_SENT
        assert subject.site.clock.monotonic() - began < 3, "a door does not open late"
        subject.site.drivers["gate"].queued_s = {}

    commanding(test)


def test_a_door_that_leaves_the_configuration_is_let_go_of_and_one_that_stays_is_held_on() -> None:
    async def test(subject: Commanded) -> None:
        for each in (FRONT, PEDESTRIAN):
            await subject.doors.hold(each, 600)
        moved = FRONT.model_copy(update={"output": 6})
        await subject.doors.change((moved, PEDESTRIAN.model_copy(update={"name": "Wicket"})))
        assert (subject.open_for(), subject.open_for(5) > 0) == (0, True)
        assert (subject.state(moved), subject.state(PEDESTRIAN)) == ("closed", "held")
        assert subject.told()[-1] == ("release", "acknowledged")

    commanding(test)


def test_a_door_that_leaves_the_configuration_is_let_go_of_also_by_commands_that_were_under_way() -> None:
    async def test(subject: Commanded) -> None:
        subject.site.drivers["gate"].reply_s = 1.0
        first = asyncio.create_task(subject.doors.hold(FRONT, 600))
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(each) for each in (subject.doors.hold(FRONT, 900), subject.doors.open(FRONT))]
        await asyncio.sleep(0.1)
        subject.site.fleet.set_doors((PEDESTRIAN,))
        await subject.doors.change((PEDESTRIAN,))
        assert subject.open_for() == 0
        assert outcome(await first) is Outcome.ACKNOWLEDGED
        for other in others:
            assert ((await other).said.outcome, (await other).said.reason) == (Outcome.NOT_SENT, Reason.DEPARTED)
        await subject.site.pass_time(5)
        assert (subject.open_for(), subject.panel.pulses) == (0, [])
        assert ("release", "acknowledged") in subject.told()

    commanding(test)


def test_a_door_that_leaves_the_configuration_while_its_panel_is_being_met_is_not_opened() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.close()
        await subject.site.open()
        doors = Doors(subject.site.fleet, subject.site.clock, (FRONT,))
        opening = asyncio.create_task(doors.open(FRONT))
        await asyncio.sleep(0)
        subject.site.fleet.set_doors((PEDESTRIAN,))
        await doors.change((PEDESTRIAN,))
        assert (await opening).said.reason is Reason.DEPARTED
        assert subject.panel.pulses == []

    commanding(test)


def test_a_door_that_leaves_the_configuration_while_its_output_is_being_switched_is_not_opened() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        subject.site.drivers["gate"].queued_s = {Priority.REVOCATION: 1.9}
        await subject.site.pass_time(31)  # the lease is being prolonged
        opening = asyncio.create_task(subject.doors.hold(FRONT, 600))
        await asyncio.sleep(0.1)
        subject.site.fleet.set_doors((PEDESTRIAN,))
        assert (await opening).said.reason is Reason.DEPARTED

    commanding(test)


def test_a_door_whose_closing_failed_is_told_closed_once_it_is() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 20)
        await subject.site.pass_time(15)
        subject.panel.online = False
        await subject.site.pass_time(30)
        (failed,) = [became for action, became in subject.told() if action == "closed"]
        assert failed != "acknowledged", "told once, not at every attempt"
        subject.site.drivers["gate"].back()
        await subject.site.pass_time(5)
        assert subject.told()[-1] == ("closed", "acknowledged")
        await subject.doors.hold(FRONT, 600)
        subject.panel.reply_lost = True
        assert outcome(await subject.doors.release(FRONT)) is Outcome.UNCONFIRMED
        await subject.site.pass_time(3)
        subject.panel.reply_lost = False
        await subject.site.pass_time(5)
        assert subject.told()[-2:] == [("release", "unconfirmed"), ("closed", "acknowledged")]
        assert subject.state() == "closed"

    commanding(test)


def test_a_command_waits_for_no_time_profile_that_is_about_to_open_the_door() -> None:
    async def test(subject: Commanded) -> None:
        subject.site.drivers["gate"].queued_s = {Priority.GRANT: 30.0}
        asked = asyncio.create_task(subject.site.fleet.upsert([item(1, start=NOW_MINUTE, length=60)]))
        await subject.site.pass_time(2)
        began = subject.site.clock.monotonic()
        assert outcome(await subject.doors.open(FRONT)) is Outcome.ACKNOWLEDGED
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED
        assert outcome(await subject.doors.hold(FRONT, 20)) is Outcome.ACKNOWLEDGED
        assert subject.site.clock.monotonic() - began < 0.2
        await subject.site.pass_time(60)
        assert subject.open_for() > 0, "the profile goes on with it"
        await asked

    commanding(test)


@pytest.mark.parametrize("door_command", ["hold", "long pulse"])
def test_a_gateway_that_stops_closes_also_what_was_being_opened(door_command: str) -> None:
    async def test(subject: Commanded) -> None:
        subject.panel.longest_pulse = 100
        subject.site.drivers["gate"].queued_s = {Priority.OPERATOR: 0.2}
        command = subject.doors.hold(FRONT, 600) if door_command == "hold" else subject.doors.open(FRONT, 600)
        opening = asyncio.create_task(command)
        await asyncio.sleep(0.1)
        await subject.site.close()
        await opening
        assert subject.open_for() == 0
        await subject.restart()

    commanding(test)


@pytest.mark.parametrize(("waits_s", "seconds", "lasts_s"), [(0.2, 20, 19.2), (0.6, 20, 19.2), (1.3, 20, 19.2), (0.6, 1, 0.9)])
def test_a_hold_that_waited_for_the_line_lasts_its_time_and_its_lease_no_longer(
    waits_s: float, seconds: int, lasts_s: float
) -> None:
    async def test(subject: Commanded) -> None:
        busy = {Priority.OPERATOR: waits_s}
        subject.site.drivers["gate"].queued_s = busy
        held = asyncio.create_task(subject.doors.hold(FRONT, seconds))
        began = subject.site.clock.monotonic()
        await asyncio.sleep(waits_s)
        busy.clear()
        assert outcome(await held) is Outcome.ACKNOWLEDGED
        assert subject.site.clock.monotonic() - began <= 2.1
        assert subject.open_for() <= seconds
        await subject.site.pass_time(lasts_s)
        assert subject.open_for() > 0, "its time begins when it leaves"
        await subject.site.pass_time(1)
        assert subject.open_for() == 0

    commanding(test)


def test_a_hold_lasts_its_time_though_an_earlier_one_was_about_to_be_prolonged() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 3600)
        await subject.site.pass_time(29.5)
        subject.site.drivers["gate"].reply_s = 1.0
        assert outcome(await subject.doors.hold(FRONT, 20)) is Outcome.ACKNOWLEDGED
        await subject.site.pass_time(18.5)
        assert subject.open_for() > 0
        await subject.site.pass_time(2)
        assert (subject.open_for(), subject.state()) == (0, "closed")

    commanding(test)


def test_a_release_ends_a_pulse_where_the_panel_can_and_says_so_where_it_cannot() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.open(FRONT, 60)
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED
        assert (subject.panel.readings[-1], subject.state()) == ("end pulse 3", "closed")
        subject.panel.ends_pulses = False
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED, "none is known of"
        await subject.doors.open(FRONT, 60)
        await subject.site.pass_time(10)
        done = await subject.doors.release(FRONT)
        assert (outcome(done), done.said.message) == (Outcome.REJECTED, "the panel ends a pulse by itself, in 50 s")
        assert subject.state() == "open"
        await subject.site.pass_time(50)
        assert outcome(await subject.doors.release(FRONT)) is Outcome.ACKNOWLEDGED

    commanding(test)


def test_somebody_let_in_during_a_hold_takes_nothing_from_what_is_told_of_its_end() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 20)
        await subject.site.pass_time(10)
        await subject.doors.open(FRONT, 30)
        await subject.site.pass_time(25)
        assert subject.open_for() > 0
        await subject.site.pass_time(10)
        assert subject.open_for() == 0
        assert subject.told() == [("hold", "acknowledged"), ("open", "acknowledged"), ("closed", "acknowledged")]

    commanding(test)


@pytest.mark.parametrize("door_command", ["hold", "open", "release"])
def test_a_defect_in_a_command_is_told_like_every_end_of_one_and_opens_nothing_later(door_command: str) -> None:
    async def test(subject: Commanded) -> None:
        subject.panel.defects = {"output", "pulse"}
        commands = {
            "hold": subject.doors.hold(FRONT, 600),
            "open": subject.doors.open(FRONT),
            "release": subject.doors.release(FRONT),
        }
        done = await commands.pop(door_command)
        for other in commands.values():
            other.close()
        assert (done.said.outcome, done.said.reason) == (Outcome.UNCONFIRMED, Reason.FAILED)
        assert subject.told() == [(door_command, "unconfirmed")]
        subject.panel.defects = set()
        await subject.site.pass_time(200)
        assert (subject.open_for(), subject.panel.pulses, subject.state()) == (0, [], "closed")
        assert outcome(await subject.doors.hold(FRONT, 20)) is Outcome.ACKNOWLEDGED

    commanding(test)


def test_a_panel_that_is_leaving_opens_nothing() -> None:
    async def test(subject: Commanded) -> None:
        await subject.doors.hold(FRONT, 600)
        await subject.site.fleet.rest_panel("gate")
        assert subject.open_for() == 0
        for done in (await subject.doors.open(FRONT), await subject.doors.hold(FRONT, 20)):
            assert outcome(done) is Outcome.NOT_SENT
        assert (subject.open_for(), subject.panel.pulses) == (0, [])
        await subject.site.fleet.remove_panel("gate")
        assert (outcome(await subject.doors.open(FRONT)), subject.state()) == (Outcome.NOT_SENT, "unknown")

    commanding(test)


def test_a_door_opens_also_where_the_time_is_not_known() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.close()
        subject.site.clock.wall_offset -= 100_000
        await subject.restart()
        assert not subject.site.fleet.clock().trusted
        assert outcome(await subject.doors.open(FRONT)) is Outcome.ACKNOWLEDGED
        assert outcome(await subject.doors.hold(FRONT, 90)) is Outcome.ACKNOWLEDGED
        await subject.site.pass_time(80)
        assert subject.open_for() > 0
        await subject.site.pass_time(15)
        assert subject.open_for() == 0

    commanding(test)


def test_nothing_is_opened_at_a_unit_that_is_not_the_panel() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.kill()
        subject.panel.serial = "ANOTHER"
        subject.site.settings["gate"] = PanelSettings(id="gate", model="waveshare-relay-8ch", serial="MINE")
        await subject.restart()
        for done in (await subject.doors.open(FRONT), await subject.doors.hold(FRONT, 20)):
            assert (done.said.outcome, done.said.reason) == (Outcome.NOT_SENT, Reason.IDENTITY_CHANGED)
        assert (subject.panel.pulses, subject.open_for(), subject.state()) == ([], 0, "unknown")

    commanding(test)


def test_somebody_at_the_door_of_a_silent_panel_does_not_wait_for_its_next_probe() -> None:
    async def test(subject: Commanded) -> None:
        driver = subject.site.drivers["gate"]
        driver.feed.set(Availability.QUARANTINED)
        await subject.site.pass_time(5)
        before = driver.hastened
        assert outcome(await subject.doors.open(FRONT)) is Outcome.NOT_SENT
        assert driver.hastened == before + 1
        driver.back()
        await subject.site.pass_time(5)
        assert outcome(await subject.doors.open(FRONT)) is Outcome.ACKNOWLEDGED

    commanding(test)


def test_a_door_that_somebody_opened_by_hand_is_closed_at_once_after_a_release_that_a_defect_ended() -> None:
    async def test(subject: Commanded) -> None:
        await subject.site.fleet.upsert([item(1, start=NOW_MINUTE + 60, length=30)])
        await subject.site.pass_time(2)
        subject.panel.outputs[3] = float("inf")
        subject.panel.defects = {"output"}
        assert outcome(await subject.doors.release(FRONT)) is Outcome.UNCONFIRMED
        subject.panel.defects = set()
        await subject.site.pass_time(0.5)
        assert subject.open_for() == 0

    commanding(test, PanelSettings(id="gate", model="waveshare-relay-8ch", poll_ms=3_600_000))


def test_a_door_opens_at_once_where_a_cut_connection_is_all_that_keeps_the_unit_from_being_known() -> None:
    """A host that closed its connections for a while would keep people out for up to a minute after it."""

    async def test(subject: Commanded) -> None:
        driver = subject.site.drivers["gate"]

        async def cut(*_: object) -> Acknowledgement:
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.BUS_UNAVAILABLE, "the connection was cut")

        answers = {"status": driver.status, "identity": driver.identity}
        driver.connection += 1
        vars(driver).update(dict.fromkeys(answers, cut))
        await subject.site.fleet.sync("gate")
        await subject.site.pass_time(300)
        vars(driver).update(answers)
        assert outcome(await subject.doors.open(FRONT)) is Outcome.ACKNOWLEDGED

    commanding(test)
