"""What a site would suffer from a host whose clock is wrong: doors open for the wrong people, panels that follow it, distrust."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.clock import Sync
from drivers.contract import Availability, ItemState, PanelCapabilities, Reason
from gateway.compiler.compiler import compile_panel
from gateway.fleet.clock_trust import Rules
from gateway.fleet.host_clock import ClockTooEarly
from gateway.fleet.results import LinkReport
from gateway.fleet.views import RequestItem
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link, profile
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.unit.compiler_oracle import record

DAY = 86_400
SOME_HOURS = 3 * 3600
"""All that is stored anew every hour has been."""
DOMAT, GE, OPEN = (replace(record(name), clock="rw") for name in ("domat-fc013", "ge-a-series", "open-access-panel"))
MODELS = pytest.mark.parametrize(
    "capabilities",
    [OPEN, GE, DOMAT, record("uhppote")],
    ids=["open-access-panel", "ge-a-series", "domat-fc013", "uhppote"],
)


def lives(
    test: Callable[[FleetSite], Coroutine[Any, Any, None]],
    *names: str,
    sync: Sync = Sync.SYNCHRONISED,
    capabilities: PanelCapabilities = ACCESS_PANEL,
    source: Any = "auto",
    settings: PanelSettings | None = None,
) -> None:
    """A site on a host whose kernel says `sync`; a panel that stores link_ids, or not, as its model does."""

    async def main() -> None:
        panels = {name: FakePanel(capabilities, labelled=capabilities is ACCESS_PANEL) for name in names or ("lobby",)}
        site = FleetSite(panels, clock=VirtualClock(START, sync), compile=compile_panel, deadline_s=3.0)
        site.clock_rules = Rules(source, released_at=START - 30 * DAY)
        site.settings = {} if settings is None else {settings.id: settings}
        await site.open()
        await site.pass_time(1)
        await test(site)
        await site.close()

    run_virtual(main())


def host_steps(site: FleetSite, seconds: float) -> None:
    """The host's clock is set; the panels' clocks go on."""
    site.clock.wall_offset += seconds
    for panel in site.panels.values():
        if panel.clock_offset_s is not None:
            panel.clock_offset_s -= seconds


async def reboot(site: FleetSite, seconds: float, sync: Sync = Sync.UNSYNCHRONISED) -> None:
    """The host boots with a clock that is wrong by so much."""
    await site.close()
    site.clock.boot()
    site.clock.sync = sync
    host_steps(site, seconds)
    await site.open()
    await site.pass_time(20)


def visitor(number: int, first_day: int, days: int = 1) -> RequestItem:
    """Once, all of some days from START on."""
    begin = START - START % DAY + first_day * DAY
    once = replace(profile(number), date_from=begin, date_to=begin + days * DAY, repeat=None)
    return RequestItem(once, "{}")


def said(reports: tuple[LinkReport, ...]) -> list[tuple[bool, Reason | None]]:
    return [(result.success, result.reason) for report in reports for result in report.panels]


WITHHELD = [(False, Reason.CLOCK_NOT_SET)]


def test_a_host_that_boots_days_behind_opens_nothing_and_sets_no_panel_back() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([visitor(1, -2), item(2)])
        await site.pass_time(SOME_HOURS)
        await reboot(site, -3 * DAY)
        assert not site.fleet.clock().trusted
        assert site.panels["lobby"].clock_offset_s == 3 * DAY, "it goes on with the right time"
        assert said(await site.fleet.upsert([visitor(1, -2), item(3)])) == WITHHELD * 2
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.held == 0
        site.clock.sync = Sync.SYNCHRONISED
        host_steps(site, 3 * DAY)
        await site.pass_time(20)
        assert all(report.success for report in await site.fleet.upsert([item(2), item(3)]))
        assert site.panels["lobby"].clock_offset_s == 0

    lives(test)


@MODELS
def test_a_host_that_is_days_ahead_does_not_keep_a_line_busy_without_a_pause(capabilities: PanelCapabilities) -> None:
    """What begins later is due to be written by the host's time, and is not written while that is not trusted."""

    async def test(site: FleetSite) -> None:
        begin = START - START % DAY + 2 * DAY
        later = replace(profile(1), date_from=begin + 9 * 3600, date_to=begin + 10 * 3600)
        await site.fleet.upsert([RequestItem(later, "{}")])
        await site.pass_time(60)
        panel = site.panels["lobby"]
        host_steps(site, 3 * DAY)
        site.clock.sync = Sync.UNSYNCHRONISED
        await site.pass_time(10)
        before = len(panel.readings)
        await site.pass_time(600)
        assert not site.fleet.clock().trusted
        assert len(panel.readings) - before <= 2, "not one reading after the other"

    lives(test, capabilities=capabilities)


def test_a_gateway_that_restarts_goes_on_without_asking_anybody() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.clock.sync = Sync.UNSYNCHRONISED
        for seconds in (10, 9 * 3600, DAY):
            await site.pass_time(seconds)
            await site.close()
            await site.open()
            assert site.fleet.clock().source == "synchronised"
            await site.pass_time(10)
            assert said(await site.fleet.upsert([item(1)])) == [(True, None)]
        assert [warning.code for warning in site.fleet.clock().warnings] == ["ntp_lost"]

    lives(test)


def test_panels_that_kept_the_time_vouch_for_a_host_that_booted_right() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.pass_time(SOME_HOURS)
        await reboot(site, 2)
        assert (site.fleet.clock().trusted, site.fleet.clock().source) == (True, "panels")
        assert said(await site.fleet.upsert([item(1)])) == [(True, None)] * 2

    lives(test, "lobby", "gate")


@pytest.mark.parametrize("wrong", [-3 * DAY, 7200, 400 * DAY])
def test_two_panels_that_kept_the_time_stop_a_host_that_was_never_synchronised(wrong: int) -> None:
    async def test(site: FleetSite) -> None:
        await site.pass_time(SOME_HOURS)
        await reboot(site, wrong)
        clock = site.fleet.clock()
        assert not clock.trusted
        assert clock.reason is not None
        assert "gate" in clock.reason
        assert [panel.clock_offset_s for panel in site.panels.values()] == [-wrong, -wrong]
        host_steps(site, -wrong)
        await site.pass_time(20)
        assert site.fleet.clock().trusted, "it is right again"

    lives(test, "lobby", "gate", sync=Sync.UNSYNCHRONISED)


@pytest.mark.long
def test_one_panel_that_differs_is_left_alone_until_an_operator_says_who_is_right() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.pass_time(4 * DAY)
        await reboot(site, -3 * DAY)
        lobby = site.panels["lobby"]
        assert (site.fleet.clock().trusted, lobby.clock_offset_s) == (True, 3 * DAY)
        (report,) = await site.fleet.upsert([item(2)])
        assert said((report,)) == WITHHELD
        message = report.panels[0].message or ""
        assert "2026-11-04" in message
        assert "2026-11-01" in message
        assert "sync lobby" in message
        assert said(await site.fleet.delete([link(1)])) == [(True, None)], "taking away goes on"
        await site.fleet.sync("lobby")
        await site.pass_time(20)
        assert lobby.clock_offset_s == 0
        assert said(await site.fleet.upsert([item(2)])) == [(True, None)]

    # Storage that wears out has the store note each clock write, which would be evidence against the host as well.
    lives(test, sync=Sync.UNSYNCHRONISED, capabilities=replace(ACCESS_PANEL, storage="ram"))


def test_a_panel_that_differs_is_set_where_others_that_kept_the_time_agree_with_the_host() -> None:
    async def test(site: FleetSite) -> None:
        await site.pass_time(SOME_HOURS)
        site.panels["gate"].clock_offset_s = 3 * DAY
        await reboot(site, 2)
        assert [panel.clock_offset_s for panel in site.panels.values()] == [-2, 0]

    lives(test, "lobby", "gate", sync=Sync.UNSYNCHRONISED)


@pytest.mark.parametrize("lost", ["unset", "long ago"])
def test_a_clock_that_was_lost_is_set_by_any_trusted_host(lost: str) -> None:
    async def test(site: FleetSite) -> None:
        await site.pass_time(SOME_HOURS)
        lobby = site.panels["lobby"]
        lobby.power_cut(site.clock.monotonic())
        lobby.clock_offset_s = None if lost == "unset" else 946_684_800 - site.clock.wall()
        await reboot(site, 0)
        assert lobby.clock_offset_s == 0

    lives(test, sync=Sync.UNSYNCHRONISED)


def cut_off(panel: FakePanel, now: float, clock_offset_s: float) -> None:
    """It was without power, and its clock shows another time since."""
    panel.power_cut(now)
    panel.clock_offset_s = clock_offset_s


async def answers_again(site: FleetSite) -> None:
    site.drivers["lobby"].feed.set(Availability.QUARANTINED)
    await site.pass_time(1)
    site.drivers["lobby"].back()
    await site.pass_time(20)


LOSES_TIME = pytest.mark.parametrize(
    "capabilities", [ACCESS_PANEL, GE, DOMAT], ids=["open-access-panel", "ge-a-series", "domat-fc013"]
)


@LOSES_TIME
@pytest.mark.parametrize("boots", ["the gateway goes on", "the gateway starts anew", "the host boots too"])
def test_a_clock_that_stood_still_without_power_is_set_by_a_host_without_a_time_server(
    boots: str, capabilities: PanelCapabilities
) -> None:
    async def test(site: FleetSite) -> None:
        lobby = site.panels["lobby"]
        cut_off(lobby, site.clock.monotonic(), -7200)
        if boots == "the gateway starts anew":
            await site.close()
            await site.open()
        elif boots == "the host boots too":
            await reboot(site, 0)
        await answers_again(site)
        assert (site.fleet.clock().trusted, lobby.clock_offset_s) == (True, 0)

    lives(test, sync=Sync.UNSYNCHRONISED, capabilities=replace(capabilities, storage="ram"))


@LOSES_TIME
def test_a_clock_that_jumped_without_power_is_set_though_it_is_ahead_now(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        cut_off(site.panels["lobby"], site.clock.monotonic(), 7200)
        await answers_again(site)
        assert site.panels["lobby"].clock_offset_s == 0

    lives(test, sync=Sync.UNSYNCHRONISED, capabilities=capabilities)


@LOSES_TIME
@pytest.mark.parametrize("wrong", [-7300, 3 * DAY])
def test_a_clock_that_went_on_without_power_is_not_moved_by_a_host_that_boots_wrong(
    wrong: int, capabilities: PanelCapabilities
) -> None:
    """The power of the whole site was off for some hours."""

    async def test(site: FleetSite) -> None:
        lobby = site.panels["lobby"]
        await site.close()
        await site.pass_time(3 * 3600)
        cut_off(lobby, site.clock.monotonic(), 0)
        await site.open()
        await reboot(site, wrong)
        assert (site.fleet.clock().trusted, lobby.clock_offset_s) == (True, -wrong), "it goes on with the right time"
        assert said(await site.fleet.upsert([item(2)])) == WITHHELD

    lives(test, sync=Sync.UNSYNCHRONISED, capabilities=replace(capabilities, storage="ram"))


@LOSES_TIME
def test_a_panel_that_restarts_with_the_time_it_had_is_still_not_moved_by_hours(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        lobby = site.panels["lobby"]
        lobby.clock_offset_s = 7300
        await site.pass_time(3700)
        assert lobby.clock_offset_s == 7300
        cut_off(lobby, site.clock.monotonic(), 7300)
        await answers_again(site)
        assert lobby.clock_offset_s == 7300
        assert said(await site.fleet.upsert([item(2)])) == WITHHELD
        await site.fleet.sync("lobby")
        await site.pass_time(5)
        assert lobby.clock_offset_s == 0

    lives(test, sync=Sync.UNSYNCHRONISED, capabilities=capabilities)


@pytest.mark.parametrize("known", ["never", "unknown", "yes"])
def test_a_host_that_only_lost_its_time_server_moves_panels_as_before(known: str) -> None:
    """By a drift of minutes, whatever is known of the kernel."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.panels["lobby"].clock_offset_s = 600
        site.clock.sync = Sync.UNKNOWN if known == "unknown" else Sync.UNSYNCHRONISED
        await site.pass_time(3700)
        assert site.panels["lobby"].clock_offset_s == 0

    lives(test, sync=Sync.SYNCHRONISED if known == "yes" else Sync.UNSYNCHRONISED)


# one write ahead


def test_one_write_ahead_is_no_distrust_for_years_and_opens_nothing_of_that_time() -> None:
    async def test(site: FleetSite) -> None:
        ten_years = 3650 * DAY
        host_steps(site, ten_years)
        await site.pass_time(10)
        await site.fleet.upsert([visitor(1, 3650)])
        await site.close()
        host_steps(site, -ten_years)
        await site.open()
        await site.pass_time(5)
        assert said(await site.fleet.upsert([visitor(2, 0)])) == WITHHELD
        plan = await site.fleet.plan([visitor(3, 0)], None)
        assert [(cell.outcome, cell.reason) for each in plan.items for cell in each.panels] == [
            (ItemState.PENDING, Reason.CLOCK_NOT_SET)
        ]
        explained = await site.fleet.explain(link(2), START, None)
        assert explained is not None
        assert [each.compiled for each in explained.panels] == [None]
        assert (explained.panels[0].message or "").startswith("the gateway's clock is not trusted: the system clock says 2026-")
        await site.pass_time(620)
        assert [warning.code for warning in site.fleet.clock().warnings] == ["last_write_taken_back"]
        (report,) = await site.fleet.upsert([visitor(2, 0)])
        assert report.panels[0].outcome is ItemState.EXACT
        assert [slot.valid_from for slot in site.panels["lobby"].slots.values() if link(1) in slot.link_ids] != [None]
        assert site.store.last_write_at <= site.clock.wall()

    lives(test)


def test_the_operators_word_heals_a_write_ahead_without_any_time_server() -> None:
    async def test(site: FleetSite) -> None:
        host_steps(site, 3650 * DAY)
        await site.fleet.upsert([item(1)])
        await site.close()
        host_steps(site, -3650 * DAY)
        await site.open()
        await site.pass_time(5000)
        clock = site.fleet.clock()
        assert not clock.trusted
        await site.fleet.trust_clock(clock.at, clock.up_s)
        assert site.store.last_write_at <= site.clock.wall()
        await site.pass_time(10)
        assert said(await site.fleet.upsert([item(1)])) == [(True, None)]
        await site.close()
        await site.open()
        assert site.fleet.clock().source == "operator"

    lives(test, sync=Sync.UNSYNCHRONISED)


def test_nobody_can_vouch_for_the_year_2000() -> None:
    async def test(site: FleetSite) -> None:
        await reboot(site, 946_684_800 - site.clock.wall())
        clock = site.fleet.clock()
        with pytest.raises(ClockTooEarly):
            await site.fleet.trust_clock(clock.at, clock.up_s)
        assert said(await site.fleet.upsert([item(1)])) == WITHHELD
        assert site.panels["lobby"].slots == {}

    lives(test, source="host")


# taking away


async def lose_trust(site: FleetSite) -> None:
    site.clock.sync = Sync.UNSYNCHRONISED
    host_steps(site, 40 * DAY)
    await site.pass_time(10)
    assert not site.fleet.clock().trusted


def opened(site: FleetSite) -> list[tuple[int, int]]:
    """What the panel opens on a Monday, for any link_id."""
    periods = {period for slot in site.panels["lobby"].slots.values() for period in slot.periods if period.days & 1}
    return sorted({(period.start, period.end) for period in periods if period.end > period.start})


@MODELS
def test_a_deletion_goes_out_while_nobody_knows_the_time(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        assert said(await site.fleet.upsert([item(1), item(2, start=660)])) == [(True, None)] * 2
        assert opened(site) == [(540, 600), (660, 720)]
        await lose_trust(site)
        assert said(await site.fleet.delete([link(1)])) == [(True, None)]
        assert opened(site) == [(660, 720)], "and takes nothing else with it"
        assert said(await site.fleet.upsert([item(2, start=660)])) == WITHHELD
        assert said(await site.fleet.delete([link(2)])) == [(True, None)]
        assert opened(site) == []
        site.clock.sync = Sync.SYNCHRONISED
        await site.pass_time(20)
        assert said(await site.fleet.upsert([item(3)])) == [(True, None)]

    lives(test, capabilities=capabilities)


@MODELS
def test_an_unbinding_goes_out_while_nobody_knows_the_time(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2, start=660)])
        await lose_trust(site)
        await site.fleet.bind(link(1), [])
        await site.pass_time(5)
        assert opened(site) == [(660, 720)]
        site.rules = (BindingSettings(link_id=link(9), panels=("@all",)),)
        site.fleet.set_rules(site.rules, {})
        await site.pass_time(5)
        assert opened(site) == []

    lives(test, capabilities=capabilities)


@MODELS
def test_what_is_changed_meanwhile_opens_nothing_new(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await lose_trust(site)
        assert said(await site.fleet.upsert([item(1, start=300, length=1000), item(2)])) == WITHHELD * 2
        assert opened(site) == [(540, 600)]
        site.clock.sync = Sync.SYNCHRONISED
        await site.pass_time(20)
        assert opened(site)[0][0] == 300

    lives(test, capabilities=capabilities)


def test_a_deletion_asked_for_in_distrust_goes_out_though_the_gateway_is_killed_meanwhile() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2, start=660)])
        await lose_trust(site)
        site.panels["lobby"].online = False
        assert not (await site.fleet.delete([link(1)]))[0].success
        await site.kill()
        site.panels["lobby"].online = True
        await site.open()
        await site.pass_time(60)
        assert not site.fleet.clock().trusted
        assert opened(site) == [(660, 720)]

    lives(test)
