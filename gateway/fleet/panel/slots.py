"""Which slots of a panel belong to which link_id. Pure; slot numbers count from the panel's first one."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import replace

from drivers.contract import Allocation, ItemOutcome, PanelCapabilities, PanelImage, Slot


def one_table(capabilities: PanelCapabilities) -> bool:
    """Whether the panel has a single table: it is the gateway's as soon as a profile is bound to the panel."""
    return capabilities.max_schedules == 1 and capabilities.scope == "panel"


def foreign(image: PanelImage, table_is_ours: bool = False) -> frozenset[int]:
    """Used slots that belong to none of our link_ids: not ours to touch."""
    if table_is_ours:
        return frozenset()
    return frozenset(image.slots).difference(*image.allocation.values())


def slots_of(image: PanelImage, link_id: str) -> dict[int, Slot]:
    """The slots that hold one link_id, by number."""
    return {number: image.slots[number] for number in image.allocation.get(link_id, ()) if number in image.slots}


def adopt(read: PanelImage, remembered: Sequence[PanelImage], allocation: Allocation, ours: Container[str]) -> PanelImage:
    """What a panel was read to hold, with what the gateway knows of it.

    A slot carries our link_ids when the panel says so and all of them are in `ours`; where a panel stores none, when an
    image in `remembered` has the same content there, or when `allocation` gives it to somebody. Generation and outcome of
    a link_id are taken from the first remembered image that has exactly the slots read.
    """
    owners = _owners(allocation)
    slots = {number: _labelled(number, slot, remembered, owners) for number, slot in read.slots.items()}
    held = _allocation(slots, ours)
    image = PanelImage(slots=slots, special_days=read.special_days, allocation=held)
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


def _labelled(number: int, slot: Slot, remembered: Sequence[PanelImage], owners: Mapping[int, tuple[str, ...]]) -> Slot:
    if slot.link_ids:
        return slot
    for image in remembered:
        known = image.slots.get(number)
        if known is not None and known.link_ids and replace(known, link_ids=()) == slot:
            return known
    return replace(slot, link_ids=owners.get(number, ()))


def _allocation(slots: Mapping[int, Slot], ours: Container[str]) -> dict[str, tuple[int, ...]]:
    allocation: dict[str, tuple[int, ...]] = {}
    for number in sorted(slots):
        link_ids = slots[number].link_ids
        if all(link_id in ours for link_id in link_ids):
            for link_id in link_ids:
                allocation[link_id] = (*allocation.get(link_id, ()), number)
    return allocation


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
    """The named slots of an image that are used."""
    return {number: image.slots[number] for number in numbers if number in image.slots}


def without(image: PanelImage, numbers: Collection[int]) -> PanelImage:
    """An image without some slots that nobody of ours points to."""
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
    slots = range(capabilities.max_schedules)
    return {key: held for key, held in allocation.items() if all(number in slots for number in held)}
