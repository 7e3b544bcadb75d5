"""The bytes of every message, beside captured ones and beside the opinion of PyPI's `uhppoted`."""

from __future__ import annotations

from datetime import date, datetime, time
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uhppoted import decode, encode

from drivers.uhppote.wire import messages
from drivers.uhppote.wire.frames import SIZE, Reply, Request, frame, parse, read_minute, read_wall
from drivers.uhppote.wire.messages import Card, Door, Profile

SERIAL = 405_400_000
EPOCH = date(1970, 1, 1)


def day(year: int, month: int, number: int) -> int:
    return (date(year, month, number) - EPOCH).days


WORK = Profile(day(2026, 4, 1), day(2026, 12, 29), 0b110_1011, ((510, 585), (695, 795), (841, 1079)))
PERSON = Card(10_058_400, day(2026, 1, 1), day(2026, 12, 31), (1, 29, 0, 1), 7531)

CAPTURED: list[tuple[str, Request, str]] = [
    (
        "set a profile",
        messages.set_profile(29, WORK),
        "17 88 00 00 c0 e9 29 18 1d 20 26 04 01 20 26 12 29 01 01 00 01 00 01 01 08 30 09 45 11 35 13 15 14 01 17 59 00",
    ),
    ("get a profile", messages.get_profile(29), "17 98 00 00 c0 e9 29 18 1d"),
    (
        "put a card",
        messages.put_card(PERSON),
        "17 50 00 00 c0 e9 29 18 a0 7a 99 00 20 26 01 01 20 26 12 31 01 1d 00 01 6b 1d 00 00",
    ),
    ("delete a card", messages.delete_card(10_058_400), "17 52 00 00 c0 e9 29 18 a0 7a 99 00"),
]

DAYS = (True, True, False, True, False, True, True)
TIMES = (time(8, 30), time(9, 45), time(11, 35), time(13, 15), time(14, 1), time(17, 59))
OPINIONS: list[tuple[str, Request, Any]] = [
    (
        "set a profile",
        messages.set_profile(29, WORK),
        encode.set_time_profile_request(SERIAL, 29, date(2026, 4, 1), date(2026, 12, 29), *DAYS, *TIMES, 0),
    ),
    ("get a profile", messages.get_profile(29), encode.get_time_profile_request(SERIAL, 29)),
    (
        "put a card",
        messages.put_card(PERSON),
        encode.put_card_request(SERIAL, 10_058_400, date(2026, 1, 1), date(2026, 12, 31), 1, 29, 0, 1, 7531),
    ),
    ("delete a card", messages.delete_card(10_058_400), encode.delete_card_request(SERIAL, 10_058_400)),
    ("count cards", messages.count_cards(), encode.get_cards_request(SERIAL)),
    ("get a card", messages.get_card(10_058_400), encode.get_card_request(SERIAL, 10_058_400)),
    ("get a card by index", messages.get_card_at(7), encode.get_card_by_index_request(SERIAL, 7)),
    ("open a door", messages.open_door(3), encode.open_door_request(SERIAL, 3)),
    ("get a door", messages.get_door(3), encode.get_door_control_request(SERIAL, 3)),
    ("set a door", messages.set_door(Door(3, 2, 17)), encode.set_door_control_request(SERIAL, 3, 2, 17)),
    ("get the time", messages.get_time(), encode.get_time_request(SERIAL)),
    (
        "set the time",
        messages.set_time(lambda: (day(2026, 11, 2), 45_296)),
        encode.set_time_request(SERIAL, datetime(2026, 11, 2, 12, 34, 56)),  # noqa: DTZ001
    ),
    ("get the status", messages.get_status(), encode.get_status_request(SERIAL)),
    ("get an event", messages.get_event(371), encode.get_event_request(SERIAL, 371)),
    (
        "set the listener",
        messages.set_listener("192.0.2.7", 60_001, 15),
        encode.set_listener_request(SERIAL, IPv4Address("192.0.2.7"), 60_001, 15),
    ),
    ("get the listener", messages.get_listener(), encode.get_listener_request(SERIAL)),
    ("get the device", messages.get_device(), encode.get_controller_request(SERIAL)),
]


@pytest.mark.parametrize(("request_", "expected"), [case[1:] for case in CAPTURED], ids=[case[0] for case in CAPTURED])
def test_a_request_has_the_captured_bytes(request_: Request, expected: str) -> None:
    assert frame(SERIAL, request_) == bytes.fromhex(expected).ljust(SIZE, b"\0")


@pytest.mark.parametrize(("request_", "opinion"), [case[1:] for case in OPINIONS], ids=[case[0] for case in OPINIONS])
def test_a_request_is_what_another_implementation_sends(request_: Request, opinion: bytes) -> None:
    assert frame(SERIAL, request_) == bytes(opinion)


def test_every_request_of_the_driver_has_an_independent_opinion() -> None:
    makers = [each for each in vars(messages).values() if getattr(each, "__annotations__", {}).get("return") == "Request"]
    assert len({request.function for _, request, _ in OPINIONS}) == len(makers)


def replied(function: int, body: str) -> Reply:
    reply = parse(bytes((0x17, function, 0, 0)) + SERIAL.to_bytes(4, "little") + bytes.fromhex(body).ljust(56, b"\0"))
    assert reply is not None
    return reply


MINUTE = st.integers(0, 1439)


@given(
    st.integers(2, 254),
    st.integers(10_957, 47_481),
    st.integers(0, 127),
    st.lists(st.tuples(MINUTE, MINUTE).map(lambda pair: (min(pair), max(pair))), min_size=3, max_size=3),
    st.sampled_from((0, 2, 99, 254)),
)
def test_a_profile_is_read_as_it_was_written(
    number: int, first: int, days: int, segments: list[tuple[int, int]], linked: int
) -> None:
    profile = Profile(first, 47_481, days, tuple(segments), linked)
    sent = frame(SERIAL, messages.set_profile(number, profile))
    reply = parse(sent[:1] + b"\x98" + sent[2:])
    assert reply is not None
    assert messages.read_profile(reply) == (number, profile)
    opinion = decode.get_time_profile_response(sent[:1] + b"\x98" + sent[2:])
    assert (opinion.segment_2_start.hour, opinion.segment_2_start.minute) == divmod(segments[1][0], 60)
    assert (opinion.start_date - EPOCH).days == first
    assert (opinion.thursday, opinion.linked_profile_id) == (bool(days >> 3 & 1), linked)


@given(
    st.integers(1, 0xFFFF_FFFE),
    st.integers(10_957, 47_481),
    st.tuples(*[st.integers(0, 254)] * 4),
    st.integers(0, 999_999),
    st.integers(0, 15),
)
def test_a_card_is_read_as_it_was_written(
    number: int, last: int, doors: tuple[int, int, int, int], pin: int, first_card: int
) -> None:
    card = Card(number, 10_957, last, doors, pin, first_card)
    sent = frame(SERIAL, messages.put_card(card))
    reply = parse(sent[:1] + b"\x5a" + sent[2:])
    assert reply is not None
    assert messages.read_card(reply) == card
    opinion = decode.get_card_response(sent[:1] + b"\x5a" + sent[2:])
    assert (opinion.card_number, opinion.pin) == (number, pin)
    assert (opinion.door_1, opinion.door_2, opinion.door_3, opinion.door_4) == doors


def test_what_a_board_tells_of_itself() -> None:
    device = messages.read_device(replied(0x94, "c0a80164 ffffff00 c0a80101 001223344556 0892 20181105"))
    assert (device.serial, device.address, device.version, device.released) == (SERIAL, "192.168.1.100", "8.92", "2018-11-05")
    assert (device.mask, device.gateway, device.mac) == ("255.255.255.0", "192.168.1.1", "00:12:23:34:45:56")


def test_an_event_of_firmware_6_62_is_read_like_any_other() -> None:
    body = "55020000 01 01 03 01 a07a9900 20261102123456 06"
    event = messages.read_sent_event(replied(0x20, body))
    assert (event.index, event.granted, event.door, event.card, event.reason) == (597, True, 3, 10_058_400, 6)
    assert event.at == (day(2026, 11, 2), 45_296)
    whole = bytes((0x19, 0x20, 0, 0)) + SERIAL.to_bytes(4, "little") + bytes.fromhex(body).ljust(56, b"\0")
    assert parse(whole) == replied(0x20, body)
    assert parse(whole[:1] + b"\xb0" + whole[2:]) is None, "only events begin so"


@pytest.mark.parametrize("damage", [b"", b"\x17" * 63, b"\x18" + bytes(63), b"\x17\x20\x01" + bytes(61), b"\x17" * 65])
def test_what_is_no_frame_is_no_reply(damage: bytes) -> None:
    assert parse(damage) is None


def test_absent_profiles_and_cards_and_deleted_places_are_told_apart() -> None:
    assert messages.read_profile(replied(0x98, "")) is None
    assert messages.read_card(replied(0x5C, "")) is None
    deleted = messages.read_card(replied(0x5C, "ffffffff"))
    assert deleted is not None
    assert deleted.card == messages.DELETED
    assert messages.read_event(replied(0xB0, "05000000 ff")).type == messages.OVERWRITTEN


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: messages.set_profile(1, WORK),
        lambda: messages.set_profile(255, WORK),
        lambda: messages.set_profile(2, Profile(0, 1, 1, ((2, 1),) * 3)),
        lambda: messages.set_profile(2, Profile(0, 1, 1, ((0, 1441),) * 3)),
        lambda: messages.set_profile(2, Profile(0, 1, 1, ((0, 1),) * 4)),
        lambda: messages.put_card(Card(1, None, None, (0, 0, 0, 0), 1_000_000)),
        lambda: messages.put_card(Card(1 << 32, None, None, (0, 0, 0, 0))),
        lambda: messages.read_profile(replied(0x98, "1d 20261301")),
        lambda: messages.read_done(replied(0x88, "02")),
        lambda: read_minute(b"\x02\x60"),
        lambda: read_wall(bytes.fromhex("20261102250000")),
    ],
)
def test_what_a_field_cannot_carry_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong()
