"""Simulated panels for people: `simulate` puts them where a configuration points to, `lab` brings a gateway of its own.

The simulated site is passed in by the command line, so that nothing that ships depends on simulators.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from config.loader import load_settings
from config.settings import AnyLine, ModbusRtuLine, Settings
from gateway import app
from gateway.cli.lab_people import NotFilled, fill
from gateway.cli.output import Mistakes, counted
from gateway.cli.reading import read_settings
from gateway.concurrency import Supervisor
from gateway.fleet.bindings import Bindings

Place = str | tuple[str, int]


class Simulated(Protocol):
    """What a running simulated site tells: its control URL and where each line listens (a device path, or host and port).

    `failed` gets what crashed inside it; leaving the site raises that.
    """

    @property
    def control_url(self) -> str: ...

    @property
    def lines(self) -> Mapping[str, Place]: ...

    @property
    def failed(self) -> asyncio.Future[None]: ...


def _where(place: Place) -> str:
    return place if isinstance(place, str) else f"{place[0]}:{place[1]}"


def _listing(settings: Settings, simulated: Simulated) -> str:
    widest = max((len(str(panel.unit)) for line in settings.lines for panel in line.panels), default=0)
    rows = [
        f"  {panel.id:16} {panel.model:22} unit {panel.unit:<{widest}} {line.kind:15} {_where(simulated.lines[line.id])}"
        for line in settings.lines
        for panel in line.panels
    ]
    moved = [
        f"line {line.id}: {line.host} is not this machine; a gateway finds these panels at {_where(simulated.lines[line.id])}"
        for line in settings.lines
        if not isinstance(line, ModbusRtuLine) and simulated.lines[line.id][0] != line.host
    ]
    head = f"{counted(len(rows), 'simulated panel')}, {len(_bound(settings))} of them bound:"
    return "\n".join([head, *rows, *moved, f"control URL: {simulated.control_url}"])


def _bound(settings: Settings) -> frozenset[str]:
    """The panels that the configuration's rules bind something to."""
    panels = [panel.id for line in settings.lines for panel in line.panels]
    rules = Bindings(dict.fromkeys(panels), settings.groups, settings.bindings, {})
    return frozenset(target.panel for rule in settings.bindings for target in rules.resolve(rule.link_id))


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _started(site: AbstractAsyncContextManager[Simulated], stack: AsyncExitStack) -> Simulated:
    """Raises CannotStart where a port of the site is not to be had."""
    try:
        return await stack.enter_async_context(site)
    except OSError as error:
        place = error.filename2 or error.filename
        told = f"{place}: {error.strerror}" if place else error.strerror
        raise app.CannotStart(f"simulated panels: {told}") from error


def run_simulated(
    config: Path,
    make: Callable[..., AbstractAsyncContextManager[Simulated]],
    missing: Callable[[Settings], Collection[str]],
    control_port: int,
) -> int:
    """`missing`: the panels whose model has no simulator, one sentence each. Raises Mistakes."""
    # Panels know nobody: passwords and certificates that are not there yet are the gateway's business.
    settings = read_settings(config, leave_out=("users", "http"))
    if lacking := missing(settings):
        raise Mistakes([f"{config}: {panel}" for panel in lacking])
    return _run(simulate(settings, partial(make, control_port=control_port)))


def run_lab(
    port: int | None, make: Callable[..., AbstractAsyncContextManager[Simulated]], control_port: int, people: int = 0
) -> int:
    """`port`: in place of the example's; `people`: how many there are from the start, with a day's events. Raises Mistakes."""
    return _run(lab(port, partial(make, control_port=control_port), people))


def _run(work: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(work)
    except app.CannotStart as error:
        raise Mistakes([str(error)], is_final=isinstance(error, app.StoreRefused)) from error


async def simulate(settings: Settings, make: Callable[[Settings], AbstractAsyncContextManager[Simulated]]) -> int:
    """Run the panels of `settings` until SIGTERM or SIGINT. Raises CannotStart, and what crashed in a simulated panel."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        simulated = await _started(make(settings), stack)
        _print(_listing(settings, simulated))
        stopping = asyncio.create_task(stop.wait())
        ends: set[asyncio.Future[Any]] = {stopping, simulated.failed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    return 0


def _placed(line: AnyLine, place: Place) -> AnyLine:
    if isinstance(place, str):
        return line.model_copy(update={"port": place})
    return line.model_copy(update={"host": place[0], "port": place[1]})


FIRST_REQUEST = """a first request to paste:

  TOKEN=$(curl -s '{url}/api/v1/login?username=admin&password=e10adc3949ba59abbe56e057f20f883e' \\
          | python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])')
  curl -s {url}/api/v1/access/timeprofile/items/link -H "Authorization: Bearer $TOKEN" --data '{body}'

a door, opened from afar:

  curl -s -X POST {url}/gateway/v1/doors/{door}/open -H "Authorization: Bearer $TOKEN"

a first person, who comes in during those hours, and their card at a reader:

  curl -s {url}/api/v1/access/identifier/items/link -H "Authorization: Bearer $TOKEN" --data '{person}'
  curl -s {control}/panels/{panel}/read --data '{card}'
"""

_WORK_WEEK = {
    "list_items": [
        {
            "link_id": "91c615e3-1040-4815-8ecb-000000000009",
            "name": "Work week",
            "time_options": {"is_all_day": False, "date_from": 1793602800, "date_to": 1793635200},
            "repeat_options": {
                "repeat_enable": True,
                "repeat_format": {
                    "repeat_type": "custom",
                    "repeat_end": {"format": "never"},
                    "repeat_custom": {
                        "repeat_point_type": "week",
                        "repeat_looper": 1,
                        "repeat_options": ["MON", "TUE", "WED", "THU", "FRI"],
                    },
                },
            },
        }
    ]
}
_CARD = "12345678"
_PERSON = {
    "list_items": [
        {
            "link_id": "91c615e3-1040-4815-8ecb-000000000101",
            "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"},
            "identifier_type": "card",
            "identifier_number": _CARD,
            "lock": "first",
            "time_profiles": {"link_ids": [_WORK_WEEK["list_items"][0]["link_id"]]},
        }
    ]
}
_READERS = "open-access-panel"
"""The model of the panel at which the first card is shown."""


LAST = """what to try:

  curl -s -X POST {control}/panels/{panel}/off      # a panel falls silent; /on brings it back
  panel-gateway status --config {config} --url {url}
  panel-gateway doctor --config {config} --url {url}
  panel-gateway explain 'Work week' {panel} mon 9:00 --config {config} --url {url}
  panel-gateway who {door} mon 9:00 --config {config} --url {url}

control URL: {control}
"""


def _again_on_enter(text: str, stack: AsyncExitStack) -> None:
    """Print it once more whenever somebody at the terminal asks for it."""
    if not sys.stdin.isatty():
        return
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        if os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return  # in the background: the line is for the shell, and to read it would stop the lab
        if sys.stdin.readline():
            _print(text)
        else:
            loop.remove_reader(sys.stdin)

    loop.add_reader(sys.stdin, pressed)
    stack.callback(loop.remove_reader, sys.stdin)
    _print("Enter prints this again, Ctrl-C stops the lab")


def _first_request(settings: Settings, url: str, control: str) -> str:
    return FIRST_REQUEST.format(
        url=url,
        body=json.dumps(_WORK_WEEK),
        person=json.dumps(_PERSON),
        control=control,
        panel=next(panel.id for line in settings.lines for panel in line.panels if panel.model == _READERS),
        card=json.dumps({"type": "card", "number": _CARD, "door": "first"}),
        door=settings.doors[0].id,
    )


async def _filled(settings: Settings, url: str, control: str, people: int) -> None:
    """A lab that cannot be filled goes on without people."""
    try:
        _print(await fill(settings, url, control, people))
    except NotFilled as error:
        sys.stderr.write(f"people: {error}\n")


async def lab(port: int | None, make: Callable[..., AbstractAsyncContextManager[Simulated]], people: int = 0) -> int:
    """Simulated panels and a gateway from `config/examples/lab.toml`, with all they write in a directory that goes away.

    Raises CannotStart, and what crashed in a simulated panel or in the gateway.
    """
    with TemporaryDirectory(prefix="panel-gateway-lab-") as folder:
        example = resources.files("config.examples").joinpath("lab.toml")
        with resources.as_file(example) as path:
            settings, config = load_settings(path), path
        http = settings.http if port is None else settings.http.model_copy(update={"port": port})
        store = settings.store.model_copy(update={"path": Path(folder) / "panel-gateway.db"})
        free = {line.id: 0 for line in settings.lines if not isinstance(line, ModbusRtuLine)}
        async with AsyncExitStack() as stack:
            simulated = await _started(make(settings, pty_dir=Path(folder), tcp_port_override=free), stack)
            lines = tuple(_placed(line, simulated.lines[line.id]) for line in settings.lines)
            wired = settings.model_copy(update={"http": http, "store": store, "lines": lines})

            def ready(url: str) -> None:
                _print(f"panel gateway: {url}")
                _print(_listing(wired, simulated))
                _print(_first_request(wired, url, simulated.control_url))
                panel = wired.lines[0].panels[0].id
                last = LAST.format(url=url, control=simulated.control_url, panel=panel, door=wired.doors[0].id, config=config)
                _print(last)
                _again_on_enter(last, stack)
                if people:
                    beside.spawn(_filled(wired, url, simulated.control_url, people), "people")

            beside = Supervisor()
            serving = asyncio.create_task(app.serve(wired, None, ready))
            ends: set[asyncio.Future[Any]] = {serving, simulated.failed, beside.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await beside.stop(0)
            if simulated.failed.done() or beside.failed.done():
                serving.cancel()
                await asyncio.wait({serving})
                return 1  # leaving the simulated site raises the crash
            return _result(serving)


def _result(serving: asyncio.Task[int]) -> int:
    """Raises CannotStart, with what helps where the port is taken."""
    try:
        return serving.result()
    except app.CannotStart as error:
        if str(error).startswith("http: cannot listen"):
            raise app.CannotStart(f'{error}; try: make lab ARGS="--port 0" (or panel-gateway lab --port 0)') from error
        raise
