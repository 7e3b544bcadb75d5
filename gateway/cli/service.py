"""Running the gateway, and making a running one read its configuration again."""

from __future__ import annotations

import argparse
import gc
import sys

from config.settings import Settings
from gateway import app
from gateway.cli.output import called, say, say_json


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


def reload(settings: Settings, arguments: argparse.Namespace) -> int:
    """Waits until the gateway has applied its configuration; what it refuses is raised as Mistakes."""
    body = called(settings, "POST", "/gateway/v1/reload", arguments.url)
    if arguments.json:
        say_json(body)
    else:
        say("\n".join(body["changes"]) or "nothing changed")
    return 0
