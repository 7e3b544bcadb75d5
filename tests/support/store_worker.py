"""Things done to a store that need a process of their own: `python -m tests.support.store_worker SCENARIO FOLDER [SEED]`.

Each ends with status 0 when what it checks is so. `write` goes on until it is killed and prints every answered change.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.store.contract import DesiredChange, Store, StoreError, StoreFull, StoreUnavailable
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore
from tests.support.stores import create, delete, link, observed

NOBODY = 65534


async def write(folder: Path, seed: int) -> None:
    """Four writers of link_ids of their own; a line `number generation slot` for every answer, slot -1 for a deletion."""
    store = SqliteStore(folder / "store.db")
    snapshot = await store.open()
    known = {name: (each.generation, each.profile is not None) for name, each in snapshot.desired.items()}
    print("open", flush=True)
    await asyncio.gather(*[_writer(store, random.Random(seed * 4 + lane), lane, known) for lane in range(4)])


async def _writer(store: Store, chance: random.Random, lane: int, known: dict[str, tuple[int, bool]]) -> None:
    while True:
        number = lane * 10 + chance.randrange(10)
        generation, alive = known.get(link(number), (0, False))
        slot = -1 if alive and chance.random() < 0.3 else chance.randrange(1000)
        change = delete(number, generation) if slot < 0 else create(number, generation, f"name {slot}")
        allocation = {} if slot < 0 else {link(number): (slot,)}
        (kept,) = await store.put_desired([change], {f"panel-{number}": allocation}, 1.0)
        known[link(number)] = (kept.generation, slot >= 0)
        print(number, kept.generation, slot, flush=True)
        await store.put_observed(f"panel-{lane}", observed(number))
        if slot < 0 and chance.random() < 0.3:
            await store.forget([link(number)], 1.0)
            known[link(number)] = (0, False)
            print(number, 0, -1, flush=True)


async def full(folder: Path, seed: int) -> None:
    """The folder is a file system of 1 MiB of its own."""
    store = SqliteStore(folder / "store.db")
    await store.open()
    kept = list(await store.put_desired([create(1)], {}, 1.0))
    filler = folder / "filler"
    _until_full(filler)
    for number in range(2, 400):
        try:
            kept += await store.put_desired([_large(number)], {f"panel-{number}": {link(number): (1,)}}, 1.0)
        except StoreFull:
            break
    else:
        raise AssertionError("the medium was never full")
    assert list(open_read_only(folder / "store.db").desired.values()) == kept
    await store.put_observed("lobby", observed(1))
    filler.unlink()
    kept += await store.put_desired([_large(number)], {}, 1.0)
    assert await store.writable()
    await store.close()
    snapshot = await SqliteStore(folder / "store.db").open()
    assert snapshot.desired == {each.link_id: each for each in kept}
    assert snapshot.observed == {"lobby": observed(1)}
    assert snapshot.clean


async def full_at_start(folder: Path, seed: int) -> None:
    """No room to write anything: what is there is served, and with room again it is written."""
    store = SqliteStore(folder / "store.db")
    await store.open()
    kept = list(await store.put_desired([create(1)], {}, 1.0))
    await store.close()
    filler = folder / "filler"
    _until_full(filler)
    snapshot = await store.open()
    assert snapshot.desired == {link(1): kept[0]}
    assert not snapshot.clean
    assert not await store.writable()
    filler.unlink()
    assert await store.writable()
    kept += await store.put_desired([create(2)], {}, 1.0)
    await store.close()
    assert open_read_only(folder / "store.db").desired == {each.link_id: each for each in kept}


async def small(folder: Path, seed: int) -> None:
    """The folder is a file system of 4 MiB, less than the log may take by itself: writing goes on, the store is small."""
    store = SqliteStore(folder / "store.db")
    await store.open()
    reserve = (folder / "store.db.reserve").stat().st_size
    generations = [0] * 40
    for turn in range(1200):
        number = turn % len(generations)
        change = replace(create(number, generations[number]), body=f'"{turn} {"x" * 4000}"')
        (kept,) = await store.put_desired([change], {f"panel-{number}": {link(number): (1,)}}, 1.0)
        generations[number] = kept.generation
        await store.put_observed("lobby", observed(turn))
    assert (folder / "store.db.reserve").stat().st_size == reserve, "it was lent, and is kept for deletions again"
    _until_full(folder / "filler")
    for number, generation in enumerate(generations):
        await store.put_desired([delete(number, generation)], {}, 1.0)
    assert not any(each.content for each in open_read_only(folder / "store.db").desired.values())


async def full_of_log(folder: Path, seed: int) -> None:
    """The folder is a file system of 4 MiB. What the log takes helps when others filled the rest."""
    store = SqliteStore(folder / "store.db")
    await store.open()
    generation = 0
    for turn in range(200):
        change = replace(create(1, generation), body=f'"{turn} {"x" * 4000}"')
        (kept,) = await store.put_desired([change], {}, 1.0)
        generation = kept.generation
    _until_full(folder / "filler")
    for turn in range(400):
        change = replace(create(1, generation), body=f'"{turn} {"x" * 4000}"')
        (kept,) = await store.put_desired([change], {}, 1.0)
        generation = kept.generation
    assert (folder / "store.db.reserve").exists()


def _large(number: int) -> DesiredChange:
    return replace(create(number), body=f'"{"x" * 20_000}"')


def _until_full(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


async def cannot_grow(folder: Path, seed: int) -> None:
    """The system refuses to let files grow: an I/O error for the store, without a file system of its own."""
    store = SqliteStore(folder / "store.db")
    await store.open()
    kept = list(await store.put_desired([create(1)], {}, 1.0))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (folder / "store.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_000, unlimited[1]))
    tries = [asyncio.create_task(store.put_desired([_large(number)], {}, 1.0)) for number in range(2, 12)]
    await asyncio.wait(tries)
    failed = [each.exception() for each in tries if each.exception() is not None]
    kept += [profile for each in tries if each.exception() is None for profile in each.result()]
    assert len(failed) >= 8, failed
    assert all(isinstance(error, StoreError) for error in failed), failed
    assert set(open_read_only(folder / "store.db").desired.values()) == set(kept)
    await store.put_observed("lobby", replace(observed(1), failures={"x" * 40_000: 1}))
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    kept += await store.put_desired([_large(99)], {}, 1.0)
    await store.close()
    snapshot = await SqliteStore(folder / "store.db").open()
    assert snapshot.desired == {each.link_id: each for each in kept}
    assert "lobby" in snapshot.observed


async def not_ours(folder: Path, seed: int) -> None:
    """Somebody who may read the file and not write: what is there is served, and nothing is taken."""
    path = folder / "store.db"
    store = SqliteStore(path)
    await store.open()
    kept = await store.put_desired([create(1)], {}, 1.0)
    await store.close()
    _become_reader(folder)
    snapshot = await store.open()
    assert snapshot.desired == {link(1): kept[0]}
    assert not snapshot.clean
    assert not await store.writable()
    for change in (create(2), delete(1, kept[0].generation)):
        try:
            await store.put_desired([change], {}, 1.0)
            raise AssertionError("written")
        except StoreUnavailable:
            pass
    await store.close()
    assert open_read_only(path).desired == {link(1): kept[0]}


def _become_reader(folder: Path) -> None:
    (folder / "store.db").chmod(0o444)
    (folder / "store.db.lock").chmod(0o666)
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.setuid(NOBODY)


SCENARIOS: dict[str, Callable[[Path, int], Coroutine[Any, Any, None]]] = {
    "write": write,
    "full": full,
    "full_at_start": full_at_start,
    "small": small,
    "full_of_log": full_of_log,
    "cannot_grow": cannot_grow,
    "not_ours": not_ours,
}

if __name__ == "__main__":
    asyncio.run(SCENARIOS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
