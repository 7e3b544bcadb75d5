"""What the API needs from the rest of the gateway: values and callables handed in by the composition root."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aiohttp import web

from config.settings import DoorSettings, Settings
from drivers.clock import Clock
from gateway.access.doors import Doors
from gateway.api.inert import InertSettings
from gateway.api.known_addresses import KnownAddresses
from gateway.concurrency import Supervisor
from gateway.fleet.host_clock import ClockView
from gateway.fleet.matrix import Matrix
from gateway.fleet.panel.departed import Departed
from gateway.fleet.problems import Problem
from gateway.fleet.results import LinkReport
from gateway.fleet.views import (
    BoundItem,
    Deletion,
    ExplainReport,
    HoursReport,
    Judge,
    JudgeBinding,
    Openings,
    PanelView,
    PlanReport,
    RefusedItem,
    RequestItem,
    Revision,
    StoreView,
)
from gateway.fleet.who import Passage
from gateway.journal.manager_settings import ManagerLink
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem
from gateway.store.events import EventQuery, SiteEvent

T = TypeVar("T")


class FleetService(Protocol):
    """The fleet as the API sees it. Calls that name panels raise UnknownPanel; calls that store raise StoreError."""

    async def upsert(self, items: Sequence[RequestItem | RefusedItem | Revision]) -> tuple[LinkReport, ...]: ...

    async def delete(self, link_ids: Sequence[str], kind: str, judge: Judge | None = None) -> tuple[LinkReport, ...]: ...

    def items(self, kind: str) -> Sequence[DesiredItem]:
        """The items of a kind that are not deleted, in order of creation."""
        ...

    def entity(self, kind: str, uid: int) -> DesiredItem | None:
        """The item of a number, or its tombstone while panels may hold it."""
        ...

    def uid_of(self, key: str) -> int | None: ...

    def naming(self, link_id: str) -> Collection[str]:
        """The keys of the live identifiers that name a time profile."""
        ...

    def passes_left(self, item: DesiredItem) -> int | None:
        """The most entries that an identifier has left at any one panel; None: any number."""
        ...

    async def reset_passes(self, item: DesiredItem) -> None: ...

    async def plan(self, items: Sequence[RequestItem | RefusedItem | Deletion], panels: Sequence[str] | None) -> PlanReport: ...

    async def explain(self, link_id: str, at: int, panel: str | None, kind: str) -> ExplainReport | None:
        """None: the link_id is unknown."""
        ...

    def readings(self) -> Readings:
        """How the site reads what the panel API leaves open."""
        ...

    def matrix(self) -> Matrix:
        """What became of every item at every panel and door."""
        ...

    async def hours(
        self, link_id: str, kind: str, first: int, count: int, places: slice, panel: str | None
    ) -> HoursReport | None:
        """When an item is open on `count` days from the local day `first` on. None: unknown link_id."""
        ...

    async def openings(self, items: Sequence[RequestItem], at: int, most: int) -> list[Openings]: ...

    async def passages(self, doors: Sequence[DoorSettings], key: str | None, at: int) -> list[Passage]: ...

    def panels(self) -> Iterable[PanelView]: ...

    def panel(self, panel_id: str) -> PanelView | None:
        """One panel with its items; None: the panel is unknown."""
        ...

    async def sync(self, panel_id: str) -> None: ...

    async def reinit(self, panel_id: str) -> None: ...

    async def retry(self, panel_id: str) -> None: ...

    def clock(self) -> ClockView:
        """Whether the host's clock is trusted, and why."""
        ...

    async def trust_clock(self, at: float, up_s: float) -> None:
        """An operator vouches for the clock reading shown earlier. Raises ClockTooEarly and ClockWasSet."""
        ...

    async def accept(self, panel_id: str) -> None:
        """Raises CannotDo."""
        ...

    async def accept_slots(self, panel_id: str) -> None:
        """Raises CannotDo."""
        ...

    async def erase(self, panel_id: str) -> None: ...

    async def forget(self, panel_id: str) -> None:
        """Raises CannotDo."""
        ...

    def departed(self) -> Sequence[Departed]:
        """Panels that have left the configuration and may still hold something."""
        ...

    def bindings(self) -> Mapping[str, tuple[str, ...]]:
        """The bindings set through the API, which replace the file's rules."""
        ...

    def deleted(self) -> Iterable[DesiredItem]:
        """The tombstones of time profiles and identifiers that panels may hold."""
        ...

    def bound_items(self) -> Iterable[BoundItem]:
        """Every time profile and identifier with the panels that it is for."""
        ...

    async def bind(self, link_id: str, panels: Sequence[str], judge: JudgeBinding | None = None) -> None: ...

    async def unbind(self, link_id: str, judge: JudgeBinding | None = None) -> bool:
        """False: nothing was set for this link_id."""
        ...


class JournalService(Protocol):
    """The journal as the API sees it. Calls that read or drop raise StoreError."""

    @property
    def last(self) -> int:
        """The id of the last event."""
        ...

    @property
    def dropped(self) -> int:
        """The greatest id of an event that was dropped."""
        ...

    def tell(self, kind: str, panel: str | None = None, **facts: object) -> None: ...

    async def settled(self) -> None:
        """Wait until what was told is durable, or the store does not take it."""
        ...

    async def page(self, query: EventQuery) -> Sequence[SiteEvent]: ...

    async def count(self, query: EventQuery) -> int: ...

    def gap(self, place: int) -> SiteEvent | None:
        """What is told in place of events behind a place that were dropped."""
        ...

    def follow(self, place: int, silence_s: float) -> AsyncGenerator[Sequence[SiteEvent], None]: ...

    def close(self) -> None:
        """All that follow end."""
        ...

    async def clear(self) -> None: ...


class ManagerService(Protocol):
    """The manager that the gateway reports to. Calls that change it raise StoreError."""

    def current(self) -> ManagerLink: ...

    async def revise(self, revised: Callable[[ManagerLink], ManagerLink]) -> ManagerLink:
        """What is made of what counts now counts until `unsay`; it is returned."""
        ...

    async def unsay(self) -> None:
        """The configuration counts again."""
        ...


class Network(Protocol):
    """What the host says of its network; empty where it does not say."""

    @property
    def mask(self) -> str: ...

    @property
    def gateway(self) -> str: ...

    @property
    def dns(self) -> str: ...

    @property
    def mac_address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """The result of a reload. `applied` False: nothing changed; `mistakes` says why, one `key.path: what` each."""

    applied: bool
    changes: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineChoice:
    """Which lines are told of: `line` alone (None: any), those with `find` in their names or their panels', without the `first`
    ones, `limit` at most (None: all); `minutes`: with their last hour."""

    minutes: bool = False
    line: str | None = None
    find: str = ""
    first: int = 0
    limit: int | None = None

    def takes(self, line: str, panels: Iterable[str]) -> bool:
        return self.line in (None, line) and any(self.find in name.casefold() for name in (line, *panels))

    @property
    def places(self) -> slice:
        return slice(self.first, None if self.limit is None else self.first + self.limit)


@dataclass(frozen=True, slots=True)
class ApiServices:
    """What the API calls. `health` and `ready` return the problems, one phrase each; none: all is well.

    `lines` gives the body of `/gateway/v1/lines`;
    `metrics` gives the Prometheus text of `/metrics` (None: no such path).
    `trust_store` ends the doubt about the store; raises StoreError. `store` says whether there is one.
    `known_addresses`: those that are remembered over a restart (None: only while it runs).
    `journal`: the events of the site (None: none are kept).
    `inert` keeps what managers write to devices; `network` tells what the host says of its network.
    `problems` looks for what is wrong now, the worst first (None: nothing looks).
    `device_serial` is a UUID that stays the same over restarts. `configured` gives the configuration in use, `settings` is
    the one of the start.
    """

    fleet: FleetService
    settings: Settings
    clock: Clock
    reload: Callable[[], Coroutine[Any, Any, ReloadReport]]
    lines: Callable[[LineChoice], object]
    health: Callable[[], tuple[str, ...]]
    ready: Callable[[], Awaitable[tuple[str, ...]]]
    device_serial: str
    inert: InertSettings
    network: Callable[[], Network]
    doors: Doors
    metrics: Callable[[], bytes] | None = None
    trust_store: Callable[[], Coroutine[Any, Any, None]] | None = None
    known_addresses: KnownAddresses | None = None
    store: Callable[[], StoreView] | None = None
    problems: Callable[[], Awaitable[Sequence[Problem]]] | None = None
    journal: JournalService | None = None
    manager: ManagerService | None = None
    configured: Callable[[], Settings] | None = None


SERVICES = web.AppKey("services", ApiServices)
UNDISTURBED = web.AppKey("undisturbed", Supervisor)


async def finish(request: web.Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for `work`, which goes on if the client disconnects."""
    return await request.app[UNDISTURBED].finish(work, request.path)


async def told(request: web.Request) -> None:
    """Wait until the events of a request are durable: they are there once it is answered. Where the store takes none it is
    answered all the same."""
    journal = request.app[SERVICES].journal
    if journal is not None:
        await journal.settled()
