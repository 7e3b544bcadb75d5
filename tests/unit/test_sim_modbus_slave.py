"""The simulators' byte code against published vectors and an independent master's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config.settings import PanelSettings
from simulators.modbus_slave import (
    MbapRequests,
    RtuRequests,
    answer,
    crc16,
    mbap_frame,
    pack_bits,
    rtu_frame,
    rtu_parse,
    unpack_bits,
)
from simulators.register_bank import RegisterBank
from tests.support.master import coils_pdu, crc, read_pdu, rtu, single_pdu, tcp, write_pdu


def bank() -> RegisterBank:
    settings = PanelSettings(id="bank", model="bank", unit=1)
    return RegisterBank(settings, monotonic=lambda: 0.0, sizes=(100, 100, 100, 100))


def test_crc_of_the_serial_line_guide() -> None:
    assert rtu_frame(0x02, b"\x07") == bytes.fromhex("02074112")
    assert crc16(b"123456789") == 0x4B37


@given(st.binary(max_size=300))
def test_crc_equals_the_bitwise_one(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == crc(data)


@given(st.integers(0, 247), st.binary(min_size=1, max_size=253))
def test_frames_come_back(unit: int, pdu: bytes) -> None:
    frame = rtu_frame(unit, pdu)
    assert frame == rtu(unit, pdu)
    assert rtu_parse(frame) == (unit, pdu)
    assert rtu_parse(frame[:-1]) is None or len(frame) > 4
    assert mbap_frame(7, unit, pdu) == tcp(7, unit, pdu)


@given(st.lists(st.integers(0, 1), max_size=50))
def test_bits_come_back(bits: list[int]) -> None:
    assert unpack_bits(pack_bits(bits), len(bits)) == tuple(bits)


def test_replies_of_the_application_protocol() -> None:
    """Requests and replies as printed in the Modbus application protocol, register and coil contents to match."""
    memory = bank()
    memory.coils[0x13:0x26] = bytes(unpack_bits(bytes.fromhex("CD6B05"), 19))
    assert answer(memory, bytes.fromhex("0100130013")) == bytes.fromhex("0103CD6B05")
    memory.holding[0x13:0x16] = type(memory.holding)("H", (0x022B, 0x0000, 0x0064))
    assert answer(memory, bytes.fromhex("0300130003")) == bytes.fromhex("0306022B00000064")
    assert answer(memory, bytes.fromhex("100001000204000A0102")) == bytes.fromhex("1000010002")
    assert memory.holding[1:3].tolist() == [0x000A, 0x0102]
    assert answer(memory, bytes.fromhex("0F0013000A02CD01")) == bytes.fromhex("0F0013000A")
    assert bytes(memory.coils[0x13:0x1D]) == bytes((1, 0, 1, 1, 0, 0, 1, 1, 1, 0))
    assert answer(memory, bytes.fromhex("0500ACFF00")) == bytes.fromhex("8502")


def test_a_bank_refuses_what_is_outside_and_odd_coils() -> None:
    memory = bank()
    for pdu in (read_pdu(1, 99, 2), read_pdu(2, 100, 1), read_pdu(3, 99, 2), read_pdu(4, 100, 1), single_pdu(6, 100, 1)):
        assert answer(memory, pdu) == bytes((pdu[0] | 0x80, 2))
    assert answer(memory, write_pdu(99, (1, 2))) == b"\x90\x02"
    assert answer(memory, coils_pdu(99, (1, 1))) == b"\x8f\x02"
    assert answer(memory, single_pdu(5, 0, 0x5500)) == b"\x85\x03"
    assert answer(memory, read_pdu(3, 0xFFFF, 2)) == b"\x83\x02"


REQUESTS = [
    rtu(1, read_pdu(3, 0, 10)),
    rtu(2, write_pdu(5, range(20))),
    rtu(3, single_pdu(6, 1, 2)),
    rtu(4, coils_pdu(0, (1, 0, 1))),
    rtu(5, single_pdu(5, 1, 0xFF00)),
]


@given(st.lists(st.integers(1, 40), min_size=1))
def test_any_chunking_gives_the_same_rtu_requests(sizes: list[int]) -> None:
    stream, framer, frames, turn = b"".join(REQUESTS), RtuRequests(), [], 0
    while stream:
        size = sizes[turn % len(sizes)]
        frames += framer.feed(stream[:size], now=0.0)
        stream, turn = stream[size:], turn + 1
    assert frames == REQUESTS


@given(st.lists(st.integers(1, 40), min_size=1))
def test_any_chunking_gives_the_same_tcp_requests(sizes: list[int]) -> None:
    wanted = [(number, 1, read_pdu(3, number, 1)) for number in range(5)]
    stream, framer, frames, turn = b"".join(tcp(*each) for each in wanted), MbapRequests(), [], 0
    while stream:
        size = sizes[turn % len(sizes)]
        frames += framer.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert frames == wanted
    assert not framer.broken


def test_a_pause_ends_what_is_unfinished() -> None:
    framer = RtuRequests(pause_s=0.05)
    assert framer.feed(REQUESTS[0][:5], now=1.0) == []
    assert framer.feed(REQUESTS[0], now=1.1) == [REQUESTS[0]]
    assert framer.feed(b"\x00" * 8, now=2.0) == []
    assert framer.feed(REQUESTS[0], now=2.1) == [REQUESTS[0]]


def test_nonsense_breaks_a_tcp_stream() -> None:
    for start in ("000100010006", "000100000001", "0001000000FF"):
        framer = MbapRequests()
        assert framer.feed(bytes.fromhex(start) + bytes(20)) == []
        assert framer.broken
