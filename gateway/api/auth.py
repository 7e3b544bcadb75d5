"""Authentication: login for a token, Bearer tokens, HTTP Basic, operators on this machine, and a limit on wrong attempts."""

from __future__ import annotations

import binascii
import contextlib
import logging
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from math import ceil, inf

from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.clock import Clock
from drivers.trace import Client, client
from gateway.api.bodies import read_body
from gateway.api.dialects import LOG_IN, PARAMETERS_MISSED, WRONG_LOGIN
from gateway.api.errors import ApiError
from gateway.api.middleware import ADDRESS, SENDER
from gateway.api.origins import Credentials, Sender, credentials_of
from gateway.api.responses import json_response
from gateway.api.server import Protocol
from gateway.api.services import SERVICES
from gateway.api.sessions import Sessions
from gateway.api.shapes import Token
from gateway.api.throttle import AT_ONCE, EACH_S, NOBODY, Throttle
from gateway.api.validation import parse

_LARGEST_LOGIN = 4096
_THIS_MACHINE = "local"
_LOGIN_S = 10.0
_TOLD_EACH_S = 60.0
_MOST_TOLD = 1024
_logger = logging.getLogger(__name__)

SESSIONS = web.AppKey("sessions", Sessions)
THROTTLE = web.AppKey("throttle", Throttle)


def guarded(handler: Handler) -> Handler:
    """Let only authenticated clients reach the handler; others get 401, or 429 after too many wrong attempts."""

    async def checked(request: web.Request) -> web.StreamResponse:
        _mark(request, admitted=False)
        admitted = _admitted(request)
        if admitted is None:
            raise ApiError(401, code=LOG_IN, vendor=LOG_IN, headers=_challenge(request[SENDER]))
        _mark(request, admitted=True)
        token = client.set(admitted)
        try:
            return await handler(request)
        finally:
            client.reset(token)

    return checked


def _challenge(sender: Sender) -> dict[str, str]:
    """Whether to ask for Basic credentials: a browser that is never asked has none to add to requests of other sites' pages."""
    return {"WWW-Authenticate": "Bearer" if sender.is_browser else 'Bearer, Basic realm="panel-gateway"'}


def _mark(request: web.Request, *, admitted: bool) -> None:
    protocol = request.protocol
    if isinstance(protocol, Protocol) and protocol.place is not None:
        protocol.place.admitted = admitted


def _admitted(request: web.Request) -> Client | None:
    """Who asks, where that is known for certain."""
    protocol = request.protocol
    if isinstance(protocol, Protocol) and protocol.operator is not None:
        return Client(protocol.operator, _THIS_MACHINE)
    kind, text = credentials_of(request.headers.get("Authorization", ""))
    user = None
    if kind is Credentials.BEARER:
        user = _holder(request, text)
    elif kind is Credentials.BASIC:
        user = _known_by_basic(request, text)
    return None if user is None else Client(user, request[ADDRESS])


def is_still_admitted(request: web.Request) -> bool:
    """Whether the client of a request that goes on could begin it now: its session has not ended, its user was not removed."""
    try:
        return _admitted(request) is not None
    except ApiError:
        return False


def _holder(request: web.Request, token: str) -> str | None:
    """Whose token it is. A token that was valid once is not counted as a guess, nor is one from before a restart: 401 tells the
    client to log in.
    """
    sessions = request.app[SESSIONS]
    user = sessions.user_of(token)
    if user is None and token and not sessions.has_ended(token):
        _attempt(request, NOBODY, "token", lambda: False)
        sessions.remember_ended(token)
    return user


def _known_by_basic(request: web.Request, credentials: str) -> str | None:
    try:
        name, separator, password = b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    users = request.app[SESSIONS].users
    known = bool(separator) and _attempt(request, name, "basic", lambda: users.knows_password(name, password))
    return name if known else None


def _attempt(request: web.Request, user: str, way: str, is_right: Callable[[], bool]) -> bool:
    """Raises ApiError (429) after too many wrong attempts, even if this one is right."""
    throttle, address = request.app[THROTTLE], request[ADDRESS]
    wait_s = throttle.wait_s(address, user)
    if not wait_s and is_right():
        throttle.succeeded(address, user)
        return True
    if not wait_s:
        throttle.failed(address, user)
    throttle.tell(address, user, way, user if user == NOBODY else request.app[SESSIONS].users.shown(user))
    if wait_s:
        detail = f"{AT_ONCE} wrong logins at once, then one each {EACH_S:g} s: try again in {ceil(wait_s)} s"
        raise ApiError(429, detail, headers={"Retry-After": str(ceil(wait_s))})
    return False


async def log_in(request: web.Request) -> web.Response:
    """`GET|POST …/login`: `username` and `password` (MD5, hexadecimal), in the query or as a JSON body."""
    given = await _login_parameters(request)
    name, md5_hex = given.get("username"), given.get("password")
    if not isinstance(name, str) or not isinstance(md5_hex, str) or not name or not md5_hex:
        raise ApiError(400, vendor=PARAMETERS_MISSED)
    sessions = request.app[SESSIONS]
    right = _attempt(request, name, "login", lambda: sessions.users.knows_digest(name, md5_hex))
    _tell(request, "successful_login_api_call" if right else "incorrect_login_api_call", sessions.users.shown(name))
    if not right:
        raise ApiError(400, vendor=WRONG_LOGIN)
    _mark(request, admitted=True)
    _logger.info("successful_login_api_call", extra={"remote": request[ADDRESS], "user": name})
    return json_response(Token(sessions.begin(name)))


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


def _tell(request: web.Request, kind: str, user: str) -> None:
    journal = request.app[SERVICES].journal
    if journal is not None and request.app[LOGINS].is_news(kind, user, request[ADDRESS]):
        journal.tell(kind, user=user, address=request[ADDRESS])


async def _login_parameters(request: web.Request) -> dict[str, object]:
    body = b""
    if request.method == "POST":
        protocol = request.protocol
        with protocol.arriving() if isinstance(protocol, Protocol) else contextlib.nullcontext():
            body = await read_body(request, _LARGEST_LOGIN, _LOGIN_S)
    parsed = parse(body) if body.strip() else {}
    return {**request.query, **parsed} if isinstance(parsed, dict) else {**request.query}


async def log_out(request: web.Request) -> web.Response:
    """`GET|POST …/logout`: ends the token that the call was made with."""
    kind, text = credentials_of(request.headers.get("Authorization", ""))
    if kind is Credentials.BEARER:
        request.app[SESSIONS].end(text)
    return json_response({})
