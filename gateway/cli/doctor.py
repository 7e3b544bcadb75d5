"""`panel-gateway doctor`: all that is wrong now, worst first, each with what to do. Of a gateway that does not answer, why."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from zoneinfo import ZoneInfo

from config.nearest import some
from config.settings import Settings
from gateway.cli.answers import Problem, Problems
from gateway.cli.client import NoGateway, Running, running
from gateway.cli.directory import Directory, directory, names_link_ids
from gateway.cli.options import Asked
from gateway.cli.output import say, say_json
from gateway.cli.store import without_advice
from gateway.cli.times import aged
from gateway.store.contract import StoreError
from gateway.store.sqlite_schema import open_read_only

NOT_AS_ASKED = 3
_NAMED = 5
"""How many items a problem names."""
_INFO = "info"


def doctor(asked: Asked, *, exit_code: bool) -> int:
    """`exit_code`: status 3 where something is wrong."""
    gateway = running(asked)
    body = found_by(gateway)
    found = gateway.read(Problems, body).problems
    if asked.as_json:
        say_json(body)
    else:
        names = names_for(found, gateway)
        say("\n\n".join(told(problem, gateway.zone, time.time(), names) for problem in found) or "nothing is wrong")
    return NOT_AS_ASKED if exit_code and any(problem.severity != _INFO for problem in found) else 0


def found_by(gateway: Running) -> object:
    """What the gateway says of itself, or why it says nothing: the answer with its problems. Raises Mistakes."""
    try:
        return gateway.get("/gateway/v1/problems")
    except NoGateway as absent:
        if gateway.url is not None:
            raise
        return {"problems": [_absent(gateway.settings, absent.lines[0])]}


def _absent(settings: Settings, told: str) -> Mapping[str, object]:
    try:
        open_read_only(settings.store.path)
    except StoreError as error:
        text = f"the gateway does not run, and its store is refused: {without_advice(error)}"
        remedy = "put a backup back, or start with an empty site (serve --new-store)"
        return _problem("store_refused", text, remedy, "panel-gateway restore FILE")
    text = f"the gateway does not run: {told}. Panels go on with what they hold"
    return _problem("gateway_not_running", text, "start it; its log says why it ended", "systemctl status panel-gateway")


def _problem(code: str, text: str, remedy: str, command: str) -> Mapping[str, object]:
    return {"code": code, "severity": "error", "since": None, "text": text, "remedy": remedy, "command": command}


def told(problem: Problem, zone: ZoneInfo, now: float, names: Directory) -> str:
    """A problem for a person, in four or five lines."""
    return "\n".join(_lines(problem, zone, now, names))


def names_for(problems: Iterable[Problem], gateway: Running) -> Directory:
    """The names of what the problems tell of; the gateway is asked only where they tell of something."""
    if not any(problem.link_ids or names_link_ids(problem.text) for problem in problems):
        return Directory()
    return directory(gateway)


def _lines(problem: Problem, zone: ZoneInfo, now: float, names: Directory) -> Iterator[str]:
    since = "" if problem.since is None else f", since {aged(problem.since, now, zone)}"
    yield f"{problem.severity.upper()} {problem.code}{since}"
    yield f"  {names.in_words(problem.text)}"
    if touched := [names.in_words(link_id) for link_id in problem.link_ids]:
        yield f"  items: {some(touched, _NAMED)}"
    yield f"  what to do: {problem.remedy}"
    yield f"  $ {problem.command}"
