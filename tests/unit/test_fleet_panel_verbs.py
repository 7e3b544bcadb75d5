"""What a panel does when it is told to, what it says of itself to others, and what is left of it when it leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.settings import PanelSettings
from drivers.contract import (
    IDENTIFIER,
    Acknowledgement,
    Availability,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    Outcome,
    PanelImage,
    Period,
    Reason,
    Slot,
    item_key,
)
from gateway.concurrency import Supervisor
from gateway.fleet.bindings import Bindings
from gateway.fleet.desired import Desired
from gateway.fleet.numbers import KnownBy
from gateway.fleet.panel.departed import Departed
from gateway.fleet.panel.drift import DriftLooks
from gateway.fleet.panel.entries import Spent, text_of
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.panel.panel import Panel
from gateway.fleet.panel.remembered import Memory, remembering
from gateway.fleet.views import CannotDo
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.schedules.time_profile import Readings
from gateway.store.contract import Certain, DesiredItem, ObservedPanel, Snapshot
from tests.support.fleet_site import START, link
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B = link(1), link(2)
CARD = item_key(IDENTIFIER, link(9))
EXACT = ItemOutcome(ItemState.EXACT)
HELD = PanelImage({0: Slot((A,), (Period(127, 0, 60),))}, (), {A: (0,)}, {A: 1}, {A: EXACT})
ASKED = Identifier(link(9), "card", Number("card", "4711"), "all", passes=5)
KNOWN_BY: KnownBy = ("card", 4711, 0)
WITH_CARD = PanelImage(
    allocation={CARD: (3,)},
    generations={CARD: 1},
    outcomes={CARD: EXACT},
    identifiers={3: IdentifierSlot(space="card", number=4711, passes=5)},
)


class Told(PanelParts):
    """A panel as the site has it; its tasks begin with `at_work`."""

    def __init__(self, image: PanelImage = HELD, memory: Memory | None = None, **parts: Any) -> None:
        super().__init__(**parts)
        self.context.ours = Desired({}, Bindings({}, {}, (), {}))
        known = ObservedPanel(known=Certain(image), model="open-access-panel", options="")
        self.member = Panel(self.settings, "line", self.driver, memory or Memory(known, {}), self.context)
        self.panel.slots, self.panel.clock_offset_s = dict(image.slots), 0.0

    def ask(self, *items: DesiredItem) -> None:
        for item in items:
            self.member.place(None).bind(item)
        self.context.ours = Desired({item.key: item for item in items}, Bindings({}, {}, (), {}))
        self.member.wake()

    def facts(self) -> dict[str, str]:
        return dict(self.store.panel_facts.get("lobby", {}))


@contextlib.asynccontextmanager
async def at_work(made: Told) -> AsyncIterator[Told]:
    await made.store.open()
    made.member.begin(Supervisor())
    try:
        await made.clock.sleep(2)
        made.panel.readings.clear()
        yield made
    finally:
        await made.member.rest(5)


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_each_verb_of_an_operator_brings_the_next_probe_forward_and_none_but_retry_reads_nothing() -> None:
    async def main() -> None:
        async with at_work(Told()) as made:
            made.member.retry()
            await made.clock.sleep(1)
            assert (made.driver.hastened, made.panel.readings) == (1, [])
            made.member.sync()
            await made.clock.sleep(1)
            assert made.driver.hastened == 2
            assert "read_back" in made.panel.readings
            await made.member.reinit()
            await made.clock.sleep(1)
            assert made.driver.hastened == 3
            assert made.panel.slots == {}, "erased, and nothing is asked for"

    virtually(main)


def test_a_panel_that_is_erased_is_retired_over_a_restart_until_it_is_begun_anew() -> None:
    async def main() -> None:
        async with at_work(Told()) as made:
            made.ask(bound(1))
            await made.clock.sleep(1)
            await made.member.erase()
            await made.clock.sleep(1)
            assert (made.panel.slots, made.facts()["retired"]) == ({}, "yes")
            again = Told(memory=Memory(ObservedPanel(model="open-access-panel"), {}, facts=made.facts()))
            assert again.member.state.retired
            await made.member.reinit()
            await made.clock.sleep(1)
            assert list(made.panel.slots) == [0]
            assert "retired" not in made.facts()
            await made.member.erase()
            await made.member.leave()
            assert "retired" not in made.facts(), "should it come back it is written again"

    virtually(main)


def test_what_others_share_of_a_panel_wakes_it() -> None:
    async def main() -> None:
        async with at_work(Told()) as made:
            made.ask(bound(1), bound(2))
            await made.clock.sleep(1)
            assert len(made.panel.slots) == 2
            readings = made.context.options
            made.context.options = replace(readings, horizon_days=7)
            before = made.member.state.observed.compiled_for
            made.member.options_changed(readings=False)
            await made.clock.sleep(1)
            assert made.member.state.observed.compiled_for != before
            assert made.member.state.held().generations == {A: 1, B: 1}
            made.panel.readings.clear()
            made.member.options_changed(readings=True)
            await made.clock.sleep(1)
            assert made.panel.readings == ["status"], "its clock is read by the new readings"
            made.panel.readings.clear()
            made.member.measure_clock()
            await made.clock.sleep(1)
            assert made.panel.readings == ["status"]
            made.panel.readings.clear()
            made.member.time_jumped()
            await made.clock.sleep(1)
            assert made.panel.readings == ["status"]

    virtually(main)


def test_hours_that_are_read_otherwise_close_an_output_at_once() -> None:
    async def main() -> None:
        async with at_work(Told()) as made:
            made.member.place(0).bind(bound(1, start=START % 86_400 // 60 - 1))
            made.member.wake()
            await made.clock.sleep(1)
            assert made.panel.outputs[0] > made.clock.monotonic()
            made.context.options = replace(
                made.context.options, readings=Readings(ZoneInfo("Asia/Tokyo"), timestamp="local_as_utc")
            )
            made.member.options_changed(readings=True)
            await made.clock.sleep(1)
            assert made.panel.outputs.get(0, 0.0) <= made.clock.monotonic()

    virtually(main)


def test_a_panel_is_said_to_be_right_until_the_first_of_its_items_ends() -> None:
    async def main() -> None:
        ends = {A: START + 9000, B: START + 5000, link(3): START + 7000, link(4): None}
        numbers = {key: (number,) for number, key in enumerate(ends)}
        slots = {number: Slot((key,), (Period(127, 0, 60),)) for key, (number,) in numbers.items()}
        outcomes = {key: ItemOutcome(ItemState.MATERIALISED, valid_until=end) for key, end in ends.items()}
        made = Told()
        made.member.state.read(PanelImage(slots, (), numbers, dict.fromkeys(ends, 1), outcomes), tuple(ends))
        assert made.member.view().valid_until == START + 5000

    virtually(main)


def test_what_is_known_of_other_panels_stays_known_when_one_leaves() -> None:
    async def main() -> None:
        made = PanelParts()
        before = Snapshot(0, {}, {}, {}, {"gate": ObservedPanel(model="uhppote")}, 0.0)
        after = remembering(before, made.state, {}, {})
        assert after.observed == {"gate": ObservedPanel(model="uhppote"), "lobby": made.state.observed}

    virtually(main)


def test_nobody_looks_at_a_line_whose_last_panel_left() -> None:
    async def main() -> None:
        async with at_work(Told()) as made:
            supervisor = Supervisor()
            looks = DriftLooks(made.clock, supervisor)
            looks.join(made.member, 0.5)
            before = asyncio.all_tasks()
            looks.begin("line")
            (looking,) = asyncio.all_tasks() - before
            looks.leave(made.member)
            await asyncio.wait([looking])
            assert looking.cancelled()

    virtually(main)


def test_a_line_without_work_is_looked_at_now_and_then_and_left_alone_meanwhile() -> None:
    """Nor does the gateway wake all the time to see whether it is time for a look."""

    async def main() -> None:
        async with at_work(Told()) as made:
            sleeps, sleep = 0, made.clock.sleep

            async def counted(seconds: float) -> None:
                nonlocal sleeps
                sleeps += 1
                await sleep(seconds)

            vars(made.clock).update(sleep=counted)
            looks = DriftLooks(made.clock, Supervisor())
            looks.join(made.member, 0.5)
            looks.begin("line")
            await sleep(600)
            assert 15 <= made.panel.readings.count("quick_look") <= 21
            assert sleeps < 200
            looks.stop()

    virtually(main)


def test_every_word_of_a_panel_is_read_as_often_as_asked_though_quick_looks_come_more_rarely() -> None:
    async def main() -> None:
        async with at_work(Told(settings=PanelSettings(id="lobby", model="open-access-panel", full_look_h=0.02))) as made:
            looks = DriftLooks(made.clock, Supervisor())
            looks.join(made.member, 0.5)
            looks.begin("line")
            await made.clock.sleep(720)
            assert made.panel.readings.count("look_at 0") >= 10
            looks.stop()

    virtually(main)


def test_a_panel_that_is_read_once_a_day_delays_no_frame_of_one_that_is_read_every_hour() -> None:
    async def main() -> None:
        paces = {"lobby": 1, "gate": 24}
        made = [
            Told(settings=PanelSettings(id=name, model="open-access-panel", full_look_h=hours)) for name, hours in paces.items()
        ]
        async with at_work(made[0]), at_work(made[1]):
            supervisor = Supervisor()
            looks = DriftLooks(made[0].clock, supervisor)
            for each in made:
                looks.join(each.member, 0.5)
            looks.begin("line")
            await made[0].clock.sleep(2 * 3600)
            frames = [sum(reading.startswith("look_at") for reading in each.panel.readings) for each in made]
            looks.stop()
            whole = len(made[0].driver.stretches(HELD))
            assert frames[0] >= 2 * whole
            assert 0 < frames[1] < whole, "nor is it passed over"

    virtually(main)


def test_a_look_in_the_background_and_a_frame_of_the_whole_look_are_what_they_are_called() -> None:
    async def main() -> None:
        async with at_work(Told()) as made:
            await made.member.look()
            assert made.panel.readings == ["status", "quick_look"]
            await made.member.look_on()
            due = made.member.look_on_at()
            await made.member.look_on()
            assert made.panel.readings[2:] == ["look_at 0", "look_at 1"]
            assert made.member.look_on_at() > due, "the next one has its own time"

    virtually(main)


def test_a_driver_that_cannot_take_what_is_remembered_fails_its_own_panel() -> None:
    async def main() -> None:
        made = PanelParts()
        made.panel.defects = {"restrict"}
        observed = ObservedPanel(known=Certain(HELD), capacity={"max_schedules": 4}, model="open-access-panel")
        panel = Panel(made.settings, "line", made.driver, Memory(observed, {}), made.context)
        await made.store.open()
        panel.begin(Supervisor())
        await asyncio.sleep(0.5)
        assert panel.state.failure is not None
        made.panel.defects = set()
        await asyncio.sleep(10)
        assert not panel.state.failed
        await panel.rest(5)

    virtually(main)


def test_a_unit_remembers_how_many_slots_it_had() -> None:
    async def main() -> None:
        observed = ObservedPanel(known=Certain(HELD), capacity={"max_schedules": 4}, model="open-access-panel")
        made = Told(memory=Memory(observed, {}))
        assert made.driver.capabilities.max_schedules == 4

    virtually(main)


def test_what_0_1_0_stored_of_a_panel_counts_where_it_was_compiled_for_what_the_panel_is_now() -> None:
    async def main() -> None:
        known = ObservedPanel(known=Certain(HELD), model="open-access-panel")
        other = Told(memory=Memory(replace(known, compiled_for="another"), {}, nameless=True, facts={"serial": "A"}))
        assert other.member.state.images() == ()
        assert other.member.state.identity.serial is None
        fingerprint = Told().member.state.observed.compiled_for
        same = Told(memory=Memory(replace(known, compiled_for=fingerprint), {}, nameless=True, facts={"serial": "A"}))
        assert same.member.state.images() == (HELD,)
        assert same.member.state.identity.serial == "A"

    virtually(main)


# entries


def test_how_many_entries_are_left_counts_those_in_slots_that_are_gone() -> None:
    async def main() -> None:
        spent: Spent = {CARD: (KNOWN_BY, 2)}
        observed = ObservedPanel(entries={CARD: 1}, model="open-access-panel")
        made = Told(memory=Memory(observed, {}, facts={"entries": text_of(spent)}))
        assert made.member.passes_left(CARD, ASKED, 5) == 2
        assert made.member.passes_left(CARD, ASKED, 2) == 0
        assert made.member.passes_left(CARD, replace(ASKED, number=Number("card", "1")), 5) == 4
        assert Told().member.passes_left(CARD, ASKED, 5) == 5, "nobody has been in yet"

    virtually(main)


@pytest.mark.parametrize(("answers", "counted", "spent"), [(True, {CARD: 3}, -4), (False, {CARD: 3}, -3), (False, {}, 0)])
def test_entries_that_are_forgiven_are_allowed_in_addition(answers: bool, counted: dict[str, int], spent: int) -> None:
    async def main() -> None:
        made = Told(WITH_CARD)
        await made.store.open()
        made.member.state.counted(counted)

        async def read_passes(slots: Any, *_: object) -> Any:
            return dict.fromkeys(slots, 4) if answers else Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY)

        vars(made.driver).update(read_passes=read_passes)
        version = made.member.state.version
        await made.member.reset_passes(CARD, ASKED)
        assert made.member.state.spent == {CARD: (KNOWN_BY, spent)}
        assert made.member.state.version == version + 1
        assert made.facts()["entries"] == text_of(made.member.state.spent)
        assert made.member.facts()["entries"] == text_of(made.member.state.spent)

    virtually(main)


# which unit it is


def test_another_unit_is_accepted_where_there_is_one_and_the_configuration_fixes_none() -> None:
    async def main() -> None:
        made = Told()
        with pytest.raises(CannotDo, match="no other unit was found"):
            await made.member.accept()
        identity = made.member.state.identity
        identity.read("B", numbered=True)
        identity.refused("another unit")
        fixed = Told(settings=PanelSettings(id="lobby", model="open-access-panel", serial="0A"))
        fixed.member.state.identity.refused("another unit")
        with pytest.raises(CannotDo, match="the configuration fixes its serial number"):
            await fixed.member.accept()
        await made.store.open()
        made.member.state.spend({CARD: (("card", 4711, 0), 2)})
        await made.member.accept()
        assert made.facts()["serial"] == "B"
        assert "entries" in made.facts()
        assert (identity.serial, identity.stranger, identity.accepted) == ("B", None, True)
        assert made.member.state.images() == ()

    virtually(main)


def test_what_is_remembered_of_a_panel_that_leaves() -> None:
    async def main() -> None:
        marked = {2: frozenset({"c"})}
        facts = {"serial": "A", "where": "line 1", "lease": "30"}
        observed = ObservedPanel(known=Certain(HELD), model="open-access-panel")
        made = Told(memory=Memory(observed, {B: (1,)}, marked, facts=facts))
        made.member.state.expect("late", 1.0)
        left = made.member.departed()
        kind = ("open-access-panel", "")
        images = made.member.state.images()
        assert left == Departed("lobby", frozenset({A, B, "late"}), kind, "line 1", "A", images, marked, left.lease_s)
        assert made.member.neighbour() == Neighbour("lobby", kind, "A", None, images)
        assert made.member.facts().keys() >= {"serial", "where", "wear", "entries"}
        assert "log" not in made.member.facts()

    virtually(main)


def test_what_a_panel_that_left_may_hold_leaves_the_panel_that_it_is_now() -> None:
    async def main() -> None:
        async with at_work(Told(memory=Memory(ObservedPanel(model="open-access-panel"), {}))) as made:
            made.ask(bound(1))
            gone = replace(bound(2), content=None)
            made.context.ours = Desired({A: bound(1), B: gone}, Bindings({}, {}, (), {}))
            made.panel.outputs[3] = float("inf")
            await made.member.inherit(
                Departed("porch", frozenset({A, B, "x"}), outputs={3: frozenset({A}), 99: frozenset()}), 7.0
            )
            assert made.member.state.leaving == {B: 7.0}
            assert list(made.member.marked()) == [3]
            await made.clock.sleep(5)
            assert made.panel.outputs.get(3, 0.0) == 0.0

    virtually(main)


def test_a_panel_that_rests_ends_its_tasks_and_looks_no_more() -> None:
    async def main() -> None:
        made = Told()
        await made.store.open()
        made.member.begin(Supervisor())
        await asyncio.sleep(1)
        made.driver.background_s = 600.0
        look = asyncio.create_task(made.member.look())
        await asyncio.sleep(1)
        began = made.clock.monotonic()
        await made.member.rest(5)
        await made.member.rest(5)
        assert made.clock.monotonic() - began < 1, "a look that is under way ends early"
        assert look.done()
        made.panel.readings.clear()
        await made.member.look()
        made.member.sync()
        await asyncio.sleep(10)
        assert made.panel.readings == []
        assert len(asyncio.all_tasks()) == 1

    virtually(main)


def test_what_an_output_does_not_hold_yet_is_not_listed_as_held() -> None:
    async def main() -> None:
        made = Told()
        made.member.place(0).bind(bound(1, generation=3))
        (item,) = made.member.view(items=True).items
        assert (item.desired_generation, item.held_generation) == (3, None)
        async with at_work(made):
            (item,) = made.member.view(items=True).items
            assert (item.desired_generation, item.held_generation) == (3, 3)

    virtually(main)


def test_slots_of_others_are_accepted_where_there_are_any_and_the_panel_answers() -> None:
    async def main() -> None:
        stranger = Slot(("x",), (Period(127, 0, 60),))
        async with at_work(Told(PanelImage({5: stranger}))) as made:
            (found,) = made.member.view().foreign
            assert (found.slot, found.known) == (5, False)
            await made.member.accept_slots()
            (found,) = made.member.view().foreign
            assert found.known
            made.driver.feed.set(Availability.QUARANTINED)
            await made.clock.sleep(1)
            view = made.member.view(items=True)
            assert (view.state, view.away_since, view.desired) == ("away", int(made.clock.wall()) - 1, 0)
            made.panel.slots = {}
            made.driver.back()
            await made.clock.sleep(5)
            with pytest.raises(CannotDo, match="every used slot is the gateway's"):
                await made.member.accept_slots()

    virtually(main)


def test_each_place_of_a_panel_says_its_name() -> None:
    async def main() -> None:
        made = Told()
        assert made.member.place(None).result(A).panel == "lobby"
        assert made.member.place(3).result(A).panel == "lobby:3"
        made.member.place(3).bind(bound(1))
        assert made.member.state.outputs == {3: {A: bound(1)}}
        assert made.member.view().desired == 1
        assert made.member.view().items == ()
        assert [(item.link_id, item.desired_generation, item.asked_at) for item in made.member.view(items=True).items] == [
            (A, 1, START)
        ]

    virtually(main)
