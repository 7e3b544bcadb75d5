"""The steps from what a panel holds to what it must hold: revocations first. Pure.

A changed slot counts as a revocation: whether its new content closes anything that the old one opens is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from drivers.contract import PanelCapabilities, PanelImage, Priority, Slot
from gateway.fleet.panel.slots import slots_of

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
    used = (link_id for link_id, numbers in known.allocation.items() if numbers)
    return frozenset(link_id for link_id in used if slots_of(known, link_id) != slots_of(target, link_id))


def opening(known: PanelImage, target: PanelImage) -> frozenset[str]:
    """The link_ids that get slots and had none."""
    return frozenset(link_id for link_id, numbers in target.allocation.items() if numbers and not known.allocation.get(link_id))


def revokes(known: PanelImage, step: Step) -> bool:
    """Whether a transaction takes something away, or replaces it by another generation; not so where it renews or opens."""
    if not step.link_ids:
        return step.priority is Priority.REVOCATION
    after = step.image
    return any(
        not after.allocation.get(link_id) or after.generations.get(link_id) != known.generations.get(link_id)
        for link_id in step.link_ids
        if known.allocation.get(link_id)
    )


def merge(known: PanelImage, target: PanelImage, link_ids: Collection[str]) -> PanelImage:
    """The known image with these link_ids as in `target`: their old slots gone, their new ones there."""
    chosen = with_sharers(target, link_ids)
    leaving = {number for link_id in chosen for number in known.allocation.get(link_id, ())}
    arriving = {number for link_id in chosen for number in target.allocation.get(link_id, ())}
    slots: dict[int, Slot] = {number: slot for number, slot in known.slots.items() if number not in leaving}
    slots.update((number, target.slots[number]) for number in sorted(arriving))
    return PanelImage(
        slots=slots,
        special_days=target.special_days,
        allocation=_mixed(known.allocation, target.allocation, chosen),
        generations=_mixed(known.generations, target.generations, chosen),
        outcomes=_mixed(known.outcomes, target.outcomes, chosen),
    )


def erase(known: PanelImage, link_ids: Collection[str]) -> PanelImage:
    """The known image without these link_ids."""
    return merge(known, replace(known, slots={}, allocation={}, generations={}, outcomes={}), link_ids)


def steps(known: PanelImage, target: PanelImage, capabilities: PanelCapabilities) -> Iterator[Step]:
    """The transactions from `known` to `target`; the last one's image is `target` itself.

    Slots that depend on each other (chains, dates that are the panel's) change in one transaction.
    """
    closed = closing(known, target)
    opened = opening(known, target)
    if closed and opened and not _entangled(known, target, capabilities):
        between = merge(known, target, closed)
        yield Step(between, Priority.REVOCATION, closed)
        yield Step(target, Priority.GRANT, opening(between, target))
    else:
        yield Step(target, Priority.REVOCATION if closed else Priority.GRANT, closed | opened)


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
    waiting = list(chosen)
    while waiting:
        for slot in slots_of(image, waiting.pop()).values():
            fresh = set(slot.link_ids) - chosen
            chosen |= fresh
            waiting.extend(fresh)
    return chosen


def _mixed(known: Mapping[str, T], target: Mapping[str, T], chosen: Collection[str]) -> dict[str, T]:
    mixed = {link_id: value for link_id, value in known.items() if link_id not in chosen}
    mixed.update((link_id, target[link_id]) for link_id in chosen if link_id in target)
    return mixed
