"""`GET /gateway/v1/matrix`: what became of people and time profiles at every panel and door, a page of rows at a time.

Large sites repeat themselves: a result stands in `results` once, and a row counts how many columns in turn have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from aiohttp import web

from drivers.contract import IDENTIFIER
from gateway.api.errors import bad_value, shown
from gateway.api.listing import name_of, sent
from gateway.api.plans import KINDS
from gateway.api.queries import flag_in, number_in, refuse_others
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.concurrency import in_turns
from gateway.fleet.matrix import Cell, Column, Matrix, Row
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.contract import DesiredItem

QUERY: Mapping[str, str] = {
    "first": "rows to pass over, 0 where absent",
    "limit": "rows at most, 100 where absent, 1000 at most",
    "kind": "`timeprofile` or `identifier`, both where absent",
    "find": "a part of a name, a number or a link_id",
    "differing": "`1`: rows alone that some panel does not hold as asked",
}
_MOST_ROWS = 1000
NO_CELL = -1


async def matrix(request: web.Request) -> web.Response:
    """Query: see `QUERY`."""
    query, fleet = request.query, request.app[SERVICES].fleet
    refuse_others(query, QUERY)
    first, limit = number_in(query, "first", 0), number_in(query, "limit", 100, _MOST_ROWS)
    kind, differing, find = query.get("kind"), flag_in(query, "differing"), query.get("find", "").casefold()
    if kind not in (None, *KINDS):
        raise bad_value("kind", f"one of {', '.join(KINDS)}", shown(kind))
    table = fleet.matrix()
    rows, total = await _page(table, kind, find, first, limit, differing=differing)
    results: dict[Cell, int] = {}
    shown_rows = [_row(item, cells, len(table.columns), results) async for item, cells in in_turns(rows)]
    body = {"at": int(fleet.clock().at), "first": first, "total": total, "columns": [_column(each) for each in table.columns]}
    return json_response({**body, "results": list(results), "rows": shown_rows})


async def _page(
    table: Matrix, kind: str | None, find: str, first: int, limit: int, *, differing: bool
) -> tuple[list[tuple[DesiredItem, Row]], int]:
    """The rows that are asked for, and how many there are on all pages."""
    found: list[tuple[DesiredItem, Row]] = []
    total = 0
    async for item in in_turns(table.items()):
        if (kind is not None and item.kind != kind) or (find and find not in _said(item)):
            continue
        wanted = first <= total < first + limit
        cells: Row = table.row(item) if wanted or differing or item.content is None else {}
        if (item.content is None and not cells) or (differing and all(cell.asked and cell.success for cell in cells.values())):
            continue
        if wanted:
            found.append((item, cells))
        total += 1
    return found, total


def _said(item: DesiredItem) -> str:
    number = sent(item).get("identifier_number") if item.kind == IDENTIFIER and item.body else ""
    return f"{name_of(item)} {number} {shown_link_id(item.link_id) or ''}".casefold()


def _column(column: Column) -> dict[str, Any]:
    """Keys that do not apply are left out."""
    said: dict[str, Any] = {"panel": column.target.panel, "away": column.away}
    if column.target.output is not None:
        said["output"] = column.target.output
    if column.door is not None:
        said |= {"door": column.door.id, "name": column.door.name}
    return said


def _row(item: DesiredItem, cells: Row, columns: int, results: dict[Cell, int]) -> dict[str, Any]:
    numbers = (_number(cells.get(place), results) for place in range(columns))
    said: dict[str, Any] = {"kind": item.kind, "uid": item.uid, "link_id": shown_link_id(item.link_id), "name": name_of(item)}
    if item.content is None:
        said["deleted"] = True
    return {**said, "cells": _runs(numbers)}


def _number(cell: Cell | None, results: dict[Cell, int]) -> int:
    return NO_CELL if cell is None else results.setdefault(cell, len(results))


def _runs(numbers: Iterable[int]) -> list[int]:
    """Each number, followed by how often it comes in turn."""
    return [each for number, run in groupby(numbers) for each in (number, sum(1 for _ in run))]
