"""What is told, and who has to wait, while the gateway is in the middle of something with a panel."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Acknowledgement, ItemState, PanelStatus, Priority, Reason
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
