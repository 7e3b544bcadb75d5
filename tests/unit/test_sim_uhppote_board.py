"""The simulated board as a client that shares nothing with the gateway sees it: PyPI's `uhppoted` over real UDP and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from typing import Any

import pytest
from uhppoted import uhppote
from uhppoted.errors import CardNotFound, TimeProfileNotFound

from config.settings import PanelSettings, SimulatorSettings
from simulators.crash import Crashes
from simulators.panel import CannotRead
from simulators.uhppote_board import UhppoteBoard
from simulators.uhppote_line import BoardLine, BoardResponder

SERIAL, OTHER = 405_419_896, 303_986_753
WEDNESDAY = 1_793_793_600.0
"""2026-11-04 12:00 UTC, the board's own clock."""
NEW_YEAR, END = date(2026, 1, 1), date(2026, 12, 31)
OFFICE = (date(2026, 1, 1), date(2026, 12, 31), True, True, True, True, True, False, False)
HOURS = (time(8, 0), time(12, 29), time(13, 0), time(17, 59), time(13, 0), time(17, 59))


def board(serial: int = SERIAL, **simulator: Any) -> UhppoteBoard:
    settings = PanelSettings(
        id="it", model="uhppote", serial=serial, simulator=SimulatorSettings(**{"latency_ms": 0} | simulator)
    )
    return UhppoteBoard(settings, lambda: WEDNESDAY, lambda: 0.0)


@asynccontextmanager
async def heard(*boards: UhppoteBoard, host: str = "127.0.0.1", tcp: bool = False) -> AsyncIterator[int]:
    """The port at which the boards answer."""
    crashes = Crashes()
    line = BoardLine(BoardResponder(boards), crashes, (host, 0), tcp=tcp)
    await line.start()
    try:
        yield line.where[1]
    finally:
        await line.stop()
        crashes.check()


@pytest.fixture(params=["udp", "tcp"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


async def test_another_client_writes_profiles_and_cards_and_reads_them_back(protocol: str) -> None:
    it = board()
    async with heard(it, tcp=protocol == "tcp") as port:
        client, where = uhppote.Uhppote(bind="127.0.0.1"), (SERIAL, f"127.0.0.1:{port}", protocol)
        assert (await ask(client.set_time_profile, where, 29, *OFFICE, *HOURS, 0)).stored
        read = await ask(client.get_time_profile, where, 29)
        assert (read.start_date, read.monday, read.saturday, read.segment_2_end) == (NEW_YEAR, True, False, time(17, 59))
        with pytest.raises(TimeProfileNotFound):
            await ask(client.get_time_profile_record, where, 30)
        assert (await ask(client.put_card, where, 10_058_400, NEW_YEAR, END, 1, 29, 0, 0, 7531)).stored
        assert (await ask(client.put_card, where, 10_058_401, NEW_YEAR, END, 0, 0, 0, 0, 0)).stored
        card = await ask(client.get_card, where, 10_058_400)
        assert (card.door_1, card.door_2, card.pin, card.start_date) == (1, 29, 7531, NEW_YEAR)
        assert (await ask(client.get_cards, where)).cards == 2
        assert (await ask(client.delete_card, where, 10_058_400)).deleted
        assert (await ask(client.get_card_by_index, where, 1)).card_number == 0xFFFFFFFF
        assert (await ask(client.get_card_by_index, where, 2)).card_number == 10_058_401
        with pytest.raises(CardNotFound):
            await ask(client.get_card_record, where, 10_058_400)


async def test_another_client_opens_a_door_sets_the_clock_and_reads_the_event() -> None:
    it = board()
    async with heard(it) as port:
        client, where = uhppote.Uhppote(bind="127.0.0.1"), (SERIAL, f"127.0.0.1:{port}")
        said = await ask(client.set_time, where, datetime(2026, 11, 2, 9, 30, 15))  # noqa: DTZ001
        assert said.datetime == datetime(2026, 11, 2, 9, 30, 15)  # noqa: DTZ001
        assert (await ask(client.set_door_control, where, 3, 3, 9)).delay == 9
        assert (await ask(client.open_door, where, 3)).opened
        assert it.outputs() == (False, False, True, False)
        status = await ask(client.get_status, where)
        assert (status.event_index, status.event_door, status.relays) == (1, 3, 4)
        assert (status.system_date, status.system_time) == (date(2026, 11, 2), time(9, 30, 15))
        event = await ask(client.get_event, where, 1)
        assert (event.event_type, event.access_granted, event.reason) == (2, True, 44)
        assert not (await ask(client.open_door, where, 5)).opened


async def test_boards_are_found_by_a_broadcast_on_loopback() -> None:
    async with heard(board(), board(OTHER), host="127.255.255.255") as port:
        client = uhppote.Uhppote(bind="127.0.0.1", broadcast=f"127.255.255.255:{port}")
        found = await ask(client.get_all_controllers, 0.2)
        assert {each.controller for each in found} == {SERIAL, OTHER}
        assert {each.version for each in found} == {"v8.92"}
        assert (await ask(client.get_cards, OTHER)).controller == OTHER


WORK, WEEKEND = 2, 3
PROFILE = {
    WORK: bytes((WORK,)) + bytes.fromhex("20260101 20261231 01010101010000 0800 0959 1200 1200 1200 1200 03"),
    WEEKEND: bytes((WEEKEND,)) + bytes.fromhex("20260101 20261231 00000000000101 0000 2400 0000 0000 0000 0000 00"),
}
TODAY = 20_761


def card(number: int, *doors: int, until: str = "20261231") -> bytes:
    return number.to_bytes(4, "little") + bytes.fromhex("20260101" + until) + bytes(doors) + bytes(4)


@pytest.mark.parametrize(
    ("at", "door", "reason"),
    [
        ((TODAY, 479), 0, "schedule_closed"),
        ((TODAY, 480), 0, "granted"),
        ((TODAY, 599), 0, "granted"),
        ((TODAY, 600), 0, "schedule_closed"),
        ((TODAY, 720), 0, "granted"),
        ((TODAY + 3, 3), 0, "granted"),
        ((TODAY + 3, 3), 1, "not_this_door"),
        ((TODAY + 3, 3), 3, "granted"),
        ((TODAY, 3), 2, "granted"),
        ((TODAY + 70, 500), 0, "not_valid_now"),
    ],
)
def test_the_board_decides_by_chain_dates_and_doors(at: tuple[int, int], door: int, reason: str) -> None:
    it = board()
    assert all(it.profiles.put(record) for record in PROFILE.values())
    assert it.cards.put(card(7, WORK, 0, 1, WEEKEND))
    assert it.decide(7, door, 86_400 * at[0] + 60 * at[1]) == reason


def test_a_missing_profile_opens_as_on_the_board() -> None:
    it = board()
    assert it.cards.put(card(7, 99, 0, 0, 0))
    assert it.read("card", "7", 0).granted
    assert it.profiles.put(bytes((99,)) + PROFILE[WORK][1:16] + bytes.fromhex("0000 0000") * 3 + b"\0")
    assert it.read("card", "7", 0).reason == "schedule_closed"
    it.profiles.records.clear()
    assert it.read("card", "7", 0).granted


@pytest.mark.parametrize(
    "record",
    [
        bytes((1,)) + PROFILE[WORK][1:],
        bytes((255,)) + PROFILE[WORK][1:],
        PROFILE[WORK][:1] + bytes(8) + PROFILE[WORK][9:],
        PROFILE[WORK][:16] + bytes.fromhex("1000 0900") + PROFILE[WORK][20:],
        PROFILE[WORK][:16] + bytes.fromhex("0900 0a00") + PROFILE[WORK][20:],
    ],
)
def test_a_profile_that_no_board_takes_is_refused(record: bytes) -> None:
    it = board()
    assert not it.profiles.put(record)
    assert not it.profiles.records


def test_card_numbers_that_no_board_takes_are_refused_and_full_means_full() -> None:
    it = board(cards=2)
    assert not any(it.cards.put(card(number, 1, 1, 1, 1)) for number in (0, 0x00FFFFFF, 0xFFFFFFFF))
    assert [it.cards.put(card(number, 1, 1, 1, 1)) for number in (1, 2, 3)] == [True, True, False]
    assert it.cards.put(card(2, 0, 0, 0, 0)), "one that is there is replaced"
    it.cards.delete(1)
    assert it.cards.put(card(3, 1, 1, 1, 1))
    assert it.cards.at(1)[:4] == (3).to_bytes(4, "little")


def test_the_log_drops_its_oldest_events_together_and_its_index_goes_on() -> None:
    it = board(events=16)
    for _ in range(17):
        it.read("card", "5", 0)
    assert (it.events.last, it.events.get(0)[:4]) == (17, (3).to_bytes(4, "little"))
    assert it.events.get(1)[4] == 0xFF
    assert it.events.get(18)[4] == 0


async def test_events_are_sent_to_the_listener_while_the_board_is_on() -> None:
    it = board()
    told: list[tuple[bytes, str, int]] = []
    it.listener, it.tell = ("127.0.0.1", 60_001), lambda frame, address, port: told.append((frame, address, port))
    it.read("card", "5", 1)
    it.off()
    it.read("card", "5", 1)
    assert [(frame[1], frame[8], frame[14], address, port) for frame, address, port in told] == [
        (0x20, 1, 2, "127.0.0.1", 60_001)
    ]


def test_a_power_cut_keeps_profiles_cards_and_clock_and_ends_what_is_open() -> None:
    it = board()
    it.profiles.put(PROFILE[WORK])
    it.cards.put(card(7, 1, 0, 0, 0))
    it.read("card", "7", 0)
    clock = it.local_second()
    it.power_cut()
    assert (it.outputs()[0], it.cards.count(), sorted(it.profiles.records), it.local_second()) == (False, 1, [WORK], clock)
    it.restore()
    assert (it.cards.count(), it.profiles.records, it.events.last) == (0, {}, 1)


def test_a_reader_takes_cards_and_fobs_only() -> None:
    for shown in (("inputCode", "1", 0), ("card", "AA:BB", 0), ("card", "1", 4)):
        with pytest.raises(CannotRead):
            board().read(*shown)
