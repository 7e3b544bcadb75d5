"""`panel-gateway diff`: what a changed configuration would do, before a reload."""

from __future__ import annotations

import asyncio
import json
import os.path
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.nearest import some
from config.settings import Settings
from drivers.clock import SystemClock
from gateway.cli.output import note, say, say_json
from gateway.cli.planning import called, fleet_of
from gateway.cli.reading import read_models, read_settings
from gateway.store.contract import Snapshot, StoreError
from gateway.store.sqlite_schema import open_read_only

_RESTART = ("http", "store")
_LINE, _PANEL = re.compile(r"lines\.[^.]+"), re.compile(r"lines\..+\.panels\..+")
_HIDDEN = ("password",)
_NAMED = 3
"""How many panels or items are named one by one."""
_NAMES = ("id", "name", "link_id", "number")


@dataclass(frozen=True, slots=True)
class _Move:
    """What a panel or output no longer gets, and what it gets, by name."""

    panel: str
    no_longer: tuple[str, ...]
    gets: tuple[str, ...]


def diff(config: Path, changed: Path, *, as_json: bool) -> int:
    """`config`: as it is now; `changed` is read as if it lay in its place. Raises Mistakes where one of the two has some."""
    before, after = (read_settings(path, folder=config.parent) for path in (config, changed))
    old, new = (settings.model_dump(mode="json") for settings in (before, after))
    lines = [*_changes("", old, new), *_unbound(old, new)]
    moves = _moves(before, after) if lines else ()
    if as_json:
        say_json({"changes": lines, "panels": None if moves is None else [asdict(move) for move in moves]})
    else:
        say("\n".join([*lines, *_told(moves or ())]) or "nothing changes")
    return 0


def _moves(before: Settings, after: Settings) -> Sequence[_Move] | None:
    """Which panels and outputs would hold other items than before, by what the store says is asked for; None: that is not
    known, and the person at the terminal is told why."""
    try:
        stored = open_read_only(before.store.path)
    except StoreError as error:
        note(f"{error}; what is bound where is not compared")
        return None
    if not os.path.exists(before.store.path):
        note(f"{before.store.path}: there is no store yet, what is bound where is not compared")
        return None
    was, will = (asyncio.run(_bound(settings, stored)) for settings in (before, after))
    moves = (_move(target, was.get(target, {}), will.get(target, {})) for target in dict.fromkeys([*was, *will]))
    return [move for move in moves if move.no_longer or move.gets]


def _move(target: str, had: Mapping[str, str], has: Mapping[str, str]) -> _Move:
    gone = tuple(name for key, name in had.items() if key not in has)
    return _Move(target, gone, tuple(name for key, name in has.items() if key not in had))


def _told(moves: Iterable[_Move]) -> Iterator[str]:
    """Panels and outputs that change alike stand in one line."""
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for move in moves:
        alike.setdefault((move.no_longer, move.gets), []).append(move.panel)
    for (gone, come), panels in alike.items():
        said = [f"no longer gets {some(gone, _NAMED)}"] if gone else []
        said += [f"gets {some(come, _NAMED)}"] if come else []
        yield f"{some(panels, _NAMED)}: {'; '.join(said)}"


async def _bound(settings: Settings, stored: Snapshot) -> Mapping[str, Mapping[str, str]]:
    """The names of what is bound to each panel or output, by key."""
    fleet = await fleet_of(settings, read_models(settings.site.models_dir), SystemClock(), stored)
    found: dict[str, dict[str, str]] = {}
    for each in fleet.bound_items():
        name = called(json.loads(each.item.body)) if each.item.body else each.item.link_id
        for target in each.panels:
            found.setdefault(target, {})[each.item.key] = name
    return found


def _unbound(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """New panels to which nothing is bound: they stay empty."""
    before = set(_panels(old))
    named = {name for rule in new["bindings"] for name in rule["panels"]}
    named |= {member for group, members in new["groups"].items() if f"@{group}" in named for member in members}
    for panel in _panels(new):
        if panel not in before and "@all" not in named and panel not in {name.partition(":")[0] for name in named}:
            yield f"{panel}: nothing is bound to it; name it in [[bindings]] or in a group that is bound"


def _panels(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from (panel["id"] for line in settings["lines"] for panel in line["panels"])


def _changes(place: str, old: Any, new: Any) -> Iterator[str]:
    """One line a value that is other than before, with its place; what leaves or comes as a whole is one line."""
    if old == new:
        return
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and _is_keyed([*old, *new]):
        old, new = _keyed(old), _keyed(new)
    if _are_names(old, new):
        parts = (
            " ".join([word, *(name for name in one if name not in other)])
            for word, one, other in (("without", old, new), ("with", new, old))
        )
        yield f"{place}: " + (", ".join(part for part in parts if " " in part) or "in another order")
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _change(f"{place}.{key}".lstrip("."), key, old, new)
    else:
        yield f"{place}: {_shown(place, new)} instead of {_shown(place, old)}{_consequence(place)}"


def _change(place: str, key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if key not in new:
        left = (
            [key]
            if _PANEL.fullmatch(place)
            else [panel["id"] for panel in old[key].get("panels", ())]
            if _LINE.fullmatch(place)
            else []
        )
        yield f"{place}: goes" + (f"; erase first what {', '.join(left)} may hold" if left else "")
    elif key not in old:
        panels = (
            [panel["id"] for panel in new[key].get("panels", ())] if isinstance(new[key], dict) and _LINE.fullmatch(place) else []
        )
        yield f"{place}: comes" + (f" with {', '.join(panels)}" if panels else "")
    else:
        yield from _changes(place, old[key], new[key])


def _are_names(*lists: Any) -> bool:
    return all(isinstance(each, list | tuple) and all(isinstance(name, str) for name in each) for each in lists)


def _is_keyed(entries: list[Any]) -> bool:
    return bool(entries) and all(isinstance(entry, dict) and _key(entry) is not None for entry in entries)


def _key(entry: Mapping[str, Any]) -> str | None:
    if "secret_file" in entry:  # a webhook: the rest of its URL may be a secret
        return urlsplit(str(entry["url"])).hostname
    return next((str(entry[name]) for name in _NAMES if entry.get(name) is not None), None)


def _keyed(entries: Any) -> dict[str, Any]:
    """The entries by the id that each entry has; those with the same one keep their order."""
    found: dict[str, Any] = {}
    for entry in entries:
        key, number = str(_key(entry)), 2
        while key in found:
            key, number = f"{_key(entry)}#{number}", number + 1
        found[key] = entry
    return found


def _shown(place: str, value: Any) -> str:
    hidden = place.rpartition(".")[2] in _HIDDEN or re.fullmatch(r"webhooks\..*\.url", place)
    return "another one" if hidden else "nothing" if value is None else str(value)


def _consequence(place: str) -> str:
    return " (needs a restart)" if place.partition(".")[0] in _RESTART else ""
