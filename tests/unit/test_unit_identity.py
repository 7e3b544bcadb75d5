"""A unit that is not the panel: nothing is opened on it, nothing is claimed of it, and what was deleted is erased from it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest

from config.settings import BindingSettings, PanelSettings, serial_number
from drivers.contract import Acknowledgement, Availability, ItemState, Outcome, PanelCapabilities, Period, Reason, Slot
from gateway.compiler.compiler import compile_panel
from gateway.fleet.panel.identity import Neighbour, judge
from gateway.fleet.results import Change
from gateway.fleet.views import CannotDo, PanelView
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import only
from tests.unit.test_fleet_untrusted import MODELS

RULES = (
    BindingSettings(link_id=link(1), panels=("lobby", "vault")),
    BindingSettings(link_id=link(2), panels=("lobby",)),
    BindingSettings(link_id=link(3), panels=("vault",)),
)
"""Anybody may enter the lobby; the vault is for the first and the third."""


def two_panels(test: Callable[[FleetSite], Awaitable[None]], **kinds: object) -> None:
    """Both hold what is asked when the test begins."""

    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "vault": FakePanel()}, rules=RULES)
        for panel in site.panels.values():
            for name, value in kinds.items():
                setattr(panel, name, value)
        await site.open()
        await site.fleet.upsert([item(1), item(2), item(3, start=700)])
        await site.pass_time(2)
        assert [view.state for view in site.fleet.panels()] == ["in_sync", "in_sync"]
        await test(site)
        await site.close()

    run_virtual(main())


def swapped(site: FleetSite) -> None:
    site.panels["lobby"], site.panels["vault"] = site.panels["vault"], site.panels["lobby"]


def view(site: FleetSite, name: str) -> PanelView:
    found = site.fleet.panel(name)
    assert found is not None
    return found


async def reboot(site: FleetSite) -> None:
    await site.close()
    await site.open()
    await site.pass_time(30)


@pytest.mark.parametrize("kind", [{}, {"serial": None, "labelled": False}, {"serial": "99", "labelled": False}])
def test_the_vault_is_not_opened_to_everybody_when_two_adapters_change_names(kind: dict[str, object]) -> None:
    """With numbers, without, and where both units show the same number."""

    async def test(site: FleetSite) -> None:
        before = {name: site.held(name) for name in site.panels}
        swapped(site)
        await reboot(site)
        assert {view(site, name).state for name in site.panels} == {"identity_changed"}
        assert "are the ports swapped?" in (view(site, "lobby").last_error or "")
        assert "vault" in (view(site, "lobby").last_error or "")
        assert view(site, "lobby").held == 0, "nothing is claimed of it"
        report = only(await site.fleet.upsert([item(2, start=600)]))
        assert (report.success, report.panels[0].reason) == (False, Reason.IDENTITY_CHANGED)
        swapped(site)
        assert site.panels["vault"].slots.keys() == {0, 1}
        await reboot(site)
        assert [each.state for each in site.fleet.panels()] == ["in_sync", "in_sync"]
        assert site.held("vault") == before["vault"]

    two_panels(test, **kind)


def test_a_stranger_is_noticed_when_a_line_comes_back_or_a_unit_restarts() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.serial, written = "00000000DEADBEEF", len(panel.transactions)
        site.drivers["lobby"].feed.set(Availability.BUS_UNAVAILABLE)
        await site.pass_time(1)
        await site.fleet.upsert([item(4)])
        site.drivers["lobby"].back()
        await site.pass_time(5)
        assert view(site, "lobby").state == "identity_changed"
        assert len(panel.transactions) == written
        vault = site.panels["vault"]
        vault.serial = "00000000CAFE"
        vault.power_cut(site.clock.monotonic())
        await site.fleet.sync("vault")
        await site.pass_time(5)
        assert view(site, "vault").state == "identity_changed"
        assert vault.clock_offset_s is not None, "its clock is kept all the same"

    two_panels(test)


def test_a_blank_unit_is_no_replacement_of_one_that_answers_at_another_place() -> None:
    """The ports are swapped, and the unit of the vault, which is reached as the lobby, is replaced."""

    async def test(site: FleetSite) -> None:
        swapped(site)
        await reboot(site)
        site.panels["lobby"] = site.drivers["lobby"].panel = FakePanel()
        await site.fleet.sync("lobby")
        await site.pass_time(30)
        assert {view(site, name).state for name in site.panels} == {"identity_changed"}
        assert "vault's place" in (view(site, "lobby").last_error or "")
        assert site.panels["lobby"].slots == {}, "else the vault opened to the lobby's people"
        report = only(await site.fleet.delete([link(2)]))
        assert not report.success, "the lobby's own unit still opens by it"
        swapped(site)
        await reboot(site)
        assert [each.state for each in site.fleet.panels()] == ["in_sync", "in_sync"]
        assert link(2) not in {key for slot in site.panels["lobby"].slots.values() for key in slot.link_ids}

    two_panels(test)


def test_what_is_deleted_is_erased_from_a_stranger_too_and_nothing_else() -> None:
    async def test(site: FleetSite) -> None:
        swapped(site)
        await reboot(site)
        report = only(await site.fleet.delete([link(1)]))
        assert not report.success, "neither panel was seen without it"
        assert {each.reason for each in report.panels} == {Reason.IDENTITY_CHANGED}
        await site.pass_time(400)
        labels = [{key for slot in panel.slots.values() for key in slot.link_ids} for panel in site.panels.values()]
        assert labels == [{link(3)}, {link(2)}]

    two_panels(test)


def test_a_deletion_that_only_a_stranger_knows_closes_its_door_too() -> None:
    """The unit came from another site, and one of its slots was never asked for here."""

    async def test(site: FleetSite) -> None:
        vault = site.panels["vault"]
        vault.serial, vault.slots = "ANOTHER", {4: Slot((link(9),), (Period(127, 0, 1440),))}
        await site.fleet.sync("vault")
        await site.pass_time(5)
        report = only(await site.fleet.delete([link(9)]))
        assert (report.change, report.success) == (Change.DELETED, False)
        assert [each.reason for each in report.panels if each.panel == "vault"] == [Reason.IDENTITY_CHANGED]
        assert vault.slots == {}

    two_panels(test)


@pytest.mark.parametrize("serial", [True, False])
@MODELS
def test_three_units_that_changed_places_in_a_circle_open_nothing(capabilities: PanelCapabilities, serial: bool) -> None:
    async def main() -> None:
        names = ("lobby", "vault", "roof")
        site = FleetSite({name: FakePanel(capabilities, labelled=False) for name in names}, compile=compile_panel)
        for panel in site.panels.values():
            panel.serial = panel.serial if serial else None
        site.rules = tuple([BindingSettings(link_id=link(n), panels=(name,)) for n, name in enumerate(names)])
        await site.open()
        await site.fleet.upsert([item(n, start=100 + 400 * n) for n in range(3)])
        await site.pass_time(2)
        units = [site.panels[name] for name in names]
        site.panels.update(zip(names, (*units[1:], units[0]), strict=True))
        before = {name: dict(panel.slots) for name, panel in site.panels.items()}
        await reboot(site)
        assert {view.state for view in site.fleet.panels()} == {"identity_changed"}
        assert before == {name: dict(panel.slots) for name, panel in site.panels.items()}
        await site.close()

    run_virtual(main())


def test_an_empty_unit_with_a_new_number_is_filled_and_told() -> None:
    async def test(site: FleetSite) -> None:
        old = site.panels["lobby"].serial
        site.panels["lobby"] = FakePanel()
        await reboot(site)
        assert site.held("lobby").keys() == {link(1), link(2)}
        seen = view(site, "lobby")
        assert seen.state == "in_sync"
        assert seen.warnings == (f"replaced: serial number {str(old).lstrip('0')} before, {seen.serial} now",)
        assert b'panel_gateway_replacements_total{panel="lobby"} 1.0' in site.metrics.exposition()
        await reboot(site)
        assert view(site, "lobby").state == "in_sync", "its new number is remembered"

    two_panels(test)


@pytest.mark.parametrize("away_s", [3, 250])
def test_a_blank_unit_is_left_alone_until_its_neighbours_said_which_units_are_there(away_s: int) -> None:
    """The ports were exchanged and the unit of the vault replaced while nothing ran, and the vault's line is slow to come."""

    async def test(site: FleetSite) -> None:
        await site.close()
        blank, own = FakePanel(), site.panels["lobby"]
        site.panels.update(lobby=blank, vault=own)
        own.online = False
        await site.open()
        await site.pass_time(away_s)
        assert blank.slots == {}, "the vault opened to the lobby's people"
        assert view(site, "lobby").state == "identity_changed"
        assert "vault said which unit is there" in (view(site, "lobby").last_error or "")
        site.drivers["vault"].back()
        await site.pass_time(400)
        assert blank.slots == {}
        assert {view(site, name).state for name in site.panels} == {"identity_changed"}
        assert "vault's place" in (view(site, "lobby").last_error or "")

    two_panels(test)


def test_a_blank_unit_that_is_met_under_a_running_gateway_waits_for_its_neighbours_too() -> None:
    async def test(site: FleetSite) -> None:
        lobby, vault = site.drivers["lobby"], site.drivers["vault"]
        blank = FakePanel()
        for driver in (lobby, vault):
            driver.feed.set(Availability.BUS_UNAVAILABLE)
        await site.pass_time(5)
        vault.panel, lobby.panel = lobby.panel, blank
        lobby.back()
        await site.pass_time(60)
        assert blank.slots == {}
        vault.back()
        await site.pass_time(400)
        assert blank.slots == {}

    two_panels(test)


@pytest.mark.parametrize("serial", [True, False], ids=["a number", "no number"])
def test_a_neighbour_that_stays_away_keeps_a_replacement_empty_for_five_minutes(serial: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        blank = site.panels["lobby"] = FakePanel()
        if not serial:
            blank.serial = None
        site.panels["vault"].online = False
        await site.open()
        await site.pass_time(295)
        assert blank.slots == {}
        await site.pass_time(10)
        assert site.held("lobby").keys() == {link(1), link(2)}
        assert view(site, "lobby").state == "in_sync"

    two_panels(test)


def test_the_five_minutes_begin_anew_when_the_replacement_was_away_itself() -> None:
    """Its own line came back before those that lost their power together with it."""

    async def test(site: FleetSite) -> None:
        await site.close()
        blank = site.panels["lobby"] = FakePanel()
        site.panels["vault"].online = False
        await site.open()
        await site.pass_time(250)
        site.drivers["lobby"].feed.set(Availability.BUS_UNAVAILABLE)
        await site.pass_time(10)
        site.drivers["lobby"].back()
        await site.pass_time(250)
        assert blank.slots == {}

    two_panels(test)


def test_outputs_that_can_no_longer_be_read_behind_a_new_connection_make_the_unit_be_asked_who_it_is() -> None:
    async def main() -> None:
        site = FleetSite(
            {"lobby": FakePanel()}, rules=(BindingSettings(link_id=link(1), panels=("lobby:3",)),), drift_share=0.0001
        )
        await site.open()
        await site.fleet.upsert([item(1, start=0, length=1439)])
        panel, driver = site.panels["lobby"], site.drivers["lobby"]
        panel.stuck = True
        await site.fleet.delete([link(1)])

        async def cut(*_: object) -> Acknowledgement:
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.BUS_UNAVAILABLE)

        vars(driver)["read_outputs"] = cut
        driver.connection += 1
        panel.readings.clear()
        await site.pass_time(5)
        assert "identity" in panel.readings
        await site.close()

    run_virtual(main())


def test_an_operator_need_not_wait_for_a_neighbour_that_stays_away() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.panels["lobby"] = FakePanel()
        site.panels["vault"].online = False
        await site.open()
        await site.pass_time(20)
        await site.fleet.accept("lobby")
        await site.pass_time(5)
        assert site.held("lobby").keys() == {link(1), link(2)}
        await reboot(site)
        assert view(site, "lobby").state == "in_sync", "it is remembered"

    two_panels(test)


def test_neighbours_that_never_have_a_number_are_not_waited_for() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "vault": FakePanel()}, rules=RULES)
        site.settings["vault"] = PanelSettings(id="vault", model="waveshare-relay-8ch")
        site.panels["vault"].serial = None
        await site.open()
        await site.fleet.upsert([item(1), item(2), item(3, start=700)])
        await site.close()
        site.panels["lobby"], site.panels["vault"].online = FakePanel(), False
        await site.open()
        await site.pass_time(5)
        assert site.held("lobby").keys() == {link(1), link(2)}
        await site.close()

    run_virtual(main())


def neighbour(serial: str | None, found: str | None = None, *, departed: bool = False) -> Neighbour:
    return Neighbour("vault", ("", ""), serial, found, (), departed)


@pytest.mark.parametrize(
    ("found", "known", "fixed", "others", "another", "replaceable"),
    [
        ("7", "7", None, (), None, False),
        ("7", None, None, (), None, False),
        (None, None, None, (), None, False),
        (None, "7", None, (), "no serial number", True),
        ("8", "7", None, (), "the panel has 7", True),
        ("8", None, None, (neighbour("8"),), "this is vault's unit", False),
        ("8", "7", None, (neighbour("8"),), "this is vault's unit", False),
        ("8", "7", None, (neighbour("8", departed=True),), "which has left the site", False),
        ("8", None, None, (neighbour("8", departed=True),), None, False),
        ("7", "7", None, (neighbour("7"),), None, False),
        ("8", "7", None, (neighbour("8", "8"),), "this is vault's unit", False),
        ("8", None, None, (neighbour("8", "8"),), None, False),
        ("8", "7", None, (neighbour("9", "9"),), "the panel has 7", True),
        ("7", "7", "7", (), None, False),
        ("8", "8", "7", (), "the configuration says 7", False),
        (None, "7", "7", (), "the configuration says 7", False),
    ],
)
def test_which_units_are_the_panel_its_successor_or_another(
    found: str | None, known: str | None, fixed: str | None, others: tuple[Neighbour, ...], another: str | None, replaceable: bool
) -> None:
    judged = judge(found, known, fixed, others)
    assert judged.replaceable is replaceable
    if another is None:
        assert judged.another is None
    else:
        assert another in (judged.another or "")


@pytest.mark.parametrize("how", ["ask", "used", "another's", "fixed"])
def test_a_unit_that_is_no_plain_replacement_waits_for_an_operator(how: str) -> None:
    async def test(site: FleetSite) -> None:
        unit = FakePanel()
        settings = PanelSettings(id="lobby", model="open-access-panel")
        if how == "ask":
            settings = settings.model_copy(update={"on_replacement": "ask"})
        elif how == "used":
            unit.slots = dict(site.panels["lobby"].slots)
        elif how == "another's":
            unit.serial = site.panels["vault"].serial
            site.drivers["vault"].panel.online = False
        else:
            settings = settings.model_copy(update={"serial": 77})
        site.settings["lobby"] = settings
        site.panels["lobby"] = unit
        held = dict(unit.slots)
        await reboot(site)
        assert view(site, "lobby").state == "identity_changed"
        assert unit.slots == held
        if how == "fixed":
            with pytest.raises(CannotDo, match="serial"):
                await site.fleet.accept("lobby")
            return
        await site.fleet.accept("lobby")
        await site.pass_time(5)
        assert view(site, "lobby").state == "in_sync"
        assert site.held("lobby").keys() == {link(1), link(2)}
        await reboot(site)
        assert view(site, "lobby").state == "in_sync", "what was accepted is remembered"

    two_panels(test)


@pytest.mark.parametrize("is_empty", [False, True], ids=["used", "empty"])
def test_a_unit_with_a_number_in_the_place_of_one_without_is_another_unit(is_empty: bool) -> None:
    """A used one from another site would let in the people that its slots name."""

    async def test(site: FleetSite) -> None:
        unit = FakePanel()
        if not is_empty:
            unit.slots = {0: Slot((link(9),), (Period(127, 0, 1440),))}
        before, written = dict(unit.slots), len(unit.transactions)
        site.panels["lobby"] = unit
        await reboot(site)
        if is_empty:
            assert site.held("lobby").keys() == {link(1), link(2)}
            assert view(site, "lobby").warnings[0].startswith("replaced: serial number unknown before")
            return
        assert view(site, "lobby").state == "identity_changed"
        assert (unit.slots, len(unit.transactions)) == (before, written)

    two_panels(test, serial=None)


def test_a_unit_that_the_configuration_names_anew_is_told_as_a_replacement() -> None:
    """What the old one held, and how often people entered by it, is no knowledge of the new one."""

    async def test(site: FleetSite) -> None:
        old, unit = site.panels["lobby"].serial, FakePanel()
        assert unit.serial is not None
        site.panels["lobby"] = unit
        site.settings["lobby"] = PanelSettings(id="lobby", model="open-access-panel", serial=unit.serial)
        await reboot(site)
        assert view(site, "lobby").state == "in_sync"
        assert site.held("lobby").keys() == {link(1), link(2)}
        assert str(old).lstrip("0") in str(view(site, "lobby").warnings)
        assert b'panel_gateway_replacements_total{panel="lobby"} 1.0' in site.metrics.exposition()

    two_panels(test)


@pytest.mark.parametrize("written", [0xAB12, "AB12", "ab12", "0xab12", "0x0000AB12"])
def test_a_fixed_number_is_the_units_however_it_is_written(written: int | str) -> None:
    assert serial_number(written) == serial_number("000000000000AB12")


def test_there_is_nothing_to_accept_where_the_unit_is_the_panel() -> None:
    async def test(site: FleetSite) -> None:
        with pytest.raises(CannotDo, match="nothing to accept"):
            await site.fleet.accept("lobby")

    two_panels(test)


def test_units_with_one_number_in_two_places_are_served_as_units_without_one() -> None:
    async def test(site: FleetSite) -> None:
        await reboot(site)
        await reboot(site)
        assert [each.state for each in site.fleet.panels()] == ["in_sync", "in_sync"]

    two_panels(test, serial="0000000000000099")


def test_a_unit_without_a_number_that_holds_something_else_is_doubted_and_served(caplog: pytest.LogCaptureFixture) -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.slots.pop(0)
        site.drivers["lobby"].feed.set(Availability.QUARANTINED)
        await site.pass_time(1)
        site.drivers["lobby"].back()
        await site.pass_time(5)
        seen = view(site, "lobby")
        assert seen.state == "in_sync"
        assert "has no serial number" in seen.warnings[0]

    with caplog.at_level(logging.WARNING):
        two_panels(test, serial=None)


def test_a_held_door_is_not_opened_by_a_stranger() -> None:
    async def main() -> None:
        rules = (BindingSettings(link_id=link(1), panels=("lobby:3",)),)
        site = FleetSite({"lobby": FakePanel()}, rules=rules)
        await site.open()
        report = only(await site.fleet.upsert([item(1, start=0, length=1439)]))
        assert report.panels[0].outcome is ItemState.GATEWAY_HELD
        assert 3 in site.panels["lobby"].outputs
        stranger = site.panels["lobby"] = FakePanel(slots={0: Slot((link(9),), (Period(127, 0, 60),))})
        await reboot(site)
        assert view(site, "lobby").state == "identity_changed"
        assert stranger.outputs == {}
        assert view(site, "lobby").held == 0
        await site.close()

    run_virtual(main())


def test_what_stands_open_on_a_stranger_is_switched_off() -> None:
    async def main() -> None:
        rules = (BindingSettings(link_id=link(1), panels=("lobby:3",)),)
        site = FleetSite({"lobby": FakePanel()}, rules=rules)
        await site.open()
        await site.fleet.upsert([item(1, start=0, length=1439)])
        panel = site.panels["lobby"]
        panel.serial, panel.slots[0] = "00000000DEADBEEF", Slot((link(9),), (Period(127, 0, 60),))
        panel.outputs[3] = float("inf")
        site.drivers["lobby"].feed.set(Availability.BUS_UNAVAILABLE)
        await site.pass_time(1)
        site.drivers["lobby"].back()
        await site.pass_time(10)
        assert view(site, "lobby").state == "identity_changed"
        assert 3 not in panel.outputs
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("what", ["swapped", "blank", "power cut"])
def test_a_unit_behind_a_connection_that_was_opened_anew_is_not_taken_for_the_panel_unseen(what: str) -> None:
    """The host hung up while nothing was asked of it, and the line never counted as down."""

    async def test(site: FleetSite) -> None:
        one, other = site.drivers["lobby"], site.drivers["vault"]
        if what == "swapped":
            one.panel, other.panel = other.panel, one.panel
        elif what == "blank":
            one.panel = site.panels["lobby"] = FakePanel()
        else:
            one.panel.power_cut(site.clock.monotonic())
        one.connection += 1
        report = only(await site.fleet.upsert([item(2, start=600)]))
        if what == "swapped":
            assert (report.success, report.panels[0].reason) == (False, Reason.IDENTITY_CHANGED)
            return
        assert report.success
        assert one.panel.clock_offset_s is not None, "without a clock it lets nobody in"
        await site.pass_time(30)
        assert len(one.panel.slots) == 2, "also what was not asked for again is there"

    two_panels(test)


@pytest.mark.parametrize("is_asked", [True, False], ids=["held open", "nothing asked"])
def test_a_unit_behind_a_connection_that_was_opened_anew_is_met_before_a_door_is_held_there(is_asked: bool) -> None:
    """Nobody asks for anything, the line never counted as down, and both tables are empty."""

    async def main() -> None:
        rules = tuple(
            BindingSettings(link_id=link(number), panels=(f"{name}:3",)) for number, name in enumerate(("lobby", "vault"))
        )
        site = FleetSite({"lobby": FakePanel(), "vault": FakePanel()}, rules=rules, drift_share=0.02)
        await site.open()
        if is_asked:
            await site.fleet.upsert([item(0, start=0, length=1439)])
        await site.pass_time(60)
        one, other = site.drivers["lobby"], site.drivers["vault"]
        commanded = list(one.panel.outputs)
        assert commanded == ([3] if is_asked else [])
        one.panel, other.panel = other.panel, one.panel
        one.connection, other.connection = 2, 2
        one.panel.outputs.clear()
        for _ in range(90):
            await site.pass_time(1)
            assert one.panel.outputs == {}, "nobody asked for the vault to be open"
        assert [each.state for each in site.fleet.panels()] == ["identity_changed", "identity_changed"]
        await site.close()

    run_virtual(main())


def test_a_door_is_held_through_a_server_that_closes_after_each_reply() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, rules=(BindingSettings(link_id=link(1), panels=("lobby:3",)),))
        await site.open()
        driver = site.drivers["lobby"]
        driver.closes = True
        assert only(await site.fleet.upsert([item(1, start=0, length=1439)])).success
        for _ in range(200):
            await site.pass_time(1)
            assert driver.panel.outputs.get(3, 0.0) > site.clock.monotonic()
        await site.close()

    run_virtual(main())


def test_two_units_that_changed_places_under_a_running_gateway_open_nothing_though_one_is_looked_at_first() -> None:
    """The other panel is still remembered as its unit was read before: that is no second unit with this number."""
    neighbour = Neighbour("gate", ("open-access-panel", ""), serial="B", found="B", images=())
    assert judge("B", "A", None, [neighbour]).another is not None
    assert judge("B", None, None, [neighbour]).another is None, "a panel that is met for the first time"
