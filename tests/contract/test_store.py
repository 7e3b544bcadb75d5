"""What every implementation of gateway.store.contract.Store keeps to. A further one is added to MAKERS and passes the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.contract import DOOR, IDENTIFIER, TIME_PROFILE, PanelImage, item_key
from gateway.identifiers.directory import Apartment, Forward
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.identifiers.own_ids import new_own_id
from gateway.store.contract import (
    APARTMENT,
    FORWARD,
    Certain,
    Content,
    DesiredChange,
    DesiredItem,
    GenerationConflict,
    Known,
    OneOf,
    Snapshot,
    Store,
    StoreUnavailable,
    Unknown,
    images,
    kind_of,
    to_be_read,
)
from gateway.store.sqlite_store import SqliteStore
from tests.support.memory_store import MemoryStore
from tests.support.stores import create, delete, link, observed, profile

Maker = Callable[[Path], Store]
"""A store on the medium in a folder: made twice with the same folder, the second finds what the first kept."""

MEDIA: dict[Path, MemoryStore] = {}
MAKERS: dict[str, Maker] = {
    "sqlite": lambda folder: SqliteStore(folder / "store.db"),
    "memory": lambda folder: MEDIA.setdefault(folder, MemoryStore()),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    maker = MAKERS[request.param]
    return lambda: maker(tmp_path)


@pytest.fixture
async def store(make: Callable[[], Store]) -> AsyncIterator[Store]:
    store = make()
    await store.open()
    yield store
    await store.close()


@asynccontextmanager
async def reopened(make: Callable[[], Store]) -> AsyncIterator[Snapshot]:
    store = make()
    yield await store.open()
    await store.close()


async def kept_by(store: Store) -> tuple[DesiredItem, ...]:
    """What is on the medium, in the order of creation; the store is opened anew for it."""
    await store.close()
    return tuple((await store.open()).desired.values())


async def put(store: Store, number: int, expected: int = 0) -> DesiredItem:
    (kept,) = await store.put_desired([create(number, expected)], {}, 10.0)
    return kept


async def test_a_new_store_is_empty(make: Callable[[], Store]) -> None:
    async with reopened(make) as snapshot:
        assert snapshot == Snapshot(0, {}, {}, {}, {}, 0.0, clean=True, last_event=0, events_dropped=0)


async def test_all_that_was_put_is_there_after_a_restart(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    allocation = {link(1): (0, 3), link(2): (1,)}
    kept = await store.put_desired([create(1), create(2)], {"lobby": allocation, "gate": {}}, 10.5)
    await store.put_binding(link(1), ("gate:3", "@doors"), 11.0)
    await store.put_observed("lobby", observed(1, 2))
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.desired == {link(1): kept[0], link(2): kept[1]}
        assert snapshot.allocations["lobby"] == allocation
        assert not snapshot.allocations.get("gate")
        assert snapshot.bindings == {link(1): ("gate:3", "@doors")}
        assert snapshot.observed == {"lobby": observed(1, 2)}
        assert (snapshot.revision, snapshot.last_write_at, snapshot.clean) == (2, 11.0, True)


async def test_each_kind_of_item_has_names_and_numbers_of_its_own(make: Callable[[], Store]) -> None:
    """A person's card may have the link_id of a time profile."""
    card = Identifier(link(1), "card", Number("card", "4711"), "first", profiles=(link(1),))
    contents: dict[str, Content] = {
        IDENTIFIER: card,
        APARTMENT: Apartment(link(1), (1, 2, 3, 4)),
        FORWARD: Forward(link(1), "12"),
    }
    store = make()
    await store.open()
    await put(store, 1)
    changes = [DesiredChange(link(1), 0, content, "{}", kind_of(content)) for content in contents.values()]
    await store.put_desired(changes, {"lobby": {link(1): (0,), changes[0].key: (0, 1)}}, 1.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert {item.kind: item.content for item in snapshot.desired.values()} == {
            TIME_PROFILE: profile(link(1)),
            **contents,
        }
        assert {item.uid for item in snapshot.desired.values()} == {1}
        item = snapshot.desired[changes[0].key]
        assert (item.identifier, item.profile) == (card, None)
        assert snapshot.desired[link(1)].identifier is None
        assert snapshot.allocations["lobby"] == {link(1): (0,), changes[0].key: (0, 1)}


@pytest.mark.parametrize(
    ("known", "count", "read"),
    [
        (Unknown(), 0, True),
        (Certain(PanelImage()), 1, False),
        (OneOf((PanelImage(),)), 1, False),
        (OneOf((PanelImage(),), others=True), 1, True),
        (OneOf((PanelImage(), PanelImage())), 2, True),
        (OneOf(()), 0, True),
    ],
)
def test_a_panel_that_may_hold_something_else_than_remembered_is_read_whole(known: Known, count: int, read: bool) -> None:
    assert images(known) == (PanelImage(),) * count
    assert to_be_read(known) is read


async def test_any_text_comes_back_as_it_was(make: Callable[[], Store]) -> None:
    name = "Під'їзд \u0000 \U0001f511"
    store = make()
    await store.open()
    kept = await store.put_desired([create(1, 0, name)], {}, 1.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.desired[link(1)] == kept[0]
        assert snapshot.desired[link(1)].profile == profile(link(1), name)


async def test_put_desired_answers_in_the_order_of_changes(store: Store) -> None:
    kept = await store.put_desired([create(3), create(1), create(2)], {}, 1.0)
    assert [each.link_id for each in kept] == [link(3), link(1), link(2)]
    assert [each.sequence for each in kept] == sorted(each.sequence for each in kept)
    assert [each.uid for each in kept] == [1, 2, 3]
    assert all(each.body == '{"name":"Work week"}' and each.changed_at == 1.0 for each in kept)


async def test_a_change_keeps_the_sequence_and_raises_the_generation(store: Store) -> None:
    first = await put(store, 1)
    await put(store, 2)
    second = await put(store, 1, first.generation)
    assert (second.sequence, second.uid) == (first.sequence, first.uid)
    assert second.generation > first.generation
    assert second.revision > first.revision


async def test_a_deletion_leaves_a_tombstone(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    first = await put(store, 1)
    (gone,) = await store.put_desired([delete(1, first.generation)], {}, 12.0)
    await store.close()
    assert (gone.profile, gone.sequence, gone.changed_at) == (None, first.sequence, 12.0)
    assert gone.generation > first.generation
    async with reopened(make) as snapshot:
        assert snapshot.desired == {link(1): gone}


async def test_created_again_after_a_deletion_it_is_a_new_one(store: Store) -> None:
    first, other = await put(store, 1), await put(store, 2)
    (gone,) = await store.put_desired([delete(1, first.generation)], {}, 12.0)
    again = await put(store, 1, gone.generation)
    assert again.sequence > other.sequence
    assert again.generation > gone.generation


async def test_generations_are_never_used_twice_over_forgetting_and_a_restart(make: Callable[[], Store]) -> None:
    seen = set()
    for _ in range(3):
        store = make()
        await store.open()
        first = await put(store, 1)
        (gone,) = await store.put_desired([delete(1, first.generation)], {}, 1.0)
        await store.forget([link(1)], 2.0)
        await store.close()
        seen |= {first.generation, gone.generation}
    assert len(seen) == 6
    async with reopened(make) as snapshot:
        assert snapshot.desired == {}


async def test_a_uid_belongs_to_one_link_id_for_ever(make: Callable[[], Store]) -> None:
    for turn in range(3):
        store = make()
        await store.open()
        first, other = await store.put_desired([create(1), create(100 + turn)], {}, 1.0)
        gone = await store.put_desired([delete(1, first.generation), delete(100 + turn, other.generation)], {}, 1.0)
        assert [each.uid for each in gone] == [first.uid, other.uid]
        assert (first.uid, other.uid) == (1, 2 + turn)
        if turn == 1:
            again = await put(store, 1, gone[0].generation)
            (gone_again,) = await store.put_desired([delete(1, again.generation)], {}, 1.0)
            assert again.uid == gone_again.uid == 1
        await store.forget([link(1), link(100 + turn)], 2.0)
        await store.close()


async def test_what_has_no_link_id_comes_back_under_the_id_of_its_own(make: Callable[[], Store]) -> None:
    store, own = make(), new_own_id()
    await store.open()
    named, made = await store.put_desired([create(1), replace(create(2), link_id=own)], {}, 1.0)
    (gone,) = await store.put_desired([replace(delete(2, made.generation), link_id=own)], {}, 1.0)
    assert (named.uid, made.uid, gone.uid, gone.link_id) == (1, 2, 2, own)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.desired == {named.key: named, own: gone}
    store = make()
    await store.open()
    await store.forget([own], 2.0)
    (later,) = await store.put_desired([create(3)], {}, 3.0)
    assert later.uid == 3, "its number is given to nobody else"
    assert [item.key for item in await kept_by(store)] == [named.key, later.key]
    await store.close()


def test_what_is_not_stored_yet_is_shown_under_nobodys_number() -> None:
    assert DesiredItem(link(1), 1, 1, 1, profile(link(1)), "{}", 1.0).uid == 0


async def test_what_is_desired_again_is_not_forgotten(store: Store) -> None:
    kept = await put(store, 1)
    await store.forget([link(1), link(2)], 2.0)
    assert await kept_by(store) == (kept,)


@pytest.mark.parametrize("expected", [0, 1, 99])
async def test_another_generation_is_a_conflict_and_nothing_is_kept(make: Callable[[], Store], expected: int) -> None:
    store = make()
    await store.open()
    await put(store, 1)
    newest = await put(store, 1, 1)
    with pytest.raises(GenerationConflict):
        await store.put_desired([create(2), create(1, expected)], {"lobby": {link(2): (0,)}}, 77.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.desired == {link(1): newest}
        assert not snapshot.allocations.get("lobby")
        assert snapshot.last_write_at == 10.0


async def test_a_conflict_in_one_commit_with_others_takes_nobodys_number(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    first = await put(store, 1)
    await store.put_desired([delete(1, first.generation)], {}, 1.0)
    await store.forget([link(1)], 1.0)
    _, conflict, other = await asyncio.gather(
        store.put_fact("first", "x", 1.0),
        store.put_desired([create(1), create(2, 99)], {}, 1.0),
        store.put_desired([create(3)], {}, 1.0),
        return_exceptions=True,
    )
    assert isinstance(conflict, GenerationConflict)
    assert not isinstance(other, BaseException)
    again = await put(store, 1)
    assert (again.uid, other[0].uid) == (first.uid, first.uid + 1)
    await store.close()


async def test_a_tombstone_has_a_generation_to_be_met(store: Store) -> None:
    first = await put(store, 1)
    await store.put_desired([delete(1, first.generation)], {}, 1.0)
    with pytest.raises(GenerationConflict):
        await put(store, 1)


async def test_of_concurrent_writers_one_wins(store: Store) -> None:
    first = await put(store, 1)
    tries = [asyncio.create_task(put(store, 1, first.generation)) for _ in range(20)]
    await asyncio.wait(tries)
    won = [each.result() for each in tries if each.exception() is None]
    assert len(won) == 1
    assert all(isinstance(each.exception(), GenerationConflict) for each in tries if each.exception() is not None)
    assert await kept_by(store) == (won[0],)


async def test_concurrent_transactions_are_each_all_or_nothing(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    await put(store, 0)

    async def pair(number: int) -> bool:
        second = create(0, 99) if number % 3 == 0 else create(1000 + number)
        try:
            await store.put_desired([create(number), second], {f"panel-{number}": {link(number): (number,)}}, 1.0)
        except GenerationConflict:
            return False
        return True

    kept = await asyncio.gather(*[pair(number) for number in range(1, 60)])
    await store.close()
    async with reopened(make) as snapshot:
        for number, is_kept in enumerate(kept, 1):
            assert (link(number) in snapshot.desired) is is_kept
            assert (link(1000 + number) in snapshot.desired) is is_kept
            assert (f"panel-{number}" in snapshot.allocations) is is_kept
        revisions = [each.revision for each in snapshot.desired.values()]
        assert len(set(revisions)) == len(revisions)
        assert snapshot.revision == max(revisions)


async def test_an_allocation_replaces_the_panels_whole(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    await store.put_allocation("lobby", {link(1): (0,), link(2): (1,)}, 1.0)
    await store.put_allocation("gate", {link(1): (5,)}, 2.0)
    await store.put_allocation("gate:3", {link(1): (), item_key(DOOR, "front"): ()}, 3.0)
    await store.put_allocation("gate:4", {item_key(DOOR, "front"): ()}, 3.0)
    await store.put_allocation("gate:4", {}, 3.0)
    await store.put_allocation("lobby", {link(2): (0, 1)}, 3.0)
    await store.close()
    async with reopened(make) as snapshot:
        kept = {name: held for name, held in snapshot.allocations.items() if held}
        assert kept == {"lobby": {link(2): (0, 1)}, "gate": {link(1): (5,)}, "gate:3": {link(1): (), "door:front": ()}}
        assert snapshot.last_write_at == 3.0


async def test_a_binding_is_replaced_and_taken_back(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    await store.put_binding(link(1), ("lobby",), 1.0)
    await store.put_binding(link(1), (), 1.0)
    await store.put_binding(link(2), ("gate",), 1.0)
    await store.put_binding(link(2), None, 1.0)
    await store.put_binding(link(3), None, 1.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.bindings == {link(1): ()}


async def test_what_is_said_anew_of_a_generation_is_kept_under_it(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    first, second = await store.put_desired([create(1), create(2)], {}, 1.0)
    changed = await put(store, 2, second.generation)
    (gone,) = await store.put_desired([delete(3, 0)], {}, 1.0)
    said = [replace(each, content=profile(each.link_id, "said anew")) for each in (first, second)]
    dated = replace(gone, changed_at=0.5)
    await store.put_anew([*said, dated], 2.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.desired == {each.key: each for each in (said[0], changed, dated)}
        assert snapshot.last_write_at == 2.0


async def test_facts_of_the_site_and_of_panels_are_replaced_and_taken_back(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    await store.put_fact("serial", "1", 1.0)
    await store.put_fact("serial", "Під'їзд", 1.0)
    await store.put_fact("gone", "", 1.0)
    await store.put_fact("gone", None, 1.0)
    await store.put_fact("never there", None, 1.0)
    await store.put_panel_fact("lobby", "serial", "17", 1.0)
    await store.put_panel_fact("lobby", "departed", "", 1.0)
    await store.put_panel_fact("gate", "serial", "18", 1.0)
    await store.put_panel_fact("gate", "serial", None, 2.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.facts == {"serial": "Під'їзд"}
        assert snapshot.panel_facts == {"lobby": {"serial": "17", "departed": ""}}
        assert snapshot.last_write_at == 2.0


async def test_of_observations_the_last_counts(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    for number in range(5):
        await store.put_observed("lobby", observed(number))
    await store.put_observed("annex", observed(1, dirty=True))
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.observed == {"lobby": observed(4), "annex": observed(1, dirty=True)}


async def test_dirty_marks_of_many_panels_at_once(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    marks = [store.put_observed(f"panel-{number % 30}", observed(number, dirty=number % 7 > 0)) for number in range(120)]
    await asyncio.wait_for(asyncio.gather(*marks), 60)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.observed == {f"panel-{each % 30}": observed(each, dirty=each % 7 > 0) for each in range(90, 120)}


async def test_the_time_of_the_last_write_is_kept_as_it_is_told(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    await store.put_binding(link(1), (), 2_000_000_000.0)
    await store.forget([], 5.0)
    await store.close()
    async with reopened(make) as snapshot:
        assert snapshot.last_write_at == 5.0


async def test_a_closed_store_refuses(make: Callable[[], Store], tmp_path: Path) -> None:
    store = make()
    await store.open()
    await store.close()
    await store.close()
    for call in (
        store.put_desired([create(1)], {}, 1.0),
        store.put_allocation("lobby", {}, 1.0),
        store.put_binding(link(1), (), 1.0),
        store.forget([link(1)], 1.0),
        store.put_fact("key", "value", 1.0),
        store.put_panel_fact("lobby", "key", "value", 1.0),
        store.put_observed("lobby", observed(1)),
        store.backup(tmp_path / "copy"),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    assert not await store.writable()


async def test_calls_under_way_are_finished_by_close(make: Callable[[], Store]) -> None:
    store = make()
    await store.open()
    puts = [asyncio.create_task(put(store, number)) for number in range(30)]
    await asyncio.sleep(0)
    await store.close()
    kept = await asyncio.gather(*puts)
    async with reopened(make) as snapshot:
        assert snapshot.desired == {each.link_id: each for each in kept}


async def test_a_cancelled_call_does_not_disturb_others(store: Store) -> None:
    puts = [asyncio.create_task(put(store, number)) for number in range(20)]
    await asyncio.sleep(0)
    for task in puts[::2]:
        task.cancel()
    await asyncio.wait(puts)
    kept = {task.result() for task in puts[1::2]}
    assert kept <= set(await kept_by(store))


async def test_a_value_that_cannot_be_kept_disturbs_no_other(store: Store) -> None:
    calls: list[Coroutine[Any, Any, object]] = [
        store.put_desired([create(1)], {}, 1.0),
        store.put_binding("\ud800", (), 1.0),
        store.put_desired([create(2)], {}, 1.0),
    ]
    first, refused, second = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, ValueError)
    assert await kept_by(store) == (*cast("tuple[DesiredItem]", first), *cast("tuple[DesiredItem]", second))


async def test_writable_tells_so_and_changes_nothing(store: Store) -> None:
    first = await put(store, 1)
    assert await store.writable()
    assert await kept_by(store) == (first,)


async def test_only_one_at_a_time_writes(make: Callable[[], Store], store: Store) -> None:
    second = make()
    with pytest.raises(StoreUnavailable, match="another gateway"):
        await second.open()
    assert await store.writable()
    await store.close()
    await second.open()
    await second.close()


async def test_it_can_be_opened_again(make: Callable[[], Store]) -> None:
    store = make()
    for number in range(3):
        snapshot = await store.open()
        assert len(snapshot.desired) == number
        await put(store, number)
        await store.close()


async def test_random_histories_leave_what_a_dictionary_would(make: Callable[[], Store]) -> None:
    chance = random.Random(6)
    kept: dict[str, DesiredItem] = {}
    for _ in range(4):
        store = make()
        snapshot = await store.open()
        assert snapshot.desired == kept
        for _ in range(60):
            number = chance.randrange(8)
            known = kept.get(link(number))
            change = delete if known is not None and known.profile is not None and chance.random() < 0.4 else create
            (now,) = await store.put_desired([change(number, known.generation if known else 0)], {}, 1.0)
            kept[link(number)] = now
            if now.profile is None and chance.random() < 0.5:
                await store.forget([link(number)], 1.0)
                del kept[link(number)]
        await store.close()
