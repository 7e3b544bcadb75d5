"""The driver of a UHPPOTE controller on a simulated board, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from drivers.contract import (
    Acknowledgement,
    ClockSetting,
    IdentifierSlot,
    Outcome,
    PanelImage,
    PanelStatus,
    Period,
    Priority,
    Reason,
    Slot,
)
from drivers.uhppote.panel.cards import card_number, number_of
from drivers.uhppote.panel.driver import UhppoteDriver
from tests.support.board_wire import BoardWire, board_on_wire
from tests.support.virtual_time import run_virtual

P = Priority.GRANT
WORK = Slot(("work",), (Period(31, 540, 1080),), 20_000, 47_481)
NIGHT = Slot(("night",), (Period(127, 0, 300),), 20_000, 47_481)
ADA = IdentifierSlot(space="card", number=7, schedules=(2,), outputs=(0,))
BOB = IdentifierSlot(space="card", number=8, schedules=None, outputs=(0, 1))
BOTH = PanelImage(slots={2: WORK}, identifiers={0: ADA, 1: BOB})
PUT, DELETE, GET = 0x50, 0x52, 0x5A

Test = Callable[[UhppoteDriver, BoardWire], Awaitable[None]]


def on_board(test: Test, **panel: object) -> None:
    async def main() -> None:
        await test(*board_on_wire(**panel))

    run_virtual(main())


async def hold(driver: UhppoteDriver, target: PanelImage, known: PanelImage) -> Acknowledgement:
    return await driver.apply(driver.plan(target, known), P, None)


async def read(driver: UhppoteDriver) -> PanelImage:
    image = await driver.read_back(P, None)
    assert isinstance(image, PanelImage), image
    return image


def test_profiles_and_cards_are_read_back_as_they_were_written() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        assert (await hold(driver, BOTH, PanelImage())).image == BOTH
        held = await read(driver)
        assert driver.plan(BOTH, held).empty
        assert await driver.quick_look(BOTH, P, None) is True
        assert not wire.board.read("card", "7", 1).granted
        stretches = driver.stretches(BOTH)
        assert len(stretches) == 252 + 2
        assert [await driver.look_at(BOTH, each, P, None) for each in stretches].count(True) == len(stretches)

    on_board(test)


def test_the_same_again_is_nothing_to_write() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        known, writes = await read(driver), wire.board.traffic.writes
        assert (await hold(driver, BOTH, known)).outcome is Outcome.ACKNOWLEDGED
        assert wire.board.traffic.writes == writes

    on_board(test)


def test_a_card_with_a_pin_keeps_it_also_when_it_goes_and_comes_back() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        record = wire.board.cards.get(7)
        wire.board.cards.put(record[:16] + bytes((0x6B, 0x1D, 0)) + record[19:])
        there = replace(BOTH, identifiers={0: replace(ADA, outputs=(0, 2)), 1: BOB})
        assert (await hold(driver, there, BOTH)).outcome is Outcome.ACKNOWLEDGED
        assert wire.board.cards.get(7)[16:19] == bytes((0x6B, 0x1D, 0))
        assert (await hold(driver, PanelImage(slots={2: WORK}), there)).outcome is Outcome.ACKNOWLEDGED
        assert (await hold(driver, BOTH, PanelImage(slots={2: WORK}))).outcome is Outcome.ACKNOWLEDGED
        assert wire.board.cards.get(7)[16:19] == bytes((0x6B, 0x1D, 0)), "without it the card alone would open"

    on_board(test)


def test_a_card_whose_profile_is_missing_is_not_taken_for_ours() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        del wire.board.profiles.records[2]
        held = await read(driver)
        (found,) = [slot for slot in held.identifiers.values() if slot.number == 7]
        assert found.opaque is not None
        assert found.schedules == (2,), "its number is given to nobody"
        first = driver.plan(replace(BOTH, identifiers={1: BOB}), held).frames[0]
        assert first[1] == DELETE, "the card goes before the profile comes back"

    on_board(test)


def test_a_look_that_misses_a_profile_shuts_its_cards_out_at_once() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        await read(driver)
        wire.board.profiles.records.clear()
        day = 86_400 * 20_800
        assert wire.board.decide(7, 0, day) == "granted", "as on the board"
        wire.sent.clear()
        assert await driver.quick_look(BOTH, P, None) is False
        assert wire.board.decide(7, 0, day) == "schedule_closed"
        assert wire.functions() == [0x98, 0x88]
        assert (await hold(driver, BOTH, await read(driver))).outcome is Outcome.ACKNOWLEDGED

    on_board(test)


@pytest.mark.parametrize(
    "record",
    [
        bytes.fromhex("07000000 20000101 20991231 02 01 00 00 000000 00"),
        bytes.fromhex("07000000 20000101 20991231 02 00 00 00 000000 01"),
        bytes.fromhex("07000000 00000000 20991231 02 00 00 00 000000 00"),
        bytes.fromhex("07000000 20000101 20991231 00 00 00 00 000000 00"),
        bytes.fromhex("07000000 20000101 20991231 02 02 00 00 000000 00"),
        bytes.fromhex("07000000 20260101 20991231 02 00 00 00 000000 00"),
    ],
    ids=["other hours elsewhere", "a first card", "no date", "no door", "a door more", "another date"],
)
def test_a_card_that_was_changed_on_the_board_is_seen(record: bytes) -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        assert wire.board.cards.put(record)
        assert not driver.plan(BOTH, await read(driver)).empty
        looks = [await driver.look_at(BOTH, each, P, None) for each in driver.stretches(BOTH)]
        assert looks.count(False) == 1
        assert (await hold(driver, BOTH, await read(driver))).outcome is Outcome.ACKNOWLEDGED
        assert driver.plan(BOTH, await read(driver)).empty

    on_board(test)


@pytest.mark.parametrize(
    "record",
    [
        bytes.fromhex("02 20000101 20991231 01010101010000 0900 0960 0900 0900 0900 0900 00"),
        bytes.fromhex("02 20000101 20991231 01010101010000 0900 1759 0900 1759 0900 1759 09"),
        bytes.fromhex("02 20000101 20991231 01010101010000 0900 1759 0000 0000 0000 0000 00"),
        bytes.fromhex("02 20260101 20991231 01010101010000 0900 1759 0900 1759 0900 1759 00"),
    ],
    ids=["a sixtieth minute", "a link", "midnight", "another date"],
)
def test_a_profile_that_was_changed_on_the_board_is_seen(record: bytes) -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        wire.board.profiles.records[2] = record
        assert await driver.quick_look(BOTH, P, None) is False
        assert not driver.plan(BOTH, await read(driver)).empty
        assert (await hold(driver, BOTH, await read(driver))).outcome is Outcome.ACKNOWLEDGED
        assert driver.plan(BOTH, await read(driver)).empty

    on_board(test)


def test_a_profile_of_somebody_else_in_a_free_slot_is_found_in_time() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        wire.board.profiles.put(bytes.fromhex("63 20000101 20991231 01010101010000 0900 1759 0900 1759 0900 1759 00"))
        looks = {each.address: await driver.look_at(BOTH, each, P, None) for each in driver.stretches(BOTH)}
        assert [address for address, same in looks.items() if not same] == [99]
        assert set((await read(driver)).slots) == {2, 99}

    on_board(test)


def test_cards_are_walked_past_deleted_places_and_no_further_than_the_board_counts() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        await hold(driver, BOTH, PanelImage())
        wire.board.cards.delete(7)
        wire.sent.clear()
        (found,) = (await read(driver)).identifiers.values()
        assert found.number == 8
        assert wire.functions().count(0x5C) == 2
        wire.board.cards.places.clear()
        told = await driver.read_back(P, None)
        assert isinstance(told, Acknowledgement)
        assert told.reason is Reason.VERIFY_FAILED, "a list that ends before its count proves nothing"

    on_board(test)


def test_a_reply_that_is_lost_after_a_write_is_never_a_success() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        wire.lose_reply = lambda request: request.function == PUT
        done = await hold(driver, BOTH, PanelImage())
        assert (done.outcome, done.image, done.reason) == (Outcome.UNCONFIRMED, None, Reason.NO_REPLY)
        wire.lose_reply = lambda request: request.function == 0x88
        done = await hold(driver, PanelImage(), PanelImage(slots={2: WORK}))
        assert (done.outcome, done.image) == (Outcome.UNCONFIRMED, None)

    on_board(test)


def test_a_write_that_the_board_acknowledges_and_does_not_keep_is_no_success() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        def forget(request: object) -> bool:
            wire.board.profiles.records.clear()
            return True

        wire.before = forget
        done = await hold(driver, PanelImage(slots={2: WORK}), PanelImage())
        assert (done.outcome, done.reason) == (Outcome.UNCONFIRMED, Reason.VERIFY_FAILED)

    on_board(test)


def test_a_full_board_refuses_the_card_and_keeps_the_others() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        wire.board.cards.most = 1
        done = await hold(driver, BOTH, PanelImage())
        assert (done.outcome, done.reason) == (Outcome.REJECTED, Reason.PANEL_REJECTED)
        assert "7" not in (done.message or "")
        assert wire.board.cards.count() == 1

    on_board(test)


def test_a_change_gives_way_before_its_first_write_only() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        def hurry(request: object) -> bool:
            driver.give_way()
            return True

        wire.before = hurry
        assert (await hold(driver, BOTH, PanelImage())).outcome is Outcome.ACKNOWLEDGED
        known = replace(BOTH, identifiers={0: replace(ADA, outputs=(1,)), 1: BOB})
        done = await hold(driver, known, BOTH)
        assert (done.outcome, done.image) == (Outcome.NOT_SENT, BOTH), "a card is read before it is written"

    on_board(test)


def test_the_clock_is_set_to_the_wall_clock_and_proved_by_reading() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        now = wire.clock.wall()
        setting = ClockSetting(round(now), 120)
        assert (await driver.set_clock(setting, P, None)).outcome is Outcome.ACKNOWLEDGED
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is not None
        assert abs(86_400 * status.clock[0] + status.clock[1] - (now + 7200)) <= 2
        wire.before = lambda request: request.function != 0x30
        assert (await driver.set_clock(ClockSetting(round(now) + 90, 120), P, None)).outcome is Outcome.UNCONFIRMED

    on_board(test)


def test_a_clock_is_never_ahead_by_the_time_that_a_frame_before_had_waited() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        wire.takes_s = lambda request: 8.0 if request.function == 0x30 and 0x30 not in wire.functions() else 0.001
        now = wire.clock.wall()
        assert (await driver.set_clock(ClockSetting(round(now), 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        local = wire.board.local_second()
        assert local is not None
        assert abs(local - wire.clock.wall()) <= 2
        assert wire.functions().count(0x30) == 1, "it left with the time of then, and a second one has nothing to put right"

    on_board(test)


def test_a_door_opens_once_for_the_time_that_the_board_has_for_it() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        assert (await driver.pulse(1, 50, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert wire.board.outputs() == (False, True, False, False)
        assert (await driver.pulse(1, 30, P, None)).outcome is Outcome.REJECTED
        assert (await driver.pulse(4, 50, P, None)).outcome is Outcome.REJECTED
        wire.sent.clear()
        wire.lose_reply = lambda request: request.function == 0x40
        assert (await driver.pulse(0, 50, P, None)).outcome is Outcome.UNCONFIRMED
        assert [request.repeatable for request in wire.sent if request.function == 0x40] == [False]

    on_board(test)


def test_the_time_of_a_door_is_written_once_with_its_mode_as_it_is_and_another_is_refused() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        wire.board.modes[1] = 2
        times = {0: 50, 1: 90, 2: 5, 3: 2560, 7: 50}
        assert (await driver.time_pulses(times, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert (wire.board.delays_s, wire.board.modes) == ([5, 9, 5, 5], [3, 2, 3, 3])
        wire.sent.clear()
        assert (await driver.time_pulses(times, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert wire.sent == [], "what was seen to be so is not asked for again"
        wire.board.modes[1] = 3
        assert (await driver.pulse(1, 50, P, None)).outcome is Outcome.REJECTED
        assert (await driver.pulse(1, 90, P, None)).outcome is Outcome.ACKNOWLEDGED
        wire.board.delays_s[1] = 4
        assert (await driver.pulse(1, 90, P, None)).outcome is Outcome.REJECTED
        assert (await driver.time_pulses(times, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert wire.board.delays_s[1] == 9

    on_board(test)


def test_a_hold_is_a_mode_of_the_door_and_its_end_leaves_other_modes_alone() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        assert (await driver.set_output(0, True, 30, P, None)).outcome is Outcome.REJECTED
        assert (await driver.set_output(0, True, None, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert await driver.read_outputs(P, None) == (True, False, False, False)
        assert (await driver.set_output(0, False, None, P, None)).outcome is Outcome.ACKNOWLEDGED
        wire.board.modes[1] = 2
        assert (await driver.set_output(1, False, None, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert wire.board.modes == [3, 2, 3, 3]

    on_board(test)


def test_a_board_with_two_doors_has_two_outputs() -> None:
    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        assert driver.capabilities.outputs == 2
        assert await driver.read_outputs(P, None) == (False, False)

    on_board(test, doors=2)


@pytest.mark.parametrize(
    ("number", "decimal", "wiegand"),
    [
        (0x7B_1234, 0x7B_1234, 12_304_660),
        (0xFF_FFFF, None, 25_565_535),
        (0x100_0000, 0x100_0000, None),
        (0xFFFF_FFFE, 0xFFFF_FFFE, None),
        (0xFFFF_FFFF, None, None),
        (0x1_0000_0000, None, None),
        (0, None, None),
    ],
)
def test_a_card_number_is_converted_whole_or_refused(number: int, decimal: int | None, wiegand: int | None) -> None:
    if decimal is None:
        with pytest.raises(ValueError, match="card"):
            card_number(number, "decimal")
    else:
        assert number_of(card_number(number, "decimal"), "decimal") == number == decimal
    if wiegand is None:
        with pytest.raises(ValueError, match="card"):
            card_number(number, "wiegand26")
    else:
        assert card_number(number, "wiegand26") == wiegand
        assert number_of(wiegand, "wiegand26") == number


def test_a_number_on_the_board_that_no_such_card_has_is_nobodys() -> None:
    assert number_of(10_099_999, "wiegand26") > 1 << 32
    assert number_of(25_600_000, "wiegand26") > 1 << 32


def test_a_time_that_no_board_can_have_never_comes_as_far_as_its_line() -> None:
    """Nothing else would be asked there any more."""

    async def test(driver: UhppoteDriver, wire: BoardWire) -> None:
        with pytest.raises(OverflowError):
            await driver.set_clock(ClockSetting(300_000_000_000, 0), P, None)
        assert [request for request in wire.sent if request.function == 0x30] == []

    on_board(test)
