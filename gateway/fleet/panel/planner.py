"""The steps from what a panel holds to what it must hold: revocations first. Pure.

A changed slot counts as a revocation: whether its new content closes anything that the old one opens is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from drivers.contract import PanelCapabilities, PanelImage, Priority, Slot, is_identifier
from gateway.fleet.panel.slots import foreign, places, slots_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: the image after it, and the link_ids that it concerns."""

    image: PanelImage
    priority: Priority
    link_ids: frozenset[str]


def closing(known: PanelImage, target: PanelImage) -> frozenset[str]:
    """The link_ids that lose a slot, or whose slots get another content."""
    if known.special_days != target.special_days:
        return frozenset(known.allocation)
    tables = ((known.slots, target.slots), (known.identifiers, target.identifiers))
    other = {number for before, after in tables for number in before if before[number] is not after.get(number)}
    for before, after in tables:
        other |= after.keys() - before.keys()  # a number may have none: somebody else got its card
    # Who keeps the very same slots loses nothing: that is most of them.
    unsure = [
        key
        for key, numbers in known.allocation.items()
        if numbers and (target.allocation.get(key) != numbers or not other.isdisjoint(numbers))
    ]
    return frozenset(key for key in unsure if slots_of(known, key) != slots_of(target, key))


def opening(known: PanelImage, target: PanelImage) -> frozenset[str]:
    """The link_ids that get slots and had none."""
    return frozenset(link_id for link_id, numbers in target.allocation.items() if numbers and not known.allocation.get(link_id))


def revokes(known: PanelImage, step: Step) -> bool:
    """Whether a transaction takes something away, or replaces it by another generation; not so where it renews or opens.

    A slot that is nobody's, since a write to it was cut off, may open anything: replacing it takes that away.
    """
    if not step.link_ids:
        return step.priority is Priority.REVOCATION
    after = step.image
    unknown = any(after.slots.get(number) != known.slots[number] for number in foreign(known))
    return unknown or any(
        not after.allocation.get(link_id) or after.generations.get(link_id) != known.generations.get(link_id)
        for link_id in step.link_ids
        if known.allocation.get(link_id)
    )


def merge(known: PanelImage, target: PanelImage, link_ids: Collection[str]) -> PanelImage:
    """The known image with these link_ids as in `target`: their old slots gone, their new ones there."""
    chosen = _with_heirs(known, target, with_sharers(target, link_ids))
    leaving = places({key: known.allocation.get(key, ()) for key in chosen})
    arriving = places({key: target.allocation.get(key, ()) for key in chosen})
    numbers = {target.identifiers[number].known_by for of_identifier, number in arriving if of_identifier}
    identifiers = {
        number: slot
        for number, slot in known.identifiers.items()
        if (True, number) not in leaving and slot.known_by not in numbers
    }
    slots: dict[int, Slot] = {number: slot for number, slot in known.slots.items() if (False, number) not in leaving}
    slots.update((number, target.slots[number]) for of_identifier, number in sorted(arriving) if not of_identifier)
    identifiers.update((number, target.identifiers[number]) for of_identifier, number in sorted(arriving) if of_identifier)
    return PanelImage(
        slots=slots,
        special_days=target.special_days,
        allocation=_mixed(known.allocation, target.allocation, chosen),
        generations=_mixed(known.generations, target.generations, chosen),
        outcomes=_mixed(known.outcomes, target.outcomes, chosen),
        identifiers=identifiers,
    )


def erase(known: PanelImage, link_ids: Collection[str]) -> PanelImage:
    """The known image without these link_ids."""
    return merge(known, PanelImage(special_days=known.special_days), link_ids)


def steps(known: PanelImage, target: PanelImage, capabilities: PanelCapabilities) -> Iterator[Step]:
    """The transactions from `known` to `target`; the last one's image is `target` itself.

    Slots that depend on each other (chains, dates that are the panel's) change in one transaction. Where an identifier without
    its schedule would be open always, it goes before its schedule and comes after it.
    """
    strict = capabilities.missing_reference != "closed"
    losing = frozenset(filter(is_identifier, closing(known, target))) if strict else frozenset[str]()
    if losing:
        cleared = erase(known, losing)
        yield Step(cleared, Priority.REVOCATION, losing)
        known = cleared
    closed, opened = closing(known, target), opening(known, target)
    if closed and opened and not _entangled(known, target, capabilities):
        between = merge(known, target, closed)
        yield Step(between, Priority.REVOCATION, closed)
        known, closed, opened = between, frozenset(), opening(between, target)
    schedules = frozenset(key for key in opened if not is_identifier(key))
    if strict and not closed and schedules and schedules != opened:
        between = merge(known, target, schedules)
        yield Step(between, Priority.GRANT, schedules)
        opened = opened - schedules
    yield Step(target, Priority.REVOCATION if closed else Priority.GRANT, closed | opened)


def paced(known: PanelImage, step: Step, load: Callable[[PanelImage, PanelImage], float]) -> Iterator[Step]:
    """A step in parts that each take little of the line's time. `load`: what one transaction from the first image to the second
    takes, as a share of what a part may take; a part is as many items as the load of the one before lets expect.

    No identifier meets a schedule of which it is neither so before nor so after the step: where both change, it goes first and
    comes back when the schedules are there.
    """
    if len(step.link_ids) < 2 or (whole := load(known, step.image)) <= 1:
        yield step
        return
    ordered = sorted(step.link_ids, key=lambda key: (is_identifier(key), step.image.allocation.get(key, ()), key))
    schedules = [key for key in ordered if not is_identifier(key)]
    crossing = [key for key in ordered if is_identifier(key) and known.allocation.get(key)] if schedules else []
    expected = len(ordered) / whole
    for keys, make in ((crossing, _without), (ordered, _with)):
        while keys:
            count = max(1, min(len(keys), int(expected)))
            while (share := load(known, image := make(known, step.image, keys[:count]))) > 1 and count > 1:
                count = max(1, int(count / share))
            expected = count / share if share else len(keys)
            part, keys = keys[:count], keys[count:]
            known = image if keys or make is _without else step.image
            yield Step(known, step.priority, frozenset(part))


def _without(known: PanelImage, target: PanelImage, keys: Collection[str]) -> PanelImage:
    return erase(known, keys)


def _with(known: PanelImage, target: PanelImage, keys: Collection[str]) -> PanelImage:
    return merge(known, target, keys)


def clearing(known: PanelImage, target: PanelImage) -> Step:
    """The first transaction where link_ids are then written one by one: everything that changes is erased."""
    closed = closing(known, target)
    return Step(erase(known, closed), Priority.REVOCATION, closed)


def single(known: PanelImage, target: PanelImage, link_id: str) -> Step:
    """The transaction that writes one link_id (and who shares its slots), the others as they are."""
    chosen = frozenset(with_sharers(target, (link_id,)))
    return Step(merge(known, target, chosen), Priority.GRANT, chosen)


def _entangled(known: PanelImage, target: PanelImage, capabilities: PanelCapabilities) -> bool:
    if capabilities.special_days_scope == "panel" and known.special_days != target.special_days:
        return True
    return any(slot.link is not None for image in (known, target) for slot in image.slots.values())


def with_sharers(image: PanelImage, link_ids: Collection[str]) -> set[str]:
    """These link_ids, and all that share slots with them."""
    chosen = set(link_ids)
    waiting = [key for key in chosen if not is_identifier(key)]
    while waiting:
        for number in image.allocation.get(waiting.pop(), ()):
            slot = image.slots.get(number)
            fresh = set() if slot is None else set(slot.link_ids) - chosen
            chosen |= fresh
            waiting.extend(fresh)
    return chosen


def _with_heirs(known: PanelImage, target: PanelImage, keys: Collection[str]) -> set[str]:
    """These items, and the identifiers that give slots to them or get slots of theirs: a number's new owner replaces the old one
    in one write."""
    chosen = set(keys)
    waiting = [key for key in chosen if is_identifier(key)]
    before, after = (_holders(known), _holders(target)) if waiting else ({}, {})
    while waiting:
        key = waiting.pop()
        heirs = {after.get(number) for number in known.allocation.get(key, ())}
        givers = {before.get(number) for number in target.allocation.get(key, ())}
        fresh = {each for each in heirs | givers if each is not None} - chosen
        chosen |= fresh
        waiting.extend(fresh)
    return chosen


def _holders(image: PanelImage) -> dict[int, str]:
    return {number: key for key, numbers in image.allocation.items() if is_identifier(key) for number in numbers}


def _mixed(known: Mapping[str, T], target: Mapping[str, T], chosen: Collection[str]) -> dict[str, T]:
    mixed = {link_id: value for link_id, value in known.items() if link_id not in chosen}
    mixed.update((link_id, target[link_id]) for link_id in chosen if link_id in target)
    return mixed
