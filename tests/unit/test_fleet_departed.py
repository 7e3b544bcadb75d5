"""What is no longer asked for is taken away, or told: unknown to the store, on a panel that left, or asked for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from config.settings import PanelSettings
from drivers.contract import Availability, ItemState, Period, Reason, Slot
from gateway.fleet.results import Change
from gateway.fleet.views import CannotDo, UnknownPanel
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import only


def site_of(test: Callable[[FleetSite], Awaitable[None]], *names: str, **kinds: object) -> None:
    async def main() -> None:
        site = FleetSite({name: FakePanel() for name in names or ("lobby", "annex")})
        for panel in site.panels.values():
            for name, value in kinds.items():
                setattr(panel, name, value)
        await site.open()
        await test(site)
        await site.close()

    run_virtual(main())


def strange(number: int) -> Slot:
    return Slot((link(number),), (Period(127, 0, 1440),))


def test_what_was_deleted_is_listed_though_more_is_deleted_while_the_list_is_made() -> None:
    """A long list is made in turns with everything else."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2), item(3)])
        site.panels["annex"].online = False
        await site.fleet.delete([link(1), link(2)])
        listed = iter(site.fleet.deleted())
        first = next(listed)
        await site.fleet.delete([link(3)])
        assert [each.link_id for each in (first, *listed)] == [link(1), link(2)]

    site_of(test)


# unknown to the store


@pytest.mark.parametrize("how", ["another gateway wrote it", "an older store was restored", "a fresh store"])
def test_a_door_is_closed_by_a_deletion_that_the_store_knows_nothing_of(how: str) -> None:
    async def test(site: FleetSite) -> None:
        if how == "another gateway wrote it":
            site.panels["annex"].slots[5] = strange(2)
            await site.fleet.sync("annex")
        else:
            await site.fleet.upsert([item(1), item(2)])
            await site.close()
            site.store = MemoryStore()
            if how == "an older store was restored":
                await site.open()
                await site.fleet.upsert([item(1)])
                await site.close()
            await site.open()
        await site.pass_time(5)
        report = only(await site.fleet.delete([link(2)]))
        assert (report.change, report.success) == (Change.DELETED, True)
        assert all(link(2) not in slot.link_ids for panel in site.panels.values() for slot in panel.slots.values())
        await site.pass_time(20)
        assert link(2) not in site.store.desired, "nothing is kept of it"
        assert only(await site.fleet.delete([link(2)])).change is Change.NOT_FOUND

    site_of(test)


def test_a_panel_that_was_not_read_since_the_start_loses_what_was_deleted_when_it_comes_back() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.store = MemoryStore()
        panel = site.panels["annex"]
        panel.slots[3], panel.online = strange(7), False
        await site.open()
        await site.pass_time(5)
        report = only(await site.fleet.delete([link(7)]))
        assert (report.change, report.success) == (Change.DELETED, False)
        assert {each.panel: each.success for each in report.panels} == {"lobby": True, "annex": False}
        await site.close()
        await site.open()
        await site.pass_time(20)
        assert len(site.store.desired) == 1, "one row, kept over a restart"
        site.drivers["annex"].back()
        await site.pass_time(20)
        assert panel.slots == {}
        assert site.store.desired == {}
        assert only(await site.fleet.delete([link(7)])).change is Change.NOT_FOUND

    site_of(test)


def test_a_deletion_of_nothing_is_not_found_once_every_panel_was_read() -> None:
    async def test(site: FleetSite) -> None:
        early = only(await site.fleet.delete([link(8)]))
        assert early.change is Change.NOT_FOUND, "panels were read while the request waited"
        await site.pass_time(20)
        assert site.store.desired == {}
        assert only(await site.fleet.delete([link(8)])).change is Change.NOT_FOUND

    site_of(test)


def test_panels_that_store_no_link_ids_are_not_waited_for() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["annex"].online = False
        await site.pass_time(5)
        assert only(await site.fleet.delete([link(8)])).change is Change.NOT_FOUND

    site_of(test, labelled=False)


# departed


async def removed(site: FleetSite, name: str = "annex") -> None:
    site.fleet.expect_panels([other for other in site.panels if other != name])
    await site.fleet.remove_panel(name)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_deletion_does_not_succeed_while_a_panel_that_left_may_go_on_opening(restarted: bool) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await removed(site)
        unit = site.panels.pop("annex")
        if restarted:
            await site.close()
            await site.open()
            site.fleet.expect_panels(["lobby"])
        assert [(each.id, each.keys) for each in site.fleet.departed()] == [("annex", frozenset({link(1), link(2)}))]
        for _ in range(2):
            report = only(await site.fleet.delete([link(1)]))
            assert (report.change, report.success) == (Change.DELETED, False)
            (result,) = [each for each in report.panels if each.panel == "annex"]
            assert result.reason is Reason.DEPARTED
            assert "panel-gateway forget annex" in (result.message or "")
            await site.pass_time(30)
        site.panels["annex"] = unit
        site.fleet.expect_panels(["lobby", "annex"])
        await site.add("annex")
        await site.pass_time(20)
        assert site.held("annex").keys() == {link(2)}, "the deletion reached the panel when it came back"
        assert only(await site.fleet.delete([link(1)])).change is Change.NOT_FOUND

    site_of(test)


async def carrier(site: FleetSite, *, online: bool) -> FakePanel:
    """The annex, which carries an item that the store, a fresh one, does not know."""
    await site.close()
    site.store, panel = MemoryStore(), site.panels["annex"]
    panel.slots[3], panel.online = strange(7), online
    await site.open()
    await site.pass_time(5)
    return panel


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("read", [True, False], ids=["read before", "never read"])
def test_a_deletion_that_only_a_panel_that_left_knows_of_is_no_success(read: bool, restarted: bool) -> None:
    """The store is a fresh one. The panel was seen to carry the item, or was away when the deletion was asked for first."""

    async def test(site: FleetSite) -> None:
        panel = await carrier(site, online=read)
        if not read:
            assert not only(await site.fleet.delete([link(7)])).success
        await removed(site)
        site.panels.pop("annex")
        if restarted:
            await site.close()
            await site.open()
            site.fleet.expect_panels(["lobby"])
        for _ in range(2):
            assert [each.holds for each in site.fleet.departed()] == [{link(7)}]
            report = only(await site.fleet.delete([link(7)]))
            assert (report.change, report.success) == (Change.DELETED, False)
            assert [(each.panel, each.reason) for each in report.panels if not each.success] == [("annex", Reason.DEPARTED)]
            await site.pass_time(20)
        site.panels["annex"], panel.online = panel, True
        site.fleet.expect_panels(["lobby", "annex"])
        await site.add("annex")
        await site.pass_time(20)
        assert panel.slots == {}, "it came back"
        assert only(await site.fleet.delete([link(7)])).change is Change.NOT_FOUND

    site_of(test)


@pytest.mark.parametrize("how", ["stops", "is killed", "loses its power"])
@pytest.mark.parametrize("known", ["unknown to the store", "created while the panel was away", "taken from the panel first"])
def test_a_deletion_that_waits_for_a_panel_is_told_also_when_that_leaves_the_file_while_nothing_runs(
    known: str, how: str
) -> None:
    """The store is a fresh one, and the panel was never read for it."""

    async def test(site: FleetSite) -> None:
        panel = await carrier(site, online=False)
        if known != "unknown to the store":
            await site.fleet.upsert([item(7)])
        if known == "taken from the panel first":
            await site.fleet.bind(link(7), ["lobby"])
            await site.pass_time(5)
        else:
            assert not only(await site.fleet.delete([link(7)])).success
        await {"stops": site.close, "is killed": site.kill, "loses its power": site.crash}[how]()
        site.panels.pop("annex")
        site.store.clean = how != "loses its power"
        await site.open()
        site.fleet.expect_panels(["lobby"])
        await site.pass_time(20)
        for _ in range(2):
            assert [(each.id, each.holds) for each in site.fleet.departed()] == [("annex", frozenset({link(7)}))]
            report = only(await site.fleet.delete([link(7)]))
            assert (report.change, report.success) == (Change.DELETED, False)
            (result,) = [each for each in report.panels if not each.success]
            assert (result.panel, result.reason) == ("annex", Reason.DEPARTED)
            assert "panel-gateway forget annex" in (result.message or "")
            await site.pass_time(20)
        site.panels["annex"], panel.online = panel, True
        site.fleet.expect_panels(["lobby", "annex"])
        await site.add("annex")
        await site.pass_time(20)
        assert panel.slots == {}, "it came back"
        assert site.store.panel_facts["annex"].keys().isdisjoint({"leaving"}), "nothing is kept of it"
        await removed(site)
        assert only(await site.fleet.delete([link(7)])).change is Change.NOT_FOUND, "it was seen without"

    site_of(test)


def test_a_panel_that_never_came_is_forgotten_with_the_deletion_that_waited_for_it() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.store, site.panels["annex"].online = MemoryStore(), False
        await site.open()
        await site.pass_time(5)
        assert not only(await site.fleet.delete([link(7)])).success
        await site.close()
        site.panels.pop("annex")
        await site.open()
        site.fleet.expect_panels(["lobby"])
        await site.pass_time(5)
        await site.fleet.forget("annex")
        await site.pass_time(20)
        assert only(await site.fleet.delete([link(7)])).change is Change.NOT_FOUND
        assert site.store.desired == {}
        await site.close()
        await site.open()
        site.fleet.expect_panels(["lobby"])
        assert site.fleet.departed() == []

    site_of(test)


def test_a_panel_that_is_gone_for_good_is_forgotten_by_command_only() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        with pytest.raises(CannotDo):
            await site.fleet.forget("annex")
        await removed(site)
        with pytest.raises(UnknownPanel):
            await site.fleet.forget("nobody")
        await site.fleet.delete([link(1)])
        await site.fleet.forget("annex")
        assert site.fleet.departed() == []
        await site.pass_time(20)
        assert only(await site.fleet.delete([link(1)])).change is Change.NOT_FOUND
        site.panels.pop("annex")
        await site.close()
        await site.open()
        site.fleet.expect_panels(["lobby"])
        assert site.fleet.departed() == []

    site_of(test)


def test_a_panel_that_was_erased_leaves_nothing_behind() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.fleet.erase("annex")
        await site.pass_time(10)
        assert site.panels["annex"].slots == {}
        report = only(await site.fleet.upsert([item(2)]))
        assert [each.reason for each in report.panels if not each.success] == [Reason.DEPARTED]
        assert site.panels["annex"].slots == {}, "nothing more is written to it"
        await site.fleet.reinit("annex")
        await site.pass_time(10)
        assert site.held("annex").keys() == {link(1), link(2)}, "reinit takes it back"
        await site.fleet.erase("annex")
        await site.pass_time(10)
        await removed(site)
        assert site.fleet.departed() == []
        report = only(await site.fleet.delete([link(1)]))
        assert report.success
        await site.add("annex")
        await site.pass_time(10)
        assert site.held("annex").keys() == {link(2)}, "a panel that comes back is written again"

    site_of(test)


@pytest.mark.parametrize("kind", [{}, {"serial": None, "labelled": False}])
def test_a_panel_under_another_id_has_not_departed(kind: dict[str, object]) -> None:
    """By its serial number, or without one by its line and unit."""

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        await site.pass_time(2)
        unit = site.panels.pop("annex")
        site.settings["annex"] = PanelSettings(id="annex", model="open-access-panel")
        site.fleet.expect_panels(["lobby", "hall"])
        await site.fleet.remove_panel("annex")
        await site.fleet.delete([link(1)])
        site.panels["hall"] = unit
        await site.add("hall")
        await site.pass_time(20)
        assert site.fleet.departed() == []
        assert len(unit.slots) == 1
        assert site.held("hall").keys() == {link(2)}
        assert only(await site.fleet.delete([link(1)])).change is Change.NOT_FOUND

    site_of(test, **kind)


def test_a_binding_that_names_a_panel_which_left_is_no_success() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.bind(link(1), ["lobby", "annex:2"])
        await site.fleet.bind(link(2), ["annex"])
        await site.fleet.bind(link(3), [])
        await removed(site)
        reports = await site.fleet.upsert([item(1), item(2), item(3)])
        assert [report.success for report in reports] == [False, False, True]
        assert [(each.panel, each.reason) for each in reports[0].panels] == [("lobby", None), ("annex:2", Reason.DEPARTED)]
        assert [(each.panel, each.reason) for each in reports[1].panels] == [("annex", Reason.DEPARTED)]

    site_of(test)


# asked for twice


def test_the_same_deletion_again_says_the_same_while_a_panel_that_was_away_still_grants() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["annex"]
        panel.online = False
        site.drivers["annex"].feed.set(Availability.QUARANTINED)
        first = only(await site.fleet.delete([link(1)]))
        again = only(await site.fleet.delete([link(1)]))
        await site.pass_time(60)
        later = only(await site.fleet.delete([link(1)]))
        assert first == again == later
        assert (first.change, first.success) == (Change.DELETED, False)
        (result,) = [each for each in first.panels if each.panel == "annex"]
        assert (result.outcome, result.still_grants) == (ItemState.PENDING, 1)
        assert (result.still_grants_text, result.still_grants_until) == ("every day 09:00-10:00", None)
        said = await site.fleet.explain(link(1), START - START % 86_400 + 34_000, None)
        assert said is not None
        (told,) = said.panels
        assert (said.asked, told.held, told.panel) == (False, True, "annex")
        assert "every day 09:00-10:00" in (told.message or "")
        seen = site.fleet.panel("annex")
        assert seen is not None
        assert seen.items[0].still_grants_text == "every day 09:00-10:00"
        assert f"{link(1)} is to be removed, and may still open every day 09:00-10:00" in seen.warnings, "also in the list"
        site.drivers["annex"].back()
        await site.pass_time(10)
        assert only(await site.fleet.delete([link(1)])).change is Change.NOT_FOUND
        assert await site.fleet.explain(link(1), START, None) is None

    site_of(test)


def test_whoever_asks_why_a_door_is_open_is_told_of_a_panel_that_an_item_was_taken_from_and_that_is_away() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.panels["annex"].online = False
        await site.fleet.bind(link(1), ["lobby"])
        await site.pass_time(5)
        explained = await site.fleet.explain(link(1), START, None)
        assert explained is not None
        told = {each.panel: each.message for each in explained.panels}
        assert told.keys() == {"lobby", "annex"}
        assert told["annex"] == "not bound to this panel; the panel may still open every day 09:00-10:00"

    site_of(test)


def test_a_held_output_that_cannot_be_switched_off_goes_on_being_told() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.bind(link(1), ["annex:1"])
        await site.fleet.upsert([item(1, start=0, length=1439)])
        assert 1 in site.panels["annex"].outputs
        site.panels["annex"].online = False
        for _ in range(3):
            report = only(await site.fleet.delete([link(1)]))
            assert (report.change, report.success) == (Change.DELETED, False)
            await asyncio.sleep(20)
        site.drivers["annex"].back()
        await site.pass_time(20)
        assert only(await site.fleet.delete([link(1)])).change is Change.NOT_FOUND

    site_of(test)


@pytest.mark.parametrize(("work", "command"), [("erase", "sync"), ("reinit", "sync"), ("upsert", "sync"), ("upsert", "reinit")])
def test_commands_while_a_panel_is_written_are_no_defect_of_the_gateway(work: str, command: str) -> None:
    async def interrupted(after_ms: int) -> None:
        panel = FakePanel(replace(ACCESS_PANEL, storage="flash"))
        site = FleetSite({"annex": panel}, store=MemoryStore(commit_s=0.005))
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        begun = [site.fleet.upsert([item(1, 600), item(3)])] if work == "upsert" else [getattr(site.fleet, work)("annex")]
        begun = [asyncio.ensure_future(each) for each in begun]
        await site.pass_time(after_ms / 1000)
        await getattr(site.fleet, command)("annex")
        for _ in range(40):
            await site.pass_time(0.01)
            view = site.fleet.panel("annex")
            assert view is not None
            assert view.state != "failed", view.last_error
        await asyncio.gather(*begun)
        await site.pass_time(10)
        assert bool(panel.slots) != (work == "erase")
        await site.close()

    for after_ms in range(1, 60, 4):
        run_virtual(interrupted(after_ms))
