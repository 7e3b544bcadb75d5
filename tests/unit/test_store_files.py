"""The files of a store: what the medium says becomes an error with a way on, and nothing is left open or half written."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store.backups import backup_file, begin_anew, restore_file
from gateway.store.contract import StoreDamaged, StoreError, StoreFull, StoreUnavailable
from gateway.store.files import give_room, replacing, reserve_room, set_aside, sync_folder
from gateway.store.sqlite_schema import MIGRATIONS, create, translated, understood
from gateway.store.sqlite_store import SqliteStore


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_CORRUPT, StoreDamaged),
        (sqlite3.SQLITE_NOTADB, StoreDamaged),
        (sqlite3.SQLITE_IOERR, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_READ, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable),
        (sqlite3.SQLITE_READONLY, StoreUnavailable),
        (sqlite3.SQLITE_BUSY, StoreUnavailable),
        (sqlite3.SQLITE_LOCKED, StoreUnavailable),
        (sqlite3.SQLITE_PERM, StoreUnavailable),
        (sqlite3.SQLITE_AUTH, StoreUnavailable),
        (sqlite3.SQLITE_PROTOCOL, StoreUnavailable),
        (sqlite3.SQLITE_NOMEM, StoreUnavailable),
        (sqlite3.SQLITE_MISUSE, StoreError),
    ],
)
def test_what_a_medium_says_tells_whether_there_is_no_room_damage_or_another_time_to_try(
    code: int, kind: type[StoreError], tmp_path: Path
) -> None:
    error = sqlite3.OperationalError("said")
    error.sqlite_errorcode = code
    with pytest.raises(StoreError, match="said") as caught, translated(tmp_path / "store.db"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(("folder", "kind"), [("/proc", StoreFull), ("/proc/gone", StoreUnavailable)])
def test_where_there_is_no_room_an_io_error_says_that_the_medium_is_full(folder: str, kind: type[StoreError]) -> None:
    """SQLite tells nothing else where its shared memory cannot grow. /proc has room for nothing."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    with pytest.raises(StoreError) as caught, translated(Path(folder, "store.db")):
        raise error
    assert type(caught.value) is kind


def test_a_mistake_of_the_program_is_no_answer_of_the_medium(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.ProgrammingError), translated(tmp_path / "store.db"):
        raise sqlite3.ProgrammingError("closed")


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, None]
)
def test_tables_that_a_right_statement_does_not_fit_are_damage(code: int | None, tmp_path: Path) -> None:
    error = sqlite3.OperationalError("no such column")
    if code is not None:
        error.sqlite_errorcode = code
    with pytest.raises(StoreDamaged), understood(tmp_path / "store.db"):
        raise error


def test_a_locked_store_is_not_damaged(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    with pytest.raises(sqlite3.OperationalError), understood(tmp_path / "store.db"):
        raise error


def test_a_gateway_that_runs_for_years_holds_no_file_open_for_each_that_it_replaced(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        with replacing(tmp_path / "file") as new:
            new.write_text(str(number))
        sync_folder(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert (tmp_path / "file").read_text() == "2"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_file_that_could_not_be_written_to_its_end_leaves_the_older_one_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("older")
    (tmp_path / "file.part").write_text("of a kill")
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "file") as new:
        (tmp_path / new.name).with_name("..").write_text("what cannot be written")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "older"


def test_where_the_medium_goes_away_while_a_file_is_written_that_is_what_is_told(tmp_path: Path) -> None:
    def write(new: Path) -> None:
        new.unlink()
        raise OSError("the medium is gone")

    with pytest.raises(OSError, match="the medium is gone"), replacing(tmp_path / "file") as new:
        write(new)


async def test_a_first_start_on_a_full_medium_says_that_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        await SqliteStore(tmp_path / "store.db").open()


def inodes(folder: Path) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(folder)}


@pytest.mark.parametrize(
    "work",
    [
        lambda folder: backup_file(folder / "store.db", folder / "copy.db"),
        lambda folder: restore_file(folder / "backup.db", folder / "store.db"),
        lambda folder: (folder / "store.db").write_bytes(b"damaged") and begin_anew(folder / "store.db"),
        lambda folder: create(folder / "another.db", MIGRATIONS),
    ],
    ids=["backup", "restore", "begin anew", "create"],
)
def test_what_was_done_with_a_store_is_still_done_after_a_power_cut(
    work: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves a folder as it was when it was synced last. The mark of another store never stands beside a store."""
    for name in ("store.db", "backup.db"):
        create(tmp_path / name, MIGRATIONS)
    (tmp_path / "store.db.mark").write_text("of the older store")
    left: list[dict[str, int]] = []
    sync = os.fsync

    def seen(descriptor: int) -> None:
        sync(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            left.append(inodes(tmp_path))

    mark = inodes(tmp_path)["store.db.mark"]
    monkeypatch.setattr(os, "fsync", seen)
    work(tmp_path)
    now = inodes(tmp_path)
    assert left[-1] == now
    if now.get("store.db.mark") not in (mark, None):
        assert any(each.get("store.db") == now["store.db"] and each["store.db.mark"] == mark for each in left)


def test_each_store_that_is_set_aside_gets_the_first_free_number(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    assert set_aside(store) is None
    for number in (1, 2, 3):
        store.write_text(str(number))
        aside = set_aside(store)
        assert aside == tmp_path / f"store.db.aside{number}"
        assert aside.read_text() == str(number)
    assert not store.exists()


def test_on_a_medium_that_is_nearly_full_less_is_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allocate = os.posix_fallocate

    def nearly_full(descriptor: int, offset: int, size: int) -> None:
        if size > 1 << 18:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", nearly_full)
    reserve_room(tmp_path / "store.db")
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"store.db.reserve": 1 << 18}


def test_room_that_is_reserved_is_given_back_once(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    reserve_room(store)
    reserved = tmp_path / "store.db.reserve"
    size = reserved.stat().st_size
    assert size == 1 << 20
    written = reserved.stat().st_mtime_ns
    reserve_room(store)
    assert (reserved.stat().st_size, reserved.stat().st_mtime_ns) == (size, written), "nothing is written for what is there"
    give_room(store)
    give_room(store)
    assert list(tmp_path.iterdir()) == []
