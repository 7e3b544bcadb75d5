"""Modbus TCP frames, to the byte, and found however the stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.wire.mbap import Frame, MbapFramer, build
from drivers.modbus.wire.requests import (
    Request,
    read_coils,
    read_discrete_inputs,
    read_holding_registers,
    read_input_registers,
    write_coil,
    write_register,
    write_registers,
)


@pytest.mark.parametrize(
    ("transaction", "unit", "request_", "frame"),
    [
        (1, 1, read_coils(0, 8), "0001 0000 0006 01 01 0000 0008"),
        (2, 247, read_discrete_inputs(0x0102, 2000), "0002 0000 0006 F7 02 0102 07D0"),
        (65_000, 255, read_holding_registers(0xFFFE, 2), "FDE8 0000 0006 FF 03 FFFE 0002"),
        (0x0102, 0, read_input_registers(40, 6), "0102 0000 0006 00 04 0028 0006"),
        (9, 3, write_coil(3, 0x5500), "0009 0000 0006 03 05 0003 5500"),
        (10, 3, write_register(0x0202, 5), "000A 0000 0006 03 06 0202 0005"),
        (11, 3, write_registers(0x0200, [0xC0DE, 1]), "000B 0000 000B 03 10 0200 0002 04 C0DE 0001"),
    ],
)
def test_a_request_is_this_frame_and_no_other(transaction: int, unit: int, request_: Request, frame: str) -> None:
    assert build(transaction, unit, request_.pdu()) == bytes.fromhex(frame)


frames = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253))


@settings(max_examples=200, deadline=None)
@given(st.lists(frames, max_size=6), st.binary(max_size=6), st.lists(st.integers(0, 10_000), max_size=20))
def test_every_frame_is_found_however_the_stream_is_cut(whole: list[Frame], rest: bytes, marks: list[int]) -> None:
    stream = b"".join(build(*frame) for frame in whole) + rest
    edges = [0, *sorted(mark % (len(stream) + 1) for mark in marks), len(stream)]
    framer = MbapFramer()
    assert [frame for a, b in pairwise(edges) for frame in framer.feed(stream[a:b])] == whole
    assert (framer.waiting, framer.garbage) == (len(rest), 0)


@pytest.mark.parametrize(
    "header", ["0001 0001 0006 01", "0001 0000 0000 01", "0001 0000 0001 01", "0001 0000 00FF 01", "FFFF FFFF FFFF FF"]
)
def test_a_header_without_sense_gives_up_what_arrived_and_keeps_what_came_before(header: str) -> None:
    framer = MbapFramer()
    good, bad = build(5, 1, b"\x03\x02\x00\x2a"), bytes.fromhex(header) + bytes(40)
    assert framer.feed(good + bad) == [(5, 1, b"\x03\x02\x00\x2a")]
    assert (framer.garbage, framer.waiting) == (len(bad), 0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=8))
def test_a_hostile_stream_is_never_kept_beyond_one_frame(pieces: list[bytes]) -> None:
    framer = MbapFramer()
    told = 0
    for piece in pieces:
        told += sum(len(pdu) + 7 for _, _, pdu in framer.feed(piece))
        assert framer.waiting < 260
    assert told + framer.garbage + framer.waiting == sum(map(len, pieces))
