"""The running gateway's answers as typed values: what commands show of them, and the one place where they are read.

A release adds fields and takes none away: of an answer only that is read which is shown. Instants are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.cli.output import Mistakes, numbered
from gateway.release import VERSION

T = TypeVar("T")
_READERS: dict[object, TypeAdapter[Any]] = {}
"""Readers by shape, of those that this process has read."""


def understood(shape: type[T], body: object, place: str) -> T:
    """The value of a body as `Running` gives it.

    Raises Mistakes where the body has another shape: the gateway that answers at `place` is of another release.
    """
    reader = _READERS.get(shape) or _READERS.setdefault(shape, TypeAdapter(shape))
    try:
        read: T = reader.validate_python(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = ".".join(map(str, wrong["loc"])) or "the answer"
        told = f"panel-gateway {VERSION} does not understand the answer ({where}: {wrong['msg']}): another release runs there"
        raise Mistakes([f"{place}: {told}"]) from error
    return read


@dataclass(frozen=True, slots=True)
class Warned:
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Clock:
    trusted: bool
    reason: str | None
    warnings: Sequence[Warned]
    at: float
    up_s: float


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    clock: Clock


@dataclass(frozen=True, slots=True)
class Store:
    doubt: str | None
    not_durable: int


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a panel. `uid`: where it was made without a link_id."""

    link_id: str | None
    desired_generation: int | None
    held_generation: int | None
    outcome: str
    valid_until: int | None
    reason: str | None
    message: str | None
    still_grants_text: str | None
    asked_at: int | None
    kind: str = "timeprofile"
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Endurance:
    left: float


@dataclass(frozen=True, slots=True)
class FullLook:
    aim_h: float
    reached_h: float | None


@dataclass(frozen=True, slots=True)
class Foreign:
    slot: int
    kind: str
    opens: str | None
    known: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """`items`: only of one panel alone."""

    id: str
    line: str
    model: str
    state: str
    desired: int
    held: int
    pending: int
    refused: int
    clock_drift_ms: int | None
    last_seen_at: int | None
    last_error: str | None
    away_since: int | None
    writes: Mapping[str, int]
    endurance: Endurance | None
    full_look: FullLook | None
    foreign: Sequence[Foreign]
    serial: str | None
    items: Sequence[Item] = ()


@dataclass(frozen=True, slots=True)
class Panels:
    panels: Sequence[Panel]
    clock: Clock
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    panel: str
    action: str


@dataclass(frozen=True, slots=True)
class Problem:
    code: str
    severity: str
    since: int | None
    text: str
    remedy: str
    command: str
    panel: str | None = None
    line: str | None = None
    link_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Problems:
    problems: Sequence[Problem]


@dataclass(frozen=True, slots=True)
class Door:
    id: str
    number: int | None
    name: str
    panel: str
    output: int
    state: str
    held_by: str | None
    last_event_at: int | None


@dataclass(frozen=True, slots=True)
class Doors:
    doors: Sequence[Door]


@dataclass(frozen=True, slots=True)
class DoorDone:
    outcome: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """`through`: the time profiles that are open then. `held` None: it is not known what the panel holds."""

    door: str
    link_id: str | None
    name: str
    number: str
    through: Sequence[str]
    outcome: str
    asked: bool
    held: bool | None


@dataclass(frozen=True, slots=True)
class Access:
    people: Sequence[Admitted]


@dataclass(frozen=True, slots=True)
class ExplainedPanel:
    panel: str
    compiled: bool | None
    held: bool | None
    differs_at: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    asked: bool
    panels: Sequence[ExplainedPanel]
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """`source`: `file` or `override`."""

    link_id: str
    kind: str
    panels: Sequence[str]
    source: str


@dataclass(frozen=True, slots=True)
class Bindings:
    bindings: Sequence[Binding]


@dataclass(frozen=True, slots=True)
class Override:
    link_id: str


@dataclass(frozen=True, slots=True)
class Overrides:
    """What was set in place of the file's rules."""

    bindings: Sequence[Override]


@dataclass(frozen=True, slots=True)
class Bound:
    panels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Took:
    """Percentiles in milliseconds; None: of nothing."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the gateway started."""

    exchanges: int
    timeouts: int
    crc: int
    protocol: int
    connections_lost: int
    exceptions: Mapping[str, int]
    retries: int
    load_1m: float
    exchange_ms: Took
    queue_depth: int


@dataclass(frozen=True, slots=True)
class Unit(Counts):
    panel: str
    unit: int


@dataclass(frozen=True, slots=True)
class Line(Counts):
    id: str
    kind: str
    units: Sequence[Unit]


@dataclass(frozen=True, slots=True)
class Lines:
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class UsedLine:
    """Where a line is: a serial port, or a host and its port. A protocol may have none of the two."""

    id: str
    host: str | None
    port: int | str | None


@dataclass(frozen=True, slots=True)
class UsedLines:
    lines: Sequence[UsedLine]


@dataclass(frozen=True, slots=True)
class Reloaded:
    changes: Sequence[str]


@dataclass(frozen=True, slots=True)
class PanelResult:
    panel: str
    success: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Result:
    link_id: str
    success: bool
    extended_info: str
    panels: Sequence[PanelResult]


@dataclass(frozen=True, slots=True)
class Results:
    result: Sequence[Result]


@dataclass(frozen=True, slots=True)
class Owner:
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Uids:
    uid_items: Sequence[int]


@dataclass(frozen=True, slots=True)
class Profile:
    uid: int
    link_id: str | None
    identifiers: Uids
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    uid: int
    link_id: str | None
    identifier_type: str
    identifier_number: Any
    time_profiles: Uids
    identifier_owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    link_id: str


@dataclass(frozen=True, slots=True)
class SentItems:
    """Items as they were sent."""

    list_items: Sequence[Sent]


@dataclass(frozen=True, slots=True)
class Profiles:
    list_items: Sequence[Profile]


@dataclass(frozen=True, slots=True)
class People:
    list_items: Sequence[Person]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted and panels may hold."""

    kind: str
    uid: int
    link_id: str | None
    name: str
    number: str

    @property
    def shown(self) -> str:
        return numbered(self.name or self.link_id or f"{self.kind} {self.uid}", self.number)


@dataclass(frozen=True, slots=True)
class DeletedItems:
    items: Sequence[Deleted]


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    at: float
    kind: str
    panel: str | None = None
