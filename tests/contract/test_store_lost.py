"""What an operator still has of a store that is lost, older than it was, copied back, or on a medium that takes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store import sqlite_schema
from gateway.store.backups import backup_file, begin_anew, restore_file
from gateway.store.contract import DesiredChange, StoreDamaged, StoreError, StoreFull, StoreInUse, StoreLost, StoreUnavailable
from gateway.store.files import replacing
from gateway.store.sqlite_file import StoreFile
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore
from tests.contract.test_store_sqlite import from_version_1, load, names
from tests.support.stores import create, delete, link

BESIDE = ("", "-wal", "-shm", ".mark")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def filled(path: Path, *numbers: int) -> None:
    """One more run of a gateway, which stores these."""
    store = SqliteStore(path)
    await store.open()
    for number in numbers:
        await store.put_desired([create(number)], {}, 1.0)
    await store.close()


async def held(path: Path) -> list[int]:
    return [int(key[-12:]) for key in (await load(path)).desired]


def files(path: Path) -> dict[str, bytes]:
    there = [path.with_name(path.name + ending) for ending in BESIDE]
    return {each.name: each.read_bytes() for each in there if each.exists()}


# lost


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def without_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as new:
        new.execute("VACUUM")


def gone(path: Path) -> None:
    path.unlink()


def only_the_log_left(path: Path) -> None:
    path.unlink()
    path.with_name("store.db.mark").unlink()
    path.with_name("store.db-wal").write_bytes(b"x" * 4096)


@pytest.mark.parametrize("harm", [emptied, without_tables, gone, only_the_log_left])
async def test_a_lost_store_is_no_first_start_and_what_is_left_of_it_is_kept(path: Path, harm: Callable[[Path], None]) -> None:
    await filled(path, 1)
    harm(path)
    before = files(path)
    with pytest.raises(StoreLost, match=r"store\.db: the store is (empty|gone)"):
        await SqliteStore(path).open()
    with pytest.raises(StoreLost):
        open_read_only(path)
    with pytest.raises(StoreLost):
        backup_file(path, path.with_name("copy.db"))
    assert files(path) == before
    assert begin_anew(path) == path.with_name("store.db.aside1")
    assert {f"aside1{name.removeprefix('store.db')}": content for name, content in before.items()} == {
        name.removeprefix("store.db."): content for name, content in files(path.with_name("store.db.aside1")).items()
    }
    await filled(path, 2)
    assert await held(path) == [2]
    gone(path)
    assert begin_anew(path) == path.with_name("store.db.aside2"), "the first one is not overwritten"


async def test_a_whole_store_is_not_set_aside_and_where_none_was_there_is_nothing_to_set_aside(path: Path) -> None:
    assert begin_anew(path) is None
    await filled(path, 1)
    with pytest.raises(StoreUnavailable, match="there is a whole store"):
        begin_anew(path)
    assert await held(path) == [1]


async def test_a_store_of_a_newer_program_may_be_set_aside(path: Path) -> None:
    await filled(path, 1)
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA user_version = 99")
    assert begin_anew(path) == path.with_name("store.db.aside1")
    assert "store.db" not in names(path.parent)


# older than it was


def older_copy(path: Path) -> None:
    shutil.copy(path.with_name("older.db"), path)


def another_sites(path: Path) -> None:
    shutil.copy(path.with_name("other.db"), path)


def mark_spoiled(path: Path) -> None:
    path.with_name("store.db.mark").write_bytes(b"\xff{")


def mark_of_something_else(path: Path) -> None:
    path.with_name("store.db.mark").write_text('{"later": 1}')


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (older_copy, r"it is older than its mark: revision 1, where 2 was reached"),
        (another_sites, "the mark beside it is another store's"),
        (mark_spoiled, "its mark cannot be read"),
        (mark_of_something_else, "its mark cannot be read"),
    ],
)
async def test_an_older_store_is_not_believed_until_somebody_says_that_it_counts(
    path: Path, harm: Callable[[Path], None], why: str
) -> None:
    await filled(path.with_name("other.db"), 8)
    await filled(path, 1)
    backup_file(path, path.with_name("older.db"))
    await filled(path, 2)
    assert ((await load(path)).doubt, open_read_only(path).doubt) == ("", "")
    harm(path)
    assert why in open_read_only(path).doubt
    began = open_read_only(path).revision
    for _ in range(2):
        snapshot = await load(path)
        assert why in snapshot.doubt
        assert not snapshot.clean, "the panels are read"
    await filled(path, 3)
    snapshot = await load(path)
    assert why in snapshot.doubt, "writing to it makes it no younger"
    assert snapshot.revision > snapshot.doubted == open_read_only(path).doubted == began, "what was asked for since is known"
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.trust()
    await store.open()
    await store.trust()
    await store.close()
    snapshot = await load(path)
    assert (snapshot.doubt, snapshot.clean) == ("", True)


async def test_a_copy_of_the_moment_before_the_gateway_ended_is_not_believed(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    await store.backup(path.with_name("older.db"))
    await store.put_desired([create(2)], {}, 1.0)
    await store.close()
    older_copy(path)
    assert "it is older than its mark" in open_read_only(path).doubt


async def test_a_store_that_was_not_closed_is_believed(path: Path) -> None:
    await filled(path, 1)
    mark = path.with_name("store.db.mark").read_bytes()
    await filled(path, 2)
    path.with_name("store.db.mark").write_bytes(mark)  # a kill came before it was written again
    snapshot = await load(path)
    assert (snapshot.doubt, snapshot.clean) == ("", True)


# copies


async def test_a_restored_store_is_the_backup_and_the_other_one_is_kept(path: Path) -> None:
    await filled(path, 1)
    backup_file(path, path.with_name("copy.db"))
    await filled(path, 2)
    assert restore_file(path.with_name("copy.db"), path) == path.with_name("store.db.aside1")
    snapshot = open_read_only(path)
    assert (list(snapshot.desired), snapshot.doubt) == ([link(1)], "")
    assert not snapshot.clean, "panels have changed since"
    assert await held(path) == [1]
    assert await held(path.with_name("store.db.aside1")) == [1, 2]
    assert "store.db.restored" not in names(path.parent)


async def test_a_store_that_is_gone_is_restored_from_an_older_programs_backup(path: Path) -> None:
    from_version_1(path.with_name("copy.db"))
    assert restore_file(path.with_name("copy.db"), path) is None
    assert await held(path) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


async def test_what_is_no_backup_is_not_restored(path: Path) -> None:
    await filled(path, 1)
    path.with_name("notes.db").write_bytes(b"notes" * 1000)
    before = files(path)
    for backup, error, text in (
        ("gone.db", StoreUnavailable, "no such file"),
        ("store.db", StoreUnavailable, "is the store itself"),
        ("notes.db", StoreDamaged, "notes.db"),
    ):
        with pytest.raises(error, match=text):
            restore_file(path.with_name(backup), path)
    assert files(path) == before


async def test_nothing_is_restored_or_begun_anew_under_a_running_gateway(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreUnavailable, match="open already"):
        await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    await store.backup(path.with_name("copy.db"))
    with pytest.raises(StoreInUse, match="another gateway uses this store"):
        restore_file(path.with_name("copy.db"), path)
    with pytest.raises(StoreInUse, match="another gateway uses this store"):
        begin_anew(path)
    await store.put_desired([create(2)], {}, 1.0)
    await store.close()
    restore_file(path.with_name("copy.db"), path)
    assert await held(path) == [1]


async def test_a_backup_overwrites_nothing_that_it_did_not_make(path: Path) -> None:
    copy = path.with_name("copy.db")
    await filled(path, 1)
    copy.write_bytes(b"holidays")
    for keep in (1, 2):
        with pytest.raises(StoreError):
            backup_file(path, copy, keep=keep)
    assert (copy.read_bytes(), [name for name in names(path.parent) if name.startswith("copy")]) == (b"holidays", ["copy.db"])
    backup_file(path, copy, force=True)
    assert await held(copy) == [1]


async def test_a_backup_that_fails_at_its_end_leaves_no_half_of_one(path: Path) -> None:
    await filled(path, 1)
    path.with_name("folder").mkdir()
    with pytest.raises(StoreUnavailable):
        backup_file(path, path.with_name("folder"), force=True)
    assert [name for name in names(path.parent) if not name.startswith("store.db")] == ["folder"]


@pytest.mark.parametrize("keep", [2, 3])
async def test_so_many_backups_are_kept_the_newest_first(path: Path, keep: int) -> None:
    copy = path.with_name("copy.db")
    for number in range(1, 6):
        await filled(path, number)
        backup_file(path, copy, keep=keep)
    kept = [copy, *(copy.with_name(f"copy.db.{number}") for number in range(1, keep))]
    assert [len(open_read_only(each).desired) for each in kept] == [5, 4, 3][:keep]
    assert [name for name in names(path.parent) if name.startswith("copy")] == [each.name for each in kept]
    kept[1].write_bytes(b"holidays")
    with pytest.raises(StoreDamaged, match=r"copy\.db\.1"):
        backup_file(path, copy, keep=keep)
    assert (len(open_read_only(copy).desired), kept[1].read_bytes()) == (5, b"holidays")
    assert [name for name in names(path.parent) if name.startswith("copy")] == [each.name for each in kept], "no half of one"


async def test_half_a_file_that_a_kill_left_is_in_nobodys_way(path: Path) -> None:
    for name in ("store.db.part", "store.db.mark.part", "store.db.reserve.part"):
        path.with_name(name).write_bytes(b"half of it")
    await filled(path, 1)
    assert (await held(path), (await load(path)).clean) == ([1], True)
    assert [name for name in names(path.parent) if name.endswith(".part")] == []


# media that take nothing


class Medium:
    """Refuses to be written to while `refuses`: from the first byte, or (`late`) from the first transaction."""

    def __init__(self, *, late: bool = False) -> None:
        self.refuses = False
        self._late = late

    def prepare(self, connection: sqlite3.Connection) -> None:
        if self.refuses and self._late:
            connection.execute("PRAGMA query_only = 1")
        elif self.refuses:
            raise OSError(30, "readonly file system")


@pytest.mark.parametrize("late", [False, True])
async def test_a_store_that_takes_no_writes_is_served_and_goes_on_when_it_takes_them_again(path: Path, late: bool) -> None:
    await filled(path, 1)
    medium = Medium(late=late)
    store = SqliteStore(path, prepare=medium.prepare)
    medium.refuses = True
    snapshot = await store.open()
    assert (list(snapshot.desired), snapshot.clean) == ([link(1)], False)
    assert not await store.writable()
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.put_desired([create(2)], {}, 1.0)
    medium.refuses = False
    await store.put_desired([create(3)], {}, 1.0)
    await store.close()
    snapshot = await load(path)
    assert (list(snapshot.desired), snapshot.doubt, snapshot.clean) == ([link(1), link(3)], "", True)


async def test_a_store_that_was_exchanged_for_an_older_one_while_it_took_no_writes_is_not_believed(path: Path) -> None:
    await filled(path, 1)
    backup_file(path, path.with_name("older.db"))
    await filled(path, 2)
    medium = Medium()
    store = SqliteStore(path, prepare=medium.prepare)
    medium.refuses = True
    await store.open()
    older_copy(path)
    medium.refuses = False
    await store.put_desired([create(3)], {}, 1.0)
    await store.close()
    assert "it is older than its mark" in (await load(path)).doubt


async def test_a_store_that_cannot_be_made_is_no_empty_site(path: Path) -> None:
    medium = Medium()
    medium.refuses = True
    store = SqliteStore(path.with_name("folder") / "store.db", prepare=medium.prepare)
    with pytest.raises(StoreUnavailable):
        await store.open()
    path.with_name("folder").mkdir()
    medium.refuses = False
    assert (await store.open()).desired == {}
    await store.close()


@pytest.mark.parametrize("closed", [True, False])
async def test_a_store_is_read_with_its_log_where_no_file_can_be_made_beside_it(
    path: Path, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite_schema.connect

    def fail() -> int:
        if closed:
            path.with_name("store.db-wal").unlink(missing_ok=True)  # which SQLite has made beside it here
        return 1

    def refused(place: Path, mode: str) -> sqlite3.Connection:
        found = connect(place, mode)
        if mode == "ro":
            found.set_progress_handler(fail, 1)  # every statement on it fails
        return found

    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    if closed:
        await store.close()
    monkeypatch.setattr(sqlite_schema, "connect", refused)
    assert list(open_read_only(path).desired) == [link(1)]
    if not closed:
        await store.close()


async def test_a_deletion_on_a_full_medium_gets_the_room_that_is_kept_for_it(path: Path) -> None:
    opened: list[sqlite3.Connection] = []
    store = SqliteStore(path, prepare=opened.append)
    await store.open()
    (kept,) = await store.put_desired([create(1)], {}, 1.0)
    assert path.with_name("store.db.reserve").stat().st_size >= 1 << 16
    pages = opened[0].execute("PRAGMA page_count").fetchone()[0]
    opened[0].execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull):
        await store.put_desired([create(2, name="x" * 100_000)], {}, 1.0)
    assert path.with_name("store.db.reserve").exists(), "it is kept for deletions"
    with pytest.raises(StoreFull):  # here the room is of no use: what is full is the file itself
        await store.put_desired([DesiredChange(link(1), kept.generation, None, "x" * 100_000)], {}, 1.0)
    assert not path.with_name("store.db.reserve").exists()
    (gone_now,) = await store.put_desired([delete(1, kept.generation)], {}, 1.0)
    assert gone_now.content is None
    await store.close()
    assert path.with_name("store.db.reserve").exists(), "the next full medium finds some again"


def test_what_cannot_be_written_whole_leaves_what_was_there(path: Path) -> None:
    def write_half() -> None:
        with replacing(path) as new:
            new.write_text("half of it")
            raise ZeroDivisionError

    path.write_text("older")
    with pytest.raises(ZeroDivisionError):
        write_half()
    assert (names(path.parent), path.read_text()) == (["store.db"], "older")


def test_a_file_that_is_not_open_takes_nothing_and_whenever_it_is_a_power_cut_is_noticed(path: Path) -> None:
    file = StoreFile(path, sqlite_schema.MIGRATIONS, None)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="the store is closed"):
            file.run(lambda connection: connection.execute("DELETE FROM entity"))
        file.open()
        with closing(sqlite_schema.connect_read_only(path)) as connection:
            assert connection.execute("SELECT used_by FROM state").fetchone() == (sqlite_schema.boot_id(),)
        file.run(lambda connection: connection.execute("UPDATE state SET used_by = ''"))
        file.close()


def test_a_log_that_grew_while_somebody_read_for_long_gives_its_room_back(path: Path) -> None:
    opened: list[sqlite3.Connection] = []
    file = StoreFile(path, sqlite_schema.MIGRATIONS, opened.append)
    file.open()
    assert opened[0].execute("PRAGMA journal_size_limit").fetchone() == (1 << 26,)
    file.close()


async def test_a_mistake_of_this_program_reaches_who_made_it_and_the_store_goes_on(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(sqlite3.Error, match="type"):
        await store.put_fact("clock", object(), 1.0)  # type: ignore[arg-type]
    await store.put_fact("clock", "right", 1.0)
    await store.close()
    assert (await load(path)).facts == {"clock": "right"}
