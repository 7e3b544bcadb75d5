"""RTU frames found in any stream of bytes, however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.wire.framer import Frame, ReplyFramer, build, crc16
from tests.support.scripted_line import framed

REPLIES = (
    "01 03 02 002A",
    "18 04 04 0001 0002",
    "01 01 01 05",
    "07 02 02 FFFF",
    "01 05 0007 5500",
    "F7 06 0007 0009",
    "01 10 0001 0002",
    "01 83 02",
    "11 90 89",
)
frames = st.sampled_from([framed(reply) for reply in REPLIES])
likely = st.sampled_from([b"\x01\x03\xfa", b"\x01\x03", b"\x01", b"\x00", b"\xff\xff", b"\x18\x04\x04", b"\x01\x10\x00"])
streams = st.lists(st.one_of(frames, frames.map(lambda f: f[:-1]), likely, st.binary(max_size=12)), max_size=12).map(b"".join)


def found(pieces: list[bytes]) -> tuple[list[Frame], int]:
    framer = ReplyFramer()
    all_frames = [frame for piece in pieces for frame in framer.feed(piece)]
    all_frames += framer.flush()
    assert framer.waiting == 0
    return all_frames, framer.skipped


def cut(data: bytes, marks: list[int]) -> list[bytes]:
    edges = [0, *sorted({mark % (len(data) + 1) for mark in marks}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@settings(max_examples=400, deadline=None)
@given(streams, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cutting_of_any_stream_gives_the_same_frames(stream: bytes, marks: list[int]) -> None:
    whole = found([stream])
    assert found(cut(stream, marks)) == whole
    assert found([bytes((byte,)) for byte in stream]) == whole


@settings(max_examples=200, deadline=None)
@given(streams)
def test_every_byte_is_in_a_frame_or_counted_as_skipped(stream: bytes) -> None:
    whole, skipped = found([stream])
    assert sum(len(frame.pdu) + 3 for frame in whole) + skipped == len(stream)


@settings(max_examples=200, deadline=None)
@given(st.lists(frames, min_size=1, max_size=8), st.sampled_from([b"", b"\x00", b"\xff", b"\x00\xff\xff"]))
def test_whole_frames_are_all_found_whatever_glitches_stand_between(them: list[bytes], glitch: bytes) -> None:
    framer = ReplyFramer()
    got = [frame for each in them for frame in framer.feed(glitch + each)]
    assert [build(*frame) for frame in got] == them


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4096))
def test_the_buffer_never_holds_more_than_a_frame(noise: bytes) -> None:
    framer = ReplyFramer()
    for byte in noise:
        framer.feed(bytes((byte,)))
        assert framer.waiting <= 256


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), frames)
def test_garbage_costs_at_most_the_wait_for_its_end(garbage: bytes, frame: bytes) -> None:
    assert Frame(frame[0], frame[1:-2]) in found([garbage, frame])[0] or garbage_swallows(garbage, frame)


def garbage_swallows(garbage: bytes, frame: bytes) -> bool:
    """Whether chance made a valid frame that overlaps the true one."""
    return any(crc16((garbage + frame)[a:b]) == 0 for a in range(len(garbage)) for b in range(len(garbage) + 1, a + 257))


@pytest.mark.parametrize("reply", REPLIES)
def test_build_makes_the_same_frame(reply: str) -> None:
    frame = framed(reply)
    assert build(frame[0], frame[1:-2]) == frame


def test_crc_of_known_bytes() -> None:
    """The check value of CRC-16/MODBUS, and the example of the serial line guide (02 07 -> 41 12)."""
    assert crc16(b"123456789") == 0x4B37
    assert build(2, b"\x07") == bytes.fromhex("02 07 41 12")
