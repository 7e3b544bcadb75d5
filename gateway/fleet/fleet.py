"""The fleet: what was asked becomes true on every panel. The one object that the API and the composition root talk to.

Life: make it from the store's snapshot, add the panels of the site, `start`, add and remove panels as the configuration
changes, `stop`. Every method belongs to the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from config.settings import BindingSettings, PanelSettings
from drivers.clock import Clock
from drivers.contract import PanelDriver
from gateway.compiler.compiler import compile_panel
from gateway.concurrency import in_turns
from gateway.fleet.bindings import Bindings
from gateway.fleet.context import Compile, FleetContext, FleetOptions
from gateway.fleet.desired import Desired, Targets, split_target
from gateway.fleet.dispatcher import Dispatcher
from gateway.fleet.events import Bound, Commanded, Event, Listener
from gateway.fleet.housekeeping import Housekeeper
from gateway.fleet.panel.compilation import fingerprint, refresh
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.panel.remembered import all_remembered, doubted, marked_outputs, memory_of, remembering
from gateway.fleet.panel.state import PanelState
from gateway.fleet.questions import Reporter
from gateway.fleet.results import LinkReport
from gateway.fleet.roster import Roster
from gateway.fleet.views import (
    ExplainReport,
    PanelView,
    PlanItem,
    PlanItemPanel,
    PlanPanel,
    PlanReport,
    RequestItem,
    UnknownPanel,
)
from gateway.store.contract import DesiredItem, Snapshot, Store

__all__ = ["Fleet", "FleetOptions", "RequestItem", "UnknownPanel"]


class Fleet:
    """`failed` gets the exception of a background task that died: the process must end then.

    `rules` and `groups` are the configuration's; `snapshot` is what `store.open()` returned.
    """

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        clock: Clock,
        options: FleetOptions,
        *,
        rules: Sequence[BindingSettings] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        listeners: Sequence[Listener] = (),
        compile: Compile = compile_panel,
    ) -> None:
        self._listeners = tuple(listeners)
        self._snapshot = snapshot if snapshot.clean else doubted(snapshot)
        self._rules, self._groups = tuple(rules), dict(groups or {})
        self._overrides = dict(snapshot.bindings)
        self._bindings: Bindings | None = None
        """Made when first asked after a change of panels or rules."""
        self._desired = Desired(snapshot.desired, snapshot.revision, self._resolve)
        self._context = FleetContext(
            store=store,
            clock=clock,
            emit=self._emit,
            options=options,
            compile=compile,
            ours=self._desired,
            dropped=self._dropped,
            seen=self._desired.seen,
            trusted_from=snapshot.last_write_at,
        )
        self._roster = Roster(self._context)
        self._supervisor = self._roster.supervisor
        self.failed = self._supervisor.failed
        self._workers = self._roster.workers
        self._started = False
        self._quarantine: dict[str, Callable[[], float | None]] = {}
        self._reporter = Reporter(self._context, self._roster.keepers, lambda panel: self._quarantine[panel]())
        self._housekeeper = Housekeeper(self._context, self._desired, self._time_jumped)
        self._dispatcher = Dispatcher(
            self._desired, self._context, self._workers, self._roster.keepers, self._wake, self._housekeeper.forget
        )

    # life

    async def start(self) -> None:
        """Bind what is desired to the panels added so far and begin to work. Raises StoreError."""
        if not self._snapshot.clean:
            store, observed = self._context.store, self._snapshot.observed
            await asyncio.gather(*(store.put_observed(panel, each) for panel, each in observed.items()))
        self._rebind_all()
        self._desired.expect_gone(self._context.clock.wall())
        for panel, link_ids in all_remembered(self._snapshot):
            if panel not in self._workers:
                self._desired.absent(panel, link_ids)
        self._housekeeper.forget(self._desired.forgettable(list(self._desired.gone)))
        self._started = True
        self._supervisor.spawn(self._housekeeper.run(), "housekeeping")
        for panel in self._workers:
            self._roster.begin(panel)

    async def stop(self, grace_s: float) -> None:
        """No new work; what is under way may end within `grace_s` seconds."""
        self._housekeeper.stop()
        await self._roster.stop(grace_s)

    def trusted(self) -> bool:
        """Whether the wall clock is later than the store's last write was at start."""
        return self._context.trusted()

    # what is asked

    async def upsert(self, items: Sequence[RequestItem]) -> tuple[LinkReport, ...]:
        """Create or change profiles; one report an item, in order, when every panel is settled or time is up.

        What was begun is finished also when the caller goes away. Raises StoreError: then nothing was kept.
        """
        return await self._supervisor.finish(self._dispatcher.upsert(items), "upsert")

    async def delete(self, link_ids: Sequence[str]) -> tuple[LinkReport, ...]:
        """Delete profiles; as `upsert`."""
        return await self._supervisor.finish(self._dispatcher.delete(link_ids), "delete")

    def profiles(self) -> Sequence[DesiredItem]:
        """Live ones in the order of creation."""
        return self._desired.profiles()

    def bindings(self) -> Mapping[str, tuple[str, ...]]:
        """Those set through the API."""
        return dict(self._overrides)

    async def bind(self, link_id: str, panels: Sequence[str]) -> None:
        """Bind a link_id in place of the configuration's rules: new panels get it, old ones lose it.

        Raises UnknownPanel and StoreError.
        """
        self._resolver().check(panels)
        await self._supervisor.finish(self._bind(link_id, tuple(panels)), "bind")

    async def unbind(self, link_id: str) -> bool:
        """Back to the configuration's rules. Whether a binding was set. Raises StoreError."""
        if link_id not in self._overrides:
            return False
        await self._supervisor.finish(self._bind(link_id, None), "unbind")
        return True

    async def _bind(self, link_id: str, panels: tuple[str, ...] | None) -> None:
        async with self._context.write_lock:
            await self._context.store.put_binding(link_id, panels, self._context.now())
            if panels is None:
                self._overrides.pop(link_id, None)
            else:
                self._overrides[link_id] = panels
            self._wake(self._desired.rebind(link_id, self._context.clock.wall()))
        self._context.emit(Bound(link_id, panels))

    def set_rules(self, rules: Sequence[BindingSettings], groups: Mapping[str, Sequence[str]]) -> None:
        """The configuration's binding rules changed."""
        self._rules, self._groups, self._bindings = tuple(rules), dict(groups), None
        self._rebind_all()

    def set_options(self, options: FleetOptions) -> None:
        """The site's settings changed; where profiles read otherwise now, every panel is compiled anew.

        Until then it holds nothing of what is asked.
        """
        readings_changed = options.readings != self._context.options.readings
        self._context.options = options
        for panel, worker in self._workers.items():
            refresh(worker.state, self._context)
            if readings_changed:
                worker.measure_clock()
                self._roster.keepers[panel].wake()
            worker.wake()

    def _resolve(self, link_id: str) -> Targets:
        return self._resolver().resolve(link_id)

    def _resolver(self) -> Bindings:
        if self._bindings is None:
            panels: dict[str, int | None] = dict.fromkeys(self._desired.panels)
            self._bindings = Bindings(panels, self._groups, self._rules, self._overrides)
        return self._bindings

    def _rebind_all(self) -> None:
        now = self._context.clock.wall()
        touched: set[str] = set()
        for link_id in self._desired.live:
            touched |= self._desired.rebind(link_id, now)
        self._wake(touched)

    # panels

    async def add_panel(
        self,
        panel: PanelSettings,
        line: str,
        driver: PanelDriver,
        *,
        drift_share: float = 0.02,
        quarantined_until: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Take a panel in, or a resting one in another shape; what is remembered of it is used after a look at it."""
        if panel.id in self._workers:
            async with self._context.write_lock:
                self._let_go(panel.id)
                self._take_in(panel, line, driver, drift_share, quarantined_until)
        else:
            self._take_in(panel, line, driver, drift_share, quarantined_until)

    def _take_in(
        self,
        panel: PanelSettings,
        line: str,
        driver: PanelDriver,
        drift_share: float,
        quarantined_until: Callable[[], float | None],
    ) -> None:
        memory = memory_of(self._snapshot, panel)
        state = PanelState(panel, line, driver, memory.allocation, memory.observed, self._context.now, memory.former)
        defect = _restricted(driver, memory.observed.capacity)
        if memory.nameless and fingerprint(state, self._context) != memory.observed.compiled_for:
            state.forget_content()  # it may be another model's
        refresh(state, self._context)
        self._desired.join(state, self._context.clock.wall())
        self._bindings = None
        self._roster.enlist(state, marked_outputs(self._snapshot, panel.id), drift_share)
        if defect is not None:
            self._workers[panel.id].report(defect)
        self._quarantine[panel.id] = quarantined_until
        if self._started:
            self._rebind_all()
            self._desired.expect_gone(self._context.clock.wall(), panel.id)
            self._roster.begin(panel.id)

    async def rest_panel(self, panel_id: str, grace_s: float = 5.0) -> None:
        """Stop working for a panel that is about to leave, or to be added again in another shape; until then requests count it
        among those that are away. Raises UnknownPanel."""
        worker = self._workers.get(panel_id)
        if worker is None:
            raise UnknownPanel(panel_id)
        await self._roster.dismiss(panel_id, grace_s)

    async def remove_panel(self, panel_id: str, grace_s: float = 5.0) -> None:
        """Let go of a panel; it is left as it is. Raises UnknownPanel."""
        await self.rest_panel(panel_id, grace_s)
        async with self._context.write_lock:
            self._let_go(panel_id)

    def _let_go(self, panel_id: str) -> None:
        self._desired.leave(panel_id)
        self._bindings = None
        marked = self._roster.keepers[panel_id].marked()
        self._snapshot = remembering(self._snapshot, self._workers[panel_id].state, marked)
        self._roster.forget(panel_id)
        del self._quarantine[panel_id]

    def panels(self) -> Iterator[PanelView]:
        """All panels, in the order they were added, without their items; each as it is when it is looked at."""
        for panel_id, worker in list(self._workers.items()):
            if panel_id in self._workers:
                yield self._reporter.panel(worker.state)

    def panel(self, panel_id: str) -> PanelView | None:
        """One panel with its items; None: unknown."""
        worker = self._workers.get(panel_id)
        return None if worker is None else self._reporter.panel(worker.state, items=True)

    async def sync(self, panel_id: str) -> None:
        """Read the panel and bring it in step. Returns at once. Raises UnknownPanel."""
        self._command(panel_id, "sync").sync()

    async def reinit(self, panel_id: str) -> None:
        """Erase the panel, slots of others too, and write all anew. Returns at once. Raises UnknownPanel."""
        self._command(panel_id, "reinit").erase()

    async def retry(self, panel_id: str) -> None:
        """Try again what failed or was given up. Returns at once. Raises UnknownPanel."""
        self._command(panel_id, "retry").requeue()

    def _command(self, panel_id: str, action: str) -> Reconciler:
        if panel_id not in self._workers:
            raise UnknownPanel(panel_id)
        self._context.emit(Commanded(panel_id, action))
        self._roster.keepers[panel_id].again()
        return self._workers[panel_id]

    # questions

    async def plan(self, items: Sequence[RequestItem], panels: Sequence[str] | None) -> PlanReport:
        """What these items would do, on the panels they are bound to or on `panels` (ids, outputs, groups).

        Nothing is written or stored; a fleet that was not started plans too. Raises UnknownPanel.
        """
        if not self._started:
            self._rebind_all()
        named = None if panels is None else self._resolver().check(panels)
        profiles: dict[str, DesiredItem] = {}
        targets: dict[str, Targets] = {}
        coming: dict[str, dict[str, DesiredItem]] = {}
        async for place, item in in_turns(enumerate(items)):
            profile = self._dispatcher.provisional(item, place)
            profiles[profile.link_id] = profile
            targets[profile.link_id] = self._desired.wanted(profile.link_id) if named is None else named
            for target in targets[profile.link_id]:
                if split_target(target)[1] is None:
                    coming.setdefault(target, {})[profile.link_id] = profile
        cells: dict[str, dict[str, PlanItemPanel]] = {}
        plans: list[PlanPanel] = []
        for panel, wanted in coming.items():
            if panel in self._workers:
                cells[panel], cost = await self._reporter.plan(self._workers[panel].state, wanted)
                plans.append(cost)

        def still(target: str) -> bool:
            """The panel may have been taken out meanwhile."""
            panel, output = split_target(target)
            return target in cells if output is None else panel in self._workers

        def cell(target: str, profile: DesiredItem) -> PlanItemPanel:
            found = cells.get(target)
            return self._reporter.plan_output(target, profile) if found is None else found[profile.link_id]

        planned = [
            PlanItem(link, tuple([cell(target, profiles[link]) for target in places if still(target)]))
            async for link, places in in_turns(targets.items())
        ]
        return PlanReport(tuple(planned), tuple(plans))

    async def explain(self, link_id: str, at: int, panel: str | None) -> ExplainReport | None:
        """Whether a profile is open at an instant, as asked and panel by panel. None: unknown link_id. Raises UnknownPanel."""
        if panel is not None and split_target(panel)[0] not in self._workers:
            raise UnknownPanel(panel)
        profile = self._desired.live.get(link_id)
        if profile is None:
            return None
        targets = self._desired.targets(link_id) if panel is None else (panel,)
        return await self._reporter.explain(profile, at, [(t, self._workers[split_target(t)[0]].state) for t in targets])

    # in the background

    def _emit(self, event: Event) -> None:
        for listen in self._listeners:
            listen(event)

    def _wake(self, panels: Iterable[str]) -> None:
        for panel in panels:
            if panel in self._workers:
                self._workers[panel].wake()
                self._roster.keepers[panel].wake()

    def _dropped(self, panel: str, link_ids: Sequence[str]) -> None:
        self._desired.dropped(panel, link_ids)
        self._housekeeper.forget(self._desired.forgettable(link_ids))

    def _time_jumped(self) -> None:
        for worker in self._workers.values():
            refresh(worker.state, self._context)
            worker.measure_clock()
        for keeper in self._roster.keepers.values():
            keeper.recalculate()


def _restricted(driver: PanelDriver, capacity: Mapping[str, int]) -> Exception | None:
    """Restrict a driver to what its unit was remembered to say of itself; returns a defect of the driver."""
    try:
        if capacity:
            driver.restrict(capacity)
    except Exception as defect:
        return defect
    return None
