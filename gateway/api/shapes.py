"""Shapes of bodies and answers that more than one path has, around the items of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from config.settings import RoleName
from drivers.contract import TIME_PROFILE, ItemState, Outcome, Reason
from gateway.access.doors import DoorView
from gateway.fleet.host_clock import ClockView
from gateway.fleet.problems import Severity
from gateway.fleet.results import Change, PanelResult
from gateway.fleet.views import PanelView, StoreView

Item = TypeVar("Item")


class Upsert(BaseModel, Generic[Item]):
    list_items: list[Item]


class PlanBody(BaseModel, Generic[Item]):
    """The body of an upsert, with `panels` in place of the bindings; or that of a deletion; or both, without `panels`."""

    list_items: list[Item] = Field(default_factory=list)
    link_ids: list[str] = Field(default_factory=list)
    panels: list[str] = Field(default_factory=list)


class LinkIds(BaseModel):
    link_ids: list[str]


class UidItems(BaseModel):
    uid_items: list[int]
    count: int | None = None


class ResultEntry(BaseModel):
    """`reason`: only of a deletion that the store did not take. `panels`: left out where the query asks for none."""

    link_id: str
    success: bool
    extended_info: str
    reason: Literal["not_durable"] | None = None
    panels: list[PanelResult] = Field(default_factory=list)


class Results(BaseModel):
    result: list[ResultEntry]


class Credentials(BaseModel):
    """`password`: the MD5 of the password, in hexadecimal."""

    username: str
    password: str


class PanelNames(BaseModel):
    """Panel ids, `panel:output`, `@group`, `@all`."""

    panels: list[str]


class Refusal(BaseModel):
    """`error`: the vendor's text, or a token of the gateway's own surface; `detail`: prose that names the place."""

    error: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    token: str
    account_type: Literal["admin", "manager", "user"]


class SessionBody(BaseModel):
    name: str
    password: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """Who asks, and what this user may do."""

    user: str
    role: RoleName


@dataclass(frozen=True, slots=True)
class Left:
    """A departed panel; `link_ids`: what it may still hold."""

    id: str
    model: str
    serial: str | None
    link_ids: list[str]


@dataclass(frozen=True, slots=True)
class Panels:
    """Every panel, without its items."""

    panels: list[PanelView]
    departed: list[Left]
    clock: ClockView
    store: StoreView | None = None


@dataclass(frozen=True, slots=True)
class OnePanel:
    panels: list[PanelView]
    clock: ClockView


@dataclass(frozen=True, slots=True)
class Acted:
    panel: str
    action: str


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    clock: ClockView


@dataclass(frozen=True, slots=True)
class Lines:
    """`total`: how many there are on all pages."""

    lines: list[dict[str, Any]]
    total: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom events are sent to. `url`: scheme, host and port only; `kinds`: none: all."""

    url: str
    kinds: list[str]


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The configuration's keys. Of a line those that are set."""

    site: dict[str, Any]
    http: dict[str, Any]
    store: dict[str, Any]
    lines: list[dict[str, Any]]
    groups: dict[str, list[str]]
    bindings: list[dict[str, Any]]
    doors: list[dict[str, Any]]
    webhooks: list[Receiver]
    manager: Receiver | None


@dataclass(frozen=True, slots=True)
class UserView:
    """`password`: how the configuration holds it: as a `hash`, in a `file` or `plain`."""

    name: str
    role: RoleName
    password: str


@dataclass(frozen=True, slots=True)
class MachineView:
    name: str
    role: RoleName
    note: str


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """A user's valid tokens and sessions. `last_begun_at`: when the youngest was begun; `until`: when the last one ends."""

    user: str
    open: int
    last_begun_at: int
    until: int


@dataclass(frozen=True, slots=True)
class SettingsAnswer:
    settings: SettingsView
    users: list[UserView]
    api_keys: list[MachineView]
    sessions: list[OpenSessions]


class ShownProblem(BaseModel):
    """`panel`, `line`, `link_ids`: left out where it touches none."""

    code: str
    severity: Severity
    since: int | None
    text: str
    remedy: str
    command: str
    panel: str | None = None
    line: str | None = None
    link_ids: list[str] = Field(default_factory=list)


class Problems(BaseModel):
    problems: list[ShownProblem]


@dataclass(frozen=True, slots=True)
class Binding:
    link_id: str
    panels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EffectiveBinding(Binding):
    """What an item is bound to in the end: told with `effective=1` only. `source`: what says so."""

    kind: str = TIME_PROFILE
    source: Literal["file", "override"] = "file"


@dataclass(frozen=True, slots=True)
class DeletedItem:
    """What was deleted and panels may hold. `link_id` None: it was made without one. `name` is empty where nobody gave one or a
    release before this one took the deletion, as `number` is, which time profiles have none of. `deleted_at`: Unix seconds."""

    kind: str
    uid: int
    link_id: str | None
    name: str
    number: str
    deleted_at: int


@dataclass(frozen=True, slots=True)
class DeletedItems:
    items: list[DeletedItem]


@dataclass(frozen=True, slots=True)
class BoundGroup:
    """Items that are bound to the same, by the same. `panels`, `link_ids`: the first of them; `bound_to`: how many panels and
    outputs there are, `time_profiles` and `identifiers`: how many items."""

    panels: tuple[str, ...]
    bound_to: int
    source: Literal["file", "override"]
    time_profiles: int
    identifiers: int
    link_ids: list[str]


@dataclass(frozen=True, slots=True)
class BoundAlike:
    """Told with `effective=1` and `grouped=1`: the groups with the most items, of `total`."""

    groups: list[BoundGroup]
    total: int


@dataclass(frozen=True, slots=True)
class PlanGroup:
    """What would become of an item at these panels alike, see `PlanItemPanel`."""

    panels: list[str]
    outcome: ItemState
    valid_until: int | None
    cuts: tuple[str, ...]
    reason: Reason | None
    message: str | None
    slots: int


@dataclass(frozen=True, slots=True)
class PlanItemGroups:
    link_id: str
    groups: list[PlanGroup]


@dataclass(frozen=True, slots=True)
class PlanChangeGroups(PlanItemGroups):
    """See `PlanChange`."""

    change: Change
    kind: str | None


@dataclass(frozen=True, slots=True)
class PlanGroups:
    """The answer to a plan with `grouped=1`."""

    items: list[PlanChangeGroups | PlanItemGroups]


@dataclass(frozen=True, slots=True)
class ExplainGroup:
    """What is said of these panels alike, see `ExplainPanel`."""

    panels: list[str]
    compiled: bool | None
    held: bool | None
    differs_at: Literal["compiled", "held"] | None
    message: str | None


@dataclass(frozen=True, slots=True)
class ExplainGroups:
    """The answer to `explain` with `grouped=1`. `kind`: only of identifiers."""

    link_id: str | None
    at: int
    asked: bool
    groups: list[ExplainGroup]
    kind: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Bindings:
    bindings: list[Binding] | list[EffectiveBinding]


@dataclass(frozen=True, slots=True)
class Unbound:
    link_id: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    applied: bool
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trusted:
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Healthy:
    status: str = "ok"


@dataclass(frozen=True, slots=True)
class InertSetting:
    """What a manager wrote to a device's setting, below `/api/v1`; it has no effect."""

    path: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DoorDone:
    """What became of a command to a door."""

    door: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DoorsDone:
    """What became of a command to several doors: the worst of it is the status."""

    doors: list[DoorDone] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DoorsAnswer:
    doors: list[DoorView]


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody at a door, see `fleet.who.Passage`. `through`: those of the time profiles that have a link_id."""

    door: str
    link_id: str | None
    uid: int
    name: str
    number: str
    through: list[str]
    outcome: ItemState
    asked: bool
    held: bool | None


@dataclass(frozen=True, slots=True)
class Access:
    at: int
    people: list[Admitted]


class Opened(BaseModel):
    """`seconds`: from 0.1 to 86400, the door's own time where absent."""

    seconds: float | None = Field(None, ge=0.1, le=86_400)


class Held(BaseModel):
    seconds: int = Field(ge=1, le=86_400)


class EmergencyLock(BaseModel):
    """`lock_number` 0: every door that has a number. `unlock_time` in seconds."""

    lock_number: int = Field(ge=0, le=8)
    unlock_time: int = Field(ge=1, le=86_400)


class EmergencyOpened(BaseModel):
    locks: list[EmergencyLock] = Field(min_length=1)


class EmergencyClosed(BaseModel):
    """Lock numbers; 0: every door that has one."""

    locks: list[Annotated[int, Field(ge=0, le=8)]] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class InertSettingsAnswer:
    settings: list[InertSetting]
