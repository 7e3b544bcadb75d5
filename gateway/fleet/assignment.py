"""Between what is desired and the panels: hands on what changed, and tells which panels still need what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from drivers.clock import Clock
from drivers.contract import TIME_PROFILE
from gateway.concurrency import in_turns
from gateway.fleet.bindings import Targets
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import OPENING, Change, Desired
from gateway.fleet.panel.departed import Departed, DepartedPlace
from gateway.fleet.panel.panel import Panel
from gateway.fleet.panel.place import Place
from gateway.fleet.target import Target
from gateway.store.contract import DesiredItem


class Assignment:
    """`panels` are those of the site, by id; `remembered`: all that are known from before, with what they may hold.
    `context`: asked once the fleet has one."""

    def __init__(
        self,
        desired: Desired,
        panels: Mapping[str, Panel],
        remembered: Mapping[str, Departed],
        clock: Clock,
        context: Callable[[], FleetContext],
    ) -> None:
        self._desired = desired
        self._panels = panels
        self._elsewhere = dict(remembered)
        self._clock = clock
        self._context = context
        self._left_at = dict.fromkeys(remembered, clock.monotonic())
        """When they left, or this run began: leases that they have run out from then on."""

    def place(self, target: Target) -> Place | None:
        """The place of a target; None: nobody knows the panel any more."""
        panel = self._panels.get(target.panel)
        if panel is not None:
            return panel.place(target.output)
        departed = self._elsewhere.get(target.panel)
        if departed is None or not departed.holds:
            return None
        return DepartedPlace(departed, target.output, self._context().options.readings.zone)

    def absorb(self, item: DesiredItem) -> set[str]:
        """What the store made durable is asked of the panels from now on. Returns those to be woken."""
        now, touched = self._context().now(), set[str]()
        if item.kind == TIME_PROFILE and item.key not in self._desired:  # panels tell the link_ids of time profiles only
            carriers = [panel for panel in self._panels.values() if item.key in panel.state.strangers]
            touched.update(panel.id for panel in carriers if panel.state.adopt(item.key, now))
        was_live = self._desired.is_live(item.key)
        touched |= self._hand_on(self._desired.absorb(item), now)
        if item.kind == TIME_PROFILE and was_live != self._desired.is_live(item.key):
            touched |= self._ask_anew(self._desired.naming(item.link_id))
        if item.content is None and item.kind in OPENING:
            self._expect_gone(item, self._panels.values())
        return touched

    def _ask_anew(self, keys: Iterable[str]) -> set[str]:
        """Compile the panels anew that these identifiers are bound to: what they name is there now, or no longer."""
        names = {target.panel for key in keys for target in self._desired.targets(key)}
        for name in names & self._panels.keys():
            self._panels[name].state.version += 1
        return names

    def rebind(self, keys: Iterable[str]) -> None:
        """Rules or panels changed."""
        now, touched = self._context().now(), set[str]()
        for key in keys:
            touched |= self._hand_on(self._desired.rebind(key), now)
        self.wake(touched)

    def wake(self, panels: Iterable[str]) -> None:
        for name in panels:
            if name in self._panels:
                self._panels[name].wake()

    def _hand_on(self, changes: Sequence[Change], now: float) -> set[str]:
        for change in changes:
            place = self._panels[change.target.panel].place(change.target.output)
            if change.item is None:
                place.unbind(change.key, now)
            else:
                place.bind(change.item)
        return {change.target.panel for change in changes}

    def join(self, panel: Panel) -> None:
        """A panel of the site: what it may carry from earlier is found out by looking, and leaves unless bound."""
        now = self._context().now()
        panel.state.claim(self._desired)
        panel.state.note_strangers(self._desired)
        for key in panel.state.remembered() | self._known_before(panel.id):
            if key in self._desired:
                gone = self._desired.gone.get(key)
                panel.state.expect(key, now if gone is None else gone.changed_at)

    def expect_gone(self, panels: Collection[Panel]) -> None:
        """What was deleted may still be on the panels it was for, and on those that may hold more than is remembered."""
        for item in self._desired.gone.values():
            if item.kind not in OPENING:
                continue
            bound = {target.panel for target in self._desired.wanted(item.key) if target.output is None}
            self._expect_gone(item, panels, bound)

    def _expect_gone(self, item: DesiredItem, panels: Iterable[Panel], bound: Collection[str] = ()) -> None:
        for panel in panels:
            if panel.state.may_carry_any or panel.id in bound:
                panel.state.expect(item.key, item.changed_at)

    def leave(self, panel: Panel) -> None:
        """The panel is left as it is; what it may hold keeps its tombstone until the panel comes back."""
        self._desired.leave(panel.id)
        self._elsewhere[panel.id], self._left_at[panel.id] = panel.departed(), self._clock.monotonic()

    def _known_before(self, panel: str) -> frozenset[str]:
        departed = self._elsewhere.pop(panel, None)
        return frozenset() if departed is None else departed.keys

    async def keep_leaving(self, keys: Collection[str]) -> None:
        """What must leave panels of which the store knows nothing is durably known. Raises StoreError."""
        forgetful = [panel async for panel in in_turns(list(self._panels.values())) if panel.leaving.lacks(keys)]
        await asyncio.gather(*(panel.leaving.keep(durable=True) for panel in forgetful))

    # what nobody may hold any more

    def holders(self, key: str) -> Targets:
        """The places that an item is not bound to and that may still hold it, those of departed panels too."""
        tables = [Target(name) for name, panel in self._panels.items() if key in panel.state.leaving]
        return (*tables, *self._outputs_on(key), *self._left_with(key))

    def _outputs_on(self, key: str) -> list[Target]:
        """Outputs that may be on for an item that is not bound to them: it was deleted, or was bound to them before."""
        last, panels = self._desired.generation(key), self._panels
        asked = (target for target in self._desired.wanted(key) if target.output is not None and target.panel in panels)
        marked = (
            Target(name, number)
            for name, panel in panels.items()
            if (outputs := panel.marked())  # of most panels none is: they are passed over for each item of the site
            for number, keys in outputs.items()
            if key in keys
        )
        found = dict.fromkeys((*asked, *marked))
        unbound = [each for each in found if not panels[each.panel].state.is_bound(key, each.output)]
        return [each for each in unbound if not panels[each.panel].place(each.output).removal(key, last).success]

    def seen_with(self, key: str) -> Targets:
        """Panels that were seen to carry an item that nobody asked for."""
        return tuple([Target(name) for name, panel in self._panels.items() if key in panel.state.strangers])

    def carriers(self, key: str) -> Targets:
        """Panels that may carry an item that nobody asked for: they were seen to, or were not seen whole since the start; and
        those that had it when they left."""
        states = {name: panel.state for name, panel in self._panels.items()}
        here = [Target(name) for name, state in states.items() if key in state.strangers or state.unread]
        return (*here, *self._left_with(key))

    def _left_with(self, key: str) -> list[Target]:
        return [target for each in self.departed() for target in each.targets(key)]

    def was_carried(self, key: str) -> bool:
        return any(key in panel.state.carried for panel in self._panels.values())

    def departed(self) -> list[Departed]:
        """Panels that are no part of the site any more and may hold something."""
        return [each for each in map(self._by_now, self._elsewhere.values()) if each.holds]

    def _by_now(self, departed: Departed) -> Departed:
        """A departed panel without the outputs that have fallen off by themselves."""
        lease_s, passed = departed.lease_s, self._clock.monotonic() - self._left_at[departed.id]
        return departed if lease_s is None or passed <= lease_s else replace(departed, outputs={})

    def forget(self, panel: str) -> None:
        """Forget what is known of a departed panel."""
        self._elsewhere.pop(panel, None)

    def forgettable(self) -> list[str]:
        """The keys of tombstones that no panel needs any more."""
        return [key for key in self._desired.gone if not self.holders(key)]
