"""What a site would suffer while it turns out that a clock is wrong, and from what a wrong clock left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.clock import Sync
from drivers.contract import ItemState, PanelCapabilities, Reason
from gateway.compiler.compiler import compile_panel
from gateway.fleet.clock_trust import NTP_LOST_S, Rules
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import Frequency, Repeat
from gateway.store.contract import ObservedPanel, images
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link, profile
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.unit.compiler_oracle import record
from tests.unit.test_fleet_outputs import NOW_MINUTE
from tests.unit.test_fleet_untrusted import DAY, MODELS, WITHHELD, host_steps, lives, lose_trust, opened, reboot, said

RELAYS = record("waveshare-relay-8ch")
ALL_DAY = {"start": 0, "length": 1440}


# while panel clocks are read


def believed(names: dict[str, PanelCapabilities], sync: Sync, source: Any) -> FleetSite:
    """A site whose host was never seen synchronised."""
    panels = {name: FakePanel(capabilities, labelled=capabilities is ACCESS_PANEL) for name, capabilities in names.items()}
    site = FleetSite(panels, clock=VirtualClock(START, sync), compile=compile_panel, deadline_s=3.0)
    site.clock_rules = Rules(source, released_at=START - 30 * DAY)
    return site


@MODELS
@pytest.mark.parametrize(
    ("sync", "source", "wrong"),
    [(Sync.UNSYNCHRONISED, "auto", -3 * DAY), (Sync.UNKNOWN, "auto", 4000), (Sync.UNSYNCHRONISED, "host", 400 * DAY)],
)
def test_a_door_is_not_opened_by_a_wrong_host_before_two_slow_panels_can_say_so(
    capabilities: PanelCapabilities, sync: Sync, source: str, wrong: int
) -> None:
    """The first panel lost its clock and its table, the relays have none, and the two that know better answer seconds later."""

    async def main() -> None:
        site = believed({"door": capabilities, "relays": RELAYS, "gate": ACCESS_PANEL, "vault": capabilities}, sync, source)
        site.settings["relays"] = PanelSettings(id="relays", model="waveshare-relay-8ch")
        site.rules = (BindingSettings(link_id="*", panels=("door", "gate", "vault", "relays:1")),)
        await site.open()
        assert (await site.fleet.upsert([item(1, **ALL_DAY)]))[0].success
        await site.close()
        site.panels["door"].power_cut(site.clock.monotonic())
        site.panels["door"].slots.clear()
        site.panels["relays"].power_cut(site.clock.monotonic())
        site.panels["relays"].readings.clear()
        site.clock.boot()
        host_steps(site, wrong)
        site.latencies = {"gate": 1.0, "vault": 2.0}
        await site.open()
        await site.pass_time(20)
        assert not site.fleet.clock().trusted
        assert (site.panels["door"].slots, site.panels["door"].clock_offset_s) == ({}, None)
        assert not [each for each in site.panels["relays"].readings if " on " in each]
        await site.close()

    run_virtual(main())


def test_a_request_of_the_first_second_waits_for_the_panels_clocks_and_is_carried_out() -> None:
    async def main() -> None:
        site = believed({"door": ACCESS_PANEL, "gate": ACCESS_PANEL}, Sync.UNSYNCHRONISED, "auto")
        site.latencies = {"gate": 0.1}
        await site.open()
        assert site.fleet.clock().trusted, "it is not told as a clock that lost its trust"
        assert said(await site.fleet.upsert([item(1)])) == [(True, None)] * 2
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("deadman", [True, False])
def test_a_door_that_is_held_open_does_not_close_for_a_second_when_the_gateway_restarts(deadman: bool) -> None:
    async def main() -> None:
        relays = replace(RELAYS, output_deadman=deadman)
        site = believed({"gate": relays, "door": ACCESS_PANEL}, Sync.UNSYNCHRONISED, "auto")
        settings = PanelSettings(id="gate", model="relays", on_stop="hold", allow_unattended_outputs=True)
        site.settings["gate"], site.latencies = settings, {"door": 0.5}
        site.rules = (BindingSettings(link_id="*", panels=("gate:3", "door")),)
        await site.open()
        assert (await site.fleet.upsert([item(1, start=NOW_MINUTE - 30, length=200)]))[0].panels[0].success
        await site.close()
        site.panels["gate"].readings.clear()
        await site.open()
        await site.pass_time(200)
        assert site.panels["gate"].outputs[3] > site.clock.monotonic()
        assert not [each for each in site.panels["gate"].readings if " off " in each]
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("away", ["silent", "another device", "a defect"])
def test_a_panel_that_cannot_be_asked_keeps_no_site_closed(away: str) -> None:
    async def main() -> None:
        site = believed({"door": ACCESS_PANEL, "gate": ACCESS_PANEL}, Sync.UNSYNCHRONISED, "auto")
        gate = site.panels["gate"]
        gate.online, gate.foreign = away != "silent", away == "another device"
        gate.defects = {"restrict"} if away == "a defect" else set()
        await site.open()
        await site.pass_time(3)
        assert site.fleet.clock().trusted
        assert said(await site.fleet.upsert([item(1)]))[0] == (True, None)
        await site.close()

    run_virtual(main())


def test_a_panel_that_was_taken_out_no_longer_speaks_against_the_host() -> None:
    async def main() -> None:
        site = believed({"door": ACCESS_PANEL, "gate": ACCESS_PANEL, "vault": ACCESS_PANEL}, Sync.UNSYNCHRONISED, "auto")
        await site.open()
        await site.pass_time(10)
        for name in ("gate", "vault"):
            site.panels[name].clock_offset_s = 2 * DAY
            site.panels[name].takes_clock = False
            await site.fleet.sync(name)
        await site.pass_time(1)
        assert not site.fleet.clock().trusted, "at once, not at the next look at the host"
        await site.fleet.remove_panel("vault")
        await site.pass_time(10)
        assert site.fleet.clock().trusted
        await site.close()

    run_virtual(main())


# a clock that loses its trust just before the first byte


@dataclass
class Stepping(MemoryStore):
    """`marked` is called once a panel was marked as one that may hold either image."""

    marked: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        MemoryStore.__init__(self)

    async def put_observed(self, panel: str, observed: ObservedPanel) -> None:
        await super().put_observed(panel, observed)
        if len(images(observed.known)) > 1:
            self.marked()


@MODELS
@pytest.mark.parametrize("change", ["created", "widened", "one deleted, one created"])
def test_nothing_is_opened_when_the_clock_steps_while_the_store_writes(capabilities: PanelCapabilities, change: str) -> None:
    async def main() -> None:
        store = Stepping()
        panel = FakePanel(capabilities, labelled=capabilities is ACCESS_PANEL)
        site = FleetSite({"lobby": panel}, clock=VirtualClock(START), store=store, compile=compile_panel, deadline_s=3.0)
        site.clock_rules = Rules(released_at=START - 30 * DAY)
        await site.open()
        await site.pass_time(1)
        assert (await site.fleet.upsert([item(1), item(2, start=660)]))[0].success

        def step() -> None:
            store.marked = lambda: None
            site.clock.sync = Sync.UNSYNCHRONISED
            host_steps(site, 40 * DAY)

        store.marked = step
        if change == "one deleted, one created":
            await site.fleet.bind(link(1), [])
            await site.fleet.upsert([item(3, start=720)])
        else:
            fresh = item(3, start=720) if change == "created" else item(2, start=300, length=900)
            assert said(await site.fleet.upsert([fresh])) == WITHHELD
        assert not site.fleet.clock().trusted
        await site.pass_time(30)
        gone = [] if change == "one deleted, one created" else [(540, 600)]
        assert opened(site) == [*gone, (660, 720)]
        site.clock.sync = Sync.SYNCHRONISED
        await site.pass_time(30)
        assert all(report.success for report in await site.fleet.upsert([item(3, start=720)]))
        await site.close()

    run_virtual(main())


@MODELS
@pytest.mark.parametrize("why", ["a clock months ahead", "a store in doubt"])
def test_the_gateway_does_not_hang_when_a_renewal_is_due_that_it_must_not_make(
    capabilities: PanelCapabilities, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = [0]
    attempt = Reconciler._attempt

    async def counted(reconciler: Reconciler) -> None:
        attempts[0] += 1
        if attempts[0] > 1000:
            pytest.fail("it tries without end, and nothing else is done")
        await attempt(reconciler)

    monkeypatch.setattr(Reconciler, "_attempt", counted)

    async def test(site: FleetSite) -> None:
        monthly = replace(profile(1), repeat=Repeat(Frequency.MONTH))
        (report,) = await site.fleet.upsert([RequestItem(monthly, "{}")])
        assert report.panels[0].outcome is ItemState.MATERIALISED
        if why == "a store in doubt":
            site.fleet._context.doubt = "it is older than its mark"
        else:
            site.clock.sync = Sync.UNSYNCHRONISED
        host_steps(site, 350 * DAY)
        await site.pass_time(600)

    settings = PanelSettings(id="lobby", model="open-access-panel", allow_stale=True)
    lives(test, capabilities=capabilities, settings=settings)


# what is said of a panel meanwhile


@MODELS
def test_a_row_that_waits_for_the_hosts_clock_says_so(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await lose_trust(site)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.state == "syncing"
        error = "clock_not_set: the gateway's clock is not trusted: the system clock has not been synchronised"
        assert (view.last_error or "").startswith(error)
        site.clock.sync = Sync.SYNCHRONISED
        await site.pass_time(20)
        healed = site.fleet.panel("lobby")
        assert healed is not None
        assert (healed.state, healed.last_error) == ("in_sync", None)

    lives(test, capabilities=capabilities)


@pytest.mark.parametrize("why", ["clock", "store", "relay"])
def test_a_row_of_relays_says_why_a_door_is_not_held_open(why: str) -> None:
    async def main() -> None:
        panel = FakePanel(RELAYS, labelled=False)
        site = FleetSite({"gate": panel}, clock=VirtualClock(START))
        site.rules = (BindingSettings(link_id="*", panels=("gate:0",)),)
        await site.open()
        await site.pass_time(1)
        if why == "store":
            site.fleet._context.doubt = "it is older than its mark"
        if why == "relay":
            panel.defects = {"output"}
        if why == "clock":
            site.clock.sync = Sync.UNSYNCHRONISED
            host_steps(site, 40 * DAY)
        await site.fleet.upsert([item(1, start=NOW_MINUTE - 30, length=200)])
        await site.pass_time(7)
        view = site.fleet.panel("gate")
        assert view is not None
        assert (view.last_error or "").split(":")[0] == {
            "clock": "clock_not_set",
            "store": "deadline_passed",
            "relay": "failed",
        }[why]
        panel.defects = set()
        await site.close()

    run_virtual(main())


def test_an_untrusted_clock_hides_no_other_device_at_the_address() -> None:
    async def test(site: FleetSite) -> None:
        await lose_trust(site)
        site.panels["lobby"].foreign = True
        await site.fleet.sync("lobby")
        await site.pass_time(5)
        assert said(await site.fleet.upsert([item(1)])) == [(False, Reason.WRONG_DEVICE)]

    lives(test)


# what a clock that was ahead left behind


@MODELS
@pytest.mark.parametrize("healed", ["by a word", "by its kernel", "by a restart"])
def test_nothing_that_happened_is_dated_in_the_year_2036_once_the_clock_is_right(
    capabilities: PanelCapabilities, healed: str
) -> None:
    """Neither a write, nor a look, nor an absence, nor what was asked; and what is late is not late since never."""

    async def test(site: FleetSite) -> None:
        host_steps(site, 3650 * DAY)
        await site.pass_time(20)
        await site.fleet.upsert([item(1), item(2, start=660)])
        site.panels["gate"].online = False
        await site.fleet.sync("gate")
        await site.fleet.delete([link(1)])
        if healed == "by a restart":
            await reboot(site, -3650 * DAY, Sync.SYNCHRONISED)
        else:
            site.clock.sync = Sync.SYNCHRONISED if healed == "by its kernel" else Sync.UNSYNCHRONISED
            host_steps(site, -3650 * DAY)
            await site.pass_time(20)
        assert not site.fleet.clock().trusted
        if healed == "by a word":
            clock = site.fleet.clock()
            await site.fleet.trust_clock(clock.at, clock.up_s)
        await site.pass_time(660)
        assert site.fleet.clock().trusted
        now = site.clock.wall()
        for view in (site.fleet.panel("lobby"), site.fleet.panel("gate")):
            assert view is not None
            told = [view.acknowledged_at, view.last_seen_at, view.away_since, *[each.asked_at for each in view.items]]
            assert [at for at in told if at is not None and at > now] == []
            assert view.lag_s < DAY
        gate = site.fleet.panel("gate")
        assert gate is not None
        assert gate.revocation_lag_s > 0, "it still grants, and that grows"
        assert site.store.last_write_at <= now
        assert [each for each in site.store.desired.values() if each.changed_at > now] == [], "durably"

    lives(test, "lobby", "gate", capabilities=capabilities)


def test_a_lost_time_server_is_told_though_the_clock_was_once_ahead() -> None:
    async def test(site: FleetSite) -> None:
        host_steps(site, 3650 * DAY)
        await site.pass_time(20)
        site.clock.sync = Sync.UNSYNCHRONISED
        host_steps(site, -3650 * DAY)
        await site.pass_time(20)
        clock = site.fleet.clock()
        await site.fleet.trust_clock(clock.at, clock.up_s)
        await site.pass_time(NTP_LOST_S + 60)
        assert "ntp_lost" in [warning.code for warning in site.fleet.clock().warnings]

    lives(test, capabilities=replace(ACCESS_PANEL, storage="ram"))


def test_a_revocation_asked_for_by_a_clock_far_behind_is_not_years_late_afterwards() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        host_steps(site, 946_684_800 - site.clock.wall())
        await site.pass_time(10)
        site.panels["lobby"].online = False
        await site.fleet.sync("lobby")
        await site.fleet.delete([link(1)])
        host_steps(site, START + DAY - site.clock.wall())
        await site.pass_time(20)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert site.fleet.clock().trusted
        assert 0 < view.revocation_lag_s < 2 * DAY

    lives(test)
