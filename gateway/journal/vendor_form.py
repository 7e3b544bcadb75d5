"""An event in the vendor's form: its log's items, and what a device tells its manager. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from config.event_kinds import KINDS, EventKind
from config.locks import lock_number
from config.settings import DoorSettings
from gateway.store.events import SiteEvent

Doors = Sequence[DoorSettings]


@dataclass(frozen=True, slots=True)
class LogName:
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class LogModel:
    """`lock`: the number of the door, 0 where there is none."""

    lock: int = 0
    owner: str = ""
    number: str = ""
    card: str = ""
    apartment_address: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class LogInfo:
    text: str = ""
    model: LogModel = field(default_factory=LogModel)


@dataclass(frozen=True, slots=True)
class LogItem:
    """`timestamp`: Unix milliseconds."""

    timestamp: int
    category: str
    priority: str
    name: LogName
    info: LogInfo


def log_item(event: SiteEvent, doors: Doors) -> LogItem:
    """An event in the vendor's form."""
    kind = KINDS.get(event.kind, EventKind("system", "low", event.kind))
    name = LogName(event.kind, kind.text)
    return LogItem(
        int(event.at * 1000), event.category, event.priority, name, LogInfo(_text(event, doors), model_of(event, doors))
    )


def model_of(event: SiteEvent, doors: Doors) -> LogModel:
    """Who and where, as far as it is known."""
    person = cast("Mapping[str, Any]", event.facts.get("identifier") or {})
    number = str(person.get("number", event.facts.get("number", "")))
    kind = str(person.get("type", "card" if "number" in event.facts else ""))
    card = number if kind in ("card", "ukey") else ""
    return LogModel(_lock(event, doors), str(person.get("owner", "")), number, card, "", kind)


def _lock(event: SiteEvent, doors: Doors) -> int:
    """The number that the door had when it happened; 0: there is none."""
    output, lock = event.facts.get("output"), event.facts.get("lock")
    if lock is not None or output is None:
        return lock or 0
    return lock_number(doors, event.panel, int(output))


def _text(event: SiteEvent, doors: Doors) -> str:
    return ", ".join(_parts(event, model_of(event, doors)))


def _parts(event: SiteEvent, model: LogModel) -> Iterator[str]:
    if event.panel is not None:
        yield event.panel
    yield from (part for part in (model.owner, model.number) if part)
    if model.lock:
        yield f"lock {model.lock}"
    for name in ("door", "outcome", "reason", "why", "count", "receiver", "user", "address", "detail"):
        if event.facts.get(name) is not None:
            yield str(event.facts[name]).replace("_", " ")
