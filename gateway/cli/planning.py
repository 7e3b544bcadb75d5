"""`panel-gateway plan`: what a request would do to every panel, from the store as it lies there. Nothing is written or sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python

from config.panel_model import PanelModel
from config.settings import Settings
from drivers.clock import HostClock, SystemClock
from drivers.contract import ItemState
from gateway.api.errors import ApiError
from gateway.api.items import read_any
from gateway.api.validation import items_of, names_of, object_of
from gateway.app import fleet_options
from gateway.cli.output import Mistakes, say, say_json
from gateway.cli.reading import read_models, read_settings
from gateway.cli.tables import table
from gateway.fleet.fleet import Fleet
from gateway.fleet.views import PlanItemPanel, PlanReport, UnknownPanel
from gateway.site import Site
from gateway.store.contract import StoreError
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore


class CannotPlan(Exception):
    """The request cannot be read, or a panel is not known; the text names the place."""


async def plan_offline(
    settings: Settings, models: Mapping[str, PanelModel], request: bytes, panels: Sequence[str] | None, clock: HostClock
) -> PlanReport:
    """`request`: the upsert's body, optionally with `panels`; `panels` of the command line come first.

    Raises CannotPlan and StoreError.
    """
    try:
        body = object_of(request)
        items = tuple(items_of(body, read_any))
        fleet = await _fleet(settings, models, clock)
        return await fleet.plan(items, panels or (names_of(body) if body.get("panels") is not None else None))
    except ApiError as error:
        raise CannotPlan(f"{error.detail} ({error.vendor})" if error.vendor else str(error.detail)) from error
    except UnknownPanel as error:
        raise CannotPlan(f"panels: {error.name}: no such panel, output or group") from error


async def _fleet(settings: Settings, models: Mapping[str, PanelModel], clock: HostClock) -> Fleet:
    """A fleet that knows what the store knows; its lines are never opened."""
    store, snapshot = SqliteStore(settings.store.path), open_read_only(settings.store.path)
    fleet = Fleet(store, snapshot, clock, fleet_options(settings), doors=settings.doors)
    await Site(fleet, clock).assemble(settings.lines, models)
    fleet.set_rules(settings.bindings, settings.groups)
    return fleet


def _told(panel: PlanItemPanel, zone: ZoneInfo) -> str:
    parts = [*panel.cuts, panel.message or "", panel.reason.value if panel.reason else ""]
    until = f"until {datetime.fromtimestamp(panel.valid_until, zone):%Y-%m-%d %H:%M}" if panel.valid_until else ""
    return "; ".join(part for part in (until, *parts) if part)


def as_text(report: PlanReport, zone: ZoneInfo) -> str:
    """The report for a person: one row an item and panel, then one a panel, then the frames."""
    items = [
        (item.link_id, panel.panel, panel.outcome.value, panel.slots, _told(panel, zone))
        for item in report.items
        for panel in item.panels
    ]
    panels = [
        (each.panel, each.line, each.words, len(each.frames), each.bytes, each.wire_ms, each.commits) for each in report.panels
    ]
    frames = [f"{each.panel}: {frame}" for each in report.panels for frame in each.frames]
    heads = ("link_id", "panel", "outcome", "slots", ""), ("panel", "line", "words", "frames", "bytes", "wire_ms", "commits")
    return "\n\n".join([table([heads[0], *items]), table([heads[1], *panels]), "\n".join(frames)]).rstrip()


def plan(config: Path, request: Path, panels: str | None, *, as_json: bool) -> int:
    """`panels`: those in place of the bindings, comma-separated. Status 1 where something is refused."""
    settings = read_settings(config)
    named = tuple(name for name in (panels or "").split(",") if name) or None
    try:
        body = request.read_bytes()
    except OSError as error:
        raise Mistakes([f"{request}: {error.strerror}"]) from error
    models = read_models(settings.site.models_dir)
    try:
        report = asyncio.run(plan_offline(settings, models, body, named, SystemClock()))
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    except CannotPlan as error:
        raise Mistakes([f"{request}: {error}"]) from error
    if as_json:
        say_json(to_jsonable_python(report))
    else:
        say(as_text(report, ZoneInfo(settings.site.timezone)))
    refused = any(panel.outcome is ItemState.REFUSED for item in report.items for panel in item.panels)
    return 1 if refused else 0
