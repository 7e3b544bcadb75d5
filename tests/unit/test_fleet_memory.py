"""What the gateway remembers of its panels, and what becomes of them where its memory was lost."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Availability, Reason
from gateway.compiler.compiler import compile_panel
from gateway.fleet.context import Compile
from tests.support.fleet_site import FleetSite, item, link, one_slot_each
from tests.support.memory_store import MemoryStore
from tests.unit.test_fleet_reconciler import on_site, only


def test_after_a_power_cut_of_the_gateway_panels_are_read_back_whole() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await site.close()
        panel = site.panels["lobby"]
        written, panel.readings = len(panel.transactions), []
        site.store.clean = False
        await site.open()
        await site.pass_time(2)
        assert panel.readings == ["status", "identity", "read_back"]
        assert len(panel.transactions) == written
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.drifts) == ("in_sync", 0)
        await site.fleet.remove_panel("lobby")
        await site.add("lobby")
        await site.pass_time(2)
        assert panel.readings[3:] == ["status", "identity", "quick_look"]

    on_site(test)


def test_that_panels_are_to_be_read_back_outlives_a_kill() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.close()
        site.store.clean = False
        panel = site.panels["lobby"]
        panel.online, panel.readings = False, []
        await site.open()
        await site.crash(lose_lazy=False)
        site.store.clean = panel.online = True
        await site.open()
        await site.pass_time(2)
        assert panel.readings == ["status", "identity", "read_back"]

    on_site(test)


def test_a_deletion_while_a_panel_is_out_of_the_configuration_outlives_restarts() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await site.fleet.remove_panel("gate")
        await site.close()
        gate = site.panels.pop("gate")
        await site.open()
        await site.fleet.delete([link(1)])
        await site.pass_time(20)
        await site.close()
        await site.open()
        await site.pass_time(20)
        assert link(1) in site.store.desired, "the gate may come back"
        site.panels["gate"] = gate
        await site.add("gate")
        await site.pass_time(20)
        assert site.held("gate").keys() == {link(2)}
        assert link(1) not in site.store.desired

    on_site(test, "lobby", "gate")


@pytest.mark.parametrize("before", [True, False])
def test_what_moved_away_and_was_deleted_leaves_a_panel_of_which_the_memory_was_lost(before: bool) -> None:
    """`before`: deleted before the gateway's power cut, else after it; the panel is away all the time."""

    async def test(site: FleetSite) -> None:
        site.compile = compile_panel
        await site.close()
        await site.open()
        await site.fleet.upsert([item(1)])
        site.panels["lobby"].online = False
        site.drivers["lobby"].feed.set(Availability.QUARANTINED)
        await site.fleet.bind(link(1), [])
        await site.fleet.upsert([item(2, start=600)])
        site.store.allocations["lobby"] = {link(2): (0,)}  # its slot is promised to another, and not written yet
        if before:
            await site.fleet.delete([link(1)])
        site.store.clean = False
        await site.crash(lose_lazy=True)
        await site.open()
        site.store.clean = True
        if not before:
            await site.fleet.delete([link(1)])
        await site.pass_time(30)
        assert link(1) in site.store.desired
        site.drivers["lobby"].back()
        await site.pass_time(30)
        assert site.held("lobby").keys() == {link(2)}
        assert link(1) not in site.store.desired

    on_site(test)


def test_a_panel_of_which_the_memory_was_lost_may_leave() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await site.crash(lose_lazy=True)
        site.panels["gate"].online = False
        site.store.clean = False
        await site.open()
        site.store.clean = True
        await site.pass_time(5)
        await site.fleet.remove_panel("gate")
        assert [each.reason for each in only(await site.fleet.delete([link(1)])).panels] == [None, Reason.DEPARTED]
        await site.pass_time(20)
        site.panels["gate"].online = True
        await site.add("gate")
        await site.pass_time(20)
        assert site.held("gate").keys() == {link(2)}
        assert link(1) not in site.store.desired

    on_site(test, "lobby", "gate")


@pytest.mark.parametrize("compiler", [one_slot_each, compile_panel])
def test_slots_with_link_ids_of_a_lost_store_are_adopted_when_they_are_asked_for_again(compiler: Compile) -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.compile = compiler
        await site.open()
        await site.fleet.upsert([item(1), item(2), item(3)])
        await site.close()
        site.store = MemoryStore()
        await site.open()
        await site.pass_time(1)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert len(view.foreign_slots) == 3
        assert only(await site.fleet.upsert([item(1, start=600)])).success
        assert site.held("lobby")[link(1)] == (600, 660), "in one slot only"
        await site.fleet.bind(link(2), ["gate"])
        await site.fleet.upsert([item(2)])
        await site.pass_time(1)
        assert site.held("lobby").keys() == {link(1), link(3)}
        assert site.held("gate").keys() == {link(1), link(2), link(3)}
        assert only(await site.fleet.delete([link(3)])).success
        assert site.held("lobby").keys() == {link(1)}

    on_site(test, "lobby", "gate")


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_a_killed_gateway_was_about_to_write_is_no_drift(confirmed: bool) -> None:
    """The mark that a panel is being written is kept before the first byte."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.pass_time(2)
        site.drivers["lobby"].latency_s = 0.2
        asked = asyncio.create_task(site.fleet.upsert([item(2)]))
        await site.pass_time(0.25 if confirmed else 0.15)
        assert site.held("lobby").keys() == {link(1), link(2)}
        await site.kill()
        assert asked.done()
        site.panels["lobby"].readings.clear()
        await site.open()
        await site.pass_time(2)
        assert site.panels["lobby"].readings == ["status", "identity", "read_back"]
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.drifts, view.held) == ("in_sync", 0, 2)

    on_site(test)


def test_what_leaves_an_unlabelled_panel_is_known_as_ours_though_the_memory_of_it_is_lost() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.labelled = False
        await site.fleet.upsert([item(1), item(2, start=600)])
        site.drivers["lobby"].feed.set(Availability.BUS_UNAVAILABLE)
        await site.pass_time(1)
        await site.fleet.delete([link(1)])
        await site.fleet.upsert([item(2, start=700)])
        assert len(panel.slots) == 2
        site.store.clean = False
        await site.crash(lose_lazy=True)
        await site.open()
        site.store.clean = True
        site.drivers["lobby"].back()
        await site.pass_time(10)
        assert site.held("lobby") == {link(2): (700, 760)}
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.foreign_slots == ()

    on_site(test)
