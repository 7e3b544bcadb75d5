"""A defect in the work for one panel: told loudly, tried again, and no other panel notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.contract import ItemState, PanelCapabilities, PanelImage, Reason
from gateway.compiler.compiler import BoundProfile, CompileOptions
from gateway.fleet.panel import held_profiles
from gateway.fleet.panel.backoff import back_off_s
from gateway.fleet.panel.defects import Defects
from gateway.fleet.panel.failure import Failure
from gateway.fleet.views import PanelView
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings, TimeProfile
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link, one_slot_each
from tests.support.panel_parts import PanelParts
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_outputs import NOW_MINUTE, is_on

LOG = "gateway.fleet.panel.defects"


def on_two(test: Callable[[FleetSite], Awaitable[None]], drift_share: float = 0.0) -> None:
    """`gate` with an output 3 of its own for profiles 8 and 9, and `lobby`."""

    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel()}, drift_share=drift_share)
        outputs = [BindingSettings(link_id=link(number), panels=("gate:3",)) for number in (8, 9)]
        tables = [BindingSettings(link_id=link(number), panels=("lobby", "gate")) for number in (1, 2)]
        site.rules = (*outputs, *tables)
        await site.open()
        try:
            await test(site)
        finally:
            await site.close()

    run_virtual(main())


def view(site: FleetSite, name: str = "gate") -> PanelView:
    found = site.fleet.panel(name)
    assert found is not None
    return found


def defects_told(site: FleetSite) -> float:
    lines = site.metrics.exposition().decode().splitlines()
    found = [line for line in lines if line.startswith("panel_gateway_panel_defects_total{")]
    assert all('panel="gate"' in line for line in found), "no other panel has one"
    return sum(float(line.split()[1]) for line in found)


def openings(site: FleetSite) -> int:
    return sum(reading.startswith("output 3 on") for reading in site.panels["gate"].readings)


WORK = ["plan", "apply", "read_back", "status", "set_clock", "restrict"]


@pytest.mark.parametrize("work", WORK)
def test_a_driver_that_raises_keeps_its_own_panel_pending_and_no_other(work: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        gate = site.panels["gate"]
        gate.defects = {work}
        if work in ("set_clock", "restrict"):
            await site.fleet.rest_panel("gate")
            gate.power_cut(site.clock.monotonic())
            await site.add("gate")
        await site.fleet.sync("gate") if work in ("status", "read_back") else None
        (report,) = await site.fleet.upsert([item(2)])
        told = {result.panel: result for result in report.panels}
        assert told["lobby"].success
        assert (told["gate"].outcome, told["gate"].reason) == (ItemState.PENDING, Reason.FAILED)
        assert told["gate"].message == f"ZeroDivisionError: {work}"
        assert (view(site).state, view(site, "lobby").state) == ("failed", "in_sync")
        assert view(site).last_error == f"failed: ZeroDivisionError: {work}"
        quiet = len(site.panels["lobby"].readings)
        await site.pass_time(300)
        (gone,) = await site.fleet.delete([link(1)])
        assert {result.panel: result.success for result in gone.panels} == {"lobby": True, "gate": False}
        assert len(site.panels["lobby"].readings) == quiet
        records = [record for record in caplog.records if record.name == LOG]
        assert 6 <= len(records) <= 14, "again and again, ever more rarely"
        assert all(record.exc_info is not None for record in records)
        assert defects_told(site) == len(records)
        gate.defects.clear()
        await site.pass_time(80)
        assert site.held("gate").keys() == site.held("lobby").keys() == {link(2)}
        assert view(site).state == "in_sync"
        assert link(1) not in site.store.desired

    on_two(test)


def test_an_operator_does_not_wait_for_the_next_try() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["gate"].defects = {"apply"}
        await site.fleet.upsert([item(1)])
        await site.pass_time(200)
        site.panels["gate"].defects.clear()
        await site.fleet.retry("gate")
        await site.pass_time(1)
        assert view(site).state == "in_sync"

    on_two(test)


def test_what_a_panel_held_before_a_defect_is_read_before_anything_is_said_of_it() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.panels["gate"].defects = {"plan"}
        await site.fleet.upsert([item(2)])
        assert not any(result.success for result in (await site.fleet.upsert([item(1)]))[0].panels if result.panel == "gate")
        site.panels["gate"].slots.clear()
        site.panels["gate"].defects.clear()
        before = site.panels["gate"].readings.count("read_back")
        await site.pass_time(10)
        assert site.panels["gate"].readings.count("read_back") > before
        assert site.held("gate").keys() == {link(1), link(2)}

    on_two(test)


def test_profiles_that_cannot_be_compiled_for_one_panel_reach_the_others() -> None:
    def compiled(
        profiles: Sequence[BoundProfile],
        capabilities: PanelCapabilities,
        allocation: Mapping[str, tuple[int, ...]],
        now: float,
        options: CompileOptions,
        held: PanelImage | None = None,
    ) -> PanelImage:
        if capabilities.max_schedules == 7 and any(each.profile.link_id == link(2) for each in profiles):
            raise ZeroDivisionError("compile")
        return one_slot_each(profiles, capabilities, allocation, now, options, held)

    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel(replace(ACCESS_PANEL, max_schedules=7))}, compile=compiled)
        await site.open()
        await site.fleet.upsert([item(1)])
        (report,) = await site.fleet.upsert([item(2)])
        told = {result.panel: result.reason for result in report.panels}
        assert told == {"lobby": None, "gate": Reason.FAILED}
        plan = await site.fleet.plan([item(2)], None)
        assert {cell.panel: cell.reason for cell in plan.items[0].panels} == told
        explained = await site.fleet.explain(link(2), 1_793_484_000, None)
        assert explained is not None
        assert {each.panel: each.message for each in explained.panels}["gate"] == "failed: ZeroDivisionError: compile"
        await site.fleet.delete([link(2)])
        await site.pass_time(80)
        assert view(site).state == "in_sync"
        assert site.held("gate").keys() == {link(1)}
        await site.close()

    run_virtual(main())


def test_a_defect_in_a_look_in_the_background_stops_no_look_at_others() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.panels["gate"].defects = {"quick_look"}
        await site.pass_time(100)
        assert defects_told(site) >= 1
        seen = len(site.panels["lobby"].readings)
        await site.pass_time(100)
        assert len(site.panels["lobby"].readings) > seen
        site.panels["gate"].defects.clear()
        await site.pass_time(80)
        assert view(site).state == "in_sync"

    on_two(test, drift_share=0.5)


@pytest.mark.parametrize("deadman", [True, False])
@pytest.mark.parametrize("work", ["output", "read_outputs"])
def test_a_keeper_that_fails_leaves_nothing_open(work: str, deadman: bool) -> None:
    async def test(site: FleetSite) -> None:
        if not deadman:
            gate = FakePanel(replace(ACCESS_PANEL, output_deadman=False))
            settings = PanelSettings(id="gate", model="open-access-panel", allow_unattended_outputs=True)
            await site.fleet.remove_panel("gate")
            site.panels["gate"], site.settings["gate"] = gate, settings
            await site.add("gate")
        (report,) = await site.fleet.upsert([item(8, start=NOW_MINUTE, length=100)])
        assert report.success
        assert is_on(site)
        site.panels["gate"].defects = {work}
        await site.pass_time(2 if work == "read_outputs" else 65 if deadman else 0)
        if work == "output" and not deadman:
            await site.fleet.delete([link(8)])  # cannot be switched off: tried again until it can
            await site.pass_time(200)
        else:
            assert not is_on(site)
            (result,) = (await site.fleet.upsert([item(8, start=NOW_MINUTE, length=100)]))[0].panels
            assert (result.success, result.reason) == (False, Reason.FAILED)
        assert (view(site).state, view(site, "lobby").state) == ("failed", "in_sync")
        told, opened = defects_told(site), openings(site)
        await site.pass_time(300)
        assert openings(site) == opened, "it does not open and close with every try"
        assert 4 <= defects_told(site) - told <= 11
        site.panels["gate"].defects.clear()
        await site.pass_time(2)
        if work == "output" and not deadman:
            assert not is_on(site), "closed within a second"
        await site.pass_time(80)
        assert is_on(site) is not (work == "output" and not deadman)
        assert view(site).state == "in_sync"

    on_two(test)


def test_a_profile_that_cannot_be_worked_out_closes_its_panel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sick(Recurrence):
        def __init__(self, profile: TimeProfile, readings: Readings) -> None:
            if profile.link_id == link(9):
                raise ZeroDivisionError("recurrence")
            super().__init__(profile, readings)

    monkeypatch.setattr(held_profiles, "Recurrence", Sick)

    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(8, start=NOW_MINUTE, length=100)])
        reports = await site.fleet.upsert([item(9, start=NOW_MINUTE, length=100), item(1)])
        assert [(result.panel, result.reason) for result in reports[0].panels] == [("gate:3", Reason.FAILED)]
        assert reports[1].success
        await site.pass_time(1)
        assert not is_on(site)
        await site.fleet.delete([link(9)])
        await site.pass_time(80)
        assert is_on(site)
        assert view(site).state == "in_sync"

    on_two(test)


def test_a_gateway_with_a_defect_stops_at_once() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["gate"].defects = {"apply", "output"}
        await site.fleet.upsert([item(1), item(8, start=NOW_MINUTE, length=100)])
        await site.pass_time(200)
        began = site.clock.monotonic()
        await site.fleet.stop(5)
        assert site.clock.monotonic() - began < 1

    on_two(test)


def test_each_defect_in_a_row_costs_a_longer_pause_and_one_after_a_quiet_time_the_first_again() -> None:
    async def main() -> None:
        parts, began = PanelParts(), list[float]()

        async def work() -> None:
            began.append(parts.clock.monotonic())
            await parts.clock.sleep(600.0 if len(began) == 4 else 0.0)
            if len(began) < 7:
                raise ZeroDivisionError

        async def make_safe(_: Failure) -> bool:
            return True

        await Defects("lobby", "its schedules", parts.context).survive(work, make_safe)
        pauses = [after - before for before, after in pairwise(began)]
        pauses[3] -= 600
        assert pauses == pytest.approx([back_off_s("lobby", count) for count in (1, 2, 3, 1, 2, 3)])

    run_virtual(main())
