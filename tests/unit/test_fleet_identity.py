"""Which device answers at a panel's address: asked before anything is written to it, and again whenever it may be another one."""

from __future__ import annotations

import pytest

from drivers.contract import Availability, PanelIdentity, Reason
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_reconciler import on_site, only


def test_a_device_is_asked_who_it_is_before_the_first_write_and_not_at_every_look() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.fleet.sync("lobby")
        await site.fleet.upsert([item(2)])
        panel = site.panels["lobby"]
        assert panel.readings.count("identity") == 1
        await site.pass_time(2)
        assert site.store.observed["lobby"].identity == PanelIdentity(panel.serial, 0)

    on_site(test)


@pytest.mark.parametrize("restarted", [True, False])
def test_a_device_that_was_away_or_restarted_is_asked_again(restarted: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        panel.readings.clear()
        if restarted:
            panel.power_cut(site.clock.monotonic())
            await site.fleet.sync("lobby")
        else:
            site.drivers["lobby"].feed.set(Availability.QUARANTINED)
            await site.pass_time(1)
            site.drivers["lobby"].back()
        await site.pass_time(2)
        assert panel.readings.index("identity") < panel.readings.index("read_back" if restarted else "quick_look")

    on_site(test)


def test_nothing_is_written_to_a_device_of_another_kind() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.foreign = True
        panel.power_cut(site.clock.monotonic())
        site.drivers["lobby"].feed.set(Availability.QUARANTINED)
        await site.pass_time(1)
        site.drivers["lobby"].back()
        report = only(await site.fleet.upsert([item(1)]))
        assert [result.reason for result in report.panels] == [Reason.WRONG_DEVICE]
        assert panel.transactions == []
        assert panel.clock_offset_s is None, "its clock is not set either"
        panel.foreign = False
        await site.fleet.retry("lobby")
        await site.pass_time(2)
        assert site.held("lobby").keys() == {link(1)}

    on_site(test)


@pytest.mark.parametrize("verb", ["sync", "reinit", "retry"])
def test_an_operator_does_not_wait_for_the_next_probe_of_a_panel_in_quarantine(verb: str) -> None:
    async def test(site: FleetSite) -> None:
        driver = site.drivers["lobby"]
        driver.feed.set(Availability.QUARANTINED)
        await {"sync": site.fleet.sync, "reinit": site.fleet.reinit, "retry": site.fleet.retry}[verb]("lobby")
        assert driver.hastened == 1
        driver.back()

    on_site(test)
