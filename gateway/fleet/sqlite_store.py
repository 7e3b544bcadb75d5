"""The embedded store: one SQLite file in WAL mode, all of it on one thread of its own.

A durable call returns after a commit with synchronous FULL. Calls that wait at the same time share one commit, each in a
savepoint, so that each is still all or nothing. A revision counts every change of a desired profile and is its generation
too: it is kept apart from the rows and never goes back, so no generation is used twice, also over `forget`.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.fleet import codec, sqlite_schema
from gateway.fleet.sqlite_schema import INSERT_DESIRED, MIGRATIONS, SELECT_DESIRED, Prepare, translated
from gateway.fleet.store import (
    DesiredChange,
    DesiredProfile,
    GenerationConflict,
    ObservedPanel,
    Snapshot,
    StoreError,
    StoreUnavailable,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
Allocation = Mapping[str, tuple[int, ...]]

OBSERVED_DELAY_S = 0.5
INSERT_BINDING = "INSERT OR REPLACE INTO binding (link_id, panels) VALUES (?, ?)"


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    work: Work
    answer: asyncio.Future[Any]


class _File:
    """The file behind the store. Blocking; used from the store's thread only (but for `revision` and `path`)."""

    def __init__(self, path: Path, migrations: Sequence[str], prepare: Prepare | None) -> None:
        self.path = path.resolve()
        self.revision = 0
        self._migrations = migrations
        self._prepare = prepare
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._writes = 0

    def open(self) -> Snapshot:
        try:
            with translated(self.path):
                self._take_lock()
                connection = self._connect("rwc")
                self._bring_up(connection)
                snapshot = sqlite_schema.load(connection)
                self._writes = connection.execute("SELECT writes FROM state").fetchone()[0]
                self._identity = self._identify()
                self.run(lambda connection: connection.execute("UPDATE state SET clean = 0"))
                sqlite_schema.sync_folder(self.path.absolute().parent)
                return snapshot
        except StoreError:
            self.close()
            raise

    def _take_lock(self) -> None:
        lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise StoreUnavailable(f"{self.path}: another gateway uses this store") from error
        self._lock = lock

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        version = sqlite_schema.version_of(connection, self.path, len(self._migrations))
        if version:
            sqlite_schema.check(connection, self.path)
        if 0 < version < len(self._migrations):
            kept = self.path.with_name(f"{self.path.name}.v{version}.bak")
            sqlite_schema.copy_to(connection, kept)
            log.info("store migrated, the older file is kept", extra={"kept": str(kept), "version": version})
        if version < len(self._migrations):
            sqlite_schema.migrate(connection, version, self._migrations)

    def _connect(self, mode: str) -> sqlite3.Connection:
        if mode == "rwc" and not self.path.exists():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o640))
        connection = sqlite_schema.connect(self.path, mode)
        self._connection = connection
        sqlite_schema.version_of(connection, self.path, len(self._migrations))
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreUnavailable(f"{self.path}: the file system cannot carry a write-ahead log")
        if self._prepare is not None:
            self._prepare(connection)
        return connection

    def _identify(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def _current(self) -> sqlite3.Connection:
        """The open connection. A file that is gone or was put there meanwhile is taken only with all our writes in it."""
        if self._identity is None:
            raise StoreUnavailable(f"{self.path}: the store is closed")
        identity = self._identify()
        if self._connection is not None and identity == self._identity:
            return self._connection
        self._drop()
        connection = self._connect("rw")
        if connection.execute("SELECT writes FROM state").fetchone() != (self._writes,):
            self._drop()
            raise StoreUnavailable(f"{self.path}: another file was put there while the gateway used it")
        self._identity = identity
        return connection

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated(self.path):
            return work(self._current())

    def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """One transaction, nothing kept on any error. Not `durable`: a power cut may undo it, it waits for no disk."""
        with translated(self.path):
            connection = self._current()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                counted = connection.execute("UPDATE state SET writes = writes + 1 RETURNING writes, revision").fetchall()
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            [(self._writes, self.revision)] = counted
            return result

    def run_together(self, works: Sequence[Work]) -> list[Any]:
        """One durable commit for all: for each its answer or its StoreError. When the commit fails each is tried alone."""
        if len(works) == 1:
            return [self._run_alone(works[0])]
        try:
            return self.run(lambda connection: [_in_savepoint(connection, work) for work in works])
        except StoreError:
            return [self._run_alone(work) for work in works]

    def _run_alone(self, work: Work) -> Any:
        try:
            return self.run(work)
        except StoreError as error:
            return error

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        self._identity = None
        try:
            with translated(self.path):
                self._drop()
        finally:
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)


def _in_savepoint(connection: sqlite3.Connection, work: Work) -> Any:
    connection.execute("SAVEPOINT one")
    try:
        result = work(connection)
    except GenerationConflict as error:
        connection.execute("ROLLBACK TO one")
        result = error
    connection.execute("RELEASE one")
    return result


def _change_desired(connection: sqlite3.Connection, changes: Sequence[DesiredChange], at: float) -> tuple[DesiredProfile, ...]:
    revision, sequence = connection.execute("SELECT revision, sequence FROM state").fetchone()
    done = []
    for change in changes:
        held = connection.execute(
            "SELECT sequence, generation, profile IS NULL FROM desired WHERE link_id = ?", (change.link_id,)
        ).fetchone()
        generation = held[1] if held else 0
        if generation != change.expected_generation:
            raise GenerationConflict(f"{change.link_id}: generation {generation}, not {change.expected_generation}")
        revision += 1
        begins = held is None or (held[2] and change.profile is not None)
        sequence += begins
        place = sequence if begins else held[0]
        done.append(DesiredProfile(change.link_id, place, revision, revision, change.profile, change.body, at))
    connection.executemany(INSERT_DESIRED, map(sqlite_schema.row_of, done))
    connection.execute("UPDATE state SET revision = ?, sequence = ?", (revision, sequence))
    return tuple(done)


def _replace_allocations(connection: sqlite3.Connection, allocations: Mapping[str, Allocation]) -> None:
    rows = ((panel, codec.ALLOCATION.encode(allocation)) for panel, allocation in allocations.items())
    connection.executemany("INSERT OR REPLACE INTO allocation (panel, slots) VALUES (?, ?)", rows)


def _replace_observed(connection: sqlite3.Connection, observed: Mapping[str, ObservedPanel | None]) -> None:
    for panel, state in observed.items():
        if state is None:
            connection.execute("DELETE FROM observed WHERE panel = ?", (panel,))
        else:
            text = codec.OBSERVED_PANEL.encode(state)
            connection.execute("INSERT OR REPLACE INTO observed (panel, state) VALUES (?, ?)", (panel, text))


def _leave(connection: sqlite3.Connection, observed: Mapping[str, ObservedPanel | None]) -> None:
    _replace_observed(connection, observed)
    connection.execute("UPDATE state SET clean = 1")


def _touch(connection: sqlite3.Connection, at: float) -> None:
    # A clock that fell back does not make the newest known time older.
    connection.execute("UPDATE state SET last_write_at = max(last_write_at, ?)", (at,))


def _changes(connection: sqlite3.Connection, after: int) -> tuple[DesiredProfile, ...]:
    rows = connection.execute(SELECT_DESIRED + " WHERE revision > ? ORDER BY revision", (after,))
    return tuple([sqlite_schema.desired_of(row) for row in rows])


class SqliteStore:
    """A gateway.fleet.store.Store in the file `path`; beside it lie `….lock` and, while open, `…-wal` and `…-shm`.

    A durable call that is cancelled while it waits may or may not have been kept.
    `prepare` sees each connection that writes, before its first use (tests make it refuse).
    """

    def __init__(self, path: Path, *, migrations: Sequence[str] = MIGRATIONS, prepare: Prepare | None = None) -> None:
        self._file = _File(path, migrations, prepare)
        self._thread: ThreadPoolExecutor | None = None
        self._closing = False
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Future[list[Any]] | None = None
        self._observed: dict[str, ObservedPanel | None] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._behind = False
        self._revision = 0
        self._changed = asyncio.Event()

    async def open(self) -> Snapshot:
        if self._thread is not None:
            raise StoreUnavailable(f"{self._file.path}: the store is open already")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._closing = False
        try:
            snapshot = await self._on_thread(self._file.open)
        except StoreError:
            self._stop_thread()
            raise
        self._revision = snapshot.revision
        return snapshot

    async def close(self) -> None:
        """Finishes what waits, commits what was observed, lets go of the file. A second call does nothing."""
        if self._thread is None or self._closing:
            return
        self._closing = True
        self._changed.set()
        while self._committing is not None:
            await asyncio.wait([self._committing])
        if self._flush_timer is not None:
            self._flush_timer.cancel()
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
        self._file.close()

    async def put_desired(
        self, changes: Sequence[DesiredChange], allocations: Mapping[str, Allocation], at: float
    ) -> tuple[DesiredProfile, ...]:
        def work(connection: sqlite3.Connection) -> tuple[DesiredProfile, ...]:
            done = _change_desired(connection, changes, at)
            _replace_allocations(connection, allocations)
            _touch(connection, at)
            return done

        done: tuple[DesiredProfile, ...] = await self._durably(work)
        return done

    async def put_allocation(self, panel: str, allocation: Allocation, at: float) -> None:
        await self.put_desired((), {panel: allocation}, at)

    async def put_binding(self, link_id: str, panels: tuple[str, ...] | None, at: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if panels is None:
                connection.execute("DELETE FROM binding WHERE link_id = ?", (link_id,))
            else:
                connection.execute(INSERT_BINDING, (link_id, codec.PANELS.encode(panels)))
            _touch(connection, at)

        await self._durably(work)

    async def forget(self, link_ids: Sequence[str], at: float) -> None:
        """Drops tombstones; a link_id that is desired again by now stays."""

        def work(connection: sqlite3.Connection) -> None:
            rows = [(link_id,) for link_id in link_ids]
            connection.executemany("DELETE FROM desired WHERE link_id = ? AND profile IS NULL", rows)
            _touch(connection, at)

        await self._durably(work)

    async def put_observed(self, panel: str, observed: ObservedPanel | None) -> None:
        self._refuse_when_closed()
        self._observed[panel] = observed
        self._flush_later()

    async def changes(self, after: int) -> tuple[DesiredProfile, ...]:
        while True:
            self._refuse_when_closed()
            changed = self._changed
            if self._revision > after:
                found = await self._on_thread(lambda: self._file.read(lambda connection: _changes(connection, after)))
                if found:
                    return found
            await changed.wait()

    async def backup(self, target: Path) -> None:
        self._refuse_when_closed()
        await asyncio.to_thread(sqlite_schema.backup_file, self._file.path, target)

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

    async def _durably(self, work: Work) -> Any:
        self._refuse_when_closed()
        waiting = _Waiting(work, asyncio.get_running_loop().create_future())
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
        works = [waiting.work for waiting in group]
        self._committing = asyncio.get_running_loop().run_in_executor(self._thread, self._file.run_together, works)
        self._committing.add_done_callback(lambda done: self._committed(group, done))

    def _committed(self, group: Sequence[_Waiting], done: asyncio.Future[list[Any]]) -> None:
        self._committing = None
        if self._file.revision > self._revision:
            self._revision = self._file.revision
            self._changed.set()
            self._changed = asyncio.Event()
        for number, waiting in enumerate(group):
            if not waiting.answer.done():
                _answer(waiting.answer, done, number)
        self._commit_waiting()

    def _flush_later(self) -> None:
        if self._flush_timer is None and self._flushing is None and not self._closing:
            self._flush_timer = asyncio.get_running_loop().call_later(OBSERVED_DELAY_S, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        observed, self._observed = self._observed, {}
        self._flushing = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._file.run(lambda connection: _replace_observed(connection, observed), durable=False)
        )
        self._flushing.add_done_callback(lambda done: self._flushed(observed, done))

    def _flushed(self, observed: Mapping[str, ObservedPanel | None], done: asyncio.Future[None]) -> None:
        """What could not be kept is tried again, unless newer came."""
        self._flushing = None
        error = done.exception()
        if error is not None:
            if not self._behind:
                log.warning("observations not kept yet", extra={"panels": len(observed), "error": str(error)})
            self._observed = {**observed, **self._observed}
        self._behind = error is not None
        if self._observed:
            self._flush_later()


def _nothing(connection: sqlite3.Connection) -> None:
    """The transaction around it writes all the same."""


def _answer(answer: asyncio.Future[Any], done: asyncio.Future[list[Any]], number: int) -> None:
    failure = done.exception()
    if failure is not None:
        answer.set_exception(failure)
        return
    result = done.result()[number]
    if isinstance(result, StoreError):
        answer.set_exception(result)
    else:
        answer.set_result(result)
