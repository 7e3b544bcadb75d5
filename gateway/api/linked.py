"""Items by link_id on the vendor's surface: upsert, delete, list. One surface a kind, all alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from drivers.contract import TIME_PROFILE, Reason
from gateway.api import kinds
from gateway.api.dialects import Dialect
from gateway.api.errors import bad_value, shown
from gateway.api.items import read_apartment, read_forward, read_identifier
from gateway.api.kinds import Kind
from gateway.api.listing import list_page
from gateway.api.live import LIVE
from gateway.api.queries import read_query
from gateway.api.reading import read
from gateway.api.responses import json_in_turns, json_text
from gateway.api.services import SERVICES
from gateway.api.validation import ReadItem, delete_body, read_item, upsert_body
from gateway.api.versions import judge_of, only_that_version, refuse_missing
from gateway.fleet.results import LinkReport, PanelResult
from gateway.identifiers.own_ids import is_own_id
from gateway.store.contract import DesiredItem

_DETAIL = ("all", "failed", "none")


@dataclass(frozen=True, slots=True)
class Surface:
    """`read_item` makes one item of the wire's."""

    kind: Kind
    read_item: ReadItem

    async def upsert(self, request: web.Request) -> web.Response:
        detail = _panels_wanted(request)
        items = only_that_version(request, await read(request, partial(upsert_body, self.read_item)))
        reports = await request.app[SERVICES].fleet.upsert(items) if items else ()
        refuse_missing(request, reports)
        return await _answer(reports, request.app[LIVE].dialect, detail)

    async def delete(self, request: web.Request) -> web.Response:
        """A link_id named twice is deleted once and answered twice."""
        detail = _panels_wanted(request)
        link_ids = await read(request, delete_body)
        once = tuple(dict.fromkeys(link_ids))
        judge = judge_of(request, len(once))
        reports = await request.app[SERVICES].fleet.delete(once, self.kind.name, judge) if once else ()
        by_link_id = {report.link_id: report for report in reports}
        return await _answer([by_link_id[one] for one in link_ids], request.app[LIVE].dialect, detail)

    async def list_by_link_id(self, request: web.Request) -> web.Response:
        choice = self.kind.choice
        query = read_query(request.query, choice)
        items = request.app[SERVICES].fleet.items(self.kind.name)
        return json_text(await list_page([one for one in items if not is_own_id(one.link_id)], query, choice, _listed))


def _listed(item: DesiredItem) -> bytes:
    """The wire item; other kinds than the first one tell their uid, too."""
    if item.kind == TIME_PROFILE:
        return item.body.encode()
    return f'{item.body[:-1]},"uid":{item.uid}}}'.encode()


TIME_PROFILES = Surface(kinds.TIME_PROFILES, read_item)
IDENTIFIERS = Surface(kinds.IDENTIFIERS, read_identifier)
APARTMENTS = Surface(kinds.APARTMENTS, read_apartment)
FORWARDS = Surface(kinds.FORWARDS, read_forward)


def _panels_wanted(request: web.Request) -> str:
    detail = request.query.get("panels", "all")
    if detail not in _DETAIL:
        raise bad_value("panels", f"one of {', '.join(_DETAIL)}", shown(detail))
    return detail


async def _answer(reports: Iterable[LinkReport], dialect: Dialect, detail: str) -> web.Response:
    """`detail`: `all` panels, `failed` ones, or `none` (no such key)."""
    entries = (_entry(report, dialect.extended_info[report.change], detail) for report in reports)
    return json_text(b'{"result":%b}' % await json_in_turns(entries))


def _entry(report: LinkReport, word: str, detail: str) -> dict[str, object]:
    entry: dict[str, object] = {"link_id": report.link_id, "success": report.success, "extended_info": word}
    if not report.durable:
        entry["reason"] = Reason.NOT_DURABLE.value
    if detail != "none":
        entry["panels"] = [_panel(one, word) for one in report.panels if detail == "all" or not one.success]
    return entry


def _panel(result: PanelResult, word: str) -> dict[str, Any]:
    """The result of one panel. Fields that do not apply are left out; `reason` is present only where success is false."""
    entry: dict[str, Any] = {
        "panel": result.panel,
        "success": result.success,
        "extended_info": word,
        "outcome": result.outcome.value,
    }
    if not result.success and result.reason is not None:
        entry["reason"] = result.reason.value
    if result.cuts:
        entry["cuts"] = result.cuts
    for name in ("valid_until", "law_until", "still_grants", "still_grants_text", "still_grants_until", "message", "limit"):
        value = getattr(result, name)
        if value is not None:
            entry[name] = value
    return entry
