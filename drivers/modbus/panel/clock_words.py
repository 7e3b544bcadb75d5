"""Clock codecs: turn a time into words, and words read back into a time. Pure.

A wall clock is (day since 1970-01-01, second of that day).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from config.panel_parts import ClockField, FieldsClock, UnixTableClock
from drivers.contract import ClockSetting

TABLE_WORDS = 10
WALL_WORDS = 6
EPOCH = date(1970, 1, 1)
Wall = tuple[int, int]


def wall_of(setting: ClockSetting, instant: int) -> Wall:
    """The wall clock at `instant` with the setting's offsets."""
    offset = setting.offset_minutes
    for change, after in setting.changes:
        offset = after if instant >= change else offset
    return divmod(instant + 60 * offset, 86_400)


def weekday(day: int) -> int:
    """The weekday, 0 for Monday, of a day that counts from 1970-01-01."""
    return (EPOCH + timedelta(days=day)).weekday()


def seconds_between(one: Wall, other: Wall) -> int:
    return 86_400 * (one[0] - other[0]) + one[1] - other[1]


def table_words(codec: UnixTableClock, setting: ClockSetting, instant: int) -> tuple[int, ...]:
    """The ten words of a `unix-table` clock, without changes that passed. No further change: time 0, the offset repeated."""
    offset = setting.offset_minutes
    coming = []
    for change, after in setting.changes:
        if change <= instant:
            offset = after
        else:
            coming.append((change, after))
    last = coming[-1][1] if coming else offset
    coming = [*coming, (0, last), (0, last)][:2]
    words = [*_long(instant), offset & 0xFFFF]
    for change, after in coming:
        words += [*_long(change), after & 0xFFFF]
    return (*words, codec.trusted_hours)


def table_setting(words: Sequence[int]) -> ClockSetting:
    """The meaning of the ten words of a `unix-table` clock: the inverse of `table_words`, without placeholder changes."""
    instant, change, next_change = (words[at] << 16 | words[at + 1] for at in (0, 3, 6))
    offset, after, next_after = (_signed(words[at]) for at in (2, 5, 8))
    coming = ((at, minutes) for at, minutes in ((change, after), (next_change, next_after)) if at)
    return ClockSetting(instant, offset, tuple(coming))


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


def _long(value: int) -> tuple[int, int]:
    return value >> 16 & 0xFFFF, value & 0xFFFF


def civil_wall(values: Sequence[int]) -> Wall | None:
    """Year, month, day, hour, minute, second as a wall clock; None when they are not a time."""
    year, month, day, hour, minute, second = values
    if not (hour < 24 and minute < 60 and second < 60):
        return None
    try:
        return (date(year, month, day) - EPOCH).days, 3600 * hour + 60 * minute + second
    except ValueError:
        return None


def field_words(codec: FieldsClock, wall: Wall) -> tuple[int, ...]:
    """The words of a `fields` clock. Raises ValueError for a year that a byte cannot express."""
    day = EPOCH + timedelta(days=wall[0])
    second = wall[1]
    values: dict[ClockField, int] = {
        "hour": second // 3600,
        "minute": second // 60 % 60,
        "second": second % 60,
        "hundredth": 0,
        "weekday": day.weekday() + codec.first_weekday,
        "day": day.day,
        "month": day.month,
        "year": day.year - codec.year_base,
        "zero": 0,
    }
    data = [_byte(values[name], codec) for name in codec.fields]
    return tuple(high << 8 | low for high, low in zip(data[::2], data[1::2], strict=True))


def _byte(value: int, codec: FieldsClock) -> int:
    if codec.encoding == "bcd":
        if not 0 <= value <= 99:
            raise ValueError(f"{value} is no two decimal digits")
        return value // 10 << 4 | value % 10
    if not 0 <= value <= 255:
        raise ValueError(f"{value} is no byte")
    return value


def fields_wall(codec: FieldsClock, words: Sequence[int]) -> Wall | None:
    """What a `fields` clock shows; None when that is not a time, or when its weekday is not the date's."""
    data = [byte for word in words for byte in (word >> 8, word & 0xFF)]
    if codec.encoding == "bcd":
        if any(byte & 0x0F > 9 or byte >> 4 > 9 for byte in data):
            return None
        data = [10 * (byte >> 4) + (byte & 0x0F) for byte in data]
    shown = dict(zip(codec.fields, data, strict=True))
    parts: tuple[ClockField, ...] = ("year", "month", "day", "hour", "minute", "second")
    year, *rest = (shown.get(name, 0) for name in parts)
    wall = civil_wall((year + codec.year_base, *rest))
    if wall is None or shown.get("weekday", weekday(wall[0]) + codec.first_weekday) != weekday(wall[0]) + codec.first_weekday:
        return None
    return wall
