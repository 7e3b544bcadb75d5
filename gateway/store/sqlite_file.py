"""The one open file behind the embedded store: its lock, its connection, its transactions."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gateway.store import sqlite_schema
from gateway.store.backups import copy_to
from gateway.store.contract import GenerationConflict, Snapshot, StoreDamaged, StoreError, StoreFull, StoreNewer, StoreUnavailable
from gateway.store.files import beside, give_room, real, reserve_room, take_lock
from gateway.store.mark import Mark, compared, read_mark, write_mark
from gateway.store.sqlite_schema import Prepare, is_there, mark_of, translated, understood

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_SERVED = "the store takes no writes; what it holds is served"
REFUSED = (StoreError, ValueError)
"""How a transaction ends that kept nothing: the store could not, or a value has no stored form."""


class StoreFile:
    """Blocking; used from one thread only, but for `path`."""

    def __init__(self, path: Path, migrations: Sequence[str], prepare: Prepare | None) -> None:
        self.path = real(path)
        self._migrations = migrations
        self._prepare = prepare
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._writes: int | None = None
        """How many writes the file has had; None: not known, it was only read so far."""
        self._announced = False
        """Whether the file says that this start of the system uses it."""
        self._mark: Mark | None = None
        """How far the store is; None: it was only read so far."""
        self._written: Mark | None = None
        """What stands beside it."""
        self._short_since: int | None = None
        """`_writes` when the log was last shortened."""

    def open(self) -> Snapshot:
        try:
            self._lock = self._take_lock()
            try:
                with translated(self.path), understood(self.path):
                    return self._open()
            except (StoreDamaged, StoreNewer):
                raise
            except StoreError as error:
                with translated(self.path):
                    self._drop()
                    return self._served(error)
        except StoreError:
            self.close()
            raise

    def _take_lock(self) -> int | None:
        """None: there is no lock file and none can be made, so that nobody else can write there either."""
        try:
            return take_lock(self.path)
        except OSError as error:
            log.warning("no lock file can be made", extra={"path": str(self.path), "error": str(error)})
            return None

    def _open(self) -> Snapshot:
        if not is_there(self.path):
            sqlite_schema.create(self.path, self._migrations)
        mark = read_mark(self.path)
        connection = self._connect("rw")
        self._bring_up(connection)
        snapshot = sqlite_schema.load(connection)
        found = mark_of(connection)
        self._mark = compared(found, mark)
        self._writes = found.writes
        self._identity = self._identify()
        is_clean = snapshot.clean and not self._mark.doubt and (mark is None or found.writes >= mark.writes)
        try:
            self.run(_nothing)
            self.keep_mark()
        except StoreError as error:
            is_clean = False
            log.error(_SERVED, extra={"error": str(error)})
        return replace(snapshot, clean=is_clean, doubt=self._mark.doubt, doubted=self._mark.doubted or 0)

    def _served(self, refused: StoreError) -> Snapshot:
        """What can be read of a store that takes no writing now."""
        snapshot = sqlite_schema.open_read_only(self.path, self._migrations)
        if not self.path.exists():
            raise refused
        log.error(_SERVED, extra={"error": str(refused)})
        self._identity = self._identify()
        return replace(snapshot, clean=False)

    def keep_mark(self) -> None:
        """Says beside the store how far it is; where that cannot be written the older mark stays."""
        if self._mark is None or self._mark == self._written:
            return
        try:
            write_mark(self.path, self._mark)
            self._written = self._mark
            reserve_room(self.path)
        except OSError as error:
            log.warning("the store's mark is not kept", extra={"error": str(error)})

    def give_room(self) -> None:
        """Give back the room that is kept for deletions. Raises StoreError."""
        with translated(self.path):
            give_room(self.path)

    def _shorten_log(self) -> bool:
        """Free what the log takes on a full medium; whether that is worth another try.

        The file may have to grow by what the log holds: the room that is kept for deletions is lent for it.
        """
        if self._writes is not None and self._writes == self._short_since:
            return False
        with contextlib.suppress(StoreError), translated(self.path):
            if not os.path.getsize(beside(self.path, "-wal")):
                return False
            give_room(self.path)
            try:
                [(is_busy, _, _)] = self._current().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                reserve_room(self.path)
            if not is_busy:
                self._short_since = self._writes
        return True

    def trust(self) -> None:
        """Trust the store from now on. Raises StoreError."""
        with translated(self.path):
            self._mark = self._written = mark_of(self._current())
            write_mark(self.path, self._mark)

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        version = sqlite_schema.version_of(connection, self.path, len(self._migrations))
        sqlite_schema.check(connection, self.path)
        if version < len(self._migrations):
            kept = beside(self.path, f".v{version}.bak")
            copy_to(connection, kept)
            log.info("store migrated, the older file is kept", extra={"kept": str(kept), "version": version})
            sqlite_schema.migrate(connection, version, self._migrations)

    def _connect(self, mode: str) -> sqlite3.Connection:
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
        try:
            connection = self._connect("rw")
            self._take_up(connection)
        except BaseException:
            self._drop()
            raise
        self._identity = identity
        return connection

    def _take_up(self, connection: sqlite3.Connection) -> None:
        if self._writes is None:
            with understood(self.path):
                self._bring_up(connection)
                self._mark = compared(mark_of(connection), read_mark(self.path))
                self._writes = self._mark.writes
        elif connection.execute("SELECT writes FROM state").fetchone() != (self._writes,):
            raise StoreUnavailable(f"{self.path}: another file was put there while the gateway used it")

    def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """One transaction, nothing kept on any error. Not `durable`: a power cut may undo it, it waits for no disk.

        On a full medium it is tried once more after the log was shortened.
        """
        try:
            return self._run(work, durable=durable)
        except StoreFull:
            if not self._shorten_log():
                raise
        return self._run(work, durable=durable)

    def _run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        with translated(self.path):
            connection = self._current()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                connection.execute("BEGIN IMMEDIATE")
                if not self._announced:
                    connection.execute("UPDATE state SET used_by = ?", (sqlite_schema.boot_id(),))
                result = work(connection)
                counted = connection.execute("UPDATE state SET writes = writes + 1 RETURNING writes, revision").fetchall()
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
                    self._drop()  # what was opened on such a medium stays so when the medium takes writing again
                raise
            finally:
                if self._connection is not None and connection.in_transaction:
                    connection.execute("ROLLBACK")
            [(self._writes, revision)] = counted
            self._announced = True
            assert self._mark is not None, "there is one with every connection"
            kept = self._writes if durable else self._mark.durable
            self._mark = replace(self._mark, revision=revision, durable=kept, writes=self._writes)
            return result

    def run_together(self, works: list[Work], following: Callable[[], Work | None], *, durable: bool) -> list[Any]:
        """One commit for all: for each its answer or its error. When that fails each is tried alone.

        `following` gives one more that came meanwhile, until there is none: it is added to `works`.
        """

        def together(connection: sqlite3.Connection) -> list[Any]:
            answers = [_in_savepoint(connection, work) for work in works]
            while (work := following()) is not None:
                works.append(work)
                answers.append(_in_savepoint(connection, work))
            return answers

        try:
            return self.run(together, durable=durable)
        except REFUSED as error:
            return [error] if len(works) == 1 else [self._run_alone(work, durable=durable) for work in works]

    def _run_alone(self, work: Work, *, durable: bool) -> Any:
        try:
            return self.run(work, durable=durable)
        except REFUSED as error:
            return error

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        self._identity = self._writes = self._short_since = None
        self._announced = False
        try:
            with translated(self.path):
                self._drop()
        finally:
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)


def _nothing(connection: sqlite3.Connection) -> None:
    """The transaction around it writes all the same."""


def _in_savepoint(connection: sqlite3.Connection, work: Work) -> Any:
    connection.execute("SAVEPOINT one")
    try:
        result = work(connection)
    except GenerationConflict as error:
        connection.execute("ROLLBACK TO one")
        result = error
    connection.execute("RELEASE one")
    return result
