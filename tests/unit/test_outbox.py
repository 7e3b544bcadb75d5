"""A receiver that is gone for long loses the oldest, is told so, and costs the site nothing: days of it, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from gateway.journal import outbox
from gateway.journal.journal import Journal
from gateway.journal.outbox import NotTaken, Outbox
from gateway.journal.retention import Retention
from gateway.store.contract import StoreFull
from gateway.store.events import SiteEvent
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_virtual

FACT = "webhook x"
NOW = 1_793_484_000.0


@dataclass
class Site:
    """A journal over a store, and one receiver, which takes nothing while it is `gone`."""

    store: MemoryStore = field(default_factory=MemoryStore)
    taken: list[SiteEvent] = field(default_factory=list)
    gone: bool = False
    attempts: int = 0
    kinds: Sequence[str] | None = None
    limit: int = 100_000
    """Events that the store keeps."""

    async def begin(self, place: int | None = None) -> None:
        snapshot = await self.store.open()
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.journal = Journal(self.store, snapshot, lambda: NOW + loop.time() - began, Retention(90, self.limit))
        self.outbox = Outbox("webhook x", FACT, place, self.kinds, self.journal, self._keep, self._take)
        self._tasks = [asyncio.create_task(self.journal.run()), asyncio.create_task(self.outbox.run())]

    async def _keep(self, fact: str, value: str) -> None:
        await self.store.put_fact(fact, value, NOW)

    async def _take(self, events: Sequence[SiteEvent]) -> None:
        self.attempts += 1
        if self.gone:
            raise NotTaken("answered 500")
        self.taken += events

    def kept_place(self) -> int | None:
        place = self.store.facts.get(FACT)
        return None if place is None else int(place)

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self.store.kill()

    async def restart(self) -> None:
        place = self.kept_place()
        await self.kill()
        await self.begin(place)

    async def happen(self, *kinds: str) -> None:
        await self.journal.keep([SiteEvent(NOW, kind, "gate", {"n": number}) for number, kind in enumerate(kinds)], {})

    def lost(self) -> list[int]:
        return [event.facts["count"] for event in self.store.kept_events if event.kind == "events_lost"]


def played(scene: Callable[[Site], Awaitable[None]]) -> Site:
    async def play() -> Site:
        site = Site()
        await site.begin()
        await scene(site)
        await site.kill()
        return site

    return run_virtual(play())


def test_a_receiver_that_is_gone_for_a_day_fills_no_store_with_what_it_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """That events were lost is an event itself, which waits for it, too."""
    monkeypatch.setattr(outbox, "MOST_WAITING", 500)

    async def scene(site: Site) -> None:
        site.gone = True
        await site.happen(*["panel_back"] * 600)
        await asyncio.sleep(86_400)
        assert 1_400 < site.attempts < 2_000, "once a minute"
        assert 495 <= site.outbox.waiting <= 500
        assert 86_300 < site.outbox.lag_s <= 86_400
        site.gone = False
        await asyncio.sleep(90)
        assert (site.outbox.waiting, site.outbox.lag_s) == (0, 0)

    site = played(scene)
    assert site.lost() == [105]
    numbers = [event.facts["n"] for event in site.taken if "n" in event.facts]
    assert numbers == [*range(105, 600)]
    assert site.taken[-1].kind == "events_lost"


def test_a_receiver_that_takes_nothing_is_told_though_the_clock_was_years_ahead_when_the_last_event_was_kept() -> None:
    """The ids of events lie ahead since then."""

    async def scene(site: Site) -> None:
        await site.store.put_events([SiteEvent(NOW, "panel_back", "gate")], {}, NOW + 10 * 365 * 86_400)
        await site.restart()
        site.gone = True
        await site.happen("panel_away")
        await asyncio.sleep(61)
        assert 60 <= site.outbox.lag_s <= 61
        site.gone = False
        await asyncio.sleep(90)
        assert site.outbox.lag_s == 0

    played(scene)


def test_a_new_receiver_that_never_took_anything_is_told_all_of_it_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store took no place of it at first."""

    async def scene(site: Site) -> None:
        site.gone, site.store.refuse = True, StoreFull("full")
        await asyncio.sleep(0.5)
        site.store.refuse = None
        await site.happen(*["panel_back"] * 2)
        await asyncio.sleep(10)
        site.gone = False
        await site.restart()
        await asyncio.sleep(10)

    assert [event.facts["n"] for event in played(scene).taken] == [0, 1]


def test_a_receiver_that_is_gone_while_the_store_is_full_fills_it_with_no_news_of_its_loss() -> None:
    """Each piece of news is an event, for which another one is dropped that the receiver has not taken."""

    async def scene(site: Site) -> None:
        site.limit, site.gone = 10, True
        await site.restart()
        await site.happen(*["panel_back"] * 50)
        for _ in range(3):
            await asyncio.sleep(3600)
            assert [event.facts.get("n") for event in site.store.kept_events] == [*range(41, 50), None]
            await site.restart()
        await site.happen(*["panel_back"] * 20)
        await asyncio.sleep(300)
        site.gone = False
        await asyncio.sleep(90)

    site = played(scene)
    assert [event.facts.get("n") for event in site.taken[:10]] == [*range(11, 20), None]
    assert [event.kind for event in site.taken[9:]] in (["events_lost"], ["events_lost"] * 2)


def test_events_that_are_not_for_a_receiver_are_not_lost_to_it() -> None:
    async def scene(site: Site) -> None:
        site.limit, site.gone, site.kinds = 10, True, ["panel_away"]
        await site.restart()
        await site.happen("panel_back", "panel_back", "panel_away", "panel_away")
        await asyncio.sleep(5)
        await site.restart()
        await site.happen(*["panel_back"] * 8)
        await asyncio.sleep(300)
        site.gone = False
        await asyncio.sleep(90)

    assert [(event.kind, event.facts.get("n")) for event in played(scene).taken] == [("panel_away", 2), ("panel_away", 3)]
