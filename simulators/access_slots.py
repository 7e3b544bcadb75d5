"""The words of an `open-access-panel`'s schedule and identifier slots: their checks and their meaning. Pure."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from uuid import UUID

from simulators.clock import MINUTES, Windows, weekday

SCHEDULE_WORDS = 64
IDENTIFIER_WORDS = 16

BAD_CRC = 1
BAD_VALUE = 2
REFERRED_TO = 3

BITMAP = 0x8000
BITMAP_DAYS = 224
ALWAYS = 0xFFFE
NO_REFERENCE = 0xFFFF
CARD, CODE, PLATE, QR = 1, 2, 3, 4
MOST_DIGITS = 19
NUMBER_ENDS = 5
"""How many words, from +0 on, identify the owner of an identifier slot: type, digits, number."""
DATES_BIT = 0x80
OPEN_END = 0xFFFF
PERIODS_AT, DATES_AT, DAYS_AT, CRC_AT = 12, 48, 49, 63


def slot_crc(number: int, words: Sequence[int]) -> int:
    """CRC-16/CCITT-FALSE over the slot number and the words before the CRC word."""
    body = words[: len(words) - 1]
    return binascii.crc_hqx(struct.pack(f">{len(body) + 1}H", number, *body), 0xFFFF)


def schedule_fault(number: int, words: Sequence[int], most_periods: int, most_dates: int) -> int | None:
    """Why a panel of that capacity refuses a schedule slot: BAD_CRC, BAD_VALUE or None."""
    if words[0] == 0:
        return None
    if words[CRC_AT] != slot_crc(number, words):
        return BAD_CRC
    good = words[0] == 1 and words[10] != 0 and _periods_good(words, most_periods) and _dates_good(words, most_dates)
    return None if good else BAD_VALUE


def _periods_good(words: Sequence[int], most: int) -> bool:
    count = words[11]
    if count > most:
        return False
    end = PERIODS_AT + 3 * count
    periods = (words[at : at + 3] for at in range(PERIODS_AT, end, 3))
    return all(mask <= 0xFF and start < stop <= MINUTES for mask, start, stop in periods) and not any(words[end:DATES_AT])


def _dates_good(words: Sequence[int], most: int) -> bool:
    if words[DATES_AT] == BITMAP:
        return most > 0
    count = words[DATES_AT]
    return count <= most and not any(words[DAYS_AT + count : CRC_AT])


def identifier_fault(number: int, words: Sequence[int], schedules: int, outputs: int) -> int | None:
    """Why a panel refuses an identifier slot: BAD_CRC, BAD_VALUE or None."""
    if words[0] == 0:
        return None
    if words[15] != slot_crc(number, words):
        return BAD_CRC
    known = all(reference < schedules or reference >= ALWAYS for reference in words[5:9])
    return None if known and _number_good(words) and words[9] < 1 << outputs else BAD_VALUE


def _number_good(words: Sequence[int]) -> bool:
    digits, kind = divmod(words[0], 0x100)
    if kind != CODE:
        return CARD <= kind <= QR and digits == 0
    return 1 <= digits <= MOST_DIGITS and int.from_bytes(struct.pack(">4H", *words[1:NUMBER_ENDS]), "big") < 10**digits


def references(words: Sequence[int]) -> frozenset[int]:
    """The schedule slot numbers that a used identifier slot names."""
    if words[0] & 0xFF == 0:
        return frozenset()
    return frozenset(reference for reference in words[5:9] if reference < ALWAYS)


def link_id_words(link_id: str) -> tuple[int, ...]:
    return struct.unpack(">8H", UUID(link_id).bytes)


def link_id_of(words: Sequence[int]) -> str:
    return str(UUID(bytes=struct.pack(">8H", *words[1:9])))


def is_listed(words: Sequence[int], day: int) -> bool:
    """Whether the day is one of the slot's own dates."""
    if words[DATES_AT] == BITMAP:
        bit = day - words[9]
        return 0 <= bit < BITMAP_DAYS and bool(words[DAYS_AT + bit // 16] >> (15 - bit % 16) & 1)
    return day in words[DAYS_AT : DAYS_AT + words[DATES_AT]]


def day_windows(words: Sequence[int], day: int) -> Windows:
    """The minutes (start, end exclusive) of the periods that apply on a day, in the slot's order."""
    if words[0] != 1 or not 0 <= day <= 0xFFFE or not words[9] <= day <= words[10]:
        return ()
    bit = DATES_BIT if is_listed(words, day) else 1 << weekday(day)
    starts = range(PERIODS_AT, min(PERIODS_AT + 3 * words[11], DATES_AT), 3)
    return tuple((words[at + 1], words[at + 2]) for at in starts if words[at] & bit)
