"""What every part of the fleet works with: the store, the clock, how the site reads profiles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from config.settings import DoorSettings
from drivers.clock import HostClock
from drivers.contract import PanelCapabilities, PanelImage, Reason
from gateway.compiler.compiler import BoundProfile, CompileOptions
from gateway.concurrency import KeyedLock, UrgentFirst
from gateway.fleet.clock_trust import Rules
from gateway.fleet.events import Listener
from gateway.fleet.host_clock import ClockTrust
from gateway.fleet.numbers import KnownBy
from gateway.fleet.panel.failure import STORE_DOUBTED, Failure
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.results import Aggregate
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem, Store
from gateway.store.events import SiteEvent

_FILLED = 32
"""Images that are kept: those of a request for many panels, while it is carried out."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """A site's part of the configuration. `deadline_s`: how long a request waits for panels at most."""

    readings: Readings
    horizon_days: int = 400
    aggregate: Aggregate = "all"
    deadline_s: float = 10.0
    clock: Rules = field(default_factory=Rules)


async def _nowhere(panel: str, to: str) -> None:
    """No panel departs."""


class Ours(Protocol):
    """What the gateway knows: the keys of all that was ever asked for, tombstones included."""

    def __contains__(self, key: object) -> bool: ...

    def is_live(self, key: str) -> bool: ...

    def uid_of(self, key: str) -> int | None: ...

    def naming(self, link_id: str) -> Collection[str]:
        """The live identifiers that name a time profile."""
        ...

    def item(self, key: str) -> DesiredItem | None:
        """What is asked for by a key, or its tombstone."""
        ...

    def owner(self, number: KnownBy) -> str | None:
        """The identifier that has a number, or had it when it was deleted."""
        ...


KeepEvents = Callable[[Sequence[SiteEvent], Mapping[str, tuple[str, str]]], Awaitable[None]]
"""Makes events of panels durable, in order, and with them facts of panels (key and value). Raises StoreError."""


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


class Filled:
    """Images that panels which held nothing were compiled for lately, by all that they were compiled from: the next panel that is
    filled with the same gets the same image. A thread may ask, too.
    """

    def __init__(self) -> None:
        self._images: OrderedDict[Hashable, PanelImage] = OrderedDict()

    def __contains__(self, what: Hashable) -> bool:
        return what in self._images

    def image(self, what: Hashable, compiled: Callable[[], PanelImage]) -> PanelImage:
        found = self._images.get(what)
        if found is None:
            found = self._images[what] = compiled()
            if len(self._images) > _FILLED:
                self._images.popitem(last=False)
        return found


@dataclass
class FleetContext:
    """`write_lock` is held by every request that changes items or bindings; those that change different items hold it together.
    `turn`: one panel is compiled in a turn of the loop.
    `beside`: one is compiled beside the loop, in `compiling`: the loop's own threads may all be waiting for something outside.

    `doors`: those of the site; none: it names none.

    `deleted`: the keys of tombstones. `neighbours`: all panels. `numbered`: those whose unit has one of
    these serial numbers, as remembered or as read. `moved`: told when the unit of a departed panel was met as
    another panel. `readers_changed`: to be called when a panel was found to take identifiers, or to take none.
    `trust`: whether the wall clock is believed. `ask_clocks`: has the clocks of all panels but one read anew, soon.
    `doubt`: why what the store says may be older than what was asked; empty: it is not. In doubt things are taken away and
    nothing is opened. `doubted`: the generation behind which all was asked for since that doubt began.
    """

    store: Store
    clock: HostClock
    emit: Listener
    options: FleetOptions
    compile: Compile
    ours: Ours
    trust: ClockTrust
    keep_events: KeepEvents
    readers_changed: Callable[[], None] = lambda: None
    ask_clocks: Callable[[str], None] = lambda panel: None
    doubt: str = ""
    doubted: int = 0
    doors: Sequence[DoorSettings] = ()
    deleted: Collection[str] = ()
    neighbours: Callable[[], Iterable[Neighbour]] = tuple
    numbered: Callable[[Collection[str]], Iterable[Neighbour]] = lambda numbers: ()
    moved: Callable[[str, str], Awaitable[None]] = field(default=_nowhere)
    write_lock: KeyedLock = field(default_factory=KeyedLock)
    turn: UrgentFirst = field(default_factory=UrgentFirst)
    beside: UrgentFirst = field(default_factory=UrgentFirst)
    filled: Filled = field(default_factory=Filled)
    compiling: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "compile"))

    def trusted(self) -> bool:
        """Whether the wall clock may be believed now."""
        return self.trust.trusted()

    def may_open(self) -> bool:
        """Whether anything may be opened now: the time is known, and what is asked."""
        return self.closed() is None and not self.trust.awaiting

    def timeless(self) -> Failure | None:
        """Why the wall clock is not believed; None: it is."""
        if self.trusted():
            return None
        return Failure(Reason.CLOCK_NOT_SET, f"the gateway's clock is not trusted: {self.trust.reason}")

    def closed(self) -> Failure | None:
        """Why nothing may be opened now; None: it may."""
        return self.timeless() or (STORE_DOUBTED if self.doubt else None)

    def now(self) -> float:
        """Unix seconds; of the store's last write while the clock is not trusted: nothing is compiled for it."""
        return self.trust.now()

    def stamp(self) -> float:
        """The time to give to a durable write."""
        return self.trust.stamp()
