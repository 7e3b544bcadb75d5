from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from drivers.contract import ItemState, Period, Priority, Reason, Slot
from gateway.fleet.results import Change, LinkReport
from tests.support.fake_panel import SILENT, FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual


def on_site(test: Callable[[FleetSite], Awaitable[None]], *names: str, drift_share: float = 0.0) -> None:
    async def main() -> None:
        site = FleetSite({name: FakePanel() for name in names or ("lobby",)}, drift_share=drift_share)
        await site.open()
        try:
            await test(site)
        finally:
            await site.close()

    run_virtual(main())


def only(reports: tuple[LinkReport, ...]) -> LinkReport:
    (report,) = reports
    return report


def test_first_push_reaches_every_panel_and_again_sends_nothing() -> None:
    async def test(site: FleetSite) -> None:
        reports = await site.fleet.upsert([item(1), item(2)])
        assert [report.change for report in reports] == [Change.CREATED, Change.CREATED]
        assert all(report.success for report in reports)
        assert {result.panel for report in reports for result in report.panels} == {"lobby", "gate"}
        assert site.held("lobby") == site.held("gate") == {link(1): (540, 600), link(2): (540, 600)}
        before = [len(panel.transactions) + len(panel.readings) for panel in site.panels.values()]
        again = await site.fleet.upsert([item(1), item(2)])
        assert [(report.change, report.success) for report in again] == [(Change.UPDATED, True)] * 2
        assert before == [len(panel.transactions) + len(panel.readings) for panel in site.panels.values()]

    on_site(test, "lobby", "gate")


def test_change_and_delete() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        changed = only(await site.fleet.upsert([item(1, start=600)]))
        assert (changed.change, changed.success) == (Change.UPDATED, True)
        assert site.held("lobby") == {link(1): (600, 660), link(2): (540, 600)}
        deleted = only(await site.fleet.delete([link(1)]))
        assert (deleted.change, deleted.success) == (Change.DELETED, True)
        assert deleted.panels[0].outcome is ItemState.REMOVED
        assert site.held("lobby") == {link(2): (540, 600)}
        again = only(await site.fleet.delete([link(1)]))
        assert (again.change, again.success) == (Change.NOT_FOUND, False)
        await site.pass_time(10)
        assert link(1) not in site.store.desired, "the tombstone is forgotten"

    on_site(test)


def test_closings_travel_before_openings() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        panel = site.panels["lobby"]
        panel.online = False
        site.drivers["lobby"].feed.set(site.drivers["lobby"].feed.current)
        await site.fleet.upsert([item(3), item(2, start=700)])
        await site.fleet.delete([link(1)])
        site.drivers["lobby"].back()
        seen = len(panel.transactions)
        await site.pass_time(1)
        priorities = [priority for priority, _ in panel.transactions[seen:]]
        assert priorities == [Priority.REVOCATION, Priority.GRANT]
        first = panel.transactions[seen][1]
        assert {each for slot in first.slots.values() for each in slot.link_ids} == {link(2)}
        assert site.held("lobby") == {link(2): (700, 760), link(3): (540, 600)}

    on_site(test)


def test_a_dead_panel_is_told_apart_and_catches_up() -> None:
    async def test(site: FleetSite) -> None:
        await site.pass_time(1)
        site.panels["gate"].online = False
        report = only(await site.fleet.upsert([item(1)]))
        assert not report.success
        lobby, gate = report.panels
        assert lobby.success
        assert (gate.outcome, gate.reason, gate.message) == (ItemState.PENDING, Reason.NO_REPLY, SILENT)
        again = only(await site.fleet.upsert([item(1)])).panels[1]
        assert (again.reason, again.message) == (Reason.QUARANTINED, f"after no_reply: {SILENT}")
        deleted = only(await site.fleet.delete([link(1)])).panels[1]
        assert (deleted.reason, deleted.message) == (Reason.QUARANTINED, f"after no_reply: {SILENT}")
        await site.pass_time(100)
        view = site.fleet.panel("gate")
        assert view is not None
        assert view.last_error == f"quarantined: after no_reply: {SILENT}"
        await site.fleet.upsert([item(1)])
        site.drivers["gate"].back()
        await site.pass_time(1)
        assert site.held("gate") == {link(1): (540, 600)}
        assert only(await site.fleet.upsert([item(1)])).success

    on_site(test, "lobby", "gate")


def test_lost_reply_is_read_back_before_anything_is_claimed() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.faults.append("lost_reply")
        report = only(await site.fleet.upsert([item(1)]))
        assert (report.success, report.panels[0].reason) == (False, Reason.NO_REPLY)
        await site.pass_time(5)
        assert len(panel.transactions) == 1, "it was there already"
        assert only(await site.fleet.upsert([item(1)])).success

    on_site(test)


@pytest.mark.parametrize("verb", ["retry", "reinit"])
def test_one_refused_profile_keeps_nobody_else_out(verb: str) -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.refuses.add(link(2))
        await site.fleet.upsert([item(1), item(2), item(3)])
        await site.pass_time(200)
        assert site.held("lobby").keys() == {link(1), link(3)}
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.held, view.refused, view.pending) == ("refused", 2, 1, 0)
        panel.refuses.clear()
        await site.pass_time(200)
        assert site.held("lobby").keys() == {link(1), link(3)}, "given up"
        await {"retry": site.fleet.retry, "reinit": site.fleet.reinit}[verb]("lobby")
        await site.pass_time(5)
        assert site.held("lobby").keys() == {link(1), link(2), link(3)}

    on_site(test)


def test_a_transient_fault_is_never_given_up() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.faults.extend(["not_sent", "lost_request"] * 20)
        await site.fleet.upsert([item(1)])
        await site.pass_time(3600)
        assert site.held("lobby") == {link(1): (540, 600)}

    on_site(test)


def test_foreign_slots_are_left_alone_until_reinit() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        foreign = Slot(("aaaaaaaa-0000-0000-0000-000000000001",), (Period(127, 0, 1440),))
        site.panels["lobby"].slots = {0: foreign, 1: Slot((), opaque=(7,) * 64)}
        await site.open()
        await site.fleet.upsert([item(1)])
        assert site.panels["lobby"].slots[0] == foreign
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.foreign_slots, view.state) == ((0, 1), "foreign")
        await site.fleet.reinit("lobby")
        await site.pass_time(5)
        assert site.held("lobby") == {link(1): (540, 600)}
        assert len(site.panels["lobby"].slots) == 1

    on_site(test)


def test_an_erasure_that_the_panel_refuses_is_tried_again_and_nothing_is_said_to_be_erased_before() -> None:
    async def test(site: FleetSite) -> None:
        stranger = Slot(("aaaaaaaa-0000-0000-0000-000000000001",), (Period(1, 0, 10),))
        panel = site.panels["lobby"]
        await site.fleet.upsert([item(1)])
        panel.slots[7] = stranger
        panel.faults.extend(["rejected", "rejected"])
        await site.fleet.reinit("lobby")
        await site.pass_time(0.5)
        assert panel.slots[7] == stranger
        report = only(await site.fleet.upsert([item(2)]))
        assert not report.success
        await site.pass_time(300)
        assert site.held("lobby") == {link(1): (540, 600), link(2): (540, 600)}
        assert 7 not in panel.slots

    on_site(test)


def test_a_panel_that_answers_no_look_in_the_background_is_not_said_to_be_in_step() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        await site.pass_time(100)
        panel.deaf.extend([True] * 3)
        while panel.deaf:
            await site.pass_time(0.1)
            view = site.fleet.panel("lobby")
            assert view is not None
            assert view.state == "in_sync" or len(panel.deaf) < 3
        panel.deaf.extend([True] * 50)
        await site.pass_time(5)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.state == "syncing"
        panel.deaf.clear()
        await site.pass_time(120)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.state == "in_sync"

    on_site(test, drift_share=0.5)


def test_a_stop_waits_for_no_look_in_the_background() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.drivers["lobby"].background_s = 60.0
        await site.pass_time(100)
        began = site.clock.monotonic()
        await site.close()
        assert site.clock.monotonic() - began < 1
        await site.open()

    on_site(test, drift_share=0.5)


def test_clock_is_set_at_first_contact_and_after_a_power_cut() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        assert panel.clock_offset_s == 0
        await site.pass_time(100)
        panel.power_cut(site.clock.monotonic())
        await site.fleet.sync("lobby")
        await site.pass_time(2)
        assert panel.clock_offset_s == 0
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.resets, view.state) == (1, "in_sync")

    on_site(test)


def test_nothing_is_opened_on_a_panel_without_a_clock() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.panels["lobby"].takes_clock = False
        await site.open()
        report = only(await site.fleet.upsert([item(1)]))
        assert (report.success, report.panels[0].reason) == (False, Reason.CLOCK_NOT_SET)
        assert site.held("lobby") == {}
        site.panels["lobby"].takes_clock = True
        await site.pass_time(100)
        assert site.held("lobby") == {link(1): (540, 600)}

    on_site(test)


def test_restart_reads_quickly_and_writes_nothing() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await site.close()
        panel = site.panels["lobby"]
        written, panel.readings = len(panel.transactions), []
        await site.open()
        await site.pass_time(2)
        assert len(panel.transactions) == written
        assert panel.readings == ["status", "identity", "quick_look"]
        assert only(await site.fleet.upsert([item(1)])).success

    on_site(test)


def test_crash_that_loses_what_was_observed_reads_back_and_writes_nothing() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await site.crash(lose_lazy=True)
        written = len(site.panels["lobby"].transactions)
        await site.open()
        await site.pass_time(2)
        assert len(site.panels["lobby"].transactions) == written
        assert only(await site.fleet.upsert([item(2)])).success

    on_site(test)


def test_what_was_deleted_while_a_panel_was_away_leaves_it_also_after_a_crash() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.panels["lobby"].online = False
        report = only(await site.fleet.delete([link(1)]))
        assert (report.change, report.success) == (Change.DELETED, False)
        await site.crash(lose_lazy=True)
        await site.open()
        await site.pass_time(30)
        assert link(1) in site.store.desired
        site.drivers["lobby"].back()
        await site.pass_time(30)
        assert site.held("lobby") == {link(2): (540, 600)}
        assert link(1) not in site.store.desired

    on_site(test)


def test_binding_moves_a_profile() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.fleet.bind(link(1), ["gate"])
        await site.pass_time(1)
        assert (site.held("lobby"), site.held("gate")) == ({}, {link(1): (540, 600)})
        assert await site.fleet.unbind(link(1))
        assert not await site.fleet.unbind(link(1))
        await site.pass_time(1)
        assert site.held("lobby") == site.held("gate") == {link(1): (540, 600)}

    on_site(test, "lobby", "gate")


def test_a_request_meeting_a_slow_panel_answers_at_its_deadline() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.deadline_s = 0.045
        await site.open()
        report = only(await site.fleet.upsert([item(1)]))
        assert (report.success, report.panels[0].reason) == (False, Reason.DEADLINE_PASSED)
        await site.pass_time(1)
        assert site.held("lobby") == {link(1): (540, 600)}

    on_site(test)


def test_drift_is_counted_and_repaired() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.drift_share = 0.02
        await site.open()
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        panel.slots[0] = Slot((link(1),), (Period(127, 0, 1440),))
        await site.pass_time(70)
        assert site.held("lobby") == {link(1): (540, 600)}
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.drifts, view.state) == (1, "in_sync")

    on_site(test)


def test_many_requests_for_one_profile_end_with_the_newest() -> None:
    async def test(site: FleetSite) -> None:
        await asyncio.gather(*(site.fleet.upsert([item(1, start=540 + n)]) for n in range(10)))
        assert site.held("lobby") == {link(1): (549, 609)}

    on_site(test)


def test_the_request_whose_attempt_found_a_panel_silent_says_why_whoever_else_it_waits_for() -> None:
    async def test(site: FleetSite) -> None:
        await site.pass_time(1)
        site.panels["gate"].online = False
        site.drivers["lobby"].latency_s = 20.0
        lobby, gate = only(await site.fleet.upsert([item(1)])).panels
        assert (lobby.reason, lobby.message) == (Reason.DEADLINE_PASSED, "not yet: the gateway is still working on it")
        assert gate.reason is Reason.NO_REPLY, "it was tried again meanwhile, and not asked"

    on_site(test, "lobby", "gate")


def test_who_asks_for_the_same_again_waits_for_a_panel_that_has_lost_it() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.panels["lost"].slots.clear()
        await site.fleet.sync("lost")
        reports = await site.fleet.upsert([item(1), item(2)])
        assert all(report.success for report in reports)
        assert site.held("lost") == site.held("kept")
        site.panels["lost"].slots.clear()
        site.panels["lost"].online = False
        await site.fleet.sync("lost")
        for report in await site.fleet.upsert([item(1), item(2)]):
            assert {each.panel: each.success for each in report.panels} == {"kept": True, "lost": False}

    on_site(test, "kept", "lost")
