"""The tokens of those who have logged in.

A token ends by age, on the monotonic clock; a configuration without its user, or with another password or role for that user,
ends it for good.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import inf

from drivers.clock import Clock
from gateway.api.users import Users

TOKEN_LIFE_S = 7200
PAGE_LIFE_S = 12 * 3600
"""The session of a page lasts a working day: nobody is thrown out in the middle of it."""
_MOST_TOKENS = (1024, 8192, 8192)
"""The most tokens of a user that were not used yet, used once, used again."""
_LOOK_S = 60.0
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_ENDED = 16_384


@dataclass(frozen=True, slots=True)
class _Session:
    user: str
    begun_at: float
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
        self._sessions[_digest(token)] = _Session(user, now, now + life_s)
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

    def end_all(self, user: str) -> bool:
        """End every token of a user; False: there was none."""
        valid = [key for key in self._of_user.get(user, ()) if self._sessions[key].ends_at > self._clock.monotonic()]
        for key in list(self._of_user.get(user, ())):
            self._end(key)
        return bool(valid)

    def open_ones(self) -> Iterator[tuple[str, int, float, float]]:
        """Users with valid tokens: how many, seconds since the youngest was begun, seconds until the last one ends."""
        now = self._clock.monotonic()
        for user, own in self._of_user.items():
            valid = [session for key in own if (session := self._sessions[key]).ends_at > now]
            if valid:
                youngest, last = max(one.begun_at for one in valid), max(one.ends_at for one in valid)
                yield user, len(valid), now - youngest, last - now

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
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
