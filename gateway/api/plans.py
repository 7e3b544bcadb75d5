"""`POST /gateway/v1/plan` and `GET /gateway/v1/explain`: what would be done, and why access is as it is. Nothing is written."""

from __future__ import annotations

from aiohttp import web

from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.api.errors import ApiError, bad_value, shown, unknown_panel
from gateway.api.items import plan_body
from gateway.api.reading import read
from gateway.api.responses import json_in_turns, json_response, json_text
from gateway.api.services import SERVICES, ApiServices
from gateway.api.validation import read_link_id
from gateway.fleet.views import RefusedItem, RequestItem, UnknownPanel

_KINDS = {TIME_PROFILE: "time profile", IDENTIFIER: "identifier"}


async def plan(request: web.Request) -> web.Response:
    """The body is that of an upsert, of time profiles or identifiers, optionally with `panels` in place of the bindings."""
    panels, *asked = await read(request, plan_body)
    assert panels is None or isinstance(panels, tuple), "the panels come first"
    items = [one for one in asked if isinstance(one, RequestItem | RefusedItem)]
    try:
        report = await request.app[SERVICES].fleet.plan(items, panels)
    except UnknownPanel as error:
        raise unknown_panel(f"panels: {error.name}", status=400) from error
    return json_text(b'{"items":%b,"panels":%b}' % (await json_in_turns(report.items), await json_in_turns(report.panels)))


async def explain(request: web.Request) -> web.Response:
    """Query `link_id`, `kind` (`timeprofile` where absent, or `identifier`), `at` (Unix seconds, now where absent),
    `panel` (all bound ones where absent)."""
    services = request.app[SERVICES]
    if "link_id" not in request.query:
        raise bad_value("link_id", "a UUID", "none")
    link_id = read_link_id(request.query["link_id"], "link_id", "link_id")
    at = _instant(request.query["at"]) if "at" in request.query else _now(services)
    kind = request.query.get("kind", TIME_PROFILE)
    if kind not in _KINDS:
        raise bad_value("kind", f"one of {', '.join(_KINDS)}", shown(kind))
    report = await services.fleet.explain(link_id, at, request.query.get("panel"), kind)
    if report is None:
        raise ApiError(404, f"{link_id}: no such {_KINDS[kind]}", code="unknown_link_id")
    return json_response(report)


def _now(services: ApiServices) -> int:
    clock = services.fleet.clock()
    if not clock.trusted:
        raise ApiError(503, f"at: required while the gateway does not know the time: {clock.reason}", code="clock_not_set")
    return int(clock.at)


def _instant(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise bad_value("at", "a time in Unix seconds", shown(text))
    return int(text)
