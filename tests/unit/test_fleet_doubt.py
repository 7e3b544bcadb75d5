"""A store that is older than what was asked: until somebody says that it counts, doors may close and none is opened by it."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable

import pytest

from drivers.contract import ItemState
from gateway.fleet.results import Change
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_outputs import NOW_MINUTE, is_on, on_relays

STATE = ("desired", "allocations", "overrides", "observed")


def on_site(test: Callable[[FleetSite], Awaitable[None]], *, labelled: bool = True) -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(labelled=labelled)})
        await site.open()
        await test(site)
        await site.close()

    run_virtual(main())


def kept(site: FleetSite) -> dict[str, object]:
    return {name: copy.copy(getattr(site.store, name)) for name in STATE}


async def put_back(site: FleetSite, older: dict[str, object]) -> None:
    """The gateway ends, and finds the older store when it starts."""
    await site.close()
    for name, value in older.items():
        setattr(site.store, name, value)
    site.store.doubt, site.store.clean = "it is older than its mark", False
    await site.open()
    await site.pass_time(30)


@pytest.mark.parametrize("labelled", [True, False])
def test_what_the_older_store_does_not_know_stays_open(labelled: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        older = kept(site)
        await site.fleet.upsert([item(3), item(2, start=600)])
        before = dict(site.panels["lobby"].slots)
        await put_back(site, older)
        await site.pass_time(600)
        assert site.panels["lobby"].slots == before
        assert site.fleet.doubt() == "it is older than its mark"

    on_site(test, labelled=labelled)


@pytest.mark.parametrize("labelled", [True, False])
def test_nothing_is_opened_by_an_older_store_until_it_is_believed(labelled: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        older = kept(site)
        await site.fleet.delete([link(2)])
        await put_back(site, older)
        (report,) = await site.fleet.upsert([item(4)])
        assert (report.success, {each.outcome for each in report.panels}) == (False, {ItemState.PENDING})
        assert "trust-store" in str(report.panels[0].message)
        await site.fleet.sync("lobby")
        await site.fleet.retry("lobby")
        await site.pass_time(600)
        assert site.held("lobby").keys() == {link(1)}
        await site.fleet.believe()
        await site.pass_time(30)
        assert site.held("lobby").keys() == {link(1), link(2), link(4)}
        assert (await site.fleet.upsert([item(4)]))[0].success

    on_site(test, labelled=labelled)


@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_deleted_meanwhile_closes(labelled: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await put_back(site, kept(site))
        (report,) = await site.fleet.delete([link(1)])
        assert (report.change, report.success) == (Change.DELETED, True)
        assert site.held("lobby").keys() == {link(2)}

    on_site(test, labelled=labelled)


def test_an_output_is_not_held_by_an_older_store() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        older = kept(site)
        await site.fleet.delete([link(1)])
        await put_back(site, older)
        await site.pass_time(60)
        assert not is_on(site)
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        assert not report.success
        await site.fleet.believe()
        await site.pass_time(60)
        assert is_on(site)

    on_relays(test)
