"""The parts of one panel without its tasks: for tests of what a single part says or does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from config.settings import PanelSettings
from drivers.contract import Allocation
from gateway.fleet.bindings import Bindings
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetContext, FleetOptions
from gateway.fleet.desired import Desired
from gateway.fleet.events import Event
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.wear import Wear
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem, ObservedPanel
from gateway.store.events import SiteEvent
from tests.support.fake_panel import ACCESS_PANEL, FakeDriver, FakePanel
from tests.support.fleet_site import START, one_slot_each, profile
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import VirtualClock

ZONE = ZoneInfo("UTC")


def bound(number: int, generation: int = 1, start: int = 540, length: int = 60) -> DesiredItem:
    """A time profile that is asked for, daily from `start` (minutes since midnight, UTC)."""
    asked = profile(number, start, length)
    return DesiredItem(asked.link_id, number, generation, generation, asked, "", float(START))


@dataclass
class PanelParts:
    """To be made while a loop runs. `kept`: the wear that the store knows; `capabilities`: other than an access panel's;
    `labelled`: whether its slots carry link_ids."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    store: MemoryStore = field(default_factory=MemoryStore)
    settings: PanelSettings = field(default_factory=lambda: PanelSettings(id="lobby", model="open-access-panel"))
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    allocation: Allocation = field(default_factory=dict)
    observed: ObservedPanel = field(default_factory=ObservedPanel)
    kept: str | None = None
    labelled: bool = True
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        rules = Rules(released_at=0)
        self.panel = FakePanel(replace(ACCESS_PANEL, **self.capabilities), labelled=self.labelled)
        self.driver = FakeDriver(self.panel, self.clock)
        self.context = FleetContext(
            store=self.store,
            clock=self.clock,
            emit=self.told.append,
            options=FleetOptions(Readings(ZONE), clock=rules),
            compile=one_slot_each,
            ours=Desired({}, Bindings({}, {}, (), {})),
            trust=ClockTrust(self.clock, rules, {}, 0),
            keep_events=self._nothing_to_keep,
        )
        self.wear = Wear(self.settings, self.driver, self.context, self.kept)
        self.state = PanelState(self.settings, "line", self.driver, self.allocation, self.observed, self.clock.wall, self.wear)

    async def _nothing_to_keep(self, events: Sequence[SiteEvent], facts: Mapping[str, tuple[str, str]]) -> None:
        """A panel without a log."""
