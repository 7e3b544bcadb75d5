"""Who may call: login for a token, Bearer tokens, HTTP Basic.

Clients send the MD5 of the password at login, in any letter case, and the password itself with Basic. Comparisons take the
same time whatever they find. A token lives two hours on the monotonic clock; a configuration without its user, or with another
password for that user, ends it.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import logging
import uuid
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from config.settings import UserSettings
from drivers.clock import Clock
from gateway.api.dialects import LOG_IN, PARAMETERS_MISSED, WRONG_LOGIN
from gateway.api.errors import ApiError
from gateway.api.responses import json_response
from gateway.api.validation import parse, read_body

TOKEN_LIFE_S = 7200
_MOST_TOKENS = 1024
_CHALLENGE = {"WWW-Authenticate": 'Bearer, Basic realm="panel-gateway"'}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Secret:
    md5_hex: bytes
    """Lower case."""
    sha256: bytes


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _secret(password: str) -> _Secret:
    raw = _utf8(password)
    return _Secret(hashlib.md5(raw, usedforsecurity=False).hexdigest().encode(), hashlib.sha256(raw).digest())


def _password(user: UserSettings) -> str:
    """Raises OSError when the password file cannot be read."""
    if user.password is not None:
        return user.password
    return "" if user.password_file is None else user.password_file.read_text(encoding="utf-8").rstrip("\r\n")


class Users:
    """Who is known, and by what password. An empty password lets nobody in."""

    def __init__(self, users: Iterable[UserSettings]) -> None:
        passwords = {user.name: _password(user) for user in users}
        self._secrets = {name: _secret(password) for name, password in passwords.items() if password}
        self._nobody = _secret(uuid.uuid4().hex)

    def secret(self, name: str) -> _Secret | None:
        return self._secrets.get(name)

    def knows_digest(self, name: str, md5_hex: str) -> bool:
        known = self._secrets.get(name)
        equal = hmac.compare_digest((known or self._nobody).md5_hex, _utf8(md5_hex.lower()))
        return known is not None and equal

    def knows_password(self, name: str, password: str) -> bool:
        known = self._secrets.get(name)
        equal = hmac.compare_digest((known or self._nobody).sha256, hashlib.sha256(_utf8(password)).digest())
        return known is not None and equal


@dataclass(frozen=True, slots=True)
class _Session:
    user: str
    secret: _Secret | None
    ends_at: float


class Sessions:
    """Tokens in force; at most 1024, the oldest goes first. Kept by digest: looking one up tells nothing of it."""

    def __init__(self, users: Users, clock: Clock) -> None:
        self._users = users
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}

    def change_users(self, users: Users) -> None:
        self._users = users

    def log_in(self, name: str, md5_hex: str) -> str | None:
        """A new token, a UUID; None: unknown user or wrong password."""
        if not self._users.knows_digest(name, md5_hex):
            return None
        token = str(uuid.uuid4())
        self._sweep()
        ends_at = self._clock.monotonic() + TOKEN_LIFE_S
        self._sessions[_digest(token)] = _Session(name, self._users.secret(name), ends_at)
        return token

    def log_out(self, token: str) -> None:
        self._sessions.pop(_digest(token), None)

    def admits(self, authorization: str) -> bool:
        """Whether an Authorization header lets its sender in."""
        scheme, _, credentials = authorization.strip().partition(" ")
        match scheme.lower():
            case "bearer":
                return self._holds(credentials.strip())
            case "basic":
                return self._knows_basic(credentials.strip())
            case _:
                return False

    def _holds(self, token: str) -> bool:
        session = self._sessions.get(_digest(token))
        if session is None or self._clock.monotonic() >= session.ends_at:
            return False
        return session.secret is not None and session.secret == self._users.secret(session.user)

    def _knows_basic(self, credentials: str) -> bool:
        try:
            name, separator, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return bool(separator) and self._users.knows_password(name, password)

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, session in self._sessions.items() if session.ends_at <= now]:
            del self._sessions[key]
        while len(self._sessions) >= _MOST_TOKENS:
            del self._sessions[next(iter(self._sessions))]


def _digest(token: str) -> bytes:
    return hashlib.sha256(_utf8(token)).digest()


SESSIONS = web.AppKey("sessions", Sessions)


def guarded(handler: Handler) -> Handler:
    """The handler for those who are logged in; everybody else gets 401."""

    async def checked(request: web.Request) -> web.StreamResponse:
        if not request.app[SESSIONS].admits(request.headers.get("Authorization", "")):
            raise ApiError(401, code=LOG_IN, vendor=LOG_IN, headers=_CHALLENGE)
        return await handler(request)

    return checked


async def log_in(request: web.Request) -> web.Response:
    """`GET|POST …/login`: `username` and `password` (MD5, hexadecimal), in the query or as a JSON body."""
    given = await _login_parameters(request)
    name, md5_hex = given.get("username"), given.get("password")
    if not isinstance(name, str) or not isinstance(md5_hex, str) or not name or not md5_hex:
        raise ApiError(400, vendor=PARAMETERS_MISSED)
    token = request.app[SESSIONS].log_in(name, md5_hex)
    if token is None:
        _logger.warning("incorrect_login_api_call", extra={"remote": request.remote})
        raise ApiError(400, vendor=WRONG_LOGIN)
    _logger.info("successful_login_api_call", extra={"remote": request.remote, "user": name})
    return json_response({"token": token, "account_type": "admin"})


async def _login_parameters(request: web.Request) -> dict[str, object]:
    body = await read_body(request) if request.method == "POST" else b""
    parsed = parse(body) if body.strip() else {}
    return {**request.query, **parsed} if isinstance(parsed, dict) else {**request.query}


async def log_out(request: web.Request) -> web.Response:
    """`GET|POST …/logout`: ends the token that the call was made with."""
    _, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    request.app[SESSIONS].log_out(token.strip())
    return json_response({})
