"""Random people, profiles and mishaps; then for every number, door and minute the simulated panels let in whom a judge lets in.

While things go wrong nobody is let in by more than what was asked before and since together. FLEET_EXAMPLES sets how many
histories are tried.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from config.panel_model import load_models
from config.settings import BindingSettings, PanelSettings, SimulatorSettings
from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemState, PanelDriver
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request
from gateway.api.items import read_identifier
from gateway.api.validation import read_item
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.fleet import Fleet
from gateway.fleet.results import Change
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredChange, DesiredItem
from simulators.open_access_panel import OpenAccessPanel
from tests.judge import Judge
from tests.judge_access import DEFAULT_DOORS, AccessJudge, is_valid, lock_outputs, normal_form, references, time_profile
from tests.support.access_words import sealed
from tests.support.fleet_site import START, link
from tests.support.memory_store import MemoryStore
from tests.support.panel_wire import PanelWire
from tests.support.virtual_time import VirtualClock, run_virtual

Body = dict[str, Any]
READINGS = Readings(ZoneInfo("UTC"))
NAMES = ("lobby", "gate")
NUMBERS = tuple(str(number) for number in range(1, 6))
STRANGER = "900"
DAY = START - START % 86_400 + 2 * 86_400
MODEL = "open-access-panel"
LOOKS = tuple(DAY // 60 + 60 * hour for hour in (7, 9, 19))


def profile_body(number: int, hour: int) -> Body:
    """Two hours of every day."""
    return {
        "link_id": link(number),
        "name": f"profile {number}",
        "time_options": {"is_all_day": False, "date_from": DAY + 3600 * (hour - 240), "date_to": DAY + 3600 * (hour - 238)},
        "repeat_options": {
            "repeat_enable": True,
            "repeat_format": {"repeat_type": "day", "repeat_end": {"format": "never"}},
        },
    }


def person_body(number: int, card: str, profiles: Sequence[int] | None, lock: str, hours: int | None, passes: int | None) -> Body:
    valid: Body = {}
    if hours is not None:
        valid["time"] = {"is_permanent": False, "from": DAY + 30, "to": DAY + 3600 * hours + 90}
    if passes is not None:
        valid["passes"] = {"is_permanent": False, "max_passes": passes}
    named = {} if profiles is None else {"time_profiles": {"link_ids": [link(each) for each in profiles]}}
    return {
        "link_id": link(100 + number),
        "identifier_owner": {"name": f"person {number}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": card,
        "lock": lock,
        "valid": valid,
        **named,
    }


PEOPLE = st.builds(
    person_body,
    st.integers(1, 5),
    st.sampled_from(NUMBERS),
    st.none() | st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True),
    st.sampled_from(("first", "second", "all")),
    st.none() | st.sampled_from((9, 20)),
    st.none() | st.sampled_from((0, 2)),
)
PROFILES = st.builds(profile_body, st.integers(1, 3), st.sampled_from((6, 8, 18)))
WAITS = st.sampled_from((0.0, 0.003, 0.02, 0.2, 5.0))
PANEL = st.sampled_from(NAMES)
BINDINGS = st.none() | st.lists(PANEL, unique=True, max_size=2)
FAULT = st.sampled_from(("none", "lost_request", "lost_reply"))


def unique(bodies: st.SearchStrategy[Body]) -> st.SearchStrategy[list[Body]]:
    return st.lists(bodies, min_size=1, max_size=4, unique_by=lambda body: body["link_id"])


STEPS = st.one_of(
    st.tuples(st.just("people"), unique(PEOPLE)),
    st.tuples(st.just("people"), unique(PEOPLE)),
    st.tuples(st.just("profiles"), unique(PROFILES)),
    st.tuples(st.just("delete people"), st.lists(st.integers(101, 105), min_size=1, unique=True)),
    st.tuples(st.just("delete profiles"), st.lists(st.integers(1, 3), min_size=1, unique=True)),
    st.tuples(st.just("bind"), st.tuples(st.sampled_from((1, 2, 101, 102)), BINDINGS)),
    st.tuples(st.just("power"), PANEL),
    st.tuples(st.just("stranger"), st.tuples(PANEL, st.integers(0, 9), st.integers(0, 3))),
    st.tuples(st.just("verb"), st.tuples(PANEL, st.sampled_from(("sync", "retry", "reinit")))),
    st.tuples(st.just("faults"), st.tuples(PANEL, st.lists(FAULT, max_size=12))),
    st.tuples(st.just("die"), st.sampled_from(("kill", "crash", "lazy kept"))),
    st.tuples(st.just("settle"), st.just(None)),
)


@dataclass
class Asked:
    """Bodies as they were accepted: the present ones, and all since the site was last at rest."""

    people: dict[str, Body] = field(default_factory=dict)
    profiles: dict[str, Body] = field(default_factory=dict)
    earlier: list[Body] = field(default_factory=list)
    earlier_profiles: list[Body] = field(default_factory=list)

    def person(self, link_id: str, body: Body | None) -> None:
        self._change(self.people, self.earlier, link_id, body)

    def profile(self, link_id: str, body: Body | None) -> None:
        self._change(self.profiles, self.earlier_profiles, link_id, body)

    @staticmethod
    def _change(present: dict[str, Body], earlier: list[Body], link_id: str, body: Body | None) -> None:
        before = present.pop(link_id, None)
        if before is not None:
            earlier.append(before)
        if body is not None:
            present[link_id] = body

    def rest(self) -> None:
        self.earlier.clear()
        self.earlier_profiles.clear()

    def may(self, number: str, door: int, minute: int) -> bool:
        """Whether anything that was asked since the last rest lets a number in."""
        profiles = [*self.profiles.values(), *self.earlier_profiles]
        return any(
            normal_form("card", body["identifier_number"]) == normal_form("card", number)
            and door in lock_outputs(body["lock"], DEFAULT_DOORS)
            and is_valid(body, minute)
            and _open(references(body), profiles, minute)
            for body in (*self.people.values(), *self.earlier)
        )


def _open(named: Any, profiles: Sequence[Body], minute: int) -> bool:
    return not named or any(body["link_id"] in named and _judge(body).is_open(60 * minute) for body in profiles)


def _judge(body: Body) -> Judge:
    return Judge(time_profile(body), READINGS)


def minutes() -> Iterator[int]:
    """Beside every minute at which anything may change."""
    for hour in (0, 6, 8, 9, 10, 18, 20):
        for beside in (-1, 0, 1):
            yield DAY // 60 + 60 * hour + beside


class Told(MemoryStore):
    """What it makes durable is asked from then on."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked

    def _change(self, change: DesiredChange, at: float) -> DesiredItem:
        item = super()._change(change, at)
        body = None if item.content is None else json.loads(item.body)
        (self._asked.person if item.kind == IDENTIFIER else self._asked.profile)(item.link_id, body)
        return item


class Town:
    """Two panels on wires in virtual time, and a gateway that may die."""

    at_rest: tuple[str, ...] = ("in_sync", "refused")

    def __init__(self, timed_ms: float | None, references: int) -> None:
        self.timed_ms, self.references = timed_ms, references
        shipped = load_models(None)[MODEL]
        self.model = shipped.model_copy(
            update={"capabilities": shipped.capabilities.model_copy(update={"references": references})}
        )
        self.clock = VirtualClock(START)
        self.asked = Asked()
        self.store = Told(self.asked)
        self.wires = {name: self._wire(name) for name in NAMES}
        self.faults: dict[str, list[str]] = {name: [] for name in NAMES}
        self.fleet: Fleet | None = None
        self.working: list[asyncio.Task[None]] = []

    def _wire(self, name: str) -> Any:
        kind = SimulatorSettings(latency_ms=0, schedules=4 if self.references > 1 else 8, identifiers=6)
        settings = PanelSettings(id=name, model=MODEL, simulator=kind)
        wire = PanelWire(OpenAccessPanel(settings, self.clock.wall, self.clock.monotonic), self.clock)

        async def reaches(request: Request) -> bool:
            faults = self.faults[name]
            if faults and faults[0] == "lost_request":
                faults.pop(0)
                return False
            return True

        def is_lost(request: Request) -> bool:
            if request.writes:
                self.look(name)
            faults = self.faults[name]
            return bool(faults) and faults.pop(0) == "lost_reply"

        wire.before, wire.lose_reply, wire.timed_ms = reaches, is_lost, self.timed_ms
        return wire

    def panel(self, name: str) -> OpenAccessPanel:
        panel = self.wires[name].panel
        assert isinstance(panel, OpenAccessPanel)
        return panel

    async def open(self) -> None:
        rules = (BindingSettings(link_id="*", panels=("@all",)),)
        fleet = Fleet(
            self.store,
            await self.store.open(),
            self.clock,
            FleetOptions(READINGS, deadline_s=3.0, clock=Rules(released_at=0)),
            rules=rules,
        )
        for name in NAMES:
            await fleet.add_panel(*self._panel(name), drift_share=0.0)
        await fleet.start()
        self.fleet = fleet

    def _panel(self, name: str) -> tuple[PanelSettings, str, PanelDriver]:
        unit = PanelUnit(self.model, 1, self.wires[name], self.clock)
        return PanelSettings(id=name, model=MODEL), "line", ModbusPanelDriver(unit)

    async def close(self) -> None:
        assert self.fleet is not None
        assert not self.fleet.failed.done(), self.fleet.failed.exception()
        await self.fleet.stop(5)
        await self.store.close()

    # what happens

    async def do(self, what: str, how: Any) -> None:
        assert self.fleet is not None
        match what:
            case "people":
                self._start(self._upsert([read_identifier(body, {}, "item") for body in how]))
            case "profiles":
                self._start(self._upsert([read_item(body, {}, "item") for body in how]))
            case "delete people":
                self._start(self._delete([link(number) for number in how], IDENTIFIER))
            case "delete profiles":
                self._start(self._delete([link(number) for number in how], TIME_PROFILE))
            case "bind":
                number, names = how
                self._start(self._bind(link(number), names))
            case "power":
                self.wires[how].panel.power_cut()
            case "stranger":
                self._intrude(*how)
            case "verb":
                await getattr(self.fleet, how[1])(how[0])
            case "faults":
                self.faults[how[0]].extend(how[1])
            case "die":
                await self._die(how)
            case _:
                await self.settle()

    async def _upsert(self, items: Sequence[Any]) -> None:
        assert self.fleet is not None
        for report in await self.fleet.upsert(items):
            refused = report.change in (Change.NUMBER_TAKEN, Change.PROFILE_MISSING)
            assert not (refused and report.panels)

    async def _delete(self, link_ids: Sequence[str], kind: str) -> None:
        assert self.fleet is not None
        await self.fleet.delete(link_ids, kind)

    async def _bind(self, link_id: str, names: Sequence[str] | None) -> None:
        assert self.fleet is not None
        await (self.fleet.unbind(link_id) if names is None else self.fleet.bind(link_id, names))

    def _start(self, work: Any) -> None:
        self.working.append(asyncio.create_task(work))

    def _intrude(self, name: str, slot: int, schedule: int) -> None:
        """Somebody else writes a card of their own, which names a schedule slot."""
        panel, number = self.panel(name), slot % 6
        if panel.read_words(3, 0x4000 + 16 * number, 1)[0]:
            return
        head = struct.pack(">HQ4HHIIH", 1, int(STRANGER), schedule, *(0xFFFF,) * 3, 0xFF, 0, 0xFFFF_FFFF, 0xFFFF)
        panel.write_words(0x0200, [0xDEAD, 0])
        panel.write_words(0x4000 + 16 * number, sealed(number, struct.unpack(">15H", head), 16))
        panel.write_words(0x0200, [0xC0DE, 1])

    async def _die(self, how: Literal["kill", "crash", "lazy kept"]) -> None:
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        for task in everything:
            task.cancel()
        if everything:
            await asyncio.wait(everything)
        self.working.clear()
        if how == "kill":
            self.store.kill()
        else:
            self.store.crash(lose_lazy=how == "crash")
        await self.open()

    # what is seen

    def look(self, name: str) -> None:
        """Nobody is let in by more than what was asked before and since together."""
        for minute in LOOKS:
            for number in NUMBERS:
                for door in (0, 1):
                    if self.lets_in(name, number, door, minute):
                        assert self.asked.may(number, door, minute), (name, number, door, minute)

    def lets_in(self, name: str, number: str, door: int, minute: int) -> bool:
        return self.panel(name).would_read("card", number, door, minute, minute).granted

    async def settle(self) -> None:
        """Faults end, and the panels come to rest."""
        assert self.fleet is not None
        for faults in self.faults.values():
            faults.clear()
        for name in NAMES:
            await self.fleet.retry(name)
            await self.fleet.sync(name)
        for _ in range(400):
            await asyncio.sleep(1)
            views = [self.fleet.panel(name) for name in NAMES]
            if all(view is not None and view.state in self.at_rest for view in views):
                break
        else:
            raise AssertionError(f"the panels do not come to rest: {views}")
        if self.working:
            await asyncio.wait(self.working)
        for task in self.working:
            task.result()
        self.working.clear()
        self.asked.rest()
        for name in NAMES:
            self._compare(name)

    def _compare(self, name: str) -> None:
        assert self.fleet is not None
        view = self.fleet.panel(name)
        assert view is not None
        kinds = {(getattr(each, "kind", TIME_PROFILE), each.link_id): each for each in view.items}
        profiles = [body for link_id, body in self.asked.profiles.items() if (TIME_PROFILE, link_id) in kinds]
        people = [body for link_id, body in self.asked.people.items() if (IDENTIFIER, link_id) in kinds]
        judge = AccessJudge(READINGS, profiles, people)
        exact = {body["identifier_number"] for body in people if kinds[IDENTIFIER, body["link_id"]].outcome is ItemState.EXACT}
        for minute in minutes():
            for door in (0, 1):
                for number in NUMBERS:
                    said, found = judge.lets_in("card", number, door, minute), self.lets_in(name, number, door, minute)
                    assert said or not found, (name, number, door, minute, "wider than asked")
                    assert found or not (said and number in exact), (name, number, door, minute, "less than exact")
                assert not self.lets_in_stranger(name, door, minute), "a stranger opens by a profile of ours"

    def lets_in_stranger(self, name: str, door: int, minute: int) -> bool:
        return self.lets_in(name, STRANGER, door, minute)


async def live(steps: Sequence[tuple[str, Any, float]], timed_ms: float | None, references: int) -> None:
    """`timed_ms`: what an exchange takes of the line; on a slow one what changes is written in many transactions. `references`:
    with one alone who names several profiles refers to a set.
    """
    await live_in(Town(timed_ms, references), steps)


async def live_in(town: Town, steps: Sequence[tuple[str, Any, float]]) -> None:
    await town.open()
    await asyncio.sleep(1)
    for what, how, wait in steps:
        await town.do(what, how)
        await asyncio.sleep(wait)
    await town.settle()
    await town.close()


NUMBER_CHANGED_AFTER_A_POWER_CUT: list[tuple[tuple[str, Any], float]] = [
    (("people", [person_body(5, "1", None, "first", None, None)]), 0.0),
    (("delete people", [101]), 0.0),
    (
        (
            "people",
            [
                person_body(5, "5", None, "first", None, None),
                person_body(4, "1", [2, 1, 3], "first", None, None),
                person_body(3, "4", [1], "all", None, None),
                person_body(1, "2", None, "second", 9, 2),
            ],
        ),
        0.003,
    ),
    (("settle", None), 5.0),
    (("settle", None), 0.02),
    (("delete people", [101, 105, 102, 104]), 0.0),
    (("faults", ("gate", ["lost_reply"] * 5)), 0.003),
    (("die", "crash"), 5.0),
    (("stranger", ("gate", 7, 3)), 5.0),
    (("profiles", [profile_body(3, 8), profile_body(2, 6)]), 0.02),
    (("delete people", [104]), 5.0),
    (
        (
            "people",
            [
                person_body(3, "4", [3, 1], "first", None, None),
                person_body(5, "1", None, "second", 9, None),
                person_body(4, "4", None, "second", 9, 0),
                person_body(1, "5", [3], "all", 9, 0),
            ],
        ),
        0.003,
    ),
    (("verb", ("gate", "sync")), 0.0),
]
"""A panel was not seen without the old number when its owner had another one."""


@example(NUMBER_CHANGED_AFTER_A_POWER_CUT, 450.0, 4)
@settings(
    max_examples=int(os.environ.get("FLEET_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
@given(st.lists(st.tuples(STEPS, WAITS), min_size=3, max_size=14), st.sampled_from((None, 450.0)), st.sampled_from((4, 1)))
def test_nobody_is_let_in_whom_the_judge_does_not_let_in(
    steps: list[tuple[tuple[str, Any], float]], timed_ms: float | None, references: int
) -> None:
    run_virtual(live([(what, how, wait) for (what, how), wait in steps], timed_ms, references))
