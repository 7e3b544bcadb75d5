"""Authentication: tokens, API keys, HTTP Basic, the page's cookie, operators on this machine, and a limit on wrong attempts."""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode
from dataclasses import dataclass
from math import ceil

from aiohttp import web
from aiohttp.typedefs import Handler

from config.password_hash import md5_form
from drivers.trace import Client, client
from gateway.api.dialects import LOG_IN, RIGHTS_REQUIRED
from gateway.api.errors import ApiError
from gateway.api.middleware import ADDRESS, IS_SECURE, SENDER, SITES
from gateway.api.origins import Credentials, Sender, credentials_of
from gateway.api.passwords import Passwords
from gateway.api.roles import Role
from gateway.api.server import Protocol
from gateway.api.sessions import Sessions
from gateway.api.throttle import AT_ONCE, EACH_S, NOBODY, Throttle

_THIS_MACHINE = "local"
_logger = logging.getLogger(__name__)
_READS = ("GET", "HEAD")

PASSWORDS = web.AppKey("passwords", Passwords)
SESSIONS = web.AppKey("sessions", Sessions)
THROTTLE = web.AppKey("throttle", Throttle)


@dataclass(frozen=True, slots=True)
class Admitted:
    client: Client
    role: Role


ROLE = web.RequestKey("role", Role)
"""The role of the client whose request reaches a handler that is not for everybody."""
_NEEDS = web.RequestKey("needs", Role)


def guarded(handler: Handler, needs: Role, *, acts: bool = False) -> Handler:
    """Let only clients of this role, or of a greater one, reach the handler.

    Others get 401, or 403 where their role does not suffice, or 429 after too many wrong attempts. `acts`: reading it moves
    something, too.
    """
    if needs == Role.EVERYBODY:
        return handler

    async def checked(request: web.Request) -> web.StreamResponse:
        mark(request, admitted=False)
        if cookie_of(request) is not None and (acts or request.method not in _READS):
            require_own_page(request)
        admitted = await _admitted(request)
        if admitted is None:
            raise ApiError(401, code=LOG_IN, vendor=LOG_IN, headers=_challenge(request[SENDER]))
        mark(request, admitted=True)
        if admitted.role < needs:
            facts = {"user": admitted.client.user, "role": admitted.role.said, "path": request.rel_url.raw_path}
            _logger.warning("refused for the role", extra={**facts, "remote": request[ADDRESS]})
            raise ApiError(403, code=RIGHTS_REQUIRED, vendor=RIGHTS_REQUIRED)
        request[ROLE], request[_NEEDS] = admitted.role, needs
        token = client.set(admitted.client)
        try:
            return await handler(request)
        finally:
            client.reset(token)

    return checked


def _challenge(sender: Sender) -> dict[str, str]:
    """Whether to ask for Basic credentials: a browser that is never asked has none to add to requests of other sites' pages."""
    return {"WWW-Authenticate": "Bearer" if sender.is_browser else 'Bearer, Basic realm="panel-gateway"'}


def require_own_page(request: web.Request) -> None:
    """Raises ApiError (403) unless the headers show that the gateway's own page sends this: a browser adds cookies by itself."""
    if not request.app[SITES].is_own_page(request[SENDER]):
        raise ApiError(403, "Origin: with a cookie, only the gateway's own page may do this")


def cookie_name(request: web.Request) -> str:
    """Browsers take the longer name by TLS only, and from the gateway itself only: nobody on the way can plant a session."""
    return "__Host-panel-gateway" if request[IS_SECURE] else "panel-gateway"


def cookie_of(request: web.Request) -> str | None:
    """The token of the page's session. Credentials that a client wrote down itself come first."""
    return None if "Authorization" in request.headers else request.cookies.get(cookie_name(request))


def token_of(request: web.Request) -> str | None:
    kind, text = credentials_of(request.headers.get("Authorization", ""))
    return text if kind is Credentials.BEARER else cookie_of(request)


def mark(request: web.Request, *, admitted: bool) -> None:
    """Say whether the connection's client is logged in."""
    protocol = request.protocol
    if isinstance(protocol, Protocol) and protocol.place is not None:
        protocol.place.admitted = admitted


async def _admitted(request: web.Request, *, again: bool = False) -> Admitted | None:
    """Who asks, where that is known for certain. `again`: it was known before, so a password that is wrong now is no guess."""
    protocol = request.protocol
    if isinstance(protocol, Protocol) and protocol.operator is not None:
        return Admitted(Client(protocol.operator, _THIS_MACHINE), Role.ADMIN)
    kind, text = credentials_of(request.headers.get("Authorization", ""))
    token = token_of(request)
    user = None
    if kind is Credentials.BASIC:
        user = await _known_by_basic(request, text, again=again)
    elif token is not None:
        user = (_machine(request, text) if kind is Credentials.BEARER else None) or _holder(request, token)
    role = None if user is None else request.app[SESSIONS].users.role_of(user)
    return None if user is None or role is None else Admitted(Client(user, request[ADDRESS]), role)


async def is_still_admitted(request: web.Request) -> bool:
    """Whether the client of a request that goes on could begin it now: its session has not ended, its user still has the role."""
    try:
        admitted = await _admitted(request, again=True)
    except ApiError:
        return False
    return admitted is not None and admitted.role >= request[_NEEDS]


def _machine(request: web.Request, key: str) -> str | None:
    """Whose API key it is."""
    machine = request.app[SESSIONS].users.key_of(key)
    if machine is not None:
        request.app[THROTTLE].succeeded(request[ADDRESS], machine)
    return machine


def _holder(request: web.Request, token: str) -> str | None:
    """Whose token it is. A token that was valid once is not counted as a guess, nor is one from before a restart: 401 tells the
    client to log in.
    """
    sessions = request.app[SESSIONS]
    user = sessions.user_of(token)
    if user is None and token and not sessions.has_ended(token):
        _count_wrong(request, NOBODY, "token")
        sessions.remember_ended(token)
    return user


async def _known_by_basic(request: web.Request, credentials: str, *, again: bool) -> str | None:
    try:
        name, separator, password = b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    if not separator:
        return None
    if again:
        known = await request.app[PASSWORDS].is_right(name, md5_form(password), lambda: True, is_known=True)
    else:
        known = await attempt(request, name, "basic", md5_form(password))
    return name if known else None


async def attempt(request: web.Request, user: str, way: str, md5_hex: bytes) -> bool:
    """Whether it is the user's password. Raises ApiError (429) after too many wrong attempts, even if this one is right."""
    throttle, address = request.app[THROTTLE], request[ADDRESS]
    is_known = throttle.known.is_known(address, user)
    if await request.app[PASSWORDS].is_right(user, md5_hex, lambda: not throttle.wait_s(address, user), is_known=is_known):
        throttle.succeeded(address, user)
        return True
    _count_wrong(request, user, way)
    return False


def _count_wrong(request: web.Request, user: str, way: str) -> None:
    """Raises ApiError (429) where there were too many before: then this attempt was not looked at."""
    throttle, address = request.app[THROTTLE], request[ADDRESS]
    wait_s = throttle.wait_s(address, user)
    if not wait_s:
        throttle.failed(address, user)
    throttle.tell(address, user, way, user if user == NOBODY else request.app[SESSIONS].users.shown(user))
    if wait_s:
        detail = f"{AT_ONCE} wrong logins at once, then one each {EACH_S:g} s: try again in {ceil(wait_s)} s"
        raise ApiError(429, detail, headers={"Retry-After": str(ceil(wait_s))})
