"""Login and logout: for a token, as the panel API has it, and for the session of the gateway's own page, in a cookie."""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import Literal

from aiohttp import web

from config.password_hash import md5_form
from drivers.clock import Clock
from drivers.trace import client
from gateway.api.auth import ROLE, SESSIONS, attempt, cookie_name, cookie_of, mark, require_own_page, token_of
from gateway.api.bodies import read_body
from gateway.api.dialects import PARAMETERS_MISSED, WRONG_LOGIN
from gateway.api.errors import ApiError, bad_value
from gateway.api.middleware import ADDRESS, IS_SECURE
from gateway.api.responses import json_response
from gateway.api.roles import Role
from gateway.api.server import Protocol
from gateway.api.services import SERVICES, told
from gateway.api.sessions import PAGE_LIFE_S
from gateway.api.shapes import SessionView, Token
from gateway.api.validation import object_of, parse

_LARGEST_LOGIN = 4096
_LOGIN_S = 10.0
_TOLD_EACH_S = 60.0
_MOST_TOLD = 1024
_ACCOUNT_TYPES: Mapping[Role, Literal["admin", "manager", "user"]] = MappingProxyType(
    {Role.ADMIN: "admin", Role.OPERATOR: "manager", Role.VIEWER: "user"}
)
"""The vendor's words for what an account may do."""
_logger = logging.getLogger(__name__)


async def log_in(request: web.Request) -> web.Response:
    """`GET|POST …/login`: `username` and `password` (MD5, hexadecimal), in the query or as a JSON body."""
    given = await _login_parameters(request)
    name, md5_hex = given.get("username"), given.get("password")
    if not isinstance(name, str) or not isinstance(md5_hex, str) or not name or not md5_hex:
        raise ApiError(400, vendor=PARAMETERS_MISSED)
    sessions = request.app[SESSIONS]
    await _check(request, name, "login", md5_hex.lower().encode("utf-8", "surrogatepass"))
    return json_response(Token(sessions.begin(name), _ACCOUNT_TYPES[_role_of(request, name)]))


async def begin_session(request: web.Request) -> web.Response:
    """`POST /gateway/v1/session`. The token is in the cookie only, which no script can read and which ends with the
    browser. A session of before ends."""
    require_own_page(request)
    body = object_of(await _small_body(request))
    name, password = (_text_of(body, key) for key in ("name", "password"))
    sessions = request.app[SESSIONS]
    await _check(request, name, "session", md5_form(password))
    sessions.end(cookie_of(request) or "")
    answer = json_response(SessionView(name, _role_of(request, name).said))
    token = sessions.begin(name, PAGE_LIFE_S)
    answer.set_cookie(cookie_name(request), token, path="/", httponly=True, samesite="Strict", secure=request[IS_SECURE])
    return answer


def _text_of(body: dict[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise bad_value(key, "a string that is not empty", "none" if key not in body else "something else")
    return value


def _role_of(request: web.Request, user: str) -> Role:
    """The role of a user whose password was right."""
    role = request.app[SESSIONS].users.role_of(user)
    assert role is not None
    return role


async def show_session(request: web.Request) -> web.Response:
    """`GET /gateway/v1/session`: of whatever credentials."""
    asking = client.get()
    return json_response(SessionView("" if asking is None else asking.user, request[ROLE].said))


async def end_session(request: web.Request) -> web.Response:
    """`DELETE /gateway/v1/session`, and `GET|POST …/logout`: ends the token of the call, or the session of the page."""
    request.app[SESSIONS].end(token_of(request) or "")
    answer = json_response({})
    answer.del_cookie(cookie_name(request), path="/", httponly=True, samesite="Strict", secure=request[IS_SECURE])
    return answer


class ToldLogins:
    """Remembers which logins the journal has lately: a client that logs in before every call would push out all others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def is_news(self, kind: str, user: str, address: str) -> bool:
        """Whether this was not told within the last minute."""
        key, now = (kind, user, address), self._clock.monotonic()
        if now - self._told.get(key, -inf) < _TOLD_EACH_S:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        return True


LOGINS = web.AppKey("logins", ToldLogins)


async def _tell(request: web.Request, kind: str, user: str) -> None:
    journal = request.app[SERVICES].journal
    if journal is not None and request.app[LOGINS].is_news(kind, user, request[ADDRESS]):
        journal.tell(kind, user=user, address=request[ADDRESS])
        await told(request)


async def _check(request: web.Request, name: str, way: str, md5_hex: bytes) -> None:
    """Raises ApiError (400) where name and password do not belong together. Both are told to the journal."""
    right = await attempt(request, name, way, md5_hex)
    kind = "successful_login_api_call" if right else "incorrect_login_api_call"
    await _tell(request, kind, request.app[SESSIONS].users.shown(name))
    if not right:
        raise ApiError(400, code="wrong_login", vendor=WRONG_LOGIN)
    mark(request, admitted=True)
    _logger.info("successful_login_api_call", extra={"remote": request[ADDRESS], "user": name})


async def _small_body(request: web.Request) -> bytes:
    protocol = request.protocol
    with protocol.arriving() if isinstance(protocol, Protocol) else contextlib.nullcontext():
        return await read_body(request, _LARGEST_LOGIN, _LOGIN_S)


async def _login_parameters(request: web.Request) -> dict[str, object]:
    body = await _small_body(request) if request.method == "POST" else b""
    parsed = parse(body) if body.strip() else {}
    return {**request.query, **parsed} if isinstance(parsed, dict) else {**request.query}
