"""Random people, profiles and mishaps on two UHPPOTE boards: at every write nobody comes in by more than what was asked before
and since together; at rest everybody whom the judge lets in. UHPPOTE_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config.panel_model import load_models
from config.settings import PanelSettings, SimulatorSettings, UhppotePanelSettings
from drivers.contract import PanelDriver
from drivers.uhppote.panel.driver import UhppoteDriver
from drivers.uhppote.wire.frames import Request
from simulators.uhppote_board import UhppoteBoard
from tests.support.board_wire import BoardWire
from tests.support.virtual_time import run_virtual
from tests.unit.test_people_history import (
    BINDINGS,
    DAY,
    FAULT,
    NAMES,
    NUMBERS,
    PANEL,
    PROFILES,
    STRANGER,
    WAITS,
    Body,
    Town,
    live_in,
    person_body,
    unique,
)

SERIALS = {"lobby": 405_419_896, "gate": 303_986_753}
MODEL = load_models(None)["uhppote"]
CARDS = 5
"""Fewer than there may be people and strangers: a full board refuses."""


class Boards(Town):
    """Two boards that keep six profiles for us. Another master's card that a board lets in always is an alarm of its own."""

    at_rest = ("in_sync", "refused", "foreign")

    def __init__(self) -> None:
        super().__init__(None, 1)
        self.drivers: dict[str, UhppoteDriver] = {}
        self.model = MODEL.model_copy(update={"capabilities": MODEL.capabilities.model_copy(update={"max_schedules": 6})})

    def _settings(self, name: str) -> UhppotePanelSettings:
        kind = SimulatorSettings(latency_ms=0, cards=CARDS)
        return UhppotePanelSettings(id=name, model="uhppote", serial=SERIALS[name], simulator=kind)

    def _wire(self, name: str) -> Any:
        wire = BoardWire(UhppoteBoard(self._settings(name), self.clock.wall, self.clock.monotonic), self.clock)

        def reaches(request: Request) -> bool:
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

        wire.before, wire.lose_reply = reaches, is_lost
        return wire

    def _panel(self, name: str) -> tuple[PanelSettings, str, PanelDriver]:
        settings = self._settings(name)
        self.drivers[name] = UhppoteDriver(settings, self.model, self.wires[name], self.clock)
        return settings, "boards", self.drivers[name]

    def board(self, name: str) -> UhppoteBoard:
        board = self.wires[name].panel
        assert isinstance(board, UhppoteBoard)
        return board

    def _intrude(self, name: str, slot: int, schedule: int) -> None:
        """Somebody else writes a card that names a profile, or takes a profile away."""
        board, number = self.board(name), 2 + schedule
        if slot < 3:
            board.profiles.records.pop(number, None)
            for card in board.cards.numbers():  # what the board does with them is nobody's fault until it is looked at
                if number in board.cards.get(card)[12:16] and str(card) != STRANGER:
                    board.cards.delete(card)
            return
        board.cards.put(
            int(STRANGER).to_bytes(4, "little") + bytes.fromhex("20000101 20991231") + bytes((number,) * 4) + bytes(4)
        )

    def lets_in(self, name: str, number: str, door: int, minute: int) -> bool:
        return self.board(name).decide(int(number), door, 60 * minute) == "granted"

    def lets_in_stranger(self, name: str, door: int, minute: int) -> bool:
        """By a profile that somebody has: one that is missing lets the stranger in, whatever the gateway does."""
        named = self.board(name).cards.get(int(STRANGER))[12:13]
        return bool(named) and named[0] in self.board(name).profiles.records and self.lets_in(name, STRANGER, door, minute)


PEOPLE: st.SearchStrategy[Body] = st.builds(
    person_body,
    st.integers(1, 5),
    st.sampled_from(NUMBERS),
    st.none() | st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True),
    st.sampled_from(("first", "second", "all")),
    st.none() | st.sampled_from((20, 60)),
    st.none(),
)
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


async def live(steps: list[tuple[tuple[str, Any], float]]) -> None:
    await live_in(Boards(), [(what, how, wait) for (what, how), wait in steps])


@settings(
    max_examples=int(os.environ.get("UHPPOTE_EXAMPLES", "12")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
@given(st.lists(st.tuples(STEPS, WAITS), min_size=3, max_size=14))
def test_nobody_is_let_in_by_a_board_whom_the_judge_does_not_let_in(steps: list[tuple[tuple[str, Any], float]]) -> None:
    assert set(SERIALS) == set(NAMES)
    run_virtual(live(steps))


def test_who_loses_a_card_does_not_wait_for_hundreds_who_get_one() -> None:
    async def main() -> None:
        town = Boards()
        for wire in town.wires.values():
            wire.board.cards.most, wire.takes_s = 20_000, lambda request: 0.005
        await town.open()
        await town.do("people", [person_body(1, "1", None, "first", None, None)])
        await town.settle()
        await town.do("people", [person_body(number, str(number), None, "first", None, None) for number in range(10, 610)])
        await asyncio.sleep(1)
        at = town.clock.monotonic()
        await town.do("delete people", [101])
        while any(town.lets_in(name, "1", 0, DAY // 60) for name in NAMES):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert town.clock.monotonic() - at < 4, "a fill takes six seconds of such a line"
        await town.settle()
        await town.close()

    run_virtual(main())


def test_an_event_never_names_who_got_the_number_after_it() -> None:
    async def main() -> None:
        town = Boards()
        await town.open()
        await town.do("people", [person_body(1, "1", None, "first", None, None), person_body(2, "2", None, "first", None, None)])
        await town.settle()
        for card in ("1", "2"):
            town.board("lobby").read("card", card, 0)
        await town.do("people", [person_body(1, "3", None, "first", None, None), person_body(3, "1", None, "first", None, None)])
        await asyncio.sleep(10)
        town.board("lobby").read("card", "1", 0)
        await asyncio.sleep(3)
        await town.settle()
        told = [event for event in town.store.kept_events if event.kind.startswith("access_")]
        assert [each.facts.get("identifier", {}).get("owner") for each in told] == ["person 1", "person 2", "person 3"]
        await town.close()

    run_virtual(main())


def test_an_event_that_the_board_tells_of_is_read_at_once() -> None:
    async def main() -> None:
        town = Boards()
        await town.open()
        await town.do("people", [person_body(1, "1", None, "first", None, None)])
        await town.settle()
        await asyncio.sleep(10)
        for at_once in (True, False):
            town.store.kept_events.clear()
            town.board("lobby").read("card", "1", 0)
            if at_once:
                town.drivers["lobby"].on_news()
            await asyncio.sleep(0.3)
            assert [each.kind for each in town.store.kept_events] == ["access_granted_by_valid_identifier"] * at_once
            await asyncio.sleep(2.1)
        assert town.store.kept_events
        await town.close()

    run_virtual(main())
