"""What panels do by themselves and what others do to them, through real drivers: drift, restarts, clocks, foreign slots."""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from config.settings import BindingSettings, SimulatorSettings
from drivers.contract import ItemState, Reason
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.access_words import sealed
from tests.support.fleet_site import item, link
from tests.support.master import raise_refusal, write_pdu
from tests.unit.test_fleet_simulated import Running, gateway_on, tcp_lines, until, written
from tests.unit.test_sim_open_access_panel import EXAMPLE


def open_access(simulated: SimulatedSite, name: str = "lobby") -> OpenAccessPanel:
    panel = simulated.panels[name]
    assert isinstance(panel, OpenAccessPanel)
    return panel


def someone_writes(panel: OpenAccessPanel, slot: int, words: tuple[int, ...]) -> None:
    """Another master: the words sealed, staged and committed."""
    raise_refusal(panel.handle(write_pdu(0x1000 + 64 * slot, sealed(slot, words[:63]))))
    raise_refusal(panel.handle(write_pdu(0x0200, (0xC0DE, 1))))


async def synced(running: Running, name: str = "lobby") -> None:
    """After a whole reading, in step again."""
    seen = running.simulated.panels[name].traffic.reads
    await running.fleet.sync(name)
    await until(lambda: running.simulated.panels[name].traffic.reads > seen)
    await until(lambda: all(view.state == "in_sync" for view in running.fleet.panels()))


async def test_a_changed_register_is_counted_and_repaired(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(1), item(2)])
        panel = open_access(simulated)
        right = panel.schedule_words(0)
        someone_writes(panel, 0, (*right[:13], 0, 1440, *right[15:]))
        assert panel.schedule_words(0) != right
        await synced(running)
        assert panel.schedule_words(0) == right
        view = running.fleet.panel("lobby")
        assert view is not None
        assert (view.drifts, view.held) == (1, 2)


async def test_a_foreign_slot_is_named_counted_as_taken_and_erased_by_reinit_only(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    simulator = SimulatorSettings(schedules=3)
    (line,) = settings.lines
    small = line.model_copy(update={"panels": (line.panels[0].model_copy(update={"simulator": simulator}),)})
    settings = settings.model_copy(update={"lines": (small,)})
    async with SimulatedSite(settings) as simulated:
        panel = open_access(simulated)
        someone_writes(panel, 0, EXAMPLE)
        foreign = panel.schedule_words(0)
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            reports = await running.fleet.upsert([item(1), item(2), item(3)])
            assert [report.success for report in reports] == [True, True, False]
            assert reports[2].panels[0].reason is Reason.NO_FREE_SLOT
            assert panel.schedule_words(0) == foreign
            view = running.fleet.panel("lobby")
            assert view is not None
            assert view.foreign_slots == (0,)
            await running.fleet.reinit("lobby")
            await until(lambda: set(panel.used_schedules().values()) == {link(1), link(2), link(3)})
            assert len(panel.used_schedules()) == 3


async def test_slots_of_a_lost_store_are_adopted(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated:
        panel = open_access(simulated)
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            await running.fleet.upsert([item(1), item(2)])
        async with gateway_on(simulated, settings, tmp_path / "another.db") as running:
            (report,) = await running.fleet.upsert([item(1, start=600)])
            assert report.success
            assert sorted(panel.used_schedules().values()) == [link(1), link(2)], "each in one slot"
            view = running.fleet.panel("lobby")
            assert view is not None
            assert len(view.foreign_slots) == 1


async def test_a_restart_and_a_power_cut_are_noticed_and_the_clock_is_set_again(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(1)])
        panel = open_access(simulated)
        panel.reset()
        await synced(running)
        panel.power_cut()
        assert panel.local_second() is None
        before = panel.commit_count()
        await synced(running)
        assert panel.local_second() is not None
        assert panel.commit_count() == before, "what it kept is not written again"
        await until(lambda: next(running.fleet.panels()).clock_drift_ms is not None)
        (view,) = running.fleet.panels()
        assert (view.resets, view.drifts) == (2, 0)
        assert abs(view.clock_drift_ms or 0) < 5000


async def test_a_panel_that_lost_all_gets_all_again(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(number) for number in range(1, 9)])
        panel = open_access(simulated)
        panel.restore()
        assert panel.used_schedules() == {}
        await synced(running)
        assert sorted(panel.used_schedules().values()) == [link(number) for number in range(1, 9)]


async def test_a_clock_that_runs_wrong_is_measured_and_corrected(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(1)])
        panel = open_access(simulated)
        ten = list(clock_words(panel))
        ten[0:2] = divmod(int(time.time()) + 120, 65_536)
        raise_refusal(panel.handle(write_pdu(0x0100, ten)))
        wrong = panel.local_second()
        assert wrong is not None
        await synced(running)
        await until(lambda: (panel.local_second() or wrong) < wrong - 100)
        (report,) = await running.fleet.upsert([item(1)])
        assert report.panels[0].outcome is ItemState.EXACT


def clock_words(panel: OpenAccessPanel) -> tuple[int, ...]:
    return tuple(panel.read_words(3, 0x0100, 10))


async def test_nothing_is_written_to_a_panel_in_step(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(1)])
        before = written(simulated, "lobby")
        await synced(running)
        assert written(simulated, "lobby") == before


async def test_a_pulse_is_left_to_the_panel_and_a_hold_by_hand_is_not(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    (line,) = settings.lines
    settings = settings.model_copy(
        update={"lines": (line.model_copy(update={"panels": (line.panels[0].model_copy(update={"poll_ms": 50}),)}),)}
    )
    rules = (BindingSettings(link_id="*", panels=("lobby:3",)),)
    later = (int(time.time()) // 60 + 600) % 1440
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db", rules) as running:
        panel = open_access(simulated)
        await running.fleet.upsert([item(1, start=0, length=1440), item(2, start=later, length=1)])
        assert panel.outputs()[3]
        panel.write_word(0x0213, 600)
        (report,) = await running.fleet.delete([link(1)])
        assert report.success
        assert panel.read_words(3, 0x0223, 1) == [0]
        held, reads = Mock(wraps=panel.write_word), panel.traffic.reads
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(panel, "write_word", held)
            await until(lambda: panel.traffic.reads >= reads + 10)
        assert held.call_args_list == []
        assert panel.outputs()[3], "the pulse goes on"
        panel.write_word(0x0223, 60)
        await until(lambda: panel.read_words(3, 0x0223, 1) == [0])
