"""Every path of the HTTP surface, and the application and runner made of them."""

from __future__ import annotations

from aiohttp import web

from gateway.api import auth, bindings, clock, operations, panels, plans
from gateway.api.addresses import Proxies
from gateway.api.auth import SESSIONS, THROTTLE, guarded
from gateway.api.bodies import IN_WORK, ROOM, Room, expected
from gateway.api.connections import Connections, Limits
from gateway.api.errors import errors_as_json
from gateway.api.info import info
from gateway.api.linked import APARTMENTS, FORWARDS, IDENTIFIERS, TIME_PROFILES, Surface
from gateway.api.live import LIVE, live_of
from gateway.api.middleware import PROXIES, SITES, acceptable, identified, recorded, server_logger
from gateway.api.origins import Sites
from gateway.api.reading import READING, ReadingProcess
from gateway.api.server import Reception, Runner
from gateway.api.services import SERVICES, UNDISTURBED, ApiServices
from gateway.api.sessions import Sessions, Users
from gateway.api.throttle import Throttle
from gateway.concurrency import Supervisor

_BASES = ("/api/v0", "/api/v1")

_TIME_PROFILE = "/access/{_time_profile:(?i:timeprofile)}"
"""The vendor's pages spell this path in two ways."""

_SURFACES = {
    _TIME_PROFILE: TIME_PROFILES,
    "/access/identifier": IDENTIFIERS,
    "/access/identifiers": IDENTIFIERS,
    "/apartment": APARTMENTS,
    "/forward": FORWARDS,
}
"""What is managed by link_id."""


def build_app(services: ApiServices) -> web.Application:
    """The application with all routes. Raises OSError when a user's password file cannot be read."""
    http = services.settings.http
    app = web.Application(middlewares=(identified, recorded, errors_as_json, acceptable), client_max_size=http.max_body)
    app[SERVICES] = services
    app[PROXIES] = Proxies.of(http.trusted_proxies)
    app[SITES] = Sites(http.origins, http.hosts)
    app[THROTTLE] = Throttle(services.clock, services.known_addresses)
    app[ROOM] = Room(max(IN_WORK, http.max_body))
    app[READING] = ReadingProcess()
    app[LIVE] = live_of(services.settings)
    app[SESSIONS] = Sessions(Users(services.settings.users), services.clock)
    app[UNDISTURBED] = Supervisor()
    for route in (*_vendor_routes(), *_own_routes(services)):
        app.add_routes([web.route(route.method, route.path, route.handler, **{**route.kwargs, "expect_handler": expected})])
    app.on_cleanup.append(_close_reading)
    return app


async def _close_reading(app: web.Application) -> None:
    await app[READING].close()


def build_runner(app: web.Application, grace_s: float = 10.0, limits: Limits | None = None) -> web.AppRunner:
    """A runner that keeps query strings and raw requests out of the logs, and lets work outlive its client.

    Its cleanup() waits at most `grace_s` for requests in hand. `limits`: the settings' where absent.
    """
    http = app[SERVICES].settings.http
    return Runner(
        app,
        Reception(
            Connections(limits or Limits(http.max_connections, http.max_connections_per_address)),
            app[PROXIES],
            app[THROTTLE].known.is_known,
        ),
        access_log=None,
        logger=server_logger(),
        handler_cancellation=False,
        shutdown_timeout=grace_s,
    )


def _vendor_routes() -> list[web.RouteDef]:
    routes = [web.get("/api/info", info)]
    for base in _BASES:
        routes += [
            web.get(f"{base}/api/info", info),
            web.get(f"{base}/login", auth.log_in),
            web.post(f"{base}/login", auth.log_in),
            web.get(f"{base}/logout", guarded(auth.log_out)),
            web.post(f"{base}/logout", guarded(auth.log_out)),
        ]
        for family, surface in _SURFACES.items():
            routes += _link_routes(f"{base}{family}", surface)
    return routes


def _link_routes(family: str, surface: Surface) -> list[web.RouteDef]:
    """Both namings, the present one and that of older panels."""
    routes = [web.post(f"{family}/link/delete", guarded(surface.delete))]
    for path in (f"{family}/link", f"{family}/items/link"):
        routes += [
            web.post(path, guarded(surface.upsert)),
            web.delete(path, guarded(surface.delete)),
            web.get(path, guarded(surface.list_by_link_id)),
        ]
    return routes


def _own_routes(services: ApiServices) -> list[web.RouteDef]:
    own = "/gateway/v1"
    routes = [
        web.get("/healthz", operations.healthz),
        web.get("/readyz", operations.readyz),
        web.get(f"{own}/panels", guarded(panels.all_panels)),
        web.get(f"{own}/panels/{{panel}}", guarded(panels.one_panel)),
        web.post(f"{own}/panels/{{panel}}/{{action:sync|reinit|retry|accept|erase|forget}}", guarded(panels.act)),
        web.get(f"{own}/clock", guarded(clock.shown)),
        web.post(f"{own}/clock/trust", guarded(clock.trust)),
        web.get(f"{own}/lines", guarded(operations.lines)),
        web.post(f"{own}/plan", guarded(plans.plan)),
        web.get(f"{own}/explain", guarded(plans.explain)),
        web.get(f"{own}/bindings", guarded(bindings.all_bindings)),
        web.get(f"{own}/bindings/{{link_id}}", guarded(bindings.one_binding)),
        web.put(f"{own}/bindings/{{link_id}}", guarded(bindings.bind)),
        web.delete(f"{own}/bindings/{{link_id}}", guarded(bindings.unbind)),
        web.post(f"{own}/reload", guarded(operations.reload)),
        web.post(f"{own}/store/trust", guarded(operations.trust_store)),
    ]
    if services.metrics is not None:
        routes.append(web.get("/metrics", guarded(operations.metrics)))
    return routes
