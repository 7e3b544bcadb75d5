"""Requests of any permitted size, and several at a time: the loop goes on, and each client is told what it did itself.

Real time: work that is too long for the loop is done by a thread. Nobody sleeps; what is counted is the loop's turns.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from config.settings import BindingSettings
from drivers.contract import ItemState, PanelCapabilities, PanelImage, Reason
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.fleet.events import Failed, Pushed
from gateway.fleet.fleet import Fleet
from gateway.fleet.panel.compilation import AT_ONCE, alone
from gateway.fleet.results import Change
from gateway.store.contract import DesiredChange, DesiredItem, GenerationConflict
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link, one_slot_each
from tests.support.memory_store import MemoryStore
from tests.support.panel_parts import PanelParts, bound

PANELS = tuple(f"panel-{number}" for number in range(8))


class Turns:
    """Counts the loop's turns, and what is done on the loop in each of them."""

    def __init__(self) -> None:
        self.number = 0
        self.work: Counter[int] = Counter()
        self.beside = 0
        """Compilations that were done by another thread."""
        self.begun = asyncio.Event()
        """The first of them."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()

    async def count(self) -> None:
        while True:
            self.number += 1
            await asyncio.sleep(0)

    def compile(
        self,
        profiles: Sequence[BoundProfile],
        capabilities: PanelCapabilities,
        allocation: Mapping[str, tuple[int, ...]],
        now: float,
        options: CompileOptions,
        held: PanelImage | None = None,
    ) -> PanelImage:
        if threading.get_ident() == self._loop_thread:
            self.work[self.number] += len(profiles)
        else:
            self.beside += 1
            self._loop.call_soon_threadsafe(self.begun.set)
        return compile_panel(profiles, capabilities, allocation, now, options, held)


class WatchedStore(MemoryStore):
    """Notes how much had been compiled beside the loop when profiles became durable."""

    def __init__(self, compiled: Callable[[], int]) -> None:
        super().__init__()
        self._compiled = compiled
        self.compiled_before: list[int] = []

    async def put_desired(
        self, changes: Sequence[DesiredChange], allocations: Mapping[str, Mapping[str, tuple[int, ...]]], at: float
    ) -> tuple[DesiredItem, ...]:
        if changes:
            self.compiled_before.append(self._compiled())
        return await super().put_desired(changes, allocations, at)


def on_large_site(test: Callable[[Fleet, FleetSite, Turns, WatchedStore], Awaitable[None]]) -> None:
    async def main() -> None:
        turns = Turns()
        store = WatchedStore(lambda: turns.beside)
        panels = {name: FakePanel() for name in PANELS}
        site = FleetSite(panels, compile=turns.compile, store=store, deadline_s=60.0)
        counting = asyncio.create_task(turns.count())
        try:
            await test(await site.open(), site, turns, store)
            await site.close()
        finally:
            counting.cancel()
        assert max(turns.work.values(), default=0) <= AT_ONCE

    asyncio.run(main())


def test_more_than_fits_is_compiled_beside_the_loop_once_it_is_durable() -> None:
    async def test(fleet: Fleet, site: FleetSite, turns: Turns, store: WatchedStore) -> None:
        await fleet.upsert([item(0)])
        before, started = turns.beside, turns.number
        reports = await fleet.upsert([item(number) for number in range(1, 10 * AT_ONCE)])
        assert store.compiled_before[-1] == before, "it is durable first"
        assert turns.beside >= before + len(PANELS)
        assert turns.number - started > len(reports) // AT_ONCE
        room = site.drivers[PANELS[0]].capabilities.max_schedules - 1
        assert [report.success for report in reports] == [True] * room + [False] * (len(reports) - room)
        assert {result.reason for report in reports[room:] for result in report.panels} == {Reason.NO_FREE_SLOT}
        assert {frozenset(site.held(name)) for name in PANELS} == {frozenset(map(link, range(room + 1)))}
        for name in PANELS:
            durable = {link_id: numbers for link_id, numbers in store.allocations[name].items() if numbers}
            assert durable.keys() == site.held(name).keys()

    on_large_site(test)


def test_what_is_asked_while_a_large_request_is_compiled_counts() -> None:
    async def test(fleet: Fleet, site: FleetSite, turns: Turns, store: WatchedStore) -> None:
        large = asyncio.create_task(fleet.upsert([item(number) for number in range(10 * AT_ONCE)]))
        await turns.begun.wait()
        deleted, changed = await asyncio.gather(fleet.delete([link(0)]), fleet.upsert([item(1, start=600)]))
        await large
        assert deleted[0].success
        assert changed[0].success
        for name in PANELS:
            held = site.held(name)
            assert link(0) not in held
            assert held[link(1)] == (600, 660)

    on_large_site(test)


def test_a_large_plan_is_compiled_beside_the_loop_and_changes_nothing() -> None:
    async def test(fleet: Fleet, site: FleetSite, turns: Turns, store: WatchedStore) -> None:
        started = turns.number
        planned = await fleet.plan([item(number) for number in range(10 * AT_ONCE)], None)
        assert 1 <= turns.beside < len(PANELS), (
            "panels that are filled with the same share what was compiled for the first of them"
        )
        assert turns.number - started > len(planned.items) // AT_ONCE
        outcomes = Counter(panel.outcome for each in planned.items for panel in each.panels)
        assert outcomes[ItemState.REFUSED] > 0
        assert sum(outcomes.values()) == 10 * AT_ONCE * len(PANELS)
        assert not store.desired

    on_large_site(test)


def test_a_panel_of_another_kind_or_with_other_profiles_gets_an_image_of_its_own() -> None:
    async def main() -> None:
        small = replace(ACCESS_PANEL, max_schedules=1)
        panels = {"large": FakePanel(), "small": FakePanel(small), "twin": FakePanel(small), "apart": FakePanel(small)}
        rules = (
            BindingSettings(link_id=link(1), panels=("large", "small", "twin")),
            BindingSettings(link_id=link(2), panels=("@all",)),
        )
        site = FleetSite(panels, rules=rules, compile=compile_panel)
        fleet = await site.open()
        await fleet.upsert([item(1), item(2)])
        held = {name: sorted(site.held(name)) for name in panels}
        assert held == {"large": [link(1), link(2)], "small": [link(1)], "twin": [link(1)], "apart": [link(2)]}
        assert Counter(event.panel for event in site.told if isinstance(event, Pushed)) == dict.fromkeys(panels, 1)
        assert not [event for event in site.told if isinstance(event, Failed)]
        await site.close()

    asyncio.run(main())


def test_of_several_who_ask_for_the_same_new_profile_one_is_told_that_it_was_created() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        fleet = await site.open()
        reports = await asyncio.gather(*(fleet.upsert([item(1)]) for _ in range(6)))
        assert Counter(report.change for (report,) in reports) == {Change.CREATED: 1, Change.UPDATED: 5}
        assert site.store.desired[link(1)].generation == 1
        deleted = await asyncio.gather(*(fleet.delete([link(1)]) for _ in range(6)))
        assert Counter(report.change for (report,) in deleted) == {Change.DELETED: 6}, "each is told while it is pending"
        await site.close()

    asyncio.run(main())


def test_what_another_gateway_changed_first_is_refused_and_changes_nothing() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, compile=one_slot_each)
        fleet = await site.open()
        theirs = item(1, start=600)
        await site.store.put_desired([DesiredChange(link(1), 0, theirs.profile, theirs.body)], {}, 0.0)
        with pytest.raises(GenerationConflict):
            await fleet.upsert([item(1), item(2)])
        assert site.store.desired.keys() == {link(1)}
        assert site.store.desired[link(1)].profile == theirs.profile
        assert site.held("lobby") == {}
        await site.close()

    asyncio.run(main())


def test_whoever_loses_access_is_compiled_before_large_panels_that_wait_and_small_ones_wait_for_none() -> None:
    async def main() -> None:
        first, bound_to, coming_to, urgent, small = (PanelParts() for _ in range(5))
        many = {each.key: each for each in (bound(number) for number in range(AT_ONCE + 1))}
        for made in (first, bound_to, urgent):
            for each in many.values():
                made.state.bind(each)
        small.state.bind(bound(1))
        order, over, begun = list[str](), asyncio.Event(), asyncio.Event()

        async def compiled(name: str, made: PanelParts, is_urgent: bool = False) -> None:
            async with alone(made.state, first.context, many if made is coming_to else {}, urgent=is_urgent):
                order.append(name)
                begun.set()
                await (begun.wait() if made is small else over.wait())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(compiled("first", first))
            await begun.wait()
            tasks.create_task(compiled("bound", bound_to))
            tasks.create_task(compiled("coming", coming_to))
            tasks.create_task(compiled("urgent", urgent, True))
            await tasks.create_task(compiled("small", small))
            over.set()
        assert order == ["first", "small", "urgent", "bound", "coming"]

    asyncio.run(main())
