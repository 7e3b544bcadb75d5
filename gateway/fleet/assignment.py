"""Between what is desired and the panels: hands on what changed, and tells which panels still need what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from drivers.clock import Clock
from gateway.fleet.bindings import Targets
from gateway.fleet.desired import Change, Desired
from gateway.fleet.panel.panel import Panel
from gateway.fleet.panel.place import Place
from gateway.fleet.target import Target
from gateway.store.contract import DesiredItem


class Assignment:
    """`panels` are those of the site, by id; `remembered`: what panels may hold by what is known from before, by panel."""

    def __init__(
        self, desired: Desired, panels: Mapping[str, Panel], remembered: Mapping[str, frozenset[str]], clock: Clock
    ) -> None:
        self._desired = desired
        self._panels = panels
        self._elsewhere = dict(remembered)
        """What panels may hold that are no part of the site."""
        self._clock = clock

    def place(self, target: Target) -> Place | None:
        """None: the panel is no part of the site any more."""
        panel = self._panels.get(target.panel)
        return None if panel is None else panel.place(target.output)

    def absorb(self, item: DesiredItem) -> set[str]:
        """What the store made durable is asked of the panels from now on. Returns those to be woken."""
        now, touched = self._clock.wall(), set[str]()
        if item.key not in self._desired:
            touched.update(name for name, panel in self._panels.items() if panel.state.adopt(item.key, now))
        touched |= self._hand_on(self._desired.absorb(item), now)
        if item.profile is None:
            self._expect_gone(item, self._panels.values())
        return touched

    def rebind(self, keys: Iterable[str]) -> None:
        """Rules or panels changed."""
        now, touched = self._clock.wall(), set[str]()
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
        now = self._clock.wall()
        panel.state.note_strangers(self._desired)
        for key in panel.state.remembered() | self._elsewhere.pop(panel.id, frozenset()):
            if key in self._desired:
                gone = self._desired.gone.get(key)
                panel.state.expect(key, now if gone is None else gone.changed_at)

    def expect_gone(self, panels: Collection[Panel]) -> None:
        """What was deleted may still be on the panels it was for, and on those that may hold more than is remembered."""
        for item in self._desired.gone.values():
            bound = {target.panel for target in self._desired.wanted(item.key) if target.output is None}
            self._expect_gone(item, panels, bound)

    def _expect_gone(self, item: DesiredItem, panels: Iterable[Panel], bound: Collection[str] = ()) -> None:
        for panel in panels:
            if panel.state.doubted or panel.id in bound:
                panel.state.expect(item.key, item.changed_at)

    def leave(self, panel: Panel) -> None:
        """The panel is left as it is; what it may hold keeps its tombstone until the panel comes back."""
        self._desired.leave(panel.id)
        self._elsewhere[panel.id] = frozenset(panel.state.remembered().union(panel.state.leaving))

    def holders(self, key: str) -> Targets:
        """Panels that an item is not bound to and that may still hold it."""
        return tuple([Target(name) for name, panel in self._panels.items() if key in panel.state.leaving])

    def forgettable(self) -> list[str]:
        """Tombstones that no panel needs any more."""
        needed = [*self._elsewhere.values(), *(panel.state.leaving for panel in self._panels.values())]
        return [key for key in self._desired.gone if not any(key in each for each in needed)]
