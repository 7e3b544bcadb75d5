"""The fleet: what was asked becomes true on every panel. The one object that the API and the composition root talk to.

Life: make it from the store's snapshot, add the panels of the site, `start`, add and remove panels as the configuration
changes, `stop`. Every method belongs to the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from zoneinfo import ZoneInfo

from config.locks import not_for_profiles
from config.settings import BindingSettings, DoorSettings, PanelSettings
from drivers.clock import HostClock
from drivers.contract import IDENTIFIER, TIME_PROFILE, PanelDriver, item_key
from gateway.compiler.compiler import compile_panel
from gateway.concurrency import Supervisor
from gateway.fleet.assignment import Assignment
from gateway.fleet.bindings import Bindings, Targets
from gateway.fleet.context import Compile, FleetContext, FleetOptions, KeepEvents
from gateway.fleet.desired import OPENING, Desired
from gateway.fleet.dispatcher import Dispatcher
from gateway.fleet.events import Bound, ClockJudged, ClockVouched, Commanded, Event, Left, Listener, StoreTrusted
from gateway.fleet.host_clock import ClockTrust, ClockView
from gateway.fleet.housekeeping import Housekeeper
from gateway.fleet.matrix import Matrix
from gateway.fleet.panel.commanded import CommandedOutputs
from gateway.fleet.panel.departed import Departed
from gateway.fleet.panel.drift import DriftLooks
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.panel.panel import Panel
from gateway.fleet.panel.remembered import (
    all_remembered,
    allocations_of,
    doubted,
    forgotten,
    is_output_of,
    memory_of,
    moved,
    options_text,
    remembering,
)
from gateway.fleet.planned import planned
from gateway.fleet.questions import Questions
from gateway.fleet.results import LinkReport
from gateway.fleet.target import Target, read_target
from gateway.fleet.views import (
    BoundItem,
    CannotDo,
    Deletion,
    ExplainReport,
    HoursReport,
    Judge,
    JudgeBinding,
    Openings,
    PanelView,
    PlanReport,
    RefusedItem,
    RequestItem,
    Revision,
    StoreView,
    UnknownPanel,
)
from gateway.fleet.who import Passage, passages
from gateway.fleet.zone_law import ZoneLaw
from gateway.schedules.time_profile import Readings
from gateway.schedules.zones import rules_digest
from gateway.store.contract import DesiredItem, ObservedPanel, Snapshot, Store
from gateway.store.events import SiteEvent

__all__ = ["Fleet", "FleetOptions", "RequestItem", "UnknownPanel"]


class Fleet:
    """`failed` gets the exception of a background task that died: the process must end then.

    `keep_events`: makes events of panels durable; the store itself where absent.
    `rules`, `groups` and `doors` are the configuration's; `snapshot` is what `store.open()` returned.
    """

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        clock: HostClock,
        options: FleetOptions,
        *,
        rules: Sequence[BindingSettings] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        doors: Sequence[DoorSettings] = (),
        listeners: Sequence[Listener] = (),
        compile: Compile = compile_panel,
        keep_events: KeepEvents | None = None,
    ) -> None:
        self._listeners = tuple(listeners)
        # Without what is asked for: that changes, and what was asked for at the start would stay in memory beside it.
        self._snapshot = replace(snapshot if snapshot.clean else doubted(snapshot), desired={})
        self._rules, self._groups = tuple(rules), dict(groups or {})
        self._overrides = dict(snapshot.bindings)
        self._panels: dict[str, Panel] = {}
        self._desired = Desired(snapshot.desired, self._bindings())
        self._assignment = Assignment(self._desired, self._panels, all_remembered(self._snapshot), clock, lambda: self._context)
        self._context = FleetContext(
            store=store,
            clock=clock,
            emit=self._emit,
            options=options,
            compile=compile,
            ours=self._desired,
            keep_events=keep_events or self._keep_events,
            trust=ClockTrust(clock, options.clock, snapshot.facts, snapshot.last_write_at),
            readers_changed=self._rebind_all,
            ask_clocks=self._ask_clocks,
            doubt=snapshot.doubt,
            doubted=snapshot.doubted,
            doors=tuple(doors),
            deleted=self._desired.gone,
            neighbours=self._neighbours,
            numbered=self._numbered,
            moved=self._moved,
        )
        self._law = ZoneLaw(snapshot.facts)
        self._supervisor = Supervisor()
        self.failed = self._supervisor.failed
        self._looks = DriftLooks(clock, self._supervisor)
        self._housekeeper = Housekeeper(
            self._context, self._desired, self._assignment, self._law, self._time_jumped, self._law_changed
        )
        self._context.trust.changed = self._housekeeper.wake
        self._dispatcher = Dispatcher(self._desired, self._assignment, self._context)
        self._questions = Questions(self._desired, self._assignment, self._context)
        self._started = self._stopped = False
        self._coming: frozenset[str] = frozenset()
        """Panels of the configuration, those too that are not added yet."""

    # life

    async def start(self) -> None:
        """Bind what is desired to the panels added so far and begin to work. Raises StoreError."""
        if not self._snapshot.clean:
            store, observed = self._context.store, self._snapshot.observed
            await asyncio.gather(*(store.put_observed(panel, each) for panel, each in observed.items()))
        self._context.trust.begin()
        self._desired.reread(self._context.options.readings)
        self._law.follow(self._context.options.readings.zone, self._context.now())
        await self._housekeeper.tend()
        self._rebind_all()
        self._assignment.expect_gone(self._panels.values())
        self._tell_departed()
        self._started = True
        self._supervisor.spawn(self._housekeeper.run(), "housekeeping")
        self._supervisor.spawn(self._dispatcher.undurable.run(), "deletions that are not durable")
        for panel in self._panels.values():
            self._begin(panel)

    async def stop(self, grace_s: float) -> None:
        """No new work; what is under way, requests too, may end within `grace_s` seconds."""
        self._stopped = True
        self._housekeeper.stop()
        self._dispatcher.undurable.stop()
        for panel in self._panels.values():
            panel.stop()
        self._looks.stop()
        await self._supervisor.stop(grace_s)
        self._context.compiling.shutdown(wait=False, cancel_futures=True)

    # the host's clock

    def clock(self) -> ClockView:
        """Whether the wall clock is trusted, and why; with warnings about the law of its zone."""
        view = self._context.trust.view()
        return replace(view, warnings=(*view.warnings, *self._law.warnings(view.at)))

    async def trust_clock(self, at: float, up_s: float) -> None:
        """An operator says that the clock is right, having seen it show `at` when the host was up for `up_s` seconds.

        It counts until the host boots or its clock is set. Raises ClockTooEarly and ClockWasSet.
        """
        self._context.trust.vouch(at, up_s)
        self._context.emit(ClockVouched(at))
        await self._supervisor.finish(self._housekeeper.tend(), "trust-clock")

    def _ask_clocks(self, asker: str) -> None:
        for panel in self._panels.values():
            if panel.id != asker:
                panel.measure_clock()

    def _law_changed(self, zone: ZoneInfo) -> None:
        options = self._context.options
        self.set_options(replace(options, readings=replace(options.readings, zone=zone)))

    def doubt(self) -> str:
        """Why nothing is opened by what the store says; empty: the store is trusted."""
        return self._context.doubt

    def stamp(self) -> float:
        """The time to give to a durable write."""
        return self._context.stamp()

    def store_view(self) -> StoreView:
        """Whether what the store says counts, and what it does not know yet."""
        return StoreView(self._context.doubt or None, len(self._dispatcher.undurable))

    async def believe(self) -> None:
        """Trust the store from now on, whatever the doubt. Raises StoreError."""
        await self._context.store.trust()
        doubt, self._context.doubt = self._context.doubt, ""
        self._context.emit(StoreTrusted(doubt))
        for panel in self._panels.values():
            panel.wake()

    def _begin(self, panel: Panel) -> None:
        """Nobody begins after `stop`: a reload may still be under way then."""
        if self._stopped:
            panel.stop()
            return
        panel.begin(self._supervisor)
        self._looks.begin(panel.state.line)

    async def _keep_events(self, events: Sequence[SiteEvent], facts: Mapping[str, tuple[str, str]]) -> None:
        """Where nobody else takes care of events, the store has them."""
        await self._context.store.put_events(events, facts, self._context.stamp())

    def _emit(self, event: Event) -> None:
        for listen in self._listeners:
            listen(event)

    def _time_jumped(self) -> None:
        clock = self._context.trust.view()
        self._emit(ClockJudged(clock.trusted, clock.source, clock.reason))
        if clock.trusted:
            self._law.none_later_than(clock.at)
            self._assignment.rebind(self._desired.none_later_than(clock.at))
        for panel in self._panels.values():
            panel.time_jumped()

    def _neighbours(self) -> Iterator[Neighbour]:
        yield from (panel.neighbour() for panel in self._panels.values())
        yield from (each.neighbour() for each in self.departed())

    def _numbered(self, numbers: Collection[str]) -> Iterator[Neighbour]:
        # A site that starts asks for these once for every panel.
        yield from (panel.neighbour() for panel in self._panels.values() if panel.is_numbered(numbers))
        yield from (each.neighbour() for each in self.departed() if each.serial in numbers)

    def departed(self) -> list[Departed]:
        """Panels that have left the configuration and may still hold something."""
        return [each for each in self._assignment.departed() if each.id not in self._coming]

    def _tell_departed(self) -> None:
        """Tell of the panels that left while nothing ran; the unit at a place that has another panel may be that one by now."""
        taken = {f"{panel.state.line} {panel.state.settings.unit}" for panel in self._panels.values()}
        for each in self.departed():
            if self._coming and each.where not in taken:
                self._emit(Left(each.id, each.holds))

    # what is asked

    async def upsert(self, items: Sequence[RequestItem | RefusedItem | Revision]) -> tuple[LinkReport, ...]:
        """Create or change items of any kind; one report an item, in order, when every panel is settled or time is up.

        What was begun is finished also when the caller goes away. Raises StoreError: then nothing was kept.
        """
        return await self._supervisor.finish(self._dispatcher.upsert(items), "upsert")

    async def delete(
        self, link_ids: Sequence[str], kind: str = TIME_PROFILE, judge: Judge | None = None
    ) -> tuple[LinkReport, ...]:
        """Delete items of a kind; as `upsert`, but what the store refuses goes all the same and is told so."""
        return await self._supervisor.finish(self._dispatcher.delete(link_ids, kind, judge), "delete")

    def profiles(self) -> Sequence[DesiredItem]:
        """Live time profiles, in the order of creation."""
        return self._desired.items()

    def items(self, kind: str) -> Sequence[DesiredItem]:
        """Live items of a kind, in the order of creation."""
        return self._desired.items(kind)

    def entity(self, kind: str, uid: int) -> DesiredItem | None:
        """The item of a number, or its tombstone while panels may hold it."""
        return self._desired.entity(kind, uid)

    def uid_of(self, key: str) -> int | None:
        """The number of an item or a tombstone; None: unknown."""
        return self._desired.uid_of(key)

    def naming(self, link_id: str) -> Collection[str]:
        """The keys of the live identifiers that name a time profile."""
        return self._desired.naming(link_id)

    def passes_left(self, item: DesiredItem) -> int | None:
        """The most entries that an identifier has left at any one panel it is bound to; None: any number."""
        identifier = item.identifier
        asked = None if identifier is None else identifier.passes
        if identifier is None or asked is None:
            return None
        panels = [self._panels[target.panel] for target in self._desired.targets(item.key) if target.panel in self._panels]
        return max([panel.passes_left(item.key, identifier, asked) for panel in panels], default=asked)

    async def reset_passes(self, item: DesiredItem) -> None:
        """The entries of an identifier are counted anew at every panel. Raises StoreError."""
        await self._supervisor.finish(self._reset_passes(item), "reset passes")

    async def _reset_passes(self, item: DesiredItem) -> None:
        identifier = item.identifier
        if identifier is not None:
            names = {target.panel for target in self._desired.targets(item.key)} & self._panels.keys()
            await asyncio.gather(*(self._panels[name].reset_passes(item.key, identifier) for name in names))

    def bindings(self) -> Mapping[str, tuple[str, ...]]:
        """The bindings that were set through the API."""
        return dict(self._overrides)

    def deleted(self) -> tuple[DesiredItem, ...]:
        """The tombstones of time profiles and identifiers that panels may hold."""
        return self._desired.deleted()

    def bound_items(self) -> Iterator[BoundItem]:
        """Every time profile and identifier with the panels that it is for, and what says so."""
        targets: Targets = ()
        names: tuple[str, ...] = ()
        for item in chain.from_iterable(map(self._desired.items, OPENING)):
            before, targets = targets, self._desired.targets(item.key)
            if targets != before:  # most are bound to the same, which may be a thousand panels
                names = tuple(map(str, targets))
            yield BoundItem(item, names, "override" if item.link_id in self._overrides else "file")

    async def bind(self, link_id: str, panels: Sequence[str], judge: JudgeBinding | None = None) -> None:
        """Bind a link_id, whatever has it, in place of the configuration's rules: new panels get it, old ones lose it.

        Raises UnknownPanel, CannotDo where time profiles do not hold a door among them, StoreError, and what `judge` raises.
        """
        for target in self._named(panels):
            output = target.output
            barred = None if output is None else not_for_profiles(self._context.doors, target.panel, output)
            if barred is not None:
                raise CannotDo(f"panels: {barred}")
        await self._supervisor.finish(self._bind(link_id, tuple(panels), judge), "bind")

    async def unbind(self, link_id: str, judge: JudgeBinding | None = None) -> bool:
        """Back to the configuration's rules. Whether a binding was set. Raises StoreError, and what `judge` raises."""
        if link_id not in self._overrides:
            return False
        await self._supervisor.finish(self._bind(link_id, None, judge), "unbind")
        return True

    async def _bind(self, link_id: str, panels: tuple[str, ...] | None, judge: JudgeBinding | None) -> None:
        async with self._context.write_lock:
            if judge is not None:
                judge(self._overrides.get(link_id))
            await self._context.store.put_binding(link_id, panels, self._context.stamp())
            if panels is None:
                self._overrides.pop(link_id, None)
            else:
                self._overrides[link_id] = panels
            self._assignment.rebind([link_id, item_key(IDENTIFIER, link_id)])
        self._context.emit(Bound(link_id, panels))

    def set_rules(self, rules: Sequence[BindingSettings], groups: Mapping[str, Sequence[str]]) -> None:
        """The configuration's binding rules changed."""
        self._rules, self._groups = tuple(rules), dict(groups)
        self._rebind_all()

    def set_doors(self, doors: Sequence[DoorSettings]) -> None:
        """The site's doors changed: what identifiers open is compiled anew, and what they may not open any more closes first."""
        if tuple(doors) != self._context.doors:
            self._context.doors = tuple(doors)
            for panel in self._panels.values():
                panel.doors_changed()

    def set_options(self, options: FleetOptions) -> bool:
        """The site's settings changed, or the law of its zone; where profiles read otherwise now, every panel is compiled anew.

        Until then it holds nothing of what is asked. A zone of the same name and rules is the same zone. Whether anything
        is other than before.
        """
        present = self._context.options.readings
        zone = options.readings.zone
        if zone.key == present.zone.key and rules_digest(zone) == rules_digest(present.zone):
            options = replace(options, readings=replace(options.readings, zone=present.zone))
        if options == self._context.options:
            return False
        readings_changed = options.readings != present
        self._context.options = options
        self._context.trust.rules = options.clock
        self._law.follow(options.readings.zone, self._context.now())
        self._desired.reread(options.readings)
        self._assignment.rebind(self._desired.live)
        for panel in self._panels.values():
            panel.options_changed(readings=readings_changed)
        return True

    def _bindings(self) -> Bindings:
        """An output that was bound and is missing by now is refused by its panel, not passed over."""
        readers = [name for name, panel in self._panels.items() if panel.state.driver.capabilities.max_identifiers]
        return Bindings(dict.fromkeys(self._panels), self._groups, self._rules, self._overrides, readers)

    def _rebind_all(self) -> None:
        self._desired.bindings = self._bindings()
        self._assignment.rebind(self._desired.live)

    def _named(self, names: Sequence[str]) -> Targets:
        """The panels and outputs that these names mean. Raises UnknownPanel."""
        outputs = {name: panel.state.driver.capabilities.outputs for name, panel in self._panels.items()}
        return Bindings(outputs, self._groups, (), {}).check(names)

    # panels

    def expect_panels(self, panels: Collection[str]) -> None:
        """All panels that the configuration names: what is remembered of any other is of a departed one."""
        self._coming = frozenset(panels)

    async def add_panel(
        self,
        panel: PanelSettings,
        line: str,
        driver: PanelDriver,
        *,
        drift_share: float = 0.02,
    ) -> None:
        """Take a panel in, or a resting one in another shape; what is remembered of it is used after a look at it."""
        await self._take_over(panel, line)
        if panel.id in self._panels:
            async with self._context.write_lock:
                self._let_go(self._panels[panel.id])
                self._take_in(panel, line, driver, drift_share)
        else:
            self._take_in(panel, line, driver, drift_share)

    async def _take_over(self, panel: PanelSettings, line: str) -> None:
        """A panel without a serial number that is met at the same place under another id is the same one."""
        if not self._coming or panel.id in self._panels or panel.id in self._snapshot.observed:
            return
        where, options = f"{line} {panel.unit}", options_text(panel)
        for each in self.departed():
            if each.serial is None and (each.where, each.kind) == (where, (panel.model, options)):
                self._snapshot = moved(self._snapshot, each.id, panel.id)
                await self._keep_moved(panel.id, each)
                await self._forget(each.id)
                return

    async def _keep_moved(self, panel: str, departed: Departed) -> None:
        store, now, snapshot = self._context.store, self._context.now(), self._snapshot
        for name in (panel, *allocations_of(panel, departed.outputs)):
            await store.put_allocation(name, snapshot.allocations[name], now)
        await store.put_observed(panel, snapshot.observed[panel])
        for key, value in snapshot.panel_facts[panel].items():
            await store.put_panel_fact(panel, key, value, now)

    async def _moved(self, departed: str, panel: str) -> None:
        """The unit of a departed panel is `panel` now: what it may hold leaves there."""
        for each in self.departed():
            if each.id == departed:
                await self._panels[panel].inherit(each, self._context.now())
        await self._forget(departed)

    async def forget(self, panel_id: str) -> None:
        """Forget a departed panel, with what it may hold. Raises UnknownPanel, CannotDo and StoreError."""
        if panel_id in self._panels:
            raise CannotDo(f"{panel_id}: it is still configured: remove it from the file first")
        if panel_id not in {each.id for each in self.departed()}:
            raise UnknownPanel(panel_id)
        self._context.emit(Commanded(panel_id, "forget"))
        await self._supervisor.finish(self._forget(panel_id), f"forget {panel_id}")

    async def _forget(self, panel: str) -> None:
        store, now = self._context.store, self._context.now()
        marked = [name for name in self._snapshot.allocations if is_output_of(name, panel)]
        for name in (panel, *marked):
            await store.put_allocation(name, {}, now)
        await store.put_observed(panel, ObservedPanel())
        for key in self._snapshot.panel_facts.get(panel, {}):
            await store.put_panel_fact(panel, key, None, now)
        self._assignment.forget(panel)
        self._snapshot = forgotten(self._snapshot, panel)

    def _take_in(self, settings: PanelSettings, line: str, driver: PanelDriver, drift_share: float) -> None:
        memory = memory_of(self._snapshot, settings)
        panel = self._panels[settings.id] = Panel(settings, line, driver, memory, self._context)
        self._assignment.join(panel)
        self._looks.join(panel, drift_share)
        if not self._started and driver.capabilities.clock == "rw":
            self._context.trust.expect(panel.id)
        if self._started:
            self._rebind_all()
            self._assignment.expect_gone([panel])
            self._begin(panel)

    async def rest_panel(self, panel_id: str, grace_s: float = 5.0) -> None:
        """Stop working for a panel that is about to leave, or to be added again in another shape; until then requests count it
        among those that are away. Raises UnknownPanel."""
        panel = self._panel(panel_id)
        self._looks.leave(panel)
        await panel.rest(grace_s)

    async def remove_panel(self, panel_id: str, grace_s: float = 5.0, *, renamed: bool = False) -> int:
        """Let go of a panel; it is left as it is. `renamed`: its place is about to be another panel's, which turns out to be the
        same unit or not. Returns how many items it may still hold that nobody else is asked for. Raises UnknownPanel.
        """
        await self.rest_panel(panel_id, grace_s)
        await self._panel(panel_id).leave()
        async with self._context.write_lock:
            self._let_go(self._panel(panel_id))
        self._coming -= {panel_id}
        held = next((each.holds for each in self.departed() if each.id == panel_id), frozenset())
        if not held or renamed:
            return 0
        self._context.emit(Left(panel_id, held))
        return len(held)

    def _let_go(self, panel: Panel) -> None:
        del self._panels[panel.id]
        self._context.trust.heard(panel.id, None)
        self._assignment.leave(panel)
        self._desired.bindings = self._bindings()
        self._snapshot = remembering(self._snapshot, panel.state, panel.marked(), panel.facts())

    def _panel(self, panel_id: str) -> Panel:
        panel = self._panels.get(panel_id)
        if panel is None:
            raise UnknownPanel(panel_id)
        return panel

    def panels(self) -> Iterator[PanelView]:
        """All panels, in the order they were added, without their items; each as it is when it is looked at."""
        for panel in list(self._panels.values()):
            if self._panels.get(panel.id) is panel:
                yield panel.view()

    def panel(self, panel_id: str) -> PanelView | None:
        """One panel with its items; None: unknown."""
        panel = self._panels.get(panel_id)
        return None if panel is None else panel.view(items=True)

    def commanded(self, panel_id: str) -> CommandedOutputs:
        """The outputs of a panel, to be commanded. Raises UnknownPanel."""
        return self._panel(panel_id).commanded

    def tell(self, event: Event) -> None:
        """Tell the listeners of what was done by the fleet's means."""
        self._emit(event)

    async def sync(self, panel_id: str) -> None:
        """Read the panel and bring it in step. Returns at once. Raises UnknownPanel."""
        self._commanded(panel_id, "sync").sync()

    async def reinit(self, panel_id: str) -> None:
        """Erase the panel, slots of others too, and write all anew. Returns at once.

        Raises UnknownPanel, StoreError, and CannotDo where the store may not know all that is on the panel.
        """
        self._must_know_all(panel_id, "reinit")
        await self._supervisor.finish(self._commanded(panel_id, "reinit").reinit(), f"reinit {panel_id}")

    async def erase(self, panel_id: str) -> None:
        """Erase the panel before it leaves the site. Returns at once. Raises as `reinit`."""
        self._must_know_all(panel_id, "erase")
        await self._supervisor.finish(self._commanded(panel_id, "erase").erase(), f"erase {panel_id}")

    async def retry(self, panel_id: str) -> None:
        """Try again what failed or was given up. Returns at once. Raises UnknownPanel."""
        self._commanded(panel_id, "retry").retry()

    async def accept(self, panel_id: str) -> None:
        """Take the unit that stands at the panel's place for the panel. Raises UnknownPanel, CannotDo and StoreError."""
        await self._supervisor.finish(self._commanded(panel_id, "accept").accept(), f"accept {panel_id}")

    async def accept_slots(self, panel_id: str) -> None:
        """Slots of others on the panel are known from now on, with what they hold. Raises as `accept`."""
        await self._supervisor.finish(self._commanded(panel_id, "accept slots").accept_slots(), f"accept slots {panel_id}")

    def _must_know_all(self, panel_id: str, action: str) -> None:
        self._panel(panel_id)
        if self._context.doubt:
            raise CannotDo(
                f"{panel_id}: {action} could take away what the store does not know: it is not trusted ({self._context.doubt});"
                " restore a backup, or run trust-store"
            )

    def _commanded(self, panel_id: str, action: str) -> Panel:
        panel = self._panel(panel_id)
        self._context.emit(Commanded(panel_id, action))
        return panel

    # questions

    async def plan(self, items: Sequence[RequestItem | RefusedItem | Deletion], panels: Sequence[str] | None) -> PlanReport:
        """What these items would do, on the panels they are bound to or on `panels` (ids, outputs, groups), and these deletions.

        Nothing is written or stored; a fleet that was not started plans too. Raises UnknownPanel.
        """
        if not self._started:
            self._rebind_all()
        named = None if panels is None else self._named(panels)
        return await planned(items, named, self._desired, self._assignment, self._context.options.readings)

    async def hours(
        self, link_id: str, kind: str, first: int, count: int, places: slice, panel: str | None
    ) -> HoursReport | None:
        """When an item is open on `count` days from the local day `first` on. None: unknown link_id. Raises UnknownPanel."""
        return await self._questions.hours(item_key(kind, link_id), first, count, places, self._target(panel))

    async def openings(self, items: Sequence[RequestItem], at: int, most: int) -> list[Openings]:
        """The next openings of time profiles that need not be asked for, from an instant on."""
        return await self._questions.openings(items, at, most)

    def matrix(self) -> Matrix:
        """What became of every item at every panel and door."""
        return Matrix(self._desired, self._assignment, self._panels, self._context.doors)

    def readings(self) -> Readings:
        """How the site reads what the panel API leaves open."""
        return self._context.options.readings

    async def passages(self, doors: Sequence[DoorSettings], key: str | None, at: int) -> list[Passage]:
        """Who may go through these doors at an instant, see `who`; or (not None) whether the identifier `key` may."""
        return await passages(doors, key, at, self._desired, self._panels, self._context)

    async def explain(self, link_id: str, at: int, panel: str | None, kind: str = TIME_PROFILE) -> ExplainReport | None:
        """Whether an item is open at an instant, as asked and panel by panel. None: unknown link_id. Raises UnknownPanel."""
        return await self._questions.explain(item_key(kind, link_id), at, self._target(panel))

    def _target(self, panel: str | None) -> Target | None:
        """A panel or an output of the site; None where none is named. Raises UnknownPanel."""
        target = None if panel is None else read_target(panel)
        if panel is not None and (target is None or target.panel not in self._panels):
            raise UnknownPanel(panel)
        return target
