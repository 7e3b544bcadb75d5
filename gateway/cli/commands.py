"""What the command line does, apart from what runs until it is stopped. Output goes to stdout; mistakes are raised.

Each command returns the exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.cross_checks import warnings_of
from config.loader import ConfigurationError, load_settings
from config.panel_model import ModelError, PanelModel, load_model, load_models
from config.settings import Settings
from drivers.clock import SystemClock
from drivers.contract import ItemState
from gateway import app
from gateway.cli import client, model_check, planning
from gateway.cli.tables import table
from gateway.store.contract import StoreError

VERBS: Mapping[str, str] = {
    "sync": "read a panel and write what differs, now",
    "reinit": "erase a panel and write all of it",
    "retry": "try the failed items of a panel again",
}


class Mistakes(Exception):
    """What was wrong, one line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def read_settings(path: Path, leave_out: Collection[str] = ()) -> Settings:
    """The configuration, checked whole but for the tables that are left out. Raises Mistakes."""
    try:
        return load_settings(path, leave_out=leave_out)
    except ConfigurationError as error:
        raise Mistakes([f"{path}: {mistake}" for mistake in error.mistakes]) from error


def read_models(folder: Path | None) -> Mapping[str, PanelModel]:
    """Shipped and own models. Raises Mistakes."""
    try:
        return load_models(folder)
    except ModelError as error:
        raise Mistakes(error.mistakes) from error


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """For the person at the terminal, beside what was asked for."""
    sys.stderr.write(text + "\n")


def say_json(body: object) -> None:
    say(json.dumps(body, indent=1, ensure_ascii=False))


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Carry out the command that was read from the command line."""
    name = arguments.command
    if name == "models":
        return models(arguments, parser)
    if name == "check":
        return check(arguments.config, as_json=arguments.json)
    settings = read_settings(arguments.config)
    if name == "serve":
        return asyncio.run(serve(settings, arguments))
    if name == "plan":
        return plan(settings, arguments)
    if name == "trust-clock":
        return trust_clock(settings, arguments)
    if name == "status":
        return status(settings, arguments)
    return verb(settings, arguments)


async def serve(settings: Settings, arguments: argparse.Namespace) -> int:
    given = {"host": arguments.host, "port": arguments.port}
    http = settings.http.model_copy(update={key: value for key, value in given.items() if value is not None})

    def ready(url: str) -> None:
        _collect_rarely()
        say(url)
        sys.stdout.flush()

    return await app.serve(settings, arguments.config, ready, http)


def _collect_rarely() -> None:
    """A whole search for garbage stops every thread, the longer the more is desired: what is there at start is left out of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def check(path: Path, *, as_json: bool) -> int:
    """The report goes to stdout: it is what was asked for."""
    try:
        settings = load_settings(path)
    except ConfigurationError as error:
        if as_json:
            say_json({"mistakes": error.mistakes})
        else:
            say("\n".join(f"{path}: {mistake}" for mistake in error.mistakes))
        return 1
    panels = sum(len(line.panels) for line in settings.lines)
    warnings = [f"{key}: {what}" for key, what in warnings_of(settings)]
    if as_json:
        counts = {"mistakes": [], "lines": len(settings.lines), "panels": panels}
        say_json(counts | {"warnings": warnings} if warnings else counts)
    else:
        for warning in warnings:
            say(f"{path}: warning: {warning}")
        say(f"no mistakes: {len(settings.lines)} lines, {panels} panels, {len(settings.bindings)} binding rules")
    return 0


def models(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if arguments.action == "check":
        if arguments.file is None:
            parser.error("models check: a model file is wanted")
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
    say(f"{file}: no mistakes, {len(load_model(file).vectors)} golden vectors hold")
    return 0


def called(settings: Settings, method: str, path: str, url: str | None) -> Any:
    """What the running gateway answers. Raises Mistakes."""
    try:
        return asyncio.run(client.call(settings, method, path, url))
    except client.GatewayRefused as error:
        raise Mistakes([str(error)]) from error


_STATUS = (
    *("id", "line", "state", "availability"),
    *("desired", "held", "pending", "refused", "lag_s", "clock_drift_ms", "last_error"),
)
_ITEMS = ("link_id", "desired_generation", "held_generation", "outcome", "valid_until", "reason")


def _shown(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def status(settings: Settings, arguments: argparse.Namespace) -> int:
    path = "/gateway/v1/panels" + (f"/{arguments.panel}" if arguments.panel else "")
    body = called(settings, "GET", path, arguments.url)
    if arguments.json:
        say_json(body)
        return 0
    panels = body["panels"]
    sys.stderr.write("".join(f"{line}\n" for line in _clock_lines(body["clock"])))
    say(table([("panel", *_STATUS[1:]), *([_shown(panel[key]) for key in _STATUS] for panel in panels)]))
    items = [item for panel in panels for item in panel.get("items", ())]
    if items:
        say("\n" + table([_ITEMS, *([item[key] for key in _ITEMS] for item in items)]))
    return 0


def _clock_lines(clock: Mapping[str, Any]) -> list[str]:
    """What is to be known of the host's clock; nothing where all is well."""
    reason = [] if clock["trusted"] else [f"the clock is not trusted, nothing is opened: {clock['reason']}"]
    return reason + [f"{warning['severity']}: {warning['text']}" for warning in clock["warnings"]]


def trust_clock(settings: Settings, arguments: argparse.Namespace) -> int:
    """Shows the time of the gateway's host, and takes somebody's word for it."""
    clock = called(settings, "GET", "/gateway/v1/clock", arguments.url)["clock"]
    shown = datetime.fromtimestamp(clock["at"], ZoneInfo(settings.site.timezone))
    question = "\n".join([*_clock_lines(clock), f"The gateway's host says that it is {shown:%A, %Y-%m-%d %H:%M:%S %Z}."])
    if not arguments.yes and not _confirmed(f"{question} Is that right? [y/N] "):
        raise Mistakes(["the clock is left as it is"])
    path = f"/gateway/v1/clock/trust?at={clock['at']}&up_s={clock['up_s']}"
    body = called(settings, "POST", path, arguments.url)
    if arguments.json:
        say_json(body)
    else:
        say(f"trusted until the host boots or its clock is set: {shown:%Y-%m-%d %H:%M:%S %Z}")
    return 0


def _confirmed(question: str) -> bool:
    """Raises Mistakes where nobody is there to ask."""
    if not sys.stdin.isatty():
        raise Mistakes(["this asks a question: run it on a terminal, or with --yes"])
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def verb(settings: Settings, arguments: argparse.Namespace) -> int:
    body = called(settings, "POST", f"/gateway/v1/panels/{arguments.panel}/{arguments.command}", arguments.url)
    if arguments.json:
        say_json(body)
    else:
        say(f"{body['panel']}: {body['action']} asked for")
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
