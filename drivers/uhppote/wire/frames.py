"""The frame of every message: 64 bytes with a function and a serial number, and the encodings of its fields. Pure.

A *day* counts from 1970-01-01, a *minute* from midnight (0..1440), as in `drivers.contract`. Every encoder raises ValueError for
what its field cannot carry, every decoder for bytes that are no value of its type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

SIZE = 64
BODY = 8
"""Where the body begins, behind start byte, function, two zeros and the serial number."""
_START = 0x17
_START_OF_NEW_EVENTS = 0x19
"""Firmware 6.62 begins the events that it sends unasked with this byte."""
GET_STATUS = 0x20
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Request:
    """One request without its controller. `repeatable`: sending it twice does no harm. `body_of_now`: asked each time when a
    frame is made, in place of `body`, which is that of when the request was made.
    """

    function: int
    body: bytes = b""
    writes: bool = False
    repeatable: bool = True
    body_of_now: Callable[[], bytes] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not 0 <= self.function <= 0xFF:
            raise ValueError(f"function {self.function} is no byte")
        if len(self.body) > SIZE - BODY:
            raise ValueError(f"a body of {len(self.body)} bytes is longer than a frame")

    @property
    def bound(self) -> bool:
        """Each frame names the serial number of its controller: no other one acts on it."""
        return False


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame from a controller. `body` counts as the documents do: byte 8 of the frame is `body[0]`."""

    function: int
    serial: int
    body: bytes


def frame(serial: int, request: Request) -> bytes:
    """The 64 bytes of a request as it leaves now. Serial number 0 addresses every controller."""
    head = bytes((_START, request.function, 0, 0)) + u32(serial)
    body = request.body if request.body_of_now is None else request.body_of_now()
    return (head + body).ljust(SIZE, b"\x00")


def parse(data: bytes) -> Reply | None:
    """None for what is no whole frame. Start byte 0x19 is an event's alone."""
    if len(data) != SIZE or data[2:4] != b"\x00\x00":
        return None
    if data[0] != _START and (data[0], data[1]) != (_START_OF_NEW_EVENTS, GET_STATUS):
        return None
    return Reply(data[1], number(data[4:BODY]), data[BODY:])


def u32(value: int) -> bytes:
    return _little(value, 4)


def u16(value: int) -> bytes:
    return _little(value, 2)


def u8(value: int) -> bytes:
    return _little(value, 1)


def _little(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "little")
    except OverflowError as error:
        raise ValueError(f"{value} does not fit {size} bytes") from error


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def flag(on: bool) -> bytes:
    return b"\x01" if on else b"\x00"


def read_flag(value: int) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{value:#04x} is neither true nor false")
    return value == 1


def digits(text: str) -> bytes:
    """Decimal digits, two a byte."""
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not decimal")
    return bytes.fromhex(text)


def read_digits(data: bytes) -> str:
    text = data.hex()
    if not text.isdecimal():
        raise ValueError(f"{text} is not decimal")
    return text


def day_bytes(day: int | None) -> bytes:
    """YYYYMMDD in four bytes; None: all zero."""
    return bytes(4) if day is None else digits(f"{_EPOCH + timedelta(days=day):%Y%m%d}".zfill(8))


def read_day(data: bytes) -> int | None:
    text = read_digits(data)
    if not int(text):
        return None
    return (date(int(text[:4]), int(text[4:6]), int(text[6:])) - _EPOCH).days


def minute_bytes(minute: int) -> bytes:
    """HHmm in two bytes."""
    if not 0 <= minute <= 1440:
        raise ValueError(f"minute {minute} lies outside the day")
    return digits(f"{minute // 60:02d}{minute % 60:02d}")


def read_minute(data: bytes) -> int:
    text = read_digits(data)
    hours, minutes = int(text[:2]), int(text[2:])
    if minutes > 59 or hours * 60 + minutes > 1440:
        raise ValueError(f"{text} is no time of a day")
    return hours * 60 + minutes


def wall_bytes(day: int, second: int) -> bytes:
    """YYYYMMDDHHmmss in seven bytes; `second` of the day."""
    if not 0 <= second < 86_400:
        raise ValueError(f"second {second} lies outside the day")
    return day_bytes(day) + digits(f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}")


def read_wall(data: bytes) -> tuple[int, int] | None:
    """(day, second of the day); None where all is zero."""
    text, day = read_digits(data[4:7]), read_day(data[:4])
    if day is None:
        return None
    hours, minutes, seconds = int(text[:2]), int(text[2:4]), int(text[4:])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"{text} is no time of a day")
    return day, 3600 * hours + 60 * minutes + seconds


def read_shown(data: bytes) -> tuple[int, int] | None:
    """What the controller's own clock shows, or showed: None also for a time that there is not. A clock that lost its power may
    show one, and is set as one that shows none.
    """
    try:
        return read_wall(data)
    except ValueError:
        return None
