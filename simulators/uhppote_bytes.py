"""The byte code of a UHPPOTE board: where fields lie and how dates and times are written. Shares nothing with any driver."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import date, timedelta

from simulators.clock import civil, local_second_of

FRAME = 64
START = 0x17
MAGIC = 0x55AAAA55
NO_PROFILE = 0
ALWAYS = 1
PROFILES = range(2, 255)
_UNIX_EPOCH = date(1970, 1, 1)


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def _plain(byte: int) -> int:
    """Raises ValueError."""
    high, low = byte >> 4, byte & 0xF
    if high > 9 or low > 9:
        raise ValueError(f"{byte:#04x} is no BCD")
    return 10 * high + low


def day_of(four: bytes) -> int | None:
    """A date as a day since 1970; None: all zero. Raises ValueError."""
    century, year, month, day = map(_plain, four)
    if not any(four):
        return None
    return (date(100 * century + year, month, day) - _UNIX_EPOCH).days


def minute_of(two: bytes) -> int:
    """The minute of the day as a board reads it: a minute of 60 passes. Raises ValueError."""
    hour, minute = map(_plain, two)
    if minute > 60 or 60 * hour + minute > 1440:
        raise ValueError("a time beyond the day")
    return 60 * hour + minute


def wall_bytes(local_second: float) -> bytes:
    """The seven bytes of a date with a time."""
    now = civil(local_second)
    parts = (now.year // 100, now.year % 100, now.month, now.day, now.hour, now.minute, now.second)
    return bytes(map(_bcd, parts))


def wall_second(seven: bytes) -> int:
    """Raises ValueError."""
    century, year, *rest = map(_plain, seven)
    month, day, hour, minute, second = rest
    return local_second_of(100 * century + year, month, day, hour, minute, second)


def date_bytes(day: int) -> bytes:
    at = _UNIX_EPOCH + timedelta(days=day)
    return bytes(map(_bcd, (at.year // 100, at.year % 100, at.month, at.day)))


def version_bytes(major: int, minor: int) -> bytes:
    return bytes((_bcd(major), _bcd(minor)))


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u32_at(data: Sequence[int], at: int) -> int:
    return int(struct.unpack_from("<I", bytes(data), at)[0])


def reply(function: int, serial: int, body: bytes = b"") -> bytes:
    return (struct.pack("<BBHI", START, function, 0, serial) + body).ljust(FRAME, b"\0")
