"""The law of the site's zone changes: panels follow it, people's hours do not move, and somebody is told."""

from __future__ import annotations

import asyncio
import os
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.clock import Sync
from drivers.contract import Period
from gateway.compiler.compiler import compile_panel
from gateway.fleet.clock_trust import NTP_LOST_S, Rules
from gateway.fleet.panel import clocks
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import Frequency, Repeat
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, link, profile
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.support.zone_files import publish, zone_with_rules

KYIV = "Europe/Kyiv"
START = int(datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp())
NINE = int(datetime(2026, 11, 30, 7, tzinfo=UTC).timestamp())
"""On a wall clock in Kyiv."""
LAWS = ("Europe/Istanbul", "Europe/Kaliningrad", "Europe/Berlin", "America/Sao_Paulo")


def work_week() -> RequestItem:
    week = Repeat(Frequency.WEEK, 1, True, weekdays=frozenset(range(5)))
    return RequestItem(replace(profile(1), date_from=NINE, date_to=NINE + 9 * 3600, repeat=week), "{}")


def once_in_july() -> RequestItem:
    """From nine on in the summer, when the offset of today is not in force."""
    nine = int(datetime(2027, 7, 1, 6, tzinfo=UTC).timestamp())
    return RequestItem(replace(profile(2), date_from=nine, date_to=nine + 3600, repeat=None), "{}")


def site_in_kyiv(tmp_path: Path) -> FleetSite:
    """Its time zone database is in `tmp_path`."""
    publish(tmp_path, KYIV, KYIV)
    zoneinfo.reset_tzpath([tmp_path])
    ZoneInfo.clear_cache(only_keys=[KYIV])
    return FleetSite({"lobby": FakePanel(ACCESS_PANEL)}, clock=VirtualClock(START), zone=KYIV, compile=compile_panel)


@pytest.fixture(autouse=True)
def _same_database_afterwards() -> Iterator[None]:
    before = zoneinfo.TZPATH
    yield
    zoneinfo.reset_tzpath(before)
    ZoneInfo.clear_cache(only_keys=[KYIV])


def hours(site: FleetSite) -> dict[str, list[Period]]:
    return {link_id: list(slot.periods) for slot in site.panels["lobby"].slots.values() for link_id in slot.link_ids}


async def told(site: FleetSite) -> None:
    """The database is read by a thread, which virtual time does not wait for."""
    for _ in range(100_000):
        if site.fleet.clock().warnings:
            break
        await asyncio.sleep(0.01)
    await site.pass_time(20)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("noticed", ["within the hour", "on reload", "at start"])
def test_panels_follow_a_new_law_and_nobodys_hours_move(tmp_path: Path, law: str, noticed: str) -> None:
    async def main() -> None:
        site = site_in_kyiv(tmp_path)
        await site.open()
        await site.fleet.upsert([work_week(), once_in_july()])
        before, lobby = hours(site), site.panels["lobby"]
        assert [(period.start, period.end) for period in before[link(2)]] == [(540, 600)]
        publish(tmp_path, KYIV, law)
        if noticed == "within the hour":
            await site.pass_time(3600)
            await told(site)
        elif noticed == "on reload":
            assert not site.fleet.set_options(site.options())
            fresh = replace(site.options().readings, zone=ZoneInfo.no_cache(KYIV))
            assert site.fleet.set_options(replace(site.options(), readings=fresh))
            await site.pass_time(20)
        else:
            await site.close()
            ZoneInfo.clear_cache(only_keys=[KYIV])
            await site.open()
            await site.pass_time(20)
        assert hours(site) == before
        right = clocks.setting(zone_with_rules(KYIV, law), site.clock.wall())
        assert (lobby.offset_minutes, lobby.clock_changes) == (right.offset_minutes, right.changes)
        assert lobby.clock_now(site.clock.wall()) == right.offset_minutes * 60
        assert [warning.code for warning in site.fleet.clock().warnings] == ["zone_rules_changed"]
        assert all(report.success for report in await site.fleet.upsert([work_week(), once_in_july()]))
        assert hours(site) == before, "asked for again, it is what was accepted then"
        assert site.fleet.clock().trusted
        await site.close()

    run_virtual(main())


def test_the_same_rules_under_a_new_date_change_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_in_kyiv(tmp_path)
        await site.open()
        await site.fleet.upsert([work_week()])
        lobby = site.panels["lobby"]
        lobby.transactions.clear()
        lobby.readings.clear()
        publish(tmp_path, KYIV, KYIV)
        await site.pass_time(4000)
        assert (lobby.transactions, lobby.readings.count("set_clock")) == ([], 0)
        assert site.fleet.clock().warnings == ()
        await site.close()

    run_virtual(main())


def test_a_database_that_hangs_hides_no_lost_time_server_and_delays_no_end(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_in_kyiv(tmp_path)
        site.clock_rules = Rules("auto", released_at=START - 86_400)
        await site.open()
        (tmp_path / KYIV).unlink()
        os.mkfifo(tmp_path / KYIV)
        await site.pass_time(2000)
        site.clock.sync = Sync.UNSYNCHRONISED
        await site.pass_time(NTP_LOST_S + 60)
        assert "ntp_lost" in [warning.code for warning in site.fleet.clock().warnings]
        began = site.clock.monotonic()
        await site.close()
        assert site.clock.monotonic() - began < 1
        os.close(os.open(tmp_path / KYIV, os.O_RDWR | os.O_NONBLOCK))  # its reader meets an end

    run_virtual(main())


def test_a_database_that_is_gone_or_damaged_for_a_while_stops_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_in_kyiv(tmp_path)
        await site.open()
        (tmp_path / KYIV).write_bytes(b"half")
        await site.pass_time(4000)
        assert all(report.success for report in await site.fleet.upsert([work_week()]))
        publish(tmp_path, KYIV, "Europe/Istanbul")
        await site.pass_time(4000)
        await told(site)
        assert [warning.code for warning in site.fleet.clock().warnings] == ["zone_rules_changed"]
        await site.close()

    run_virtual(main())


def test_what_an_older_release_stored_is_read_once_and_kept(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_in_kyiv(tmp_path)
        await site.open()
        await site.fleet.upsert([once_in_july()])
        before = hours(site)
        await site.close()
        known = site.store.desired[link(2)]
        assert known.profile is not None
        site.store.desired[link(2)] = replace(known, content=replace(known.profile, reading=None))
        await site.open()
        await site.close()
        kept = site.store.desired[link(2)]
        assert (kept, kept.generation) == (known, known.generation)
        publish(tmp_path, KYIV, "Europe/Istanbul")
        ZoneInfo.clear_cache(only_keys=[KYIV])
        await site.open()
        await site.pass_time(20)
        assert hours(site) == before
        await site.close()

    run_virtual(main())
