"""Histories in which an answer could say more than the panels hold, or a revocation could be lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from config.settings import PanelSettings
from drivers.availability import _Listener
from drivers.contract import Availability, ItemState, Period, Reason, Slot
from gateway.store.contract import StoreError, StoreUnavailable
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import on_site, only


def test_an_upsert_that_a_deletion_overtakes_is_no_success() -> None:
    async def test(site: FleetSite) -> None:
        asked, deleted = await asyncio.gather(site.fleet.upsert([item(1)]), site.fleet.delete([link(1)]))
        assert site.held("lobby") == {}
        assert only(deleted).success
        report = only(asked)
        assert (report.success, [result.success for result in report.panels]) == (False, [False])
        assert report.panels[0].message == "overtaken: it was deleted meanwhile"

    on_site(test)


def test_a_deletion_that_an_upsert_overtakes_speaks_of_what_was_deleted() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        deleted, asked = await asyncio.gather(site.fleet.delete([link(1)]), site.fleet.upsert([item(1, start=600)]))
        assert site.held("lobby") == {link(1): (600, 660)}
        assert only(asked).success
        assert [(result.success, result.outcome) for result in only(deleted).panels] == [(True, ItemState.REMOVED)]

    on_site(test)


def test_an_upsert_overtaken_by_another_content_is_no_success() -> None:
    async def test(site: FleetSite) -> None:
        first, second = await asyncio.gather(site.fleet.upsert([item(1)]), site.fleet.upsert([item(1, start=600)]))
        assert site.held("lobby") == {link(1): (600, 660)}
        assert only(second).success
        assert not only(first).success
        assert "overtaken" in (only(first).panels[0].message or "")
        same = await asyncio.gather(site.fleet.upsert([item(1)]), site.fleet.upsert([item(1)]))
        assert all(only(reports).success for reports in same)

    on_site(test)


def test_grants_are_written_also_while_changes_never_cease() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        sent: list[int] = []

        async def never_ceasing() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(600):
                    group.create_task(site.fleet.upsert([item(1, start=540 + number % 60)]))
                    sent.append(number)
                    await asyncio.sleep(0.005)

        changing = asyncio.create_task(never_ceasing())
        await asyncio.sleep(0.1)
        report = only(await site.fleet.upsert([item(2)]))
        assert report.success
        assert len(sent) < 100
        await changing

    on_site(test)


def test_nothing_is_opened_after_its_deletion_was_answered() -> None:
    """The worker writes an image to its end though newer is asked for: without what was withdrawn meanwhile."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.drivers["lobby"].latency_s = 0.2
        first = asyncio.create_task(site.fleet.upsert([item(1, start=600), item(3), item(5)]))
        await site.pass_time(0.1)
        second = asyncio.create_task(site.fleet.upsert([item(2, start=600), item(4)]))
        await site.pass_time(0.2)
        assert only(await site.fleet.delete([link(3)])).success, "it was never written"
        changed = asyncio.create_task(site.fleet.upsert([item(5, start=700)]))
        while not changed.done():
            await site.pass_time(0.01)
            assert link(3) not in site.held("lobby")
            assert site.held("lobby").get(link(5)) in (None, (700, 760))
        await asyncio.gather(first, second)
        assert site.held("lobby").keys() == {link(number) for number in (1, 2, 4, 5)}

    on_site(test)


def test_slots_of_unknown_generation_still_grant() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        panel.slots[0] = Slot((link(1),), (Period(127, 0, 1440),))
        panel.faults.extend(["not_sent"] * 100)
        await site.fleet.sync("lobby")
        await site.pass_time(10)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.items[0].still_grants == 0, "which one is not known"
        assert view.revocation_lag_s > 0

    on_site(test)


def test_a_clock_that_cannot_be_written_does_not_keep_a_revocation_back() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        panel = site.panels["lobby"]
        panel.clock_offset_s, panel.clock_fault = 500.0, Reason.CORRUPT_REPLY
        await site.fleet.sync("lobby")
        await site.pass_time(1)
        deleted = only(await site.fleet.delete([link(1)]))
        assert deleted.success
        assert site.held("lobby").keys() == {link(2)}
        asked = only(await site.fleet.upsert([item(3)]))
        assert not asked.success
        assert site.held("lobby").keys() == {link(2)}
        panel.clock_fault = None
        await site.pass_time(100)
        assert site.held("lobby").keys() == {link(2), link(3)}

    on_site(test)


def test_a_deletion_is_no_success_while_what_it_overtook_is_on_its_way() -> None:
    async def test(site: FleetSite) -> None:
        await site.pass_time(1)
        site.drivers["lobby"].latency_s = 0.2
        asked = asyncio.create_task(site.fleet.upsert([item(1)]))
        await site.pass_time(0.05)
        deleted = only(await site.fleet.delete([link(1)]))
        assert deleted.success
        assert site.held("lobby") == {}
        await asked
        assert [len(image.slots) for _, image in site.panels["lobby"].transactions] == [1, 0]

    on_site(test)


def test_an_opening_that_the_store_cannot_mark_is_not_begun_and_a_closing_is() -> None:
    """What a panel may hold is stored before its first byte leaves: a gateway that dies in between must know of it."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.store.refuse_lazy = StoreError("no room")
        panel = site.panels["lobby"]
        before = len(panel.transactions)
        report = only(await site.fleet.upsert([item(2)]))
        assert (report.success, report.panels[0].outcome) == (False, ItemState.PENDING)
        assert (len(panel.transactions), site.held("lobby")) == (before, {link(1): (540, 600)})
        await site.fleet.delete([link(1)])
        await site.pass_time(1)
        assert site.held("lobby") == {}
        site.store.refuse_lazy = None
        await site.pass_time(120)
        assert site.held("lobby") == {link(2): (540, 600)}

    on_site(test)


def test_a_clock_that_somebody_else_puts_right_opens_what_was_withheld() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        await site.pass_time(1)
        panel.clock_offset_s, panel.takes_clock = 500.0, False
        await site.pass_time(600)
        assert not only(await site.fleet.upsert([item(1)])).success
        panel.clock_offset_s = 0.0
        await site.pass_time(100)
        assert site.held("lobby").keys() == {link(1)}

    on_site(test, drift_share=0.02)


def test_a_store_that_takes_nothing_for_a_while_ends_no_worker() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.store.refuse = site.store.refuse_lazy = StoreUnavailable("read-only")
        panel = site.panels["lobby"]
        panel.slots[0] = Slot((link(1),), (Period(127, 0, 1440),))
        await site.fleet.sync("lobby")
        await site.pass_time(300)
        assert not site.fleet.failed.done()
        site.store.refuse = site.store.refuse_lazy = None
        await site.pass_time(100)
        assert site.held("lobby") == {link(1): (540, 600), link(2): (540, 600)}
        assert only(await site.fleet.upsert([item(3)])).success

    on_site(test)


def test_a_look_in_the_background_keeps_no_request_waiting() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.drift_share = 0.02
        await site.open()
        await site.fleet.upsert([item(1)])
        site.drivers["lobby"].background_s = 5.0
        await site.pass_time(2)
        began = site.clock.monotonic()
        assert only(await site.fleet.delete([link(1)])).success
        assert site.clock.monotonic() - began < 0.1
        await site.pass_time(1)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.state == "in_sync"

    on_site(test)


def test_a_panel_whose_clock_was_seen_unset_holds_nothing_until_it_is_set() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        panel.power_cut(site.clock.monotonic())
        await site.fleet.sync("lobby")
        while panel.clock_offset_s is None:
            await site.pass_time(0.001)
            view = site.fleet.panel("lobby")
            assert view is not None
            assert (view.state, view.held) == ("syncing", 0) or panel.clock_offset_s is not None
        assert only(await site.fleet.upsert([item(1)])).success

    on_site(test)


def test_a_panel_that_comes_back_is_looked_at_before_anything_is_claimed_of_it() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        for gone in (Availability.QUARANTINED, Availability.BUS_UNAVAILABLE):
            panel.online = False
            site.drivers["lobby"].feed.set(gone)
            await site.pass_time(1)
            panel.slots.clear()
            site.drivers["lobby"].back()
            await site.pass_time(0.001)
            assert only(await site.fleet.upsert([item(1)])).success
            assert site.held("lobby") == {link(1): (540, 600)}

    on_site(test)


def test_a_feed_that_breaks_ends_the_work_for_its_panel_until_it_is_whole_again() -> None:
    async def test(site: FleetSite) -> None:
        broken = ZeroDivisionError("a defect")

        async def breaks(_: object) -> Availability:
            raise broken

        await site.fleet.remove_panel("lobby")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_Listener, "__anext__", breaks)
            await site.add("lobby")
            await site.pass_time(1)
            assert [view.state for view in site.fleet.panels()] == ["failed"]
        await site.pass_time(10)
        assert [view.state for view in site.fleet.panels()] == ["in_sync"]

    on_site(test)


def test_a_driver_that_breaks_its_contract_keeps_nobody_waiting() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["lobby"].defects = {"apply"}
        async with asyncio.timeout(1):
            report = only(await site.fleet.upsert([item(1)]))
        assert [result.success for result in report.panels] == [False, True]

    on_site(test, "lobby", "gate")


@pytest.mark.parametrize(("drift_share", "has_table", "warned"), [(0.5, True, False), (0.0, True, True), (0.0, False, False)])
def test_a_panel_that_is_not_read_as_often_as_asked_is_warned_of_and_no_other(
    drift_share: float, has_table: bool, warned: bool
) -> None:
    async def main() -> None:
        capabilities = ACCESS_PANEL if has_table else replace(ACCESS_PANEL, max_schedules=0, clock="none")
        site = FleetSite({"lobby": FakePanel(capabilities)}, drift_share=drift_share)
        site.settings["lobby"] = PanelSettings(id="lobby", model="open-access-panel", full_look_h=0.1)
        await site.open()
        await site.pass_time(1200)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert bool(view.warnings) is warned
        await site.close()

    run_virtual(main())
