"""Which slot numbers a panel's profiles get: what they have stays, new ones take the lowest free. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from drivers.contract import PanelCapabilities, Slot

Allocation = Mapping[str, tuple[int, ...]]


def all_numbers(capabilities: PanelCapabilities) -> range:
    return range(capabilities.first_id, capabilities.first_id + capabilities.max_schedules)


def choose(
    wanted: Iterable[tuple[str, int]],
    fixed: Allocation,
    allocation: Allocation,
    capabilities: PanelCapabilities,
    taken: Collection[int],
) -> dict[str, tuple[int, ...] | None]:
    """Numbers for each (link_id, how many), in that order; None for one that finds no room.

    `fixed`: numbers that do not change, and are nobody else's. First everybody keeps of `allocation` what it needs.
    """
    usable = set(all_numbers(capabilities)).difference(taken, *fixed.values())
    wishes = [wish for wish in wanted if wish[0] not in fixed]
    kept: dict[str, tuple[int, ...]] = {}
    for link_id, count in wishes:
        kept[link_id] = tuple(number for number in allocation.get(link_id, ()) if number in usable)[:count]
        usable.difference_update(kept[link_id])
    free = sorted(usable, reverse=True)
    chosen: dict[str, tuple[int, ...] | None] = dict(fixed)
    for link_id, count in wishes:
        missing = count - len(kept[link_id])
        if missing > len(free):
            chosen[link_id] = None
            free = sorted([*free, *kept[link_id]], reverse=True)
        else:
            chosen[link_id] = (*kept[link_id], *(free.pop() for _ in range(missing)))
    return chosen


def numbered(
    link_id: str, slots: tuple[Slot, ...], numbers: tuple[int, ...], capabilities: PanelCapabilities
) -> Iterator[tuple[int, Slot]]:
    """The slots at their numbers, chained where the panel chains."""
    following = dict(pairwise(numbers)) if capabilities.link_chain else {}
    for slot, number in zip(slots, numbers, strict=True):
        yield number, replace(slot, link_ids=(link_id,), link=following.get(number))
