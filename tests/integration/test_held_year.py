"""A relay held for the ten examples, minute by minute, both changes of the site's offset among them, in virtual time: real
driver, real keeper, and the board's own opinion of whether it is on. PANEL_GATEWAY_EVERY_MINUTE=1 holds it for a year.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.panel_model import load_models
from config.settings import PanelSettings, SimulatorSettings
from drivers.modbus.panel.output_driver import OutputDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request
from gateway.api.validation import read_item
from gateway.compiler.compiler import compile_panel
from gateway.concurrency import KeyedLock
from gateway.fleet.bindings import Bindings
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetContext, FleetOptions
from gateway.fleet.desired import Desired
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.wear import Wear
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem, ObservedPanel
from gateway.store.events import SiteEvent
from simulators.waveshare_relay import WaveshareRelay
from tests.judge import seconds_on_wall, wall_clock
from tests.support.memory_store import MemoryStore
from tests.support.minutes import EVERY_MINUTE, MINUTES, Asked, united
from tests.support.panel_wire import PanelWire
from tests.support.virtual_time import VirtualClock, run_virtual

KYIV = ZoneInfo("Europe/Kyiv")
READINGS = Readings(KYIV)
WHOLE_YEAR = [(datetime(2026, 11, 1, tzinfo=KYIV), 183), (datetime(2027, 5, 3, tzinfo=KYIV), 183)]
"""In halves: virtual time gets too coarse for its loop after 2**24 seconds."""
STRETCHES = [
    (datetime(2026, 11, 1, tzinfo=KYIV), 5),
    (datetime(2027, 3, 27, tzinfo=KYIV), 3),
    (datetime(2027, 10, 30, tzinfo=KYIV), 3),
]
EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())["list_items"]
PROFILES = [read_item(item, {}, "list_items[0]").profile for item in EXAMPLES]
ASKED = [Asked(profile, READINGS) for profile in PROFILES]
OUTPUT = 3
LOOKS = (1, 58)
"""Seconds of every minute at which the relay is looked at: an edge may take some milliseconds, a lease is whole seconds."""


@cache
def asked(day: int) -> int:
    """The minutes of a local day at which any of the profiles is open."""
    return united(each.on(day) for each in ASKED)


class Board:
    """A simulated board that is looked at through all its minutes: between two requests it changes by itself alone."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._looking: float | None = None
        self._looked = 0
        self.wrong: list[str] = []
        self.minutes_on = 0
        settings = PanelSettings(
            id="gate",
            model="waveshare-relay-8ch",
            hold_lease_s=3000,
            poll_ms=3_600_000,
            simulator=SimulatorSettings(latency_ms=0),
        )
        self.settings = settings
        self.panel = WaveshareRelay(settings, monotonic=self._now)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._looking is None else self._looking

    async def before(self, request: Request) -> bool:
        self.look()
        return True

    def look(self) -> None:
        """At every minute since the last look."""
        until = asyncio.get_running_loop().time()
        while 60 * self._looked + LOOKS[-1] < until:
            day, minute = divmod(seconds_on_wall(wall_clock(KYIV, self._start + 60 * self._looked)) // 60, MINUTES)
            due = bool(asked(day) >> minute & 1)
            for second in LOOKS:
                self._looking = 60.0 * self._looked + second
                if self.panel.outputs()[OUTPUT] != due:
                    self.wrong.append(f"{datetime.fromtimestamp(self._start + self._looking, KYIV)}: {due} wanted")
            self.minutes_on += due
            self._looked += 1
        self._looking = None


async def keep_nothing(events: Sequence[SiteEvent], facts: Mapping[str, tuple[str, str]]) -> None:
    """Outputs have no log."""


def keeper_of(board: Board, wire: PanelWire, clock: VirtualClock, store: MemoryStore) -> OutputKeeper:
    driver = OutputDriver(PanelUnit(load_models(None)[board.settings.model], 1, wire, clock))
    context = FleetContext(
        store=store,
        clock=clock,
        emit=lambda event: None,
        options=FleetOptions(READINGS, clock=Rules(released_at=0)),
        compile=compile_panel,
        ours=Desired({}, Bindings({}, {}, (), {})),
        keep_events=keep_nothing,
        trust=ClockTrust(clock, Rules(released_at=0), {}, 0),
        write_lock=KeyedLock(),
    )
    wear = Wear(board.settings, driver, context, None)
    state = PanelState(board.settings, "line", driver, {}, ObservedPanel(), clock.wall, wear)
    state.identity.connection = driver.connection
    state.identity.recognised(None)
    state.outputs = {OUTPUT: {each.link_id: DesiredItem(each.link_id, n, 1, 1, each, "", 0.0) for n, each in enumerate(PROFILES)}}
    return OutputKeeper(state, context, {})


@pytest.mark.parametrize(("start", "days"), WHOLE_YEAR if EVERY_MINUTE else STRETCHES)
def test_a_held_relay_is_on_when_any_profile_is_open_and_never_else(start: datetime, days: int) -> None:
    async def run() -> None:
        clock, board = VirtualClock(start.timestamp()), Board(int(start.timestamp()))
        wire = PanelWire(board.panel, clock)
        wire.before = board.before
        store = MemoryStore()
        await store.open()
        keeper = keeper_of(board, wire, clock, store)
        running = asyncio.create_task(keeper.run())
        await clock.sleep(days * 86_400)
        board.look()
        assert board.wrong == []
        assert board.minutes_on > 500 * days
        keeper.stop()
        await running
        assert not any(board.panel.outputs())

    run_virtual(run())
