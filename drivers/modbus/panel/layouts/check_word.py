"""The check word of a slot of the open access panel. Pure."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence


def check_word(number: int, words: Sequence[int]) -> int:
    """CRC-16/CCITT-FALSE over the slot number and the words before the check word."""
    return binascii.crc_hqx(struct.pack(f">{len(words) + 1}H", number, *words), 0xFFFF)
