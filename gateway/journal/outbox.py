"""Hands events on to one receiver: in order, at least once, with back-off, from where it was before a restart.

The events that wait are in the store. Where more than `MOST_WAITING` do, the oldest are passed over, and the receiver is told.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from config.files import read_secret, unread
from drivers.name_lookup import NameLookup
from gateway.fleet.panel.backoff import back_off_s
from gateway.journal.journal import LOST, Journal
from gateway.store.contract import StoreError
from gateway.store.events import EventQuery, SiteEvent

_log = logging.getLogger(__name__)

MOST_WAITING = 10_000
BATCH = 100
_KEEP_EVERY_S = 1.0


class NotTaken(Exception):
    """The receiver did not take what was sent; the text says why, and holds no secret."""


def why(error: Exception) -> str:
    """Why a request to a receiver failed, in words that hold nothing of its URL."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        bad = error.certificate_error
        told = bad.verify_message if isinstance(bad, ssl.SSLCertVerificationError) else type(bad).__name__
        return f"its certificate is not trusted: {told}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    return type(error).__name__  # the text of others may hold the URL


def secret_in(path: Path) -> str:
    """The secret that a file has now. Raises NotTaken."""
    try:
        return read_secret(path)
    except (OSError, UnicodeDecodeError) as error:
        raise NotTaken(f"{path}: {unread(error)}") from error


class Send(Protocol):
    """Sends some events; raises NotTaken. What it was given once may be given again."""

    async def __call__(self, events: Sequence[SiteEvent]) -> None: ...


Keep = Callable[[str, str], Awaitable[None]]
"""Makes a fact of the site durable: key and value. Raises StoreError."""


class _Names(AbstractResolver):
    """Looks up receivers as lines are looked up: no stop waits for a name server that does not answer."""

    def __init__(self) -> None:
        self._hosts: dict[str, NameLookup] = {}

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        addresses = await self._hosts.setdefault(host, NameLookup(host)).addresses()
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def client_session(answered_within_s: float) -> aiohttp.ClientSession:
    """What receivers are spoken to with: it keeps nothing of what they say."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Names()),
        timeout=aiohttp.ClientTimeout(total=answered_within_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _not_failing() -> float:
    return 0.0


class Outbox:
    """`name`: of the receiver, for logs and events. `fact`: the key of the site's fact that keeps its place; `place`: the last
    event that it took, None: it is new, and gets what happens from now on. `kinds` None: all; `events_lost` is for everybody.
    """

    def __init__(
        self, name: str, fact: str, place: int | None, kinds: Collection[str] | None, journal: Journal, keep: Keep, send: Send
    ) -> None:
        self.name = name
        self._fact = fact
        self._place = journal.last if place is None else place
        self._kept = place
        self._kinds = None if kinds is None else frozenset(kinds) | {LOST}
        self._journal = journal
        self._keep = keep
        self._send = send
        self._failures = 0
        self._oldest: int | None = None
        """The id of the first event that it has not taken, as of the last attempt."""
        self._failing_s: Callable[[], float] = _not_failing
        """Seconds since the first of the attempts that failed one after the other."""
        self.waiting = 0
        """How many events waited for it at the last failure; none once it took something."""
        self.failed = 0
        """How many attempts failed since the start."""
        self.error: str | None = None
        """Why the last attempt failed; None: it did not."""
        self._kept_at = 0.0
        self._dropped = 0
        """How often events were dropped that it had not taken, since it took something. Only the first time is told at once: each
        telling is one more event, for which a full store drops another."""

    @property
    def lag_s(self) -> float:
        """How long the oldest event that it has not taken has been stored; since it failed first where its id lies ahead."""
        return 0.0 if self._oldest is None else self._journal.age_s(self._oldest) or self._failing_s()

    async def run(self) -> None:
        """Send what happens, without end."""
        while True:
            try:
                await self._go_on()
            except StoreError as error:
                _log.warning("events are not handed on", extra={"receiver": self.name, "error": str(error)})
                await asyncio.sleep(_KEEP_EVERY_S)

    async def _go_on(self) -> None:
        if self._kept is None:  # new: what happens from now on is for it, over a restart, too
            await self._keep_place(now=True)
        await self._note_dropped()
        events = await self._journal.after(self._place, BATCH)
        self._oldest = events[0].id if events else None
        if not events:
            await self._keep_place(now=True)
            await self._journal.beyond(self._place)
            return
        chosen = [event for event in events if self._kinds is None or event.kind in self._kinds]
        try:
            if chosen:
                await self._send(chosen)
        except NotTaken as error:
            self._place = max(self._place, chosen[0].id - 1)  # what is not for it is not lost to it
            await self._keep_place(now=False)
            await self._failed(error)
            return
        if self._dropped > 1:
            self._tell_dropped()
        if self._failures and chosen:
            _log.info("events are taken again", extra={"receiver": self.name, "attempts": self._failures + 1})
        self._failures, self._dropped, self.waiting, self.error, self._place = 0, 0, 0, None, events[-1].id
        self._failing_s = _not_failing
        await self._keep_place(now=False)

    async def _failed(self, error: NotTaken) -> None:
        """Wait longer each time. Raises StoreError."""
        if not self._failures:
            loop = asyncio.get_running_loop()
            began = loop.time()
            self._failing_s = lambda: loop.time() - began
            _log.warning("events are not taken", extra={"receiver": self.name, "error": str(error)})
        self._failures += 1
        self.failed += 1
        self.error = str(error)
        await self._pass_over()
        await asyncio.sleep(back_off_s(self._fact, self._failures))

    async def _pass_over(self) -> None:
        """Where too many events wait the oldest are lost to this receiver, some more at once: that they are is an event, too.

        Raises StoreError.
        """
        self.waiting = await self._journal.count(EventQuery(after=self._place, kinds=self._kinds))
        count = self.waiting - MOST_WAITING
        if count > 0:
            count += MOST_WAITING // 100
            query = EventQuery(after=self._place, kinds=self._kinds, skip=count - 1, limit=1)
            (last,) = await self._journal.page(query)
            self._place, self.waiting = last.id, self.waiting - count
            self._tell_lost(count, "too many waited for it")
            await self._keep_place(now=True)

    async def _note_dropped(self) -> None:
        """Raises StoreError."""
        if self._place < self._journal.dropped:
            self._place = self._journal.dropped
            self._dropped += 1
            if self._dropped == 1:
                self._tell_dropped()
                await self._keep_place(now=True)

    def _tell_dropped(self) -> None:
        self._tell_lost(None, "they were dropped before it took them")

    def _tell_lost(self, count: int | None, why: str) -> None:
        _log.warning("events are lost to a receiver", extra={"receiver": self.name, "count": count, "reason": why})
        self._journal.tell(LOST, receiver=self.name, count=count, why=why)

    async def _keep_place(self, *, now: bool) -> None:
        """The place is durable soon: what was sent since is sent again after a power cut. Raises StoreError."""
        loop = asyncio.get_running_loop()
        if self._kept == self._place or (not now and loop.time() - self._kept_at < _KEEP_EVERY_S):
            return
        place = self._place
        await self._keep(self._fact, str(place))
        self._kept, self._kept_at = place, loop.time()
