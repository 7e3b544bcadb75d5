"""A change as ordered writes, each with the reading that proves it. Pure.

At every moment a card names profiles that are there, a link leads to one that is there, and no chain leads back to itself. What
is open in between is open before or after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from drivers.contract import IdentifierSlot, NumberSpace, PanelImage, Slot
from drivers.uhppote.panel.cards import CardFormat, card_of, controllers_number
from drivers.uhppote.panel.profiles import CLOSED, profile_of, same
from drivers.uhppote.wire.frames import Reply, Request
from drivers.uhppote.wire.messages import (
    Card,
    Profile,
    delete_card,
    get_card,
    get_profile,
    put_card,
    read_card,
    read_profile,
    set_profile,
)


@dataclass(frozen=True, slots=True)
class PutProfile:
    number: int
    profile: Profile

    def write(self) -> Request:
        return set_profile(self.number, self.profile)

    def check(self) -> Request:
        return get_profile(self.number)

    def shown_by(self, reply: Reply) -> bool:
        return read_profile(reply) == (self.number, self.profile)


@dataclass(frozen=True, slots=True)
class PutCard:
    """`is_new`: the controller was seen without the card. Else it may have a PIN, which it keeps."""

    card: Card
    is_new: bool

    def write(self) -> Request:
        return put_card(self.card)

    def check(self) -> Request:
        return get_card(self.card.card)

    def shown_by(self, reply: Reply) -> bool:
        return read_card(reply) == self.card

    def with_pin(self, pin: int) -> PutCard:
        return replace(self, card=replace(self.card, pin=pin))


@dataclass(frozen=True, slots=True)
class DeleteCard:
    number: int

    def write(self) -> Request:
        return delete_card(self.number)

    def check(self) -> Request:
        return get_card(self.number)

    def shown_by(self, reply: Reply) -> bool:
        return read_card(reply) is None


Step = PutProfile | PutCard | DeleteCard
KnownBy = tuple[NumberSpace, int, int]


def steps_between(known: PanelImage, target: PanelImage, card_format: CardFormat) -> tuple[Step, ...]:
    """The steps by which a controller that holds `known` comes to hold `target`.

    Raises ValueError where `target` has what no controller can hold.
    """
    changed = {
        number
        for number in known.slots.keys() | target.slots.keys()
        if not same(known.slots.get(number), target.slots.get(number))
    }
    before, after = _cards_beside(target, known), _cards_beside(known, target)
    gone, first, last = [], [], []
    for each in sorted(before.keys() | after.keys()):
        old, new = before.get(each), after.get(each)
        if _same_card(old, new, card_format):
            continue
        number = controllers_number(old or after[each], card_format)
        if new is None:
            gone.append(DeleteCard(number))
        elif old is None or changed.intersection((*(old.schedules or ()), *(new.schedules or ()))):
            # A card that meets a profile on its way from one content to another goes before it, and comes back behind it.
            gone += [] if old is None else [DeleteCard(number)]
            last.append(PutCard(card_of(new, card_format), is_new=True))
        else:
            first.append(PutCard(card_of(new, card_format), is_new=False))
    return (*gone, *first, *_closings(known, target, changed), *_profiles(known, target, changed), *last)


def _cards_beside(other: PanelImage, image: PanelImage) -> dict[KnownBy, IdentifierSlot]:
    """The cards of an image by their numbers, but for those that are in the other one as they are."""
    differing = (slot for place, slot in image.identifiers.items() if other.identifiers.get(place) != slot)
    return {slot.known_by: slot for slot in differing}


def _same_card(one: IdentifierSlot | None, other: IdentifierSlot | None, card_format: CardFormat) -> bool:
    if one is None or other is None:
        return one is other
    if one.opaque is not None or other.opaque is not None:
        return one.opaque == other.opaque
    return card_of(one, card_format) == card_of(other, card_format)


def _closings(known: PanelImage, target: PanelImage, changed: set[int]) -> Iterator[PutProfile]:
    """Slots that are not used any more, that are given to somebody else, or that lead elsewhere: closed, and linked to nothing,
    before anything else is written to them. Those that lead to others go first."""
    closing = {number for number in changed if number in known.slots and _closes_first(number, known, target)}
    for number in reversed(_targets_first(closing, known.slots)):
        yield PutProfile(number, CLOSED)


def _closes_first(number: int, known: PanelImage, target: PanelImage) -> bool:
    old, new = known.slots[number], target.slots.get(number)
    if new is None or old.opaque is not None or (old.link is not None and old.link != new.link):
        return True
    return bool(old.link_ids or new.link_ids) and not set(old.link_ids) & set(new.link_ids)


def _profiles(known: PanelImage, target: PanelImage, changed: set[int]) -> Iterator[PutProfile]:
    """What is written: a link's target before the link."""
    for number in _targets_first(changed & target.slots.keys(), target.slots):
        yield PutProfile(number, profile_of(target.slots[number]))


def _targets_first(numbers: set[int], slots: Mapping[int, Slot]) -> list[int]:
    ordered: dict[int, None] = {}
    for number in sorted(numbers):
        chain: list[int] = []
        at: int | None = number
        while at in numbers and at not in ordered and at not in chain:
            chain.append(at)
            at = slots[at].link
        ordered.update(dict.fromkeys(reversed(chain)))
    return list(ordered)
