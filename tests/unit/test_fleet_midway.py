"""What is told, and who has to wait, while the gateway is in the middle of something with a panel."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Acknowledgement, Availability, ItemState, PanelStatus, Priority, Reason
from gateway.fleet.views import PanelView
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_reconciler import on_site, only


def shown(site: FleetSite) -> PanelView:
    view = site.fleet.panel("lobby")
    assert view is not None
    return view


def test_an_answer_in_the_middle_of_a_write_does_not_say_yes_for_hours_that_the_panel_has_not_got() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.deadline_s = 1.0
        await site.open()
        await site.fleet.upsert([item(1)])
        site.drivers["lobby"].latency_s = 4.0
        report = only(await site.fleet.upsert([item(1, start=600)]))
        assert site.held("lobby") == {link(1): (540, 600)}
        assert (report.success, report.panels[0].outcome) == (False, ItemState.PENDING)
        assert report.panels[0].reason is Reason.DEADLINE_PASSED
        view = shown(site)
        assert (view.held, view.pending, view.items[0].outcome) == (0, 1, ItemState.PENDING)
        await site.pass_time(20)
        assert site.held("lobby") == {link(1): (600, 660)}
        assert only(await site.fleet.upsert([item(1, start=600)])).success

    on_site(test)


def test_a_write_that_the_panel_never_got_was_at_no_moment_a_success() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        before = shown(site).items[0].desired_generation
        site.drivers["lobby"].latency_s = 4.0
        site.panels["lobby"].faults.append("lost_request")
        asked = asyncio.create_task(site.fleet.upsert([item(1, start=600)]))
        while not asked.done():
            assert site.held("lobby") == {link(1): (540, 600)}
            assert shown(site).held == 0 or shown(site).items[0].desired_generation == before
            await site.pass_time(0.1)
        assert not only(await asked).success

    on_site(test)


@pytest.mark.parametrize("urgent", ["delete", "change"])
def test_a_badge_that_is_withdrawn_while_the_gateway_looks_at_the_panel_in_the_background_opens_no_longer(urgent: str) -> None:
    """On a busy line the look would take another half minute."""

    async def test(site: FleetSite) -> None:
        await site.close()
        site.drift_share = 0.02
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        driver, looking = site.drivers["lobby"], asyncio.Event()
        driver.background_s = 30.0
        status = driver.status

        async def noticed(priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
            if priority is Priority.BACKGROUND:
                looking.set()
            return await status(priority, deadline)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver, "status", noticed)
            await looking.wait()
            await site.pass_time(1)
            began = site.clock.monotonic()
            if urgent == "delete":
                assert only(await site.fleet.delete([link(1)])).success
                assert site.held("lobby") == {link(2): (540, 600)}
            else:
                assert only(await site.fleet.upsert([item(1, start=700)])).success
                assert site.held("lobby") == {link(1): (700, 760), link(2): (540, 600)}
            assert site.clock.monotonic() - began < 1.0

    on_site(test)


def test_a_panel_that_was_away_while_it_was_written_is_looked_at_before_anything_is_said_of_it() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        driver, panel = site.drivers["lobby"], site.panels["lobby"]
        driver.latency_s = 0.2
        asked = asyncio.create_task(site.fleet.upsert([item(1), item(2)]))
        await site.pass_time(0.1)
        driver.feed.set(Availability.QUARANTINED)
        await site.pass_time(0.02)
        panel.slots.pop(0)  # it lost what was in it, and the write goes on as if nothing had happened
        driver.feed.set(Availability.ONLINE)
        reports = await asked
        assert all(report.success for report in reports)
        assert site.held("lobby").keys() == {link(1), link(2)}

    on_site(test)


def test_a_panel_whose_write_was_cut_short_is_said_to_hold_nothing() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.drivers["lobby"].latency_s = 0.2
        asked = asyncio.create_task(site.fleet.upsert([item(2)]))
        await site.pass_time(0.1)
        await site.fleet.rest_panel("lobby", 0)
        for reports in (await asked, await site.fleet.upsert([item(1)])):
            assert not only(reports).success

    on_site(test)
