"""Storage that wears out: openings wait for each other, closings for nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import pytest

from config.settings import PanelSettings
from drivers.contract import Reason
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import only


def spaced(panel: FakePanel) -> FleetSite:
    site = FleetSite({"lobby": panel}, deadline_s=1.0)
    site.settings["lobby"] = PanelSettings(id="lobby", model="open-access-panel", commit_spacing_s=60)
    return site


def test_openings_are_spaced_and_closings_never_wait() -> None:
    async def main() -> None:
        site = spaced(FakePanel())
        await site.open()
        assert only(await site.fleet.upsert([item(1)])).success
        began = site.clock.monotonic()
        waiting = only(await site.fleet.upsert([item(2)]))
        (result,) = waiting.panels
        assert (result.success, result.reason) == (False, Reason.DEADLINE_PASSED)
        assert "spaced" in (result.message or "")
        assert only(await site.fleet.upsert([item(1, start=600)])).success, "a change takes something away"
        assert only(await site.fleet.delete([link(1)])).success
        assert site.held("lobby") == {}
        closed = site.clock.monotonic()
        assert closed - began < 0.5, "no answer waits until the spaced write is due"
        await site.pass_time(closed + 59 - site.clock.monotonic())
        assert site.held("lobby") == {}
        await site.pass_time(2)
        assert site.held("lobby").keys() == {link(2)}
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.writes) == ("in_sync", {"flash": 4})
        await site.close()

    run_virtual(main())


def test_what_is_erased_by_an_operator_is_written_anew_at_once() -> None:
    async def main() -> None:
        site = spaced(FakePanel())
        await site.open()
        await site.fleet.upsert([item(1)])
        await site.fleet.reinit("lobby")
        await site.pass_time(2)
        assert site.held("lobby").keys() == {link(1)}
        await site.close()

    run_virtual(main())


def test_what_a_panel_has_earned_since_is_not_lost_by_a_kill() -> None:
    """Otherwise a gateway that is killed every day would soon write to a panel no more. It is stored once an hour."""

    async def main() -> None:
        site = spaced(FakePanel(replace(ACCESS_PANEL, endurance=100_000)))
        await site.open()
        await site.fleet.upsert([item(1)])
        await site.fleet.reinit("lobby")
        await site.pass_time(30 * 60)
        spent = stored(site)
        assert spent > 0
        await site.pass_time(3 * 3600)
        left = stored(site)
        assert left < spent
        await site.fleet.sync("lobby")
        await site.pass_time(60)
        assert stored(site) == left, "not with every look"
        await site.kill()
        await site.open()
        await site.pass_time(2)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.endurance is not None
        assert view.endurance.left > 13.69 - spent, "more than right after the erasure"
        await site.close()

    run_virtual(main())


def stored(site: FleetSite) -> float:
    """Writes of the table that are not earned back, as the store has them."""
    return float(json.loads(site.store.panel_facts["lobby"]["wear"]).get("table", 0.0))


@pytest.mark.parametrize("storage", ["ram", "eeprom"])
def test_memory_that_does_not_wear_out_is_not_spaced(storage: Literal["ram", "eeprom"]) -> None:
    async def main() -> None:
        site = spaced(FakePanel(replace(ACCESS_PANEL, storage=storage)))
        await site.open()
        await site.fleet.upsert([item(1)])
        assert only(await site.fleet.upsert([item(2)])).success == (storage == "ram")
        await site.close()

    run_virtual(main())
