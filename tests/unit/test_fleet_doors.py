"""Doors of a site: what a lock opens at each panel, and which outputs time profiles may hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import BindingSettings, DoorSettings
from drivers.contract import ItemState
from gateway.fleet.views import CannotDo
from simulators.site import SimulatedSite
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_identifiers import lets_in, panel_of, person
from tests.unit.test_fleet_simulated import gateway_on, tcp_lines, until

RELAYS = replace(ACCESS_PANEL, max_schedules=0, clock="none", outputs=8, output_deadman=True)
NOW_MINUTE = START % 86_400 // 60


def door(name: str, output: int, number: int | None = None, panel: str = "lobby", *, hold: bool = False) -> DoorSettings:
    return DoorSettings(id=name, panel=panel, output=output, number=number, allow_door_hold=hold)


def on_relays(test: Callable[[FleetSite], Awaitable[None]], *doors: DoorSettings) -> None:
    async def main() -> None:
        site = FleetSite({"gate": FakePanel(RELAYS)}, doors=doors)
        site.rules = (BindingSettings(link_id=link(1), panels=("gate:3",)),)
        await site.open()
        try:
            await test(site)
        finally:
            await site.close()

    run_virtual(main())


async def test_a_card_opens_the_doors_that_its_lock_means_at_each_panel_also_after_a_change_of_doors(tmp_path: Path) -> None:
    settings = tcp_lines("lobby", "cellar")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "state.db") as running:
        lobby, cellar = panel_of(simulated, "lobby"), panel_of(simulated, "cellar")

        def opened(panel: object = lobby, card: str = "99") -> list[int]:
            at = panel_of(simulated, "lobby" if panel is lobby else "cellar")
            return [output for output in range(8) if lets_in(at, card, START, output)]

        await running.fleet.upsert([person(1, "99"), person(2, "77", lock="all")])
        assert (opened(), opened(cellar), opened(card="77")) == ([0], [0], [0, 1])
        running.fleet.set_doors((door("front", 5, 3), door("yard", 2, 1), door("hatch", 6)))
        await until(lambda: (opened(), opened(cellar), opened(card="77")) == ([2], [], [2, 5]))
        view = running.fleet.panel("cellar")
        assert view is not None
        assert {each.outcome for each in view.items} == {ItemState.REFUSED}
        running.fleet.set_doors(())
        await until(lambda: (opened(), opened(cellar)) == ([0], [0]))


def test_a_time_profile_holds_a_door_only_where_the_site_allows_it() -> None:
    def is_on(site: FleetSite) -> bool:
        return site.panels["gate"].outputs.get(3, 0.0) > site.clock.monotonic()

    async def test(site: FleetSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        (result,) = report.panels
        assert (result.outcome, is_on(site)) == (ItemState.REFUSED, False)
        assert "allow_door_hold" in (result.message or "")
        with pytest.raises(CannotDo, match="gate:3 is the door front"):
            await site.fleet.bind(link(2), ["gate:3"])
        site.fleet.set_doors((door("front", 3, panel="gate", hold=True),))
        await site.pass_time(2)
        assert is_on(site)
        site.fleet.set_doors((door("front", 3, panel="gate"),))
        await site.pass_time(2)
        assert not is_on(site)

    on_relays(test, door("front", 3, panel="gate"))
