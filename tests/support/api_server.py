"""The real HTTP surface on a free port, over a fleet that lives in memory."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web

from config.settings import DoorSettings, HttpSettings, Settings, SiteSettings, UserSettings
from drivers.contract import IDENTIFIER, TIME_PROFILE, Availability, ItemState, Reason, item_key
from drivers.trace import request_id
from gateway.access.doors import Doors
from gateway.api.inert import InertSettings
from gateway.api.routes import build_app, build_runner
from gateway.api.services import ApiServices, ReloadReport
from gateway.compiler.calendar import calendar, profile_days
from gateway.fleet.clock_trust import ClockWarning
from gateway.fleet.events import Event
from gateway.fleet.host_clock import ClockView
from gateway.fleet.matrix import Column, Matrix, Row
from gateway.fleet.panel.commanded import CommandedOutputs
from gateway.fleet.panel.departed import Departed
from gateway.fleet.questions import openings_of
from gateway.fleet.results import Change, LinkReport, PanelResult
from gateway.fleet.views import (
    BoundItem,
    Deletion,
    ExplainPanel,
    ExplainReport,
    HoursReport,
    ItemView,
    Judge,
    JudgeBinding,
    Openings,
    PanelHours,
    PanelView,
    PlanItem,
    PlanItemPanel,
    PlanPanel,
    PlanReport,
    RefusedItem,
    RequestItem,
    Revision,
    UnknownPanel,
)
from gateway.fleet.who import Passage
from gateway.journal.journal import Journal
from gateway.journal.manager_settings import ManagerChoice, ManagerLink
from gateway.journal.retention import Retention
from gateway.ops.host_network import HostNetwork
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings
from gateway.store.contract import KINDS, DesiredItem, kind_of
from gateway.web.pages import add_pages
from tests.support.memory_store import MemoryStore

VECTORS = Path(__file__).parents[1] / "vectors"
SERIAL = "5f0c2a4e-7f5c-4d0e-9b1a-0d6f1f6f0001"
BASIC = "Basic " + base64.b64encode(b"admin:123456").decode()
MD5 = "e10adc3949ba59abbe56e057f20f883e"

LOBBY = PanelResult("lobby", True, ItemState.MATERIALISED, valid_until=1_825_000_000, reason=Reason.NO_REPLY)
GATE = PanelResult("gate:3", False, ItemState.PENDING, Reason.NO_REPLY, "no answer", still_grants=2)

VIEW = PanelView(
    id="lobby",
    line="rs485-a",
    model="open-access-panel",
    state="in_sync",
    availability=Availability.ONLINE,
    desired=1,
    held=1,
    pending=0,
    refused=0,
    lag_s=0,
    clock_drift_ms=120,
    resets=0,
    quarantined_until=None,
    last_seen_at=1_795_450_000,
    last_error=None,
    items=(ItemView("91c615e3-1040-4815-8ecb-000000000001", 3, 3, ItemState.EXACT),),
)

CLOCK = ClockView(
    trusted=True,
    source="host",
    since=1_793_484_000,
    reason=None,
    warnings=(ClockWarning("never_synchronised", "warning", "the system clock has never been seen synchronised: it is trusted"),),
    at=1_793_484_000.5,
    up_s=1000.25,
)


def vector(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


class OwnedClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_793_484_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")


READINGS = Readings(ZoneInfo("Europe/Kyiv"))


class MemoryMatrix(Matrix):
    """`cells`: those of every item, by column."""

    def __init__(self, fleet: MemoryFleet, columns: Sequence[Column], cells: Row) -> None:
        self.columns = tuple(columns)
        self._fleet, self._cells = fleet, cells

    def items(self) -> Iterator[DesiredItem]:
        yield from (item for kind in (IDENTIFIER, TIME_PROFILE) for item in self._fleet.items(kind))

    def row(self, item: DesiredItem) -> Row:
        return self._cells


@dataclass
class MemoryFleet:
    """Keeps what it is told; `panel_results` is what every item's panels say."""

    desired: dict[str, RequestItem] = field(default_factory=dict)
    panel_results: tuple[PanelResult, ...] = ()
    gone: list[DesiredItem] = field(default_factory=list)
    bound: dict[str, tuple[str, ...]] = field(default_factory=dict)
    acted: list[tuple[str, str]] = field(default_factory=list)
    upserts: list[Sequence[RequestItem]] = field(default_factory=list)
    deletes: list[Sequence[str]] = field(default_factory=list)
    host_clock: ClockView = CLOCK
    vouched: list[tuple[float, float]] = field(default_factory=list)
    broken: Exception | None = None
    seen_request_id: str | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    columns: Sequence[Column] = ()
    cells: Row = field(default_factory=dict)
    read_as: Readings = READINGS

    def commanded(self, panel_id: str) -> CommandedOutputs:
        raise UnknownPanel(panel_id)

    def tell(self, event: Event) -> None:
        raise AssertionError("nothing here commands a door")

    async def upsert(self, items: Sequence[RequestItem | RefusedItem | Revision]) -> tuple[LinkReport, ...]:
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.broken is not None:
            raise self.broken
        self.seen_request_id = request_id.get()
        self.upserts.append([item for item in items if isinstance(item, RequestItem)])
        return tuple(self._upsert(self._revised(item)) for item in items)

    def _revised(self, item: RequestItem | RefusedItem | Revision) -> RequestItem | RefusedItem:
        if not isinstance(item, Revision):
            return item
        (live,) = [one for kind in KINDS for one in self.items(kind) if one.key == item.key]
        return item.revise(live)

    def _upsert(self, item: RequestItem | RefusedItem) -> LinkReport:
        if isinstance(item, RefusedItem):
            return LinkReport(item.link_id, item.change, False)
        change = Change.UPDATED if item.key in self.desired else Change.CREATED
        self.desired[item.key] = item
        uid = self.uid_of(item.key) or 0
        return LinkReport(item.link_id, change, all(one.success for one in self.panel_results), self.panel_results, uid)

    async def delete(self, link_ids: Sequence[str], kind: str, judge: Judge | None = None) -> tuple[LinkReport, ...]:
        live = {item.link_id: item for item in self.items(kind)}
        if judge is not None:
            for link_id in link_ids:
                judge(live.get(link_id))
        self.deletes.append(link_ids)
        return tuple(self._delete(link_id, kind) for link_id in link_ids)

    def _delete(self, link_id: str, kind: str) -> LinkReport:
        if self.desired.pop(item_key(kind, link_id), None) is None:
            return LinkReport(link_id, Change.NOT_FOUND, False)
        return LinkReport(link_id, Change.DELETED, True, (PanelResult("lobby", True, ItemState.REMOVED),))

    def entity(self, kind: str, uid: int) -> DesiredItem | None:
        return next((item for item in self.items(kind) if item.uid == uid), None)

    def uid_of(self, key: str) -> int | None:
        return next((item.uid for kind in KINDS for item in self.items(kind) if item.key == key), None)

    def naming(self, link_id: str) -> Collection[str]:
        return [item.key for item in self.items(IDENTIFIER) if item.identifier and link_id in (item.identifier.profiles or ())]

    def passes_left(self, item: DesiredItem) -> int | None:
        return None if item.identifier is None else item.identifier.passes

    async def reset_passes(self, item: DesiredItem) -> None:
        self.acted.append(("reset passes", item.key))

    def items(self, kind: str) -> Sequence[DesiredItem]:
        return [
            DesiredItem(item.link_id, number, 1, number, item.content, item.body, 0.0, kind, number + 1)
            for number, item in enumerate(self.desired.values())
            if kind_of(item.content) == kind
        ]

    async def plan(self, items: Sequence[RequestItem | RefusedItem | Deletion], panels: Sequence[str] | None) -> PlanReport:
        for name in panels or ():
            self._known(name)
        on_lobby = PlanItemPanel("lobby", ItemState.EXACT, None, (), None, None, 1)
        planned = tuple(PlanItem(item.link_id, (on_lobby,)) for item in items)
        return PlanReport(planned, (PlanPanel("lobby", "rs485-a", 64, ("0110",), 187, 109.4, 1),))

    async def passages(self, doors: Sequence[DoorSettings], key: str | None, at: int) -> list[Passage]:
        return []

    def readings(self) -> Readings:
        return self.read_as

    def matrix(self) -> Matrix:
        return MemoryMatrix(self, self.columns, self.cells)

    async def hours(
        self, link_id: str, kind: str, first: int, count: int, places: slice, panel: str | None
    ) -> HoursReport | None:
        if panel is not None:
            self._known(panel)
        found = next((item for item in self.items(kind) if item.link_id == link_id), None)
        if found is None or found.profile is None:
            return None
        asked = calendar(first, profile_days(Recurrence(found.profile, READINGS), first, count))
        panels: tuple[PanelHours, ...] = (PanelHours(LOBBY, asked, asked), PanelHours(GATE, asked, calendar(first, [()] * count)))
        return HoursReport(found, first, count, READINGS.zone.key, asked, panels[places], 2)

    async def openings(self, items: Sequence[RequestItem], at: int, most: int) -> list[Openings]:
        return [openings_of(item.profile, READINGS, at, most) for item in items]

    async def explain(self, link_id: str, at: int, panel: str | None, kind: str) -> ExplainReport | None:
        if panel is not None:
            self._known(panel)
        if item_key(kind, link_id) not in self.desired:
            return None
        answer = ExplainPanel("lobby", True, False, "held", "generation 3 asked, 2 held")
        return ExplainReport(link_id, at, True, (answer,))

    def panels(self) -> tuple[PanelView, ...]:
        return (replace(VIEW, items=()),)

    def panel(self, panel_id: str) -> PanelView | None:
        return VIEW if panel_id == VIEW.id else None

    async def sync(self, panel_id: str) -> None:
        self._act("sync", panel_id)

    async def reinit(self, panel_id: str) -> None:
        self._act("reinit", panel_id)

    async def accept(self, panel_id: str) -> None:
        self._act("accept", panel_id)

    async def accept_slots(self, panel_id: str) -> None:
        self._act("accept_slots", panel_id)

    async def erase(self, panel_id: str) -> None:
        self._act("erase", panel_id)

    async def forget(self, panel_id: str) -> None:
        self._act("forget", panel_id)

    def departed(self) -> Sequence[Departed]:
        return ()

    async def retry(self, panel_id: str) -> None:
        self._act("retry", panel_id)

    def _act(self, action: str, panel_id: str) -> None:
        if panel_id != VIEW.id:
            raise UnknownPanel(panel_id)
        self.acted.append((action, panel_id))

    def clock(self) -> ClockView:
        return self.host_clock

    async def trust_clock(self, at: float, up_s: float) -> None:
        if self.broken is not None:
            raise self.broken
        self.vouched.append((at, up_s))

    def bindings(self) -> Mapping[str, tuple[str, ...]]:
        return self.bound

    def deleted(self) -> Iterator[DesiredItem]:
        return iter(self.gone)

    def bound_items(self) -> Iterator[BoundItem]:
        for kind in (TIME_PROFILE, IDENTIFIER):
            for item in self.items(kind):
                own = self.bound.get(item.link_id)
                yield BoundItem(item, own or ("lobby",), "override" if own else "file")

    async def bind(self, link_id: str, panels: Sequence[str], judge: JudgeBinding | None = None) -> None:
        for name in panels:
            self._known(name)
        if judge is not None:
            judge(self.bound.get(link_id))
        self.bound[link_id] = tuple(panels)

    async def unbind(self, link_id: str, judge: JudgeBinding | None = None) -> bool:
        if judge is not None and link_id in self.bound:
            judge(self.bound[link_id])
        return self.bound.pop(link_id, None) is not None

    def _known(self, name: str) -> None:
        if name not in ("lobby", "gate:3", "@doors", "@all"):
            raise UnknownPanel(name)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class ApiServer:
    """A client of the served surface; requests carry Basic credentials unless told otherwise."""

    def __init__(
        self, app: web.Application, fleet: MemoryFleet, clock: OwnedClock, journal: Journal, manager: ManagerChoice
    ) -> None:
        self.journal, self.manager = journal, manager
        self.app = app
        self.fleet = fleet
        self.clock = clock
        self.wrong: tuple[str, ...] = ()
        self.reload_report = ReloadReport(True, ("panel gate added",))
        self.url = ""
        self.port = 0
        self._runner: web.AppRunner | None = None
        self.session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: object = None, *, authorization: str | None = BASIC, **extra: str
    ) -> Answer:
        """`body`: bytes as they are, None for none, anything else as JSON. `extra`: headers, `_` for `-`."""
        headers = {name.replace("_", "-"): value for name, value in extra.items()}
        if authorization is not None:
            headers["Authorization"] = authorization
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            return Answer(response.status, response.headers, await response.text())

    async def upsert(self, *items: object, query: str = "") -> Answer:
        return await self.call("POST", f"/api/v1/access/timeprofile/items/link{query}", {"list_items": list(items)})

    def connections(self) -> int:
        assert self._runner is not None
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    async def start(self) -> web.AppRunner:
        self._runner = runner = build_runner(self.app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return runner


def settings(max_body: int = 1024 * 1024, users: tuple[UserSettings, ...] = ()) -> Settings:
    return Settings(
        site=SiteSettings(name="Lab", timezone="Europe/Kyiv"),
        http=HttpSettings(max_body=max_body),
        users=users or (UserSettings(name="admin", password="123456"),),
    )


@asynccontextmanager
async def api_server(
    given: Settings | None = None,
    *,
    fleet: MemoryFleet | None = None,
    metrics: bytes | None = None,
    events: MemoryStore | None = None,
    pages: bool = False,
) -> AsyncIterator[ApiServer]:
    """`pages`: those for people, too."""
    clock = OwnedClock()
    memory = fleet or MemoryFleet()
    facts: dict[str, str] = {}

    async def put(key: str, value: str) -> None:
        if memory.broken is not None:
            raise memory.broken
        facts[key] = value

    async def put_or_drop(key: str, value: str | None) -> None:
        if memory.broken is not None:
            raise memory.broken
        facts.pop(key, None)
        if value is not None:
            facts[key] = value

    async def managed(link: ManagerLink) -> None:
        """Nobody reports to anybody."""

    served: list[ApiServer] = []
    store = events or MemoryStore()
    journal = Journal(store, await store.open(), clock.wall, Retention(90, 10_000))

    async def reload() -> ReloadReport:
        return served[0].reload_report

    async def ready() -> tuple[str, ...]:
        return served[0].wrong

    manager = ManagerChoice(facts, None, put_or_drop, managed)
    services = ApiServices(
        fleet=memory,
        settings=given or settings(),
        clock=clock,
        reload=reload,
        lines=lambda choice: {"lines": [{"id": "rs485-a", "exchange_ms": {"p50": 1.5, "p95": None}}], "total": 1},
        health=lambda: served[0].wrong,
        ready=ready,
        device_serial=SERIAL,
        inert=InertSettings(facts, put),
        network=HostNetwork,
        doors=Doors(memory, clock),
        metrics=None if metrics is None else lambda: metrics,
        journal=journal,
        manager=manager,
    )
    server = ApiServer(build_app(services), memory, clock, journal, manager)
    served.append(server)
    if pages:
        add_pages(server.app)
    runner = await server.start()
    writing = asyncio.create_task(journal.run())
    async with aiohttp.ClientSession() as server.session:
        try:
            yield server
        finally:
            await runner.cleanup()
            journal.stop()
            await writing
            await store.close()
