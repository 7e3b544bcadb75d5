"""Every path of the HTTP surface, and the application and runner made of them."""

from __future__ import annotations

from aiohttp import web

from gateway.api import auth, bindings, operations, panels, plans, time_profiles
from gateway.api.auth import SESSIONS, Sessions, Users, guarded
from gateway.api.errors import errors_as_json
from gateway.api.info import info
from gateway.api.live import LIVE, live_of
from gateway.api.middleware import identified, recorded, server_logger
from gateway.api.server import Runner
from gateway.api.services import SERVICES, UNDISTURBED, ApiServices, Undisturbed

_BASES = ("/api/v0", "/api/v1")

_TIME_PROFILE = "/access/{_time_profile:(?i:timeprofile)}"
"""Vendors' pages spell it in two ways."""


def build_app(services: ApiServices) -> web.Application:
    """The whole surface. Raises OSError when a user's password file cannot be read."""
    app = web.Application(middlewares=(identified, recorded, errors_as_json), client_max_size=services.settings.http.max_body)
    app[SERVICES] = services
    app[LIVE] = live_of(services.settings)
    app[SESSIONS] = Sessions(Users(services.settings.users), services.clock)
    app[UNDISTURBED] = Undisturbed()
    app.add_routes([*_vendor_routes(), *_own_routes(services)])
    return app


def build_runner(app: web.Application, grace_s: float = 10.0) -> web.AppRunner:
    """A runner that keeps query strings and raw requests out of the logs, and lets work outlive its client.

    Its cleanup() waits at most `grace_s` for requests in hand.
    """
    return Runner(app, access_log=None, logger=server_logger(), handler_cancellation=False, shutdown_timeout=grace_s)


def _vendor_routes() -> list[web.RouteDef]:
    routes = [web.get("/api/info", info)]
    for base in _BASES:
        routes += [
            web.get(f"{base}/api/info", info),
            web.get(f"{base}/login", auth.log_in),
            web.post(f"{base}/login", auth.log_in),
            web.get(f"{base}/logout", guarded(auth.log_out)),
            web.post(f"{base}/logout", guarded(auth.log_out)),
            web.post(f"{base}{_TIME_PROFILE}/link/delete", guarded(time_profiles.delete)),
        ]
        for path in (f"{base}{_TIME_PROFILE}/link", f"{base}{_TIME_PROFILE}/items/link"):
            routes += [
                web.post(path, guarded(time_profiles.upsert)),
                web.delete(path, guarded(time_profiles.delete)),
                web.get(path, guarded(time_profiles.list_by_link_id)),
            ]
    return routes


def _own_routes(services: ApiServices) -> list[web.RouteDef]:
    own = "/gateway/v1"
    routes = [
        web.get("/healthz", operations.healthz),
        web.get("/readyz", operations.readyz),
        web.get(f"{own}/panels", guarded(panels.all_panels)),
        web.get(f"{own}/panels/{{panel}}", guarded(panels.one_panel)),
        web.post(f"{own}/panels/{{panel}}/{{action:sync|reinit|retry}}", guarded(panels.act)),
        web.get(f"{own}/lines", guarded(operations.lines)),
        web.post(f"{own}/plan", guarded(plans.plan)),
        web.get(f"{own}/explain", guarded(plans.explain)),
        web.get(f"{own}/bindings", guarded(bindings.all_bindings)),
        web.get(f"{own}/bindings/{{link_id}}", guarded(bindings.one_binding)),
        web.put(f"{own}/bindings/{{link_id}}", guarded(bindings.bind)),
        web.delete(f"{own}/bindings/{{link_id}}", guarded(bindings.unbind)),
        web.post(f"{own}/reload", guarded(operations.reload)),
    ]
    if services.metrics is not None:
        routes.append(web.get("/metrics", guarded(operations.metrics)))
    return routes
