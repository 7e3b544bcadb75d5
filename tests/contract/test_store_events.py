"""What every store promises of events: kept once, in order, with the place up to which a panel's log was read, and asked for by
page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.store.contract import Store, StoreUnavailable
from gateway.store.events import EventQuery, SiteEvent
from tests.contract.test_store import MAKERS

CARD = {"identifier": {"number": "4711", "owner": "Ann é \ud83d"}, "output": 1}
FIRST = SiteEvent(100.5, "access_granted", "lobby", CARD, "access", "medium")
SECOND = SiteEvent(99.0, "panel_away", "gate", {}, "system", "high")
THIRD = SiteEvent(101.0, "clock_set", None, {}, "system", "low")
ALL = (FIRST, SECOND, THIRD)


@pytest.fixture(params=MAKERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made = MAKERS[request.param](tmp_path)
    await made.open()
    yield made
    await made.close()


async def test_events_and_the_place_in_a_panels_log_are_kept_as_one(store: Store) -> None:
    kept = await store.put_events(ALL, {"lobby": ("events", "7")}, 5.0)
    assert [replace(event, id=0) for event in kept] == [*ALL]
    assert [event.id for event in kept] == [5000, 5001, 5002]
    await store.close()
    snapshot = await store.open()
    assert snapshot.panel_facts == {"lobby": {"events": "7"}}
    assert (snapshot.last_event, snapshot.events_dropped, snapshot.last_write_at) == (5002, 0, 5.0)
    assert await store.events(EventQuery()) == kept


async def test_no_id_is_used_twice_also_where_the_clock_goes_back_or_all_was_dropped(store: Store) -> None:
    await store.put_events([FIRST], {}, 5.0)
    (again,) = await store.put_events([FIRST], {}, 1.0)
    assert again.id == 5001
    assert await store.drop_events(5001, 10, 6.0) == (2, 5001)
    assert await store.put_events([], {}, 7.0) == ()
    (later,) = await store.put_events([FIRST], {}, 1.0)
    assert later.id == 5002


async def test_who_asks_for_events_without_saying_which_gets_the_first_thousand_of_all(store: Store) -> None:
    await store.put_events([FIRST] * 1001, {}, 0.0)
    assert [event.id for event in await store.events(EventQuery())] == [*range(1, 1001)]


async def test_the_oldest_events_go_by_age_and_by_number(store: Store) -> None:
    old = await store.put_events(ALL, {}, 5.0)
    new = await store.put_events(ALL, {}, 9.0)
    assert await store.drop_events(old[0].id - 1, 10, 9.0) == (0, 0)
    assert await store.drop_events(old[-1].id, 10, 9.0) == (3, new[0].id - 1)
    assert await store.drop_events(old[-1].id, 1, 9.0) == (2, new[2].id - 1)
    assert await store.events(EventQuery()) == new[2:]
    assert await store.count_events(EventQuery()) == 1
    assert old[0].id < new[0].id


async def test_where_some_go_by_age_no_more_go_by_number_than_are_too_many(store: Store) -> None:
    old = await store.put_events(ALL, {}, 5.0)
    new = await store.put_events(ALL, {}, 9.0)
    assert await store.drop_events(old[-1].id, 2, 9.0) == (4, new[0].id)
    assert await store.events(EventQuery()) == new[1:]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (EventQuery(), [0, 1, 2]),
        (EventQuery(after=5000), [1, 2]),
        (EventQuery(kinds=["clock_set", "panel_away"]), [1, 2]),
        (EventQuery(kinds=[]), []),
        (EventQuery(since=99.0, until=100.5), [0, 1]),
        (EventQuery(chosen=lambda event: (event.category, event.priority) == ("system", "low")), [2]),
        (EventQuery(chosen=lambda event: event.category == "system" and event.at > 100), [2]),
        (EventQuery(chosen=lambda event: event.at > 100 or event.priority == "high"), [0, 1, 2]),
        (EventQuery(chosen=lambda event: event.kind == "panel_away"), [1]),
        (EventQuery(chosen=lambda event: event.category == "nobody's"), []),
        (EventQuery(order=[("at", True)]), [2, 0, 1]),
        (EventQuery(order=[("category", True), ("at", False)]), [1, 2, 0]),
        (EventQuery(order=[("category", True)]), [2, 1, 0]),
        (EventQuery(skip=1, limit=1), [1]),
        (EventQuery(skip=3), []),
    ],
)
async def test_a_page_holds_what_was_asked_for(store: Store, query: EventQuery, found: Sequence[int]) -> None:
    kept = await store.put_events(ALL, {}, 5.0)
    assert await store.events(query) == tuple(kept[place] for place in found)
    everywhere = replace(query, skip=0, limit=100)
    assert await store.count_events(query) == len(await store.events(everywhere))


async def test_a_closed_store_takes_no_events(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.put_events([FIRST], {}, 1.0)
    with pytest.raises(StoreUnavailable):
        await store.events(EventQuery())
