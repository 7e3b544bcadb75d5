"""A panel that restarted has lost its clock and its outputs; one that does not count its restarts tells by its uptime alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.contract import Acknowledgement, PanelStatus, Priority
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_midway import shown
from tests.unit.test_fleet_reconciler import on_site, only


def without_a_counter(site: FleetSite, patch: pytest.MonkeyPatch) -> None:
    status = site.drivers["lobby"].status

    async def uncounted(priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        said = await status(priority, deadline)
        return said if isinstance(said, Acknowledgement) else replace(said, reset_count=None)

    patch.setattr(site.drivers["lobby"], "status", uncounted)


@pytest.mark.parametrize(
    ("ran_s", "until_cut_s", "since_cut_s"),
    [(500, 1, 1), (500, 10, 5), (20, 100, 50)],
    ids=["a blip", "runs for less than before", "runs for longer than before"],
)
def test_a_power_cut_that_nobody_saw_does_not_leave_a_panel_without_its_clock(
    ran_s: float, until_cut_s: float, since_cut_s: float
) -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        with pytest.MonkeyPatch.context() as patch:
            without_a_counter(site, patch)
            await site.pass_time(ran_s)
            await site.fleet.sync("lobby")
            await site.pass_time(1)
            assert (shown(site).resets, panel.clock_offset_s) == (0, 0)
            await site.pass_time(until_cut_s)
            panel.power_cut(site.clock.monotonic())
            await site.pass_time(since_cut_s)
            await site.fleet.sync("lobby")
            await site.pass_time(2)
            assert (shown(site).resets, panel.clock_offset_s) == (1, 0)
            assert only(await site.fleet.upsert([item(1)])).success

    on_site(test)


def test_a_power_cut_while_the_gateway_itself_was_off_is_noticed_too() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        await site.pass_time(500)
        await site.fleet.sync("lobby")
        await site.pass_time(1)
        await site.close()
        panel.power_cut(site.clock.monotonic())
        panel.resets -= 1  # it does not count them
        await site.open()
        await site.pass_time(2)
        assert (shown(site).resets, panel.clock_offset_s) == (1, 0)

    on_site(test)


def test_a_panel_that_only_ran_on_has_not_restarted() -> None:
    async def test(site: FleetSite) -> None:
        with pytest.MonkeyPatch.context() as patch:
            without_a_counter(site, patch)
            await site.fleet.upsert([item(1)])
            for _ in range(5):
                await site.pass_time(300)
                await site.fleet.sync("lobby")
            await site.pass_time(2)
            assert shown(site).resets == 0
            assert site.held("lobby") == {link(1): (540, 600)}

    on_site(test)
