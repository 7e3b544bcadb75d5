"""Panels, rules and site settings that change while the gateway runs; operators' questions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from config.settings import BindingSettings
from drivers.contract import Availability, ItemState
from gateway.compiler.compiler import compile_panel
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.views import RequestItem, UnknownPanel
from gateway.schedules.time_profile import Frequency, Readings, Repeat
from tests.support.fake_panel import FakePanel, Fault
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import on_site


def test_a_panel_that_comes_gets_its_profiles_and_one_that_leaves_is_left_as_it_is() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        quiet = len(site.panels["lobby"].readings)
        site.panels["gate"] = FakePanel()
        await site.add("gate")
        await site.pass_time(2)
        assert site.held("gate").keys() == {link(1), link(2)}
        await site.fleet.remove_panel("gate")
        (report,) = await site.fleet.delete([link(1)])
        assert [(result.panel, result.success) for result in report.panels] == [("lobby", True), ("gate", False)]
        assert site.held("gate").keys() == {link(1), link(2)}, "left as it is"
        assert len(site.panels["lobby"].readings) == quiet
        await site.pass_time(20)
        assert link(1) in site.store.desired, "the panel may come back"
        await site.add("gate")
        await site.pass_time(20)
        assert site.held("gate").keys() == {link(2)}
        assert link(1) not in site.store.desired
        with pytest.raises(UnknownPanel):
            await site.fleet.remove_panel("nowhere")
        await site.close()

    run_virtual(main())


def test_a_panel_that_is_set_up_anew_is_away_meanwhile_and_never_forgotten() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        await site.open()
        await site.fleet.upsert([item(1)])
        await site.fleet.rest_panel("lobby")
        for report in (*await site.fleet.upsert([item(2)]), *await site.fleet.delete([link(1)])):
            assert [(result.panel, result.outcome) for result in report.panels] == [("lobby", ItemState.PENDING)]
            assert not report.success
        assert site.held("lobby").keys() == {link(1)}
        await site.add("lobby")
        await site.pass_time(20)
        assert site.held("lobby").keys() == {link(2)}
        assert link(1) not in site.store.desired
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("resting", [False, True])
def test_a_panel_leaves_in_the_middle_of_a_look_in_the_background(resting: bool) -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel()}, drift_share=0.5)
        await site.open()
        await site.fleet.upsert([item(1)])
        site.panels["lobby"].slots.clear()
        site.drivers["lobby"].background_s = 20
        await site.pass_time(35)
        if resting:
            await site.fleet.rest_panel("lobby")
        await site.fleet.remove_panel("lobby")
        await site.pass_time(100)
        await site.close()

    run_virtual(main())


def test_changed_rules_move_profiles() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel()})
        site.rules = (BindingSettings(link_id="*", panels=("lobby",)),)
        await site.open()
        await site.fleet.upsert([item(1)])
        site.fleet.set_rules((BindingSettings(link_id="*", panels=("@doors",)),), {"doors": ("gate",)})
        await site.pass_time(2)
        assert [set(site.held(name)) for name in ("lobby", "gate")] == [set(), {link(1)}]
        with pytest.raises(UnknownPanel):
            await site.fleet.bind(link(1), ["nowhere"])
        await site.close()

    run_virtual(main())


def test_another_time_zone_compiles_every_panel_anew_also_over_a_restart() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, compile=compile_panel)
        await site.open()
        await site.fleet.upsert([item(1)])
        assert site.held("lobby") == {link(1): (540, 600)}
        site.fleet.set_options(FleetOptions(Readings(ZoneInfo("Europe/Kyiv")), clock=Rules(released_at=0)))
        await site.pass_time(2)
        assert site.held("lobby") == {link(1): (720, 780)}, "09:00 UTC was 12:00 in summer"
        await site.close()
        await site.open()  # back to UTC
        await site.pass_time(2)
        assert site.held("lobby") == {link(1): (540, 600)}
        await site.close()

    run_virtual(main())


TOKYO = FleetOptions(Readings(ZoneInfo("Asia/Tokyo")), deadline_s=3.0, clock=Rules(released_at=0))


@pytest.mark.parametrize("away", [True, False])
def test_what_was_compiled_for_other_readings_is_no_success(away: bool) -> None:
    """`away`: the panel does not answer meanwhile, else it takes no write."""

    async def test(site: FleetSite) -> None:
        site.compile = compile_panel
        await site.close()
        await site.open()
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        if away:
            panel.online = False
        else:
            panel.faults.extend(["not_sent"] * 100)
        site.fleet.set_options(TOKYO)
        for _ in range(2):
            (report,) = await site.fleet.upsert([item(1)])
            assert (report.success, report.panels[0].still_grants) == (False, 0)
            await site.pass_time(10)
            view = site.fleet.panel("lobby")
            assert view is not None
            assert (view.held, view.pending, view.state) == (0, 1, "away" if away else "syncing")
            assert 0 < view.revocation_lag_s < 30, "since the readings changed"
            await site.close()
            site.zone = "Asia/Tokyo"
            await site.open()
        panel.faults.clear()
        site.drivers["lobby"].back()
        await site.pass_time(30)
        (report,) = await site.fleet.upsert([item(1)])
        assert report.success
        assert site.held("lobby") == {link(1): (1080, 1140)}

    on_site(test)


@pytest.mark.parametrize("fault", ["none", "rejected", "lost_reply"])
@pytest.mark.parametrize("after_ms", [0, 0.5, 1.5, 5, 10.5, 15, 20.5, 25, 30.5, 35, 45])
def test_readings_that_change_while_a_panel_is_written(after_ms: float, fault: Fault) -> None:
    async def test(site: FleetSite) -> None:
        site.compile, panel = compile_panel, site.panels["lobby"]
        await site.close()
        await site.open()
        await site.pass_time(1)
        for items in ([item(1)], [item(1, start=600), item(2)]):
            site.fleet.set_options(replace(TOKYO, readings=Readings(ZoneInfo("UTC"))))
            await site.pass_time(1)
            panel.faults.append(fault)
            asked = asyncio.create_task(site.fleet.upsert(items))
            await site.pass_time(after_ms / 1000)
            in_time = asked.done()
            site.fleet.set_options(TOKYO)
            for one, report in zip(items, await asked, strict=True):
                start = one.profile.date_from % 86_400 // 60 + (0 if in_time else 540)
                assert not report.success or in_time or site.held("lobby")[report.link_id] == (start, start + 60)
            await _never_wrong(site, 200)
            await _never_wrong(site, 1800, every_ms=10)
            await site.pass_time(10)
            panel.faults.clear()
            assert all(report.success for report in await site.fleet.upsert(items))
            assert {start for start, _ in site.held("lobby").values()} <= {1080, 1140}

    on_site(test)


def test_operators_see_desired_against_observed() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        await site.open()
        (report,) = await site.fleet.upsert([item(1)])
        generation = site.store.desired[link(1)].generation
        site.panels["lobby"].online = False
        site.drivers["lobby"].feed.set(Availability.QUARANTINED)
        await site.fleet.upsert([item(1, start=600), item(2)])
        await site.pass_time(100)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.desired, view.held, view.pending) == ("away", 2, 0, 2)
        assert 100 <= view.revocation_lag_s <= view.lag_s < 102
        first, second = view.items
        assert (first.held_generation, first.still_grants, first.outcome) == (generation, generation, ItemState.PENDING)
        assert (second.held_generation, second.still_grants) == (None, None)
        assert (first.slots, first.asked_at) == ((0,), int(site.store.desired[link(1)].changed_at))
        assert site.fleet.panel("nowhere") is None
        for command in (site.fleet.sync, site.fleet.reinit, site.fleet.retry):
            with pytest.raises(UnknownPanel):
                await command("nowhere")
        assert report.success
        await site.close()

    run_virtual(main())


async def _never_wrong(site: FleetSite, milliseconds: int, every_ms: int = 1) -> None:
    """What the panel is said to hold, it holds as Tokyo reads it."""
    for _ in range(milliseconds // every_ms):
        await site.pass_time(every_ms / 1000)
        view = site.fleet.panel("lobby")
        assert view is not None
        for each in view.items:
            assert each.outcome is ItemState.PENDING or site.held("lobby")[str(each.link_id)][0] in (1080, 1140)


@pytest.mark.parametrize("after_ms", range(0, 40, 3))
def test_readings_that_change_while_what_was_refused_is_written_one_by_one(after_ms: int) -> None:
    async def test(site: FleetSite) -> None:
        site.compile, panel = compile_panel, site.panels["lobby"]
        await site.close()
        await site.open()
        await site.pass_time(1)
        panel.faults.append("rejected")
        await site.fleet.upsert([item(1), item(2)])
        while not panel.transactions:
            await site.pass_time(0.001)
        await site.pass_time(after_ms / 1000)
        site.fleet.set_options(TOKYO)
        await _never_wrong(site, 200)

    on_site(test)


@pytest.mark.parametrize("after_ms", range(0, 500, 40))
def test_readings_that_change_while_an_older_image_gets_its_turn(after_ms: int) -> None:
    async def test(site: FleetSite) -> None:
        site.compile = compile_panel
        await site.close()
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        site.drivers["lobby"].latency_s = 0.2
        first = asyncio.create_task(site.fleet.upsert([item(1, start=600), item(3)]))
        await site.pass_time(0.1)
        second = asyncio.create_task(site.fleet.upsert([item(2, start=600), item(4)]))
        await site.pass_time(after_ms / 1000)
        site.fleet.set_options(TOKYO)
        await _never_wrong(site, 2000, every_ms=10)
        await asyncio.gather(first, second)

    on_site(test)


def test_two_panels_that_hold_the_same_show_the_same_hash() -> None:
    async def test(site: FleetSite) -> None:
        hashes = []
        for start in (540, 600):
            await site.fleet.upsert([item(1, start=start), item(2)])
            views = [site.fleet.panel(name) for name in ("lobby", "gate")]
            hashes.append({view.image_hash for view in views if view is not None})
            for view in views:
                assert view is not None
                assert view.acknowledged_at == pytest.approx(site.clock.wall(), abs=1)
                assert [each.slots for each in view.items] == [(0,), (1,)]
                assert (view.slots["timeprofile"].own, view.slots["timeprofile"].foreign) == (2, 0)
                assert view.slots["timeprofile"].of > 2
            await site.pass_time(100)
        assert [len(each) for each in hashes] == [1, 1]
        assert hashes[0] != hashes[1]
        assert [view.image_hash for view in site.fleet.panels()] == [None, None], "when one panel is asked for"

    on_site(test, "lobby", "gate")


def test_what_a_panel_held_when_it_went_away_stays_held_and_is_no_lag() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, drift_share=0.02)
        await site.open()
        await site.fleet.upsert([item(1)])
        await site.pass_time(3600)
        site.panels["lobby"].online = False
        await site.fleet.sync("lobby")
        await site.pass_time(35)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.items[0].desired_generation, view.items[0].held_generation) == ("away", 1, 1)
        assert (view.held, view.lag_s) == (1, 0)
        await site.fleet.upsert([item(1, start=600)])
        await site.pass_time(60)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.lag_s == pytest.approx(60, abs=1), "what is new counts from when it was asked for"
        await site.close()

    run_virtual(main())


def test_plan_and_explain_of_panels_outputs_and_strangers() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel()}, compile=compile_panel)
        site.rules = (BindingSettings(link_id="*", panels=("lobby", "gate:3")),)
        await site.open()
        plan = await site.fleet.plan([item(1)], None)
        assert [(cell.panel, cell.outcome) for cell in plan.items[0].panels] == [
            ("lobby", ItemState.EXACT),
            ("gate:3", ItemState.GATEWAY_HELD),
        ]
        assert [cost.panel for cost in plan.panels] == ["lobby"]
        assert [cost.panel for cost in (await site.fleet.plan([item(1)], ["@all"])).panels] == ["lobby", "gate"]
        with pytest.raises(UnknownPanel):
            await site.fleet.plan([item(1)], ["nowhere"])
        assert not site.store.desired
        await site.fleet.upsert([item(1)])
        await site.pass_time(1)
        at = START - START % 86_400 + 550 * 60
        explained = await site.fleet.explain(link(1), at, None)
        assert explained is not None
        assert explained.asked
        lobby, gate = explained.panels
        assert (lobby.compiled, lobby.held, lobby.differs_at) == (True, True, None)
        assert (gate.compiled, gate.held, gate.differs_at, gate.message) == (True, None, None, "held by the gateway")
        stranger = await site.fleet.explain(link(1), at, "gate")
        assert stranger is not None
        (panel,) = stranger.panels
        assert (panel.compiled, panel.held, panel.differs_at, panel.message) == (None, False, None, "not bound to this panel")
        assert await site.fleet.explain(link(9), at, None) is None
        with pytest.raises(UnknownPanel):
            await site.fleet.explain(link(1), at, "nowhere")
        await site.close()

    run_virtual(main())


@pytest.mark.long
def test_what_is_written_as_dates_is_renewed_long_before_it_ends() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, compile=compile_panel)
        await site.open()
        site.fleet.set_options(FleetOptions(Readings(ZoneInfo("UTC")), horizon_days=6, clock=Rules(released_at=0)))
        every_third_day = replace(item(1).profile, repeat=Repeat(Frequency.DAY, interval=3, custom=True))
        (report,) = await site.fleet.upsert([RequestItem(every_third_day, "{}")])
        (result,) = report.panels
        assert (result.outcome, report.success) == (ItemState.MATERIALISED, True)
        assert result.valid_until is not None
        written = len(site.panels["lobby"].transactions)
        await site.pass_time(86_400)
        assert len(site.panels["lobby"].transactions) == written, "the time alone changes nothing"
        await site.pass_time(4 * 86_400)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.items[0].valid_until is not None
        assert view.items[0].valid_until >= result.valid_until + 3 * 86_400
        assert view.items[0].valid_until - site.clock.wall() > 86_400
        assert len(site.panels["lobby"].transactions) > written
        await site.close()

    run_virtual(main())


def test_a_tombstone_is_forgotten_when_a_panel_returns_without_what_it_was_never_read_to_hold() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.bind(link(1), ["lobby"])
        await site.fleet.upsert([item(1)])
        site.panels["gate"].online = False
        await site.fleet.remove_panel("gate")
        await site.add("gate")
        await site.fleet.bind(link(1), ["gate"])
        await site.fleet.bind(link(1), ["lobby"])
        await site.fleet.delete([link(1)])
        await site.fleet.remove_panel("gate")
        await site.pass_time(10)
        assert link(1) in site.store.desired, "the gate may hold it"
        site.panels["gate"].online = True
        await site.add("gate")
        await site.pass_time(10)
        assert link(1) not in site.store.desired

    on_site(test, "lobby", "gate")
