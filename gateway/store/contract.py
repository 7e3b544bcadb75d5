"""The contract of durable state. A second implementation on a replicated engine can carry several gateways later.

*Desired* is what was asked: durable when the call returns (it survives `kill -9` and a power cut). *Observed* is what panels
were seen to hold: may be committed lazily, a lost one only costs a read-back.
`at` is the time of a write (Unix seconds), kept as it is given; a caller that does not trust its clock gives the last one again.
Every method may raise StoreUnavailable (read-only, broken) or StoreFull; then nothing of the call was kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from drivers.clock import HostMoment
from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemOutcome, PanelIdentity, PanelImage, item_key
from gateway.identifiers.directory import Apartment, Forward
from gateway.identifiers.identifier import Identifier
from gateway.schedules.time_profile import TimeProfile
from gateway.store.events import EventQuery, SiteEvent

WAYS_ON = "restore a backup (`panel-gateway restore FILE`) or begin with an empty site (`panel-gateway serve --new-store`)"


class StoreError(Exception):
    """The store could not do what was asked; nothing of it was kept."""


class StoreFull(StoreError):
    """No room on the medium (answered with 507)."""


class StoreUnavailable(StoreError):
    """Read-only, gone, or closed (answered with 503)."""


class StoreInUse(StoreUnavailable):
    """Another process has it open for writing."""


class StoreDamaged(StoreUnavailable):
    """The file is not a whole store of this program. The text names the ways on."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{' '.join(what.split())}; {WAYS_ON}")


class StoreLost(StoreDamaged):
    """The file is empty, or gone though its mark is there."""


class StoreNewer(StoreError):
    """The file's schema is newer than this program."""


class GenerationConflict(StoreError):
    """A compare-and-set met another generation than the one expected."""


Content = TimeProfile | Identifier | Apartment | Forward
APARTMENT, FORWARD = "apartment", "forward"
KINDS: Mapping[str, type[Content]] = MappingProxyType(
    {TIME_PROFILE: TimeProfile, IDENTIFIER: Identifier, APARTMENT: Apartment, FORWARD: Forward}
)
"""The kinds of items, and what is asked for by each."""
_KIND_OF = {content: kind for kind, content in KINDS.items()}


def kind_of(content: Content) -> str:
    return _KIND_OF[type(content)]


@dataclass(frozen=True, slots=True)
class DesiredItem:
    """One thing that is asked for. `content` None: a tombstone, kept until every panel that may hold it was seen without it.

    `uid` numbers the items of a kind from 1, in the order of first creation; it is never given to another item, and a link_id
    that is made again after a deletion has its old one. 0: not stored yet. What was made without a link_id has an id of
    its own in its place (`gateway.identifiers.own_ids`), and no number after its tombstone is gone.
    `sequence` is the order of first creation (a new one after a deletion). `generation` rises with every change of one
    link_id and is never used twice, also over a deletion. `revision` is the store-wide number of the change. `body`
    is the wire item as JSON text, for listing; that of what opens stays with its tombstone, since panels may hold it: it has a
    name, and an identifier a number.
    """

    link_id: str
    sequence: int
    generation: int
    revision: int
    content: Content | None
    body: str
    changed_at: float
    kind: str = TIME_PROFILE
    uid: int = 0
    key: str = field(init=False, repr=False, compare=False)
    """What it is called inside: see `drivers.contract.item_key`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", item_key(self.kind, self.link_id))

    @property
    def profile(self) -> TimeProfile | None:
        """None: it is a tombstone, or no time profile."""
        return self.content if isinstance(self.content, TimeProfile) else None

    @property
    def identifier(self) -> Identifier | None:
        """None: it is a tombstone, or no identifier."""
        return self.content if isinstance(self.content, Identifier) else None


@dataclass(frozen=True, slots=True)
class DesiredChange:
    """Create or change (`content` set) or delete (`content` None). `expected_generation`: 0 where none may exist yet."""

    link_id: str
    expected_generation: int
    content: Content | None
    body: str = ""
    kind: str = TIME_PROFILE

    @property
    def key(self) -> str:
        return item_key(self.kind, self.link_id)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known of what a panel holds."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A panel holds one of these images. One alone: it held that when it was seen last. Several: it was being written, from the
    first towards the others. `others`: it may hold as well what nobody remembers."""

    images: tuple[PanelImage, ...]
    others: bool = False


@dataclass(frozen=True, slots=True)
class Certain:
    """A panel holds this image: it acknowledged it or was read to hold it, and nothing has happened to it since."""

    image: PanelImage


Known = Unknown | OneOf | Certain
"""What is known of a panel; the generations are in the images. Only what is certain counts as held: of a panel that is being
written, what all its possible images hold alike."""


def images(known: Known) -> tuple[PanelImage, ...]:
    """All that a panel may hold, as far as remembered."""
    if isinstance(known, Certain):
        return (known.image,)
    return known.images if isinstance(known, OneOf) else ()


def to_be_read(known: Known) -> bool:
    """Whether a panel has to be read whole before anything is certain: it was being written, or nobody knows."""
    match known:
        case Certain():
            return False
        case OneOf(found, others):
            return others or len(found) != 1
        case Unknown():
            return True


@dataclass(frozen=True, slots=True)
class ClockGiven:
    """When the gateway set a panel's clock last, by the host's clocks, and the zone's offset then (seconds)."""

    moment: HostMoment
    offset_s: int


@dataclass(frozen=True, slots=True)
class ObservedPanel:
    """What is known of one panel.

    `outcomes`: the last one of every link_id. `failures`: bounded retries, per link_id. `capacity`: as the unit reported it.
    """

    known: Known = Unknown()
    outcomes: Mapping[str, ItemOutcome] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    capacity: Mapping[str, int] = field(default_factory=dict)
    reset_count: int | None = None
    uptime_s: int | None = None
    seen_at: float | None = None
    drifts: int = 0
    resets: int = 0
    acknowledged_at: float | None = None
    """When the panel acknowledged a transaction last."""
    compiled_at: float = 0.0
    """When the newest image was compiled (Unix seconds): it lacks what was over by then. If it is earlier now, compile anew."""
    compiled_for: str = ""
    """Fingerprint of the capabilities and settings that all generations and outcomes were compiled for; another one now:
    they no longer count."""
    entries: Mapping[str, int] = field(default_factory=dict)
    """How many entries each identifier with a limited number of them had had when its slot was read last."""
    model: str = ""
    """The model of the panel that all this, and its allocation, is known of; it says nothing of another model. Empty in what
    0.1.0 stored: the present one."""
    options: str = ""
    """The options of the model, as JSON text."""
    identity: PanelIdentity | None = None
    """Which device answered when it was asked last; None: it was never asked."""
    clock_given: ClockGiven | None = None
    commit_count: int | None = None
    """The panel's count of commits when it was read last; None: a transaction of the gateway has begun since."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All durable state. `desired` and, panel by panel, `allocations` by the keys of items. `bindings`: link_id -> panels, set
    through the API."""

    revision: int
    desired: Mapping[str, DesiredItem]
    allocations: Mapping[str, Mapping[str, tuple[int, ...]]]
    bindings: Mapping[str, tuple[str, ...]]
    observed: Mapping[str, ObservedPanel]
    last_write_at: float
    """The time of the last durable write: the system clock is trusted once it is later than this."""
    clean: bool = True
    """False: the power was cut, or this is a backup: `observed` may be older than what panels hold, read them back."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Small durable things of the site; each key belongs to one module."""
    panel_facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same of one panel each, also of panels that are no part of the site any more."""
    doubt: str = ""
    """Why this may be older than what was asked and acknowledged: the log was lost, an older copy was put there. Empty: it is
    not. Until `trust` nothing must be opened by it, and what it does not know may be somebody's."""
    doubted: int = 0
    """The revision that the store had when the doubt began: what is of a later one was asked for since."""
    last_event: int = 0
    """The id of the last event; 0: there never was one."""
    events_dropped: int = 0
    """The greatest id of an event that was dropped."""


class Store(Protocol):
    async def open(self) -> Snapshot:
        """Open, migrate forwards (keeping a copy of the older file), check integrity, load.

        On a medium that takes no writing what is there is served; writes are refused until it does. Raises StoreLost,
        StoreDamaged, StoreNewer, StoreInUse.
        """
        ...

    async def close(self) -> None: ...

    async def put_desired(
        self, changes: Sequence[DesiredChange], allocations: Mapping[str, Mapping[str, tuple[int, ...]]], at: float
    ) -> tuple[DesiredItem, ...]:
        """One durable transaction, all or nothing: the changes, and the whole allocation of each panel named.

        Returns the items as they are now, in the order of `changes`. Raises GenerationConflict.
        """
        ...

    async def put_allocation(self, panel: str, allocation: Mapping[str, tuple[int, ...]], at: float) -> None:
        """Durable: replaces the panel's allocation."""
        ...

    async def put_binding(self, link_id: str, panels: tuple[str, ...] | None, at: float) -> None:
        """Durable: binds one link_id in place of the file's rules; None: back to the file's rules."""
        ...

    async def forget(self, keys: Sequence[str], at: float) -> None:
        """Durable: drop tombstones that no panel needs any more. What is desired again by now stays.

        Their generations stay unused, and their uids are theirs.
        """
        ...

    async def put_anew(self, items: Sequence[DesiredItem], at: float) -> None:
        """Durable: what is stored of these generations, and when they were asked for, is said anew, without a new one. One that
        another generation has replaced by now is passed over."""
        ...

    async def put_fact(self, key: str, value: str | None, at: float) -> None:
        """Durable: keeps a small fact of the site; None: drops it."""
        ...

    async def put_panel_fact(
        self, panel: str, key: str, value: str | None, at: float, mark: ObservedPanel | None = None, *, durable: bool = True
    ) -> None:
        """Keeps a small fact of a panel, whether the site has it or not; None: drops it. Durable when it returns; not `durable`:
        it survives `kill -9` from then on, a power cut within a second.

        `mark`: in the same commit, what is known of the panel where it is about to be written: a `put_observed` of the same that
        follows waits for nothing.
        """
        ...

    async def put_events(
        self, events: Sequence[SiteEvent], positions: Mapping[str, tuple[str, str]], at: float
    ) -> tuple[SiteEvent, ...]:
        """Durable, all or nothing: keeps events in this order, and with them facts of panels (key and value), which say how far
        the panel's own log was read. Returns the events with their ids."""
        ...

    async def drop_events(self, up_to: int, most: int, at: float) -> tuple[int, int]:
        """Durable: drops the events with ids up to this one, and the oldest beyond `most`; some of them a call.

        Returns how many it dropped, and the greatest id that was ever dropped.
        """
        ...

    async def events(self, query: EventQuery) -> tuple[SiteEvent, ...]:
        """One page of the events that a query asks for. Writing does not wait for it."""
        ...

    async def count_events(self, query: EventQuery) -> int:
        """How many events there are on all pages of a query."""
        ...

    async def put_observed(self, panel: str, observed: ObservedPanel) -> None:
        """Keep what is known of a panel. Returns at once; committed within a second or at close.

        A panel that is `to_be_read` is committed first, unless the store says so already and that it may hold all these images:
        that survives `kill -9`, if not a power cut. Where the store does not take it now, it is tried again later.
        """
        ...

    async def trust(self) -> None:
        """Take what is stored for the truth, whatever the doubt. Raises StoreError."""
        ...

    async def backup(self, target: Path) -> None:
        """An online copy, consistent, while the gateway works."""
        ...

    async def writable(self) -> bool:
        """Whether a durable write would be taken now (for /readyz): tried, not guessed."""
        ...
