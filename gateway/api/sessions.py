"""Users, and the tokens of those who have logged in.

Clients send the MD5 of the password at login, in any letter case, and the password itself with Basic. Comparisons take the
same time whatever they find. A token ends by age, on the monotonic clock; a configuration without its user, or with another
password or role for that user, ends it for good.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import inf

from config.files import read_password
from config.settings import UserSettings
from drivers.clock import Clock
from gateway.api.roles import ROLES, Role

TOKEN_LIFE_S = 7200
PAGE_LIFE_S = 12 * 3600
"""The session of a page lasts a working day: nobody is thrown out in the middle of it."""
_MOST_TOKENS = (1024, 8192, 8192)
"""The most tokens of a user that were not used yet, used once, used again."""
_LOOK_S = 60.0
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_ENDED = 16_384


@dataclass(frozen=True, slots=True)
class _Secret:
    md5_hex: bytes
    """The digest in lower case, as clients send it."""
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
    return "" if user.password_file is None else read_password(user.password_file)


class Users:
    """The known users and their passwords. Nobody can log in with an empty password."""

    def __init__(self, users: Iterable[UserSettings]) -> None:
        known = tuple(users)
        passwords = {user.name: _password(user) for user in known}
        self._secrets = {name: _secret(password) for name, password in passwords.items() if password}
        self._roles = {user.name: ROLES[user.role] for user in known}
        self._nobody = _secret(uuid.uuid4().hex)

    def role_of(self, name: str) -> Role | None:
        return self._roles.get(name)

    def are_same(self, other: Users, name: str) -> bool:
        """Whether a user has the same password and role there."""
        return (self._secrets.get(name), self._roles.get(name)) == (other._secrets.get(name), other._roles.get(name))

    def shown(self, name: str) -> str:
        """What a log may say about a user name that a client sent: people type passwords into the wrong field."""
        return name if name in self._secrets else "(unknown)"

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
    ends_at: float


class _Tokens:
    """One user's. Each kind has its own bound: not used yet, used once, used again; the least recently used one makes room.

    A client that logs in before every call has many of the first kinds, and must not end what others use.
    """

    def __init__(self) -> None:
        self._kinds: tuple[OrderedDict[bytes, None], ...] = tuple(OrderedDict() for _ in _MOST_TOKENS)
        self.look_at = -inf
        """When those that have ended by age are looked for next."""

    def __iter__(self) -> Iterator[bytes]:
        return chain(*self._kinds)

    def add(self, key: bytes) -> bytes | None:
        """Returns the one that makes room."""
        return self._keep(0, key)

    def use(self, key: bytes) -> bytes | None:
        """Returns the one that makes room."""
        kind = self._kind_of(key)
        del self._kinds[kind][key]
        return self._keep(min(kind + 1, len(_MOST_TOKENS) - 1), key)

    def drop(self, key: bytes) -> None:
        del self._kinds[self._kind_of(key)][key]

    def _keep(self, kind: int, key: bytes) -> bytes | None:
        self._kinds[kind][key] = None
        return next(iter(self._kinds[kind])) if len(self._kinds[kind]) > _MOST_TOKENS[kind] else None

    def _kind_of(self, key: bytes) -> int:
        return next(number for number, kind in enumerate(self._kinds) if key in kind)


class Sessions:
    """The valid tokens, kept by digest, so that a look-up reveals nothing about them; of one user at most `_MOST_TOKENS`."""

    def __init__(self, users: Users, clock: Clock) -> None:
        self.users = users
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}
        self._of_user: dict[str, _Tokens] = {}
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    def change_users(self, users: Users) -> None:
        changed = [name for name in self._of_user if not users.are_same(self.users, name)]
        self.users = users
        for name in changed:
            for key in list(self._of_user[name]):
                self._end(key)

    def begin(self, user: str, life_s: float = TOKEN_LIFE_S) -> str:
        """A new token, a UUID, for a user whose password was right."""
        token = str(uuid.uuid4())
        now = self._clock.monotonic()
        own = self._of_user.setdefault(user, _Tokens())
        self._end_aged(own, now)
        self._sessions[_digest(token)] = _Session(user, now + life_s)
        self._end(own.add(_digest(token)))
        return token

    def _end_aged(self, own: _Tokens, now: float) -> None:
        """Seldom: a client that logs in before every call would have all of them looked at each time."""
        if now >= own.look_at:
            own.look_at = now + _LOOK_S
            for key in [key for key in own if self._sessions[key].ends_at <= now]:
                self._end(key)

    def end(self, token: str) -> None:
        self._end(_digest(token))

    def user_of(self, token: str) -> str | None:
        """The user whose token it is; None: it is unknown or has ended. Counts as a use of the token."""
        key = _digest(token)
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._clock.monotonic() >= session.ends_at:
            self._end(key)
            return None
        self._end(self._of_user[session.user].use(key))
        return session.user

    def has_ended(self, token: str) -> bool:
        """Whether the token was valid once, as far as that is remembered."""
        return _digest(token) in self._ended

    def remember_ended(self, token: str) -> None:
        """Remember a token that this process did not issue, if it looks like one: it may be from before a restart."""
        if _UUID.fullmatch(token):
            self._remember(_digest(token))

    def _end(self, key: bytes | None) -> None:
        session = None if key is None else self._sessions.pop(key, None)
        if session is None or key is None:
            return
        self._of_user[session.user].drop(key)
        self._remember(key)

    def _remember(self, key: bytes) -> None:
        self._ended[key] = None
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(_utf8(token)).digest()
