"""Identifier slots as cards, and cards as identifier slots. Pure.

A controller finds a card by its number; at which place of its list a card stands has no meaning, and is the number of the slot
that was read.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Literal

from drivers.contract import IdentifierSlot
from drivers.uhppote.panel.profiles import FIRST_DAY, LAST_DAY, MINUTES
from drivers.uhppote.wire.messages import ALWAYS, DOORS, NO_ACCESS, Card

CardFormat = Literal["decimal", "wiegand26"]
CARD_BITS: Mapping[CardFormat, int] = {"decimal": 32, "wiegand26": 24}
NO_CARDS = frozenset({0, 0x00FF_FFFF, 0xFFFF_FFFF})
"""Numbers that no controller takes."""
_FACILITY = 100_000
_WORD, _BYTE = 0xFFFF, 0xFF
_BEYOND = 1 << 40
"""Added to a number of the controller that stands for no card of the format: it is never taken for somebody's."""


def card_number(number: int, card_format: CardFormat) -> int:
    """The controller's number of a card. Raises ValueError for one that it cannot have: nothing is cut to fit."""
    if card_format == "wiegand26":
        if number >> 24:
            raise ValueError("a card of more than 24 bits")
        number = (number >> 16) * _FACILITY + (number & _WORD)
    if number >> 32 or number in NO_CARDS:
        raise ValueError("a card number that no controller takes")
    return number


def number_of(card: int, card_format: CardFormat) -> int:
    """The number of the card that a controller knows by `card`."""
    if card_format == "decimal":
        return card
    facility, number = divmod(card, _FACILITY)
    return (facility << 16) + number if facility <= _BYTE and number <= _WORD else _BEYOND + card


def controllers_number(slot: IdentifierSlot, card_format: CardFormat) -> int:
    """The controller's number of the card in a slot; of somebody else's card it is the first word that was read of it."""
    return card_number(slot.number, card_format) if slot.opaque is None else slot.opaque[0]


def card_of(slot: IdentifierSlot, card_format: CardFormat) -> Card:
    """Raises ValueError for a slot that is no card that the gateway could have written."""
    if slot.opaque is not None:
        raise ValueError("the slot is somebody else's card")
    first = FIRST_DAY if slot.valid_from is None else max(FIRST_DAY, slot.valid_from // MINUTES)
    last = LAST_DAY if slot.valid_to is None else min(LAST_DAY, slot.valid_to // MINUTES)
    access = ALWAYS if slot.schedules is None else next(iter(slot.schedules), NO_ACCESS)
    if first > last:  # beyond what the controller's dates can express
        first, last, access = FIRST_DAY, FIRST_DAY, NO_ACCESS
    door1, door2, door3, door4 = (access if door in slot.outputs else NO_ACCESS for door in range(DOORS))
    return Card(card_number(slot.number, card_format), first, last, (door1, door2, door3, door4))


def slot_of(card: Card, defined: Container[int], card_format: CardFormat) -> IdentifierSlot:
    """What a card that was read is to the gateway. `defined`: the profiles that are there.

    A card with different hours at different doors, with rights of a first card, without dates, or with a profile that is missing,
    which lets it in always, is none that the gateway wrote: its bytes stay as they are.
    """
    access = sorted(set(card.doors) - {NO_ACCESS})
    named = tuple(each for each in access if each != ALWAYS)
    outputs = tuple(door for door, each in enumerate(card.doors) if each != NO_ACCESS)
    slot = IdentifierSlot(
        space="card",
        number=number_of(card.card, card_format),
        schedules=None if access == [ALWAYS] else named,
        outputs=outputs,
        pinned=card.pin != 0,
    )
    plain = len(access) == 1 and all(each in defined for each in named) and not card.first_card
    if not plain or card.first_day is None or card.last_day is None:
        dates = (card.first_day or 0, card.last_day or 0)
        return replace(slot, opaque=(card.card, *dates, *card.doors, card.first_card))
    return replace(
        slot,
        valid_from=None if card.first_day == FIRST_DAY else MINUTES * card.first_day,
        valid_to=None if card.last_day == LAST_DAY else MINUTES * (card.last_day + 1) - 1,
    )
