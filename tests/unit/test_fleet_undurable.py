"""A store that takes nothing: what was taken away must not stay open, and nobody is told that it will stay away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from drivers.contract import ItemState, Period, Reason, Slot
from gateway.fleet.results import Change, LinkReport
from gateway.store.contract import StoreError, StoreFull, StoreUnavailable
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual

REFUSALS = [StoreFull("no room"), StoreUnavailable("read-only"), StoreUnavailable("disk I/O error")]


def on_site(test: Callable[[FleetSite], Awaitable[None]], *panels: str) -> None:
    async def main() -> None:
        site = FleetSite({name: FakePanel() for name in panels or ("lobby",)})
        await site.open()
        await test(site)
        await site.close()

    run_virtual(main())


async def deleted(site: FleetSite, number: int) -> LinkReport:
    (report,) = await site.fleet.delete([link(number)])
    return report


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_deletion_closes_the_door_although_nothing_can_be_stored(refusal: StoreError) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.store.refuse = site.store.refuse_lazy = refusal
        report = await deleted(site, 1)
        assert (report.change, report.success) == (Change.DELETED, False)
        assert {(each.success, each.outcome, each.reason) for each in report.panels} == {
            (False, ItemState.REMOVED, Reason.NOT_DURABLE)
        }
        assert [site.held(name).keys() for name in site.panels] == [{link(2)}] * len(site.panels)
        assert [each.link_id for each in site.fleet.profiles()] == [link(2)]
        assert site.store.desired[link(1)].profile is not None

    on_site(test, "lobby", "gate")


def test_it_is_made_durable_as_soon_as_the_store_writes_again() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.store.refuse = site.store.refuse_lazy = REFUSALS[0]
        await deleted(site, 1)
        site.metrics.watch_store(site.store_view)
        assert "panel_gateway_deletions_not_durable 1.0" in site.metrics.exposition().decode()
        await site.pass_time(60)
        site.store.refuse = site.store.refuse_lazy = None
        await site.pass_time(10)
        assert "panel_gateway_deletions_not_durable 0.0" in site.metrics.exposition().decode()
        assert site.store.desired.keys() == {link(2)}, "deleted, and its tombstone is no longer needed"
        assert (await deleted(site, 1)).change is Change.NOT_FOUND

    on_site(test)


def test_who_asks_again_is_told_the_same_until_it_is_durable() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.store.refuse = site.store.refuse_lazy = REFUSALS[1]
        for _ in range(3):
            report = await deleted(site, 1)
            assert (report.change, report.success) == (Change.DELETED, False)
            await site.pass_time(20)

    on_site(test)


def test_a_deletion_that_no_panel_is_bound_to_is_no_success_either() -> None:
    async def test(site: FleetSite) -> None:
        site.fleet.set_rules([], {})
        await site.fleet.upsert([item(1)])
        site.store.refuse = REFUSALS[0]
        report = await deleted(site, 1)
        assert (report.change, report.success, report.panels) == (Change.DELETED, False, ())

    on_site(test)


def test_what_is_asked_anew_comes_after_the_deletion() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.store.refuse = REFUSALS[0]
        await deleted(site, 1)
        with pytest.raises(StoreFull):
            await site.fleet.upsert([item(1, start=600)])
        assert site.held("lobby") == {}
        site.store.refuse = None
        (report,) = await site.fleet.upsert([item(1, start=600)])
        assert (report.change, report.success) == (Change.CREATED, True)
        assert site.held("lobby") == {link(1): (600, 660)}
        await site.pass_time(60)
        assert site.held("lobby") == {link(1): (600, 660)}
        assert [profile is None for _, profile in site.store.history] == [False, True, False]

    on_site(test)


def test_a_panel_that_is_away_meanwhile_loses_it_when_it_is_back() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.panels["lobby"].online = False
        site.store.refuse = site.store.refuse_lazy = REFUSALS[1]
        report = await deleted(site, 1)
        assert (report.success, report.durable) == (False, False)
        assert [(each.outcome, each.reason, each.message) for each in report.panels] == [
            (ItemState.PENDING, Reason.NOT_DURABLE, "bus_unavailable: the store refused: read-only")
        ]
        site.drivers["lobby"].back()
        await site.pass_time(400)
        assert site.held("lobby").keys() == {link(2)}

    on_site(test)


@pytest.mark.parametrize("away", [("gate",), ("lobby", "gate")], ids="+".join)
def test_who_deletes_while_a_panel_is_away_is_told_that_a_restart_brings_it_back_there_too(away: tuple[str, ...]) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        for name in away:
            site.panels[name].online = False
        site.store.refuse = REFUSALS[0]
        report = await deleted(site, 1)
        assert {each.reason for each in report.panels} == {Reason.NOT_DURABLE}
        told = {each.panel: (each.outcome, (each.message or "").startswith("no_reply")) for each in report.panels}
        assert told == {name: ((ItemState.PENDING, True) if name in away else (ItemState.REMOVED, False)) for name in site.panels}
        site.store.refuse = None
        await site.pass_time(10)
        again = await deleted(site, 1)
        assert (again.durable, {each.reason for each in again.panels if not each.success}) == (True, {Reason.QUARANTINED})

    on_site(test, "lobby", "gate")


def test_what_only_a_panel_knows_is_erased_although_nothing_can_be_stored() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.close()
        site.panels["lobby"].slots[5] = Slot((link(7),), (Period(1, 0, 10),))
        await site.open()
        await site.pass_time(20)
        site.store.refuse = REFUSALS[1]
        first, second = await site.fleet.delete([link(1), link(7)])
        assert [(each.change, each.success, each.durable) for each in (first, second)] == [(Change.DELETED, False, False)] * 2
        assert site.panels["lobby"].slots == {}
        site.store.refuse = None
        await site.pass_time(30)
        assert (await deleted(site, 7)).change is Change.NOT_FOUND
        assert site.store.desired == {}

    on_site(test)


def test_a_deletion_does_not_wait_for_slots_that_cannot_be_stored() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        site.panels["lobby"].online = False
        await site.fleet.upsert([item(4)])
        await site.fleet.upsert([item(3)])
        assert link(3) not in site.store.allocations["lobby"]
        site.store.refuse = site.store.refuse_lazy = REFUSALS[0]
        site.drivers["lobby"].back()
        await deleted(site, 1)
        await site.pass_time(30)
        assert site.held("lobby").keys() == {link(2)}
        site.store.refuse = site.store.refuse_lazy = None
        await site.pass_time(200)
        assert site.held("lobby").keys() == {link(2), link(3), link(4)}

    on_site(test)


def test_a_stop_tries_once_more_to_keep_it() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        await site.open()
        await site.fleet.upsert([item(1)])
        site.store.refuse = REFUSALS[0]
        await deleted(site, 1)
        site.store.refuse = None
        await site.close()
        assert site.store.desired[link(1)].profile is None

    run_virtual(main())
