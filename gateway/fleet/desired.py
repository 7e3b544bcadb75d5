"""What is asked, and where: the items in memory, and what changes on which panel when one of them changes. Knows no panel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from drivers.contract import IDENTIFIER, TIME_PROFILE, is_set, split_key
from gateway.concurrency import in_turns
from gateway.fleet.bindings import Bindings, Targets
from gateway.fleet.numbers import KnownBy, Numbers
from gateway.fleet.target import Target
from gateway.identifiers.identifier import Identifier
from gateway.schedules.reading import accepted, is_read_for
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.store.contract import DesiredItem

OPENING = (TIME_PROFILE, IDENTIFIER)
"""The kinds of items that panels hold."""


@dataclass(frozen=True, slots=True)
class Change:
    """A place that must hold an item from now on as `item` says, or (None) must no longer hold it."""

    target: Target
    key: str
    item: DesiredItem | None


class Desired:
    """`live` in the order of creation; `gone` are tombstones. `bindings` are the rules in force, set by the owner.

    Items are named by their keys.
    """

    def __init__(self, items: Mapping[str, DesiredItem], bindings: Bindings) -> None:
        by_age = sorted(items.values(), key=lambda item: item.sequence)
        self.live = {item.key: item for item in by_age if item.content is not None}
        self.gone = {item.key: item for item in by_age if item.content is None}
        self.bindings = bindings
        self._bound: dict[str, tuple[DesiredItem, Targets]] = {}
        """What the places were told last."""
        self._listed: dict[str, tuple[DesiredItem, ...]] = {}
        self.numbers = Numbers()
        self._naming: dict[str, set[str]] = {}
        self._keys = {(item.kind, item.uid): item.key for item in by_age}
        for item in by_age:
            self.numbers.absorb(item)
            self._note_names(item)
        self._unkept: dict[str, DesiredItem] = {}

    def __contains__(self, key: object) -> bool:
        """Whether it was ever asked for; a set of profiles, which nobody asks for, is ours too."""
        return key in self.live or key in self.gone or (isinstance(key, str) and is_set(key))

    def items(self, kind: str = TIME_PROFILE) -> tuple[DesiredItem, ...]:
        """Live ones of a kind, in the order of creation."""
        if kind not in self._listed:
            self._listed[kind] = tuple([item for item in self.live.values() if item.kind == kind])
        return self._listed[kind]

    def is_live(self, key: str) -> bool:
        return key in self.live

    def owner(self, number: KnownBy) -> str | None:
        """The identifier that has a number, or had it when it was deleted."""
        return self.numbers.owner(number)

    def open_at(self, readings: Readings, at: int) -> Callable[[str], bool]:
        """Whether the time profile of a link_id is live and open at an instant; each is worked out once."""

        @cache
        def is_open(link_id: str) -> bool:
            item = self.live.get(link_id)
            return item is not None and item.profile is not None and Recurrence(item.profile, readings).is_open(at)

        return is_open

    def entity(self, kind: str, uid: int) -> DesiredItem | None:
        """An item of this number, or its tombstone."""
        key = self._keys.get((kind, uid))
        return None if key is None else self.item(key)

    def item(self, key: str) -> DesiredItem | None:
        """What is asked for by a key, or its tombstone."""
        return self.live.get(key) or self.gone.get(key)

    def uid_of(self, key: str) -> int | None:
        known = self.item(key)
        return None if known is None else known.uid

    def generation(self, key: str) -> int:
        """The last one, also of a tombstone; 0 where there is none."""
        known = self.item(key)
        return 0 if known is None else known.generation

    def accepted(self, profile: TimeProfile, readings: Readings) -> TimeProfile:
        """A requested profile with the reading that it keeps: the same instants as before are read as they were then."""
        known = self.live.get(profile.link_id)
        before = None if known is None else known.profile
        if before is not None and is_read_for(before, readings) and before.asked == profile.asked:
            return before if before.name == profile.name else replace(profile, reading=before.reading)
        return accepted(profile, readings)

    def reread(self, readings: Readings) -> None:
        """Read what is not read for these settings of the site, by the law of today."""
        for key, item in self.live.items():
            if item.profile is not None and not is_read_for(item.profile, readings):
                self.live[key] = self._unkept[key] = replace(item, content=accepted(item.profile, readings))
        self._listed.pop(TIME_PROFILE, None)

    def none_later_than(self, now: float) -> Sequence[str]:
        """Nothing was asked for later than now: the clock was ahead. Returns the keys of what is told otherwise from now on."""
        late = [item for items in (self.live, self.gone) for item in items.values() if item.changed_at > now]
        for item in late:
            items = self.gone if item.content is None else self.live
            items[item.key] = self._unkept[item.key] = replace(item, changed_at=now)
            self._listed.pop(item.kind, None)
        return [item.key for item in late]

    def unkept(self) -> tuple[DesiredItem, ...]:
        """What was read or dated anew and is not durable yet."""
        return tuple(self._unkept.values())

    def kept(self, items: Sequence[DesiredItem]) -> None:
        for item in items:
            if self._unkept.get(item.key) is item:
                del self._unkept[item.key]

    def last_words(self, key: str) -> str:
        """The wire item that stays with the tombstone of what opens, for its name and number; empty for all else."""
        return self.live[key].body if key in self.live and split_key(key)[0] in OPENING else ""

    def deleted(self) -> tuple[DesiredItem, ...]:
        """What opened and was deleted, while panels may hold it."""
        return tuple([item for item in self.gone.values() if item.kind in OPENING])

    def naming(self, link_id: str) -> Collection[str]:
        """The live identifiers that name a time profile."""
        return self._naming.get(link_id, frozenset())

    def targets(self, key: str) -> Targets:
        """The targets of a live item."""
        return self._bound[key][1] if key in self._bound else ()

    def wanted(self, key: str) -> Targets:
        """The targets that an item would have, live or not."""
        kind, link_id = split_key(key)
        if kind == TIME_PROFILE:
            return self.bindings.resolve(link_id)
        return self.bindings.resolve_identifier(link_id) if kind == IDENTIFIER else ()

    def missing(self, key: str) -> tuple[str, ...]:
        """Names in its binding that mean nothing here."""
        kind, link_id = split_key(key)
        return self.bindings.missing(link_id) if kind in OPENING else ()

    def absorb(self, item: DesiredItem) -> tuple[Change, ...]:
        """Take in what the store made durable."""
        if item.generation <= self.generation(item.key):
            return ()
        self._listed.pop(item.kind, None)
        self.numbers.absorb(item)
        self._note_names(item, self.live.get(item.key))
        taken, left = (self.gone, self.live) if item.content is None else (self.live, self.gone)
        left.pop(item.key, None)
        self._unkept.pop(item.key, None)
        taken[item.key] = item
        if item.uid:
            self._keys[item.kind, item.uid] = item.key
        return self.rebind(item.key)

    def _note_names(self, item: DesiredItem, before: DesiredItem | None = None) -> None:
        for profile in _named(before):
            self._naming[profile].discard(item.key)
        for profile in _named(item):
            self._naming.setdefault(profile, set()).add(item.key)

    def rebind(self, key: str) -> tuple[Change, ...]:
        """What the places have to be told of an item, by the rules in force."""
        item, (told, before) = self.live.get(key), self._bound.get(key, (None, ()))
        after = () if item is None else self.wanted(key)
        if told is item and before == after:
            return ()
        if item is None:
            self._bound.pop(key, None)
        else:
            self._bound[key] = (item, after)
        there, here = set(before), set(after)
        leaving = [Change(target, key, None) for target in before if target not in here]
        return (*leaving, *[Change(target, key, item) for target in after if told is not item or target not in there])

    def leave(self, panel: str) -> None:
        """A panel is no part of the site any more: nothing is bound to it."""
        for key, (item, targets) in self._bound.items():
            if any(target.panel == panel for target in targets):
                self._bound[key] = (item, tuple(target for target in targets if target.panel != panel))

    def forget(self, keys: Sequence[str]) -> None:
        """Tombstones that the store dropped."""
        for key in keys:
            forgotten = self.gone.pop(key, None)
            if forgotten is not None:
                self.numbers.forget(key)
                self._keys.pop((forgotten.kind, forgotten.uid), None)


async def work_out(is_open: Callable[[str], bool], identifier: Identifier | None) -> None:
    """Ask `Desired.open_at` for all that an identifier names, in turns with others: there may be thousands of profiles."""
    named = () if identifier is None else identifier.profiles or ()
    async for link_id in in_turns(named):
        is_open(link_id)


def _named(item: DesiredItem | None) -> Sequence[str]:
    identifier = None if item is None else item.identifier
    return () if identifier is None else identifier.profiles or ()
