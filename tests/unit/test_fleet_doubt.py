"""A store that is older than what was asked: until somebody says that it counts, doors may close and none is opened by it."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable

import pytest

from drivers.contract import ItemState
from gateway.fleet.results import Change
from gateway.fleet.views import CannotDo
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


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("verb", ["reinit", "erase"])
def test_no_verb_takes_away_what_an_older_store_does_not_know(verb: str, labelled: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        older = kept(site)
        await site.fleet.upsert([item(2)])
        before = dict(site.panels["lobby"].slots)
        await put_back(site, older)
        with pytest.raises(CannotDo, match="trust-store"):
            await getattr(site.fleet, verb)("lobby")
        await site.pass_time(600)
        assert site.panels["lobby"].slots == before
        await site.fleet.believe()
        await getattr(site.fleet, verb)("lobby")
        await site.pass_time(60)
        assert site.held("lobby").keys() == ({link(1)} if verb == "reinit" else set())

    on_site(test, labelled=labelled)


def test_an_older_store_that_says_that_a_panel_is_to_be_erased_erases_nothing() -> None:
    """It was erased, taken back by `reinit`, and filled anew since."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.fleet.erase("lobby")
        await site.pass_time(60)
        older, facts = kept(site), copy.deepcopy(site.store.panel_facts)
        await site.fleet.reinit("lobby")
        await site.fleet.upsert([item(2)])
        await site.pass_time(60)
        before = dict(site.panels["lobby"].slots)
        assert len(before) == 2
        site.store.panel_facts = facts
        await put_back(site, older)
        await site.pass_time(600)
        assert site.panels["lobby"].slots == before

    on_site(test)


def test_the_metrics_say_that_the_store_is_not_trusted() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.metrics.watch_store(site.store_view)
        assert "panel_gateway_store_trusted 1.0" in site.metrics.exposition().decode()
        await put_back(site, kept(site))
        assert "panel_gateway_store_trusted 0.0" in site.metrics.exposition().decode()
        await site.fleet.believe()
        assert "panel_gateway_store_trusted 1.0" in site.metrics.exposition().decode()

    on_site(test)


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
