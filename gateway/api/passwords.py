"""Checks passwords: those that are hashed one at a time, in a thread of their own, and seldom."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drivers.clock import Clock
from gateway.api.errors import ApiError
from gateway.api.users import PlainPassword, Secret, Users
from gateway.concurrency import UrgentFirst

REMEMBERED_S = 600.0
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class _Verified:
    """The password that a secret was found to fit, in a form that only this process can compare."""

    secret: Secret
    mac: bytes
    ends_at: float


class Passwords:
    """Which passwords of the users in force were verified lately."""

    def __init__(self, users: Callable[[], Users], clock: Clock) -> None:
        self._users = users
        self._clock = clock
        self._key = os.urandom(32)
        self._verified: dict[str, _Verified] = {}
        self._turn = UrgentFirst()
        self.waiting = 0
        """How many passwords of strangers are being checked, or wait for that."""
        self._thread = ThreadPoolExecutor(1, "passwords")

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def is_right(self, name: str, md5_hex: bytes, may_try: Callable[[], bool], *, is_known: bool = False) -> bool | None:
        """Whether a user has this password; None: it was not looked at, since the caller may not try just now.

        `may_try` is asked again in turn, so that attempts at the same time are no more attempts: the caller has to count
        a wrong one before it waits for anything. `is_known`: the user has logged in from there lately, and waits for no
        strangers. Raises ApiError (503) where too many of these wait.
        """
        if not may_try():
            return None
        secret = self._secret_or_nobody(name)
        if isinstance(secret, PlainPassword):
            return secret.fits(md5_hex) and self._users().secret(name) is not None
        if self._is_remembered(name, md5_hex):
            return True
        if not is_known and self.waiting >= _MOST_WAITING:
            raise ApiError(503, "other passwords are being checked", code="busy", headers={"Retry-After": "5"})
        self.waiting += not is_known
        try:
            async with self._turn.held(urgent=is_known):
                if not may_try():
                    return None
                return self._is_remembered(name, md5_hex) or await self._verify(name, md5_hex)
        finally:
            self.waiting -= not is_known

    async def _verify(self, name: str, md5_hex: bytes) -> bool:
        secret = self._secret_or_nobody(name)
        fits = await asyncio.get_running_loop().run_in_executor(self._thread, secret.fits, md5_hex)
        if not fits or self._users().secret(name) != secret:  # there may be other users by now
            return False
        self._verified[name] = _Verified(secret, self._mac(name, md5_hex), self._clock.monotonic() + REMEMBERED_S)
        return True

    def _secret_or_nobody(self, name: str) -> Secret:
        return self._users().secret(name) or self._users().nobody

    def _is_remembered(self, name: str, md5_hex: bytes) -> bool:
        known = self._verified.get(name)
        return (
            known is not None
            and known.secret == self._users().secret(name)
            and self._clock.monotonic() < known.ends_at
            and hmac.compare_digest(known.mac, self._mac(name, md5_hex))
        )

    def _mac(self, name: str, md5_hex: bytes) -> bytes:
        return hmac.digest(self._key, b"%b\0%b" % (name.encode("utf-8", "surrogatepass"), md5_hex), "sha256")
