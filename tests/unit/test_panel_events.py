"""Everybody who showed a card is told of once, in the panel's order and by the right name; what cannot be told is told so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.event_kinds import KINDS
from config.settings import DoorSettings
from drivers.contract import IDENTIFIER, Acknowledgement, LogPage, Priority
from drivers.modbus.panel.driver import ModbusPanelDriver
from gateway.fleet.panel.holders import Holders, person_of
from gateway.fleet.problems import Problem
from gateway.journal.vendor_form import log_item
from gateway.ops.problem_watch import ProblemWatch
from gateway.store.contract import DesiredItem, StoreFull
from gateway.store.events import SiteEvent
from simulators.modbus_slave import ModbusRefusal
from simulators.open_access_panel import OpenAccessPanel
from tests.support.event_site import PANEL, EventSite
from tests.support.fleet_site import START
from tests.support.virtual_time import run_virtual

CARDS = ("access_granted_by_valid_identifier", "access_denied_by_not_valid_identifier", "access_denied_by_unknown_card")


def played(
    scene: Callable[[EventSite], Coroutine[Any, Any, None]],
    slots: int = 4,
    log: int = 256,
    kind: type[OpenAccessPanel] = OpenAccessPanel,
) -> EventSite:
    """A scene with an open site, and some seconds for its end."""

    async def play() -> EventSite:
        site = EventSite(slots, log, kind=kind)
        await site.open()
        await asyncio.sleep(1)
        await scene(site)
        await asyncio.sleep(10)
        await site.close()
        return site

    return run_virtual(play())


def cards(site: EventSite) -> list[tuple[str, str | None]]:
    """What happened at the readers: kind, and whom it names."""
    return [(event.kind, owner(event)) for event in site.told if event.kind in CARDS]


def owner(event: SiteEvent) -> str | None:
    person = event.facts.get("identifier")
    return None if person is None else str(person["owner"])


GRANTED, NOT_VALID, UNKNOWN = CARDS


def test_a_card_is_told_of_once_with_its_person_door_and_time() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        site.show(1)
        site.show(9)

    site = played(scene)
    assert cards(site) == [(GRANTED, "person 1"), (UNKNOWN, None)]
    granted = next(event for event in site.told if event.kind == GRANTED)
    assert granted.panel == PANEL
    assert 0 <= granted.at - START < 60
    person = granted.facts["identifier"]
    assert (person["number"], person["type"], person["uid"], granted.facts["output"]) == ("1", "card", 1, 0)
    denied = next(event for event in site.told if event.kind == UNKNOWN)
    assert denied.facts["reason"] == "unknown"
    assert "identifier" not in denied.facts
    assert {event.kind for event in site.told} <= KINDS.keys()
    assert {"output_on", "panel_committed", "panel_clock_set"} <= {event.kind for event in site.told}


def test_a_slot_that_somebody_else_has_by_now_names_who_had_it_then() -> None:
    """The gateway reads every two seconds: one person comes in and leaves for good, and the next one has the slot."""

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        assert site.show(1)
        await site.dismiss(1)
        assert not site.show(1)
        await site.admit(2)
        assert site.show(2)

    assert cards(played(scene, slots=1)) == [(GRANTED, "person 1"), (UNKNOWN, None), (GRANTED, "person 2")]


LOG_START, LOG_WINDOW = 0x7FFE, 0x7000
FAULTS = {
    "the window is refused": "0x04",
    "where to read is refused": "0x04",
    "the window is empty": "gives none of them",
    "the window holds nonsense": "in no order",
}
"""What happens to the registers of a log, and what is told of it."""


class LogBroken(OpenAccessPanel):
    """A panel that does all as it should, but for the registers of its log while they have a `fault`."""

    fault = ""

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        if address != LOG_WINDOW or not self.fault.startswith("the window"):
            return super().read_words(function, address, count)
        if self.fault.endswith("refused"):
            raise ModbusRefusal(4)
        return [0 if self.fault.endswith("empty") else 0xFFFF] * count

    def write_words(self, address: int, words: Sequence[int]) -> None:
        if address == LOG_START and self.fault.startswith("where"):
            raise ModbusRefusal(4)
        super().write_words(address, words)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_panel_that_answers_and_whose_log_cannot_be_read_is_told_until_it_is_read_again(fault: str) -> None:
    async def found(site: EventSite) -> list[Problem]:
        async def writable() -> bool:
            return True

        watch = ProblemWatch(site.fleet, writable, Path("/"), lambda: None, lambda seconds: {}, tuple)
        return [each for each in await watch.look() if each.panel == PANEL]

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        site.show(1)
        await asyncio.sleep(5)
        panel = site.panel
        assert isinstance(panel, LogBroken)
        panel.fault = fault
        site.show(1)
        began = site.clock.wall()
        await asyncio.sleep(50)
        assert await found(site) == []
        await asyncio.sleep(20)
        (problem,) = await found(site)
        assert (problem.code, problem.severity, problem.line) == ("event_log_not_read", "error", "line")
        assert began - 1 <= (problem.since or 0) <= began + 3
        assert FAULTS[fault] in problem.text
        (view,) = site.fleet.panels()
        assert view.state == "in_sync"
        panel.fault = ""
        await asyncio.sleep(5)
        assert await found(site) == []
        (view,) = site.fleet.panels()
        assert (view.log_unread_since, view.log_error) == (None, None)

    assert cards(played(scene, kind=LogBroken)) == [(GRANTED, "person 1")] * 2


def test_who_went_in_and_was_deleted_is_named_while_the_next_one_of_the_slot_cannot_be_written_yet() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        site.show(1)
        await site.dismiss(1)
        await asyncio.sleep(0.5)  # the log is read before the next attempt
        site.lost_requests = 2
        await site.admit(2)

    assert cards(played(scene)) == [(GRANTED, "person 1")]


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.1])
@pytest.mark.parametrize("power", [False, True])
def test_who_went_in_and_was_deleted_just_before_the_gateway_died_is_named_and_not_the_next_one_of_the_slot(
    seconds: float, power: bool
) -> None:
    """After a power cut nobody may remember who it was; it was nobody else."""

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        site.show(1)
        await site.dismiss(1)
        await asyncio.sleep(seconds)
        await site.kill(lose_lazy=power)
        await site.open()
        await site.admit(2)
        site.show(2)

    told = cards(played(scene))
    assert told == [(GRANTED, "person 1"), (GRANTED, "person 2")] or (power and told == [(GRANTED, None), (GRANTED, "person 2")])


def test_a_slot_that_changed_hands_while_nobody_read_names_each_of_them() -> None:
    """The gateway dies between the change and the reading."""

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        assert site.show(1)
        await site.dismiss(1)
        await site.admit(2)
        assert site.show(2)
        await site.kill(lose_lazy=True)
        await site.open()

    site = played(scene, slots=1)
    assert cards(site) == [(GRANTED, "person 1"), (GRANTED, "person 2")]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_an_identifier_that_became_somebody_elses_names_who_had_it_when_it_was_shown(number: int, seconds: float) -> None:
    """The same `link_id`, with another owner and another card, or the same one."""

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(seconds)
        assert site.show(1)
        await site.pass_on(1, 2, number)
        assert site.show(number)
        await asyncio.sleep(seconds)
        assert site.show(number)

    named = [GRANTED] * 3
    assert cards(played(scene, slots=1)) == list(zip(named, ("person 1", "person 2", "person 2"), strict=True))


def test_who_was_renamed_just_before_the_gateway_died_is_named_as_they_are_called_now() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        assert site.show(1)
        await site.pass_on(1, 2, 1)
        await site.kill(lose_lazy=True)
        assert site.show(1)
        await site.open()

    assert cards(played(scene, slots=1)) == [(GRANTED, "person 1"), (GRANTED, "person 2")]


def test_a_card_that_opens_though_another_one_is_asked_for_names_not_the_other_ones_person() -> None:
    """The panel cannot be reached, and holds what it held. Where its log ended meanwhile nobody could know."""

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        site.lost_requests = 1_000_000
        await site.pass_on(1, 2, 2)
        await asyncio.sleep(60)
        assert site.show(1)
        site.lost_requests = 0
        await asyncio.sleep(90)
        assert site.show(2)

    assert cards(played(scene, slots=1)) == [(GRANTED, None), (GRANTED, "person 2")]


def test_a_name_without_an_end_does_not_fill_the_store() -> None:
    body = {"identifier_owner": {"name": "n" * 1_000_000}, "identifier_type": "qr", "identifier_number": "q" * 1_000_000}
    person = person_of(DesiredItem("a", 1, 1, 1, None, json.dumps(body), 0.0, IDENTIFIER))
    assert person is not None
    assert (len(person["number"]), len(person["owner"])) == (1000, 1000)


def test_an_event_keeps_the_number_that_its_door_had() -> None:
    def numbered(number: int) -> DoorSettings:
        return DoorSettings(id="front", panel=PANEL, output=0, number=number)

    doors = [numbered(4)]

    async def scene(site: EventSite) -> None:
        site.fleet.set_doors(doors)
        await site.admit(1)
        site.show(1)
        await asyncio.sleep(10)
        doors[0] = numbered(7)
        site.fleet.set_doors(doors)
        await asyncio.sleep(10)
        site.show(1)

    shown = [log_item(event, doors).info.model.lock for event in played(scene).told if event.kind == GRANTED]
    assert shown == [4, 7]


def test_a_gateway_that_dies_reads_on_where_it_was() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        for _ in range(3):
            site.show(1)
            await site.kill(lose_lazy=False)
            site.show(1)
            await site.open()
            await asyncio.sleep(5)

    site = played(scene)
    assert cards(site) == [(GRANTED, "person 1")] * 6
    sequences = [event.facts["sequence"] for event in site.told if "sequence" in event.facts]
    assert sequences == sorted(set(sequences))


def test_events_that_the_panel_dropped_are_counted_as_lost() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        await site.kill(lose_lazy=False)
        for _ in range(30):
            site.show(1)
        await site.open()

    site = played(scene, log=20)
    lost = next(event for event in site.told if event.kind == "events_lost")
    numbers = [event.facts["sequence"] for event in site.told if "sequence" in event.facts]
    assert lost.facts["count"] + len(numbers) == numbers[-1]
    assert [each for each in cards(site) if each != (GRANTED, "person 1")] == []


def test_a_log_that_began_anew_is_told_and_read_from_its_beginning() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        site.show(1)
        await asyncio.sleep(5)
        site.panel.restore()
        await asyncio.sleep(60)
        site.show(1)

    site = played(scene)
    assert cards(site) == [(GRANTED, "person 1")] * 2
    (lost,) = [event for event in site.told if event.kind == "events_lost"]
    assert lost.facts["count"] is None


def test_another_unit_names_nobody_by_what_it_logged_before_it_was_the_panel() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        site.show(1)
        await asyncio.sleep(5)
        site.replace_unit()
        for _ in range(2):
            site.panel.read("card", "1", 0)
        await asyncio.sleep(60)
        assert site.show(1)

    site = played(scene)
    assert cards(site) == [(GRANTED, "person 1"), (NOT_VALID, None), (NOT_VALID, None), (GRANTED, "person 1")]
    assert [event.facts["why"] for event in site.told if event.kind == "events_lost"] == ["another unit keeps its own log"]


def test_a_store_that_is_full_leaves_the_events_in_the_panel() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        before = len(site.told)
        site.store.refuse = StoreFull("full")
        site.show(1)
        await asyncio.sleep(20)
        assert len(site.told) == before
        site.store.refuse = None

    assert cards(played(scene)) == [(GRANTED, "person 1")]


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5, 2.5])
def test_who_comes_and_goes_at_any_moment_is_named(seconds: float) -> None:
    async def scene(site: EventSite) -> None:
        for person in (1, 2, 3):
            await site.admit(person)
            await asyncio.sleep(seconds)
            assert site.show(person)
            await asyncio.sleep(seconds)
            await site.dismiss(person)

    assert cards(played(scene, slots=1)) == [(GRANTED, f"person {person}") for person in (1, 2, 3)]


def test_a_gateway_that_stops_while_it_reads_names_the_rest_right_when_it_starts_again() -> None:
    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        for _ in range(200):
            site.show(1)
        await site.dismiss(1)
        await site.admit(2)
        for _ in range(10):
            site.show(2)
        before = len(site.told)
        for _ in range(1000):
            if len(site.told) >= before + 40:
                break
            await asyncio.sleep(0.01)
        await site.close()
        assert len(site.told) < before + 200
        await site.open()

    assert cards(played(scene, slots=1, log=1000)) == [(GRANTED, "person 1")] * 200 + [(GRANTED, "person 2")] * 10


def test_a_log_that_began_anew_while_it_was_read_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = ModbusPanelDriver.read_log
    sites: list[EventSite] = []

    async def slow(
        driver: ModbusPanelDriver, first: int | None, priority: Priority, deadline: float | None
    ) -> LogPage | Acknowledgement:
        page = await reading(driver, first, priority, deadline)
        if first is not None and sites:
            site = sites.pop()
            site.panel.restore()
            await site.dismiss(1)
            await site.admit(2)  # the slot changes hands, so the end of the log is looked at
        return page

    async def scene(site: EventSite) -> None:
        await site.admit(1)
        await asyncio.sleep(5)
        for _ in range(30):
            site.show(1)
        sites.append(site)
        await asyncio.sleep(30)

    monkeypatch.setattr(ModbusPanelDriver, "read_log", slow)
    site = played(scene, slots=1)
    assert [event.facts["why"] for event in site.told if event.kind == "events_lost"] == ["the panel's log began anew"]


def test_numbers_of_a_log_that_began_anew_say_nothing_of_slots_that_changed_hands_before() -> None:
    ann, bob = {"owner": "Ann"}, {"owner": "Bob"}
    holders = Holders()
    holders.hand_over(500, {3: ann}).at = 501
    assert (holders.of(3, 500, bob), holders.of(3, 501, bob)) == (ann, bob)
    holders.missed(7)
    assert holders.of(3, 500, bob) == ann
    holders.missed(None)
    assert holders.of(3, 4, bob) is None, "either of them"
