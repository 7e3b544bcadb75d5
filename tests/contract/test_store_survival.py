"""What an operator would lose by a store that is damaged in a corner, closed in haste, or restored from a backup."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.store.backups import restore_file
from gateway.store.contract import ObservedPanel, OneOf, StoreDamaged, StoreError, StoreInUse, StoreUnavailable, images
from gateway.store.events import SiteEvent
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore
from tests.contract.test_store_sqlite import Flushes, load, names
from tests.support.stores import create, link, observed
from tests.support.virtual_time import run_virtual


async def filled(path: Path, *, profiles: int = 200) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    await store.put_desired([create(number) for number in range(profiles)], {}, 1.0)
    return store


def root_page(path: Path, kind: str) -> int:
    """The first page of the store's table of profiles, or of its index."""
    with closing(sqlite3.connect(path)) as other:
        where = "tbl_name = 'entity' AND type = ?"
        page = other.execute(f"SELECT rootpage FROM sqlite_schema WHERE {where}", (kind,)).fetchone()[0]
    return int(page)


def spoil(path: Path, page: int) -> None:
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)


async def test_damage_in_a_corner_that_nobody_reads_yet_is_found_before_anything_is_written_on_top_of_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()
    spoil(path, root_page(path, "index"))
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="restore a backup"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


async def test_who_looks_into_a_damaged_store_is_told_to_restore_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()
    spoil(path, root_page(path, "table"))
    with pytest.raises(StoreDamaged, match="restore a backup"):
        open_read_only(path)


async def test_a_folder_in_the_place_of_the_store_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.mkdir()
    with pytest.raises(StoreUnavailable, match=r"store\.db"):
        await SqliteStore(path).open()
    with pytest.raises(StoreUnavailable, match=r"store\.db"):
        open_read_only(path)


@pytest.mark.parametrize("kind", ["fifo", "device", "link to nowhere", "link to itself"])
async def test_what_stands_in_the_place_of_the_store_and_is_no_file_is_told_at_once(tmp_path: Path, kind: str) -> None:
    """A pipe would keep the gateway waiting, a link to nowhere would pass for a first start."""
    path = tmp_path / "store.db"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "link to nowhere": f"{path}.gone"}.get(kind, str(path)))
    with pytest.raises(StoreDamaged, match="restore a backup"):
        await SqliteStore(path).open()
    with pytest.raises(StoreDamaged, match="restore a backup"):
        open_read_only(path)
    assert names(tmp_path) == ["store.db", "store.db.lock"]


async def test_a_mark_that_is_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path, profiles=3)).close()
    (tmp_path / "store.db.mark").unlink()
    os.mkfifo(tmp_path / "store.db.mark")
    assert open_read_only(path).doubt == "its mark cannot be read"


async def test_nothing_is_restored_over_a_link_to_the_store_of_a_running_gateway(tmp_path: Path) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    store = await filled(path, profiles=3)
    await store.backup(backup)
    (tmp_path / "link.db").symlink_to(path)
    with pytest.raises(StoreInUse):
        restore_file(backup, tmp_path / "link.db")
    await store.close()
    restore_file(backup, tmp_path / "link.db")
    assert len(open_read_only(path).desired) == 3


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("CREATE TRIGGER wipe AFTER UPDATE ON state BEGIN DELETE FROM entity; END", "somebody added"),
        ("CREATE VIEW v AS SELECT 1", "somebody added"),
        ("UPDATE entity SET content = '{'", "is not readable"),
        ("DELETE FROM journal", "not readable"),
    ],
)
async def test_a_backup_that_a_gateway_could_not_open_is_not_put_in_the_place_of_a_store_that_it_can(
    tmp_path: Path, harm: str, why: str
) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    store = await filled(path, profiles=3)
    await store.backup(backup)
    await store.close()
    with closing(sqlite3.connect(backup)) as other, other:
        other.execute(harm)
    with pytest.raises(StoreDamaged, match=why):
        restore_file(backup, path)
    assert len(open_read_only(path).desired) == 3


async def test_a_backup_is_one_file_that_can_be_read_from_a_medium_that_takes_no_writing(tmp_path: Path) -> None:
    store = await filled(tmp_path / "store.db", profiles=3)
    (tmp_path / "stick").mkdir()
    copy = tmp_path / "stick" / "copy.db"
    await store.backup(copy)
    await store.close()
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert other.execute("SELECT count(*) FROM entity").fetchone() == (3,)
        assert names(tmp_path / "stick") == ["copy.db"], "nothing is needed beside it"


async def test_the_very_first_panel_is_marked_before_it_is_written(tmp_path: Path) -> None:
    """A kill right after the call would else leave a panel half written that looks untouched."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.put_observed("lobby", observed(1, dirty=True))
    seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert seen.observed == {"lobby": observed(1, dirty=True)}
    await store.close()


async def test_a_panel_that_is_marked_already_costs_no_other_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel is written in many transactions; the appliance's storage wears out by each commit."""
    monkeypatch.setattr("gateway.store.sqlite_store.OBSERVED_DELAY_S", 3600)  # what waits that long is no commit of this
    commits: list[str] = []

    def watch(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)

    store = SqliteStore(tmp_path / "store.db", prepare=watch)
    await store.open()
    await store.put_observed("lobby", observed(1, dirty=True))
    before = len(commits)
    for _ in range(20):
        await store.put_observed("lobby", observed(1, dirty=True))
    assert len(commits) == before
    await store.put_observed("lobby", observed(2, dirty=True))
    assert len(commits) == before + 1
    await store.close()


async def test_a_panel_that_is_marked_along_with_what_its_write_costs_takes_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an older observation waits: it is never written over the mark."""
    monkeypatch.setattr("gateway.store.sqlite_store.OBSERVED_DELAY_S", 3600)  # what waits that long is no commit of this
    commits: list[str] = []

    def watch(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)

    store = SqliteStore(tmp_path / "store.db", prepare=watch)
    await store.open()
    for number in range(3):
        await store.put_observed("lobby", observed(number))
        before, mark = len(commits), observed(number, dirty=True)
        await store.put_panel_fact("lobby", "wear", str(number), 1.0, mark)
        await store.put_observed("lobby", mark)
        assert len(commits) == before + 1
        seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
        assert (seen.observed, seen.panel_facts) == ({"lobby": mark}, {"lobby": {"wear": str(number)}})
    await store.close()


async def test_a_mark_that_was_not_kept_with_a_fact_is_kept_before_the_panel_is_written(tmp_path: Path) -> None:
    refuses = False

    def refuse(action: int, table: str | None, *_: str | None) -> int:
        return sqlite3.SQLITE_DENY if refuses and table == "panel_fact" else sqlite3.SQLITE_OK

    store = SqliteStore(tmp_path / "store.db", prepare=lambda connection: connection.set_authorizer(refuse))
    await store.open()
    refuses = True
    with pytest.raises(StoreError):
        await store.put_panel_fact("lobby", "wear", "1", 1.0, observed(1, dirty=True))
    await store.put_observed("lobby", observed(1, dirty=True))
    seen = await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert (seen.observed, seen.panel_facts) == ({"lobby": observed(1, dirty=True)}, {})
    refuses = False
    await store.close()


class Commits:
    """The `synchronous` of every commit, in order; `refuse` as a medium that turns read-only."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._mode = ""
        self._refuses = False
        self._connections: list[sqlite3.Connection] = []

    def watch(self, connection: sqlite3.Connection) -> None:
        self._connections.append(connection)
        connection.set_trace_callback(self._trace)
        connection.execute(f"PRAGMA query_only = {self._refuses:d}")

    def refuse(self, *, every_write: bool) -> None:
        self._refuses = every_write
        if every_write:
            self._connections[-1].execute("PRAGMA query_only = 1")

    def _trace(self, statement: str) -> None:
        if statement.startswith("PRAGMA synchronous"):
            self._mode = statement.split()[-1]
        elif statement == "COMMIT":
            self.seen.append(self._mode)


def committed(path: Path, work: Callable[[SqliteStore, Commits], Coroutine[None, None, None]]) -> list[str]:
    """How what is done to an open store, and what is left to do two seconds later, was committed."""

    async def run() -> list[str]:
        commits = Commits()
        store = SqliteStore(path, prepare=commits.watch)
        await store.open()
        commits.seen.clear()
        await work(store, commits)
        await asyncio.sleep(2)
        assert await store.writable()
        seen = commits.seen[:-1]
        await store.close()
        return seen

    return run_virtual(run())


def test_who_waits_for_a_first_write_waits_for_no_disk_and_a_power_cut_a_second_later_loses_nothing(tmp_path: Path) -> None:
    async def work(store: SqliteStore, commits: Commits) -> None:
        await store.put_panel_fact("lobby", "wear", "1", 1.0, observed(1, dirty=True), durable=False)
        assert commits.seen == ["NORMAL"]
        assert open_read_only(tmp_path / "store.db").panel_facts == {"lobby": {"wear": "1"}}, "a kill loses nothing"

    assert committed(tmp_path / "store.db", work) == ["NORMAL", "FULL"]


async def test_what_waits_for_no_disk_is_as_durable_as_what_is_committed_with_it_or_after_it(tmp_path: Path) -> None:
    commits = Commits()
    store = SqliteStore(tmp_path / "store.db", prepare=commits.watch)
    await store.open()
    commits.seen.clear()
    first = asyncio.create_task(store.put_panel_fact("lobby", "wear", "1", 1.0, durable=False))
    await asyncio.sleep(0)
    others = [store.put_panel_fact("gate", "wear", "1", 1.0, durable=False), store.put_fact("zone", "UTC", 1.0)]
    await asyncio.gather(first, *others)
    assert commits.seen == ["NORMAL", "FULL"]
    await store.put_observed("lobby", observed(1))
    async with asyncio.timeout(30):
        while len(commits.seen) < 3:
            await asyncio.to_thread(open_read_only, tmp_path / "store.db")
    assert commits.seen == ["NORMAL", "FULL", "NORMAL"], "what was observed alone is still nobody's hurry"
    await store.close()


def test_what_waits_for_no_disk_is_durable_soon_though_changes_after_it_were_refused(tmp_path: Path) -> None:
    async def work(store: SqliteStore, commits: Commits) -> None:
        await store.put_panel_fact("lobby", "wear", "1", 1.0, durable=False)
        commits.refuse(every_write=True)
        with pytest.raises(StoreUnavailable):
            await store.put_fact("zone", "UTC", 1.0)
        await asyncio.sleep(2)
        assert not await store.writable()
        commits.refuse(every_write=False)

    assert committed(tmp_path / "store.db", work) == ["NORMAL", "FULL"]


def test_what_waits_for_no_disk_is_durable_soon_though_what_came_with_it_cannot_be_kept(tmp_path: Path) -> None:
    async def work(store: SqliteStore, commits: Commits) -> None:
        facts = [store.put_panel_fact("lobby", key, "1", 1.0, durable=False) for key in ("days", "wear", "\ud800")]
        first, kept, refused = await asyncio.gather(*facts, return_exceptions=True)
        assert (first, kept, type(refused)) == (None, None, UnicodeEncodeError)

    *earlier, last = committed(tmp_path / "store.db", work)
    assert (set(earlier), last) == ({"NORMAL"}, "FULL")


def test_who_was_answered_loses_nothing_by_a_power_cut_whatever_was_asked_nor_the_time_of_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def work(store: SqliteStore, commits: Commits) -> None:
        (item,) = await store.put_desired([create(1)], {}, 1.0)
        calls: list[Callable[[float], Coroutine[None, None, object]]] = [
            lambda at: store.put_desired([create(2)], {}, at),
            lambda at: store.put_allocation("lobby", {}, at),
            lambda at: store.put_binding(link(1), ("lobby",), at),
            lambda at: store.put_binding(link(1), None, at),
            lambda at: store.put_anew([item], at),
            lambda at: store.forget([link(1)], at),
            lambda at: store.put_fact("zone", "UTC", at),
            lambda at: store.put_fact("zone", None, at),
            lambda at: store.put_panel_fact("lobby", "wear", "1", at),
            lambda at: store.put_panel_fact("lobby", "wear", None, at),
            lambda at: store.put_events([SiteEvent(1.0, "any")], {}, at),
            lambda at: store.drop_events(9000, 0, at),
        ]
        for number, call in enumerate(calls):
            seen = len(commits.seen)
            await call(10.0 + number)
            assert (commits.seen[seen:], open_read_only(path).last_write_at) == (["FULL"], 10.0 + number), number

    assert set(committed(path, work)) == {"FULL"}


def may_hold(*numbers: int, model: str = "") -> ObservedPanel:
    found = tuple(image for number in numbers for image in images(observed(number).known))
    return replace(observed(1), known=OneOf(found), model=model)


@pytest.mark.parametrize("after", [may_hold(2, 3), may_hold(3, 2), may_hold(1, 2, model="another"), may_hold(1, 2, 3)])
async def test_a_panel_is_marked_anew_before_it_may_hold_what_its_mark_does_not_say(tmp_path: Path, after: ObservedPanel) -> None:
    """A kill would else leave it with what nobody looks for."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    for each in (may_hold(1, 2), after):
        await store.put_observed("lobby", each)
        assert open_read_only(tmp_path / "store.db").observed == {"lobby": each}
    await store.close()


def test_a_store_that_is_opened_again_is_kept_as_well_as_the_first_time(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def run(store: SqliteStore, number: int) -> None:
        await store.open()
        mark = path.with_name("store.db.mark").read_text()
        await store.put_observed("gate", observed(7, dirty=True))
        assert open_read_only(path).observed["gate"] == observed(7, dirty=True), "it is marked before it is written"
        await store.put_fact("zone", str(number), 1.0)
        await store.put_observed("lobby", observed(number))
        await asyncio.sleep(2)
        assert await store.writable()
        assert open_read_only(path).observed["lobby"] == observed(number)
        assert path.with_name("store.db.mark").read_text() != mark
        await store.put_fact("zone", "UTC", 1.0)
        await store.put_observed("gate", observed(7))
        await store.close()

    async def twice() -> None:
        store = SqliteStore(path)
        await run(store, 1)
        await run(store, 2)

    run_virtual(twice())


async def test_a_stop_while_observations_are_being_written_loses_none(tmp_path: Path) -> None:
    flushes = Flushes()
    store = SqliteStore(tmp_path / "store.db", prepare=flushes.watch)
    await store.open()
    await store.put_observed("lobby", observed(1))
    await flushes.next()
    await store.put_observed("gate", observed(2))
    await store.close()
    snapshot = await load(tmp_path / "store.db")
    assert snapshot.observed == {"lobby": observed(1), "gate": observed(2)}
    assert snapshot.clean


async def error_of(path: Path) -> StoreError | None:
    """What is told about a store when it is opened."""
    store = SqliteStore(path)
    try:
        await store.open()
    except StoreError as error:
        return error
    await store.close()
    return None


@pytest.mark.parametrize("seed", range(25))
async def test_a_damaged_store_is_a_store_error_or_none_at_all(tmp_path: Path, seed: int) -> None:
    """Any other error would be a traceback for the operator."""
    path, chance = tmp_path / "store.db", random.Random(seed)
    store = await filled(path, profiles=20)
    await store.put_observed("lobby", observed(1))
    await store.put_binding("x", ("lobby",), 1.0)
    await store.close()
    whole = path.read_bytes()
    for _ in range(8):
        spoilt = bytearray(whole)
        length = chance.choice((1, 4, 64, 4096))
        at = chance.choice((chance.randrange(100), chance.randrange(len(whole))))
        spoilt[at : at + length] = chance.randbytes(length)
        path.write_bytes(spoilt[: len(whole)])
        for name in ("store.db-wal", "store.db-shm", "store.db.mark"):
            (tmp_path / name).unlink(missing_ok=True)
        told = await error_of(path)
        assert told is None or len(str(told).splitlines()) == 1


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE entity SET body = x'ff'",
        "UPDATE entity SET content = CAST(x'ff' AS TEXT)",
        "UPDATE entity SET content = '{'",
        "UPDATE allocation SET slots = '[]'",
        "UPDATE allocation SET slots = x'00'",
        "UPDATE binding SET panels = '{}'",
        "UPDATE binding SET panels = CAST(x'ff' AS TEXT)",
        "UPDATE entity SET kind = 'cats'",
        "UPDATE entity SET generation = 'x'",
        "UPDATE entity SET sequence = 1.5",
        "UPDATE state SET revision = 'x'",
        "UPDATE state SET writes = 'x'",
        "UPDATE state SET last_write_at = 'soon'",
        "UPDATE journal SET last_id = 'x'",
        "UPDATE journal SET kept = 'x'",
        "UPDATE journal SET dropped = 'x'",
        "DELETE FROM journal",
        "INSERT INTO fact VALUES ('zone', x'ff')",
        "INSERT INTO panel_fact VALUES ('lobby', 'serial', x'00')",
        "DELETE FROM state",
        "DROP TABLE entity",
        "DROP TABLE panel_fact",
        "ALTER TABLE state DROP COLUMN identity",
        "PRAGMA user_version = 1",
    ],
)
async def test_a_store_with_other_content_than_a_gateway_writes_is_damaged(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "store.db"
    store = await filled(path, profiles=3)
    await store.put_allocation("lobby", {"x": (1,)}, 1.0)
    await store.put_binding("x", ("lobby",), 1.0)
    await store.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(harm)
    with pytest.raises(StoreDamaged, match="restore a backup"):
        await SqliteStore(path).open()
    with pytest.raises(StoreDamaged, match="restore a backup"):
        open_read_only(path)
