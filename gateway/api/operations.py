"""Lines, reload, health and metrics of the running gateway."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gateway.api.errors import ApiError
from gateway.api.queries import flag_in, number_in, refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES, LineChoice, finish
from gateway.api.shapes import Healthy, InertSetting, InertSettingsAnswer, Reloaded, Trusted

LINES: Mapping[str, str] = {
    "minutes": "`1`: of every line the minutes of its last hour, too",
    "line": "this one alone",
    "find": "a part of a line's or a panel's name",
    "first": "lines to pass over, 0 where absent",
    "limit": "lines at most, all where absent",
}
_MOST_LINES = 10_000


async def lines(request: web.Request) -> web.Response:
    """Query: see `LINES`."""
    query = request.query
    refuse_selectors(query, LINES)
    limit = number_in(query, "limit", _MOST_LINES, _MOST_LINES) if "limit" in query else None
    places = number_in(query, "first", 0), limit
    return json_response(
        request.app[SERVICES].lines(
            LineChoice(flag_in(query, "minutes"), query.get("line"), query.get("find", "").casefold(), *places)
        )
    )


async def reload(request: web.Request) -> web.Response:
    """200 with what changed; 422 with every mistake, and nothing changed."""
    report = await finish(request, request.app[SERVICES].reload())
    if report.applied:
        return json_response(Reloaded(True, report.changes))
    refused = {"error": "configuration", "detail": "; ".join(report.mistakes), "applied": False, "mistakes": report.mistakes}
    return json_response(refused, status=422)


async def inert_settings(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    kept = request.app[SERVICES].inert.all()
    return json_response(InertSettingsAnswer([InertSetting(path, dict(value)) for path, value in kept.items()]))


async def trust_store(request: web.Request) -> web.Response:
    """The store is believed as it is, whatever its mark says."""
    trust = request.app[SERVICES].trust_store
    if trust is None:
        raise ApiError(404, "there is no store to trust")
    await finish(request, trust())
    return json_response(Trusted())


async def healthz(request: web.Request) -> web.Response:
    return _health(request.app[SERVICES].health(), "not_healthy")


async def readyz(request: web.Request) -> web.Response:
    return _health(await request.app[SERVICES].ready(), "not_ready")


def _health(wrong: tuple[str, ...], code: str) -> web.Response:
    if wrong:
        raise ApiError(503, "; ".join(wrong), code=code)
    return json_response(Healthy())


async def metrics(request: web.Request) -> web.Response:
    """The metrics in Prometheus' text format."""
    text = request.app[SERVICES].metrics
    if text is None:
        raise ApiError(404, "metrics are not kept")
    return web.Response(body=text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
