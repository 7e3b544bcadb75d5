"""Random requests, bindings, faults, power cuts, deaths of the gateway and clock jumps; when they end, all is as desired.

FLEET_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from config.settings import BindingSettings
from drivers.contract import Period, Slot
from gateway.fleet.context import Compile, FleetOptions
from gateway.fleet.results import Change
from gateway.fleet.slots import doubled
from gateway.fleet.store import StoreFull
from gateway.fleet.views import ProfileItem
from gateway.schedules.compiler import compile_panel
from gateway.schedules.time_profile import Readings
from tests.support.fake_panel import FakePanel, Fault
from tests.support.fleet_site import FleetSite, item, link, one_slot_each
from tests.support.virtual_time import VirtualTimeLoop

T = TypeVar("T")
NAMES = ("lobby", "gate", "yard")
LINKS = st.integers(1, 6)
STARTS = st.sampled_from((0, 480, 540, 600))
ITEMS = st.dictionaries(LINKS, STARTS, min_size=1, max_size=4)
PANELS = st.sampled_from(NAMES)
FAULTS: tuple[Fault, ...] = ("none", "not_sent", "lost_request", "lost_reply", "verify")
FOREIGN = Slot(("aaaaaaaa-0000-0000-0000-000000000001",), (Period(127, 0, 1440),))


class Convergence(RuleBasedStateMachine):
    """`wanted` is what was answered; `unsure` what died on the way: both ends are right."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.wanted: dict[int, int] = {}
        self.unsure: set[int] = set()
        self.tampered: set[str] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(foreign=st.booleans(), compiler=st.sampled_from((compile_panel, one_slot_each)))
    def begin(self, foreign: bool, compiler: Compile) -> None:
        async def main() -> FleetSite:
            panels = {name: FakePanel() for name in NAMES}
            panels["gate"].labelled = False
            if foreign:
                panels["lobby"].slots[2] = FOREIGN
            site = FleetSite(panels, deadline_s=3.0, drift_share=0.02, compile=compiler)
            site.rules = (BindingSettings(link_id="*", panels=("lobby", "gate")),)
            await site.open()
            return site

        self.foreign = foreign
        self.site = self.run(main())

    def place(self, start: int) -> tuple[int, int]:
        """Where the panels hold what is asked for from `start` on in UTC; one of the compilers knows no zones."""
        ahead = 540 if self.site.zone == "Asia/Tokyo" and self.site.compile is compile_panel else 0
        return start + ahead, start + ahead + 60

    # what is asked

    @rule(items=ITEMS)
    def upsert(self, items: dict[int, int]) -> None:
        reports = self.run(self.site.fleet.upsert([item(number, start) for number, start in items.items()]))
        for (number, start), report in zip(items.items(), reports, strict=True):
            assert report.change in (Change.CREATED, Change.UPDATED)
            for result in report.panels:
                if result.success and result.panel not in self.tampered:
                    assert self.site.held(result.panel)[link(number)] == self.place(start), report
        self.wanted.update(items)
        self.unsure -= items.keys()

    @rule(numbers=st.sets(LINKS, min_size=1, max_size=3))
    def delete(self, numbers: set[int]) -> None:
        reports = self.run(self.site.fleet.delete([link(number) for number in sorted(numbers)]))
        for number, report in zip(sorted(numbers), reports, strict=True):
            if number not in self.unsure:
                assert (report.change is Change.DELETED) == (number in self.wanted)
            for result in report.panels:
                if result.success and result.panel not in self.tampered:
                    assert link(number) not in self.site.held(result.panel), report
            self.wanted.pop(number, None)
        self.unsure -= numbers

    async def _checked_upsert(self, items: dict[int, int]) -> None:
        """At the moment of the answer every panel that is said to hold an item holds it."""
        reports = await self.site.fleet.upsert([item(number, start) for number, start in items.items()])
        for (number, start), report in zip(items.items(), reports, strict=True):
            for result in report.panels:
                if result.success and result.panel not in self.tampered:
                    assert self.site.held(result.panel)[link(number)] == self.place(start), report

    async def _checked_delete(self, numbers: list[int]) -> None:
        reports = await self.site.fleet.delete([link(number) for number in numbers])
        present = {profile.link_id for profile in self.site.fleet.profiles()}
        for report in reports:
            for result in report.panels:
                if result.success and report.link_id not in present and result.panel not in self.tampered:
                    assert report.link_id not in self.site.held(result.panel), report

    @rule(items=ITEMS, others=ITEMS, numbers=st.sets(LINKS, max_size=2))
    def at_once(self, items: dict[int, int], others: dict[int, int], numbers: set[int]) -> None:
        async def main() -> None:
            await asyncio.gather(self._checked_upsert(items), self._checked_delete(sorted(numbers)), self._checked_upsert(others))

        self.run(main())
        self.unsure |= items.keys() | others.keys() | numbers

    @rule(number=LINKS, names=st.sets(PANELS))
    def bind(self, number: int, names: set[str]) -> None:
        self.run(self.site.fleet.bind(link(number), sorted(names)))

    @rule(number=LINKS)
    def unbind(self, number: int) -> None:
        self.run(self.site.fleet.unbind(link(number)))

    @rule(zone=st.sampled_from(("UTC", "Asia/Tokyo")))
    def read_otherwise(self, zone: str) -> None:
        async def main() -> None:
            self.site.zone = zone
            self.site.fleet.set_options(FleetOptions(Readings(ZoneInfo(zone)), deadline_s=3.0))

        self.run(main())

    # what goes wrong

    @rule(name=PANELS, faults=st.lists(st.sampled_from(FAULTS), max_size=4))
    def faults(self, name: str, faults: list[Fault]) -> None:
        self.site.panels[name].faults.extend(faults)

    @rule(name=PANELS, deaf=st.lists(st.booleans(), max_size=6))
    def deaf(self, name: str, deaf: list[bool]) -> None:
        self.site.panels[name].deaf.extend(deaf)

    @rule(name=PANELS)
    def away(self, name: str) -> None:
        self.site.panels[name].online = False

    @rule(name=PANELS)
    def back(self, name: str) -> None:
        async def main() -> None:
            self.site.drivers[name].back()

        self.run(main())

    @rule(name=PANELS, lost=st.booleans())
    def power_cut(self, name: str, lost: bool) -> None:
        async def main() -> None:
            panel = self.site.panels[name]
            panel.power_cut(self.site.clock.monotonic())
            if lost:
                panel.slots = {number: slot for number, slot in panel.slots.items() if slot == FOREIGN}
                self.tampered.add(name)

        self.run(main())

    @rule(name=PANELS)
    def tamper(self, name: str) -> None:
        panel = self.site.panels[name]
        for number, slot in sorted(panel.slots.items()):
            if slot != FOREIGN:
                panel.slots[number] = Slot(slot.link_ids, (Period(127, 0, 1440),))
                self.tampered.add(name)
                return

    @rule(seconds=st.floats(0, 100))
    def pass_time(self, seconds: float) -> None:
        self.run(self.site.pass_time(seconds))

    @rule(seconds=st.integers(-100_000, 100_000))
    def clock_jump(self, seconds: int) -> None:
        self.site.clock.wall_offset += seconds

    @rule(items=ITEMS, full=st.booleans())
    def disk_full(self, items: dict[int, int], full: bool) -> None:
        async def main() -> None:
            self.site.store.refuse = StoreFull("no room")
            try:
                await self.site.fleet.upsert([item(number, start) for number, start in items.items()])
            except StoreFull:
                refused = True
            else:
                refused = False
            self.site.store.refuse = None
            changed = {number for number, start in items.items() if self.wanted.get(number) != start}
            assert refused or not changed - self.unsure

        self.run(main())

    @rule(items=ITEMS, after=st.floats(0, 0.2), lose=st.booleans())
    def die(self, items: dict[int, int], after: float, lose: bool) -> None:
        async def main() -> None:
            asking = asyncio.create_task(self.site.fleet.upsert([item(number, start) for number, start in items.items()]))
            await asyncio.sleep(after)
            await self.site.crash(lose_lazy=lose)
            assert asking.done()
            await self.site.open()

        self.run(main())
        self.unsure |= items.keys()

    @rule()
    def stop_and_start(self) -> None:
        async def main() -> None:
            await self.site.close()
            await self.site.open()

        self.run(main())

    @rule(lose=st.booleans())
    def power_cut_of_the_gateway(self, lose: bool) -> None:
        async def main() -> None:
            await self.site.crash(lose_lazy=lose)
            self.site.store.clean = False
            await self.site.open()
            self.site.store.clean = True

        self.run(main())

    @rule(name=PANELS, numbers=st.sets(LINKS, max_size=2), restart=st.booleans())
    def leave_and_return(self, name: str, numbers: set[int], restart: bool) -> None:
        """Taken out of the configuration, and back after some deletions; the gateway may be started anew between them."""

        async def main() -> None:
            site = self.site
            await site.fleet.remove_panel(name)
            panel = site.panels.pop(name)
            await site.fleet.delete([link(number) for number in sorted(numbers)])
            await site.pass_time(10)
            if restart:
                await site.close()
                await site.open()
                await site.pass_time(10)
            site.panels[name] = panel
            await site.add(name)

        self.run(main())
        for number in numbers:
            self.wanted.pop(number, None)
        self.unsure -= numbers

    @rule(number=LINKS, start=STARTS)
    def rename(self, number: int, start: int) -> None:
        again = item(number, start)
        renamed = ProfileItem(replace(again.profile, name="another"), '{"name": "another"}')
        self.run(self.site.fleet.upsert([renamed]))
        self.wanted[number] = start
        self.unsure.discard(number)

    @precondition(lambda self: hasattr(self, "site"))
    @invariant()
    def no_slot_twice(self) -> None:
        for allocation in self.site.store.allocations.values():
            assert not doubled(allocation)
        assert not self.site.fleet.failed.done()

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            self.loop.close()
            return
        try:
            self.run(self._end())
        finally:
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left))
            self.loop.close()

    async def _end(self) -> None:
        site = self.site
        behind = (await site.store.open()).last_write_at - site.clock.wall()
        site.clock.wall_offset += max(0.0, behind + 1)  # the clock is right again
        for name, panel in site.panels.items():
            panel.faults.clear()
            panel.deaf.clear()
            site.drivers[name].back()
            await site.fleet.retry(name)
        await site.pass_time(200)
        answered = {link(number): start for number, start in self.wanted.items() if number not in self.unsure}
        present = {profile.link_id for profile in site.fleet.profiles()}
        assert answered.keys() <= present
        assert present - answered.keys() <= {link(number) for number in self.unsure}
        assert not any(profile.profile is None for profile in site.store.desired.values()), "tombstones"
        for name in NAMES:
            held = {link_id: start for link_id, (start, _) in site.held(name).items() if link_id not in FOREIGN.link_ids}
            desired = {
                profile.link_id: self.place(profile.profile.date_from % 86_400 // 60)[0]
                for profile in site.fleet.profiles()
                if profile.profile is not None and name in site.store.overrides.get(profile.link_id, ("lobby", "gate"))
            }
            assert held == desired, name
            assert all(desired[link_id] == self.place(start)[0] for link_id, start in answered.items() if link_id in desired)
            view = site.fleet.panel(name)
            assert view is not None
            assert (view.state, view.pending, view.lag_s) == ("in_sync", 0, 0)
        assert (site.panels["lobby"].slots.get(2) == FOREIGN) == self.foreign
        await site.close()


Convergence.TestCase.settings = settings(
    max_examples=int(os.environ.get("FLEET_EXAMPLES", "30")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestConvergence = Convergence.TestCase
