"""The embedded store: one SQLite file in WAL mode, all of it on one thread of its own.

A durable call returns after a commit with synchronous FULL. Calls that wait at the same time share one commit, each in a
savepoint, so that each is still all or nothing; one that comes while the work of others is done is committed with it. What may
follow the disk a moment later is committed without waiting for it: the next durable commit takes it along, or one within half
a second. A revision counts every change of a desired profile and is its generation too: it is kept apart from the rows and never
goes back, so no generation is used twice, also over `forget`.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from drivers.contract import DOOR, IDENTIFIER, PROFILE_SET, TIME_PROFILE, Allocation, split_key
from gateway.concurrency import in_a_thread
from gateway.store import codec, sqlite_events, sqlite_schema
from gateway.store.backups import backup_file
from gateway.store.contract import (
    DesiredChange,
    DesiredItem,
    GenerationConflict,
    ObservedPanel,
    Snapshot,
    StoreError,
    StoreFull,
    StoreUnavailable,
    images,
    to_be_read,
)
from gateway.store.events import EventQuery, SiteEvent, numbered
from gateway.store.sqlite_file import REFUSED, StoreFile, Work
from gateway.store.sqlite_schema import MIGRATIONS, PUT_ITEM, Prepare, content_of

log = logging.getLogger(__name__)

T = TypeVar("T")

OBSERVED_DELAY_S = 0.5
_READ_AT_ONCE = 4
"""How many questions about events are answered at once."""
MARK_S = 1.0
"""The least time between two writes of the mark beside the store."""
SELECT_HELD = "SELECT sequence, generation, content IS NULL, uid FROM entity WHERE kind = ? AND key = ?"
UPDATE_ITEM = "UPDATE entity SET content = ?, changed_at = ? WHERE kind = ? AND key = ? AND generation = ?"
PUT_ALLOCATION = (
    "INSERT INTO allocation (panel, kind, slots) VALUES (?, ?, ?) ON CONFLICT (panel, kind) DO UPDATE SET slots = excluded.slots"
)
PUT_OBSERVED = "INSERT INTO observed (panel, state) VALUES (?, ?) ON CONFLICT (panel) DO UPDATE SET state = excluded.state"
"""Both in place, as PUT_ITEM."""
INSERT_BINDING = "INSERT OR REPLACE INTO binding (link_id, panels) VALUES (?, ?)"


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """`joins`: it may be part of a commit that is under way, since it is soon done."""

    work: Work
    durable: bool
    joins: bool
    answer: asyncio.Future[Any]


def _change_desired(connection: sqlite3.Connection, changes: Sequence[DesiredChange], at: float) -> tuple[DesiredItem, ...]:
    revision, sequence = connection.execute("SELECT revision, sequence FROM state").fetchone()
    done = []
    for change in changes:
        held = connection.execute(SELECT_HELD, (change.kind, change.link_id)).fetchone()
        generation = held[1] if held else 0
        if generation != change.expected_generation:
            raise GenerationConflict(f"{change.key}: generation {generation}, not {change.expected_generation}")
        revision += 1
        begins = held is None or (held[2] and change.content is not None)
        sequence += begins
        place = sequence if begins else held[0]
        uid = held[3] if held else _uid(connection, change.kind, change.link_id)
        item = DesiredItem(change.link_id, place, revision, revision, change.content, change.body, at, change.kind, uid)
        done.append(item)
    connection.executemany(PUT_ITEM, map(sqlite_schema.row_of, done))
    connection.execute("UPDATE state SET revision = ?, sequence = ?", (revision, sequence))
    return tuple(done)


def _uid(connection: sqlite3.Connection, kind: str, link_id: str) -> int:
    """The one that the link_id had, or the next."""
    had = "DELETE FROM forgotten WHERE kind = ? AND link_id = ? RETURNING uid"
    for (uid,) in connection.execute(had, (kind, link_id)).fetchall():
        return int(uid)
    following = "INSERT INTO last_uid VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET uid = uid + 1 RETURNING uid"
    [(uid,)] = connection.execute(following, (kind,)).fetchall()
    return int(uid)


def _forget(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    tombstones = [split_key(key) for key in keys]
    of_tombstone = "FROM entity WHERE kind = ? AND key = ? AND content IS NULL"
    connection.executemany(f"INSERT INTO forgotten SELECT kind, link_id, uid {of_tombstone} AND link_id IS NOT NULL", tombstones)
    connection.executemany(f"DELETE {of_tombstone}", tombstones)


def _replace_allocations(connection: sqlite3.Connection, allocations: Mapping[str, Allocation]) -> None:
    rows = [
        (panel, kind, codec.ALLOCATION.encode(slots))
        for panel, allocation in allocations.items()
        for kind, slots in _by_kind(allocation).items()
    ]
    connection.executemany(PUT_ALLOCATION, rows)


def _by_kind(allocation: Allocation) -> Mapping[str, Allocation]:
    kinds: dict[str, dict[str, tuple[int, ...]]] = {kind: {} for kind in (TIME_PROFILE, IDENTIFIER, PROFILE_SET, DOOR)}
    for key, numbers in allocation.items():
        kind, link_id = split_key(key)
        kinds[kind][link_id] = numbers
    return kinds


def _replace_observed(connection: sqlite3.Connection, observed: Mapping[str, ObservedPanel]) -> None:
    rows = ((panel, codec.OBSERVED_PANEL.encode(state)) for panel, state in observed.items())
    connection.executemany(PUT_OBSERVED, rows)


def _leave(connection: sqlite3.Connection, observed: Mapping[str, ObservedPanel]) -> None:
    _replace_observed(connection, observed)
    connection.execute("UPDATE state SET used_by = ''")


def _touch(connection: sqlite3.Connection, at: float) -> None:
    connection.execute("UPDATE state SET last_write_at = ?", (at,))


class SqliteStore:
    """A gateway.store.contract.Store in the file `path`; beside it lie `….lock` and, while open, `…-wal` and `…-shm`.

    A durable call that is cancelled while it waits may or may not have been kept.
    `prepare` sees each connection that writes, before its first use (tests make it refuse).
    """

    def __init__(self, path: Path, *, migrations: Sequence[str] = MIGRATIONS, prepare: Prepare | None = None) -> None:
        self._file = StoreFile(path, migrations, prepare)
        self._thread: ThreadPoolExecutor | None = None
        self._closing = False
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)
        self._waiting: deque[_Waiting] = deque()
        """While a commit is under way only the store's thread takes from it."""
        self._committing: asyncio.Future[None] | None = None
        self._observed: dict[str, ObservedPanel] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._behind = False
        self._unsynced = False
        """Something is committed that a power cut may still undo, and that has to be durable soon."""
        self._given = 0
        self._kept = 0
        """Observations are numbered as they come: how many came, and up to which all are committed."""
        self._mark_timer: asyncio.TimerHandle | None = None
        self._mark_due = 0.0
        """When the mark beside the store may be written next (the loop's seconds)."""
        self._marked: dict[str, ObservedPanel] = {}
        """Panels that are to be read according to the file, and what they may hold."""

    async def open(self) -> Snapshot:
        if self._thread is not None:
            raise StoreUnavailable(f"{self._file.path}: the store is open already")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._closing = False
        self._marked.clear()
        try:
            return await self._on_thread(self._file.open)
        except StoreError:
            self._stop_thread()
            raise

    async def close(self) -> None:
        """Finishes what waits, commits what was observed, lets go of the file. A second call does nothing."""
        if self._thread is None or self._closing:
            return
        self._closing = True
        while self._committing is not None:
            await asyncio.wait([self._committing])
        for timer in (self._flush_timer, self._mark_timer):
            if timer is not None:
                timer.cancel()
        self._flush_timer = self._mark_timer = None
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        await self._on_thread(self._leave_file)
        self._stop_thread()

    def _leave_file(self) -> None:
        try:
            self._file.run(lambda connection: _leave(connection, self._observed))
        except StoreError as error:
            log.warning("observations not kept, panels are read again", extra={"error": str(error)})
        self._observed = {}
        self._file.keep_mark()
        self._file.close()

    async def put_desired(
        self, changes: Sequence[DesiredChange], allocations: Mapping[str, Allocation], at: float
    ) -> tuple[DesiredItem, ...]:
        def work(connection: sqlite3.Connection) -> tuple[DesiredItem, ...]:
            done = _change_desired(connection, changes, at)
            _replace_allocations(connection, allocations)
            _touch(connection, at)
            return done

        only_deletions = bool(changes) and all(change.content is None for change in changes)
        return tuple(await (self._in_kept_room(work) if only_deletions else self._durably(work)))

    async def _in_kept_room(self, work: Work) -> Any:
        """What takes away gets the room that is kept for it on a full medium. Raises StoreError."""
        try:
            return await self._durably(work)
        except StoreFull:
            await self._on_thread(self._file.give_room)
        return await self._durably(work)

    async def put_allocation(self, panel: str, allocation: Allocation, at: float) -> None:
        await self.put_desired((), {panel: allocation}, at)

    async def put_binding(self, link_id: str, panels: tuple[str, ...] | None, at: float) -> None:
        if panels is None:
            await self._execute("DELETE FROM binding WHERE link_id = ?", (link_id,), at)
        else:
            await self._execute(INSERT_BINDING, (link_id, codec.PANELS.encode(panels)), at)

    async def forget(self, keys: Sequence[str], at: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            _forget(connection, keys)
            _touch(connection, at)

        await self._durably(work)

    async def put_anew(self, items: Sequence[DesiredItem], at: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            rows = [(content_of(item), item.changed_at, item.kind, item.link_id, item.generation) for item in items]
            connection.executemany(UPDATE_ITEM, rows)
            _touch(connection, at)

        await self._durably(work)

    async def put_fact(self, key: str, value: str | None, at: float) -> None:
        if value is None:
            await self._execute("DELETE FROM fact WHERE key = ?", (key,), at)
        else:
            await self._execute("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)", (key, value), at)

    async def put_panel_fact(
        self, panel: str, key: str, value: str | None, at: float, mark: ObservedPanel | None = None, *, durable: bool = True
    ) -> None:
        marks = {} if mark is None else {panel: mark}
        if value is None:
            await self._execute("DELETE FROM panel_fact WHERE panel = ? AND key = ?", (panel, key), at, marks, durable=durable)
        else:
            insert = "INSERT OR REPLACE INTO panel_fact (panel, key, value) VALUES (?, ?, ?)"
            await self._execute(insert, (panel, key, value), at, marks, durable=durable)

    async def _execute(
        self,
        statement: str,
        values: Sequence[str],
        at: float,
        marks: Mapping[str, ObservedPanel] = MappingProxyType({}),
        *,
        durable: bool = True,
    ) -> None:
        """`marks` are among what waits to be flushed while the commit is under way, so that nothing older is flushed after it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)
            _replace_observed(connection, marks)
            _touch(connection, at)

        self._observed.update(marks)
        await self._kept_by(work, durable=durable)
        for panel, mark in marks.items():
            if self._observed.get(panel) is mark:
                self._marked[panel] = self._observed.pop(panel)

    async def put_events(
        self, events: Sequence[SiteEvent], positions: Mapping[str, tuple[str, str]], at: float
    ) -> tuple[SiteEvent, ...]:
        def work(connection: sqlite3.Connection) -> range:
            ids = sqlite_events.insert(connection, events, positions, at)
            _touch(connection, at)
            return ids

        ids = await self._kept_by(work, durable=True, joins=False)  # a change does not wait for many rows of others
        return tuple(map(numbered, events, ids))

    async def drop_events(self, up_to: int, most: int, at: float) -> tuple[int, int]:
        def work(connection: sqlite3.Connection) -> tuple[int, int]:
            done = sqlite_events.drop(connection, up_to, most)
            _touch(connection, at)
            return done

        gone, dropped = await self._durably(work)
        return gone, dropped

    async def events(self, query: EventQuery) -> tuple[SiteEvent, ...]:
        return await self._read_beside(partial(sqlite_events.select, self._file.path, query))

    async def count_events(self, query: EventQuery) -> int:
        return await self._read_beside(partial(sqlite_events.count, self._file.path, query))

    async def _read_beside(self, read: Callable[[], T]) -> T:
        """Read in a thread and over a connection of its own."""
        self._refuse_when_closed()
        async with self._reading:
            return await in_a_thread(read, "events")

    async def put_observed(self, panel: str, observed: ObservedPanel) -> None:
        self._refuse_when_closed()
        self._observed[panel] = observed
        self._given += 1
        if not to_be_read(observed.known) or _is_marked(observed, self._marked.get(panel)):
            self._flush_later()
        else:
            await self._mark(self._given)

    async def trust(self) -> None:
        self._refuse_when_closed()
        await self._on_thread(self._file.trust)

    async def backup(self, target: Path) -> None:
        self._refuse_when_closed()
        await in_a_thread(partial(backup_file, self._file.path, target), "backup")

    async def writable(self) -> bool:
        try:
            await self._durably(_nothing)
        except StoreError:
            return False
        return True

    def _refuse_when_closed(self) -> None:
        if self._thread is None or self._closing:
            raise StoreUnavailable(f"{self._file.path}: the store is closed")

    async def _on_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _stop_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    def _in_turn(self, work: Callable[[], T], then: Callable[[Future[T]], None]) -> asyncio.Future[None]:
        """Carry out work on the store's thread; `then` is told in the loop, in the order of the work, in the first turn after it.
        The future that is returned is over with it."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def tell(done: Future[T]) -> None:
            over.set_result(None)
            then(done)

        def ended(done: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, done)

        assert self._thread is not None, "the store is open"
        self._thread.submit(work).add_done_callback(ended)
        return over

    async def _durably(self, work: Work) -> Any:
        return await self._kept_by(work, durable=True)

    async def _kept_by(self, work: Work, *, durable: bool, joins: bool = True) -> Any:
        self._refuse_when_closed()
        waiting = _Waiting(work, durable, joins, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._commit_waiting()
        return await waiting.answer

    def _commit_waiting(self) -> None:
        """Starts one commit for all that wait, unless one is under way; its end starts the next."""
        if self._committing is not None:
            return
        group = [waiting for waiting in self._waiting if not waiting.answer.done()]
        self._waiting.clear()
        if not group:
            return
        works, durable = [waiting.work for waiting in group], any(waiting.durable for waiting in group)
        commit = partial(self._file.run_together, works, partial(self._joining, group, durable=durable), durable=durable)
        self._committing = self._in_turn(commit, lambda done: self._committed(group, done, durable=durable))

    def _joining(self, group: list[_Waiting], *, durable: bool) -> Work | None:
        """On the store's thread: the next one that came since the commit began, if it may be part of it. What was observed before
        it came, and is to be flushed, is not committed after it.
        """
        following = self._waiting[0] if self._waiting else None
        if following is None or not following.joins or self._flushing is not None or (following.durable and not durable):
            return None
        group.append(self._waiting.popleft())
        return following.work

    def _committed(self, group: Sequence[_Waiting], done: Future[list[Any]], *, durable: bool) -> None:
        self._committing = None
        if durable:
            self._write_mark_soon()
        if done.exception() is None and not all(isinstance(answer, Exception) for answer in done.result()):
            self._unsynced = not durable  # a commit that waits for the disk takes all earlier ones along; a refused one none
        if self._unsynced:
            self._flush_later()
        for number, waiting in enumerate(group):
            if not waiting.answer.done():
                _answer(waiting.answer, done, number)
        self._commit_waiting()

    def _write_mark_soon(self) -> None:
        if self._mark_timer is None:
            loop = asyncio.get_running_loop()
            self._mark_timer = loop.call_at(max(loop.time(), self._mark_due), self._write_mark)

    def _write_mark(self) -> None:
        loop = asyncio.get_running_loop()
        self._mark_timer, self._mark_due = None, loop.time() + MARK_S
        loop.run_in_executor(self._thread, self._file.keep_mark)

    async def _mark(self, number: int) -> None:
        """Wait until this observation, or a newer one of its panel, is committed, or the store does not take it."""
        while self._kept < number and not self._closing:
            if self._flushing is None:
                self._flush()
            if self._flushing is not None:
                await asyncio.wait([self._flushing])
            if self._behind:
                return

    def _flush_later(self) -> None:
        if self._flush_timer is None and self._flushing is None and not self._closing:
            self._flush_timer = asyncio.get_running_loop().call_later(OBSERVED_DELAY_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if not self._observed and not self._unsynced:
            return
        observed, self._observed, number, durable = self._observed, {}, self._given, self._unsynced
        for panel in observed:
            self._marked.pop(panel, None)
        keep = partial(self._file.run, lambda connection: _replace_observed(connection, observed), durable=durable)
        self._flushing = self._in_turn(keep, lambda done: self._flushed(observed, number, done, durable=durable))

    def _flushed(self, observed: Mapping[str, ObservedPanel], number: int, done: Future[None], *, durable: bool) -> None:
        """What could not be kept is tried again, unless newer came."""
        self._flushing = None
        error = done.exception()
        if error is not None:
            if not self._behind:
                log.warning("observations not kept yet", extra={"panels": len(observed), "error": str(error)})
            self._observed = {**observed, **self._observed}
        else:
            self._kept = number
            self._marked.update({panel: state for panel, state in observed.items() if to_be_read(state.known)})
        self._behind = error is not None
        self._unsynced &= error is not None or not durable
        if self._observed or self._unsynced:
            self._flush_later()


def _is_marked(observed: ObservedPanel, marked: ObservedPanel | None) -> bool:
    """Whether the store says already that the same panel is to be read, and that it may hold all these images."""
    if marked is None or (marked.model, marked.options) != (observed.model, observed.options):
        return False
    return all(each in images(marked.known) for each in images(observed.known))


def _nothing(connection: sqlite3.Connection) -> None:
    """The transaction around it writes all the same."""


def _answer(answer: asyncio.Future[Any], done: Future[list[Any]], number: int) -> None:
    failure = done.exception()
    if failure is not None:
        answer.set_exception(failure)
        return
    result = done.result()[number]
    if isinstance(result, REFUSED):
        answer.set_exception(result)
    else:
        answer.set_result(result)
