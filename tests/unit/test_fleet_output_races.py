"""Outputs held by the gateway while something else is under way: openings on the wire, stops, panels that are set up anew."""

from __future__ import annotations

import asyncio

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.contract import Acknowledgement, Availability, Outcome, Priority, Reason
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_outputs import NOW_MINUTE, RELAYS, is_on, on_relays, seconds_off

UNATTENDED = PanelSettings(id="gate", model="relays", allow_unattended_outputs=True)
HOLDS_ON_STOP = PanelSettings(id="gate", model="relays", allow_unattended_outputs=True, on_stop="hold")


def commands(site: FleetSite) -> int:
    return sum(reading.startswith("output 3") for reading in site.panels["gate"].readings)


@pytest.mark.parametrize("on_the_wire", [True, False])
def test_no_output_goes_on_after_its_deletion_was_answered(on_the_wire: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(2, start=NOW_MINUTE - 60, length=30)])
        driver = site.drivers["gate"]
        driver.latency_s, driver.queued_s = (3.0, {}) if on_the_wire else (0.01, {Priority.GRANT: 3.0})
        asking = asyncio.create_task(site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)]))
        await site.pass_time(1)
        (report,) = await site.fleet.delete([link(1)])
        assert report.success
        for _ in range(100):
            assert not is_on(site)
            await site.pass_time(0.1)
        await asking

    on_relays(test, deadman=False, settings=UNATTENDED)


@pytest.mark.parametrize("resting", [True, False])
def test_what_was_held_before_a_panel_is_set_up_anew_is_switched_off_after_it(resting: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        site.panels["gate"].online = resting
        await (site.fleet.rest_panel if resting else site.fleet.remove_panel)("gate")
        assert is_on(site)
        await site.fleet.delete([link(1)])
        site.panels["gate"].online = True
        await site.add("gate")
        await site.pass_time(10)
        assert not is_on(site)
        assert not site.store.allocations.get("gate:3")

    on_relays(test, deadman=False, settings=HOLDS_ON_STOP)


def test_a_stop_opens_nothing_and_switches_everything_off() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100), item(5, start=NOW_MINUTE, length=100)])
        site.drivers["gate"].queued_s = {Priority.REVOCATION: 1.0, Priority.GRANT: 30.0}
        opening = asyncio.create_task(site.fleet.upsert([item(4, start=NOW_MINUTE, length=100)]))
        await site.pass_time(2)
        closing = asyncio.create_task(site.fleet.delete([link(1)]))
        await site.pass_time(0.5)
        fleet, site._fleet = site.fleet, None
        await fleet.stop(7)
        assert not any(is_on(site, output) for output in (3, 4, 5))
        await asyncio.gather(opening, closing)
        await site.store.close()
        await site.open()

    on_relays(test, deadman=False, settings=UNATTENDED)


def test_a_panel_that_is_added_after_the_stop_is_not_worked_for() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        await site.fleet.rest_panel("gate")
        fleet = site.fleet
        await fleet.stop(5)
        await site.add("gate")
        await site.pass_time(2)
        assert not is_on(site)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        site._fleet = None
        await site.store.close()
        await site.open()

    on_relays(test, deadman=False, settings=UNATTENDED)


def test_a_deletion_is_answered_as_soon_as_its_output_is_off() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        site.drivers["gate"].queued_s = {Priority.GRANT: 25.0}
        opening = asyncio.create_task(site.fleet.upsert([item(4, start=NOW_MINUTE, length=100)]))
        await site.pass_time(1)
        began = site.clock.monotonic()
        (report,) = await site.fleet.delete([link(1)])
        assert report.success
        assert site.clock.monotonic() - began < 1
        await opening

    on_relays(test)


def test_openings_that_wait_long_come_and_let_no_lease_end() -> None:
    async def test(site: FleetSite) -> None:
        site.drivers["gate"].queued_s = {Priority.GRANT: 4.0}
        asking = asyncio.create_task(site.fleet.upsert([item(n, start=NOW_MINUTE, length=100) for n in (1, 4, 5)]))
        await site.pass_time(4.5)
        assert await seconds_off(site, 60) == 0
        assert all(is_on(site, output) for output in (3, 4, 5))
        await asking

    on_relays(test, settings=PanelSettings(id="gate", model="relays", hold_lease_s=6))


def test_a_lease_of_which_a_look_in_vain_knows_nothing_is_prolonged_in_time() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        site.drivers["gate"].queued_s = {Priority.GRANT: 25.0}
        for _ in range(4):
            site.panels["gate"].deaf.append(True)
            assert await seconds_off(site, 20) == 0

    on_relays(test, settings=PanelSettings(id="gate", model="relays", hold_lease_s=20))


def test_a_panel_without_anything_to_read_is_not_switched_again_and_again() -> None:
    async def test(site: FleetSite) -> None:
        async def nothing(priority: Priority, deadline: float | None) -> Acknowledgement:
            return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, "has no outputs to read")

        site.drivers["gate"].read_outputs = nothing  # type: ignore[method-assign]
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        switched = commands(site)
        for _ in range(100):
            await site.pass_time(0.1)
            (view,) = site.fleet.panels()
            assert view.pending == 0
        assert commands(site) == switched

    on_relays(test)


def test_a_panel_that_leaves_while_another_is_explained_is_left_out() -> None:
    async def main() -> None:
        site = FleetSite({"gate": FakePanel(), "relay": FakePanel(RELAYS)})
        site.rules = (BindingSettings(link_id="*", panels=("gate", "relay:3")),)
        await site.open()
        site.drivers["gate"].feed.set(Availability.QUARANTINED, "silent")  # so it is compiled to be explained
        await site.fleet.upsert([item(1)])
        await site.fleet.rest_panel("relay")
        first = asyncio.create_task(site.fleet.explain(link(1), START, None))
        second = asyncio.create_task(site.fleet.explain(link(1), START, None))  # waits for a turn of the loop
        await asyncio.gather(first, second, site.fleet.remove_panel("relay"))
        report = await second
        assert report is not None
        assert [panel.panel for panel in report.panels] == ["gate"]
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("deleted", [1, 4])
def test_a_closing_does_not_wait_for_a_lease_that_is_prolonged_again_and_again_on_a_bad_line(deleted: int) -> None:
    """Nor is a door open by a lease that began after it had to close."""
    output = {1: 3, 4: 4}[deleted]

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100), item(4, start=NOW_MINUTE, length=100)])
        driver, panel = site.drivers["gate"], site.panels["gate"]
        await site.pass_time(29)
        driver.queued_s = {Priority.REVOCATION: 6.0}
        await site.pass_time(2)
        driver.queued_s = {}
        before = len(panel.readings)
        asked = asyncio.create_task(site.fleet.delete([link(deleted)]))
        await site.pass_time(1)
        assert not is_on(site, output)
        (report,) = await asked
        assert report.success
        assert await seconds_off(site, 20, output) == pytest.approx(20)
        commanded = [each for each in panel.readings[before:] if each.startswith(f"output {output}")]
        assert commanded == [f"output {output} off None"]
        other = 7 - output
        assert await seconds_off(site, 90, other) == 0, "the other one is held all the same"

    on_relays(test)
