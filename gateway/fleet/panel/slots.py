"""Which slots of a panel belong to which item. Pure; slot numbers count from the panel's first one.

Time profiles have schedule slots, identifiers have identifier slots: `allocation` names those of the item's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace

from drivers.contract import (
    Allocation,
    IdentifierSlot,
    ItemOutcome,
    PanelCapabilities,
    PanelImage,
    Slot,
    is_identifier,
    is_set,
    stored_as,
)
from gateway.fleet.numbers import KnownBy

Place = tuple[bool, int]
"""A slot of a panel: whether it is an identifier slot, and its number."""
Owner = Callable[[KnownBy], str | None]
"""Whose a number is, by what panels compare of it: the key of an identifier that is live or on its way out. None: nobody's."""


def one_table(capabilities: PanelCapabilities) -> bool:
    """Whether the panel has a single table: it is the gateway's as soon as a profile is bound to the panel."""
    return capabilities.max_schedules == 1 and capabilities.scope == "panel"


def is_rewritten(key: str, before: PanelImage, after: PanelImage, capabilities: PanelCapabilities) -> bool:
    """Whether schedule slots that an item is open by, or dates that all slots share, differ between two images."""
    changed = {number for number in {*before.slots, *after.slots} if before.slots.get(number) != after.slots.get(number)}
    own = () if is_identifier(key) else (*before.allocation.get(key, ()), *after.allocation.get(key, ()))
    return before.special_days != after.special_days or bool(changed if one_table(capabilities) else changed.intersection(own))


def places(allocation: Allocation) -> frozenset[Place]:
    """All slots that are given to somebody."""
    return frozenset((is_identifier(key), number) for key, numbers in allocation.items() for number in numbers)


def labels(image: PanelImage) -> frozenset[str]:
    """Whose slots a panel says that there are."""
    return frozenset(key for slot in image.slots.values() for key in slot.link_ids)


def foreign(image: PanelImage, table_is_ours: bool = False) -> frozenset[int]:
    """Used schedule slots that belong to none of our items: not ours to touch."""
    if table_is_ours:
        return frozenset()
    return frozenset(image.slots).difference(*[numbers for key, numbers in image.allocation.items() if not is_identifier(key)])


def foreign_identifiers(image: PanelImage) -> frozenset[int]:
    """Used identifier slots that belong to none of our items."""
    if not image.identifiers:
        return frozenset()
    ours = (numbers for key, numbers in image.allocation.items() if is_identifier(key))
    return frozenset(image.identifiers).difference(*ours)


def named_by(image: PanelImage, numbers: Iterable[int]) -> frozenset[int]:
    """The schedule slots that these identifier slots refer to."""
    return frozenset(schedule for number in numbers for schedule in image.identifiers[number].schedules or ())


def naming(image: PanelImage, schedules: Collection[int]) -> set[str]:
    """The identifiers of ours that refer to one of these schedule slots."""
    return {
        key
        for key, numbers in image.allocation.items()
        if is_identifier(key)
        and any(
            set(schedules).intersection(image.identifiers[each].schedules or ()) for each in numbers if each in image.identifiers
        )
    }


def kept_for(image: PanelImage, allocation: Allocation) -> dict[int, str | None]:
    """The schedule slots that any identifier refers to, and the one item that may have each: who has it, or is to have it."""
    if not image.identifiers:
        return {}
    owners: dict[int, str] = {}
    for key, numbers in (*allocation.items(), *image.allocation.items()):
        if not is_identifier(key):
            owners.update(dict.fromkeys(numbers, key))
    return {number: owners.get(number) for number in named_by(image, image.identifiers)}


def slots_of(image: PanelImage, key: str) -> dict[int, Slot | IdentifierSlot]:
    """The slots that hold one item, by number."""
    table: Mapping[int, Slot | IdentifierSlot] = image.identifiers if is_identifier(key) else image.slots
    return {number: table[number] for number in image.allocation.get(key, ()) if number in table}


def adopt(
    read: PanelImage, remembered: Sequence[PanelImage], allocation: Allocation, ours: Container[str], owner: Owner
) -> PanelImage:
    """What a panel was read to hold, with what the gateway knows of it.

    A schedule slot carries our link_ids when the panel says so and all of them are in `ours`. Where a panel stores none, they are
    those of the image in `remembered` that has the same content there; content that no image has may be left of anybody whom
    `allocation` or one of these images gives the slot to. An identifier slot belongs to
    the `owner` of its number; a number that is nobody's any more is ours where it was remembered there, or where `allocation`
    gives the slot to somebody, who has another number by now. A damaged slot belongs to whom `allocation` gives it to, whatever
    it says. Generation and outcome of an item are taken from the first remembered image that has exactly the slots read.
    """
    owners = _owners({key: numbers for key, numbers in allocation.items() if not is_identifier(key)})
    sets = {
        stored_as(key): key for keys in (allocation, *(each.allocation for each in remembered)) for key in keys if is_set(key)
    }
    named = {number: _by_key(slot, sets) for number, slot in read.slots.items()}
    slots = {number: _labelled(number, slot, remembered, owners, ours) for number, slot in named.items()}
    held = _allocation(slots, ours, told={number for number, slot in named.items() if slot.link_ids})
    holders = {number: key for key, numbers in allocation.items() if is_identifier(key) for number in numbers}
    for number, slot in sorted(read.identifiers.items()):
        holder = holders.get(number) if slot.damaged else None
        key = holder or owner(slot.known_by) or _remembered_owner(number, slot, remembered) or holders.get(number)
        if key is not None:
            held[key] = (*held.get(key, ()), number)
    image = PanelImage(slots=slots, special_days=read.special_days, allocation=held, identifiers=read.identifiers)
    generations: dict[str, int] = {}
    outcomes: dict[str, ItemOutcome] = {}
    for link_id in held:
        source = _source(image, link_id, remembered)
        if source is not None:
            generations[link_id] = source.generations[link_id]
            outcomes[link_id] = source.outcomes[link_id]
    return replace(image, generations=generations, outcomes=outcomes)


def _owners(allocation: Allocation) -> dict[int, tuple[str, ...]]:
    owners: dict[int, tuple[str, ...]] = {}
    for link_id, numbers in allocation.items():
        for number in numbers:
            owners[number] = (*owners.get(number, ()), link_id)
    return owners


def _by_key(slot: Slot, sets: Mapping[str, str]) -> Slot:
    """The slot with the keys of sets in place of what panels store for them."""
    if not sets or sets.keys().isdisjoint(slot.link_ids):
        return slot
    return replace(slot, link_ids=tuple(sets.get(each, each) for each in slot.link_ids))


def _labelled(
    number: int, slot: Slot, remembered: Sequence[PanelImage], owners: Mapping[int, tuple[str, ...]], ours: Container[str]
) -> Slot:
    given = owners.get(number, ())
    if slot.damaged and given:
        return replace(slot, link_ids=given)
    if slot.link_ids:
        return slot
    known = [image.slots[number] for image in remembered if number in image.slots]
    for each in known:
        if each.link_ids and replace(each, link_ids=()) == slot:
            return each
    maybe = dict.fromkeys([*given, *(key for each in known for key in each.link_ids)])
    return replace(slot, link_ids=tuple(key for key in maybe if key in ours))


def _allocation(slots: Mapping[int, Slot], ours: Container[str], told: Container[int]) -> dict[str, tuple[int, ...]]:
    """`told`: the slots of which the panel itself says whose they are: those that name another master's item are not ours to
    touch."""
    allocation: dict[str, tuple[int, ...]] = {}
    for number in sorted(slots):
        link_ids = slots[number].link_ids
        known = [link_id for link_id in link_ids if link_id in ours]
        if number not in told or len(known) == len(link_ids):
            for link_id in known:
                allocation[link_id] = (*allocation.get(link_id, ()), number)
    return allocation


def _remembered_owner(number: int, slot: IdentifierSlot, remembered: Sequence[PanelImage]) -> str | None:
    for image in remembered:
        known = image.identifiers.get(number)
        if known is not None and known.known_by == slot.known_by:
            return next((key for key, numbers in image.allocation.items() if is_identifier(key) and number in numbers), None)
    return None


def _source(image: PanelImage, link_id: str, remembered: Sequence[PanelImage]) -> PanelImage | None:
    present = slots_of(image, link_id)
    for candidate in remembered:
        if (
            link_id in candidate.generations
            and link_id in candidate.outcomes
            and slots_of(candidate, link_id) == present
            and candidate.special_days == image.special_days
        ):
            return candidate
    return None


def only(image: PanelImage, numbers: Collection[int]) -> dict[int, Slot]:
    """The named schedule slots of an image that are used."""
    return {number: image.slots[number] for number in numbers if number in image.slots}


def without(image: PanelImage, numbers: Collection[int]) -> PanelImage:
    """An image without some schedule slots that nobody of ours points to."""
    if not numbers:
        return image
    return replace(image, slots={number: slot for number, slot in image.slots.items() if number not in numbers})


def claimed(image: PanelImage, key: str) -> PanelImage:
    """The image with the slots that carry this item alone given to it."""
    numbers = tuple(sorted(number for number, slot in image.slots.items() if slot.link_ids == (key,)))
    return replace(image, allocation={**image.allocation, key: numbers}) if numbers else image


def renumbered(image: PanelImage, key: str, before: int, generation: int) -> PanelImage:
    """The image with generation `before` of an item called another."""
    if image.generations.get(key) != before:
        return image
    return replace(image, generations={**image.generations, key: generation})


def existing(allocation: Allocation, capabilities: PanelCapabilities) -> Allocation:
    """The items whose slots a panel has."""
    slots, identifiers = range(capabilities.max_schedules), range(capabilities.max_identifiers)
    return {
        key: held
        for key, held in allocation.items()
        if all(number in (identifiers if is_identifier(key) else slots) for number in held)
    }


def beside(image: PanelImage, held: PanelImage, schedules: Collection[int]) -> PanelImage:
    """A compiled image with what stays of others: these schedule slots, and strangers' identifiers but for those whose number
    has a slot in the image."""
    numbers = {slot.known_by for slot in image.identifiers.values()}
    strangers = {
        number: slot for number in foreign_identifiers(held) if (slot := held.identifiers[number]).known_by not in numbers
    }
    return replace(image, slots={**only(held, schedules), **image.slots}, identifiers={**strangers, **image.identifiers})
