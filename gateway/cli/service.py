"""Running the gateway, and making a running one read its configuration again."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

from gateway import app
from gateway.cli import store
from gateway.cli.answers import Reloaded
from gateway.cli.client import running
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, say, say_json
from gateway.cli.reading import read_settings


def serve(config: Path, host: str | None, port: int | None, *, new_store: bool) -> int:
    """Runs until it is stopped. `host`, `port`: in place of the configuration's. Raises Mistakes where it cannot start."""
    settings = read_settings(config)
    if new_store:
        store.new_store(settings)
    given = {"host": host, "port": port}
    http = settings.http.model_copy(update={key: value for key, value in given.items() if value is not None})

    def ready(url: str) -> None:
        collect_rarely()
        say(url)
        sys.stdout.flush()

    try:
        return asyncio.run(app.serve(settings, config, ready, http))
    except app.CannotStart as error:
        raise Mistakes([str(error)], is_final=isinstance(error, app.StoreRefused)) from error


def collect_rarely() -> None:
    """A whole search for garbage stops every thread, the longer the more is desired: what is there at start is left out of it,
    unsearched, since a start makes a few hundred objects of garbage.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def reload(asked: Asked) -> int:
    """Waits until the gateway has applied its configuration; what it refuses is raised as Mistakes."""
    gateway = running(asked)
    body = gateway.post("/gateway/v1/reload")
    if asked.as_json:
        say_json(body)
    else:
        say("\n".join(gateway.read(Reloaded, body).changes) or "nothing changed")
    return 0
