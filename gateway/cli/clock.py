"""`panel-gateway trust-clock`: an operator's word for the clock of the gateway's host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.settings import Settings
from gateway.cli.output import Mistakes, called, say, say_json


def clock_lines(clock: Mapping[str, Any]) -> list[str]:
    """What is to be known of the host's clock; nothing where all is well."""
    reason = [] if clock["trusted"] else [f"the clock is not trusted, nothing is opened: {clock['reason']}"]
    return reason + [f"{warning['severity']}: {warning['text']}" for warning in clock["warnings"]]


def trust_clock(settings: Settings, arguments: argparse.Namespace) -> int:
    """Shows the time of the gateway's host, and takes somebody's word for it."""
    clock = called(settings, "GET", "/gateway/v1/clock", arguments.url)["clock"]
    shown = datetime.fromtimestamp(clock["at"], ZoneInfo(settings.site.timezone))
    question = "\n".join([*clock_lines(clock), f"The gateway's host says that it is {shown:%A, %Y-%m-%d %H:%M:%S %Z}."])
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
