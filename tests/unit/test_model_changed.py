"""Another model under the same panel id: what was remembered is another panel's, and no other panel notices."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from config.panel_model import load_models
from config.settings import BindingSettings, LineSettings, ModbusTcpLine, PanelSettings
from drivers.contract import ItemState, Reason
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.events import Event, Failed
from gateway.fleet.fleet import Fleet
from gateway.fleet.panel.event_reader import POLL_S
from gateway.fleet.results import LinkReport
from gateway.schedules.time_profile import Readings
from gateway.site import Site
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from simulators.responder import Responder
from tests.support.fleet_site import START, item, link
from tests.support.memory_store import MemoryStore
from tests.support.virtual_tcp import VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock
from tests.unit.test_fleet_simulated import MODELS, ZONE

RULES = (BindingSettings(link_id="*", panels=("@all", "gate:2")),)
HELD = {
    "open-access-panel": (ItemState.EXACT, ItemState.GATEWAY_HELD),
    "ge-a-series": (ItemState.EXACT, ItemState.REFUSED),
    "domat-fc013": (ItemState.EXACT, ItemState.REFUSED),
    "waveshare-relay-8ch": (ItemState.REFUSED, ItemState.GATEWAY_HELD),
}
"""What becomes of a daily profile that is bound to a panel and to its output 2."""
PAIRS = list(itertools.permutations(MODELS, 2))


class Failures:
    def __init__(self) -> None:
        self.told: list[tuple[str, Reason]] = []

    def listen(self, event: Event) -> None:
        if isinstance(event, Failed):
            self.told.append((event.panel, event.reason))


class OneLine:
    """`gate` and `lobby` on one line; `gate` is another unit after `exchange`. The store outlives the gateway."""

    def __init__(self, model: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTcpLoop)
        self.clock, self.store, self.failures = VirtualClock(START), MemoryStore(), Failures()
        self.responder = loop.responder = Responder([])
        self.lobby = PanelSettings(id="lobby", model="open-access-panel", unit=2)
        self.exchange(self.lobby)
        self.gate(model)

    def exchange(self, settings: PanelSettings) -> None:
        """Another unit, as it comes from the works, is put in its place."""
        self.responder.panels[settings.unit] = build_panel(settings, self.clock.wall, self.clock.monotonic)

    def gate(self, model: str, **options: bool | int | float | str) -> None:
        self.settings = PanelSettings(id="gate", model=model, unit=1, options=options)
        self.exchange(self.settings)

    def lines(self) -> tuple[LineSettings, ...]:
        panels = (self.settings, self.lobby)
        return (ModbusTcpLine(id="line", host="127.0.0.1", port=1, drift_share=0, panels=panels),)

    async def open(self) -> None:
        options = FleetOptions(Readings(ZONE), clock=Rules(released_at=0))
        self.fleet = Fleet(
            self.store, await self.store.open(), self.clock, options, rules=RULES, listeners=(self.failures.listen,)
        )
        self.site = Site(self.fleet, self.clock)
        await self.reload()
        await self.fleet.start()

    async def reload(self) -> None:
        await self.site.apply(self.lines(), load_models(None))

    async def close(self) -> None:
        assert not self.fleet.failed.done(), self.fleet.failed.exception()
        await self.fleet.stop(5)
        await self.site.stop(5)
        await self.store.close()

    def frames(self, panel: PanelSettings) -> int:
        traffic = self.responder.panels[panel.unit].traffic
        return traffic.reads + traffic.writes


async def by_reload(line: OneLine) -> None:
    """The other panel is asked for its events as before, and for nothing else."""
    before = line.frames(line.lobby)
    await asyncio.sleep(10 * POLL_S)
    quiet, before = line.frames(line.lobby) - before, line.frames(line.lobby)
    await line.reload()
    await asyncio.sleep(10 * POLL_S)
    assert quiet - 1 <= line.frames(line.lobby) - before <= quiet  # where in the pause between two polls it began is chance


async def by_restart(line: OneLine) -> None:
    await line.close()
    await line.open()
    await asyncio.sleep(5)


async def by_upgrade(line: OneLine) -> None:
    """As 0.1.0 left it: the store does not say of which model it speaks."""
    await line.close()
    line.store.observed = {name: replace(seen, model="", options="") for name, seen in line.store.observed.items()}
    await line.open()
    await asyncio.sleep(5)


def told(report: LinkReport) -> dict[str, ItemState]:
    return {result.panel: result.outcome for result in report.panels}


def expected(model: str) -> dict[str, ItemState]:
    table, output = HELD[model]
    return {"gate": table, "lobby": ItemState.EXACT, "gate:2": output}


Change = Callable[[OneLine], Awaitable[None]]


@pytest.mark.parametrize("change", [by_reload, by_restart, by_upgrade])
@pytest.mark.parametrize(("before", "after"), PAIRS, ids=[f"{before}-to-{after}" for before, after in PAIRS])
def test_a_panel_of_another_model_is_met_anew_and_no_other_panel_notices(before: str, after: str, change: Change) -> None:
    async def main() -> None:
        line = OneLine(before)
        await line.open()
        (first,) = await line.fleet.upsert([item(1)])
        assert told(first) == expected(before)
        await asyncio.sleep(2)
        line.gate(after)
        await change(line)
        assert [(panel, reason) for panel, reason in line.failures.told if panel != "gate"] == []
        if change is not by_upgrade:
            assert line.failures.told == []
        assert {view.id: view.state for view in line.fleet.panels()} == {
            "gate": "refused" if ItemState.REFUSED in HELD[after] else "in_sync",
            "lobby": "in_sync",
        }
        (again,) = await line.fleet.upsert([item(1)])
        assert told(again) == expected(after)
        reports = await line.fleet.upsert([item(2, start=700)]) + await line.fleet.delete([link(1)])
        assert reports[1].success, reports[1]
        await asyncio.sleep(10)
        assert link(1) not in line.store.desired, "nobody may hold it any more"
        await line.close()

    run_virtual_tcp(main())


def test_an_option_that_is_written_out_makes_no_stranger_of_what_is_ours() -> None:
    """On a unit that stores no names the slots are known by the allocation alone."""

    async def main() -> None:
        line = OneLine("ge-a-series")
        await line.open()
        await line.fleet.upsert([item(1), item(2, start=700)])
        unit = line.responder.panels[1]
        before = unit.traffic.writes
        line.gate("ge-a-series", time_bytes="hour_minute")
        line.responder.panels[1] = unit
        await line.reload()
        await asyncio.sleep(5)
        view = line.fleet.panel("gate")
        assert view is not None
        assert (view.foreign_slots, view.held) == ((), 2)
        assert unit.traffic.writes - before <= 1, "one save of what may be unsaved"
        await line.close()

    run_virtual_tcp(main())


async def used_unit() -> tuple[SimulatedPanel, tuple[int, ...]]:
    """A unit without names for slots, and which of them somebody uses."""
    other = OneLine("ge-a-series")
    await other.open()
    await other.fleet.upsert([item(1)])
    await other.close()
    return other.responder.panels[1], other.store.allocations["gate"][link(1)]


def test_slots_of_another_model_make_nothing_ours_and_hide_nothing_that_is_left_to_delete() -> None:
    async def main() -> None:
        unit, used = await used_unit()
        line = OneLine("open-access-panel")
        await line.open()
        await line.fleet.upsert([item(2), item(1)])
        await asyncio.sleep(2)
        assert line.store.allocations["gate"][link(1)] == used
        line.gate("ge-a-series")
        line.responder.panels.pop(1)
        await line.reload()
        await line.fleet.bind(link(1), ["lobby"])
        await line.fleet.bind(link(2), ["lobby"])
        await line.close()
        await line.open()
        await line.fleet.delete([link(2)])
        await asyncio.sleep(20)
        assert link(2) in line.store.desired, "the unit was not read yet"
        line.responder.panels[1] = unit
        await asyncio.sleep(90)
        assert link(2) not in line.store.desired
        for _ in range(2):
            view = line.fleet.panel("gate")
            assert view is not None
            assert (view.state, view.foreign_slots) == ("foreign", used)
            await line.close()
            line.store.observed.pop("gate", None)  # it is lost, and the panel read back
            await line.open()
            await asyncio.sleep(5)
        await line.close()

    run_virtual_tcp(main())


@pytest.mark.parametrize("restarts", [False, True])
def test_a_model_that_is_put_right_again_finds_its_slots(restarts: bool) -> None:
    """A slip in the configuration, while the unit does not answer."""

    async def main() -> None:
        line = OneLine("ge-a-series")
        await line.open()
        await line.fleet.upsert([item(1)])
        await asyncio.sleep(2)
        unit = line.responder.panels[1]
        for model in ("open-access-panel", "ge-a-series"):
            line.gate(model)
            line.responder.panels.pop(1)
            await line.reload()
            await asyncio.sleep(20)
            if restarts:
                await line.close()
                await line.open()
        line.responder.panels[1] = unit
        await asyncio.sleep(90)
        view = line.fleet.panel("gate")
        assert view is not None
        assert (view.held, view.foreign_slots) == (1, ())
        await line.close()

    run_virtual_tcp(main())
