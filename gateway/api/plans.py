"""`POST /gateway/v1/plan` and `GET /gateway/v1/explain`: what would be done, and why access is as it is. Nothing is written."""

from __future__ import annotations

from aiohttp import web

from gateway.api.errors import ApiError, bad_value, shown, unknown_panel
from gateway.api.reading import read
from gateway.api.responses import json_in_turns, json_response, json_text
from gateway.api.services import SERVICES, ApiServices
from gateway.api.validation import plan_body, read_link_id
from gateway.fleet.views import RequestItem, UnknownPanel


async def plan(request: web.Request) -> web.Response:
    """The body is that of an upsert, optionally with `panels` in place of the bindings."""
    panels, *asked = await read(request, plan_body)
    assert not isinstance(panels, RequestItem), "the panels come first"
    items = [one for one in asked if isinstance(one, RequestItem)]
    try:
        report = await request.app[SERVICES].fleet.plan(items, panels)
    except UnknownPanel as error:
        raise unknown_panel(f"panels: {error.name}", status=400) from error
    return json_text(b'{"items":%b,"panels":%b}' % (await json_in_turns(report.items), await json_in_turns(report.panels)))


async def explain(request: web.Request) -> web.Response:
    """Query `link_id`, `at` (Unix seconds, now where absent), `panel` (all bound ones where absent)."""
    services = request.app[SERVICES]
    if "link_id" not in request.query:
        raise bad_value("link_id", "a UUID", "none")
    link_id = read_link_id(request.query["link_id"], "link_id", "link_id")
    at = _instant(request.query["at"]) if "at" in request.query else _now(services)
    report = await services.fleet.explain(link_id, at, request.query.get("panel"))
    if report is None:
        raise ApiError(404, f"{link_id}: no such time profile", code="unknown_link_id")
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
