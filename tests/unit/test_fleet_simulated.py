"""The fleet over real drivers, sockets and SQLite, against simulated panels with their own byte code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

from config.panel_model import load_models
from config.settings import BindingSettings, LineSettings, Settings, SimulatorSettings
from drivers.clock import SystemClock
from drivers.contract import ItemState
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.events import Listener
from gateway.fleet.fleet import Fleet
from gateway.fleet.results import Change
from gateway.schedules.time_profile import Readings
from gateway.site import Site
from gateway.store.sqlite_store import SqliteStore
from simulators.site import SimulatedSite
from tests.support.fleet_site import item, link

RULES = (BindingSettings(link_id="*", panels=("@all",)),)
ZONE = ZoneInfo("Europe/Minsk")
"""No change of offset falls into a test, whenever it runs."""


@dataclass
class Running:
    fleet: Fleet
    simulated: SimulatedSite
    store: SqliteStore


def tcp_lines(*names: str) -> Settings:
    return Settings.model_validate(
        {
            "lines": [
                {
                    "id": f"line-{name}",
                    "kind": "modbus-tcp",
                    "host": "127.0.0.1",
                    "port": 0,
                    "timeout_ms": 500.0,
                    "panels": [{"id": name, "model": "open-access-panel", "unit": 1}],
                }
                for name in names
            ]
        },
        strict=False,
    )


def at_port(line: LineSettings, simulated: SimulatedSite) -> LineSettings:
    where = simulated.lines[line.id]
    assert isinstance(where, tuple)
    return line.model_copy(update={"port": where[1]})


@asynccontextmanager
async def gateway_on(
    simulated: SimulatedSite,
    settings: Settings,
    database: Path,
    rules: tuple[BindingSettings, ...] = RULES,
    listeners: tuple[Listener, ...] = (),
) -> AsyncIterator[Running]:
    store, clock = SqliteStore(database), SystemClock()
    options = FleetOptions(Readings(ZONE), clock=Rules(released_at=0))
    fleet = Fleet(store, await store.open(), clock, options, rules=rules, listeners=listeners)
    site = Site(fleet, clock)
    await site.apply(tuple(at_port(line, simulated) for line in settings.lines), load_models(None))
    await fleet.start()
    try:
        yield Running(fleet, simulated, store)
    finally:
        assert not fleet.failed.done()
        await fleet.stop(5)
        await site.stop(5)
        await store.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


def written(simulated: SimulatedSite, name: str) -> int:
    return simulated.panels[name].traffic.writes


async def test_request_change_deletion_and_restart(tmp_path: Path) -> None:
    settings = tcp_lines("lobby", "gate")
    async with SimulatedSite(settings) as simulated:
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            reports = await running.fleet.upsert([item(number) for number in range(1, 6)])
            assert [(report.change, report.success) for report in reports] == [(Change.CREATED, True)] * 5
            assert {result.outcome for report in reports for result in report.panels} == {ItemState.EXACT}
            before = written(simulated, "lobby")
            again = await running.fleet.upsert([item(number) for number in range(1, 6)])
            assert all(report.success and report.change is Change.UPDATED for report in again)
            assert written(simulated, "lobby") == before
            (changed,) = await running.fleet.upsert([item(3, start=600)])
            assert changed.success
            (deleted,) = await running.fleet.delete([link(1)])
            assert (deleted.change, deleted.success) == (Change.DELETED, True)
            before = written(simulated, "lobby")
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            await until(lambda: all(view.state == "in_sync" for view in running.fleet.panels()))
            assert [profile.link_id for profile in running.fleet.profiles()] == [link(number) for number in range(2, 6)]
            assert written(simulated, "lobby") == before, "nothing is written again"
            assert all(view.held == 4 for view in running.fleet.panels())


async def test_a_panel_that_was_off_catches_up_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    settings = tcp_lines("lobby", "gate")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(1), item(2)])
        simulated.panels["gate"].off()
        (report,) = await running.fleet.upsert([item(3)])
        told = {result.panel: result for result in report.panels}
        assert (report.success, told["lobby"].success, told["gate"].success) == (False, True, False)
        assert told["gate"].reason is not None
        (gone,) = await running.fleet.delete([link(1)])
        assert not gone.success
        simulated.panels["gate"].on()
        await until(lambda: all(view.state == "in_sync" for view in running.fleet.panels()))
        view = running.fleet.panel("gate")
        assert view is not None
        assert [each.link_id for each in view.items] == [link(2), link(3)]


async def test_a_plan_says_what_would_be_written_and_writes_nothing(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
        await running.fleet.upsert([item(1)])
        before = written(simulated, "lobby")
        plan = await running.fleet.plan([item(1), item(2)], None)
        assert [cell.outcome for planned in plan.items for cell in planned.panels] == [ItemState.EXACT] * 2
        (cost,) = plan.panels
        assert (cost.words > 0, cost.commits, cost.wire_ms) == (True, 1, None)
        assert written(simulated, "lobby") == before
        explained = await running.fleet.explain(link(1), 1_793_484_000, None)
        assert explained is not None
        (panel,) = explained.panels
        assert (panel.compiled, panel.held, panel.differs_at) == (explained.asked, explained.asked, None)


MODELS = ("open-access-panel", "ge-a-series", "domat-fc013", "waveshare-relay-8ch")


def model_line() -> Settings:
    panels = [{"id": model, "model": model, "unit": unit} for unit, model in enumerate(MODELS, 1)]
    line = {"id": "models", "kind": "modbus-tcp", "host": "127.0.0.1", "port": 0, "timeout_ms": 500.0, "panels": panels}
    return Settings.model_validate({"lines": [line]}, strict=False)


async def test_every_model_holds_what_it_can_and_again_nothing_is_written(tmp_path: Path) -> None:
    settings = model_line()
    rules = (BindingSettings(link_id="*", panels=("@all", "waveshare-relay-8ch:2")),)
    async with SimulatedSite(settings) as simulated:
        async with gateway_on(simulated, settings, tmp_path / "store.db", rules) as running:
            (report,) = await running.fleet.upsert([item(1)])
            told = {result.panel: result.outcome for result in report.panels}
            assert told == {
                "open-access-panel": ItemState.EXACT,
                "ge-a-series": ItemState.EXACT,
                "domat-fc013": ItemState.EXACT,
                "waveshare-relay-8ch": ItemState.REFUSED,
                "waveshare-relay-8ch:2": ItemState.GATEWAY_HELD,
            }
            before = {model: written(simulated, model) for model in MODELS[:3]}
            await running.fleet.upsert([item(1)])
            assert before == {model: written(simulated, model) for model in MODELS[:3]}
        async with gateway_on(simulated, settings, tmp_path / "store.db", rules) as running:
            await until(lambda: all(view.state in ("in_sync", "refused") for view in running.fleet.panels()))
            assert before == {model: written(simulated, model) for model in MODELS[:3]}, "nothing is written again"
            for model in MODELS:
                await running.fleet.sync(model)
            await until(lambda: all(view.state in ("in_sync", "refused") for view in running.fleet.panels()))
            after = {model: written(simulated, model) - before[model] for model in MODELS[:3]}
            assert after == {"open-access-panel": 0, "ge-a-series": 1, "domat-fc013": 0}, "one save of what may be unsaved"
            assert all(view.drifts == 0 for view in running.fleet.panels())
            (report,) = await running.fleet.delete([link(1)])
            assert report.success, report


async def test_a_large_panel_is_compiled_and_stored_while_every_other_thread_hangs(tmp_path: Path) -> None:
    settings, hanging = tcp_lines("lobby"), Event()
    line = settings.lines[0]
    roomy = line.panels[0].model_copy(update={"simulator": SimulatorSettings(schedules=192)})
    settings = settings.model_copy(update={"lines": (line.model_copy(update={"panels": (roomy,)}),)})
    loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    loop.set_default_executor(threads)
    waiting = loop.run_in_executor(None, hanging.wait)
    try:
        async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "store.db") as running:
            reports = await running.fleet.upsert([item(number) for number in range(1, 101)])
            assert all(report.success for report in reports)
    finally:
        hanging.set()
        await waiting
