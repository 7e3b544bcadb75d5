"""Who may do what: every route with every role and every kind of credentials, against a list of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler

from config.settings import RoleName, UserSettings
from drivers.trace import client
from gateway.api import routes
from gateway.api.auth import SESSIONS
from gateway.api.errors import ApiError
from gateway.api.live import reconfigure
from gateway.api.middleware import ADDRESS, IS_SECURE, SENDER, sender_of
from gateway.api.openapi import document
from gateway.api.roles import Role
from gateway.api.route import Route
from gateway.api.routes import everything
from gateway.api.sessions import TOKEN_LIFE_S
from gateway.api.throttle import EACH_S
from tests.support.api_server import ApiServer, api_server, settings

ROLES: tuple[RoleName, ...] = ("viewer", "operator", "admin")
USERS = tuple(UserSettings(name=role, password=f"{role}-pass", role=role) for role in ROLES)
REQUIRED = "Administrator rights required"
OWN_REFUSAL = {"error": REQUIRED, "detail": REQUIRED}
SESSION = "/gateway/v1/session"

EVERYBODY = [
    *("GET /healthz", "GET /readyz", "GET (/api/v.)?/api/info", "GET /api/v./info", "GET /api/v./sip/status"),
    *("GET /api/v./login", "POST /api/v./login", f"POST {SESSION}"),
]
"""Patterns of `METHOD path`. What is in none of these lists is a GET, for viewers."""
VIEWER = ["POST /gateway/v1/(plan|openings)", f"DELETE {SESSION}", "POST /api/v./logout"]
OPERATOR = [
    r"(POST|PATCH|DELETE) /api/v./(access/(timeprofile|identifiers?)|apartment|forward)(/.*)?",
    r"(GET|POST) /api/v./access/general/lock/(open|close)/.*",
    r"POST /gateway/v1/doors/[^/]+/(open|hold|release)",
    r"POST /gateway/v1/panels/[^/]+/(sync|reinit|retry|accept|erase|forget)",
]
ADMIN = [
    "POST /api/v./(system/.*|security/password/.*|network/.*|device/.*|syslog/settings)",
    "POST /api/v./access/(door/sensor|exit/.*|freeaccess|locks/settings)",
    "POST /api/v./access/general/(lock/(type|timeout|delay|dtmf)(/.*)?|remote/control/settings|unlock/.*|wiegand/type)",
    "(PUT|DELETE) /api/v./network/management/server",
    "GET /api/v./system/reboot/run",
    "(PUT|DELETE) /gateway/v1/bindings/.*",
    "POST /gateway/v1/(clock/trust|reload|store/trust)",
    "GET /gateway/v1/settings",
    "DELETE /gateway/v1/sessions/.*",
]
SERVED = tuple(everything(metrics=True))


@cache
def wanted(method: str, path: str) -> Role:
    """The least role, by the lists above."""
    call = f"{method} {path}"
    lists = {Role.EVERYBODY: EVERYBODY, Role.VIEWER: VIEWER, Role.OPERATOR: OPERATOR, Role.ADMIN: ADMIN}
    found = [role for role, patterns in lists.items() if any(re.fullmatch(pattern, call) for pattern in patterns)]
    assert len(found) <= 1, f"{call} stands in several lists"
    assert found or method == "GET", f"who may {call}? It stands in none of the lists of this test"
    return found[0] if found else Role.VIEWER


def test_a_route_that_does_not_say_whom_it_is_for_cannot_be_made() -> None:
    (needs,) = [field for field in fields(Route) if field.name == "needs"]
    assert needs.default is MISSING
    assert needs.default_factory is MISSING


@pytest.mark.parametrize("base", ["/api/v0", "/api/v1", "own"])
def test_every_route_says_the_role_that_it_is_meant_for(base: str) -> None:
    chosen = [one for one in SERVED if one.path.startswith(base) or (base == "own" and not one.path.startswith("/api/v"))]
    assert len(chosen) > 20
    assert [one.template for one in chosen if one.route.needs is not wanted(one.route.method, one.template)] == []


async def reached(request: web.Request) -> web.Response:
    """In place of every handler: what it would do is tested elsewhere, whom it is reached by is tested here."""
    asking = client.get()
    return web.Response(status=299, headers={} if asking is None else {"User": asking.user})


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    """The whole table of routes, guarded as it is."""
    table = tuple(replace(one, route=replace(one.route, handler=reached)) for one in SERVED)
    monkeypatch.setattr(routes, "everything", lambda *, metrics: table)
    async with api_server(settings(users=USERS), metrics=b"") as running:
        yield running


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Sent:
    """One way to say who asks. `role`: what it is worth; `guesses`: it counts as an attempt."""

    said: str
    headers: dict[str, str]
    role: RoleName | None = None
    guesses: bool = False


def ways(server: ApiServer) -> Iterator[Sent]:
    """Nobody, the wrong ones, another user's, the expired ones, and the right ones of each role."""
    yield Sent("nothing", {})
    yield Sent("a wrong password", {"Authorization": basic("admin", "wrong")}, guesses=True)
    yield Sent("another user's password", {"Authorization": basic("admin", "viewer-pass")}, guesses=True)
    yield Sent("an unknown user", {"Authorization": basic("nobody", "admin-pass")}, guesses=True)
    yield Sent("an unknown token", {"Authorization": "Bearer nothing"}, guesses=True)
    yield Sent("an unknown cookie", {"Cookie": "panel-gateway=nothing"}, guesses=True)
    sessions = server.app[SESSIONS]
    expired = sessions.begin("admin")
    server.clock.now += TOKEN_LIFE_S
    yield Sent("an expired token", {"Authorization": f"Bearer {expired}"})
    yield Sent("an expired cookie", {"Cookie": f"panel-gateway={expired}"})
    for role in ROLES:
        token = sessions.begin(role)
        yield Sent(f"{role} by Basic", {"Authorization": basic(role, f"{role}-pass")}, role)
        yield Sent(f"{role} by token", {"Authorization": f"Bearer {token}"}, role)
        yield Sent(f"{role} by cookie", {"Cookie": f"panel-gateway={token}"}, role)


def asked(server: ApiServer, method: str, sent: Sent) -> web.Request:
    headers = {**sent.headers, "Host": "gate.example"}
    if "Cookie" in headers:
        headers["Origin"] = "http://gate.example"
    request = make_mocked_request(method, "/", headers, app=server.app)
    request[ADDRESS], request[SENDER], request[IS_SECURE] = "192.0.2.7", sender_of(request), False
    return request


async def answered(handler: Handler, request: web.Request) -> tuple[int, str | None]:
    """The status, and who was admitted or what the refusal says."""
    try:
        answer = await handler(request)
    except ApiError as error:
        return error.status, error.vendor
    return answer.status, answer.headers.get("User")


def answer_to(sent: Sent, needs: Role) -> tuple[int, str | None]:
    if needs is Role.EVERYBODY:
        return 299, None
    if sent.role is None:
        return 401, "Log In"
    return (299, sent.role) if needs <= ROLES.index(sent.role) + 1 else (403, REQUIRED)


async def test_every_route_with_every_role_and_every_credential(server: ApiServer) -> None:
    """The handlers are those of the router. They are called without a connection: eight thousand requests take half a minute."""
    wrong, seen = [], set()
    for sent in ways(server):
        requests = {method: asked(server, method, sent) for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}
        for route in server.app.router.routes():
            assert route.resource is not None
            path = route.resource.canonical.replace("{_}", "timeprofile")
            server.clock.now += EACH_S if sent.guesses else 0  # the attempt of before is forgiven
            needs = wanted("GET" if route.method == "HEAD" else route.method, path)
            answer = await answered(route.handler, requests[route.method])
            seen.add((route.method, path))
            if answer != answer_to(sent, needs):
                wrong.append((sent.said, route.method, path, answer))
    assert wrong == []
    assert {(one.route.method, one.template) for one in SERVED} <= seen


async def test_the_refusal_of_a_role_is_in_the_vendors_words_and_the_log_says_whose(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    for path, body in (("/api/v1/access/identifier", {"error": REQUIRED}), ("/gateway/v1/reload", OWN_REFUSAL)):
        answer = await server.call("POST", path, {}, authorization=basic("viewer", "viewer-pass"))
        assert (answer.status, answer.json) == (403, body)
    told = [vars(record) for record in caplog.records if record.getMessage() == "refused for the role"]
    assert [(one["user"], one["role"], one["path"]) for one in told][-1:] == [("viewer", "viewer", "/gateway/v1/reload")]


async def test_a_changed_role_ends_what_was_begun_with_the_old_one(server: ApiServer) -> None:
    token = server.app[SESSIONS].begin("operator")
    again = tuple(user.model_copy(update={"role": "admin"}) if user.name == "operator" else user for user in USERS)
    reconfigure(server.app, settings(users=again))
    assert (await server.call("GET", SESSION, authorization=f"Bearer {token}")).status == 401
    assert (await server.call("POST", "/gateway/v1/reload", authorization=basic("operator", "operator-pass"))).status == 299


async def test_login_says_what_the_account_may_do() -> None:
    async with api_server(settings(users=USERS)) as server:
        for user, account_type in (("admin", "admin"), ("operator", "manager"), ("viewer", "user")):
            md5 = hashlib.md5(f"{user}-pass".encode()).hexdigest()
            answer = await server.call("GET", f"/api/v1/login?username={user}&password={md5}", authorization=None)
            assert answer.json["account_type"] == account_type
            shown = await server.call("GET", SESSION, authorization=f"Bearer {answer.json['token']}")
            assert shown.json == {"user": user, "role": user}


def test_the_document_says_which_role_a_call_needs() -> None:
    described = json.loads(document(SERVED))
    for one in SERVED:
        needs = wanted(one.route.method, one.template)
        security = described["paths"][one.template][one.route.method.lower()].get("security")
        assert security == (None if needs is Role.EVERYBODY else [{way: [needs.said]} for way in ("bearer", "basic", "cookie")])
