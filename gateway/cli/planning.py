"""`panel-gateway plan`: what a request would do to every panel, by the store as it lies there or by the gateway at a URL.

Nothing is written to a panel.
"""

from __future__ import annotations

import asyncio
import json
import os.path
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python

from config.nearest import some
from config.panel_model import PanelModel
from config.settings import Settings
from drivers.clock import HostClock, SystemClock
from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemState, item_key
from gateway.api.errors import ApiError
from gateway.api.items import changes_of
from gateway.api.validation import names_of, object_of
from gateway.app import fleet_options
from gateway.cli.answers import SentItems
from gateway.cli.client import Running, decoded, running
from gateway.cli.directory import ALL, directory
from gateway.cli.doctor import NOT_AS_ASKED
from gateway.cli.hours import change_text, differences, flat, is_identifier, person_parts, profile_parts, profile_text
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, counted, note, say, say_json
from gateway.cli.reading import meant, read_models
from gateway.fleet.fleet import Fleet
from gateway.fleet.problems import cause
from gateway.fleet.results import Change
from gateway.fleet.views import PlanChange, PlanItem, PlanItemPanel, PlanPanel, PlanReport, UnknownPanel
from gateway.identifiers.own_ids import shown_link_id
from gateway.ops.terminal import harmless
from gateway.site import Site
from gateway.store.contract import Snapshot, StoreError
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore

_NAMED = 3
"""How many panels are named one by one."""


class CannotPlan(Exception):
    """The request cannot be read, or a panel is not known; the text names the place."""


async def plan_offline(
    settings: Settings,
    models: Mapping[str, PanelModel],
    request: bytes,
    panels: Sequence[str] | None,
    clock: HostClock,
    stored: Snapshot | None = None,
) -> PlanReport:
    """`request`: the body of `POST /gateway/v1/plan`; `panels` of the command line come first. `stored`: what the store holds,
    where that was read already.

    Raises CannotPlan and StoreError.
    """
    try:
        body = object_of(request)
        items = tuple(changes_of({**body, **({} if panels is None else {"panels": panels})}))
        fleet = await fleet_of(settings, models, clock, stored or open_read_only(settings.store.path))
        return await fleet.plan(items, panels or (names_of(body) if body.get("panels") is not None else None))
    except ApiError as error:
        raise CannotPlan(str(error)) from error
    except UnknownPanel as error:
        raise CannotPlan(f"panels: {error.name}: no such panel, output or group{meant(error.name, settings)}") from error


async def fleet_of(settings: Settings, models: Mapping[str, PanelModel], clock: HostClock, stored: Snapshot) -> Fleet:
    """A fleet that knows what the store knows; its lines are never opened."""
    fleet = Fleet(SqliteStore(settings.store.path), stored, clock, fleet_options(settings), doors=settings.doors)
    await Site(fleet, clock).assemble(settings.lines, models)
    fleet.set_rules(settings.bindings, settings.groups)
    return fleet


@dataclass(frozen=True, slots=True)
class _Naming:
    """A person, with the keys of the time profiles that they name. `link_id` None: the person has none."""

    link_id: str | None
    called: str
    profiles: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Before:
    """What is asked for before the request. `bodies`: by item key, as they were sent; `called`: what each item is called, those
    too that are deleted and that panels may hold; `names`: of time profiles, by key."""

    bodies: Mapping[str, Mapping[str, Any]]
    called: Mapping[str, str]
    names: Mapping[str, str]
    naming: Sequence[_Naming]


_Planned = tuple[PlanReport, Any, Callable[[], _Before]]
"""The plan, the same as the API's JSON, and what finds out what is asked for before."""


def plan(asked: Asked, request: Path, panels: str | None, *, frames: bool = False, exit_code: bool = False) -> int:
    """`panels`: those in place of the bindings, comma-separated. Status 1 where something is refused or not there; with
    `exit_code` 3, and where something is narrowed or stays open, too."""
    gateway = running(asked)
    named = tuple(name for name in (panels or "").split(",") if name) or None
    if panels is not None and named is None:
        raise Mistakes([f"--panels: expected panels such as lobby, gate:3 or @doors, got {panels!r}"])
    try:
        sent = request.read_bytes()
    except OSError as error:
        raise Mistakes([f"{request}: {error.strerror}"]) from error
    try:
        plan_of = _by_store if asked.url is None else _by_gateway
        report, body, before = plan_of(gateway, sent, named)
    except CannotPlan as error:
        raise Mistakes([f"{request}: {error}"]) from error
    if asked.as_json:
        say_json(body)
    else:
        text = "\n".join(_text(report, decoded(sent), before(), gateway.zone, frames=frames))
        say(text or f"{request}: nothing is asked for")
    outcomes = {panel.outcome for item in report.items for panel in item.panels}
    is_refused = ItemState.REFUSED in outcomes or any(map(_in_vain, report.items))
    if exit_code:
        stays = any(
            panel.outcome is ItemState.PENDING for item in report.items if isinstance(item, PlanChange) for panel in item.panels
        )
        return NOT_AS_ASKED if is_refused or stays or ItemState.NARROWED in outcomes else 0
    return 1 if is_refused else 0


def _by_store(gateway: Running, sent: bytes, panels: Sequence[str] | None) -> _Planned:
    """Raises CannotPlan, and Mistakes of the models and the store."""
    settings = gateway.settings
    models = read_models(settings.site.models_dir)
    try:
        stored = open_read_only(settings.store.path)
        report = asyncio.run(plan_offline(settings, models, sent, panels, SystemClock(), stored))
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    if not gateway.as_it_is and not os.path.exists(settings.store.path):
        note(f"{settings.store.path}: there is no store yet, this is the plan of a site where nothing is asked for")
    return report, to_jsonable_python(report), partial(_stored, stored)


def _stored(stored: Snapshot) -> _Before:
    known = [(item, json.loads(item.body)) for item in stored.desired.values() if item.body]
    live = [(item, body) for item, body in known if item.content is not None]
    profiles = [(item, body) for item, body in live if item.profile is not None]
    names = {item.link_id: str(body.get("name") or shown_link_id(item.link_id) or f"uid {item.uid}") for item, body in profiles}
    naming = [_Naming(item.link_id, called(body), item.identifier.profiles or ()) for item, body in live if item.identifier]
    return _Before({item.key: body for item, body in live}, {item.key: called(body) for item, body in known}, names, naming)


def _by_gateway(gateway: Running, sent: bytes, panels: Sequence[str] | None) -> _Planned:
    """Raises CannotPlan, and Mistakes of the gateway's answers."""
    try:
        asked = {**object_of(sent), **({} if panels is None else {"panels": panels})}
        tuple(changes_of(asked))  # a mistake is told with its place in the file
    except ApiError as error:
        raise CannotPlan(str(error)) from error
    body = gateway.post("/gateway/v1/plan", asked)
    return gateway.read(PlanReport, body), body, partial(_listed, gateway)


def _listed(gateway: Running) -> _Before:
    known = directory(gateway)
    profiles = {entry.uid: entry.link_id or f"uid {entry.uid}" for entry in known.of("timeprofile")}
    names = {profiles[entry.uid]: entry.name or profiles[entry.uid] for entry in known.of("timeprofile")}
    said = {item_key(entry.kind, entry.link_id): called(entry.body) for entry in known.entries if entry.link_id}
    gone = {item_key(each.kind, each.link_id): each.name or each.number or each.link_id for each in known.gone if each.link_id}
    naming = [
        _Naming(entry.link_id, called(entry.body), [profiles[uid] for uid in named if uid in profiles])
        for entry in known.of("identifier")
        for named in (entry.body["time_profiles"]["uid_items"],)
    ]
    return _Before(dict(_sent(gateway)), {**gone, **said}, names, naming)


def _sent(gateway: Running) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Everything that has a link_id, as it was sent, by item key."""
    for kind in (TIME_PROFILE, IDENTIFIER):
        body = gateway.get(f"/api/v1/access/{kind}/items/link?limit={ALL}")
        read = gateway.read(SentItems, body).list_items
        yield from ((item_key(kind, each.link_id.lower()), raw) for each, raw in zip(read, body["list_items"], strict=True))


def _in_vain(item: PlanItem) -> bool:
    return isinstance(item, PlanChange) and item.change is not Change.DELETED


def _text(report: PlanReport, body: Mapping[str, Any], before: _Before, zone: ZoneInfo, *, frames: bool) -> Iterator[str]:
    """The report for a person: each item with what changes and where, then what each panel is written."""
    wire = {str(raw.get("link_id", "")).lower(): raw for raw in body.get("list_items", ()) if isinstance(raw, dict)}
    names = {**before.names, **{link_id: str(raw.get("name") or link_id) for link_id, raw in wire.items()}}
    gone = {item.link_id for item in report.items if isinstance(item, PlanChange) and item.change is Change.DELETED}
    losing = _losing(before, gone) if gone else {}
    for item in report.items:
        if isinstance(item, PlanChange) and item.link_id not in wire:
            yield from _gone(item, before, zone, losing.get(item.link_id, ()) if item.kind == TIME_PROFILE else ())
        elif isinstance(item, PlanChange):
            yield f"{called(wire[item.link_id])}: {change_text(item.change.value, wire[item.link_id], names)}"
        else:
            yield changed_text(wire[item.link_id], _had(before, item.link_id, wire[item.link_id]), zone, names)
            yield from _outcomes(item, zone)
    if report.items and report.panels:
        yield ""
    for panel in report.panels:
        yield _cost(panel)
        if frames:
            yield from (f"  {frame}" for frame in panel.frames)


def _gone(item: PlanChange, before: _Before, zone: ZoneInfo, said: Sequence[str]) -> Iterator[str]:
    """A deletion: of what, where it is closed then and where not. `said` of those who lose it."""
    if item.change is not Change.DELETED:
        yield f"{item.link_id}: {change_text(item.change.value, None, ())}"
        return
    yield f"{before.called.get(item_key(item.kind or TIME_PROFILE, item.link_id), item.link_id)}: deleted"
    yield from _outcomes(item, zone)
    yield from (f"  {each}" for each in said[:_NAMED])
    if len(said) > _NAMED:
        yield f"  and {len(said) - _NAMED} more lose it"


def _losing(before: _Before, gone: Set[str]) -> Mapping[str, Sequence[str]]:
    """What is left to those who name a time profile of `gone`, by its link_id: `Sherlock Holmes keeps Cleaning`."""
    found: dict[str, list[str]] = defaultdict(list)
    for person in before.naming:
        if person.link_id not in gone and (lost := gone & set(person.profiles)):
            kept = ", ".join(before.names[each] for each in person.profiles if each not in gone and each in before.names)
            left = f"keeps {kept}" if kept else "has no time profile left and opens nothing"
            for each in lost:
                found[each].append(f"{person.called} {left}")
    return found


def called(raw: Mapping[str, Any]) -> str:
    """The name of an item as it was sent, or else its link_id, or the number of an identifier that has neither."""
    body = flat(raw)
    name = (body.get("identifier_owner") or body).get("name") or raw.get("link_id")
    return harmless(str(name or f"{body.get('identifier_type', TIME_PROFILE)} {body.get('identifier_number', '')}".rstrip()))


def _had(before: _Before, link_id: str, raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is asked for by the item now; None: nothing that can be compared."""
    body = before.bodies.get(item_key(IDENTIFIER if is_identifier(raw) else TIME_PROFILE, link_id), {})
    return body if body.keys() & {"time_options", "identifier_type", "base"} else None


def changed_text(raw: Mapping[str, Any], before: Mapping[str, Any] | None, zone: ZoneInfo, names: Mapping[str, str]) -> str:
    """`Work week: closes 17:00 instead of 18:00`. `names`: of time profiles, by link_id."""
    if is_identifier(raw):
        parts, old = person_parts(flat(raw), zone, names), before and person_parts(flat(before), zone, names)
        new = ", ".join(f"{key} {value}" for key, value in parts.items())
    else:
        parts, new = profile_parts(raw, zone), profile_text(raw, zone)
        old = before and profile_parts(before, zone)
    said = f"new, {new}" if old is None else differences(old, parts) or "as it is"
    return f"{called(raw)}: {said}"


def _outcomes(item: PlanItem, zone: ZoneInfo) -> Iterator[str]:
    """Panels with the same to say stand in one line."""
    said: dict[str, list[str]] = defaultdict(list)
    for panel in item.panels:
        said[_told(panel, zone)].append(panel.panel)
    for text, panels in said.items():
        yield f"  {some(panels, _NAMED)}: {text}"
    if not item.panels:
        yield "  on no panel" if isinstance(item, PlanChange) else "  bound to no panel"


def _told(panel: PlanItemPanel, zone: ZoneInfo) -> str:
    if panel.outcome is ItemState.REMOVED:
        return panel.message or panel.outcome.value
    until = f"until {datetime.fromtimestamp(panel.valid_until, zone):%Y-%m-%d %H:%M}" if panel.valid_until else ""
    parts = [until, *panel.cuts, panel.reason.value if panel.reason else "", cause(panel.message) if panel.message else ""]
    more = "; ".join(part for part in parts if part)
    return f"{panel.outcome.value}{f' ({more})' if more else ''}"


def _cost(panel: PlanPanel) -> str:
    """`lobby: 2 words, 1 commit, 47 ms of rs485-a`; what erases a slot may be a command without a word."""
    if not panel.frames:
        return f"{panel.panel}: nothing is written"
    took = "" if panel.wire_ms is None else f", {panel.wire_ms:.0f} ms"
    if not panel.words:
        return f"{panel.panel}: {counted(len(panel.frames), 'command')}{took} of {panel.line}"
    return f"{panel.panel}: {counted(panel.words, 'word')}, {counted(panel.commits, 'commit')}{took} of {panel.line}"
