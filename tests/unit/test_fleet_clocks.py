from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import PanelSettings
from drivers.clock import HostMoment
from drivers.contract import Acknowledgement, Availability, ItemState, PanelStatus, Reason
from gateway.compiler.compiler import compile_panel
from gateway.fleet.panel import clocks
from gateway.fleet.panel.backoff import CAP_S, back_off_s
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import Frequency, Repeat
from gateway.store.contract import ClockGiven
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link, profile
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.support.zone_files import zone_with_rules

KYIV = ZoneInfo("Europe/Kyiv")
ZONES = st.sampled_from(["Europe/Kyiv", "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"])


def instant(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def test_setting_names_the_next_two_changes() -> None:
    setting = clocks.setting(KYIV, instant(2026, 11, 2, 7) + 0.4)
    assert (setting.instant, setting.offset_minutes) == (instant(2026, 11, 2, 7), 120)
    assert setting.changes == ((instant(2027, 3, 28, 1), 180), (instant(2027, 10, 31, 1), 120))
    assert clocks.setting(ZoneInfo("Asia/Kolkata"), 1_793_484_000).changes == ()


@given(ZONES, st.integers(0, 4_000_000_000))
def test_next_change_is_the_first_instant_with_another_offset(name: str, after: int) -> None:
    zone = ZoneInfo(name)
    change = clocks.next_change(zone, after)
    if change is not None:
        assert change > after
        assert clocks.offset_s(zone, change) != clocks.offset_s(zone, change - 1) == clocks.offset_s(zone, after)
        assert clocks.next_change(zone, change - 1) == change


@pytest.mark.parametrize(
    ("shown", "read_at", "error"),
    [(100, 100.0, 0.0), (100, 100.9, 0.0), (99, 100.5, -0.5), (103, 100.5, 2.5), (90, 100.0, -9.0)],
)
def test_error_of_a_clock_that_shows_whole_seconds(shown: int, read_at: float, error: float) -> None:
    day = instant(2026, 11, 2)
    status = PanelStatus(clock=(day // 86_400, shown), clock_read_at=day + read_at)
    assert clocks.error_s(ZoneInfo("UTC"), status) == pytest.approx(error)
    assert clocks.error_s(ZoneInfo("UTC"), replace(status, clock=None)) is None


NOVEMBER = instant(2026, 11, 2, 12)
IN_SUMMER, IN_WINTER = (
    ClockGiven(HostMoment("boot", NOVEMBER - days * 86_400, 0), offset) for days, offset in ((30, 10_800), (3, 7200))
)


@pytest.mark.parametrize(
    ("ahead", "given", "step"),
    [
        (0.0, IN_WINTER, 0.0),
        (3600.0, IN_SUMMER, 0.0),
        (3603.0, IN_SUMMER, 3.0),
        (3600.0, IN_WINTER, 3600.0),
        (7200.0, IN_WINTER, 7200.0),
        (-7200.0, IN_WINTER, -7199.0),
        (-3600.0, IN_SUMMER, -3599.0),
        (90.0, IN_SUMMER, 90.0),
        (-259_200.0, IN_WINTER, -259_199.0),
        (3600.0, None, 0.0),
        (-7200.0, None, 0.0),
        (-259_200.0, None, -251_999.0),
        (-3600.0, ClockGiven(HostMoment("boot", NOVEMBER - 3600, 0), 3600), 0.0),
    ],
)
def test_a_change_of_offset_is_no_step(ahead: float, given: ClockGiven | None, step: float) -> None:
    """In winter, of a panel that may still go by the summer's offset, by an old law's, or stand in UTC as delivered."""
    now = NOVEMBER
    local = int(now + 7200 + ahead)
    status = PanelStatus(clock=divmod(local, 86_400), clock_read_at=float(now))
    assert clocks.step_s(KYIV, status, given) == step
    assert clocks.step_s(KYIV, PanelStatus(clock_read_at=float(now)), given) is None


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Asia/Almaty", instant(2024, 6, 1), 6),  # five since March, six before
        ("Asia/Almaty", instant(2024, 6, 1), 5),
        ("Europe/Kyiv", instant(2027, 1, 15), 3),  # winter, as 400 days before
        ("Europe/Kyiv", instant(2027, 1, 15), 2),
    ],
)
def test_a_clock_that_nobody_set_may_go_by_any_offset_of_its_year(zone: str, now: int, hours: int) -> None:
    status = PanelStatus(clock=divmod(now + hours * 3600, 86_400), clock_read_at=float(now))
    assert clocks.step_s(ZoneInfo(zone), status, None) == 0.0


@pytest.mark.parametrize("law", ["Europe/Istanbul", "Europe/Kaliningrad", "Europe/Berlin"])
def test_a_table_of_offsets_that_follows_an_old_law_is_told_from_the_zones(law: str) -> None:
    now = float(instant(2026, 11, 2, 12))
    status = PanelStatus(clock_read_at=now + 100, clock_table=clocks.setting(KYIV, now))
    assert not clocks.goes_by_other_rules(KYIV, status)
    assert clocks.goes_by_other_rules(zone_with_rules("Europe/Kyiv", law), status)
    assert not clocks.goes_by_other_rules(KYIV, PanelStatus(clock_read_at=now))


@given(st.text(max_size=10), st.integers(1, 100_000))
def test_back_off_doubles_up_to_a_cap_and_is_spread(panel: str, failures: int) -> None:
    middle = min(CAP_S, 2.0 ** min(failures - 1, 10))
    assert 0.75 * middle <= back_off_s(panel, failures) <= 1.25 * middle


def site_in_kyiv(start: int, panel: FakePanel, clock_bound_s: int = 5) -> FleetSite:
    site = FleetSite({"lobby": panel}, clock=VirtualClock(start), zone="Europe/Kyiv", drift_share=0.0)
    site.settings["lobby"] = PanelSettings(id="lobby", model="open-access-panel", clock_bound_s=clock_bound_s)
    return site


@pytest.mark.parametrize("dst", ["gateway", "table", "self"])
def test_a_panel_shows_the_right_time_within_the_bound_of_a_change_of_offset(dst: Literal["gateway", "table", "self"]) -> None:
    async def main() -> None:
        change = instant(2027, 3, 28, 1)
        panel = FakePanel(replace(ACCESS_PANEL, dst=dst))
        site = site_in_kyiv(change - 30, panel)
        await site.open()
        await site.fleet.upsert([item(1)])
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.law_until == (change if dst == "gateway" else None)
        await site.pass_time(29)
        assert panel.clock_now(site.clock.wall()) == 7200
        await site.pass_time(6)
        assert panel.clock_now(site.clock.wall()) == 10_800
        await site.close()

    run_virtual(main())


def test_a_clock_that_runs_away_is_corrected_and_its_drift_told() -> None:
    async def main() -> None:
        panel = FakePanel()
        site = site_in_kyiv(instant(2026, 11, 2), panel)
        await site.open()
        await site.pass_time(1)
        panel.clock_offset_s = 7200 + 4.0
        await site.pass_time(3601)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.clock_drift_ms is not None
        assert 3000 <= view.clock_drift_ms <= 4000
        assert panel.clock_offset_s == 7204, "within the bound"
        panel.clock_offset_s = 7200 - 60.0
        await site.pass_time(3601)
        assert panel.clock_offset_s == 7200
        await site.close()

    run_virtual(main())


def test_a_clock_that_is_trusted_for_an_hour_is_set_every_half_hour() -> None:
    async def main() -> None:
        panel = FakePanel(trusted_s=3600.0)
        site = site_in_kyiv(instant(2026, 11, 2), panel)
        await site.open()
        await site.pass_time(1)
        panel.readings.clear()
        for _ in range(20):
            await site.pass_time(600)
            assert panel.clock_now(site.clock.wall()) is not None
        assert panel.readings.count("set_clock") == 6
        await site.close()

    run_virtual(main())


def test_a_clock_that_can_only_be_written_is_set_at_once_and_every_hour() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(replace(ACCESS_PANEL, clock="w"))})
        await site.open()
        (report,) = await site.fleet.upsert([item(1)])
        assert report.success
        panel = site.panels["lobby"]
        assert panel.readings.count("set_clock") == 1
        await site.pass_time(3000)
        await site.fleet.upsert([item(2)])
        assert panel.readings.count("set_clock") == 1, "it is right for an hour"
        await site.pass_time(3 * 3600)
        assert panel.readings.count("set_clock") == 4
        panel.takes_clock = False
        await site.pass_time(3600)
        assert panel.readings.count("set_clock") == 5
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.state != "in_sync", "nobody knows what time it goes by"
        await site.close()

    run_virtual(main())


def test_a_jump_of_the_wall_clock_reaches_the_panels() -> None:
    async def main() -> None:
        panel = FakePanel()
        site = site_in_kyiv(instant(2026, 11, 2), panel)
        await site.open()
        await site.pass_time(1)
        before = len(panel.readings)
        site.clock.wall_offset += 30
        panel.clock_offset_s = 7200 - 30.0
        await site.pass_time(10)
        assert "set_clock" in panel.readings[before:]
        assert panel.clock_offset_s == 7200
        await site.close()

    run_virtual(main())


def test_no_clock_is_written_before_the_wall_clock_is_trusted() -> None:
    async def main() -> None:
        panel = FakePanel()
        site = site_in_kyiv(instant(2026, 11, 2), panel)
        await site.open()
        await site.fleet.upsert([item(1)])
        await site.close()
        panel.power_cut(site.clock.monotonic())
        site.clock.wall_offset -= 1000
        await site.open()
        await site.pass_time(20)
        assert (site.fleet.clock().trusted, panel.clock_offset_s) == (False, None)
        (report,) = await site.fleet.upsert([item(1)])
        assert not report.success
        site.clock.wall_offset += 1000
        await site.pass_time(20)
        assert (site.fleet.clock().trusted, panel.clock_offset_s) == (True, 7200)
        (report,) = await site.fleet.upsert([item(1)])
        assert report.success
        await site.close()

    run_virtual(main())


def test_a_panel_that_restarts_whenever_its_clock_is_written_is_tried_again_later() -> None:
    async def main() -> None:
        panel = FakePanel()
        site = site_in_kyiv(instant(2026, 11, 2), panel)
        await site.open()
        driver, set_clock = site.drivers["lobby"], site.drivers["lobby"].set_clock

        async def browns_out(*args: Any) -> Acknowledgement:
            said = await set_clock(*args)
            panel.power_cut(site.clock.monotonic())
            return said

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver, "set_clock", browns_out)
            (report,) = await site.fleet.upsert([item(1)])
            assert not report.success
            await site.pass_time(60)
            assert panel.readings.count("set_clock") < 40
            view = site.fleet.panel("lobby")
            assert view is not None
            assert view.last_error == "unexpected_reply: the panel restarts each time it is read"
        await site.pass_time(100)
        (report,) = await site.fleet.upsert([item(1)])
        assert report.success
        await site.close()

    run_virtual(main())


def test_a_clock_that_is_wrong_after_it_was_set_is_not_set() -> None:
    async def main() -> None:
        panel = FakePanel()
        site = site_in_kyiv(instant(2026, 11, 2), panel)
        await site.open()
        await site.fleet.upsert([item(1)])
        panel.clock_offset_s, panel.ignores_clock = 14_400.0, True
        await site.fleet.sync("lobby")
        await site.pass_time(20)
        (report,) = await site.fleet.upsert([item(1)])
        assert (report.success, report.panels[0].reason) == (False, Reason.CLOCK_NOT_SET)
        (report,) = await site.fleet.delete([link(1)])
        assert report.success, "a closing does not wait for it"
        panel.ignores_clock = False
        await site.pass_time(100)
        (report,) = await site.fleet.upsert([item(1)])
        assert report.success
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("asked", [True, False])
def test_a_wall_clock_that_was_ahead_for_a_while_is_trusted_soon_and_at_the_next_start(asked: bool) -> None:
    """`asked`: something is written also after it is right again, before it is trusted."""

    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        await site.open()
        site.clock.wall_offset += 5 * 365 * 86_400
        await site.pass_time(10)
        await site.fleet.upsert([item(1)])
        site.clock.wall_offset -= 5 * 365 * 86_400
        await site.pass_time(10)
        assert not site.fleet.clock().trusted
        if asked:
            await site.fleet.upsert([item(2)])
        await site.pass_time(620)
        assert site.fleet.clock().trusted
        assert [warning.code for warning in site.fleet.clock().warnings] == ["last_write_taken_back"]
        await site.close()
        await site.pass_time(1)
        await site.open()
        assert site.fleet.clock().trusted
        await site.close()

    run_virtual(main())


def fortnightly(number: int) -> RequestItem:
    weekly = profile(number)
    return RequestItem(replace(weekly, repeat=Repeat(Frequency.WEEK, interval=2)), "{}")


def test_dates_that_have_passed_are_no_success() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, compile=compile_panel, deadline_s=3.0)
        await site.open()
        (report,) = await site.fleet.upsert([fortnightly(1)])
        valid_until = report.panels[0].valid_until
        assert valid_until is not None
        site.panels["lobby"].online = False
        site.drivers["lobby"].feed.set(Availability.QUARANTINED)
        site.clock.wall_offset += valid_until - 60 - site.clock.wall()
        (report,) = await site.fleet.upsert([fortnightly(1)])
        assert report.success
        await site.pass_time(120)
        (report,) = await site.fleet.upsert([fortnightly(1)])
        assert (report.panels[0].outcome, report.panels[0].reason) == (ItemState.PENDING, Reason.QUARANTINED)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.held, view.pending, view.still_granting) == ("away", 0, 1, 0)
        assert 50 < view.lag_s < 70, "since the last date passed"
        site.drivers["lobby"].back()
        await site.pass_time(5)
        (report,) = await site.fleet.upsert([fortnightly(1)])
        assert report.success
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("days", [100, 700])
def test_what_was_compiled_while_the_wall_clock_was_ahead_counts_no_more_once_it_is_right(days: int, restart: bool) -> None:
    async def main() -> None:
        panel = FakePanel()
        site = FleetSite({"lobby": panel}, compile=compile_panel, deadline_s=3.0)
        await site.open()
        once = RequestItem(replace(profile(2), date_from=START + 86_400, date_to=START + 90_000, repeat=None), "{}")
        asked = [fortnightly(1), once, item(3)]
        await site.fleet.upsert(asked)
        right = dict(panel.slots)
        site.clock.wall_offset += days * 86_400
        await site.pass_time(60)
        await site.fleet.upsert([fortnightly(4)])
        await site.fleet.delete([link(4)])
        await site.fleet.upsert([replace(each, body='{"again": 1}') for each in asked])
        if restart:
            await site.close()
        panel.online = False
        site.clock.wall_offset -= days * 86_400
        if restart:
            await site.open()
        await site.pass_time(10)
        reports = await site.fleet.upsert(asked)
        assert not any(report.success for report in reports)
        site.drivers["lobby"].back()
        await site.pass_time(700)
        assert all(report.success for report in await site.fleet.upsert(asked))
        assert panel.slots == right
        await site.close()

    run_virtual(main())


def test_a_change_of_offset_is_not_slept_through_in_a_back_off() -> None:
    async def main() -> None:
        change = instant(2027, 3, 28, 1)
        panel = FakePanel(replace(ACCESS_PANEL, dst="gateway"))
        site = site_in_kyiv(change - 200, panel)
        await site.open()
        await site.fleet.upsert([item(1)])
        panel.faults.extend(["not_sent"] * 1000)
        await site.fleet.upsert([item(2)])
        await site.pass_time(change - site.clock.wall() - 1)
        assert panel.clock_now(site.clock.wall()) == 7200
        await site.pass_time(6)
        assert panel.clock_now(site.clock.wall()) == 10_800
        await site.close()

    run_virtual(main())
