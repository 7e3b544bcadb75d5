"""The one open file behind the embedded store: its lock, its connection, its transactions."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gateway.store import sqlite_schema
from gateway.store.contract import GenerationConflict, Snapshot, StoreError, StoreUnavailable
from gateway.store.sqlite_schema import Prepare, translated

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

REFUSED = (StoreError, ValueError)
"""How a transaction ends that kept nothing: the store could not, or a value has no stored form."""


class StoreFile:
    """Blocking; used from one thread only, but for `path`."""

    def __init__(self, path: Path, migrations: Sequence[str], prepare: Prepare | None) -> None:
        self.path = path.resolve()
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
                self.run(lambda connection: connection.execute("UPDATE state SET used_by = ?", (sqlite_schema.boot_id(),)))
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

    def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """One transaction, nothing kept on any error. Not `durable`: a power cut may undo it, it waits for no disk."""
        with translated(self.path):
            connection = self._current()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                counted = connection.execute("UPDATE state SET writes = writes + 1 RETURNING writes").fetchall()
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            [(self._writes,)] = counted
            return result

    def run_together(self, works: Sequence[Work]) -> list[Any]:
        """One durable commit for all: for each its answer or its error. When that fails each is tried alone."""
        if len(works) == 1:
            return [self._run_alone(works[0])]
        try:
            return self.run(lambda connection: [_in_savepoint(connection, work) for work in works])
        except REFUSED:
            return [self._run_alone(work) for work in works]

    def _run_alone(self, work: Work) -> Any:
        try:
            return self.run(work)
        except REFUSED as error:
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
