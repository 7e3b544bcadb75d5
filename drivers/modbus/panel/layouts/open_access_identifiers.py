"""The 16 words of an identifier slot of the open access panel. Pure.

+0 type, in the high byte the digits of a code; +1..4 the number; +5..8 references to schedule slots; +9 doors; +10..11 first and
+12..13 last Unix minute; +14 passes allowed; +15 CRC-16/CCITT-FALSE over slot number and words 0..14.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from drivers.contract import IdentifierSlot, NumberSpace
from drivers.modbus.panel.layouts.check_word import check_word

IDENTIFIER_WORDS = 16
TYPE = 0xFF
"""The bits of +0 that say whether a slot is used."""
REFERENCES = 4
_TYPES: dict[NumberSpace, int] = {"card": 1, "code": 2, "plate": 3, "qr": 4}
_SPACES = {number: space for space, number in _TYPES.items()}
_ALWAYS, _NO_REFERENCE = 0xFFFE, 0xFFFF
_OPEN_END = 0xFFFF_FFFF
_UNLIMITED = 0xFFFF


@lru_cache(maxsize=8192)
def identifier_words(number: int, slot: IdentifierSlot) -> tuple[int, ...]:
    """The 16 words of a used slot. Raises ValueError for what the slot cannot express."""
    if slot.opaque is not None:
        return slot.opaque
    named = (_ALWAYS,) if slot.schedules is None else slot.schedules
    if len(named) > REFERENCES:
        raise ValueError(f"identifier slot {number}: {len(named)} references do not fit")
    if slot.passes is not None and not 0 <= slot.passes < _UNLIMITED:
        raise ValueError(f"identifier slot {number}: {slot.passes} passes cannot be said")
    head = struct.pack(
        ">HQ4HHIIH",
        slot.digits << 8 | _TYPES[slot.space],
        slot.number,
        *named,
        *(_NO_REFERENCE,) * (REFERENCES - len(named)),
        sum(1 << output for output in slot.outputs),
        slot.valid_from or 0,
        _OPEN_END if slot.valid_to is None else slot.valid_to,
        _UNLIMITED if slot.passes is None else slot.passes,
    )
    words = struct.unpack(">15H", head)
    return (*words, check_word(number, words))


def decode_identifier(number: int, words: tuple[int, ...]) -> IdentifierSlot | None:
    """The slot that the words say; opaque where the gateway would not have written them so; None for a free one, of type 0."""
    if not words[0] & TYPE:
        return None
    slot = _read(words)
    if words[-1] != check_word(number, words[:-1]):
        return replace(slot, opaque=words, damaged=True)
    try:
        ours = identifier_words(number, slot) == words
    except (ValueError, struct.error):
        ours = False
    return slot if ours else replace(slot, opaque=words)


def _read(words: Sequence[int]) -> IdentifierSlot:
    kind, value, *named, doors, first, last, passes = struct.unpack(">HQ4HHIIH", struct.pack(">15H", *words[:15]))
    schedules = tuple(reference for reference in named if reference < _ALWAYS)
    return IdentifierSlot(
        space=_SPACES.get(kind & TYPE, "card"),
        number=value,
        digits=kind >> 8,
        schedules=None if _ALWAYS in named else schedules,
        outputs=tuple(output for output in range(16) if doors >> output & 1),
        valid_from=first or None,
        valid_to=None if last == _OPEN_END else last,
        passes=None if passes == _UNLIMITED else passes,
    )
