"""The one writer of a site's events: it makes them durable in batches, then tells those that follow.

A follower has a place (the id of the last event it took), not a queue: one that stalls holds back nobody and costs no memory.
What it missed is read from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from config.event_kinds import KINDS
from gateway.concurrency import Bell
from gateway.fleet.events import Event
from gateway.journal.own import own_events
from gateway.journal.retention import AGES, FACT, Ages, Retention
from gateway.store.codec import CodecError
from gateway.store.contract import Snapshot, Store, StoreError
from gateway.store.events import AHEAD_S, EventQuery, SiteEvent

_log = logging.getLogger(__name__)

GATHER_S = 0.1
"""How long events wait for others that are made durable together with them."""
_AGAIN_S = 1.0
_SETTLED_S = 1.0
"""How long an answer waits at most for the events of its request."""
_RETENTION_S = 60.0
_AT_ONCE = 2000
_MOST_WAITING = 10_000
"""The gateway's own events that wait while the store takes none. Panels keep theirs themselves."""
_RECENT = 4096
LOST = "events_lost"
"""The kind that everybody is told of, whatever else is asked for."""
PAGE = 500
"""How many events a follower is given at once."""

Positions = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class _Handed:
    """What somebody waits for to be durable."""

    events: Sequence[SiteEvent]
    positions: Positions
    kept: asyncio.Future[None]


class Journal:
    """`now`: Unix seconds, to be asked only once the fleet has begun; `trusted`: whether they are those of a clock that may be
    believed. `run` is to be run until `stop`.
    """

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        now: Callable[[], float],
        retention: Retention,
        trusted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.retention = retention
        self._trusted = trusted
        self._store = store
        self._now = now
        self._own: deque[SiteEvent] = deque()
        self._lost = 0
        self._handed: deque[_Handed] = deque()
        self._wake, self._hurry = asyncio.Event(), asyncio.Event()
        self._stopping = False
        self._recent: list[SiteEvent] = []
        self._all_since = self.last = snapshot.last_event
        """All events with a greater id than the first of these are in `_recent`."""
        self.dropped = snapshot.events_dropped
        self.stored = Counter(dict.fromkeys(KINDS, 0))
        """How many events of each kind were made durable since the start."""
        self.retired = 0
        """How many were dropped since then for their age or their number."""
        self._news = Bell()
        self._closed = False
        self._ages = self._kept_ages = _remembered(snapshot)
        self._aged_at: float | None = None
        """When ages were looked at last by a trusted clock (the loop's time)."""

    # what happens

    def listen(self, event: Event) -> None:
        """See `gateway.fleet.events`."""
        for one in own_events(event, self._now):
            self._add(one)

    def tell(self, kind: str, panel: str | None = None, **facts: object) -> None:
        """Something happened at the gateway just now."""
        self._add(SiteEvent(self._now(), kind, panel, facts))

    def _add(self, event: SiteEvent) -> None:
        if len(self._own) >= _MOST_WAITING:
            self._own.popleft()
            self._lost += 1
        self._own.append(_labelled(event))
        self._wake.set()

    async def settled(self) -> None:
        """What was told until now is durable when this returns, unless the store takes none just now, or takes long."""
        handed = _Handed((), {}, asyncio.get_running_loop().create_future())
        self._handed.append(handed)
        self._wake.set()
        self._hurry.set()
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_SETTLED_S):
                await handed.kept

    @property
    def waiting(self) -> int:
        """How many of the gateway's own events are not durable yet."""
        return len(self._own)

    def age_s(self, event_id: int) -> float:
        """How long ago an event was stored, by its id."""
        return max(0.0, self._now() - event_id / 1000)

    async def keep(self, events: Sequence[SiteEvent], positions: Positions) -> None:
        """Events of panels, in order, and up to where their logs are read: durable when this returns. Raises StoreError."""
        labelled = [_labelled(event) for event in events]
        handed = _Handed(labelled, positions, asyncio.get_running_loop().create_future())
        self._handed.append(handed)
        self._wake.set()
        if not events:  # who gets a slot that was somebody's waits for this
            self._hurry.set()
        await handed.kept

    # the writer

    async def run(self) -> None:
        """Make durable what happens, until `stop`; drop what is too old."""
        loop = asyncio.get_running_loop()
        retain_at = loop.time()
        while not self._stopping:
            pause = self._write_next if self._own or self._handed else self._rest
            await pause()
            if loop.time() >= retain_at:
                await self._retain()
                retain_at = loop.time() + _RETENTION_S
        while (self._own or self._handed) and await self._write():
            pass

    async def _write_next(self) -> None:
        await self._pause(GATHER_S)
        if not await self._write():
            await self._pause(_AGAIN_S)

    async def _pause(self, seconds: float) -> None:
        """Cut short where an answer waits for what was told."""
        await _set_within(self._hurry, seconds)
        self._hurry.clear()

    async def _rest(self) -> None:
        self._wake.clear()
        await _set_within(self._wake, _RETENTION_S)

    def stop(self) -> None:
        """Nothing comes any more; what waits is made durable, and `run` ends."""
        self._stopping = True
        self._wake.set()

    async def _write(self) -> bool:
        """Make one batch durable; False: the store takes none now."""
        own, lost, handed = self._take_own(), self._lost, self._take_handed()
        told = [_labelled(SiteEvent(self._now(), LOST, None, {"count": lost, "why": "the store took none"}))] if lost else []
        events = [*told, *own, *(event for each in handed for event in each.events)]
        positions = {panel: at for each in handed for panel, at in each.positions.items()}
        if not events and not positions:
            _answer(handed, None)
            return True
        try:
            kept = await self._store.put_events(events, positions, self._now())
        except StoreError as error:
            self._own.extendleft(reversed(own))
            _answer(handed, error)
            _log.warning("events not kept yet", extra={"count": len(events), "error": str(error)})
            return False
        self._lost -= lost
        self._publish(kept)
        _answer(handed, None)
        return True

    def _take_own(self) -> list[SiteEvent]:
        return [self._own.popleft() for _ in range(min(len(self._own), _AT_ONCE))]

    def _take_handed(self) -> list[_Handed]:
        taken: list[_Handed] = []
        size = 0
        while self._handed and size < _AT_ONCE:
            each = self._handed.popleft()
            if not each.kept.done():  # who handed it in may have gone
                taken.append(each)
                size += len(each.events)
        return taken

    async def _retain(self) -> None:
        gone, now = 1, self._now()
        self._look_at_ages(now)
        expired = self._ages.expired(self.retention)
        try:
            while gone:
                gone, self.dropped = await self._store.drop_events(expired, self.retention.limit, now)
                self.retired += gone
            await self._keep_ages(now)
        except StoreError as error:
            _log.warning("old events kept", extra={"error": str(error)})

    def _look_at_ages(self, now: float) -> None:
        """No event grows older by a clock that nobody trusts."""
        if self._trusted():
            time = asyncio.get_running_loop().time()
            elapsed = 0.0 if self._aged_at is None else time - self._aged_at
            self._ages, self._aged_at = self._ages.seen(now, elapsed, self.last, self.retention), time

    async def _keep_ages(self, now: float) -> None:
        """The next start knows how far the clock was. Raises StoreError."""
        ages = self._ages
        if ages.is_news(self._kept_ages):
            await self._store.put_fact(FACT, AGES.encode(ages), now)
            self._kept_ages = ages

    async def clear(self) -> None:
        """Drop all events. Raises StoreError."""
        gone = 1
        while gone:
            gone, self.dropped = await self._store.drop_events(self.last, self.retention.limit, self._now())
        self._recent, self._all_since = [], self.last

    # those that read

    def _publish(self, events: Sequence[SiteEvent]) -> None:
        if not events:
            return
        self._recent += events
        self.stored.update(event.kind for event in events)
        self.last = events[-1].id
        if len(self._recent) > 2 * _RECENT:
            del self._recent[:-_RECENT]
            self._all_since = self._recent[0].id - 1
        self._news.ring()

    async def page(self, query: EventQuery) -> Sequence[SiteEvent]:
        """Raises StoreError."""
        return await self._store.events(query)

    async def count(self, query: EventQuery) -> int:
        """How many events there are on all pages. Raises StoreError."""
        return await self._store.count_events(query)

    async def after(self, place: int, limit: int = PAGE) -> Sequence[SiteEvent]:
        """The next events behind a place, in order; none: there are none yet. Raises StoreError."""
        if place < self._all_since:
            return await self._store.events(EventQuery(after=place, limit=limit))
        first = bisect_right(self._recent, place, key=attrgetter("id"))
        return self._recent[first : first + limit]

    async def beyond(self, place: int) -> None:
        """Wait until there is an event behind a place."""
        while self.last <= place:
            await self._news.rings(self._news.rung, _RETENTION_S)

    def gap(self, place: int) -> SiteEvent | None:
        """What a reader at a place is told in place of events that were dropped before it took them, or that another store had;
        None: there are none.
        """
        if 0 < place < self.dropped:
            return self._gap("they were dropped before they were read", self.dropped)
        if place > self.last and place > (self._now() + AHEAD_S) * 1000:
            return self._gap("the place is none of this log", self.last)
        return None

    def _gap(self, why: str, goes_on: int) -> SiteEvent:
        return _labelled(SiteEvent(self._now(), LOST, None, {"why": why}, id=goes_on))

    async def follow(self, place: int, silence_s: float) -> AsyncGenerator[Sequence[SiteEvent], None]:
        """All events behind a place, some at once, as they happen, until `close`; none after `silence_s` seconds without any.

        Where some of them were dropped meanwhile, an `events_lost` comes first, with the id of the last one of them. Raises
        StoreError.
        """
        while not self._closed:
            heard = self._news.rung
            events = await self.after(place)
            if (gap := self.gap(place)) is not None:  # also where it fell behind while it followed
                events = [gap, *(event for event in events if event.id > gap.id)]
            if events:
                place = events[-1].id
                yield events
                await asyncio.sleep(0)  # a reader that is far behind takes one page in each turn of the loop
            elif not await self._news.rings(heard, silence_s):
                yield ()

    def close(self) -> None:
        """All that follow end."""
        self._closed = True
        self._news.ring()


def _remembered(snapshot: Snapshot) -> Ages:
    """Where nothing can be read of it the clock is as one that went ahead: it costs a day."""
    try:
        return AGES.decode(snapshot.facts[FACT]) if FACT in snapshot.facts else Ages()
    except CodecError as error:
        _log.warning("what was known of the ages of events cannot be read", extra={"error": str(error)})
        return Ages()


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, and set it after `seconds`: a time-out that cancels what waits costs several times as much."""
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()


def _labelled(event: SiteEvent) -> SiteEvent:
    kind = KINDS[event.kind]
    return SiteEvent(event.at, event.kind, event.panel, event.facts, kind.category, kind.priority, event.id)


def _answer(handed: Sequence[_Handed], error: StoreError | None) -> None:
    for each in handed:
        if each.kept.done():
            continue
        if error is None:
            each.kept.set_result(None)
        else:
            each.kept.set_exception(error)
