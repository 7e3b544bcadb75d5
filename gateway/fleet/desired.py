"""What is desired and where, in memory, with the indexes that keep a request's cost apart from the site's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.fleet.panel.state import PanelState
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import DesiredItem

Targets = tuple[str, ...]
"""What one link_id is bound to: panels (`gate`) and outputs of panels (`gate:3`)."""


def split_target(target: str) -> tuple[str, int | None]:
    """Panel and output number of `gate` or `gate:3`."""
    panel, _, output = target.partition(":")
    return panel, int(output) if output else None


def same_times(one: TimeProfile | None, other: TimeProfile | None) -> bool:
    """Whether two profiles of a link_id differ in their names at most."""
    return one is not None and other is not None and replace(one, name="") == replace(other, name="")


class Desired:
    """`live` in the order of creation; `gone` are tombstones. `resolve` tells what a link_id is bound to now."""

    def __init__(self, desired: Mapping[str, DesiredItem], revision: int, resolve: Callable[[str], Targets]) -> None:
        by_age = sorted(desired.values(), key=lambda profile: profile.sequence)
        self.live = {profile.link_id: profile for profile in by_age if profile.profile is not None}
        self.gone = {profile.link_id: profile for profile in by_age if profile.profile is None}
        self.revision = revision
        self.panels: dict[str, PanelState] = {}
        self._resolve = resolve
        self._bound_to: dict[str, Targets] = {}
        self._carriers: dict[str, set[str]] = {}
        self._strangers: dict[str, set[str]] = {}
        """link_ids that nobody asked for -> panels that have slots with them: ours, maybe, of a store that was lost."""
        self._doubted: set[str] = set()
        """Panels that may hold more than is remembered of them, until they are read."""
        self._left: dict[str, set[str]] = {}
        """Panels that left -> link_ids that were expected to go from them."""
        self._listed: tuple[DesiredItem, ...] | None = None

    def __contains__(self, link_id: object) -> bool:
        return link_id in self.live or link_id in self.gone

    def profiles(self) -> tuple[DesiredItem, ...]:
        """Live ones in the order of creation."""
        if self._listed is None:
            self._listed = tuple(self.live.values())
        return self._listed

    def generation(self, link_id: str) -> int:
        """The last one, also of a tombstone; 0 where there is none."""
        known = self.live.get(link_id) or self.gone.get(link_id)
        return 0 if known is None else known.generation

    def targets(self, link_id: str) -> Targets:
        """Where a live link_id is bound: panels and outputs of this site."""
        return self._bound_to.get(link_id, ())

    def carriers(self, link_id: str) -> frozenset[str]:
        """Panels that it is bound to, or that may still hold it."""
        return frozenset(self._carriers.get(link_id, ()))

    def wanted(self, link_id: str) -> Targets:
        """Where it would be bound: as the rules say, as far as this site has the panel."""
        return tuple(target for target in self._resolve(link_id) if split_target(target)[0] in self.panels)

    def absorb(self, profiles: Iterable[DesiredItem], now: float) -> set[str]:
        """Take in what the store made durable; returns the panels that are concerned."""
        touched: set[str] = set()
        for profile in profiles:
            self.revision = max(self.revision, profile.revision)
            if profile.generation <= self.generation(profile.link_id):
                continue
            self._listed = None
            if profile.link_id not in self:
                touched |= self._adopt(profile, now)
            if profile.profile is None:
                self.live.pop(profile.link_id, None)
                self.gone[profile.link_id] = profile
                for panel in self._doubted:
                    self._expect(self.panels[panel], profile.link_id, now)
            else:
                self.gone.pop(profile.link_id, None)
                self.live[profile.link_id] = profile
            touched |= self.rebind(profile.link_id, now)
        return touched

    def seen(self, panel: str) -> None:
        """A panel was read: whose slots are on it that nobody asked for."""
        self._doubted.discard(panel)
        for image in self.panels[panel].images():
            for slot in image.slots.values():
                for link_id in slot.link_ids:
                    if link_id not in self:
                        self._strangers.setdefault(link_id, set()).add(panel)

    def _adopt(self, profile: DesiredItem, now: float) -> set[str]:
        """A link_id is heard of for the first time: slots that carry it are ours from now on."""
        panels = self._strangers.pop(profile.link_id, set()).intersection(self.panels)
        for panel in panels:
            self.panels[panel].claim(profile.link_id)
            self._expect(self.panels[panel], profile.link_id, now)
        return panels

    def rebind(self, link_id: str, now: float) -> set[str]:
        """Bring the panels' own lists in line with profile and rules; returns the panels that are concerned."""
        profile = self.live.get(link_id)
        before = self._bound_to.get(link_id, ())
        after = self.wanted(link_id) if profile is not None else ()
        touched = {self._unbind(link_id, target, now) for target in before if target not in after}
        if profile is not None:
            touched |= {panel for target in after if (panel := self._bind(profile, target)) is not None}
        if after:
            self._bound_to[link_id] = after
        else:
            self._bound_to.pop(link_id, None)
        return touched

    def _bind(self, profile: DesiredItem, target: str) -> str | None:
        panel, output = split_target(target)
        state = self.panels[panel]
        place = state.bound if output is None else state.outputs.setdefault(output, {})
        before = place.get(profile.link_id)
        if before is profile:
            return None
        if output is None and before is not None and same_times(before.profile, profile.profile):
            state.renumber(before, profile.generation)
        place[profile.link_id] = profile
        state.version += 1
        if output is None:
            state.leaving.pop(profile.link_id, None)
            self._carriers.setdefault(profile.link_id, set()).add(panel)
        return panel

    def _unbind(self, link_id: str, target: str, now: float) -> str:
        panel, output = split_target(target)
        state = self.panels[panel]
        state.version += 1
        if output is not None:
            state.outputs[output].pop(link_id, None)
            if not state.outputs[output]:
                del state.outputs[output]
        else:
            state.bound.pop(link_id, None)
            if state.may_carry(link_id):
                state.leaving[link_id] = now
            else:
                self.dropped(panel, (link_id,))
        return panel

    def join(self, state: PanelState, now: float) -> None:
        """A panel of the site: what it may carry from earlier is found out by looking, and leaves unless bound."""
        self.panels[state.id] = state
        self.seen(state.id)
        if state.doubted():
            self._doubted.add(state.id)
        for link_id in state.remembered() | self._left.pop(state.id, set()):
            if link_id in self:
                self._expect(state, link_id, now)

    def expect_gone(self, now: float, panel: str | None = None) -> None:
        """What was deleted may still be on the panels it was for, and on those that nothing certain is remembered of, until
        they were looked at; `panel`: one that came late."""
        for link_id in self.gone:
            for target in self._doubted.union(self.wanted(link_id)):
                if ":" not in target and panel in (None, target):
                    self._expect(self.panels[target], link_id, now)

    def absent(self, panel: str, link_ids: Iterable[str]) -> None:
        """A panel that is no part of the site now may hold these: their tombstones are kept until it comes back."""
        for link_id in link_ids:
            if link_id in self:
                self._carriers.setdefault(link_id, set()).add(panel)

    def _expect(self, state: PanelState, link_id: str, now: float) -> None:
        since = self.gone[link_id].changed_at if link_id in self.gone else now
        state.leaving.setdefault(link_id, since)
        self._carriers.setdefault(link_id, set()).add(state.id)

    def leave(self, panel: str) -> None:
        """The panel is left as it is; what it is known to hold keeps its tombstone until the panel comes back."""
        state = self.panels.pop(panel)
        remembered = state.remembered()
        self._doubted.discard(panel)
        self._left[panel] = set(state.leaving)
        for link_id in [*state.bound, *(link for profiles in state.outputs.values() for link in profiles)]:
            self._bound_to[link_id] = tuple(t for t in self._bound_to.get(link_id, ()) if split_target(t)[0] != panel)
            if link_id not in remembered:
                self.dropped(panel, (link_id,))

    def dropped(self, panel: str, link_ids: Iterable[str]) -> None:
        """A panel was seen without these."""
        for link_id in link_ids:
            carriers = self._carriers.get(link_id)
            if carriers is not None:
                carriers.discard(panel)
                if not carriers:
                    del self._carriers[link_id]

    def forgettable(self, link_ids: Iterable[str]) -> list[str]:
        """Tombstones among these that no panel needs any more."""
        return [link_id for link_id in link_ids if link_id in self.gone and link_id not in self._carriers]

    def forget(self, link_ids: Sequence[str]) -> None:
        for link_id in link_ids:
            self.gone.pop(link_id, None)
