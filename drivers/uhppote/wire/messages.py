"""The messages that the driver sends, and what their replies carry. Pure; offsets count from byte 8 of the frame.

Readers of replies raise ValueError for bytes that no controller should send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.uhppote.wire.frames import (
    GET_STATUS,
    Reply,
    Request,
    day_bytes,
    flag,
    minute_bytes,
    number,
    read_day,
    read_digits,
    read_flag,
    read_minute,
    read_shown,
    u8,
    u16,
    u32,
    wall_bytes,
)

SEGMENTS = 3
DOORS = 4
NO_ACCESS, ALWAYS = 0, 1
"""Door bytes of a card that name no profile."""
FIRST_PROFILE, LAST_PROFILE = 2, 254
DELETED = 0xFFFF_FFFF
"""The card number that an index with a deleted card reads."""
FIRST_EVENT = 0
"""The index by which the oldest event is asked for."""
OVERWRITTEN = 0xFF
"""The type of an event that is no longer in the log."""
_MOST_PIN = 999_999


@dataclass(frozen=True, slots=True)
class Profile:
    """A time profile. `days`: bit 0 Monday. `segments`: three of (first minute, last minute). `linked` 0: none."""

    first_day: int | None
    last_day: int | None
    days: int
    segments: tuple[tuple[int, int], ...]
    linked: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """`doors`: for each door 0 (none), 1 (always) or a profile. `first_card`: bits of the doors that it opens for others."""

    card: int
    first_day: int | None
    last_day: int | None
    doors: tuple[int, int, int, int]
    pin: int = 0
    first_card: int = 0


@dataclass(frozen=True, slots=True)
class Door:
    """`mode`: 1 normally open, 2 normally closed, 3 controlled."""

    door: int
    mode: int
    delay_s: int


@dataclass(frozen=True, slots=True)
class Status:
    """`last_event` 0: there was none. `doors_open`: by the contact of each door. `relays`: bit 0 is door 1's."""

    last_event: int
    doors_open: tuple[bool, ...]
    system_error: int
    relays: int


@dataclass(frozen=True, slots=True)
class Event:
    """`type` 0: there is none; `OVERWRITTEN`: it is gone. `at`: day and second of the day on the controller's clock."""

    index: int
    type: int
    granted: bool
    door: int
    direction: int
    card: int
    at: tuple[int, int] | None
    reason: int


@dataclass(frozen=True, slots=True)
class Device:
    """`version`: as the maker writes it (`6.62`)."""

    serial: int
    address: str
    mask: str
    gateway: str
    mac: str
    version: str
    released: str


# time profiles


def set_profile(profile_id: int, profile: Profile) -> Request:
    if not FIRST_PROFILE <= profile_id <= LAST_PROFILE:
        raise ValueError(f"profile {profile_id} is outside {FIRST_PROFILE}..{LAST_PROFILE}")
    if len(profile.segments) != SEGMENTS:
        raise ValueError(f"a profile has {SEGMENTS} segments, not {len(profile.segments)}")
    if any(last < first for first, last in profile.segments):
        raise ValueError("a segment ends before it starts")
    days = b"".join(flag(bool(profile.days >> bit & 1)) for bit in range(7))
    times = b"".join(minute_bytes(first) + minute_bytes(last) for first, last in profile.segments)
    dates = day_bytes(profile.first_day) + day_bytes(profile.last_day)
    return Request(0x88, u8(profile_id) + dates + days + times + u8(profile.linked), writes=True)


def get_profile(profile_id: int) -> Request:
    return Request(0x98, u8(profile_id))


def read_profile(reply: Reply) -> tuple[int, Profile] | None:
    """The profile and its number; None: it is not defined."""
    body = reply.body
    if not body[0]:
        return None
    days = sum(1 << bit for bit in range(7) if read_flag(body[9 + bit]))
    times = [read_minute(body[at : at + 2]) for at in range(16, 28, 2)]
    segments = tuple(zip(times[::2], times[1::2], strict=True))
    return body[0], Profile(read_day(body[1:5]), read_day(body[5:9]), days, segments, body[28])


# cards


def put_card(card: Card) -> Request:
    if not 0 <= card.pin <= _MOST_PIN:
        raise ValueError("a PIN has at most six digits")
    body = u32(card.card) + day_bytes(card.first_day) + day_bytes(card.last_day) + bytes(card.doors)
    return Request(0x50, body + card.pin.to_bytes(3, "little") + u8(card.first_card), writes=True)


def delete_card(card: int) -> Request:
    return Request(0x52, u32(card), writes=True)


def count_cards() -> Request:
    return Request(0x58)


def number_of_cards(reply: Reply) -> int:
    return number(reply.body[:4])


def get_card(card: int) -> Request:
    return Request(0x5A, u32(card))


def get_card_at(index: int) -> Request:
    """`index` counts from 1; the places of deleted cards count."""
    return Request(0x5C, u32(index))


def read_card(reply: Reply) -> Card | None:
    """None: there is no such card. One whose number is `DELETED` stands for a place that a deleted card left."""
    body = reply.body
    card = number(body[:4])
    if card in (0, DELETED):
        return None if not card else Card(DELETED, None, None, (0, 0, 0, 0))
    first, second, third, fourth = body[12:16]
    return Card(card, read_day(body[4:8]), read_day(body[8:12]), (first, second, third, fourth), number(body[16:19]), body[19])


# doors


def open_door(door: int) -> Request:
    """A second one opens the door a second time."""
    return Request(0x40, u8(door), writes=True, repeatable=False)


def get_door(door: int) -> Request:
    return Request(0x82, u8(door))


def set_door(door: Door) -> Request:
    return Request(0x80, u8(door.door) + u8(door.mode) + u8(door.delay_s), writes=True)


def read_door(reply: Reply) -> Door:
    return Door(*reply.body[:3])


# clock, status, events, the device


def get_time() -> Request:
    return Request(0x32)


def set_time(now: Callable[[], tuple[int, int]]) -> Request:
    """Sets the wall clock (day, second of the day) that `now` returns as the frame leaves. What no frame can carry is refused
    here: on the line it would end all that is asked there. Raises ValueError and OverflowError.
    """
    return Request(0x30, wall_bytes(*now()), writes=True, repeatable=False, body_of_now=lambda: wall_bytes(*now()))


def read_time(reply: Reply) -> tuple[int, int] | None:
    return read_shown(reply.body[:7])


def get_status() -> Request:
    return Request(GET_STATUS)


def read_status(reply: Reply) -> Status:
    body = reply.body
    last = number(body[:4]) if body[4] else 0
    return Status(last, tuple(read_flag(each) for each in body[20:24]), body[28], body[41])


def get_event(index: int) -> Request:
    return Request(0xB0, u32(index))


def read_event(reply: Reply) -> Event:
    body = reply.body
    index, kind = number(body[:4]), body[4]
    if kind in (0, OVERWRITTEN):
        return Event(index, kind, False, 0, 0, 0, None, 0)
    return Event(index, kind, read_flag(body[5]), body[6], body[7], number(body[8:12]), read_shown(body[12:19]), body[19])


def read_sent_event(reply: Reply) -> Event:
    """The event in a message that a controller sends unasked, which is laid out as its status."""
    return read_event(replace(reply, body=reply.body[:20]))


def set_listener(address: str, port: int, interval_s: int = 0) -> Request:
    return Request(0x90, _address(address) + u16(port) + u8(interval_s), writes=True)


def get_listener() -> Request:
    return Request(0x92)


def read_listener(reply: Reply) -> tuple[str, int, int]:
    """Address, port, and the interval in seconds at which the status is sent without any event; 0: never."""
    return _dotted(reply.body[:4]), number(reply.body[4:6]), reply.body[6]


def get_device() -> Request:
    return Request(0x94)


def read_device(reply: Reply) -> Device:
    body, released = reply.body, read_digits(reply.body[20:24])
    return Device(
        serial=reply.serial,
        address=_dotted(body[:4]),
        mask=_dotted(body[4:8]),
        gateway=_dotted(body[8:12]),
        mac=body[12:18].hex(":"),
        version=f"{int(read_digits(body[18:19]))}.{read_digits(body[19:20])}",
        released=f"{released[:4]}-{released[4:6]}-{released[6:]}",
    )


def read_done(reply: Reply) -> bool:
    """Whether the controller did what a write asks for."""
    return read_flag(reply.body[0])


def _address(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


def _dotted(data: bytes) -> str:
    return ".".join(map(str, data))
