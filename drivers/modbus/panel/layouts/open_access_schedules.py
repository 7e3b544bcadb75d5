"""The 64 words of a schedule slot of the open access panel. Pure.

+0 state; +1..8 link_id; +9 valid from; +10 valid to; +11 number of periods; +12+3p weekday mask, start, end;
+48 number of dates or 0x8000 for a bitmap; +49..62 the dates; +63 CRC-16/CCITT-FALSE over slot number and words 0..62.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from drivers.contract import Period, Slot, stored_as
from drivers.modbus.panel.layouts.check_word import check_word

SLOT_WORDS = 64
CHECK_AT = 63
_PERIODS_AT, _MOST_PERIODS = 12, 12
_DATES_AT, _DATE_WORDS = 48, 14
_BITMAP, _BITMAP_DAYS = 0x8000, 224
_OPEN_END = 0xFFFF


@lru_cache(maxsize=8192)
def slot_words(number: int, slot: Slot, most_dates: int) -> tuple[int, ...]:
    """The 64 words of a used slot. Raises ValueError for what the slot cannot express."""
    if slot.opaque is not None:
        return slot.opaque
    if len(slot.periods) > _MOST_PERIODS:
        raise ValueError(f"slot {number}: {len(slot.periods)} periods do not fit")
    if slot.valid_to == 0:
        raise ValueError(f"slot {number}: an end on 1970-01-01 cannot be said")
    link = struct.unpack(">8H", UUID(stored_as(slot.link_ids[0])).bytes) if slot.link_ids else (0,) * 8
    periods = [word for period in slot.periods for word in (period.days, period.start, period.end)]
    periods += [0] * (3 * _MOST_PERIODS - len(periods))
    valid_to = _OPEN_END if slot.valid_to is None else slot.valid_to
    head = [1, *link, slot.valid_from or 0, valid_to, len(slot.periods)]
    words = (*head, *periods, *_date_words(number, slot, most_dates))
    return (*words, check_word(number, words))


def _date_words(number: int, slot: Slot, most_dates: int) -> list[int]:
    """Words +48..62: a list of dates while it fits, else a bitmap from `valid_from` on."""
    dates = slot.special_days[0] if slot.special_days else ()
    if len(dates) <= min(most_dates, _DATE_WORDS):
        return [len(dates), *dates, *(0,) * (_DATE_WORDS - len(dates))]
    first = slot.valid_from or 0
    if not all(0 <= day - first < _BITMAP_DAYS for day in dates):
        raise ValueError(f"slot {number}: {len(dates)} dates fit neither the list nor the bitmap from day {first}")
    bitmap = [0] * _DATE_WORDS
    for day in dates:
        bitmap[(day - first) // 16] |= 0x8000 >> (day - first) % 16
    return [_BITMAP, *bitmap]


def decode_slot(number: int, words: tuple[int, ...], most_dates: int) -> Slot | None:
    """The slot that the words say; opaque where the gateway would not have written them so; None for a free one."""
    if words[0] == 0:
        return None
    slot = _read_slot(words)
    if words[CHECK_AT] != check_word(number, words[:CHECK_AT]):
        return replace(slot, opaque=words, damaged=True)
    try:
        ours = slot_words(number, slot, most_dates) == words
    except (ValueError, struct.error):
        ours = False
    return slot if ours else Slot(slot.link_ids, opaque=words)


def _read_slot(words: Sequence[int]) -> Slot:
    link_id = str(UUID(bytes=struct.pack(">8H", *words[1:9])))
    count = min(words[11], _MOST_PERIODS)
    periods = tuple(Period(*words[at : at + 3]) for at in range(_PERIODS_AT, _PERIODS_AT + 3 * count, 3))
    dates = _read_dates(words)
    return Slot(
        link_ids=(link_id,),
        periods=periods,
        valid_from=words[9] or None,
        valid_to=None if words[10] == _OPEN_END else words[10],
        special_days=(dates,) if dates else (),
    )


def _read_dates(words: Sequence[int]) -> tuple[int, ...]:
    held = words[_DATES_AT + 1 : CHECK_AT]
    if words[_DATES_AT] != _BITMAP:
        return tuple(held[: min(words[_DATES_AT], _DATE_WORDS)])
    return tuple(words[9] + bit for bit in range(_BITMAP_DAYS) if held[bit // 16] >> (15 - bit % 16) & 1)
