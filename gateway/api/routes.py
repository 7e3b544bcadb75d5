"""Every path of the HTTP surface, and the application and runner made of them."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from gateway.api.addresses import Networks, Proxies
from gateway.api.auth import PASSWORDS, SESSIONS, THROTTLE, guarded
from gateway.api.bodies import IN_WORK, ROOM, Room, expected
from gateway.api.connections import Connections, Limits
from gateway.api.errors import errors_as_json
from gateway.api.events import CHUNKS, WRITING, Chunks, end_streams
from gateway.api.live import LIVE, live_of
from gateway.api.logins import LOGINS, ToldLogins
from gateway.api.middleware import PLAIN, PROXIES, SITES, acceptable, identified, recorded, server_logger
from gateway.api.openapi import DOCUMENT, Document, Served
from gateway.api.origins import Sites
from gateway.api.own_routes import own_routes
from gateway.api.passwords import Passwords
from gateway.api.reading import READING, ReadingProcess
from gateway.api.server import Reception, Runner
from gateway.api.services import SERVICES, UNDISTURBED, ApiServices
from gateway.api.sessions import Sessions
from gateway.api.throttle import Throttle
from gateway.api.users import Users
from gateway.api.vendor_routes import vendor_routes
from gateway.api.versions import without_versions
from gateway.concurrency import Supervisor

_BASES = ("/api/v0", "/api/v1")
_PROFILE, _PROFILE_ANYHOW = "/timeprofile", "/{_:(?i:timeprofile)}"
"""The vendor's pages spell this part of paths in two ways."""


def build_app(services: ApiServices) -> web.Application:
    """The application with all routes. Raises OSError when a user's password file cannot be read."""
    http = services.settings.http
    app = web.Application(middlewares=(identified, recorded, errors_as_json, acceptable), client_max_size=http.max_body)
    app[SERVICES] = services
    app[PROXIES] = Proxies.of(http.trusted_proxies)
    app[SITES] = Sites(http.origins, http.hosts)
    if http.may_speak_plainly is not None:
        app[PLAIN] = Networks.of(http.may_speak_plainly)
    app[THROTTLE] = Throttle(services.clock, services.known_addresses)
    app[ROOM] = Room(max(IN_WORK, http.max_body))
    app[READING] = ReadingProcess()
    app[LIVE] = live_of(services.settings)
    app[SESSIONS] = sessions = Sessions(Users(services.settings.users, services.settings.api_keys), services.clock)
    app[PASSWORDS] = Passwords(lambda: sessions.users, services.clock)
    app[UNDISTURBED] = Supervisor()
    app[CHUNKS] = Chunks()
    app[WRITING] = set()
    app[LOGINS] = ToldLogins(services.clock)
    served = tuple(everything(metrics=services.metrics is not None))
    app[DOCUMENT] = Document(served)
    for one in served:
        route, path = one.route, one.path.replace(_PROFILE, _PROFILE_ANYHOW)
        knows_versions = route.versioned or not route.writes
        handler = guarded(route.handler if knows_versions else without_versions(route.handler), route.needs, acts=route.acts)
        app.router.add_route(route.method, path, handler, expect_handler=expected)
        if route.method == "GET" and not route.acts:
            app.router.add_route("HEAD", path, handler, expect_handler=expected)
    app.on_shutdown.append(end_streams)
    app.on_cleanup.append(_close_workers)
    return app


def everything(*, metrics: bool) -> Iterator[Served]:
    """All that is served, in the order in which a request looks for its path."""
    vendor = vendor_routes()
    yield Served(vendor[0].path, vendor[0])
    for base in _BASES:
        yield from (Served(base + route.path, route) for route in vendor)
    yield from (Served(route.path, route) for route in own_routes(metrics=metrics))


async def _close_workers(app: web.Application) -> None:
    app[PASSWORDS].close()
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
