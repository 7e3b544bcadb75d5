"""One panel's life: what is asked and known of it, the tasks that work for it, and the places where items are bound."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping

from config.settings import PanelSettings
from drivers.contract import Acknowledgement, PanelDriver, PanelImage, Priority
from gateway.concurrency import Supervisor, end
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.commanded import CommandedOutputs
from gateway.fleet.panel.compilation import fingerprint, refresh
from gateway.fleet.panel.departed import Departed
from gateway.fleet.panel.entries import FACT as ENTRIES
from gateway.fleet.panel.entries import forgiven, limited, spent_of, text_of
from gateway.fleet.panel.event_reader import FACT as LOG
from gateway.fleet.panel.event_reader import FREED, EventReader
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.identity import Identity, Neighbour
from gateway.fleet.panel.leaving import FACT as LEAVING
from gateway.fleet.panel.leaving import Leaving
from gateway.fleet.panel.marks import FACT as LEASE
from gateway.fleet.panel.output import Output
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.place import Place
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.panel.remembered import Memory
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.table import Table
from gateway.fleet.panel.view import view_of
from gateway.fleet.panel.wear import FACT as WEAR
from gateway.fleet.panel.wear import Wear
from gateway.fleet.results import PanelResult
from gateway.fleet.views import CannotDo, PanelView
from gateway.identifiers.identifier import Identifier


class Panel:
    """`memory`: what is remembered of it; it is used after a look at it."""

    def __init__(
        self,
        settings: PanelSettings,
        line: str,
        driver: PanelDriver,
        memory: Memory,
        context: FleetContext,
    ) -> None:
        wear = Wear(settings, driver, context, memory.facts.get(WEAR))
        identity, spent = Identity(memory.facts), spent_of(settings.id, memory.facts.get(ENTRIES))
        state = self.state = PanelState(
            settings, line, driver, memory.allocation, memory.observed, context.now, wear, memory.former, identity, spent
        )
        defect = _restricted(driver, memory.observed.capacity)
        if memory.nameless and fingerprint(state, context) != memory.observed.compiled_for:
            state.forget_content()  # it may be another model's
            state.identity.drop()
        refresh(state, context)
        self._context = context
        self._foreign = Foreign(state, context, memory.facts)
        self._events = EventReader(state, context, memory.facts.get(LOG), memory.facts.get(FREED))
        self.leaving = Leaving(state, context, memory.facts.get(LEAVING))
        self._reconciler = Reconciler(state, context, self._foreign, self._events, self.leaving)
        self._events.report = self._reconciler.report
        self._events.look_again = self._reconciler.check
        self._keeper = OutputKeeper(state, context, memory.marked, memory.facts.get(LEASE))
        self.commanded = CommandedOutputs(state, context, self._keeper)
        self._table = Table(state, context, self._reconciler)
        state.identity.changed, state.identity.doubted = self._met, self._reconciler.meet_again
        state.retired = "retired" in memory.facts
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        if defect is not None:
            self._reconciler.report(defect)

    @property
    def id(self) -> str:
        return self.state.id

    def _met(self) -> None:
        self._keeper.wake()
        self.commanded.met()

    # its life

    def begin(self, supervisor: Supervisor) -> None:
        """Work for the panel, until `stop`."""
        self._tasks = (
            supervisor.spawn(self._reconciler.run(), f"panel {self.id}"),
            supervisor.spawn(self._keeper.run(), f"outputs of {self.id}"),
            supervisor.spawn(self._events.run(), f"events of {self.id}"),
        )

    def stop(self) -> None:
        """No new work; what is under way ends soon."""
        self._reconciler.stop()
        self._keeper.stop()
        self._events.stop()

    async def rest(self, grace_s: float) -> None:
        """Stop; what is under way may end within `grace_s` seconds. Once is enough."""
        self.stop()
        tasks, self._tasks = self._tasks, ()
        await end(tasks, grace_s)
        await self._reconciler.looked()
        self.state.identity.forget()

    async def look(self) -> None:
        """A look in the background, at the lowest priority, which work for the panel does not wait for."""
        await self._reconciler.look()

    async def look_on(self) -> None:
        """Look in the background, as `look`, at a few of the words that a quick look leaves out."""
        await self._reconciler.look_on()

    def look_on_at(self) -> float:
        """When that is due (the clock's monotonic seconds)."""
        return self._reconciler.inspection.whole.due_at()

    # where items are bound

    def place(self, output: int | None) -> Place:
        """One of its outputs; None: its table. An output that the panel lacks refuses all."""
        return self._table if output is None else Output(output, self.state, self._context, self._keeper)

    def marked(self) -> Mapping[int, Collection[str]]:
        """Outputs that the store says may be on, with the items that they are on for."""
        return self._keeper.marked()

    async def inherit(self, departed: Departed, now: float) -> None:
        """It was known as a panel that has left: what that may hold leaves unless it is bound."""
        for key in departed.keys:
            if key in self._context.ours and key not in self.state.bound:
                self.state.expect(key, now)
        await self._keeper.inherit(departed.outputs)

    def wake(self) -> None:
        """What is asked of it has changed."""
        self._reconciler.wake()
        self._keeper.wake()

    def measure_clock(self) -> None:
        """Have its clock read anew, soon."""
        self._reconciler.measure_clock()

    def time_jumped(self) -> None:
        """The wall clock moved otherwise than time went by, or became trusted."""
        refresh(self.state, self._context)
        self._reconciler.time_jumped()
        self._keeper.recalculate()

    def options_changed(self, *, readings: bool) -> None:
        """The site's settings changed, and with `readings` the way profiles are read."""
        refresh(self.state, self._context)
        if readings:
            self._reconciler.measure_clock()
            self._keeper.wake()
        self._reconciler.wake()

    def doors_changed(self) -> None:
        """The site's doors changed: what its locks open, and which outputs time profiles may hold."""
        refresh(self.state, self._context)
        self.wake()

    # entries

    def passes_left(self, key: str, identifier: Identifier, asked: int) -> int:
        """How many of the entries `asked` for are left here, as far as is known."""
        had = self.state.spent_by(key, identifier) + self.state.observed.entries.get(key, 0)
        return max(0, asked - had)

    async def reset_passes(self, key: str, identifier: Identifier) -> None:
        """Entries that an identifier had no longer count. Raises StoreError.

        A panel counts on while number and slot stay: what it has counted by now is allowed in addition.
        """
        state = self.state
        image = state.image or PanelImage()
        counts: Mapping[int, int] | Acknowledgement = {}
        if slots := limited(image, [key]):
            counts = await state.driver.read_passes(slots, Priority.GRANT, None)
        if isinstance(counts, Acknowledgement) or state.image is not image:
            counts = dict.fromkeys(slots, state.observed.entries.get(key, 0))
        state.spend(forgiven(state.spent, key, identifier, sum(counts.get(number, 0) for number in slots)))
        await self._context.store.put_panel_fact(self.id, ENTRIES, text_of(state.spent), self._context.now())
        self.wake()

    # an operator's verbs: none of them waits for the next probe of a panel in quarantine

    def sync(self) -> None:
        """Read it whole and bring it in step."""
        self.state.driver.hasten()
        self._reconciler.sync()
        self._keeper.again()

    async def reinit(self) -> None:
        """Erase it, slots of others too, and write all anew. Raises StoreError."""
        await self._retire(retired=False)
        self.state.driver.hasten()
        self._reconciler.erase()
        self._keeper.again()

    def retry(self) -> None:
        """Try again what failed or was given up."""
        self.state.driver.hasten()
        self._reconciler.requeue()
        self._keeper.again()

    async def erase(self) -> None:
        """Erase it, slots of others too, and write nothing more, until `reinit` or until it leaves. Raises StoreError."""
        await self._retire(retired=True)
        self.sync()

    async def _retire(self, *, retired: bool) -> None:
        if retired is not self.state.retired:
            value = "yes" if retired else None
            await self._context.store.put_panel_fact(self.id, "retired", value, self._context.now())
            self.state.retired = retired

    async def leave(self) -> None:
        """It leaves the site: should it come back, it is written again. Items that have to leave it are durably known until then.

        Raises StoreError.
        """
        await self.leaving.keep(durable=True)
        await self._retire(retired=False)

    async def accept(self) -> None:
        """The unit that stands at its place is the panel from now on; it is read and written anew.

        Raises CannotDo and StoreError.
        """
        identity, store, now = self.state.identity, self._context.store, self._context.now()
        if self.state.settings.serial is not None:
            raise CannotDo(f"{self.id}: the configuration fixes its serial number: change `serial` there")
        if identity.stranger is None:
            raise CannotDo(f"{self.id}: no other unit was found at its place: there is nothing to accept")
        await store.put_panel_fact(self.id, "serial", identity.offered, now)
        await store.put_panel_fact(self.id, "stranger", None, now)
        identity.accept()
        self.state.another_unit()
        if self.state.spent:
            await store.put_panel_fact(self.id, ENTRIES, text_of(self.state.spent), now)
        self._reconciler.sync()

    async def accept_slots(self) -> None:
        """Slots of others that it holds are known from now on, with what they hold. Raises CannotDo and StoreError."""
        await self._foreign.accept()

    def facts(self) -> dict[str, str]:
        """What the store keeps of it besides what was observed."""
        state, lease = self.state, self._keeper.lease
        facts = state.identity.facts() | self._foreign.facts() | {WEAR: state.wear.fact, ENTRIES: text_of(state.spent)}
        events = self._events
        known = {LEASE: lease, LOG: events.fact, FREED: events.freed, LEAVING: self.leaving.fact}
        return facts | {key: value for key, value in known.items() if value is not None}

    def departed(self) -> Departed:
        """The panel as it is remembered when it leaves the site."""
        state = self.state
        kind = (state.observed.model, state.observed.options)
        keys = state.remembered().union(state.leaving, state.strangers)
        outputs, lease = {number: frozenset(on) for number, on in self.marked().items()}, self._keeper.lease
        lease_s = None if lease is None else int(lease)
        return Departed(self.id, keys, kind, state.identity.where, state.identity.serial, state.images(), outputs, lease_s)

    def is_numbered(self, numbers: Collection[str]) -> bool:
        """Whether its unit has one of these serial numbers, as remembered or as read."""
        return self.state.identity.serial in numbers or self.state.identity.found in numbers

    def neighbour(self) -> Neighbour:
        """The panel as others see it."""
        observed, identity = self.state.observed, self.state.identity
        kind = (observed.model, observed.options)
        return Neighbour(self.id, kind, identity.serial, identity.found, self.state.images(), asked=identity.asked)

    def view(self, *, items: bool = False) -> PanelView:
        """What is desired against what is observed."""
        outputs = {number: self.place(number) for number in sorted(self.state.outputs)}
        uid_of = self._context.ours.uid_of if items else None
        return view_of(
            self.state,
            self._table,
            outputs,
            list(self._left_on()),
            self._context.now(),
            self._keeper.defect,
            self._foreign.slots(),
            self._reconciler.inspection.whole.reached(),
            uid_of,
        )

    def _left_on(self) -> Iterator[tuple[PanelResult, float]]:
        """What outputs say that may be on for an item that is not bound to them, and since when it is not asked for."""
        now = self._context.now()
        for number, keys in self.marked().items():
            for key in keys:
                result = self.place(number).result(key)
                if not (self.state.is_bound(key, number) or result.success):
                    item = self._context.ours.item(key)
                    yield result, now if item is None or item.content is not None else item.changed_at


def _restricted(driver: PanelDriver, capacity: Mapping[str, int]) -> Exception | None:
    """Restrict a driver to what its unit was remembered to say of itself; returns a defect of the driver."""
    try:
        if capacity:
            driver.restrict(capacity)
    except Exception as defect:
        return defect
    return None
