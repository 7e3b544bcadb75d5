"""`panel-gateway events`: what happened, with --follow as it happens."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from gateway.cli.answers import Event
from gateway.cli.client import Running, running
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, say, say_json
from gateway.cli.times import second

_EVENTS = "/gateway/v1/events"
_BESIDE = ("id", "at", "kind", "category", "panel")
_MOST = 10_000


def events(asked: Asked, *, follow: bool, kinds: str | None, last: int) -> int:
    """The `last` events, oldest first. `follow`: then each as it happens, until Ctrl-C, or until the gateway stops: status 1."""
    gateway = running(asked)
    chosen = {"kinds": kinds} if kinds else {}
    seen = 0
    for event in _newest(gateway, chosen, last):
        seen = event["id"]
        _tell(event, gateway.zone, as_json=asked.as_json)
    if follow:
        sys.stdout.flush()
        for fresh in gateway.followed(f"{_EVENTS}?{urlencode({**chosen, 'after': seen}, errors='replace')}"):
            _tell(_understood(gateway, fresh), gateway.zone, as_json=asked.as_json)
            sys.stdout.flush()
        raise Mistakes([f"{gateway.place}: the gateway tells no more events"])
    return 0


def _newest(gateway: Running, chosen: Mapping[str, str], last: int) -> list[dict[str, Any]]:
    """More of them than a page holds are read page by page from the oldest event on."""
    if last <= _MOST:
        return _page(gateway, {**chosen, "last": last})
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        page = _page(gateway, {**chosen, "after": after, "limit": _MOST})
        found = [*found, *page][-last:]
        if len(page) < _MOST:
            return found
        after = page[-1]["id"]


def _page(gateway: Running, query: Mapping[str, object]) -> list[dict[str, Any]]:
    return [_understood(gateway, event) for event in gateway.events(f"{_EVENTS}?{urlencode(query)}")]


def _understood(gateway: Running, event: object) -> dict[str, Any]:
    """An event with all that it tells, which differs from kind to kind. Raises Mistakes."""
    gateway.read(Event, event)
    assert isinstance(event, dict)
    return event


def _tell(event: Mapping[str, Any], zone: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        say_json(event, indent=None)
        return
    facts = " ".join(f"{name}={value}" for name, value in event.items() if name not in _BESIDE and value not in (None, ""))
    place = event.get("panel") or "-"
    say(f"{second(event['at'], zone)}  {place:16} {event['kind'].replace('_', ' ')}  {facts}".rstrip())
