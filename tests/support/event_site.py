"""A panel with readers behind a wire in virtual time, a gateway that may die, and the truth about every card that was shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from config.panel_model import load_models
from config.settings import BindingSettings, PanelSettings, SimulatorSettings
from drivers.contract import IDENTIFIER
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request
from gateway.api.items import read_identifier
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.fleet import Fleet
from gateway.schedules.time_profile import Readings
from gateway.store.events import SiteEvent
from simulators.open_access_panel import OpenAccessPanel
from tests.support.fleet_site import START, link
from tests.support.memory_store import MemoryStore
from tests.support.panel_wire import PanelWire
from tests.support.virtual_time import VirtualClock

PANEL = "lobby"
MODEL = "open-access-panel"


@dataclass(frozen=True, slots=True)
class Shown:
    """A card that was shown: which unit logged it with which number, and whose card it is."""

    serial: int
    sequence: int
    granted: bool
    owner: str


class Noting(MemoryStore):
    """Notes of every event which unit's log it was read from."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[int, SiteEvent]] = []

    async def put_events(
        self, events: Sequence[SiteEvent], positions: Mapping[str, tuple[str, str]], at: float
    ) -> tuple[SiteEvent, ...]:
        kept = await super().put_events(events, positions, at)
        serial = int(json.loads(positions[PANEL][1])["serial"], 16)
        self.noted += [(serial, event) for event in kept]
        return kept


@dataclass
class EventSite:
    """`slots`: how many identifiers the panel holds; `log`: how many events."""

    slots: int = 4
    log: int = 256
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    store: Noting = field(default_factory=Noting)
    shown: list[Shown] = field(default_factory=list)
    doubtful: int = 0
    """How many of these were shown before the last power cut: who was deleted right then may be remembered by nobody."""
    lost_requests: int = 0
    """How many of the next requests reach nobody."""
    kind: type[OpenAccessPanel] = OpenAccessPanel
    """What stands at the place."""
    _units: int = 0
    _fleet: Fleet | None = None

    def __post_init__(self) -> None:
        self.wire = PanelWire(self._unit(), self.clock)

        async def reaches(request: Request) -> bool:
            self.lost_requests -= self.lost_requests > 0
            return not self.lost_requests

        self.wire.before = reaches

    def _unit(self) -> OpenAccessPanel:
        self._units += 1
        size = SimulatorSettings(latency_ms=0, schedules=4, identifiers=self.slots, events=self.log, serial=self._units)
        return self.kind(PanelSettings(id=PANEL, model=MODEL, simulator=size), self.clock.wall, self.clock.monotonic)

    @property
    def fleet(self) -> Fleet:
        assert self._fleet is not None
        return self._fleet

    @property
    def panel(self) -> OpenAccessPanel:
        assert isinstance(self.wire.panel, OpenAccessPanel)
        return self.wire.panel

    @property
    def told(self) -> Sequence[SiteEvent]:
        return self.store.kept_events

    async def open(self) -> None:
        rules = (BindingSettings(link_id="*", panels=("@all",)),)
        options = FleetOptions(Readings(ZoneInfo("UTC")), deadline_s=3.0, clock=Rules(released_at=0))
        fleet = Fleet(self.store, await self.store.open(), self.clock, options, rules=rules)
        unit = PanelUnit(load_models(None)[MODEL], 1, self.wire, self.clock)
        await fleet.add_panel(PanelSettings(id=PANEL, model=MODEL), "line", ModbusPanelDriver(unit), drift_share=0.02)
        await fleet.start()
        self._fleet = fleet

    async def close(self) -> None:
        assert not self.fleet.failed.done(), self.fleet.failed.exception()
        await self.fleet.stop(5)
        await self.store.close()

    async def kill(self, *, lose_lazy: bool) -> None:
        """The gateway's process, or its power, goes; `open` begins another one."""
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        for task in everything:
            task.cancel()
        if everything:
            await asyncio.wait(everything)
        if lose_lazy:
            self.doubtful = len(self.shown)
            self.store.crash(lose_lazy=True)
        else:
            self.store.kill()

    def replace_unit(self) -> None:
        """An empty unit with another serial number stands at the place, after a time without any."""
        self.wire.panel = self._unit()

    # people: person n has card n

    async def admit(self, *people: int) -> None:
        """They may come in, from the answer on."""
        await self._ask([_body(100 + number, number, number) for number in people])

    async def pass_on(self, before: int, person: int, number: int) -> None:
        """What was asked for person `before` is asked for another one, with a card of this number."""
        await self._ask([_body(100 + before, person, number)])

    async def _ask(self, bodies: Sequence[object]) -> None:
        await self.fleet.upsert([read_identifier(body, {}, "item") for body in bodies])

    async def dismiss(self, *people: int) -> None:
        await self.fleet.delete([link(100 + number) for number in people], IDENTIFIER)

    def show(self, number: int) -> bool:
        """Person `number` shows their card at the first reader. Whether they are let in."""
        granted = self.panel.read("card", str(number), 0).granted
        logged = self.panel.details()["events"]
        assert isinstance(logged, list)
        sequence = next(event["sequence"] for event in reversed(logged) if event["kind"] in (1, 2))
        self.shown.append(Shown(self.panel.serial, sequence, granted, f"person {number}"))
        return granted


def _body(link_id: int, person: int, number: int) -> object:
    return {
        "link_id": link(link_id),
        "identifier_owner": {"name": f"person {person}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(number),
        "lock": "first",
    }
