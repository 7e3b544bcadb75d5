"""A store that is opened and closed: nothing that was answered is lost, nothing is taken afterwards, nothing stays behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.store.backups import backup_file
from gateway.store.contract import StoreDamaged, StoreUnavailable
from gateway.store.events import SiteEvent
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore
from tests.support.stores import create, link, observed
from tests.support.virtual_time import run_virtual


async def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def test_two_who_close_a_store_at_once_close_it_once_and_leave_no_file_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    store = await opened(tmp_path / "store.db")
    await asyncio.gather(store.close(), store.close())
    await store.close()
    assert not caplog.records, "nor is it told that something was not kept"
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_no_store_is_not_held_open_after_a_look(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"something else")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreDamaged, match="file is not a database") as caught:
        open_read_only(path)
    assert len(os.listdir("/proc/self/fd")) == before, caught.value


async def test_what_waits_when_a_store_is_closed_is_kept(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    writes = [asyncio.create_task(store.put_fact(f"fact {number}", "x", 1.0)) for number in range(5)]
    await asyncio.sleep(0)
    await store.put_observed("lobby", observed())
    await store.close()
    await asyncio.gather(*writes)
    again = SqliteStore(tmp_path / "store.db")
    snapshot = await again.open()
    await again.close()
    assert len([fact for fact in snapshot.facts if fact.startswith("fact ")]) == 5
    assert list(snapshot.observed) == ["lobby"]


async def test_a_system_that_does_not_say_when_it_started_has_a_store_that_takes_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.sqlite_schema.BOOT_ID", tmp_path / "none")
    store = await opened(tmp_path / "store.db")
    await store.put_fact("a", "b", 1.0)
    await store.close()


async def test_the_mark_is_written_once_a_second_however_much_is_kept(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    loop, written = asyncio.get_running_loop(), set[int]()
    began = loop.time()
    for number in range(20):
        await store.put_fact("a", str(number), 1.0)
        written.add((tmp_path / "store.db.mark").stat().st_mtime_ns)
    assert len(written) <= 3 + loop.time() - began
    await store.close()


def test_what_panels_tell_together_wears_the_medium_once(tmp_path: Path) -> None:
    statements: list[str] = []

    async def site() -> None:
        store = SqliteStore(tmp_path / "store.db", prepare=lambda connection: connection.set_trace_callback(statements.append))
        await store.open()
        for number in range(10):
            await store.put_observed(f"panel-{number}", observed(number))
        await asyncio.sleep(2)
        await store.put_observed("lobby", observed(1))
        await store.put_observed("lobby", observed(2, dirty=True))
        await asyncio.sleep(2)
        await store.close()

    run_virtual(site())
    assert statements.count("PRAGMA synchronous = NORMAL") == 2


async def test_what_comes_while_a_store_is_being_closed_is_refused(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    first = asyncio.create_task(store.put_fact("first", "x", 1.0))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await store.put_fact("late", "x", 1.0)
    await asyncio.gather(first, closing)
    facts = (await store.open()).facts
    assert ("first" in facts, "late" in facts) == (True, False)
    await store.close()


async def test_nothing_is_asked_of_a_store_that_is_closed_or_not_open_yet(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.put_fact("a", "b", 1.0)
        await store.open()
        await store.close()


async def test_a_store_is_opened_once(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    with pytest.raises(StoreUnavailable, match="open already"):
        await store.open()
    await store.put_fact("a", "b", 1.0)
    await store.close()
    assert (await store.open()).facts["a"] == "b", "and again after it was closed"
    await store.close()


async def test_what_is_kept_with_a_change_has_its_time_and_is_gone_when_it_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await opened(path)
    await store.put_desired([create(1)], {"lobby": {link(1): (0,)}}, 10.0)
    await store.put_binding(link(1), ("lobby",), 11.0)
    await store.put_fact("a", "b", 12.0)
    await store.put_panel_fact("lobby", "serial", "A", 13.0)
    await store.close()
    snapshot = await store.open()
    assert (snapshot.last_write_at, snapshot.facts["a"], snapshot.panel_facts["lobby"]) == (13.0, "b", {"serial": "A"})
    assert snapshot.bindings == {link(1): ("lobby",)}
    assert snapshot.allocations == {"lobby": {link(1): (0,)}}
    await store.put_binding(link(1), None, 14.0)
    await store.put_fact("a", None, 15.0)
    await store.put_panel_fact("lobby", "serial", None, 16.0)
    await store.put_allocation("lobby", {}, 17.0)
    await store.close()
    snapshot = await store.open()
    await store.close()
    assert (snapshot.last_write_at, snapshot.bindings, dict(snapshot.panel_facts)) == (17.0, {}, {})
    assert "a" not in snapshot.facts
    assert snapshot.allocations.get("lobby", {}) == {}


async def test_fewer_backups_are_kept_once_fewer_are_asked_for(tmp_path: Path) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    store = await opened(path)
    await store.close()
    before = len(os.listdir("/proc/self/fd"))
    for keep in (3, 3, 3, 2):
        backup_file(path, copy, keep=keep)
    assert len(os.listdir("/proc/self/fd")) == before, "and no file stays open"
    assert sorted(name for name in os.listdir(tmp_path) if name.startswith("copy.db")) == ["copy.db", "copy.db.1"]


async def test_nobody_but_the_gateway_and_its_group_reads_what_lies_beside_a_store(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        store = await opened(tmp_path / "store.db")
        await store.put_fact("a", "b", 1.0)
        await store.close()
    finally:
        os.umask(umask)
    assert (tmp_path / "store.db.lock").stat().st_mode & 0o777 == 0o640


async def test_what_shares_a_commit_with_something_that_may_be_lost_is_lost_by_no_power_cut(tmp_path: Path) -> None:
    statements: list[str] = []
    store = SqliteStore(tmp_path / "store.db", prepare=lambda connection: connection.set_trace_callback(statements.append))
    await store.open()
    await asyncio.gather(
        store.put_panel_fact("lobby", "a", "x", 1.0, durable=False),  # under way: the next two are one commit
        store.put_events([SiteEvent(100.5, "panel_away", "gate", {}, "system", "high")], {}, 1.0),
        store.put_panel_fact("lobby", "b", "x", 1.0, durable=False),
    )
    waits = [statement.split()[-1] for statement in statements if statement.startswith("PRAGMA synchronous =")]
    assert waits[-2:] == ["NORMAL", "FULL"]
    await store.close()
