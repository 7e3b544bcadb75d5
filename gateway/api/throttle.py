"""A limit on wrong login attempts. Pure; time comes from the injected clock.

Failures are counted where they come from and whom they are for: ten at once, then one each 36 s. An address that has logged in
as a user has a count of its own for that user, which nobody else's failures touch. Everybody else shares two wider counts: one
of the address over all users, one of the user over all addresses. A wrong token is for no user, so no count of it is shared with
other addresses: a client whose token has ended is told to log in, whatever strangers guess.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from drivers.clock import Clock
from gateway.api.addresses import network_of
from gateway.api.known_addresses import KnownAddresses

AT_ONCE = 10
EACH_S = 36.0
_BURST_S = AT_ONCE * EACH_S
"""After this many seconds without a wrong attempt the next one begins a new burst."""
NOBODY = "(by token)"
"""In place of a user, where a token is wrong."""
_WIDE_AT_ONCE = 100
_MOST_COUNTS = 20_000
_logger = logging.getLogger(__name__)

Key = Hashable


@dataclass(slots=True)
class _Count:
    """Failures that are not forgiven yet, as of `at`; `told`: the ways in that this burst has had its warning for."""

    failures: float = 0.0
    at: float = 0.0
    told: set[str] = field(default_factory=set)

    def settle(self, now: float) -> None:
        if now - self.at > _BURST_S:
            self.told.clear()
        self.failures = max(0.0, self.failures - (now - self.at) / EACH_S)
        self.at = now


class Throttle:
    def __init__(self, clock: Clock, known: KnownAddresses | None = None) -> None:
        self._clock = clock
        self.known = known or KnownAddresses(clock)
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def wait_s(self, address: str, user: str) -> float:
        """Seconds until this address may try to log in as this user again; 0: now."""
        now = self._clock.monotonic()
        return max(_wait_s(self._counts.get(key), most, now) for key, most in self._keys(address, user))

    def succeeded(self, address: str, user: str) -> None:
        self.known.logged_in(address, user)

    def failed(self, address: str, user: str) -> None:
        now = self._clock.monotonic()
        for key, _ in self._keys(address, user):
            self._count(key, now).failures += 1

    def tell(self, address: str, user: str, way: str, shown_user: str) -> None:
        """One warning for all refusals of one burst by one way in. `shown_user`: what the log may say of the name."""
        told = self._count(self._keys(address, user)[0][0], self._clock.monotonic()).told
        if way not in told:
            told.add(way)
            _logger.warning("incorrect_login_api_call", extra={"user": shown_user, "remote": address, "way": way})

    def _keys(self, address: str, user: str) -> list[tuple[Key, int]]:
        """What a failure is counted by, each with how many are allowed at once."""
        if self.known.is_known(address, None if user == NOBODY else user):
            return [(("known", address, user), AT_ONCE)]
        network = network_of(address)
        own: list[tuple[Key, int]] = [((network, user), AT_ONCE), (("address", network), _WIDE_AT_ONCE)]
        return own if user == NOBODY else [*own, (("user", user), _WIDE_AT_ONCE)]

    def _count(self, key: Key, now: float) -> _Count:
        count = self._counts.setdefault(key, _Count(at=now))
        self._counts.move_to_end(key)
        count.settle(now)
        if len(self._counts) > _MOST_COUNTS:
            self._counts.popitem(last=False)
        return count


def _wait_s(count: _Count | None, most: int, now: float) -> float:
    if count is None:
        return 0.0
    return max(0.0, (count.failures + 1 - most) * EACH_S - (now - count.at))
