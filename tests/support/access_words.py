"""Slots of an `open-access-panel` as its map says they are, worked out apart from simulators and drivers."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from uuid import UUID


def ccitt_false(number: int, words: Sequence[int]) -> int:
    """CRC-16/CCITT-FALSE, bit by bit, over a slot number and words."""
    value = 0xFFFF
    for byte in struct.pack(f">{len(words) + 1}H", number, *words):
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def sealed(number: int, words: Sequence[int], width: int = 64) -> tuple[int, ...]:
    body = (*words, *(0,) * (width - 1 - len(words)))
    return (*body, ccitt_false(number, body))


def sha_words(text: str) -> tuple[int, ...]:
    return struct.unpack(">4H", hashlib.sha256(text.encode()).digest()[:8])


def identifier(
    slot: int,
    head: int,
    number: int | Sequence[int],
    references: Sequence[int] = (0xFFFE,),
    *,
    mask: int = 1,
    first: int = 0,
    last: int = 0xFFFFFFFF,
    passes: int = 0xFFFF,
) -> tuple[int, ...]:
    """`head`: word +0. `number`: 64 bits, or words +1..4."""
    words = struct.unpack(">4H", number.to_bytes(8, "big")) if isinstance(number, int) else tuple(number)
    four = (*references, *(0xFFFF,) * (4 - len(references)))
    return sealed(slot, (head, *words, *four, mask, first >> 16, first & 0xFFFF, last >> 16, last & 0xFFFF, passes), 16)


def schedule(slot: int, link_id: str, *periods: tuple[int, int, int], first: int = 0, last: int = 0xFFFF) -> tuple[int, ...]:
    """`periods`: weekday mask, start and end minute."""
    flat = [word for period in periods for word in period]
    return sealed(slot, (1, *struct.unpack(">8H", UUID(link_id).bytes), first, last, len(periods), *flat))
