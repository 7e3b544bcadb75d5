"""What the command line does, apart from what runs until it is stopped. Output goes to stdout; mistakes are raised.

Each command returns the exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.loader import ConfigurationError, load_settings
from config.panel_model import ModelError, PanelModel, load_model, load_models
from config.settings import Settings
from drivers.clock import SystemClock
from drivers.contract import ItemState
from gateway.cli import model_check, planning, service
from gateway.cli.check import check
from gateway.cli.clock import clock_lines, trust_clock
from gateway.cli.output import Mistakes, called, counted, say, say_json
from gateway.cli.panel_verbs import verb
from gateway.cli.tables import table
from gateway.store.contract import StoreError


def read_settings(path: Path, leave_out: Collection[str] = ()) -> Settings:
    """The configuration, checked whole but for the tables that are left out. Raises Mistakes."""
    try:
        return load_settings(path, leave_out=leave_out)
    except ConfigurationError as error:
        raise Mistakes([f"{path}: {mistake}" for mistake in error.mistakes], is_final=error.is_final) from error


def read_models(folder: Path | None) -> Mapping[str, PanelModel]:
    """Shipped and own models. Raises Mistakes."""
    try:
        return load_models(folder)
    except ModelError as error:
        raise Mistakes(error.mistakes) from error


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command that was read from the command line."""
    name = arguments.command
    if name == "models":
        return models(arguments)
    if name == "check":
        return check(arguments.config, as_json=arguments.json, strict=arguments.strict)
    settings = read_settings(arguments.config)
    if name == "serve":
        return asyncio.run(service.serve(settings, arguments))
    if name == "reload":
        return service.reload(settings, arguments)
    if name == "plan":
        return plan(settings, arguments)
    if name == "trust-clock":
        return trust_clock(settings, arguments)
    if name == "status":
        return status(settings, arguments)
    return verb(settings, arguments)


def models(arguments: argparse.Namespace) -> int:
    if arguments.action == "check":
        return _check_model(arguments.file, as_json=arguments.json)
    folder = read_settings(arguments.config).site.models_dir if arguments.config else None
    rows = model_check.model_rows(read_models(folder))
    if arguments.json:
        say_json({"models": [asdict(row) for row in rows]})
    else:
        head = ("model", "title", "schedules", "outputs", "options")
        say(table([head, *((row.name, row.title, row.schedules, row.outputs, ", ".join(row.options)) for row in rows)]))
    return 0


def _check_model(file: Path, *, as_json: bool) -> int:
    mistakes = model_check.check_model_file(file)
    if as_json:
        say_json({"mistakes": mistakes})
        return 1 if mistakes else 0
    if mistakes:
        raise Mistakes([f"{file}: {mistake}" for mistake in mistakes])
    vectors = len(load_model(file).vectors)
    say(f"{file}: no mistakes, {counted(vectors, 'golden vector')} {'holds' if vectors == 1 else 'hold'}")
    return 0


_STATUS = (
    *("id", "line", "state", "availability"),
    *("desired", "held", "pending", "refused", "lag_s", "clock_drift_ms", "last_error"),
)
_ITEMS = ("link_id", "desired_generation", "held_generation", "outcome", "valid_until", "reason", "still_grants_text")


def _named(item: Mapping[str, object]) -> object:
    """An item that was made without a link_id goes by its kind and number."""
    return item["link_id"] or f"{item['kind']} {item['uid']}"


def _shown(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def _store_lines(store: Mapping[str, Any] | None) -> Iterator[str]:
    """What is to be known of the store; nothing where all is well."""
    if store is not None and store["doubt"]:
        yield f"the store is not trusted, nothing is opened: {store['doubt']} (`restore FILE` or `trust-store`)"
    if store is not None and store["not_durable"]:
        yield f"deletions that the store has not taken yet, a restart would forget them: {store['not_durable']}"


def _looked(panel: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """What was found when every word of a panel was looked at, and how long that took."""
    look, drift = panel.get("full_look"), panel.get("last_drift")
    if look is not None and look["reached_h"] is not None:
        yield f"{panel['id']}: every word it holds was read within {look['reached_h']:g} h; the aim is {look['aim_h']:g} h"
    if drift is not None:
        when = datetime.fromtimestamp(drift["at"], zone)
        yield from (f"{panel['id']}: found at {when:%Y-%m-%d %H:%M:%S}: {change}" for change in drift["changes"])


def status(settings: Settings, arguments: argparse.Namespace) -> int:
    path = "/gateway/v1/panels" + (f"/{arguments.panel}" if arguments.panel else "")
    body = called(settings, "GET", path, arguments.url)
    if arguments.json:
        say_json(body)
        return 0
    panels = body["panels"]
    told = [*clock_lines(body["clock"]), *_store_lines(body.get("store"))]
    sys.stderr.write("".join(f"{line}\n" for line in told))
    say(table([("panel", *_STATUS[1:]), *([_shown(panel[key]) for key in _STATUS] for panel in panels)]))
    warnings = [text for panel in panels for text in _looked(panel, ZoneInfo(settings.site.timezone))]
    warnings += [f"{panel['id']}: {text}" for panel in panels for text in panel["warnings"]]
    warnings += [
        f"{left['id']}: no longer configured, may hold {counted(len(left['link_ids']), 'item')}: "
        f"`panel-gateway forget {left['id']}`"
        for left in body.get("departed", ())
    ]
    if warnings:
        say("\n" + "\n".join(warnings))
    items = [item for panel in panels for item in panel.get("items", ())]
    if items:
        say("\n" + table([_ITEMS, *([_named(item), *(item[key] for key in _ITEMS[1:])] for item in items)]))
    return 0


def plan(settings: Settings, arguments: argparse.Namespace) -> int:
    named = tuple(name for name in (arguments.panels or "").split(",") if name) or None
    try:
        request = arguments.request.read_bytes()
    except OSError as error:
        raise Mistakes([f"{arguments.request}: {error.strerror}"]) from error
    models = read_models(settings.site.models_dir)
    try:
        report = asyncio.run(planning.plan_offline(settings, models, request, named, SystemClock()))
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    except planning.CannotPlan as error:
        raise Mistakes([f"{arguments.request}: {error}"]) from error
    if arguments.json:
        say_json(planning.as_json(report))
    else:
        say(planning.as_text(report, ZoneInfo(settings.site.timezone)))
    refused = any(panel.outcome is ItemState.REFUSED for item in report.items for panel in item.panels)
    return 1 if refused else 0
