"""The file of the embedded store: its tables, its versions, and reading all of it. Blocking; called on the store's thread.

`PRAGMA application_id` says that a file is ours, `PRAGMA user_version` which schema it has. MIGRATIONS[n] brings a file
from version n to n + 1; a published one never changes.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from drivers.contract import item_key
from gateway.identifiers.own_ids import shown_link_id
from gateway.store import codec
from gateway.store.contract import (
    DesiredItem,
    ObservedPanel,
    Snapshot,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLost,
    StoreNewer,
    StoreUnavailable,
)
from gateway.store.files import beside, free_room, real, replacing
from gateway.store.mark import Mark, compared, read_mark

log = logging.getLogger(__name__)

APPLICATION_ID = 0x50474154
"""'PGAT'."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# state.used_by: '' after a store was closed in order, else the boot id of the system that used it last. While that system
# is up, its page cache has every commit, also one that no disk was waited for.
# entity.key: the link_id, or a random UUID where there is none. content: NULL in a tombstone. forgotten: which uid a link_id
# had whose tombstone is gone; made again, it has it again. state.identity: of this store and its copies.
# journal: the id of the last event, how many events there are, and the greatest id that was dropped.
MIGRATIONS: tuple[str, ...] = (
    """
    PRAGMA application_id = 1346847060;
    CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        revision INTEGER NOT NULL, sequence INTEGER NOT NULL, last_write_at REAL NOT NULL,
        used_by TEXT NOT NULL, writes INTEGER NOT NULL);
    INSERT INTO state VALUES (1, 0, 0, 0.0, '', 0);
    CREATE TABLE desired (
        link_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, generation INTEGER NOT NULL, revision INTEGER NOT NULL,
        profile TEXT, body BLOB NOT NULL, changed_at REAL NOT NULL);
    CREATE UNIQUE INDEX desired_by_revision ON desired (revision);
    CREATE TABLE allocation (panel TEXT PRIMARY KEY, slots TEXT NOT NULL);
    CREATE TABLE binding (link_id TEXT PRIMARY KEY, panels TEXT NOT NULL);
    CREATE TABLE observed (panel TEXT PRIMARY KEY, state TEXT NOT NULL);
    """,
    """
    CREATE TABLE entity (
        kind TEXT NOT NULL, key TEXT NOT NULL, uid INTEGER NOT NULL, link_id TEXT, sequence INTEGER NOT NULL,
        generation INTEGER NOT NULL, revision INTEGER NOT NULL, content TEXT, body BLOB NOT NULL, changed_at REAL NOT NULL,
        PRIMARY KEY (kind, key), UNIQUE (kind, uid));
    INSERT INTO entity
        SELECT 'timeprofile', link_id, row_number() OVER (ORDER BY profile IS NULL, sequence), link_id, sequence,
            generation, revision, profile, body, changed_at FROM desired;
    DROP TABLE desired;
    CREATE TABLE last_uid (kind TEXT PRIMARY KEY, uid INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO last_uid SELECT kind, max(uid) FROM entity GROUP BY kind;
    CREATE TABLE forgotten (kind TEXT NOT NULL, link_id TEXT NOT NULL, uid INTEGER NOT NULL, PRIMARY KEY (kind, link_id))
        WITHOUT ROWID;
    ALTER TABLE allocation RENAME TO older_allocation;
    CREATE TABLE allocation (panel TEXT NOT NULL, kind TEXT NOT NULL, slots TEXT NOT NULL, PRIMARY KEY (panel, kind));
    INSERT INTO allocation SELECT panel, 'timeprofile', slots FROM older_allocation;
    DROP TABLE older_allocation;
    DELETE FROM observed;
    ALTER TABLE state ADD COLUMN identity TEXT NOT NULL DEFAULT '';
    UPDATE state SET identity = lower(hex(randomblob(16)));
    CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE panel_fact (
        panel TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (panel, key)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE event (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, category TEXT NOT NULL, priority TEXT NOT NULL,
        panel TEXT, facts TEXT NOT NULL);
    CREATE INDEX event_by_time ON event (at);
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        last_id INTEGER NOT NULL, kept INTEGER NOT NULL, dropped INTEGER NOT NULL);
    INSERT INTO journal VALUES (1, 0, 0, 0);
    """,
)

_FULL = {sqlite3.SQLITE_FULL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_UNDERSTOOD = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
"""Where the statement is right: the tables are not those of a store."""
_MEDIUM = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_REFUSED = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
}
_NO_ROOM = 64 * 1024
"""Bytes: SQLite reports a full medium as an I/O error where it grows its shared memory or a new file."""

Prepare = Callable[[sqlite3.Connection], None]


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What SQLite and the file system say, as StoreError with the cause kept. Mistakes of this program pass."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            raise
        raise _store_error(path, code & 0xFF, f"{path}: {error}") from error
    except OSError as error:
        kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreUnavailable
        raise kind(f"{path}: {error.strerror}") from error


def _store_error(path: Path, code: int, message: str) -> StoreError:
    if code in _FULL or (code in _MEDIUM and _is_full(path)):
        return StoreFull(message)
    if code in _DAMAGED:
        return StoreDamaged(message)
    if code in _MEDIUM or code in _REFUSED:
        return StoreUnavailable(message)
    return StoreError(message)


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """What is read is a store, or damage: also where SQLite finds nothing wrong with it."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreDamaged(f"{path}: not readable ({error})") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code & 0xFF in _NOT_UNDERSTOOD:
            raise StoreDamaged(f"{path}: damaged ({error})") from error
        raise


def _is_full(path: Path) -> bool:
    room = free_room(path)
    return room is not None and room < _NO_ROOM


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """`mode`: rwc, rw, ro, or immutable (a file that nobody writes, on a medium that takes no writing)."""
    query = "immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}", uri=True, isolation_level=None, timeout=2.0, check_same_thread=False
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def version_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The schema version of a file. Raises StoreNewer, StoreLost (no tables), StoreDamaged (somebody else's file)."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not (tables or application or version):
        raise StoreLost(f"{path}: the store is empty (no tables)")
    if application != APPLICATION_ID or version <= 0:
        raise StoreDamaged(f"{path}: a database, but not a store of panel-gateway")
    if version > newest:
        raise StoreNewer(f"{path}: schema {version} is newer than this program's {newest}; use the newer program or a backup")
    return version


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreDamaged, naming what SQLite found first."""
    findings = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    if findings != ["ok"]:
        raise StoreDamaged(f"{path}: damaged ({'; '.join(findings)})")
    added = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')")]
    if added:
        raise StoreDamaged(f"{path}: somebody added to it: {', '.join(added)}")


def migrate(connection: sqlite3.Connection, version: int, migrations: Sequence[str]) -> None:
    """All missing steps in one transaction; after an error the connection is good for nothing but to be closed."""
    early = ""
    if version == 2 and _has_table(connection, "desired"):
        # The last commits of 0.1.0 had a second schema of their own: the first one with facts, which are learnt again.
        version, early = 1, "DROP TABLE fact;\nDROP TABLE panel_fact;\n"
    steps = early + "\n".join(
        f"{script};\nPRAGMA user_version = {step};" for step, script in enumerate(migrations[version:], version + 1)
    )
    connection.executescript(f"BEGIN IMMEDIATE;\n{steps}\nCOMMIT;")


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)).fetchone() is not None


def boot_id() -> str:
    """Which start of the system this is; another text every time where it has none."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def _whole_numbers(*values: object) -> None:
    """Raises StoreDamaged for anything else: columns take values of any type."""
    odd = [value for value in values if not isinstance(value, int)]
    if odd:
        raise StoreDamaged(f"not a whole number: {odd[0]!r}")


Row = tuple[str, int, str, int, int, int, str | None, bytes, float]


def item_of(row: Row) -> DesiredItem:
    """The item of a row of SELECT_ITEMS."""
    kind, uid, key, sequence, generation, revision, content, body, changed_at = row
    _whole_numbers(uid, sequence, generation, revision)
    if kind not in codec.CONTENTS:
        raise StoreDamaged(f"an item is of a kind that there is not: {kind!r}")
    try:
        decoded = None if content is None else codec.CONTENTS[kind].decode(content)
    except codec.CodecError as error:
        raise StoreDamaged(f"the {kind} {key} is not readable: {error}") from error
    text = body.decode("utf-8", "surrogatepass")
    return DesiredItem(key, sequence, generation, revision, decoded, text, changed_at, kind, uid)


def content_of(item: DesiredItem) -> str | None:
    """What is asked for, as a row has it."""
    return None if item.content is None else codec.CONTENTS[item.kind].encode(item.content)


def row_of(item: DesiredItem) -> tuple[object, ...]:
    """The row of an item for PUT_ITEM; `item_of` reads it back."""
    content = content_of(item)
    body = item.body.encode("utf-8", "surrogatepass")
    numbers = (item.sequence, item.generation, item.revision)
    return (item.kind, item.uid, item.link_id, *numbers, content, body, item.changed_at, shown_link_id(item.link_id))


_SELECT_ALLOCATIONS = "SELECT panel, kind, slots FROM allocation"
_SELECT_BINDINGS = "SELECT link_id, panels FROM binding"
SELECT_ITEMS = "SELECT kind, uid, key, sequence, generation, revision, content, body, changed_at FROM entity"
PUT_ITEM = (
    "INSERT INTO entity (kind, uid, key, sequence, generation, revision, content, body, changed_at, link_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (kind, key) DO UPDATE SET sequence = excluded.sequence, generation = excluded.generation,"
    " revision = excluded.revision, content = excluded.content, body = excluded.body, changed_at = excluded.changed_at"
)
"""In place, so that no page of an index is written: an item's uid stays what it is."""


def load(connection: sqlite3.Connection) -> Snapshot:
    """All durable state; an unreadable observation is left out (the panel is read again), anything else is damage."""
    revision, writes, last_write_at, used_by = connection.execute(
        "SELECT revision, writes, last_write_at, used_by FROM state"
    ).fetchone()
    _whole_numbers(revision, writes)
    last_write_at = float(last_write_at)
    [(last_event, kept, dropped)] = connection.execute("SELECT last_id, kept, dropped FROM journal").fetchall()
    _whole_numbers(last_event, kept, dropped)
    items = map(item_of, connection.execute(SELECT_ITEMS + " ORDER BY sequence"))
    try:
        allocations = _allocations(connection)
        bindings = {link_id: codec.PANELS.decode(text) for link_id, text in connection.execute(_SELECT_BINDINGS)}
    except codec.CodecError as error:
        raise StoreDamaged(f"not readable: {error}") from error
    return Snapshot(
        revision=revision,
        desired={item.key: item for item in items},
        allocations=allocations,
        bindings=bindings,
        observed=_observed(connection),
        last_write_at=last_write_at,
        clean=used_by in ("", boot_id()),
        facts=_facts(connection),
        panel_facts=_panel_facts(connection),
        last_event=last_event,
        events_dropped=dropped,
    )


def _allocations(connection: sqlite3.Connection) -> Mapping[str, Mapping[str, tuple[int, ...]]]:
    allocations: dict[str, dict[str, tuple[int, ...]]] = {}
    for panel, kind, text in connection.execute(_SELECT_ALLOCATIONS):
        slots = codec.ALLOCATION.decode(text)
        allocations.setdefault(panel, {}).update({item_key(kind, link_id): numbers for link_id, numbers in slots.items()})
    return allocations


def _facts(connection: sqlite3.Connection) -> Mapping[str, str]:
    return {key: _text(value) for key, value in connection.execute("SELECT key, value FROM fact")}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise StoreDamaged(f"not a text: {value!r}")
    return value


def _panel_facts(connection: sqlite3.Connection) -> Mapping[str, Mapping[str, str]]:
    facts: dict[str, dict[str, str]] = {}
    for panel, key, value in connection.execute("SELECT panel, key, value FROM panel_fact"):
        facts.setdefault(panel, {})[key] = _text(value)
    return facts


def _observed(connection: sqlite3.Connection) -> Mapping[str, ObservedPanel]:
    observed = {}
    for panel, text in connection.execute("SELECT panel, state FROM observed"):
        try:
            observed[panel] = codec.OBSERVED_PANEL.decode(text)
        except codec.CodecError as error:
            log.warning("observation not readable, the panel is read again", extra={"panel": panel, "error": str(error)})
    return observed


EMPTY = Snapshot(revision=0, desired={}, allocations={}, bindings={}, observed={}, last_write_at=0.0)


def is_there(path: Path) -> bool:
    """Whether there is a store to open; False: a first start. Raises StoreLost, OSError."""
    if path.exists():
        if not path.is_file():
            raise StoreDamaged(f"{path}: not a file")
        if not path.stat().st_size:
            raise StoreLost(f"{path}: the store is empty (0 bytes)")
        return True
    if path.is_symlink():
        raise StoreLost(f"{path}: the store is gone, a link there leads to {os.readlink(path)}")
    for ending in (".mark", "-wal"):
        if beside(path, ending).exists():
            raise StoreLost(f"{path}: the store is gone, {beside(path, ending).name} is there")
    return False


def create(path: Path, migrations: Sequence[str]) -> None:
    """A new store, whole or not there at all."""
    with replacing(path) as new, closing(connect(new, "rw")) as connection:
        migrate(connection, 0, migrations)


def open_read_only(path: Path, migrations: Sequence[str] = MIGRATIONS) -> Snapshot:
    """All durable state as it is now, also while a gateway uses the file; where none ever was, an empty one. Writes nothing.

    Raises StoreUnavailable, StoreDamaged, StoreNewer.
    """
    path = real(path)
    with translated(path), understood(path):
        if not is_there(path):
            return EMPTY
        mark = read_mark(path)
        with closing(connect_read_only(path)) as connection:
            version = version_of(connection, path, len(migrations))
            if version == len(migrations):
                connection.execute("BEGIN")
                return _beside(load(connection), connection, mark)
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
                connection.backup(copy)
                migrate(copy, version, migrations)
                return load(copy)


def _beside(snapshot: Snapshot, connection: sqlite3.Connection, mark: Mark | None) -> Snapshot:
    found = compared(mark_of(connection), mark)
    return replace(snapshot, doubt=found.doubt, doubted=found.doubted or 0)


def mark_of(connection: sqlite3.Connection) -> Mark:
    """How far a store is; all its writes are taken for durable."""
    identity, revision, writes = connection.execute("SELECT identity, revision, writes FROM state").fetchone()
    return Mark(identity, revision, writes, writes)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a store to read it beside a gateway. Where no file can be made beside it, it and its log are read as they are."""
    connection = connect(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            return _as_it_lies(path)
        raise
    return connection


def _as_it_lies(path: Path) -> sqlite3.Connection:
    log_file = beside(path, "-wal")
    if not log_file.exists() or not log_file.stat().st_size:
        return connect(path, "immutable")
    with tempfile.TemporaryDirectory(prefix="panel-gateway-") as folder:
        for each in (path, log_file):
            shutil.copyfile(each, Path(folder) / each.name)
        with closing(connect(Path(folder) / path.name, "rw")) as whole:
            copy = sqlite3.connect(":memory:", isolation_level=None)
            whole.backup(copy)
    return copy
