"""`POST /gateway/v1/plan` and `GET /gateway/v1/explain`: what would be done, and why access is as it is. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace

from aiohttp import web

from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.api.errors import ApiError, bad_value, shown, unknown_panel
from gateway.api.groups import grouped_views
from gateway.api.items import plan_body
from gateway.api.queries import flag_in
from gateway.api.reading import read
from gateway.api.responses import json_in_turns, json_response, json_text
from gateway.api.services import SERVICES, ApiServices, FleetService
from gateway.api.validation import read_link_id
from gateway.fleet.views import Deletion, PlanItem, RefusedItem, RequestItem, UnknownPanel
from gateway.identifiers.own_ids import shown_link_id

KINDS = {TIME_PROFILE: "time profile", IDENTIFIER: "identifier"}
_UID = re.compile(r"[0-9]{1,18}")


async def plan(request: web.Request) -> web.Response:
    """The body is that of an upsert, of time profiles or identifiers, optionally with `panels` in place of the bindings; that of
    a deletion; or both in one. Query `grouped` 1: equal results stand once, with the panels that have them, and the writes are
    left out."""
    is_grouped = flag_in(request.query, "grouped")
    panels, *asked = await read(request, plan_body)
    assert panels is None or isinstance(panels, tuple), "the panels come first"
    items = [one for one in asked if isinstance(one, RequestItem | RefusedItem | Deletion)]
    try:
        report = await request.app[SERVICES].fleet.plan(items, panels)
    except UnknownPanel as error:
        raise unknown_panel(f"panels: {error.name}", status=400) from error
    if is_grouped:
        return json_response({"items": [await _grouped(one) for one in report.items]})
    return json_text(b'{"items":%b,"panels":%b}' % (await json_in_turns(report.items), await json_in_turns(report.panels)))


async def _grouped(item: PlanItem) -> dict[str, object]:
    said = asdict(replace(item, panels=()))
    return {**{key: value for key, value in said.items() if key != "panels"}, "groups": await grouped_views(item.panels)}


async def explain(request: web.Request) -> web.Response:
    """Query `link_id` or `uid`, `kind` (`timeprofile` where absent, or `identifier`), `at` (Unix seconds, now where absent),
    `panel` (all bound ones where absent), `grouped` (1: equal results stand once, with the panels that have them)."""
    services, is_grouped = request.app[SERVICES], flag_in(request.query, "grouped")
    kind = asked_kind(request.query)
    link_id = asked_id(request.query, services.fleet, kind)
    at = asked_instant(request)
    report = await services.fleet.explain(link_id, at, request.query.get("panel"), kind)
    if report is None:
        raise unknown_item(kind, link_id)
    shown_report = replace(report, link_id=shown_link_id(link_id))
    if not is_grouped:
        return json_response(shown_report)
    body = {key: value for key, value in asdict(replace(shown_report, panels=())).items() if key != "panels"}
    return json_response({**body, "groups": await grouped_views(report.panels)})


def asked_kind(query: Mapping[str, str]) -> str:
    """The query's `kind`. Raises ApiError."""
    kind = query.get("kind", TIME_PROFILE)
    if kind not in KINDS:
        raise bad_value("kind", f"one of {', '.join(KINDS)}", shown(kind))
    return kind


def unknown_item(kind: str, link_id: str) -> ApiError:
    return ApiError(404, f"{shown_link_id(link_id) or 'uid'}: no such {KINDS[kind]}", code="unknown_link_id")


def asked_id(query: Mapping[str, str], fleet: FleetService, kind: str) -> str:
    """The link_id of the query's `link_id` or `uid`. Raises ApiError."""
    if "link_id" in query:
        return read_link_id(query["link_id"], "link_id", "link_id")
    if "uid" not in query:
        raise bad_value("link_id", "a UUID", "none")
    text = query["uid"]
    found = fleet.entity(kind, int(text)) if _UID.fullmatch(text) else None
    if found is None:
        raise ApiError(404, f"uid: there is no {KINDS[kind]} {shown(text)}", code="unknown_uid")
    return found.link_id


def asked_instant(request: web.Request) -> int:
    """The query's `at` in Unix seconds, now where absent. Raises ApiError."""
    query = request.query
    return _instant(query["at"]) if "at" in query else now_at(request.app[SERVICES], "at")


def now_at(services: ApiServices, place: str) -> int:
    """Now in Unix seconds. Raises ApiError, which names the `place` that says what is meant where the clock does not."""
    clock = services.fleet.clock()
    if not clock.trusted:
        raise ApiError(503, f"{place}: required while the gateway does not know the time: {clock.reason}", code="clock_not_set")
    return int(clock.at)


def _instant(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise bad_value("at", "a time in Unix seconds", shown(text))
    return int(text)
