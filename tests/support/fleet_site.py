"""A fleet with panels in memory, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from config.settings import BindingSettings, DoorSettings, PanelSettings
from drivers.contract import ItemOutcome, ItemState, PanelCapabilities, PanelImage, Period, Reason, Refusal, Slot
from gateway.compiler.compiler import BoundProfile, CompileOptions
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import Compile, FleetOptions
from gateway.fleet.events import Event
from gateway.fleet.fleet import Fleet
from gateway.fleet.views import RequestItem, StoreView
from gateway.ops.metrics import Metrics
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile
from tests.support.fake_panel import FakeDriver, FakePanel
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import VirtualClock

START = 1_793_484_000
"""A Saturday night in UTC; profiles begin before it."""


def link(number: int) -> str:
    return f"91c615e3-1040-4815-8ecb-{number:012d}"


def profile(number: int, start: int = 540, length: int = 60) -> TimeProfile:
    """Daily from `start` (minutes since midnight, UTC) for `length` minutes."""
    begin = START - START % 86_400 - 7 * 86_400 + start * 60
    return TimeProfile(link(number), f"profile {number}", False, begin, begin + length * 60, Repeat(Frequency.DAY))


def item(number: int, start: int = 540, length: int = 60) -> RequestItem:
    return RequestItem(profile(number, start, length), body=f'{{"link_id": "{link(number)}"}}')


def one_slot_each(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Mapping[str, tuple[int, ...]],
    now: float,
    options: CompileOptions,
    held: PanelImage | None = None,
) -> PanelImage:
    """Stands in for the compiler: a profile is one daily period in one slot."""
    slots: dict[int, Slot] = {}
    given: dict[str, tuple[int, ...]] = {}
    outcomes: dict[str, ItemOutcome] = {}
    taken = set(options.taken) | {n for each in profiles for n in allocation.get(each.profile.link_id, ())}
    for each in profiles:
        link_id = each.profile.link_id
        numbers = allocation.get(link_id) or tuple(n for n in range(capabilities.max_schedules) if n not in taken)[:1]
        if not numbers:
            refusal = Refusal(Reason.NO_FREE_SLOT, "max_schedules", "no free slot")
            outcomes[link_id] = ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT, refusal=refusal)
            continue
        taken.update(numbers)
        assert isinstance(each.profile, TimeProfile)
        start = each.profile.date_from % 86_400 // 60
        length = (each.profile.date_to - each.profile.date_from) // 60
        slots[numbers[0]] = Slot((link_id,), (Period(127, start, start + length),))
        given[link_id] = numbers[:1]
        outcomes[link_id] = ItemOutcome(ItemState.EXACT)
    generations = {each.profile.link_id: each.generation for each in profiles if each.profile.link_id in given}
    return PanelImage(slots=slots, allocation=given, generations=generations, outcomes=outcomes)


@dataclass
class FleetSite:
    """`panels` outlive the fleet: `open` starts one on the same store, `crash` drops it as a dying process would."""

    panels: dict[str, FakePanel]
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    store: MemoryStore = field(default_factory=MemoryStore)
    rules: tuple[BindingSettings, ...] = (BindingSettings(link_id="*", panels=("@all",)),)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    doors: tuple[DoorSettings, ...] = ()
    settings: dict[str, PanelSettings] = field(default_factory=dict)
    compile: Compile = one_slot_each
    deadline_s: float = 10.0
    zone: str = "UTC"
    drift_share: float = 0.0
    horizon_days: int = 400
    clock_rules: Rules = field(default_factory=lambda: Rules(released_at=0))
    """Tests live at any time, also before this release."""
    latencies: dict[str, float] = field(default_factory=dict)
    """Seconds of an exchange, by panel."""
    metrics: Metrics = field(default_factory=Metrics)
    told: list[Event] = field(default_factory=list)
    """What the fleet said so far."""
    drivers: dict[str, FakeDriver] = field(default_factory=dict)
    _fleet: Fleet | None = None

    @property
    def fleet(self) -> Fleet:
        assert self._fleet is not None
        return self._fleet

    async def open(self) -> Fleet:
        self._fleet = Fleet(
            self.store,
            await self.store.open(),
            self.clock,
            self.options(),
            rules=self.rules,
            groups=self.groups,
            doors=self.doors,
            compile=self.compile,
            listeners=(self.metrics.listen, self.told.append),
        )
        for name in self.panels:
            await self.add(name)
        await self._fleet.start()
        return self._fleet

    def options(self) -> FleetOptions:
        readings = Readings(ZoneInfo(self.zone))
        return FleetOptions(readings, self.horizon_days, deadline_s=self.deadline_s, clock=self.clock_rules)

    async def add(self, name: str) -> None:
        self.drivers[name] = FakeDriver(self.panels[name], self.clock, latency_s=self.latencies.get(name, 0.01))
        settings = self.settings.get(name, PanelSettings(id=name, model="open-access-panel"))
        await self.fleet.add_panel(settings, "line", self.drivers[name], drift_share=self.drift_share)

    async def crash(self, *, lose_lazy: bool = True) -> None:
        """The power is cut: nothing is finished, nothing is told."""
        await self._die()
        self.store.crash(lose_lazy=lose_lazy)

    async def kill(self) -> None:
        """As `crash`, but what was handed to the operating system is kept."""
        await self._die()
        self.store.kill()

    async def _die(self) -> None:
        self._fleet = None
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        for task in everything:
            task.cancel()
        if everything:
            await asyncio.wait(everything)

    async def close(self) -> None:
        fleet, self._fleet = self.fleet, None
        assert not fleet.failed.done(), fleet.failed.exception()
        await fleet.stop(5)
        await self.store.close()
        assert not fleet.failed.done(), fleet.failed.exception()

    def store_view(self) -> StoreView:
        return self.fleet.store_view()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def held(self, name: str) -> dict[str, tuple[int, int]]:
        """What a panel itself holds: link_id -> start and end of its period. Where it stores no link_ids a slot is of whom the
        store says; `slot 3` is nobody's."""
        panel, found = self.panels[name], dict[str, tuple[int, int]]()
        owners = {number: link_id for link_id, numbers in self.store.allocations.get(name, {}).items() for number in numbers}
        for number, slot in panel.slots.items():
            for link_id in slot.link_ids if panel.labelled else (owners.get(number, f"slot {number}"),):
                assert link_id not in found, "one link_id in two slots"
                found[link_id] = (slot.periods[0].start, slot.periods[0].end)
        return found
