"""What happens at a site is told once, in order and durably; who does not read holds back nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import pytest

from config.event_kinds import KINDS
from drivers.contract import ItemOutcome, ItemState, Outcome, Reason
from drivers.trace import Client
from gateway.fleet import events
from gateway.journal import journal as journals
from gateway.journal.journal import Journal
from gateway.journal.own import own_events
from gateway.journal.retention import Retention
from gateway.store.contract import StoreFull
from gateway.store.events import EventQuery, SiteEvent
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_virtual

NOW = 1_800_000_000.0
DAY_S = 86_400.0


@asynccontextmanager
async def kept_in(
    store: MemoryStore,
    retention: Retention | None = None,
    now: Callable[[], float] = lambda: NOW,
    trusted: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Journal]:
    made = Journal(store, await store.open(), now, retention or Retention(90, 1000), trusted)
    running = asyncio.create_task(made.run())
    yield made
    made.stop()
    await running
    await store.close()


def test_a_stop_makes_everything_durable_that_waits() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with kept_in(store, Retention(90, 100_000)) as journal:
            for _ in range(5000):
                journal.tell("clock_set", "gate")
        assert len(store.kept_events) == 5000

    run_virtual(scene())


def test_what_was_lost_while_the_store_took_nothing_is_counted_whole() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with kept_in(store, Retention(90, 100_000)) as journal:
            store.refuse = StoreFull("full")
            for _ in range(1000):
                for _ in range(13):
                    journal.tell("clock_set", "gate")
                await asyncio.sleep(1)
            store.refuse = None
            await asyncio.sleep(60)
        told = [event.facts["count"] for event in store.kept_events if event.kind == "events_lost"]
        kept = sum(event.kind == "clock_set" for event in store.kept_events)
        assert kept + sum(told) == 13_000

    run_virtual(scene())


def test_who_gets_a_slot_that_was_somebodys_waits_for_no_events_to_be_gathered() -> None:
    async def scene() -> None:
        store, loop = MemoryStore(), asyncio.get_running_loop()
        async with kept_in(store) as journal:
            journal.tell("clock_set", "gate")
            await asyncio.sleep(0)
            began = loop.time()
            await journal.keep((), {"gate": ("log", "7")})
            assert loop.time() - began < journals.GATHER_S / 2
        assert store.panel_facts["gate"] == {"log": "7"}

    run_virtual(scene())


YEARS_S = 3650 * DAY_S
YEAR_S = 365 * DAY_S


class Site:
    """A store, and a host's clock that may be `ahead` or not be trusted."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.ahead = 0.0
        self.trusted = True

    def now(self) -> float:
        return NOW + asyncio.get_running_loop().time() + self.ahead

    def running(self, limit: int = 1000) -> AbstractAsyncContextManager[Journal]:
        return kept_in(self.store, Retention(90, limit), self.now, lambda: self.trusted)

    async def happens(self, journal: Journal, panel: str) -> None:
        """An event, by the gateway's clock."""
        await journal.keep([SiteEvent(self.now(), "panel_back", panel)], {})

    @property
    def panels(self) -> list[str | None]:
        """What the events that are kept name, in order."""
        return [event.panel for event in self.store.kept_events]


@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_a_clock_that_is_years_ahead_for_some_hours_drops_no_event_and_one_that_is_right_does(restarts: int) -> None:
    """Also where the gateway starts again during these hours, after an event, too."""

    async def scene() -> None:
        site = Site()
        async with site.running() as journal:
            await site.happens(journal, "before")
            await asyncio.sleep(3600)
            if not restarts:
                site.ahead = YEARS_S
                await asyncio.sleep(0.9 * DAY_S)
        site.ahead = YEARS_S
        for _ in range(restarts):
            async with site.running() as journal:
                await site.happens(journal, "meanwhile")
                await asyncio.sleep(0.4 * DAY_S)
        told = ["before", *["meanwhile"] * restarts]
        assert site.panels == told
        site.ahead = 0.0
        async with site.running() as journal:
            await site.happens(journal, "after")
            await asyncio.sleep(88 * DAY_S)
            assert site.panels == [*told, "after"]
            await asyncio.sleep(2 * DAY_S)
            assert "before" not in site.panels
            await asyncio.sleep(2 * DAY_S)
        assert site.panels == [], "what was kept while the clock was ahead outlives nothing"

    run_virtual(scene())


def test_events_of_after_the_clock_was_years_ahead_go_one_by_one_at_their_age_and_a_panels_old_event_is_kept_as_long() -> None:
    async def scene() -> None:
        site = Site()
        site.ahead = YEARS_S
        async with site.running() as journal:
            await site.happens(journal, "meanwhile")
        site.ahead = 0.0
        for day in range(120):
            async with site.running() as journal:
                await journal.keep([SiteEvent(NOW - YEARS_S, "output_on", f"day {day}")], {})
                await asyncio.sleep(DAY_S)
        kept = len(site.panels)
        assert site.panels == [f"day {day}" for day in range(120 - kept, 120)]
        assert 90 <= kept <= 92

    run_virtual(scene())


def test_a_clock_that_stays_years_ahead_is_taken_at_its_word_after_a_day_however_often_the_gateway_starts_again() -> None:
    async def scene() -> None:
        site = Site()
        async with site.running() as journal:
            await site.happens(journal, "before")
        site.ahead = YEARS_S
        for _ in range(23):
            async with site.running():
                await asyncio.sleep(3600)
        assert site.panels == ["before"]
        for _ in range(2):
            async with site.running():
                await asyncio.sleep(3600)
        assert site.panels == []

    run_virtual(scene())


@pytest.mark.parametrize("starts", [[(0.0, -YEAR_S, 0.0)], [(0.0,), (-YEAR_S,), (0.0,)]])
def test_a_clock_that_is_a_year_behind_for_some_hours_makes_no_event_too_old_once_it_is_right(
    starts: list[tuple[float, ...]],
) -> None:
    """The ids of these hours lie ahead of it, and tell nothing of when other events were stored."""

    async def scene() -> None:
        site = Site()
        for times in starts:
            async with site.running() as journal:
                for site.ahead in times:
                    await asyncio.sleep(60)
                    await site.happens(journal, f"{site.ahead:.0f}")
                    await asyncio.sleep(0.5 * DAY_S if site.ahead else 2 * DAY_S)
        async with site.running():
            await asyncio.sleep(85 * DAY_S)
            assert site.panels == ["0", f"{-YEAR_S:.0f}", "0"]
            await asyncio.sleep(5 * DAY_S)
        assert site.panels == []

    run_virtual(scene())


def test_no_event_grows_old_while_nobody_trusts_the_clock_and_too_many_are_dropped_all_the_same() -> None:
    """The store was written while the clock was ahead: once that is put right, it waits for somebody's word."""

    async def scene() -> None:
        site = Site()
        async with site.running(limit=3) as journal:
            await site.happens(journal, "before")
            await asyncio.sleep(3600)
            site.ahead, site.trusted = YEARS_S, False
            await asyncio.sleep(5 * DAY_S)
            assert site.panels == ["before"]
            for count in range(3):
                await site.happens(journal, f"{count}")
            await asyncio.sleep(120)
            assert site.panels == ["0", "1", "2"]

    run_virtual(scene())


def test_a_gateway_that_cannot_read_how_far_the_clock_was_waits_a_day_before_events_grow_old() -> None:
    async def scene() -> None:
        site = Site()
        async with site.running() as journal:
            await site.happens(journal, "before")
            await asyncio.sleep(3600)
        for fact in tuple(site.store.facts):
            site.store.facts[fact] = "?"
        site.ahead = YEARS_S
        async with site.running():
            await asyncio.sleep(0.9 * DAY_S)
            assert site.panels == ["before"]
            await asyncio.sleep(0.2 * DAY_S)
        assert site.panels == []

    run_virtual(scene())


async def some(journal: Journal, place: int, count: int) -> list[SiteEvent]:
    """The next `count` events that a follower is given."""
    found: list[SiteEvent] = []
    async with aclosing(journal.follow(place, 3600)) as followed:
        async for each in followed:
            found += each
            if len(found) >= count:
                break
    return found


def kinds(found: Sequence[SiteEvent]) -> list[str]:
    return [event.kind for event in found]


def test_what_happens_is_durable_in_order_and_told_to_who_follows() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with kept_in(store) as journal:
            following = asyncio.create_task(some(journal, journal.last, 3))
            await asyncio.sleep(1)
            journal.listen(events.Back("gate"))
            await journal.keep(
                [SiteEvent(5.0, "output_on", "gate"), SiteEvent(6.0, "output_off", "gate")], {"gate": ("log", "2")}
            )
            assert kinds(store.kept_events) == ["panel_back", "output_on", "output_off"]
            assert store.panel_facts == {"gate": {"log": "2"}}
            assert await following == store.kept_events
            assert (store.kept_events[1].category, store.kept_events[1].priority) == ("info", "low")

    run_virtual(scene())


def test_the_last_words_before_a_stop_are_kept() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with kept_in(store) as journal:
            journal.tell("panel_back", "gate")
        assert kinds(store.kept_events) == ["panel_back"]

    run_virtual(scene())


def test_an_answer_waits_until_what_was_told_for_it_is_durable_and_no_longer() -> None:
    async def scene() -> None:
        store = MemoryStore()
        loop = asyncio.get_running_loop()
        async with kept_in(store) as journal:
            await asyncio.sleep(1)
            began = loop.time()
            for count in range(1, 4):
                journal.tell("panel_back", "gate")
                await journal.settled()
                assert len(store.kept_events) == count
            await journal.settled()
            assert loop.time() - began < journals.GATHER_S
            store.refuse = StoreFull("full")
            journal.tell("panel_away", "gate")
            await journal.settled()
            await journal.settled()
            assert loop.time() - began < 2 * journals.GATHER_S, "nobody waits for a store that is full"
            store.refuse = None
            await asyncio.sleep(5)
        assert kinds(store.kept_events) == ["panel_back"] * 3 + ["panel_away"]

    run_virtual(scene())


def test_an_answer_does_not_wait_long_for_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        store, free = MemoryStore(), asyncio.Event()
        put_events = store.put_events

        async def hangs(*given: Any) -> tuple[SiteEvent, ...]:
            await free.wait()
            return await put_events(*given)

        monkeypatch.setattr(store, "put_events", hangs)
        async with kept_in(store) as journal:
            journal.tell("panel_back", "gate")
            async with asyncio.timeout(1.5):
                await journal.settled()
            free.set()
        assert kinds(store.kept_events) == ["panel_back"]

    run_virtual(scene())


def test_a_follower_misses_nothing_however_late_it_comes_back() -> None:
    """What is no longer in memory is read from the store."""

    async def scene(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journals, "_RECENT", 2)
        monkeypatch.setattr(journals, "PAGE", 3)
        store = MemoryStore()
        async with kept_in(store) as journal:
            for number in range(20):
                await journal.keep([SiteEvent(float(number), "output_on", "gate")], {})
            assert [event.at for event in await some(journal, 0, 20)] == [float(number) for number in range(20)]
        async with kept_in(store) as journal:
            place = store.kept_events[9].id
            assert [event.at for event in await some(journal, place, 10)] == [float(number) for number in range(10, 20)]

    with pytest.MonkeyPatch.context() as monkeypatch:
        run_virtual(scene(monkeypatch))


def test_a_follower_that_is_far_behind_lets_others_take_turns() -> None:
    async def scene() -> None:
        async with kept_in(MemoryStore()) as journal:
            await journal.keep([SiteEvent(float(number), "output_on", "gate") for number in range(10 * journals.PAGE)], {})
            catching_up = asyncio.create_task(some(journal, 0, 10 * journals.PAGE))
            turns = 0
            while not catching_up.done():
                await asyncio.sleep(0)
                turns += 1
            assert len(await catching_up) == 10 * journals.PAGE
            assert turns >= 10

    run_virtual(scene())


def test_a_full_store_loses_no_event_of_a_panel_and_tells_how_many_of_the_gateways_own() -> None:
    async def scene(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journals, "_MOST_WAITING", 3)
        store = MemoryStore()
        async with kept_in(store) as journal:
            store.refuse = StoreFull("full")
            with pytest.raises(StoreFull):
                await journal.keep([SiteEvent(1.0, "output_on", "gate")], {"gate": ("log", "1")})
            for name in "abcde":
                journal.tell("panel_back", name)
            await asyncio.sleep(10)
            store.refuse = None
            await asyncio.sleep(10)
            assert kinds(store.kept_events) == ["events_lost", *["panel_back"] * 3]
            assert store.kept_events[0].facts["count"] == 2
            assert [event.panel for event in store.kept_events[1:]] == ["c", "d", "e"]
            assert store.panel_facts.get("gate") is None

    with pytest.MonkeyPatch.context() as monkeypatch:
        run_virtual(scene(monkeypatch))


def test_who_comes_back_after_events_were_dropped_is_told_so() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with kept_in(store, Retention(90, 2)) as journal:
            for number in range(4):
                await journal.keep([SiteEvent(float(number), "output_on", "gate")], {})
            seen = store.kept_events[0].id
            await asyncio.sleep(120)
            assert [event.at for event in store.kept_events] == [2.0, 3.0]
            found = await some(journal, seen, 3)
            assert kinds(found) == ["events_lost", "output_on", "output_on"]
            assert found[0].id < found[1].id
            await journal.clear()
            assert await journal.count(EventQuery()) == 0
            assert list(await journal.after(0)) == []

    run_virtual(scene())


def test_a_follower_that_stalls_while_events_are_dropped_is_told_so() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with kept_in(store) as journal:
            following = journal.follow(journal.last, 3600)
            await journal.keep([SiteEvent(1.0, "output_on", "gate")], {})
            assert kinds(await anext(following)) == ["output_on"]
            for number in (2.0, 3.0):
                await journal.keep([SiteEvent(number, "output_off", "gate")], {})
            await journal.clear()
            await journal.keep([SiteEvent(4.0, "output_on", "gate")], {})
            assert kinds(await anext(following)) == ["events_lost", "output_on"]
            await following.aclose()

    run_virtual(scene())


def test_a_follower_that_waits_ends_when_the_gateway_stops() -> None:
    async def scene() -> None:
        async with kept_in(MemoryStore()) as journal:
            following = asyncio.create_task(some(journal, 0, 1))
            await asyncio.sleep(1)
            journal.close()
            assert await following == []

    run_virtual(scene())


TOLD: tuple[tuple[events.Event, str, dict[str, object]], ...] = (
    (events.Away("gate", Reason.QUARANTINED), "panel_away", {"reason": "quarantined"}),
    (events.Back("gate"), "panel_back", {}),
    (events.Replaced("gate", "1", "2"), "panel_replaced", {"serial": "2"}),
    (events.ClockSet("gate", None, "unset", "9:00"), "clock_set", {"before": "unset", "now": "9:00"}),
    (events.ClockSet("gate", Reason.PANEL_REJECTED, "unset", "9:00"), "clock_not_set", {"reason": "panel_rejected"}),
    (events.Drifted("gate", ["slot 3"] * 30), "drift_found", {"count": 30, "changes": ["slot 3"] * 20}),
    (events.Repaired("gate"), "drift_repaired", {}),
    (
        events.Refused("gate", {"identifier:a": ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT)}),
        "item_refused",
        {"count": 1, "reasons": {"no_free_slot": 1}, "items": [{"kind": "identifier", "link_id": "a"}]},
    ),
)


@pytest.mark.parametrize(("event", "kind", "facts"), TOLD)
def test_the_gateways_own_events_are_in_the_journal(event: events.Event, kind: str, facts: dict[str, object]) -> None:
    (told,) = own_events(event, lambda: NOW)
    assert (told.at, told.kind, told.panel) == (NOW, kind, "gate")
    assert facts.items() <= told.facts.items()
    assert kind in KINDS


def commanded(
    action: events.DoorAction, outcome: Outcome = Outcome.ACKNOWLEDGED, *, remote: bool = False
) -> events.DoorCommanded:
    reason = None if outcome is Outcome.ACKNOWLEDGED else Reason.NO_REPLY
    place = ("front", "Front door", 2, "gate", 3)
    return events.DoorCommanded(*place, action, outcome, reason, 5.0, Client("ann", "::1"), remote)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (commanded("open"), "access_granted_by_api_call"),
        (commanded("open", remote=True), "access_granted_by_remote_server_api_call"),
        (commanded("open", Outcome.UNCONFIRMED), "door_command_failed"),
        (commanded("hold"), "door_held_open"),
        (commanded("closed"), "door_hold_ended"),
        (commanded("emergency_open"), "emergency_lock_is_opened"),
        (commanded("emergency_close"), "emergency_lock_is_closed"),
    ],
)
def test_a_door_counts_as_opened_only_where_the_panel_said_so(event: events.DoorCommanded, kind: str) -> None:
    (told,) = own_events(event, lambda: NOW)
    assert (told.kind, told.panel, told.facts["lock"], told.facts["user"]) == (kind, "gate", 2, "ann")
    assert told.facts.get("reason") == (event.reason and "no_reply")
    assert kind in KINDS


def test_a_refusal_in_the_name_of_a_remote_server_is_told() -> None:
    (told,) = own_events(events.DoorDenied(1, None), lambda: NOW)
    assert (told.kind, told.facts) == ("access_denied_by_remote_server_api_call", {"lock": 1})


def test_what_concerns_the_audit_trail_alone_is_no_event() -> None:
    assert list(own_events(events.Bound("a", None), lambda: NOW)) == []
