"""A word that flips in a panel's memory, behind a check word that goes on saying that all is well: it is found and put right."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from config.panel_model import load_models
from config.settings import BindingSettings, LineSettings, ModbusRtuTcpLine, ModbusTcpLine, PanelSettings, SimulatorSettings
from drivers.contract import Period, Slot
from drivers.modbus.panel.layouts.open_access_schedules import slot_words
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.events import Drifted, Event
from gateway.fleet.fleet import Fleet
from gateway.fleet.views import PanelView
from gateway.schedules.time_profile import Readings
from gateway.site import Site
from simulators.domat_fc013 import DomatFc013
from simulators.ge_a_series import GeASeries
from simulators.models import build_panel
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel
from simulators.responder import Responder
from tests.support.fleet_site import START, item, link
from tests.support.memory_store import MemoryStore
from tests.support.virtual_tcp import VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock
from tests.unit.test_fleet_identifiers import person
from tests.unit.test_fleet_simulated import MODELS, ZONE

HOUR = 3600.0
AIM = 0.05 * HOUR
"""How soon it is to be found here; over a day the quick looks alone take long."""
SMALL = SimulatorSettings(schedules=6, identifiers=12)


class OneLine:
    """Panels on one serial line behind a device server, or on a Modbus TCP line without `baudrate`."""

    def __init__(self, *panels: PanelSettings, baudrate: int | None = 9600, **line: Any) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTcpLoop)
        self.clock, self.drifts, self.store = VirtualClock(START), list[Drifted](), MemoryStore()
        loop.baudrate = baudrate
        self.panels = {each.id: build_panel(each, self.clock.wall, self.clock.monotonic) for each in panels}
        self.responder = loop.responder = Responder(self.panels.values())
        shared: dict[str, Any] = {"id": "line", "host": "127.0.0.1", "port": 1, "panels": panels, **line}
        self.line: LineSettings = ModbusTcpLine(**shared)
        if baudrate is not None:
            self.line = ModbusRtuTcpLine(**shared, baudrate=baudrate)

    async def open(self) -> None:
        options, rules = (
            FleetOptions(Readings(ZONE), clock=Rules(released_at=0)),
            (BindingSettings(link_id="*", panels=("@all",)),),
        )
        self.fleet = Fleet(self.store, await self.store.open(), self.clock, options, rules=rules, listeners=(self._hear,))
        self.site = Site(self.fleet, self.clock)
        await self.site.apply((self.line,), load_models(None))
        await self.fleet.start()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Drifted):
            self.drifts.append(event)

    async def close(self) -> None:
        assert not self.fleet.failed.done(), self.fleet.failed.exception()
        await self.fleet.stop(5)
        await self.site.stop(5)
        await self.store.close()

    def view(self, name: str = "lobby") -> PanelView:
        found = self.fleet.panel(name)
        assert found is not None
        return found


def access(line: OneLine, name: str = "lobby") -> OpenAccessPanel:
    panel = line.panels[name]
    assert isinstance(panel, OpenAccessPanel)
    return panel


def panel(model: str = "open-access-panel", name: str = "lobby", unit: int = 1, **settings: Any) -> PanelSettings:
    return PanelSettings(
        id=name, model=model, unit=unit, allow_stale=True, **{"simulator": SMALL, "full_look_h": AIM / HOUR, **settings}
    )


def with_people(test: Callable[[OneLine], Awaitable[None]], baudrate: int | None = None, **settings: Any) -> None:
    """On a panel with three schedules and two people in step."""

    async def main() -> None:
        line = OneLine(panel(**settings), baudrate=baudrate)
        await line.open()
        assert all(report.success for report in await line.fleet.upsert([item(1), item(2, 700), item(3, 60)]))
        assert all(report.success for report in await line.fleet.upsert([person(1, "12345", 1), person(2, "99")]))
        await test(line)
        await line.close()

    run_virtual_tcp(main())


WORDS = [1, 8, 9, 10, 11, 12, 13, 14, 15, 40, 48, 49, 62]
"""A schedule slot's link_id, validity, number of periods, periods used and not, number of dates, dates."""


@pytest.mark.parametrize(("slot", "word"), [(word % 3, word) for word in WORDS])
def test_a_flipped_word_of_a_schedule_opens_nothing_for_long(slot: int, word: int) -> None:
    async def test(line: OneLine) -> None:
        area = access(line)._memory.schedules
        right = access(line).schedule_words(slot)
        await line.clock.sleep(AIM / 3)
        for bits in (area.committed, area.acting):
            bits[64 * slot + word] ^= 0x0004
        await line.clock.sleep(AIM)
        assert access(line).schedule_words(slot) == right
        assert len(line.drifts) == 1
        assert f"slot {slot} was" in line.drifts[0].changes[0]
        assert (line.view().state, line.view().drifts) == ("in_sync", 1)

    with_people(test)


@pytest.mark.parametrize("word", range(15))
def test_a_flipped_word_of_a_card_lets_nobody_in_for_long(word: int) -> None:
    async def test(line: OneLine) -> None:
        area = access(line)._memory.identifiers
        right = tuple(area.slot(1))
        await line.clock.sleep(AIM / 5)
        for bits in (area.committed, area.acting):
            bits[16 + word] ^= 0x0002
        await line.clock.sleep(AIM)
        assert tuple(area.slot(1)) == right
        assert [change.partition(" was ")[0] for drift in line.drifts for change in drift.changes] == ["identifier slot 1"]
        assert line.view().state == "in_sync"

    with_people(test)


@pytest.mark.parametrize(("area", "slot", "bit"), [("schedules", 5, 1), ("schedules", 4, 0x0100), ("identifiers", 11, 1)])
def test_a_free_slot_that_says_it_is_used_is_told(area: str, slot: int, bit: int) -> None:
    async def test(line: OneLine) -> None:
        memory = getattr(access(line)._memory, area)
        memory.committed[memory.width * slot] ^= bit
        await line.clock.sleep(AIM)
        assert [f"slot {slot} was free" in change for drift in line.drifts for change in drift.changes] == [True]
        assert line.view().held == 5, "nobody else suffers"
        await line.clock.sleep(AIM)
        assert len(line.drifts) == 1

    with_people(test)


def test_a_word_that_flipped_into_another_profile_of_ours_does_not_mix_the_two_up() -> None:
    """The link_ids of the first two differ in two bits."""

    async def test(line: OneLine) -> None:
        right = [access(line).schedule_words(slot) for slot in range(3)]
        area = access(line)._memory.schedules
        area.committed[8] = area.acting[8] = area.committed[64 + 8]
        assert len(set(access(line).used_schedules().values())) == 2
        await line.clock.sleep(AIM)
        assert [access(line).schedule_words(slot) for slot in range(3)] == right
        assert all(report.success for report in await line.fleet.delete([link(2)]))
        assert set(access(line).used_schedules().values()) == {link(1), link(3)}

    with_people(test)


@pytest.mark.parametrize("how", ["twice", "at another place"])
def test_another_flip_is_found_in_the_next_turn(how: str) -> None:
    async def test(line: OneLine) -> None:
        right, area = access(line).schedule_words(1), access(line)._memory.schedules
        for turn in range(2):
            area.committed[64 + 13 + (turn if how == "at another place" else 0)] ^= 1
            await line.clock.sleep(AIM)
            assert access(line).schedule_words(1) == right
        assert line.view().drifts == 2

    with_people(test)


def test_a_short_aim_finds_it_sooner_and_the_status_says_what_is_reached() -> None:
    async def test(line: OneLine) -> None:
        await line.clock.sleep(0.3 * HOUR)
        look = line.view().full_look
        assert look is not None
        assert look.aim_h == 0.1
        assert look.reached_h is not None
        assert look.reached_h <= 0.1
        assert look.ended_at is not None
        assert line.clock.wall() - look.ended_at <= 0.1 * HOUR
        right, area = access(line).schedule_words(1), access(line)._memory.schedules
        area.committed[64 + 20] ^= 1
        await line.clock.sleep(0.1 * HOUR)
        assert access(line).schedule_words(1) == right

    with_people(test, full_look_h=0.1)


def test_an_aim_that_the_line_cannot_reach_is_told() -> None:
    async def test(line: OneLine) -> None:
        await line.clock.sleep(90)
        look = line.view().full_look
        assert look is not None
        assert (look.reached_h or 0) > look.aim_h
        assert ["not within 0.001" in warning for warning in line.view().warnings] == [True]

    with_people(test, full_look_h=0.001)


@pytest.mark.parametrize("baudrate", [9600, 38_400])
def test_a_slow_line_is_read_in_short_frames_within_its_share(baudrate: int) -> None:
    async def main() -> None:
        line = OneLine(panel(full_look_h=0.05, simulator=SimulatorSettings()), baudrate=baudrate)
        await line.open()
        await line.fleet.upsert([item(number, 60 * number) for number in range(1, 9)])
        await line.clock.sleep(60)
        asked: list[bytes] = []
        simulated, answer = line.panels["lobby"], line.panels["lobby"].handle

        def heard(pdu: bytes) -> bytes:
            asked.append(pdu)
            return answer(pdu)

        simulated.handle = heard  # type: ignore[method-assign]
        bytes_before = simulated.traffic.bytes_in + simulated.traffic.bytes_out
        await line.clock.sleep(0.3 * HOUR)
        whole = [pdu for pdu in asked if pdu[0] == 3 and 0x1000 <= int.from_bytes(pdu[1:3], "big") < 0x8000]
        assert len(whole) > 10
        assert max(int.from_bytes(pdu[3:5], "big") for pdu in whole) == 32
        bytes_since = simulated.traffic.bytes_in + simulated.traffic.bytes_out - bytes_before
        assert bytes_since * 10 / baudrate <= 0.03 * 0.3 * HOUR, "2 % of the line's time, and the clock"
        await line.close()

    run_virtual_tcp(main())


def test_used_slots_are_read_before_free_ones_and_each_once_a_turn() -> None:
    async def test(line: OneLine) -> None:
        read: list[int] = []
        simulated, answer = line.panels["lobby"], line.panels["lobby"].handle

        def heard(pdu: bytes) -> bytes:
            address = int.from_bytes(pdu[1:3], "big")
            if pdu[0] == 3 and 0x1000 <= address < 0x8000:
                read.append(address)
            return answer(pdu)

        simulated.handle = heard  # type: ignore[method-assign]
        await line.clock.sleep(0.45 * HOUR)
        used, free = [*range(0x1000, 0x10C0, 32), 0x4000], [0x10C0, 0x1100, 0x1140, *range(0x4020, 0x40B1, 32)]
        first = read.index(0x1000)
        turn = used + free
        assert read[first : first + 2 * len(turn)] == turn * 2

    with_people(test, baudrate=9600, full_look_h=0.2)


def test_many_panels_on_one_slow_line_are_all_looked_at_and_a_silent_one_keeps_none_waiting() -> None:
    async def main() -> None:
        line = OneLine(*(panel(name=f"p{unit}", unit=unit) for unit in range(1, 6)))
        await line.open()
        await line.fleet.upsert([item(1), item(2)])
        line.panels["p1"].off()
        await line.clock.sleep(60)
        for name in list(line.panels)[1:]:
            area = access(line, name)._memory.schedules
            area.committed[64 + 30] ^= 2
        await line.clock.sleep(0.25 * HOUR)
        assert {drift.panel for drift in line.drifts} == set(line.panels) - {"p1"}
        await line.close()

    run_virtual_tcp(main())


def test_work_does_not_wait_for_a_look_at_every_word() -> None:
    async def test(line: OneLine) -> None:
        for number in range(10, 13):
            began = line.clock.monotonic()
            assert all(report.success for report in await line.fleet.upsert([item(number % 2 + 1, 10 * number)]))
            assert line.clock.monotonic() - began < 2
            await line.clock.sleep(100)

    with_people(test, full_look_h=0.01)


def test_a_slot_that_somebody_else_commits_with_a_check_word_of_its_own_stays_theirs() -> None:
    async def test(line: OneLine) -> None:
        words = slot_words(5, Slot((link(77),), (Period(31, 0, 600),)), 14)
        access(line)._memory.schedules.store(5, words)
        await line.clock.sleep(AIM)
        assert access(line).schedule_words(5) == words
        assert line.view().foreign_slots == (5,)

    with_people(test)


# models whose quick look reads everything


def flip_lights(simulated: SimulatedPanel, where: str) -> None:
    assert isinstance(simulated, GeASeries)
    tables = simulated._tables
    if where == "time":
        tables.schedules[0].words[2 + 2] ^= 1
    elif where == "value":
        tables.schedules[0].words[2 + 1] ^= 1
    elif where == "free":
        tables.schedules[9].words[2 + 1] ^= 1
    else:
        tables.calendars[1].days.append(20_500)


@pytest.mark.parametrize("where", ["time", "value", "free", "date"])
def test_lights_whose_table_flips_are_put_right(where: str) -> None:
    async def main() -> None:
        line = OneLine(panel("ge-a-series"), baudrate=None)
        await line.open()
        assert all(report.success for report in await line.fleet.upsert([item(1), item(2, 700)]))
        await line.clock.sleep(60)
        flip_lights(line.panels["lobby"], where)
        await line.clock.sleep(AIM)
        assert line.view().drifts == 1
        assert line.drifts[0].changes
        assert line.view().held == 2
        look = line.view().full_look
        assert look is not None
        assert (look.reached_h or 99) <= look.aim_h
        await line.close()

    run_virtual_tcp(main())


@pytest.mark.parametrize("word", [54, 55, 57, 90, 137])
def test_heating_whose_table_flips_is_put_right(word: int) -> None:
    async def main() -> None:
        line = OneLine(panel("domat-fc013"))
        await line.open()
        assert all(report.success for report in await line.fleet.upsert([item(1)]))
        await line.clock.sleep(60)
        simulated = line.panels["lobby"]
        assert isinstance(simulated, DomatFc013)
        right = simulated._ram[word]
        simulated._ram[word] ^= 1
        await line.clock.sleep(AIM)
        assert simulated._ram[word] == right
        assert [drift.panel for drift in line.drifts] == ["lobby"]
        await line.close()

    run_virtual_tcp(main())


@pytest.mark.parametrize("model", MODELS)
def test_every_panel_with_a_table_says_how_far_the_look_at_every_word_came(model: str) -> None:
    async def main() -> None:
        line = OneLine(panel(model), baudrate=None)
        await line.open()
        await line.clock.sleep(2 * AIM)
        look = line.view().full_look
        if model == "waveshare-relay-8ch":
            assert look is None
        else:
            assert look is not None
            assert look.ended_at is not None
            assert line.clock.wall() - look.ended_at <= AIM
        await line.close()

    run_virtual_tcp(main())
