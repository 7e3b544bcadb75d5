"""Copies of a store: made while a gateway works, and put back while none does. Blocking. All raise StoreError."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from gateway.store.contract import StoreDamaged, StoreNewer, StoreUnavailable
from gateway.store.files import beside, locked, real, replacing, set_aside, sync_folder
from gateway.store.mark import write_mark
from gateway.store.sqlite_schema import (
    MIGRATIONS,
    check,
    connect,
    connect_read_only,
    is_there,
    load,
    mark_of,
    migrate,
    translated,
    understood,
    version_of,
)


def copy_to(source: sqlite3.Connection, target: Path) -> None:
    """A consistent copy in one file, whole or not there at all; an older target is replaced."""
    with translated(target):
        handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.absolute().parent)
        os.close(handle)
        try:
            _copy(source, Path(name))
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
        sync_folder(target.absolute().parent)


def _copy(source: sqlite3.Connection, target: Path) -> None:
    with closing(connect(target, "rwc")) as copy:
        copy.execute("PRAGMA synchronous = FULL")
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        # A restored copy finds panels that have changed since.
        copy.execute("UPDATE state SET used_by = 'a copy'")


def backup_file(source: Path, target: Path, *, force: bool = False, keep: int = 1) -> None:
    """An online copy of a store that a gateway may be using (another process). A file that is there is left alone.

    `force`: it is replaced. `keep` above 1: it becomes `….1`, what was that `….2`, and so on, `keep` copies in all; only copies
    of stores are moved or dropped so.
    """
    with translated(source):
        if not is_there(source):
            raise StoreUnavailable(f"{source}: no store there")
        if target.exists() and os.path.samefile(source, target):
            raise StoreUnavailable(f"{target}: is the store itself")
    copies = _copies(target) if keep > 1 else []
    if not copies and not force and os.path.lexists(target):
        raise StoreUnavailable(f"{target}: is there already; --force replaces it")
    for path in filter(os.path.lexists, copies):
        _whole(path)
    with translated(source), understood(source), closing(connect_read_only(source)) as connection:
        version_of(connection, source, len(MIGRATIONS))
        check(connection, source)
        if not copies:
            copy_to(connection, target)
        else:
            new = beside(target, ".new")
            copy_to(connection, new)
            _rotate(copies, keep)
            os.replace(new, target)


def _copies(target: Path) -> list[Path]:
    """The target, there or not, and the older copies beside it, the newest first."""
    copies = [target]
    while os.path.lexists(older := beside(target, f".{len(copies)}")):
        copies.append(older)
    return copies


def _rotate(copies: Sequence[Path], keep: int) -> None:
    """Give every copy the next number, and delete those from `keep` on."""
    for number, path in reversed(list(enumerate(copies, 1))):
        if path.exists():
            if number < keep:
                os.replace(path, beside(copies[0], f".{number}"))
            else:
                path.unlink()


def _whole(path: Path) -> None:
    """Raises StoreError unless this is a store that a gateway could open."""
    with translated(path), understood(path), closing(connect_read_only(path)) as connection:
        version = version_of(connection, path, len(MIGRATIONS))
        check(connection, path)
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            connection.backup(copy)
            migrate(copy, version, MIGRATIONS)
            load(copy)


def restore_file(backup: Path, store: Path) -> Path | None:
    """Puts a backup in the place of the store, which is set aside with all that belongs to it: where it is now, None if there
    was none. Until the last step the mark stays, so that a restore that was cut off is noticed."""
    with translated(backup):
        if not backup.is_file():
            raise StoreUnavailable(f"{backup}: {'not a file' if backup.exists() else 'no such file'}")
        if store.exists() and os.path.samefile(backup, store):
            raise StoreUnavailable(f"{backup}: is the store itself")
    store = real(store)
    with translated(store), locked(store):
        _whole(backup)
        with replacing(beside(store, ".restored")) as new:
            with translated(backup), closing(connect_read_only(backup)) as connection:
                _copy(connection, new)
            with closing(connect(new, "rw")) as copy:
                migrate(copy, version_of(copy, new, len(MIGRATIONS)), MIGRATIONS)
                mark = mark_of(copy)
        kept = set_aside(store, but=".mark")
        os.replace(beside(store, ".restored"), store)
        sync_folder(store.absolute().parent)
        write_mark(store, mark)
        return kept


def begin_anew(store: Path) -> Path | None:
    """Sets aside what is left of a store that cannot be opened: where it is now, None if there was nothing.

    A whole store is left alone: raises StoreUnavailable.
    """
    store = real(store)
    with translated(store), locked(store):
        try:
            if is_there(store):
                _whole(store)
                raise StoreUnavailable(f"{store}: there is a whole store; --new-store is for one that cannot be opened")
        except (StoreDamaged, StoreNewer):
            pass
        return set_aside(store)
