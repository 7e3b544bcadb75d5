"""What every part of the fleet works with: the store, the clock, how the site reads profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.clock import Clock
from drivers.contract import PanelCapabilities, PanelImage
from gateway.compiler.compiler import BoundProfile, CompileOptions
from gateway.concurrency import UrgentFirst
from gateway.fleet.events import Listener
from gateway.fleet.results import Aggregate
from gateway.schedules.time_profile import Readings
from gateway.store.contract import Store


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """A site's part of the configuration. `deadline_s`: how long a request waits for panels at most."""

    readings: Readings
    horizon_days: int = 400
    aggregate: Aggregate = "all"
    deadline_s: float = 10.0


class Compile(Protocol):
    """`gateway.compiler.compiler.compile_panel`."""

    def __call__(
        self,
        profiles: Sequence[BoundProfile],
        capabilities: PanelCapabilities,
        allocation: Mapping[str, tuple[int, ...]],
        now: float,
        options: CompileOptions,
        held: PanelImage | None = None,
    ) -> PanelImage: ...


@dataclass
class FleetContext:
    """`write_lock` is held by whoever changes what is bound by a request. `turn`: one panel is compiled in a turn of the loop.
    `beside`: one is compiled beside the loop.

    `ours`: the link_ids that the gateway knows, tombstones included. `trusted_from`: the store's last write; the wall
    clock is trusted once it was later than this.
    """

    store: Store
    clock: Clock
    emit: Listener
    options: FleetOptions
    compile: Compile
    ours: Container[str]
    trusted_from: float
    write_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turn: UrgentFirst = field(default_factory=UrgentFirst)
    beside: UrgentFirst = field(default_factory=UrgentFirst)
    _trusted: bool = False

    def trusted(self) -> bool:
        """Whether the wall clock may be believed. Once trusted it stays so: a later step back may well be right."""
        if not self._trusted and self.clock.wall() > self.trusted_from:
            self._trusted = True
        return self._trusted

    def now(self) -> float:
        """Unix seconds; not before the store's last write."""
        return self.clock.wall() if self.trusted() else self.trusted_from
