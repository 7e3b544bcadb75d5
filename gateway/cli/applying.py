"""`panel-gateway apply`: does what a request file asks for, and tells what every panel said."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from config.nearest import did_you_mean, some
from gateway.api.errors import ApiError
from gateway.api.items import changes_of
from gateway.cli.answers import Item, Results
from gateway.cli.client import Running, decoded, running
from gateway.cli.directory import Directory, directory
from gateway.cli.hours import change_text, is_identifier
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, counted, note, say, say_json
from gateway.cli.waiting import AWAY, answered, next_second, settled
from gateway.compiler.outcome import HELD
from gateway.fleet.problems import cause
from gateway.fleet.views import Deletion
from gateway.ops.terminal import harmless

_HELD = {outcome.value for outcome in HELD}
_NAMED = 3
"""How many panels are named one by one."""
_LISTS = ("list_items", "link_ids")
_SURFACES = {"timeprofile": "/api/v1/access/timeprofile", "identifier": "/api/v1/access/identifier"}


def apply(asked: Asked, request: Path, *, wait: bool, pause: Callable[[float], None] = time.sleep) -> int:
    """Time profiles first, then identifiers, then deletions. Status 1 where a panel did not take something.

    `wait`: a minute at most, and for no panel that is away.
    """
    items, deleted = _read(request)
    gateway = running(asked)
    since, _ = next_second(gateway)
    known = directory(gateway)
    results = [*_upserted(gateway, items), *_deleted(gateway, known, deleted)]
    if wait:
        there = settled(gateway, _lacking(results), since, pause, pass_over_away=True)
        now = {name: gateway.panel(name).items for name in there}
        results = [_after(result, now) for result in results]
        away = [name for name in _lacking(results) if name in there and there[name].state == AWAY]
        if away:
            note(f"{some(away, _NAMED)} {'is' if len(away) == 1 else 'are'} away: the gateway goes on trying")
    if asked.as_json:
        say_json({"result": results})
    else:
        say("\n".join(_told(results, items, _names(items, known))) or f"{request}: nothing is asked for")
    return 0 if all(result["success"] for result in results) else 1


def _lacking(results: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """The panels that did not take something, each once."""
    lacking = (panel["panel"] for each in results for panel in each["panels"] if not panel["success"])
    return tuple(dict.fromkeys(name.partition(":")[0] for name in lacking))


def _read(request: Path) -> tuple[list[Any], list[str]]:
    """The items, and the link_ids to delete, each once. Raises Mistakes that name the place: nothing of the file is done then."""
    try:
        body = decoded(request.read_bytes())
    except OSError as error:
        raise Mistakes([f"{request}: {error.strerror}"]) from error
    except ValueError as error:
        raise Mistakes([f"{request}: expected JSON: {error}"]) from error
    asked = body if isinstance(body, dict) else {}
    if not asked.keys() & set(_LISTS) or not all(isinstance(asked.get(key, []), list) for key in _LISTS):
        near = next(filter(None, (did_you_mean(key, _LISTS) for key in asked if key not in _LISTS)), "")
        raise Mistakes([f"{request}: expected a JSON object with the lists `list_items`, `link_ids` or both{near}"])
    if body.get("panels") is not None:
        raise Mistakes([f"{request}: panels: only `plan` takes them; bind items with `panel-gateway bindings set`"])
    try:
        going = [one.link_id for one in changes_of(body) if isinstance(one, Deletion)]
    except ApiError as error:
        raise Mistakes([f"{request}: {error.detail}"]) from error
    return list(body.get("list_items", [])), going


def _upserted(gateway: Running, items: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for kind, surface in _SURFACES.items():
        if asked := [item for item in items if is_identifier(item) == (kind == "identifier")]:
            answer = answered(gateway, "POST", f"{surface}/items/link", {"list_items": asked})
            gateway.read(Results, answer)
            yield from ({**each, "kind": kind} for each in answer["result"])


def _deleted(gateway: Running, known: Directory, link_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """People go before the time profiles that they name. What is not listed may still be on a panel, as either."""
    listed = {kind: {entry.link_id for entry in known.entries if entry.kind == kind} for kind in _SURFACES}
    unlisted = set(link_ids).difference(*listed.values())
    missed: dict[str, dict[str, Any]] = {}
    deleted = set[str]()
    for kind, surface in reversed(_SURFACES.items()):
        if asked := [each for each in link_ids if each in unlisted or each in listed[kind]]:
            answer = answered(gateway, "DELETE", f"{surface}/items/link", {"link_ids": asked})
            gateway.read(Results, answer)
            for each in answer["result"]:
                if each["extended_info"] == "deleted":
                    deleted.add(each["link_id"])
                    yield {**each, "kind": kind}
                else:
                    missed[each["link_id"]] = {**each, "kind": kind}
    yield from (each for link_id, each in missed.items() if link_id not in deleted)


def _after(result: dict[str, Any], now: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
    """The result with what became of it since. `now`: the items of the panels that were waited for; one that has left the
    configuration is none of them."""
    panels = [
        _since(panel, result, now[name]) if not panel["success"] and (name := panel["panel"].partition(":")[0]) in now else panel
        for panel in result["panels"]
    ]
    return {**result, "panels": panels, "success": all(panel["success"] for panel in panels)}


def _since(panel: dict[str, Any], result: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
    """A panel lists what it is asked for and what it may still hold: what was deleted and is not listed was seen to be gone.

    A person whose time profile is not held yet is pending, though the panel holds all that is said of the person.
    """
    kind = result["kind"]
    found = [item for item in items if item.link_id == result["link_id"] and item.kind == kind]
    if not found:
        return {**panel, "success": True, "outcome": "removed", "reason": None} if result["extended_info"] == "deleted" else panel
    if all(item.outcome in _HELD and item.held_generation == item.desired_generation is not None for item in found):
        return {**panel, "success": True, "outcome": found[0].outcome, "reason": None}
    return {**panel, **{key: getattr(found[0], key) for key in ("outcome", "reason", "message", "still_grants_text")}}


def _names(items: Sequence[Any], known: Directory) -> Mapping[str, str]:
    names = {each.link_id: each.shown for each in known.gone if each.link_id}
    names |= {entry.link_id: entry.shown for entry in known.entries if entry.link_id}
    for item in items:
        owner = item.get("identifier_owner") or (item.get("base") or {}).get("identifier_owner") or {}
        if name := item.get("name") or owner.get("name"):
            names[str(item["link_id"]).lower()] = harmless(str(name))
    return names


def _told(results: Sequence[Mapping[str, Any]], items: Sequence[Any], names: Mapping[str, str]) -> Iterator[str]:
    bodies = {str(item["link_id"]).lower(): item for item in items}
    for result in results:
        became = change_text(result["extended_info"], bodies.get(result["link_id"]), names)
        taken = Counter(bool(panel["success"]) for panel in result["panels"])
        where = f", taken by {taken[True]} of {counted(len(result['panels']), 'panel')}" if result["panels"] else ""
        yield f"{names.get(result['link_id'], result['link_id'])}: {became}{where}"
        for panel in result["panels"]:
            if not panel["success"]:
                why = ": ".join(filter(None, (panel.get("reason"), panel.get("message") and cause(panel["message"]))))
                open_still = f"; still open {panel['still_grants_text']}" if panel.get("still_grants_text") else ""
                yield f"  {panel['panel']}: {panel['outcome']}, {why}{open_still}"
