"""Random requests, bindings, faults, power cuts, deaths of the gateway and clock jumps; when they end, all is as desired.

Requests overlap each other and whatever happens. FLEET_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers.contract import ItemState, Period, Slot
from gateway.compiler.compiler import compile_panel
from gateway.fleet.context import Compile
from gateway.fleet.results import PanelResult
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import StoreFull, StoreUnavailable
from tests.support.fake_panel import ACCESS_PANEL, FakePanel, Fault
from tests.support.fleet_history import History
from tests.support.fleet_site import START, FleetSite, item, link, one_slot_each
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import VirtualTimeLoop, close_loop

T = TypeVar("T")
NAMES = ("lobby", "gate", "yard")
LINKS = st.integers(1, 6)
STARTS = st.sampled_from((0, 480, 600, 1262, 1310))
"""At the beginning it is 22:00: the last two are open."""
ITEMS = st.dictionaries(LINKS, STARTS, min_size=1, max_size=4)
NUMBERS = st.sets(LINKS, min_size=1, max_size=3)
PANELS = st.sampled_from(NAMES)
TARGETS = st.sets(st.sampled_from((*NAMES, "lobby:0", "gate:3")), max_size=3)
WAITS = st.sampled_from((0.0, 0.0005, 0.001, 0.002, 0.006, 0.012, 0.03, 0.11, 0.3, 1.0, 5.0))
FAULTS: tuple[Fault, ...] = ("none", "not_sent", "lost_request", "lost_reply", "verify", "rejected")
JUMPS = st.sampled_from((30, 3_600, 100_000, 10_000_000, 100_000_000))
FOREIGN = Slot(("aaaaaaaa-0000-0000-0000-000000000001",), (Period(127, 0, 1440),))


def items_of(items: Mapping[int, int]) -> list[RequestItem]:
    return [item(number, start) for number, start in items.items()]


class Convergence(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(
        items=st.dictionaries(LINKS, STARTS, min_size=2),
        outputs=st.sampled_from(((), ("lobby:0", "gate:3"))),
        foreign=st.booleans(),
        compiler=st.sampled_from((compile_panel, one_slot_each)),
        commit_s=st.sampled_from((0.001, 0.05)),
        latencies=st.fixed_dictionaries({name: st.sampled_from((0.01, 0.2)) for name in NAMES}),
    )
    def begin(
        self,
        items: dict[int, int],
        outputs: tuple[str, ...],
        foreign: bool,
        compiler: Compile,
        commit_s: float,
        latencies: dict[str, float],
    ) -> None:
        async def main() -> None:
            panels = {name: FakePanel() for name in NAMES}
            panels["gate"].labelled = False
            panels["yard"].capabilities = replace(ACCESS_PANEL, max_schedules=4)
            if foreign:
                panels["lobby"].slots[2] = FOREIGN
            site = self.site = FleetSite(panels, store=MemoryStore(commit_s), deadline_s=3.0, drift_share=0.02, compile=compiler)
            site.latencies = latencies
            self.history = History(site, self.shows)
            self.history.bind_all_to("lobby", "gate", *outputs)
            self.history.strangers = frozenset(FOREIGN.link_ids)
            await site.open()
            await self.history.start(self.history.upsert(items_of(items)), 2)

        self.foreign, self.erased = foreign, False
        self.run(main())

    def shows(self, profile: TimeProfile, slots: Mapping[int, Slot], said: PanelResult) -> bool:
        offset = 60 if self.site.zone != "UTC" and self.site.compile is compile_panel else 0
        if said.outcome is ItemState.MATERIALISED and not slots:
            return said.valid_until is not None and profile.date_from >= said.valid_until
        start = profile.date_from % 86_400 // 60 + offset
        return [(slot.periods[0].start, slot.periods[0].end) for slot in slots.values()] == [(start, start + 60)]

    # what is asked

    @rule(items=ITEMS, wait_s=WAITS)
    def upsert(self, items: dict[int, int], wait_s: float) -> None:
        self.run(self.history.start(self.history.upsert(items_of(items)), wait_s))

    @rule(numbers=NUMBERS, wait_s=WAITS)
    def delete(self, numbers: set[int], wait_s: float) -> None:
        self.run(self.history.start(self.history.delete([link(number) for number in sorted(numbers)]), wait_s))

    @rule(items=ITEMS, numbers=NUMBERS, other=ITEMS, waits=st.tuples(WAITS, WAITS, WAITS))
    def one_after_the_other(
        self, items: dict[int, int], numbers: set[int], other: dict[int, int], waits: tuple[float, ...]
    ) -> None:
        async def main() -> None:
            history = self.history
            await history.start(history.upsert(items_of(items)), waits[0])
            await history.start(history.upsert(items_of(other)), waits[1])
            await history.start(history.delete([link(number) for number in sorted(numbers)]), waits[2])

        self.run(main())

    @rule(wait_s=WAITS)
    def ask_again(self, wait_s: float) -> None:
        self.run(self.history.start(self.history.ask_again(), wait_s))

    @rule(number=LINKS, start=STARTS, wait_s=WAITS)
    def rename(self, number: int, start: int, wait_s: float) -> None:
        renamed = RequestItem(replace(item(number, start).profile, name="another"), '{"name": "another"}')
        self.run(self.history.start(self.history.upsert([renamed]), wait_s))

    @rule(number=LINKS, names=st.none() | TARGETS, wait_s=WAITS)
    def bind(self, number: int, names: set[str] | None, wait_s: float) -> None:
        self.run(self.history.start(self.history.bind(link(number), None if names is None else sorted(names)), wait_s))

    @rule(names=TARGETS)
    def reload_rules(self, names: set[str]) -> None:
        async def main() -> None:
            self.history.bind_all_to(*sorted(names))
            self.history.moved()
            self.site.fleet.set_rules(self.site.rules, {})

        self.run(main())

    @rule(zone=st.sampled_from(("UTC", "Etc/GMT-1")), days=st.sampled_from((300, 400)))
    def reload_readings(self, zone: str, days: int) -> None:
        async def main() -> None:
            await asyncio.sleep(0.0001)  # an answer of this instant is judged by what was so
            self.site.zone, self.site.horizon_days = zone, days
            self.history.moved()
            self.site.fleet.set_options(self.site.options())

        self.run(main())

    @rule(name=PANELS, verb=st.sampled_from(("sync", "reinit", "retry")), wait_s=WAITS)
    def operator(self, name: str, verb: Literal["sync", "reinit", "retry"], wait_s: float) -> None:
        async def main() -> None:
            await getattr(self.site.fleet, verb)(name)
            if verb != "retry":
                self.history.looks_anew(name)
            await asyncio.sleep(wait_s)

        self.run(main())
        self.erased |= (name, verb) == ("lobby", "reinit")

    # what goes wrong

    @rule(name=PANELS, faults=st.lists(st.sampled_from(FAULTS), max_size=4), deaf=st.lists(st.booleans(), max_size=4))
    def faults(self, name: str, faults: list[Fault], deaf: list[bool]) -> None:
        self.site.panels[name].faults.extend(faults)
        self.site.panels[name].deaf.extend(deaf)

    @rule(name=PANELS, numbers=st.sets(LINKS, max_size=2), takes_clock=st.booleans())
    def stubborn(self, name: str, numbers: set[int], takes_clock: bool) -> None:
        self.site.panels[name].refuses = {link(number) for number in numbers}
        self.site.panels[name].takes_clock = takes_clock

    @rule(name=PANELS, told=st.booleans())
    def away(self, name: str, told: bool) -> None:
        async def main() -> None:
            self.history.away(name, told=told)

        self.run(main())

    @rule(name=PANELS)
    def back(self, name: str) -> None:
        self.run(self.history.back(name))

    @rule(name=PANELS, lost=st.booleans(), wait_s=WAITS)
    def power_cut(self, name: str, lost: bool, wait_s: float) -> None:
        async def main() -> None:
            self.history.power_cut(name, FOREIGN.__eq__ if lost else None)
            await asyncio.sleep(wait_s)

        self.run(main())

    @rule(
        name=PANELS,
        items=ITEMS,
        numbers=st.sets(LINKS, max_size=2),
        lost=st.none() | st.booleans(),
        died=st.booleans(),
        wait_s=WAITS,
    )
    def absence(self, name: str, items: dict[int, int], numbers: set[int], lost: bool | None, died: bool, wait_s: float) -> None:
        """A panel is away for a while, and the gateway knows it."""

        async def main() -> None:
            history = self.history
            history.away(name, told=True)
            await history.start(history.delete([link(number) for number in sorted(numbers)]), wait_s)
            await history.start(history.upsert(items_of(items)), wait_s)
            if died:
                await self.site.crash(lose_lazy=True)
                await history.begin_again(clean=False)
            if lost is not None:
                history.power_cut(name, FOREIGN.__eq__ if lost else None)
            await history.back(name)
            await history.start(history.ask_again(), wait_s)

        self.run(main())

    @rule(name=PANELS)
    def tamper(self, name: str) -> None:
        slots = self.site.panels[name].slots
        first = next((number for number, slot in sorted(slots.items()) if slot != FOREIGN), None)
        if first is not None:
            wide = Slot(slots[first].link_ids, (Period(127, 0, 1440),))

            async def main() -> None:
                self.history.change(name, {**slots, first: wide})

            self.run(main())

    @rule(seconds=st.sampled_from((0.1, 7, 30, 100, 400)))
    def pass_time(self, seconds: float) -> None:
        self.run(self.site.pass_time(seconds))

    @rule(seconds=JUMPS, sign=st.sampled_from((-1, 1)), stays=st.booleans(), wait_s=WAITS)
    def clock_jump(self, seconds: int, sign: int, stays: bool, wait_s: float) -> None:
        async def main() -> None:
            self.history.jump(sign * seconds)
            await asyncio.sleep(wait_s)
            if not stays:
                self.history.jump(-sign * seconds)

        self.run(main())

    @rule()
    def clock_right(self) -> None:
        async def main() -> None:
            self.history.jump(START - self.site.clock.wall_offset)

        self.run(main())

    @rule(full=st.booleans(), lazy=st.booleans(), wait_s=WAITS, items=ITEMS)
    def store_fails(self, full: bool, lazy: bool, wait_s: float, items: dict[int, int]) -> None:
        async def main() -> None:
            store, error = self.site.store, StoreFull("no room") if full else StoreUnavailable("read-only")
            self.history.store_failed = True
            store.refuse, store.refuse_lazy = error, error if lazy else None
            await self.history.start(self.history.upsert(items_of(items)), wait_s)
            store.refuse = store.refuse_lazy = None

        self.run(main())

    @rule(cut=st.booleans(), lose=st.booleans())
    def die(self, cut: bool, lose: bool) -> None:
        """Die by a kill or a power cut, in the middle of whatever is under way."""

        async def main() -> None:
            await (self.site.crash(lose_lazy=lose) if cut else self.site.kill())
            await self.history.begin_again(clean=not cut)

        self.run(main())

    @rule(items=ITEMS, numbers=st.sets(LINKS, max_size=2), wait_s=WAITS, cut=st.booleans())
    def die_of_a_request(self, items: dict[int, int], numbers: set[int], wait_s: float, cut: bool) -> None:
        async def main() -> None:
            await self.history.start(self.history.delete([link(number) for number in sorted(numbers)]), 0)
            await self.history.start(self.history.upsert(items_of(items)), wait_s)
            await (self.site.crash(lose_lazy=True) if cut else self.site.kill())
            await self.history.begin_again(clean=not cut)

        self.run(main())

    @rule()
    def stop_and_start(self) -> None:
        async def main() -> None:
            await self.site.close()
            await self.history.begin_again()

        self.run(main())

    @rule(name=PANELS, numbers=st.sets(LINKS, max_size=2), restart=st.booleans(), wait_s=WAITS)
    def leave_and_return(self, name: str, numbers: set[int], restart: bool, wait_s: float) -> None:
        """Taken out of the configuration, and back after some deletions; the gateway may be started anew between them."""

        async def main() -> None:
            site, history = self.site, self.history
            await site.fleet.remove_panel(name)
            panel = site.panels.pop(name)
            history.moved()
            await history.start(history.delete([link(number) for number in sorted(numbers)]), wait_s)
            if restart:
                await site.close()
                await history.begin_again()
                await site.pass_time(10)
            panel.forbidden.clear()
            site.panels[name] = panel
            await site.add(name)
            history.looks_anew(name)
            history.moved()

        self.run(main())

    @rule(name=PANELS, wait_s=WAITS, grace_s=st.sampled_from((0.0, 0.1, 5.0)))
    def set_up_anew(self, name: str, wait_s: float, grace_s: float) -> None:
        async def main() -> None:
            await self.site.fleet.rest_panel(name, grace_s)
            await asyncio.sleep(wait_s)
            await self.site.add(name)
            self.history.looks_anew(name)
            self.history.moved()

        self.run(main())

    @precondition(lambda self: hasattr(self, "site"))
    @invariant()
    def always(self) -> None:
        async def main() -> None:
            self.history.look()

        self.run(main())
        for allocation in self.site.store.allocations.values():
            given = [number for numbers in allocation.values() for number in numbers]
            assert len(given) == len(set(given)), "a slot of two"

    def teardown(self) -> None:
        try:
            if hasattr(self, "site"):
                self.run(self._end())
        finally:
            close_loop(self.loop)

    async def _end(self) -> None:
        await self.history.settle()
        self.history.judge_end()
        assert self.erased or (self.site.panels["lobby"].slots.get(2) == FOREIGN) == self.foreign
        yard = self.site.panels["yard"]
        assert len(yard.slots) == min(yard.capabilities.max_schedules, len(self.history.live("yard")))
        await self.site.close()


Convergence.TestCase.settings = settings(
    max_examples=int(os.environ.get("FLEET_EXAMPLES", "40")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestConvergence = Convergence.TestCase
