"""Lines, reload, health and metrics of the running gateway."""

from __future__ import annotations

from aiohttp import web

from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.queries import refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES, finish
from gateway.api.shapes import Healthy, InertSetting, InertSettingsAnswer, Reloaded, Trusted


async def lines(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    minutes = request.query.get("minutes", "0")
    if minutes not in ("0", "1"):
        raise bad_value("minutes", "1", shown(minutes))
    return json_response(request.app[SERVICES].lines(minutes == "1"))


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
