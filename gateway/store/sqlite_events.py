"""The events of a site in the embedded store. Blocking; writing is called inside the store's transactions, reading beside
them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_json

from config.event_kinds import KINDS
from gateway.store.events import EventQuery, SiteEvent, newest_first, next_ids
from gateway.store.sqlite_schema import connect_read_only, translated, understood

_INSERT = "INSERT INTO event (id, at, kind, category, priority, panel, facts) VALUES "
_ROW = "(?, ?, ?, ?, ?, ?, ?)"
_ROWS = 50
"""How many are written by one statement: each one lets other threads go on, and has to wait for them afterwards."""
_POSITION = "INSERT OR REPLACE INTO panel_fact (panel, key, value) VALUES (?, ?, ?)"
_DROP_UP_TO = "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id <= ? ORDER BY id LIMIT ?)"
_DROP_OLDEST = "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?)"
_NOTE_DROPPED = "UPDATE journal SET kept = kept - ?, dropped = coalesce((SELECT min(id) - 1 FROM event), last_id)"
_SELECT = "SELECT id, at, kind, category, priority, panel, facts FROM event WHERE"
_COUNT = "SELECT count(*) FROM event WHERE"
_AT_ONCE = 2000
"""How many are dropped in one transaction: what is asked for meanwhile waits for it."""
_FACTS = json.JSONEncoder(separators=(",", ":"))
_CLAUSES = (("since", "at >= ?"), ("until", "at <= ?"))


def insert(
    connection: sqlite3.Connection, events: Sequence[SiteEvent], positions: Mapping[str, tuple[str, str]], at: float
) -> range:
    """Returns the ids of the events. All rows are made before the first is written, since writing lets other threads go on."""
    [(last,)] = connection.execute("SELECT last_id FROM journal").fetchall()
    ids = next_ids(last, at, len(events))
    rows = list(map(_row, ids, events))
    for first in range(0, len(rows), _ROWS):
        some = rows[first : first + _ROWS]
        connection.execute(_INSERT + ", ".join([_ROW] * len(some)), [*chain.from_iterable(some)])
    connection.executemany(_POSITION, [(panel, key, value) for panel, (key, value) in positions.items()])
    if ids:
        connection.execute("UPDATE journal SET last_id = ?, kept = kept + ?", (ids[-1], len(ids)))
    return ids


def _row(number: int, event: SiteEvent) -> tuple[object, ...]:
    return (number, event.at, event.kind, event.category, event.priority, event.panel, _text(event.facts))


def _text(facts: Mapping[str, Any]) -> str:
    try:
        return to_json(facts, inf_nan_mode="constants").decode()
    except ValueError:  # half of a surrogate pair: `json` keeps it, and takes six times as long
        return _FACTS.encode(facts)


def drop(connection: sqlite3.Connection, up_to: int, most: int) -> tuple[int, int]:
    """Drop what has an id up to this one and the oldest beyond `most`, some of it a call.

    Returns how many were dropped, and the greatest id that ever was.
    """
    gone = connection.execute(_DROP_UP_TO, (up_to, _AT_ONCE)).rowcount
    [(kept,)] = connection.execute("SELECT kept FROM journal").fetchall()
    gone += connection.execute(_DROP_OLDEST, (max(0, min(kept - gone - most, _AT_ONCE)),)).rowcount
    if gone:
        connection.execute(_NOTE_DROPPED, (gone,))
    [(dropped,)] = connection.execute("SELECT dropped FROM journal").fetchall()
    return gone, dropped


def select(path: Path, query: EventQuery) -> tuple[SiteEvent, ...]:
    """One page. Raises StoreError."""
    order = ", ".join([f"{column} {_direction(down)}" for column, down in (*query.order, ("id", newest_first(query)))])
    with translated(path), understood(path), closing(connect_read_only(path)) as connection:
        where, values = _where(connection, query)
        statement = " ".join([_SELECT, where, "ORDER BY", order, "LIMIT ? OFFSET ?"])
        return tuple([_event(row) for row in connection.execute(statement, (*values, query.limit, query.skip))])


def count(path: Path, query: EventQuery) -> int:
    """How many there are on all pages. Raises StoreError."""
    with translated(path), understood(path), closing(connect_read_only(path)) as connection:
        if query == EventQuery(order=query.order, skip=query.skip, limit=query.limit):
            [(total,)] = connection.execute("SELECT kept FROM journal").fetchall()
        else:
            where, values = _where(connection, query)
            [(total,)] = connection.execute(" ".join([_COUNT, where]), values).fetchall()
        return int(total)


def _where(connection: sqlite3.Connection, query: EventQuery) -> tuple[str, list[Any]]:
    parts: list[str] = ["id > ?"]
    values: list[Any] = [query.after]
    for name, clause in _CLAUSES:
        if (bound := getattr(query, name)) is not None:
            parts.append(clause)
            values.append(bound)
    if query.kinds is not None:
        parts.append(f"kind IN ({', '.join('?' * len(query.kinds))})")
        values += query.kinds
    if (chosen := query.chosen) is not None:

        def is_chosen(at: float, kind: str, category: str, priority: str) -> bool:
            return chosen(SiteEvent(at, kind, category=category, priority=priority))

        connection.create_function("is_chosen", 4, is_chosen)
        settled = _settled(chosen)
        cases = " ".join(["WHEN ? THEN ?"] * len(settled))
        asked = "is_chosen(at, kind, category, priority)"
        parts.append(f"CASE category || ' ' || priority {cases} ELSE {asked} END" if settled else asked)
        values += [value for labels, is_it in settled.items() for value in (labels, is_it)]
    return " AND ".join(parts), values


class _AsksMore(Exception):
    """Labels alone do not say whether an event is chosen."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """An event of which nothing else is known."""

    category: str
    priority: str

    def __getattr__(self, name: str) -> object:
        raise _AsksMore


def _settled(chosen: Callable[[SiteEvent], bool]) -> Mapping[str, bool]:
    """The labels that say by themselves whether an event is chosen: a million events are not each asked about in Python, which
    would hold up everything else.
    """
    found: dict[str, bool] = {}
    for labels in {_Labels(kind.category, kind.priority) for kind in KINDS.values()}:
        with suppress(_AsksMore):
            found[f"{labels.category} {labels.priority}"] = chosen(cast("SiteEvent", labels))
    return found


def _direction(down: bool) -> str:
    return "DESC" if down else "ASC"


def _event(row: tuple[Any, ...]) -> SiteEvent:
    number, at, kind, category, priority, panel, facts = row
    return SiteEvent(at, kind, panel, json.loads(facts), category, priority, number)
