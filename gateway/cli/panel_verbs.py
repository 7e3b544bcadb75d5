"""What an operator asks of one panel."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from config.settings import Settings
from gateway.cli.output import called, say, say_json

VERBS: Mapping[str, str] = {
    "sync": "read a panel and write what differs, now",
    "reinit": "erase a panel and write everything again",
    "retry": "try the items of a panel again that were given up",
    "accept": "accept the unit that was found at a panel's place, or (--slots) its foreign slots",
    "erase": "erase a panel before it leaves the configuration, and write nothing more to it",
    "forget": "forget a panel that left the configuration, with what it may still hold",
}


def verb(settings: Settings, arguments: argparse.Namespace) -> int:
    """One of `VERBS`."""
    path = f"/gateway/v1/panels/{arguments.panel}/{arguments.command}"
    slots = "?slots=true" if getattr(arguments, "slots", False) else ""
    body = called(settings, "POST", path + slots, arguments.url)
    if arguments.json:
        say_json(body)
    else:
        say(f"{body['panel']}: {body['action']} asked for")
    return 0
