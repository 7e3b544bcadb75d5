"""What a site would suffer from a relay that a board goes on holding after the board has left the configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.contract import Availability, PanelCapabilities, Reason
from gateway.concurrency import Ticket
from gateway.fleet.panel.departed import Departed, DepartedPlace
from gateway.fleet.panel.place import PlaceDays, PlacePlan, all_of_it
from gateway.fleet.results import Change, LinkReport
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.panel_parts import bound
from tests.support.virtual_time import run_virtual
from tests.unit.compiler_oracle import record
from tests.unit.test_fleet_outputs import NOW_MINUTE, is_on

RELAYS = record("waveshare-relay-8ch")
LATCHED = replace(RELAYS, output_deadman=False)
GE = replace(record("ge-a-series"), outputs=66)
SETTINGS = PanelSettings(id="gate", model="relays", on_stop="hold", allow_unattended_outputs=True)
OPEN_NOW = {"start": NOW_MINUTE - 30, "length": 200}


def on_board(
    test: Callable[[FleetSite], Awaitable[None]], capabilities: PanelCapabilities, settings: PanelSettings = SETTINGS
) -> None:
    """A board whose output 3 is on for items 1 and 2, and output 4 for item 3."""

    async def main() -> None:
        serial = "4711" if capabilities is ACCESS_PANEL else None
        site = FleetSite({"gate": FakePanel(capabilities, labelled=capabilities is ACCESS_PANEL, serial=serial)})
        outputs = {1: 3, 2: 3, 3: 4}
        site.rules = tuple([BindingSettings(link_id=link(n), panels=(f"gate:{output}",)) for n, output in outputs.items()])
        site.settings["gate"] = settings
        await site.open()
        await site.pass_time(1)
        await site.fleet.upsert([item(number, **OPEN_NOW) for number in outputs])
        assert is_on(site)
        await test(site)
        await site.close()

    run_virtual(main())


async def leave(site: FleetSite, *, restarted: bool = False) -> FakePanel:
    """The board is taken out of the file, while the gateway runs or while it does not."""
    if restarted:
        await site.kill()
        unit = site.panels.pop("gate")
        await site.open()
        site.fleet.expect_panels([])
        await site.pass_time(1)
    else:
        site.fleet.expect_panels([])
        await site.fleet.remove_panel("gate")
        unit = site.panels.pop("gate")
    return unit


async def deleted(site: FleetSite, number: int = 1) -> LinkReport:
    (report,) = await site.fleet.delete([link(number)])
    return report


def departed(site: FleetSite) -> dict[str, set[str]]:
    return {each.id: set(each.holds) for each in site.fleet.departed()}


ALL = {"gate": {link(1), link(2), link(3)}}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("capabilities", [LATCHED, GE], ids=["latched relays", "ge-a-series"])
def test_a_deletion_is_no_success_while_a_board_that_left_holds_the_door_open(
    capabilities: PanelCapabilities, restarted: bool
) -> None:
    async def test(site: FleetSite) -> None:
        unit = await leave(site, restarted=restarted)
        assert departed(site) == ALL
        for _ in range(2):
            report = await deleted(site)
            assert (report.change, report.success) == (Change.DELETED, False)
            assert [(each.panel, each.reason) for each in report.panels] == [("gate:3", Reason.DEPARTED)]
            assert "panel-gateway forget gate" in (report.panels[0].message or "")
            await site.pass_time(100)
        explained = await site.fleet.explain(link(1), int(site.clock.wall()), None)
        assert explained is not None
        assert [each.panel for each in explained.panels] == ["gate:3"]
        await deleted(site, 2)
        site.panels["gate"] = unit
        site.fleet.expect_panels(["gate"])
        await site.add("gate")
        await site.pass_time(20)
        assert not is_on(site), "it came back, and what was deleted meanwhile holds nothing"
        assert is_on(site, 4), "and nothing else was switched off"
        assert (await deleted(site)).change is Change.NOT_FOUND

    on_board(test, capabilities)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_board_whose_relays_fall_off_by_themselves_is_told_until_they_have(restarted: bool) -> None:
    async def test(site: FleetSite) -> None:
        await leave(site, restarted=restarted)
        assert departed(site) == ALL
        assert not (await deleted(site)).success
        await site.pass_time(62)
        assert departed(site) == {}
        await site.pass_time(10)
        assert (await deleted(site)).change is Change.NOT_FOUND

    on_board(test, RELAYS)


def test_a_panel_that_left_may_hold_what_it_held_and_keeps_nobody_waiting() -> None:
    async def main() -> None:
        place = DepartedPlace(Departed("lobby", frozenset({link(1)})), None, ZoneInfo("UTC"))
        said = place.result(link(1))
        assert (said.success, said.reason, said.still_grants) == (False, Reason.DEPARTED, 0)
        assert place.last_seen(link(1)) == place.removal(link(1), 1) == said
        ticket = Ticket(1)
        place.settle(ticket, all_of_it)
        assert place.is_settled(link(1))
        assert await ticket.wait(0)
        assert await place.plan({link(1): bound(1)}) == PlacePlan({})
        assert await place.days(bound(1), 0, 1) == PlaceDays(None, None)

    run_virtual(main())


def test_a_board_that_was_forgotten_is_told_no_more() -> None:
    async def test(site: FleetSite) -> None:
        await leave(site)
        assert 'panel_gateway_departed_items{panel="gate"} 3.0' in exposition(site)
        await site.fleet.forget("gate")
        assert departed(site) == {}
        await site.kill()
        await site.open()
        site.fleet.expect_panels([])
        assert departed(site) == {}

    on_board(test, LATCHED)


def exposition(site: FleetSite) -> str:
    site.metrics.watch(site.fleet.panels, lambda: {name: len(keys) for name, keys in departed(site).items()})
    return site.metrics.exposition().decode()


@pytest.mark.parametrize("reached", [True, False])
def test_a_board_that_was_switched_off_when_it_left_holds_nothing(reached: bool) -> None:
    async def test(site: FleetSite) -> None:
        if not reached:
            site.panels["gate"].online = False
            site.drivers["gate"].feed.set(Availability.QUARANTINED)
        await leave(site)
        assert departed(site) == ({} if reached else ALL)
        assert (await deleted(site)).success is reached

    on_board(test, LATCHED, SETTINGS.model_copy(update={"on_stop": "off"}))


@pytest.mark.parametrize("capabilities", [LATCHED, ACCESS_PANEL], ids=["at the same place", "by its serial number"])
def test_a_board_under_another_id_is_switched_off_for_what_was_deleted_meanwhile(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        unit = await leave(site)
        unit.outputs = {3: float("inf"), 4: float("inf")}
        site.fleet.expect_panels(["hall"])
        for number in (1, 2):
            await deleted(site, number)
        site.panels["hall"], site.settings["hall"] = unit, SETTINGS.model_copy(update={"id": "hall"})
        site.fleet.set_rules((BindingSettings(link_id=link(3), panels=("hall:4",)),), {})
        await site.add("hall")
        await site.pass_time(20)
        assert departed(site) == {}
        assert {number for number, until in unit.outputs.items() if until > site.clock.monotonic()} == {4}
        assert (await deleted(site)).change is Change.NOT_FOUND

    on_board(test, capabilities)


async def away(site: FleetSite) -> None:
    site.panels["gate"].online = False
    await site.pass_time(5)


async def unbound(site: FleetSite) -> None:
    for number in (1, 2):
        await site.fleet.bind(link(number), [])


async def unbound_beside_another(site: FleetSite) -> None:
    """The other one that is bound to the output is closed by now."""
    await site.fleet.bind(link(1), [])
    await site.fleet.upsert([item(2, start=NOW_MINUTE - 300, length=10)])


async def unbound_and_killed(site: FleetSite) -> None:
    await unbound(site)
    await site.kill()
    await site.open()


async def no_longer_held(site: FleetSite) -> None:
    """The configuration does not allow outputs any more that stay on if the gateway dies."""
    site.settings["gate"] = SETTINGS.model_copy(update={"allow_unattended_outputs": False})
    await site.fleet.rest_panel("gate")
    await site.add("gate")


@pytest.mark.parametrize("how", [unbound, unbound_beside_another, unbound_and_killed, no_longer_held])
@pytest.mark.parametrize("capabilities", [LATCHED, GE], ids=["latched relays", "ge-a-series"])
def test_a_deletion_is_no_success_while_a_relay_is_on_that_the_item_has_left(
    capabilities: PanelCapabilities, how: Callable[[FleetSite], Awaitable[None]]
) -> None:
    async def test(site: FleetSite) -> None:
        await away(site)
        await how(site)
        await site.pass_time(5)
        for _ in range(2):
            report = await deleted(site)
            assert (report.change, report.success) == (Change.DELETED, False)
            assert [(each.panel, each.success) for each in report.panels] == [("gate:3", False)]
            await site.pass_time(100)
        assert is_on(site)
        site.panels["gate"].online = True
        await site.pass_time(100)
        assert not is_on(site)
        assert (await deleted(site)).change is Change.NOT_FOUND

    on_board(test, capabilities)


def test_a_relay_that_profiles_must_not_hold_any_more_goes_off() -> None:
    async def test(site: FleetSite) -> None:
        await no_longer_held(site)
        await site.pass_time(5)
        assert not is_on(site)
        assert (await deleted(site)).success

    on_board(test, LATCHED)


@pytest.mark.parametrize("why", ["away", "stuck"])
def test_a_relay_that_is_on_for_a_deleted_item_is_told_by_its_panel(why: str) -> None:
    """It cannot be reached, or it acknowledges and stays on."""

    async def test(site: FleetSite) -> None:
        if why == "away":
            await away(site)
        else:
            site.panels["gate"].stuck = True
        for number in (1, 2):
            await deleted(site, number)
        await site.pass_time(100)
        view = site.fleet.panel("gate")
        assert view is not None
        assert is_on(site)
        assert view.state == ("away" if why == "away" else "syncing")
        assert view.pending > 0
        assert view.still_granting > 0
        assert "output gate:3 is to be off, or on for somebody else, and may be on for what was taken from it" in view.warnings
        assert view.last_error is not None
        assert view.revocation_lag_s > 60
        site.panels["gate"].online, site.panels["gate"].stuck = True, False
        await site.pass_time(100)
        view = site.fleet.panel("gate")
        assert view is not None
        assert (view.state, view.pending, view.still_granting, view.warnings) == ("in_sync", 0, 0, ())

    on_board(test, LATCHED)
