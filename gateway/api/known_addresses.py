"""Which addresses have logged in as whom within 30 days. Pure; time comes from the injected clock.

Kept as text over a restart: a client that logged in yesterday must not share its count of failures with strangers today.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from typing import TypeVar

from drivers.clock import Clock
from gateway.api.addresses import parse_address

FACT = "known_addresses"
"""Its name in the store."""
KNOWN_S = 30 * 86_400.0
_MOST = 10_000
_RENEWED_S = 86_400.0
"""A login is written down anew when the one that is written is older than this."""
_logger = logging.getLogger(__name__)
Key = TypeVar("Key")


class KnownAddresses:
    def __init__(self, clock: Clock, text: str = "") -> None:
        """`text`: what `unsaved` gave last."""
        self._clock = clock
        self._logins: OrderedDict[tuple[str, str], float] = OrderedDict()
        """Address and user -> when, by the monotonic clock. The longest ago is first."""
        self._addresses: OrderedDict[str, float] = OrderedDict()
        for address, user, at in _read(text):
            self._put((address, user), clock.monotonic() - max(0.0, clock.wall() - at))
        self._saved = self._offered = dict(self._logins)
        self._is_news = False

    def logged_in(self, address: str, user: str) -> None:
        now, login = self._clock.monotonic(), (_canonical(address), user)
        self._put(login, now)
        self._is_news |= self._is_new(login)

    def is_known(self, address: str, user: str | None = None) -> bool:
        """Whether this user, or anybody where None, has logged in from the address lately."""
        since = self._addresses.get(_canonical(address)) if user is None else self._logins.get((_canonical(address), user))
        return since is not None and self._clock.monotonic() - since < KNOWN_S

    def unsaved(self) -> str | None:
        """What has to be kept over a restart; None: that is kept already. `saved` says that it is."""
        if not self._is_news:
            return None
        began = self._clock.wall() - self._clock.monotonic()
        self._offered = dict(self._logins)
        return json.dumps([[*login, round(began + since)] for login, since in self._offered.items()], separators=(",", ":"))

    def saved(self) -> None:
        self._saved = self._offered
        self._is_news = any(map(self._is_new, self._logins))

    def _is_new(self, login: tuple[str, str]) -> bool:
        before = self._saved.get(login)
        return before is None or self._logins[login] - before > _RENEWED_S

    def _put(self, login: tuple[str, str], at: float) -> None:
        _put_last(self._logins, login, at)
        _put_last(self._addresses, login[0], at)


def _put_last(kept: OrderedDict[Key, float], key: Key, at: float) -> None:
    kept[key] = at
    kept.move_to_end(key)
    if len(kept) > _MOST:
        kept.popitem(last=False)


def _canonical(address: str) -> str:
    parsed = parse_address(address)
    return address if parsed is None else str(parsed)


def _read(text: str) -> list[tuple[str, str, float]]:
    try:
        return [(str(address), str(user), float(at)) for address, user, at in json.loads(text or "[]")]
    except (ValueError, TypeError):
        _logger.warning("known addresses cannot be read")
        return []
