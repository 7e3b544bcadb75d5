"""Histories over months, with the real compiler: what is written as dates is renewed, ends, and never opens wider than asked.

FLEET_EXAMPLES sets how many histories are tried: half as many as of the short ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers.contract import PanelImage, Slot
from gateway.compiler.compiler import compile_panel
from gateway.compiler.image import is_open
from gateway.fleet.results import PanelResult
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import DayType, Frequency, NthDay, Readings, Repeat, TimeProfile, WeekOrder
from tests.judge import Judge
from tests.support.fake_panel import ACCESS_PANEL, FakePanel, Fault
from tests.support.fleet_history import History
from tests.support.fleet_site import START, FleetSite, link
from tests.support.virtual_time import VirtualTimeLoop, close_loop

T = TypeVar("T")
DAY = 86_400
HORIZON_DAYS = 60
DAYS = 40
"""So far ahead what a panel holds is asked for."""
NAMES = ("lobby", "gate")
WEEKDAYS = frozenset({0, 3})
REPEATS: tuple[Repeat | None, ...] = (
    None,
    Repeat(Frequency.DAY),
    Repeat(Frequency.WEEK, custom=True, weekdays=WEEKDAYS),
    Repeat(Frequency.WEEK, interval=2),
    Repeat(Frequency.WEEK, interval=3, custom=True, weekdays=WEEKDAYS, end=START + 50 * DAY),
    Repeat(Frequency.DAY, interval=5, custom=True),
    Repeat(Frequency.MONTH, custom=True, month_days=frozenset({1, 31})),
    Repeat(Frequency.MONTH, custom=True, nth=NthDay(WeekOrder.LAST, DayType.FRI)),
    Repeat(Frequency.YEAR),
)
PROFILES = st.builds(
    lambda number, repeat, day, minute: (number, repeat, day, minute),
    st.integers(1, 5),
    st.sampled_from(REPEATS),
    st.sampled_from((-9, 0, 2, 40, 90)),
    st.sampled_from((480, 1380)),
)
SEVERAL = st.lists(PROFILES, min_size=1, max_size=4, unique_by=lambda each: each[0])
WAITS = st.sampled_from((0.0, 0.006, 0.012, 0.3, 5.0))
FAULTS: tuple[Fault, ...] = ("none", "not_sent", "lost_request", "lost_reply", "verify", "rejected")


def profile(number: int, repeat: Repeat | None, day: int, minute: int) -> TimeProfile:
    """Two hours, for the first time `day` days from the beginning."""
    begin = START - START % DAY + day * DAY + minute * 60
    return TimeProfile(link(number), f"profile {number}", False, begin, begin + 7200, repeat)


@lru_cache(maxsize=256)
def judge_of(asked: TimeProfile, readings: Readings) -> Judge:
    return Judge(asked, readings)


class Seasons(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(labelled=st.booleans(), asked=SEVERAL)
    def begin(self, labelled: bool, asked: list[tuple[int, Repeat | None, int, int]]) -> None:
        async def main() -> None:
            panels = {name: FakePanel() for name in NAMES}
            panels["gate"].labelled = labelled
            site = self.site = FleetSite(
                panels, deadline_s=3.0, drift_share=0.02, compile=compile_panel, horizon_days=HORIZON_DAYS
            )
            self.history = History(site, self.shows)
            self.history.bind_all_to(*NAMES)
            await site.open()
            await self.history.start(self.history.upsert([RequestItem(profile(*each), "{}") for each in asked]), 2)

        self.run(main())

    def minutes(self, asked: TimeProfile, days: int) -> list[int]:
        """Local minutes beside the clock times at which the profile may change, from now on."""
        today = int(self.site.clock.wall()) // DAY
        start, end = asked.date_from % DAY // 60, asked.date_to % DAY // 60
        clock = sorted({minute % 1440 for edge in (start, end) for minute in (edge - 1, edge)})
        return [day * 1440 + minute for day in range(today, today + days) for minute in clock]

    def shows(self, asked: TimeProfile, slots: Mapping[int, Slot], said: PanelResult) -> bool:
        """Never more than is asked, also beyond what it says; as much until then."""
        until = float("inf") if said.valid_until is None else said.valid_until
        judge, image, now = judge_of(asked, self.site.options().readings), PanelImage(slots=slots), self.site.clock.wall()
        for minute in self.minutes(asked, DAYS):
            wanted, held = judge.is_open_local(minute * 60), is_open(image, ACCESS_PANEL, minute)
            if held and not wanted and minute * 60 >= now:
                return False
            if wanted and not held and now <= minute * 60 < until:
                return False
        return True

    @rule(asked=SEVERAL, wait_s=WAITS)
    def upsert(self, asked: list[tuple[int, Repeat | None, int, int]], wait_s: float) -> None:
        items = [RequestItem(profile(*each), "{}") for each in asked]
        self.run(self.history.start(self.history.upsert(items), wait_s))

    @rule(numbers=st.sets(st.integers(1, 5), min_size=1, max_size=2), wait_s=WAITS)
    def delete(self, numbers: set[int], wait_s: float) -> None:
        self.run(self.history.start(self.history.delete([link(number) for number in sorted(numbers)]), wait_s))

    @rule(wait_s=WAITS)
    def ask_again(self, wait_s: float) -> None:
        self.run(self.history.start(self.history.ask_again(), wait_s))

    @rule(days=st.sampled_from((1, 7, 19, 39, 70)), wait_s=st.sampled_from((5.0, 7.0, 100.0)))
    def lapse(self, days: int, wait_s: float) -> None:
        """Gateway and panels sleep for days."""

        async def main() -> None:
            self.site.clock.wall_offset += days * DAY
            await asyncio.sleep(wait_s)

        self.run(main())

    @rule(days=st.sampled_from((-400, -30, 30, 400)), stays=st.booleans(), wait_s=WAITS)
    def clock_jump(self, days: int, stays: bool, wait_s: float) -> None:
        async def main() -> None:
            self.history.jump(days * DAY)
            await asyncio.sleep(wait_s)
            if not stays:
                self.history.jump(-days * DAY)

        self.run(main())

    @rule(zone=st.sampled_from(("UTC", "Etc/GMT-1")))
    def reload_readings(self, zone: str) -> None:
        async def main() -> None:
            await asyncio.sleep(0.0001)  # an answer of this instant is judged by what was so
            self.site.zone = zone
            self.site.fleet.set_options(self.site.options())

        self.run(main())

    @rule(name=st.sampled_from(NAMES), faults=st.lists(st.sampled_from(FAULTS), max_size=4))
    def faults(self, name: str, faults: list[Fault]) -> None:
        self.site.panels[name].faults.extend(faults)

    @rule(name=st.sampled_from(NAMES), numbers=st.sets(st.integers(1, 5), max_size=2))
    def stubborn(self, name: str, numbers: set[int]) -> None:
        self.site.panels[name].refuses = {link(number) for number in numbers}

    @rule(name=st.sampled_from(NAMES), told=st.booleans())
    def away(self, name: str, told: bool) -> None:
        async def main() -> None:
            self.history.away(name, told=told)

        self.run(main())

    @rule(name=st.sampled_from(NAMES))
    def back(self, name: str) -> None:
        self.run(self.history.back(name))

    @rule(name=st.sampled_from(NAMES), lost=st.booleans())
    def power_cut(self, name: str, lost: bool) -> None:
        async def main() -> None:
            self.history.power_cut(name, (lambda slot: False) if lost else None)

        self.run(main())

    @rule(cut=st.booleans(), lose=st.booleans())
    def die(self, cut: bool, lose: bool) -> None:
        async def main() -> None:
            await (self.site.crash(lose_lazy=lose) if cut else self.site.kill())
            await self.history.begin_again(clean=not cut)

        self.run(main())

    @precondition(lambda self: hasattr(self, "site"))
    @invariant()
    def always(self) -> None:
        async def main() -> None:
            self.history.look()

        self.run(main())

    def teardown(self) -> None:
        try:
            if hasattr(self, "site"):
                self.run(self._end())
        finally:
            close_loop(self.loop)

    async def _end(self) -> None:
        await self.history.settle()
        self.history.judge_end()
        await self.site.close()


Seasons.TestCase.settings = settings(
    max_examples=max(1, int(os.environ.get("FLEET_EXAMPLES", "40")) // 2),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestSeasons = Seasons.TestCase
