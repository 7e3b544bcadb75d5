"""A store in memory, for virtual time: what is durable outlives `crash`, what is lazy may be lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.fleet.store import DesiredChange, DesiredProfile, GenerationConflict, ObservedPanel, Snapshot, StoreError


class MemoryStore:
    """See `gateway.fleet.store.Store`. `refuse`: raised by every durable write while it is set, `refuse_lazy`: by every other."""

    def __init__(self, commit_s: float = 0.001) -> None:
        self.refuse: StoreError | None = None
        self.refuse_lazy: StoreError | None = None
        self.clean = True
        """False: the next `open` tells of a power cut."""
        self.desired: dict[str, DesiredProfile] = {}
        self.allocations: dict[str, Mapping[str, tuple[int, ...]]] = {}
        self.overrides: dict[str, tuple[str, ...]] = {}
        self.observed: dict[str, ObservedPanel] = {}
        self._kept: dict[str, ObservedPanel] = {}
        self._commit_s = commit_s
        self._revision = 0
        self._sequence = 0
        self._last_write_at = 0.0
        self._news = asyncio.Event()

    async def open(self) -> Snapshot:
        return Snapshot(
            revision=self._revision,
            desired=dict(self.desired),
            allocations=dict(self.allocations),
            bindings=dict(self.overrides),
            observed=dict(self.observed),
            last_write_at=self._last_write_at,
            clean=self.clean,
        )

    def crash(self, *, lose_lazy: bool) -> None:
        """The gateway dies: what was observed since the last `flush` is lost where `lose_lazy`."""
        if lose_lazy:
            self.observed = dict(self._kept)
        self._kept = dict(self.observed)

    def flush(self) -> None:
        self._kept = dict(self.observed)

    async def close(self) -> None:
        self.flush()

    async def _durably(self, at: float) -> None:
        await asyncio.sleep(self._commit_s)
        if self.refuse is not None:
            raise self.refuse
        self._last_write_at = at

    async def put_desired(
        self, changes: Sequence[DesiredChange], allocations: Mapping[str, Mapping[str, tuple[int, ...]]], at: float
    ) -> tuple[DesiredProfile, ...]:
        await self._durably(at)
        for change in changes:
            held = self.desired.get(change.link_id)
            if (held.generation if held else 0) != change.expected_generation:
                raise GenerationConflict(change.link_id)
        done = [self._change(change, at) for change in changes]
        self.allocations.update({panel: dict(allocation) for panel, allocation in allocations.items()})
        self._news.set()
        self._news = asyncio.Event()
        return tuple(done)

    def _change(self, change: DesiredChange, at: float) -> DesiredProfile:
        held = self.desired.get(change.link_id)
        self._revision += 1
        if held is None or (held.profile is None and change.profile is not None):
            self._sequence += 1
            place = self._sequence
        else:
            place = held.sequence
        profile = DesiredProfile(change.link_id, place, self._revision, self._revision, change.profile, change.body, at)
        self.desired[change.link_id] = profile
        return profile

    async def put_allocation(self, panel: str, allocation: Mapping[str, tuple[int, ...]], at: float) -> None:
        await self.put_desired((), {panel: allocation}, at)

    async def put_binding(self, link_id: str, panels: tuple[str, ...] | None, at: float) -> None:
        await self._durably(at)
        self.overrides.pop(link_id, None)
        if panels is not None:
            self.overrides[link_id] = panels

    async def forget(self, link_ids: Sequence[str], at: float) -> None:
        await self._durably(at)
        for link_id in link_ids:
            if link_id in self.desired and self.desired[link_id].profile is None:
                del self.desired[link_id]

    async def put_observed(self, panel: str, observed: ObservedPanel | None) -> None:
        if self.refuse_lazy is not None:
            raise self.refuse_lazy
        if observed is None:
            self.observed.pop(panel, None)
        else:
            self.observed[panel] = observed

    async def changes(self, after: int) -> tuple[DesiredProfile, ...]:
        while True:
            found = [profile for profile in self.desired.values() if profile.revision > after]
            if found:
                return tuple(sorted(found, key=lambda profile: profile.revision))
            await self._news.wait()

    async def backup(self, target: Path) -> None:
        raise AssertionError("nothing to copy")

    async def writable(self) -> bool:
        return self.refuse is None
