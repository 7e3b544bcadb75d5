"""The simulated relay board: every value of FC05, timed switching, settings registers, broadcasts, power."""

from __future__ import annotations

import pytest

from config.settings import PanelSettings
from simulators.responder import Responder
from simulators.waveshare_relay import WaveshareRelay
from tests.support.master import read_pdu, rtu, single_pdu
from tests.support.sim_bench import Bench, refused

ON, OFF, TOGGLE = 0xFF00, 0x0000, 0x5500


@pytest.fixture
def board() -> Bench:
    return Bench("waveshare-relay-8ch")


def test_relays_are_switched_read_and_toggled(board: Bench) -> None:
    board.coil(2, ON)
    board.coil(7, TOGGLE)
    assert board.bits(0, 8) == (0, 0, 1, 0, 0, 0, 0, 1)
    board.coil(2, OFF)
    board.coil(7, TOGGLE)
    assert board.bits(2, 6) == (0,) * 6
    board.coils(1, 1, 0, 1)
    assert board.panel.outputs() == (False, True, False, True, False, False, False, False)


def test_all_relays_at_once(board: Bench) -> None:
    board.coil(3, ON)
    board.coil(0x00FF, TOGGLE)
    assert board.bits(0, 8) == (1, 1, 1, 0, 1, 1, 1, 1)
    board.coil(0x00FF, ON)
    assert board.bits(0, 8) == (1,) * 8
    board.coil(0x00FF, OFF)
    assert board.bits(0, 8) == (0,) * 8
    refused(2, board.bits, 0x00FF)


def test_on_for_a_time_and_prolonged_without_a_gap(board: Bench) -> None:
    board.coil(0x0203, 25)
    board.now += 2.4
    assert board.bits(3) == (1,)
    board.coil(0x0203, 25)
    board.now += 2.4
    assert board.bits(3) == (1,)
    board.now += 0.2
    assert board.bits(3) == (0,)


def test_off_for_a_time(board: Bench) -> None:
    board.coil(0x0401, 10)
    assert board.bits(1) == (0,)
    board.now += 1
    assert board.bits(1) == (1,)


def test_a_plain_command_ends_a_running_time(board: Bench) -> None:
    board.coil(0x0200, 10)
    board.coil(0, ON)
    board.now += 100
    assert board.bits(0) == (1,)
    board.coil(0x0200, 0)
    assert board.bits(0) == (0,)


def test_options_of_the_model() -> None:
    board = Bench("waveshare-relay-8ch", timed_on_prolongs=False, longest_timed_on=100)
    board.coil(0x0200, 100)
    board.now += 9
    board.coil(0x0200, 100)
    board.now += 1
    assert board.bits(0) == (0,)
    refused(3, board.coil, 0x0200, 101)


def test_what_is_refused(board: Bench) -> None:
    refused(3, board.coil, 0, 0x1234)
    refused(3, board.coil, 0x00FF, 0x0001)
    refused(3, board.coil, 0x0200, 0x8000)
    board.coil(0x0200, 0x7FFF)
    for address in (8, 0x0100, 0x01FF, 0x0208, 0x03FF, 0x0408):
        refused(2, board.coil, address, ON)
    refused(2, board.bits, 7, 2)
    refused(2, board.coils, 7, 1, 1)
    refused(1, board.bits, 0, 1, 2)
    refused(1, board.words, 0x8000, 1, 4)
    refused(1, board.write, 0x4000, 5)


def test_registers(board: Bench) -> None:
    assert (board.words(0x2000), board.words(0x4000), board.words(0x8000)) == ((0x0001,), (1,), (200,))
    board.one(0x2000, 0x0107)
    assert board.words(0x2000) == (0x0107,)
    refused(3, board.one, 0x2000, 0x0301)
    refused(3, board.one, 0x2000, 0x0008)
    refused(3, board.one, 0x4000, 0)
    refused(2, board.one, 0x8000, 1)
    refused(2, board.words, 0x8000, 2)
    refused(2, board.words, 0)


def test_power_and_reset_switch_everything_off(board: Bench) -> None:
    for restart in (board.panel.power_cut, board.panel.reset):
        board.coil(0x0401, 10)
        board.coil(0, ON)
        restart()
        board.now += 2
        assert board.bits(0, 8) == (0,) * 8


def test_a_new_unit_id_by_broadcast() -> None:
    board = WaveshareRelay(PanelSettings(id="it", model="waveshare-relay-8ch", unit=1), monotonic=lambda: 0.0)
    line = Responder([board])
    assert line.rtu(rtu(0, single_pdu(6, 0x4000, 9))) == []
    assert line.rtu(rtu(1, read_pdu(1, 0, 8))) == []
    assert [sending.data for sending in line.rtu(rtu(9, read_pdu(3, 0x4000, 1)))] == [rtu(9, bytes.fromhex("03020009"))]
    assert line.rtu(rtu(0, single_pdu(5, 0x00FF, ON))) == []
    assert board.outputs() == (True,) * 8
