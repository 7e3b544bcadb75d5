"""The embedded store against real trouble: kills, full and refused media, other files, other versions."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.store.backups import backup_file
from gateway.store.contract import GenerationConflict, Snapshot, StoreDamaged, StoreFull, StoreNewer, StoreUnavailable, to_be_read
from gateway.store.events import EventQuery, SiteEvent
from gateway.store.sqlite_schema import APPLICATION_ID, MIGRATIONS, open_read_only
from gateway.store.sqlite_store import SqliteStore
from tests.support.stores import create, delete, link, observed, profile

ROOT = Path(__file__).parents[2]
V1 = ROOT / "tests" / "vectors" / "store-v1.sql"
KILLS = int(os.environ.get("STORE_KILLS", "6"))
WORKER = (sys.executable, "-m", "tests.support.store_worker")


def work(*arguments: str, before: tuple[str, ...] = ()) -> None:
    done = subprocess.run([*before, *WORKER, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def load(path: Path) -> Snapshot:
    store = SqliteStore(path)
    snapshot = await store.open()
    await store.close()
    return snapshot


class Flushes:
    """Tells when observations begin to be written; what is asked of the store afterwards waits for its end."""

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._begun = asyncio.Event()
        self._refuses = False

    def watch(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.execute(f"PRAGMA query_only = {self._refuses:d}")
        connection.set_trace_callback(self._seen)

    def refuse(self, *, every_write: bool) -> None:
        """As a medium that turns read-only, or back: the store closes a connection that was refused, and opens another."""
        self._refuses = every_write
        if every_write and self.connection is not None:
            self.connection.execute("PRAGMA query_only = 1")

    def _seen(self, statement: str) -> None:
        if statement.endswith("= NORMAL"):
            self._loop.call_soon_threadsafe(self._begun.set)

    async def next(self) -> None:
        self._begun.clear()
        await asyncio.wait_for(self._begun.wait(), 60)


# kill -9


async def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    chance = random.Random(9)
    answered: dict[int, tuple[int, int]] = {}
    highest = 0
    for turn in range(KILLS):
        lines = await killed_writer(tmp_path, turn, chance.randrange(1, 250))
        for number, generation, slot in lines:
            assert generation == 0 or generation > answered.get(number, (0, 0))[0]
            highest = max(highest, generation)
            answered[number] = (generation, slot)
        snapshot = await load(tmp_path / "store.db")
        assert snapshot.clean
        assert snapshot.revision >= highest
        in_flight = whole(snapshot, answered)
        assert in_flight <= 4
        answered = held(snapshot)


def whole(snapshot: Snapshot, answered: dict[int, tuple[int, int]]) -> int:
    """Every answer is there, or at most one newer change of its writer; each change with its allocation. The newer ones."""
    newer = 0
    for number, (generation, slot) in answered.items():
        item = snapshot.desired.get(link(number))
        slots = snapshot.allocations.get(f"panel-{number}", {})
        if item is None:
            assert slot < 0
            assert slots == {}
        elif item.generation != generation:
            assert item.generation > generation
            newer += 1
        else:
            assert slots == ({link(number): (slot,)} if slot >= 0 else {})
        if item is not None and item.profile is not None:
            assert item.profile.name == f"name {slots[link(number)][0]}"
        elif item is not None:
            assert slots == {}
    return newer


def held(snapshot: Snapshot) -> dict[int, tuple[int, int]]:
    found = {}
    for name, item in snapshot.desired.items():
        slots = snapshot.allocations[f"panel-{int(name[-12:])}"].get(name, (-1,))
        found[int(name[-12:])] = (item.generation, slots[0])
    return found


async def killed_writer(folder: Path, seed: int, answers: int) -> list[tuple[int, int, int]]:
    """All that a writer answered until it was killed, some time after `answers` answers."""
    process = await asyncio.create_subprocess_exec(
        *WORKER, "write", str(folder), str(seed), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    lines = [await process.stdout.readline() for _ in range(answers)]
    process.send_signal(signal.SIGKILL)
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in lines if line.endswith(b"\n"))]


async def test_a_mark_is_there_before_the_call_returns(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    for dirty in (True, False, True):
        await store.put_observed("lobby", observed(1, dirty=dirty))
    await store.put_observed("lobby", observed(2, dirty=False))
    await store.put_observed("gate", observed(1, dirty=True))
    await store.put_observed("lobby", observed(3, dirty=True))
    seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert {panel: to_be_read(state.known) for panel, state in seen.observed.items()} == {"lobby": True, "gate": True}
    await store.close()


async def test_a_mark_that_was_taken_off_is_there_again_before_the_call_returns(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.put_observed("lobby", observed(1, dirty=True))
    await store.put_observed("lobby", observed(1, dirty=False))
    await store.put_observed("gate", observed(1, dirty=True))
    await store.put_observed("lobby", observed(1, dirty=True))
    seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert to_be_read(seen.observed["lobby"].known)
    await store.close()


async def test_what_a_dirty_panel_may_hold_is_there_before_the_call_returns(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    for number in (1, 2, 1):
        await store.put_observed("lobby", observed(number, dirty=True))
        seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
        assert seen.observed == {"lobby": observed(number, dirty=True)}
    await store.close()


async def test_a_mark_that_cannot_be_kept_holds_nobody_up(tmp_path: Path) -> None:
    flushes = Flushes()
    store = SqliteStore(tmp_path / "store.db", prepare=flushes.watch)
    await store.open()
    flushes.refuse(every_write=True)
    await asyncio.wait_for(store.put_observed("lobby", observed(1, dirty=True)), 60)
    flushes.refuse(every_write=False)
    await store.put_observed("lobby", observed(2, dirty=True))
    assert (await asyncio.to_thread(open_read_only, tmp_path / "store.db")).observed == {"lobby": observed(2, dirty=True)}
    await store.close()


async def test_after_a_power_cut_observations_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await killed_writer(tmp_path, 0, 1)
    assert (await asyncio.to_thread(open_read_only, tmp_path / "store.db")).clean
    with monkeypatch.context() as another_start:
        another_start.setattr("gateway.store.sqlite_schema.BOOT_ID", tmp_path / "boot_id")
        (tmp_path / "boot_id").write_text("e14fd1d2-0000-4000-8000-000000000001\n")
        assert not (await load(tmp_path / "store.db")).clean
        assert (await load(tmp_path / "store.db")).clean
        (tmp_path / "boot_id").write_text("e14fd1d2-0000-4000-8000-000000000002\n")
        assert (await load(tmp_path / "store.db")).clean, "it was closed before the system went down"
        await killed_writer(tmp_path, 1, 1)
        (tmp_path / "boot_id").unlink()
        assert not (await load(tmp_path / "store.db")).clean


async def test_observations_are_committed_without_close(tmp_path: Path) -> None:
    flushes = Flushes()
    store = SqliteStore(tmp_path / "store.db", prepare=flushes.watch)
    await store.open()
    await store.put_observed("lobby", observed(1))
    await store.put_observed("gate", observed(2))
    await flushes.next()
    assert await store.writable()
    snapshot = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert snapshot.observed == {"lobby": observed(1), "gate": observed(2)}
    await store.close()


async def refused_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SqliteStore, Flushes]:
    """A store whose medium refused what was observed, and takes it again."""
    monkeypatch.setattr("gateway.store.sqlite_store.OBSERVED_DELAY_S", 0.01)
    flushes = Flushes()
    store = SqliteStore(folder / "store.db", prepare=flushes.watch)
    await store.open()
    flushes.refuse(every_write=True)
    await store.put_observed("lobby", observed(1))
    await flushes.next()
    flushes.refuse(every_write=False)
    return store, flushes


async def test_what_could_not_be_kept_is_tried_again_though_nothing_else_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, flushes = await refused_once(tmp_path, monkeypatch)
    await flushes.next()
    assert await store.writable()
    assert (await asyncio.to_thread(open_read_only, tmp_path / "store.db")).observed == {"lobby": observed(1)}
    await store.close()


async def test_what_the_medium_refused_right_before_the_end_is_kept_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = await refused_once(tmp_path, monkeypatch)
    await store.close()
    assert (await load(tmp_path / "store.db")).observed == {"lobby": observed(1)}


async def test_a_medium_that_takes_no_writing_is_not_worn_by_marks_that_say_nothing_new(tmp_path: Path) -> None:
    flushes = Flushes()
    store = SqliteStore(tmp_path / "store.db", prepare=flushes.watch)
    await store.open()
    written = (tmp_path / "store.db.mark").stat().st_mtime_ns
    flushes.refuse(every_write=True)
    assert not await store.writable()
    await store.close()
    assert (tmp_path / "store.db.mark").stat().st_mtime_ns == written


async def test_a_change_wears_the_medium_by_few_pages(tmp_path: Path) -> None:
    """A first row may need a page of each index; what is written again needs none of them."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    written = []
    for generation in range(4):
        before = (tmp_path / "store.db-wal").stat().st_size
        await store.put_desired([create(1, generation, str(generation))], {}, 1.0)
        await store.put_panel_fact("lobby", "wear", str(generation), 1.0, observed(generation, dirty=True))
        written.append(((tmp_path / "store.db-wal").stat().st_size - before) // 4096)
    await store.close()
    assert written[1:] == [2 + 3] * 3


# media


def own_file_system(folder: Path, mebibytes: int = 1) -> tuple[str, ...]:
    """Words before a command that give it a small file system at `folder`; skips where the system does not allow it."""
    user = () if os.getuid() == 0 else ("-U", "-r")
    mount = f'mount -t tmpfs -o size={mebibytes}m none "$0" && exec "$@"'
    words = ("unshare", "-m", *user, "sh", "-c", mount, str(folder))
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    return words


@pytest.mark.parametrize("scenario", ["full", "full_at_start"])
def test_a_full_medium(tmp_path: Path, scenario: str) -> None:
    work(scenario, str(tmp_path), before=own_file_system(tmp_path))


@pytest.mark.parametrize("scenario", ["small", "full_of_log"])
def test_a_small_medium_is_not_full_of_the_log_for_ever(tmp_path: Path, scenario: str) -> None:
    work(scenario, str(tmp_path), before=own_file_system(tmp_path, mebibytes=4))


def test_files_that_cannot_grow(tmp_path: Path) -> None:
    work("cannot_grow", str(tmp_path))


def test_a_file_that_may_only_be_read() -> None:
    with TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "site").mkdir()
        work("not_ours", str(place / "site"))


async def test_a_full_store_takes_what_still_fits_and_recovers(tmp_path: Path) -> None:
    opened: list[sqlite3.Connection] = []
    store = SqliteStore(tmp_path / "store.db", prepare=opened.append)
    await store.open()
    (kept,) = await store.put_desired([create(1)], {}, 1.0)
    pages = opened[0].execute("PRAGMA page_count").fetchone()[0]
    opened[0].execute(f"PRAGMA max_page_count = {pages}")
    reserve, lent = tmp_path / "store.db.reserve", list[bool]()
    opened[0].set_trace_callback(lambda statement: lent.append(not reserve.exists()) if "checkpoint" in statement else None)
    large = {f"panel-{number}": {link(number): tuple(range(2000))} for number in range(5)}
    for _ in range(2):
        with pytest.raises(StoreFull):
            await store.put_desired([create(2)], large, 2.0)
        assert lent == [True], "the log is shortened once, and has the room for it that is kept"
    together = await asyncio.gather(
        store.put_desired([create(2)], large, 2.0), store.put_binding(link(1), (), 2.0), return_exceptions=True
    )
    assert isinstance(together[0], StoreFull)
    assert together[1] is None
    assert open_read_only(tmp_path / "store.db").desired == {link(1): kept}
    with pytest.raises(StoreFull):
        await store.put_desired([delete(1, kept.generation), create(2)], large, 2.0)
    assert reserve.exists(), "the room that is kept for deletions is not given to what comes with one"
    opened[0].execute("PRAGMA max_page_count = 1000000")
    await store.put_desired([create(2)], large, 3.0)
    await store.close()
    snapshot = await load(tmp_path / "store.db")
    assert list(snapshot.desired) == [link(1), link(2)]
    assert snapshot.allocations == large
    assert len(opened) == 1


async def test_a_store_that_turns_read_only_and_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flushes = Flushes()
    store = SqliteStore(tmp_path / "store.db", prepare=flushes.watch)
    await store.open()
    (kept,) = await store.put_desired([create(1)], {}, 1.0)
    flushes.refuse(every_write=True)
    assert not await store.writable()
    for call in (
        store.put_desired([create(2)], {}, 1.0),
        store.put_allocation("lobby", {}, 1.0),
        store.put_binding(link(1), (), 1.0),
        store.forget([link(1)], 1.0),
    ):
        with pytest.raises(StoreUnavailable, match="readonly"):
            await call
    await store.put_observed("lobby", observed(1))
    await flushes.next()
    await store.put_observed("gate", observed(2))
    await flushes.next()
    assert open_read_only(tmp_path / "store.db").desired == {link(1): kept}
    assert caplog.text.count("observations not kept yet") == 1
    flushes.refuse(every_write=False)
    assert await store.writable()
    await store.close()
    assert (await load(tmp_path / "store.db")).observed == {"lobby": observed(1), "gate": observed(2)}


async def test_a_folder_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    store = SqliteStore(folder / "store.db")
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    folder.rename(tmp_path / "away")
    assert not await store.writable()
    with pytest.raises(StoreUnavailable):
        await store.put_desired([create(2)], {}, 1.0)
    (tmp_path / "away").rename(folder)
    assert await store.writable()
    await store.put_desired([create(2)], {}, 1.0)
    await store.close()
    assert list((await load(folder / "store.db")).desired) == [link(1), link(2)]


async def test_another_file_in_its_place_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    await store.backup(tmp_path / "older")
    await store.put_desired([create(2)], {}, 1.0)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (tmp_path / name).rename(tmp_path / f"kept-{name}")
    shutil.copy(tmp_path / "older", path)
    with pytest.raises(StoreUnavailable, match="another file"):
        await store.put_desired([create(3)], {}, 1.0)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnavailable):
        await store.put_desired([create(3)], {}, 1.0)
    path.rmdir()
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
        if (tmp_path / f"kept-{name}").exists():
            (tmp_path / f"kept-{name}").rename(tmp_path / name)
    await store.put_desired([create(3)], {}, 1.0)
    await store.close()
    assert list((await load(path)).desired) == [link(1), link(2), link(3)]


async def test_a_file_that_stood_in_the_stores_place_for_a_while_is_not_written_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    await store.backup(tmp_path / "older")
    await store.put_desired([create(2)], {}, 1.0)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (tmp_path / name).rename(tmp_path / f"kept-{name}")
    shutil.copy(tmp_path / "older", path)
    with pytest.raises(StoreUnavailable, match="another file"):
        await store.put_desired([create(3)], {}, 1.0)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
        if (tmp_path / f"kept-{name}").exists():
            (tmp_path / f"kept-{name}").rename(tmp_path / name)
    await store.put_desired([create(4)], {}, 1.0)
    await store.close()
    assert list((await load(path)).desired) == [link(1), link(2), link(4)]


# files


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look like one" * 40, b"\0" * 8192])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"store\.db"):
        await SqliteStore(path).open()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "claims",
    ["", f"PRAGMA application_id = {APPLICATION_ID};", f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = -1;"],
)
async def test_a_database_of_somebody_else(tmp_path: Path, claims: str) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine'); {claims}")
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="not a store of panel-gateway"):
        await SqliteStore(path).open()
    with pytest.raises(StoreDamaged):
        open_read_only(path)
    assert path.read_bytes() == before


async def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(number) for number in range(200)], {}, 1.0)
    await store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match="restore a backup"):
        await SqliteStore(path).open()
    assert path.read_bytes() == content


async def test_an_unreadable_profile_is_damage_an_unreadable_observation_is_not(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    await store.put_observed("lobby", observed(1))
    await store.put_observed("gate", observed(1))
    await store.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("""UPDATE observed SET state = '{"later":1}' WHERE panel = 'lobby'""")
    assert (await load(path)).observed == {"gate": observed(1)}
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("""UPDATE entity SET content = '{"later":1}'""")
    with pytest.raises(StoreDamaged, match=f"{link(1)} is not readable: TimeProfile.link_id"):
        await load(path)


async def test_a_failed_open_lets_go_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"no database" * 500)
    store = SqliteStore(path)
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            await store.open()
    path.unlink()
    assert (await store.open()).desired == {}
    await store.close()


async def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        await SqliteStore(tmp_path / "gone" / "store.db").open()


# versions

LATER = "ALTER TABLE binding ADD COLUMN note TEXT; UPDATE state SET last_write_at = last_write_at + 1;"


def from_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(V1.read_text("utf-8"))


async def test_a_store_of_the_last_days_of_0_1_0_is_migrated_too(tmp_path: Path) -> None:
    """Its second schema was the first one with tables of facts."""
    path = tmp_path / "store.db"
    from_version_1(path)
    before = await asyncio.to_thread(open_read_only, path)
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            """
            CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE panel_fact (
                panel TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (panel, key)) WITHOUT ROWID;
            INSERT INTO fact VALUES ('clock', '{}');
            PRAGMA user_version = 2;
            """
        )
    assert (await asyncio.to_thread(open_read_only, path)).desired == before.desired
    snapshot = await load(path)
    assert (snapshot.desired, snapshot.allocations, snapshot.facts) == (before.desired, before.allocations, {})


async def test_a_store_of_0_1_0_is_migrated_and_a_copy_kept(tmp_path: Path) -> None:
    path, kept = tmp_path / "store.db", tmp_path / "store.db.v1.bak"
    from_version_1(path)
    before = await asyncio.to_thread(open_read_only, path)
    assert [name[-1] for name in before.desired] == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert [each.uid for each in before.desired.values()] == [1, 2, 3, 4, 5, 6, 7, 9, 8]
    assert {name for name, each in before.desired.items() if each.profile is None} == {link(8)}
    assert before.desired[link(1)].profile == profile(link(1))
    assert before.desired[link(4)].body == '{"name":"Nights, changed"}'
    assert before.allocations["lobby"] == {link(1): (0,), link(2): (1, 2)}
    assert before.allocations["gate"] == {link(3): (5,), link(4): (6, 7), link(8): (9,)}
    assert before.allocations["relays:0"] == {"": ()}
    assert before.bindings == {link(1): ("gate:3", "@doors"), link(4): ()}
    store = SqliteStore(path, migrations=(*MIGRATIONS, LATER))
    snapshot = await store.open()
    (following,) = await store.put_desired([create(11)], {}, 2000.0)
    await store.close()
    assert (following.uid, following.generation) == (10, before.revision + 1)
    assert snapshot == replace(before, last_write_at=before.last_write_at + 1)
    with closing(sqlite3.connect(kept)) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert open_read_only(kept).desired == before.desired
    again = SqliteStore(path, migrations=(*MIGRATIONS, LATER))
    assert len((await again.open()).desired) == 10
    await again.close()


async def test_a_migration_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    from_version_1(path)
    before = open_read_only(path)
    broken = SqliteStore(path, migrations=(*MIGRATIONS, LATER, "UPDATE nothing_of_that_name SET x = 1;"))
    with pytest.raises(Exception, match="nothing_of_that_name"):
        await broken.open()
    with closing(sqlite3.connect(path)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (1,)
    assert await load(path) == before


async def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    newer = SqliteStore(path, migrations=(*MIGRATIONS, "CREATE TABLE later (x);"))
    await newer.open()
    await newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreNewer, match=f"schema {len(MIGRATIONS) + 1} is newer than this program's {len(MIGRATIONS)}"):
        await SqliteStore(path).open()
    with pytest.raises(StoreNewer):
        open_read_only(path)
    assert path.read_bytes() == before


# reading and copying beside a gateway


async def test_reading_beside_a_gateway(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert open_read_only(path) == Snapshot(0, {}, {}, {}, {}, 0.0, clean=True, last_event=0, events_dropped=0)
    assert not path.exists()
    store = SqliteStore(path)
    await store.open()
    kept = await store.put_desired([create(1)], {"lobby": {link(1): (4,)}}, 1.0)
    snapshot = await asyncio.to_thread(open_read_only, path)
    assert snapshot.desired == {link(1): kept[0]}
    assert snapshot.allocations == {"lobby": {link(1): (4,)}}
    await store.put_desired([create(2)], {}, 1.0)
    await store.close()
    assert len(open_read_only(path).desired) == 2


async def test_an_older_file_is_read_as_it_would_be_migrated(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    from_version_1(path)
    before = path.read_bytes()
    snapshot = open_read_only(path, (*MIGRATIONS, LATER))
    assert snapshot.last_write_at == 1007.0
    assert path.read_bytes() == before


async def test_a_backup_while_writing_is_one_moment(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    writing = True

    async def write(offset: int) -> None:
        number = offset
        while writing:
            await store.put_desired([create(number), create(number + 1)], {f"panel-{number}": {link(number): (1,)}}, 1.0)
            number += 2

    writers = [asyncio.create_task(write(offset)) for offset in (0, 100_000, 200_000)]
    copies = [tmp_path / "copies" / f"{number}" / "store.db" for number in range(5)]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        await store.put_desired([create(10**9 + int(copy.parent.name))], {}, 1.0)
        await store.backup(copy)
    writing = False
    await asyncio.gather(*writers)
    await store.close()
    for number, copy in enumerate(copies):
        snapshot = await asyncio.to_thread(open_read_only, copy)
        assert link(10**9 + number) in snapshot.desired
        assert link(10**9 + number + 1) not in snapshot.desired
        numbers = {int(name[-12:]) for name in snapshot.desired if int(name[-12:]) < 10**9}
        assert all(each % 2 or each + 1 in numbers for each in numbers)
        assert {f"panel-{each}" for each in numbers if each % 2 == 0} == set(snapshot.allocations)
        assert not snapshot.clean


async def test_a_backup_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(1)], {}, 1.0)
    await store.put_observed("lobby", observed(1))
    await asyncio.to_thread(backup_file, path, tmp_path / "copy.db")
    await store.close()
    snapshot = await load(tmp_path / "copy.db")
    assert list(snapshot.desired) == [link(1)]
    assert not snapshot.clean
    beside = [".lock", ".mark", ".reserve"]
    assert names(tmp_path) == [f"{name}{ending}" for name in ("copy.db", "store.db") for ending in ("", *beside)]


async def test_a_backup_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreUnavailable, match="no store there"):
        backup_file(path, tmp_path / "copy.db")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreUnavailable, match="is the store itself"):
        await store.backup(path)
    with pytest.raises(StoreUnavailable, match="No such file"):
        await store.backup(tmp_path / "gone" / "copy.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreUnavailable):
        await store.backup(tmp_path / "folder")
    assert await store.writable()
    await store.close()
    assert names(tmp_path) == ["folder", "store.db", "store.db.lock", "store.db.mark", "store.db.reserve"]


# cost


async def test_a_list_of_one_category_asks_about_categories_and_not_about_each_event(tmp_path: Path) -> None:
    asked: list[str] = []

    def is_access(event: SiteEvent) -> bool:
        asked.append(event.category)
        return event.category == "access"

    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    labels = (("access", "medium"), ("system", "low"))
    await store.put_events([SiteEvent(1.0, "any", None, {}, *labels[number % 2]) for number in range(200)], {}, 1.0)
    assert await store.count_events(EventQuery(chosen=is_access)) == 100
    assert len(asked) < 20
    await store.close()


async def test_waiting_transactions_share_a_commit(tmp_path: Path) -> None:
    statements: list[str] = []
    store = SqliteStore(tmp_path / "store.db", prepare=lambda connection: connection.set_trace_callback(statements.append))
    await store.open()
    statements.clear()
    await asyncio.gather(*[store.put_desired([create(number)], {}, 1.0) for number in range(50)])
    assert statements.count("COMMIT") <= 3
    assert not any("used_by" in each for each in statements), "who uses it is said once"
    durable = statements.index("COMMIT")
    assert [each for each in statements[:durable] if "synchronous" in each] == ["PRAGMA synchronous = FULL"]
    await store.close()


class _Held:
    """Stops the store's thread at the first statement with a word in it, until it is let go."""

    def __init__(self, word: str) -> None:
        self.statements: list[str] = []
        self._word = word
        self._loop, self._reached, self._released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def watch(self, connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(self._seen)

    def _seen(self, statement: str) -> None:
        self.statements.append(statement)
        if self._word in statement and not self._released.is_set():
            self._loop.call_soon_threadsafe(self._reached.set)
            assert self._released.wait(60)

    async def while_held(self, *calls: Coroutine[Any, Any, object]) -> None:
        """Begins calls, one after the other, while the thread stands there; returns when all of them are over."""
        await self._reached.wait()
        begun = []
        for call in calls:
            begun.append(asyncio.create_task(call))
            await asyncio.sleep(0)
        self._released.set()
        await asyncio.gather(*begun)


def _happened(number: int) -> SiteEvent:
    return SiteEvent(float(number), "panel_back", "lobby")


async def test_a_change_waits_for_one_commit_where_it_comes_while_events_are_written(tmp_path: Path) -> None:
    held = _Held("INSERT INTO event")
    store = SqliteStore(tmp_path / "store.db", prepare=held.watch)
    await store.open()
    held.statements.clear()
    writing = asyncio.create_task(store.put_events([_happened(1)], {}, 1.0))
    await held.while_held(store.put_desired([create(1)], {}, 1.0))
    await writing
    assert held.statements.count("COMMIT") == 1
    await store.close()
    assert set((await load(tmp_path / "store.db")).desired) == {link(1)}


async def test_a_change_does_not_wait_for_the_rows_of_events_that_come_after_it(tmp_path: Path) -> None:
    held = _Held("INSERT INTO entity")
    store = SqliteStore(tmp_path / "store.db", prepare=held.watch)
    await store.open()
    held.statements.clear()
    changing = asyncio.create_task(store.put_desired([create(1)], {}, 1.0))
    await held.while_held(store.put_events([_happened(1)], {}, 1.0))
    await changing
    first = held.statements.index("COMMIT")
    assert not any("INTO event" in each for each in held.statements[:first])
    assert [event.at for event in await store.events(EventQuery())] == [1.0]
    await store.close()


async def test_a_change_that_is_refused_takes_nobody_along_who_shares_its_commit(tmp_path: Path) -> None:
    held = _Held("INSERT INTO event")
    store = SqliteStore(tmp_path / "store.db", prepare=held.watch)
    await store.open()
    writing = asyncio.create_task(store.put_events([_happened(1)], {}, 1.0))
    wrong = replace(create(1), expected_generation=7)

    async def refused() -> None:
        with pytest.raises(GenerationConflict):
            await store.put_desired([wrong], {}, 1.0)

    await held.while_held(refused(), store.put_desired([create(2)], {}, 1.0))
    assert len(await writing) == 1
    await store.close()
    assert set((await load(tmp_path / "store.db")).desired) == {link(2)}


async def test_what_was_observed_earlier_is_not_written_over_what_a_later_mark_says(tmp_path: Path) -> None:
    """The mark comes while a commit is under way, and while the older observation waits for that commit's end."""
    held = _Held("INSERT INTO event")
    store = SqliteStore(tmp_path / "store.db", prepare=held.watch)
    await store.open()
    writing = asyncio.create_task(store.put_events([_happened(1)], {}, 1.0))
    older, newer = observed(1, dirty=True), observed(2, dirty=True)
    marking = store.put_panel_fact("lobby", "wear", "1", 1.0, newer)
    await held.while_held(store.put_observed("lobby", older), marking)
    await writing
    seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert seen.observed == {"lobby": newer}
    await store.close()
