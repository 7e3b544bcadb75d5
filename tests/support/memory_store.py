"""A store in memory, for virtual time: what is durable outlives a kill and a power cut, what is lazy may be lost by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from drivers.contract import TIME_PROFILE
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import (
    DesiredChange,
    DesiredItem,
    GenerationConflict,
    ObservedPanel,
    Snapshot,
    StoreError,
    StoreUnavailable,
    images,
    to_be_read,
)
from gateway.store.events import EventQuery, SiteEvent, matching, next_ids

LAZY_S = 0.5
"""What is observed is filed within so long."""


class MemoryStore:
    """See `gateway.store.contract.Store`; opened again it is another store on the same medium.

    `refuse`: raised by every durable write while set, `refuse_lazy`: by every other.
    """

    def __init__(self, commit_s: float = 0.001) -> None:
        self.refuse: StoreError | None = None
        self.refuse_lazy: StoreError | None = None
        self.doubt = ""
        """Why the store is not believed."""
        self.doubted: int | None = None
        """The revision at which that began; None: it is found out when the store is opened."""
        self.clean = True
        """False: the next `open` tells of a power cut."""
        self.desired: dict[str, DesiredItem] = {}
        self.allocations: dict[str, Mapping[str, tuple[int, ...]]] = {}
        self.overrides: dict[str, tuple[str, ...]] = {}
        self.facts: dict[str, str] = {}
        self.panel_facts: dict[str, dict[str, str]] = {}
        self.observed: dict[str, ObservedPanel] = {}
        self.kept_events: list[SiteEvent] = []
        self._last_event = self._events_dropped = 0
        self.history: list[tuple[str, TimeProfile | None]] = []
        """Every change of what is desired, in order, as it was asked for."""
        self.changed: Callable[[str, TimeProfile | None], None] = lambda link_id, profile: None
        """Called with each of them."""
        self.changed_at = 0.0
        """When desired profiles or bindings changed last (the loop's seconds)."""
        self._kept: dict[str, ObservedPanel] = {}
        self._filed: dict[str, ObservedPanel] = {}
        self._pending: dict[str, ObservedPanel] = {}
        self._being_filed: list[dict[str, ObservedPanel]] = []
        self._due: float | None = None
        """When what is pending is filed (the loop's seconds)."""
        self._unsynced: dict[tuple[str, str], tuple[str | None, float]] = {}
        """(panel, key) of facts that a power cut undoes -> what they were, and until when (the loop's seconds)."""
        self._commit_s = commit_s
        self._revision = 0
        self._sequence = 0
        self._uids: dict[str, dict[str, int]] = {}
        """kind -> link_id -> uid, forever."""
        self.last_write_at = 0.0
        self._is_open = False
        self._under_way: set[asyncio.Task[object]] = set()
        """Who waits for a durable write."""

    async def open(self) -> Snapshot:
        if self._is_open:
            raise StoreUnavailable("another gateway uses this store")
        self._is_open = True
        self.doubted = (self._revision if self.doubted is None else self.doubted) if self.doubt else None
        return Snapshot(
            revision=self._revision,
            desired=dict(self.desired),
            allocations=dict(self.allocations),
            bindings=dict(self.overrides),
            observed=dict(self.observed),
            last_write_at=self.last_write_at,
            clean=self.clean,
            doubt=self.doubt,
            doubted=self.doubted or 0,
            facts=dict(self.facts),
            panel_facts={panel: dict(facts) for panel, facts in self.panel_facts.items() if facts},
            last_event=self._last_event,
            events_dropped=self._events_dropped,
        )

    def crash(self, *, lose_lazy: bool) -> None:
        """Power is cut: what was observed since the last `flush` is lost where `lose_lazy`."""
        if lose_lazy:
            self.observed = dict(self._kept)
            for (panel, key), (before, until) in self._unsynced.items():
                if asyncio.get_running_loop().time() < until:
                    _put(self.panel_facts[panel], key, before)
        self.flush()
        self._is_open = False

    def kill(self) -> None:
        """The process is killed: what was observed just now is lost, but for the marks of panels that are being written."""
        self._file_due()
        self.observed = dict(self._filed)
        self.flush()
        self._is_open = False

    def flush(self) -> None:
        self._kept, self._filed, self._pending, self._due = dict(self.observed), dict(self.observed), {}, None
        self._unsynced.clear()

    def _file_due(self) -> None:
        if self._due is not None and self._due <= asyncio.get_running_loop().time():
            self._filed.update(self._pending)
            self._pending, self._due = {}, None

    async def close(self) -> None:
        self._is_open = False
        if self._under_way:
            await asyncio.wait(self._under_way)
        self.flush()

    def _refuse_when_closed(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")

    async def _commit(self, *, durable: bool = True) -> None:
        """What is done after it, without another pause, is one write; a durable one makes all earlier ones durable."""
        self._refuse_when_closed()
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            await asyncio.sleep(self._commit_s)
        finally:
            self._under_way.discard(task)
        if self.refuse is not None:
            raise self.refuse
        if durable:
            self._unsynced.clear()

    async def put_desired(
        self, changes: Sequence[DesiredChange], allocations: Mapping[str, Mapping[str, tuple[int, ...]]], at: float
    ) -> tuple[DesiredItem, ...]:
        await self._commit()
        for change in changes:
            held = self.desired.get(change.key)
            self.changed_at = asyncio.get_running_loop().time()
            if (held.generation if held else 0) != change.expected_generation:
                raise GenerationConflict(change.link_id)
        self.last_write_at = at
        self.allocations.update({panel: dict(allocation) for panel, allocation in allocations.items()})
        return tuple([self._change(change, at) for change in changes])

    def _change(self, change: DesiredChange, at: float) -> DesiredItem:
        held = self.desired.get(change.key)
        self._revision += 1
        if change.kind == TIME_PROFILE:
            profile = replace(change.content, reading=None) if isinstance(change.content, TimeProfile) else None
            self.history.append((change.link_id, profile))
            self.changed(change.link_id, profile)
        if held is None or (held.content is None and change.content is not None):
            self._sequence += 1
            place = self._sequence
        else:
            place = held.sequence
        uids = self._uids.setdefault(change.kind, {})
        uid = uids.setdefault(change.link_id, len(uids) + 1)
        item = DesiredItem(
            change.link_id, place, self._revision, self._revision, change.content, change.body, at, change.kind, uid
        )
        self.desired[change.key] = item
        return item

    async def put_allocation(self, panel: str, allocation: Mapping[str, tuple[int, ...]], at: float) -> None:
        await self.put_desired((), {panel: allocation}, at)

    async def put_binding(self, link_id: str, panels: tuple[str, ...] | None, at: float) -> None:
        link_id.encode()
        await self._commit()
        self.last_write_at = at
        self.changed_at = asyncio.get_running_loop().time()
        self.overrides.pop(link_id, None)
        if panels is not None:
            self.overrides[link_id] = panels

    async def forget(self, keys: Sequence[str], at: float) -> None:
        await self._commit()
        self.last_write_at = at
        for key in keys:
            if key in self.desired and self.desired[key].content is None:
                del self.desired[key]

    async def put_anew(self, items: Sequence[DesiredItem], at: float) -> None:
        await self._commit()
        self.last_write_at = at
        for item in items:
            known = self.desired.get(item.key)
            if known is not None and known.generation == item.generation:
                self.desired[item.key] = replace(known, content=item.content, changed_at=item.changed_at)

    async def put_fact(self, key: str, value: str | None, at: float) -> None:
        await self._commit()
        self.last_write_at = at
        _put(self.facts, key, value)

    async def put_panel_fact(
        self, panel: str, key: str, value: str | None, at: float, mark: ObservedPanel | None = None, *, durable: bool = True
    ) -> None:
        await self._commit(durable=durable)
        self.last_write_at = at
        facts = self.panel_facts.setdefault(panel, {})
        if not durable:
            self._unsynced.setdefault((panel, key), (facts.get(key), asyncio.get_running_loop().time() + LAZY_S))
        _put(facts, key, value)
        if mark is not None:
            self._file_due()
            self._pending.pop(panel, None)
            self.observed[panel] = self._filed[panel] = mark
            if durable:
                self._kept[panel] = mark

    async def put_events(
        self, events: Sequence[SiteEvent], positions: Mapping[str, tuple[str, str]], at: float
    ) -> tuple[SiteEvent, ...]:
        await self._commit()
        self.last_write_at = at
        ids = next_ids(self._last_event, at, len(events))
        kept = tuple([replace(event, id=number) for number, event in zip(ids, events, strict=True)])
        self.kept_events += kept
        self._last_event = kept[-1].id if kept else self._last_event
        for panel, (key, value) in positions.items():
            _put(self.panel_facts.setdefault(panel, {}), key, value)
        return kept

    async def drop_events(self, up_to: int, most: int, at: float) -> tuple[int, int]:
        await self._commit()
        self.last_write_at = at
        fresh = [event for event in self.kept_events if event.id > up_to]
        left = fresh[max(0, len(fresh) - most) :]
        gone = len(self.kept_events) - len(left)
        if gone:
            self.kept_events = left
            self._events_dropped = left[0].id - 1 if left else self._last_event
        return gone, self._events_dropped

    async def events(self, query: EventQuery) -> tuple[SiteEvent, ...]:
        self._refuse_when_closed()
        return tuple(matching(self.kept_events, query)[query.skip :][: query.limit])

    async def count_events(self, query: EventQuery) -> int:
        self._refuse_when_closed()
        return len(matching(self.kept_events, query))

    async def put_observed(self, panel: str, observed: ObservedPanel) -> None:
        self._refuse_when_closed()
        if self.refuse_lazy is not None:
            raise self.refuse_lazy
        self._file_due()
        self.observed[panel] = self._pending[panel] = observed
        if not to_be_read(observed.known) or self._is_marked(panel, observed):
            self._due = self._due or asyncio.get_running_loop().time() + LAZY_S
            return
        together, self._pending, self._due = self._pending, {}, None
        self._being_filed.append(together)
        try:
            await asyncio.sleep(self._commit_s)
        finally:
            while any(each is together for each in self._being_filed):  # in order
                self._filed.update(self._being_filed.pop(0))

    def _is_marked(self, panel: str, observed: ObservedPanel) -> bool:
        """Whether the file says already that the panel is dirty and may hold all these images."""
        if any(panel in together for together in self._being_filed):
            return False
        filed = self._filed.get(panel)
        if filed is None or not to_be_read(filed.known) or (filed.model, filed.options) != (observed.model, observed.options):
            return False
        return all(image in images(filed.known) for image in images(observed.known))

    async def trust(self) -> None:
        self._refuse_when_closed()
        self.doubt = ""

    async def backup(self, target: Path) -> None:
        self._refuse_when_closed()
        raise AssertionError("nothing to copy")

    async def writable(self) -> bool:
        return self._is_open and self.refuse is None


def _put(facts: dict[str, str], key: str, value: str | None) -> None:
    facts.pop(key, None)
    if value is not None:
        facts[key] = value
