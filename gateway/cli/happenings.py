"""`panel-gateway events`: what happened, with --follow as it happens."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from config.nearest import some
from gateway.cli.answers import Event
from gateway.cli.client import Running, running
from gateway.cli.directory import Directory, directory, names_link_ids
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, numbered, say, say_json
from gateway.cli.times import second

_EVENTS = "/gateway/v1/events"
_BESIDE = ("id", "at", "kind", "category", "panel")
_MOST = 10_000
_NAMED = 5
"""How many items or changes of one event are told."""


def events(asked: Asked, *, follow: bool, kinds: str | None, last: int) -> int:
    """The `last` events, oldest first. `follow`: then each as it happens, until Ctrl-C, or until the gateway stops: status 1."""
    gateway = running(asked)
    chosen = {"kinds": kinds} if kinds else {}
    told = _Teller(gateway, as_json=asked.as_json)
    seen = 0
    for event in _newest(gateway, chosen, last):
        seen = event["id"]
        told(event)
    if follow:
        sys.stdout.flush()
        for fresh in gateway.followed(f"{_EVENTS}?{urlencode({**chosen, 'after': seen}, errors='replace')}"):
            told.may_be_new()
            told(_understood(gateway, fresh))
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


class _Teller:
    """Says one event after the other, a line each, with names, which are asked for when the first link_id is told of."""

    def __init__(self, gateway: Running, *, as_json: bool) -> None:
        self._gateway, self._as_json = gateway, as_json
        self._names, self._asked = Directory(), False

    def may_be_new(self) -> None:
        """What the next event tells of may have been made after names were asked for."""
        self._asked = False

    def __call__(self, event: Mapping[str, Any]) -> None:
        if self._as_json:
            say_json(event, indent=None)
            return
        told = "; ".join(f"{_words(name)} {text}" for name, text in _facts(event) if text)
        place = event.get("panel") or "-"
        say(f"{second(event['at'], self._gateway.zone)}  {place:16} {_words(event['kind'])}  {self._in_words(told)}".rstrip())

    def _in_words(self, told: str) -> str:
        said = self._names.in_words(told)
        if self._asked or not names_link_ids(said):
            return said
        self._names, self._asked = directory(self._gateway), True
        return self._names.in_words(told)


def _facts(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the kind of event tells beside where and when, by name."""
    for name, value in event.items():
        if name not in _BESIDE and value is not None:
            yield name, _text(name, value, event)


def _text(name: str, value: object, event: Mapping[str, Any]) -> str:
    """The value as people write it. Anything but texts, lists and counts is written as JSON."""
    if name == "identifier" and isinstance(value, dict):
        number = f"{value.get('type')} {value.get('number')}"
        return numbered(owner, number) if (owner := value.get("owner")) else number
    if isinstance(value, list):
        said = [str(one.get("link_id") or one.get("kind")) if isinstance(one, dict) else str(one) for one in value]
        count = event.get("count")
        return some(said, _NAMED, count if isinstance(count, int) else 0)
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
