"""Events by their index, on a simulated board: none twice, none left out but those that the board has dropped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from config.settings import SimulatorSettings
from drivers.calls import Call
from drivers.contract import Acknowledgement, LoggedKind, LogPage, PanelStatus, Priority
from drivers.errors import UnexpectedReply
from drivers.uhppote.panel.board import Board
from drivers.uhppote.panel.events import PAGE, events_from
from drivers.uhppote.wire.frames import GET_STATUS, Reply, Request
from drivers.uhppote.wire.messages import get_status, read_status
from tests.support.board_wire import SERIAL, BoardWire, board_on_wire
from tests.support.virtual_time import run_virtual

NOW = Call(Priority.BACKGROUND, None)
Test = Callable[[Board, BoardWire], Awaitable[None]]


def on_board(test: Test, events: int = 256) -> None:
    async def main() -> None:
        _, wire = board_on_wire(simulator=SimulatorSettings(latency_ms=0, events=events))
        await test(Board(SERIAL, wire), wire)

    run_virtual(main())


def swipe(wire: BoardWire, *cards: int) -> None:
    for card in cards:
        wire.board.read("card", str(card), 0)


async def read_on(board: Board, taken: int) -> list[int]:
    """The cards of all events behind the one that was taken last."""
    cards: list[int] = []
    last = (await board.ask(get_status(), read_status, NOW)).last_event
    while taken < last and (page := await events_from(board, taken + 1, last, NOW)):
        assert len(page) <= PAGE
        assert [event.index for event in page] == list(range(page[0].index, page[0].index + len(page)))
        cards += [event.card for event in page]
        taken = page[-1].index
    return cards


def test_every_event_is_read_once_however_many_pages_there_are() -> None:
    async def test(board: Board, wire: BoardWire) -> None:
        assert (await board.ask(get_status(), read_status, NOW)).last_event == 0
        assert await read_on(board, 0) == []
        swipe(wire, *range(100, 140))
        assert await read_on(board, 0) == [*range(100, 140)]
        swipe(wire, 7)
        assert await read_on(board, 40) == [7]
        assert await read_on(board, 41) == []

    on_board(test)


def test_reading_goes_on_at_the_oldest_event_that_is_left() -> None:
    async def test(board: Board, wire: BoardWire) -> None:
        swipe(wire, *range(100, 121))
        (first, *_) = await events_from(board, 1, 21, NOW)
        assert (first.index, first.card) == (7, 106), "as many as were dropped is told by the index"
        assert await read_on(board, 0) == [*range(106, 121)]

    on_board(test, events=16)


def test_what_an_event_tells() -> None:
    async def test(board: Board, wire: BoardWire) -> None:
        swipe(wire, 9)
        (event,) = await events_from(board, 1, 1, NOW)
        assert (event.granted, event.door, event.reason, event.card) == (False, 1, 6, 9)
        local = wire.board.local_second()
        assert local is not None
        assert event.at == divmod(int(local), 86_400)

    on_board(test)


def test_an_event_whose_time_is_none_holds_up_none_behind_it() -> None:
    """A clock that lost its power counts from a date that there is not."""

    async def test(board: Board, wire: BoardWire) -> None:
        swipe(wire, 1)
        wire.board.events.add(bytes.fromhex("01 01 01 01 02000000 20001340996161 01"))
        swipe(wire, 3)
        assert await read_on(board, 0) == [1, 2, 3]
        (event,) = await events_from(board, 2, 2, NOW)
        assert event.at is None

    on_board(test)


def test_a_clock_that_shows_no_time_is_one_that_is_not_set() -> None:
    async def main() -> None:
        driver, wire = board_on_wire()
        asked = wire.exchange

        async def lost(unit: int, request: Request, priority: Priority, deadline: float | None = None) -> Reply:
            reply = await asked(unit, request, priority, deadline)
            return replace(reply, body=bytes.fromhex("20000000000000")) if request.function == 0x32 else reply

        vars(wire)["exchange"] = lost
        status = await driver.status(Priority.BACKGROUND, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is None

    run_virtual(main())


def test_an_event_in_the_place_of_another_is_no_answer() -> None:
    async def test(board: Board, wire: BoardWire) -> None:
        swipe(wire, 1, 2, 3)
        asked = wire.exchange

        async def another(unit: int, request: Request, priority: Priority, deadline: float | None = None) -> Reply:
            return await asked(unit, Request(request.function, b"\x02\x00\x00\x00"), priority, deadline)

        vars(wire)["exchange"] = another
        with pytest.raises(UnexpectedReply):
            await events_from(board, 1, 3, NOW)

    on_board(test)


def test_the_log_is_read_as_every_panels() -> None:
    async def main() -> None:
        driver, wire = board_on_wire(card_format="wiegand26")
        end = await driver.read_log(None, Priority.BACKGROUND, None)
        assert end == LogPage(0, (), f"{SERIAL:X}", (False,) * 4)
        wire.board.read("card", str(0x7B_1234), 1)
        wire.board.power_cut()
        page = await driver.read_log(1, Priority.BACKGROUND, None)
        assert isinstance(page, LogPage)
        denied, restarted = page.events
        assert (denied.kind, denied.why, denied.output, denied.card) == (LoggedKind.DENIED, "no_privilege", 1, 0x7B_1234)
        assert (denied.instant, denied.slot) == (None, None)
        assert denied.local_second == int(wire.board.local_second() or 0)
        assert (restarted.kind, restarted.card, page.last) == (LoggedKind.RESTARTED, None, 2)
        assert (await driver.read_log(3, Priority.BACKGROUND, None)) == LogPage(2, (), f"{SERIAL:X}", (False,) * 4)
        wire.before = lambda request: False
        assert isinstance(await driver.read_log(None, Priority.BACKGROUND, None), Acknowledgement)

    run_virtual(main())


def test_which_doors_stand_open_is_read_with_the_log_and_a_board_of_two_doors_has_two() -> None:
    async def main() -> None:
        driver, wire = board_on_wire(doors=2)
        wire.board.stand(1, is_open=True)
        page = await driver.read_log(None, Priority.BACKGROUND, None)
        assert isinstance(page, LogPage)
        assert (page.inputs, wire.functions()) == ((False, True), [GET_STATUS]), "at no cost"
        wire.board.power_cut()
        wire.board.stand(1, is_open=False)
        again = await driver.read_log(1, Priority.BACKGROUND, None)
        assert isinstance(again, LogPage)
        assert (again.inputs, again.last, len(again.events)) == ((False, False), 1, 1)

    run_virtual(main())
