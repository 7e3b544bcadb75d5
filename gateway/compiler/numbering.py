"""Which slot numbers a panel's profiles get: they keep what they have, new ones take the lowest free number. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from drivers.contract import Allocation, PanelCapabilities, Slot


def all_numbers(capabilities: PanelCapabilities) -> range:
    return range(capabilities.first_id, capabilities.first_id + capabilities.max_schedules)


def choose(
    link_ids: Iterable[str],
    count_of: Callable[[str, int], int],
    fixed: Allocation,
    allocation: Allocation,
    capabilities: PanelCapabilities,
    taken: Collection[int],
    kept_for: Mapping[int, str | None],
) -> dict[str, tuple[int, ...] | None]:
    """The slot numbers of each link_id, in the given order; None for one that finds no room.

    `count_of`: how many a link_id needs, given how many it may have; where that is 0, any number above 0 will do. `fixed`:
    numbers that do not change and belong to no other link_id. First, every link_id keeps what it needs of `allocation`.
    `kept_for`: numbers that only one link_id may keep, and that are given to none anew.
    """
    usable = set(all_numbers(capabilities)).difference(taken, *fixed.values())
    wishes = [link_id for link_id in link_ids if link_id not in fixed]
    kept: dict[str, tuple[int, ...]] = {}
    for link_id in wishes:
        had = tuple(
            number for number in allocation.get(link_id, ()) if number in usable and kept_for.get(number, link_id) == link_id
        )
        kept[link_id] = had[: count_of(link_id, len(usable))] if had else ()
        usable.difference_update(kept[link_id])
    free = sorted(usable.difference(kept_for), reverse=True)
    chosen: dict[str, tuple[int, ...] | None] = dict(fixed)
    for link_id in wishes:
        missing = count_of(link_id, len(free) + len(kept[link_id])) - len(kept[link_id])
        if missing > len(free):
            chosen[link_id] = None
            free = sorted([*free, *(number for number in kept[link_id] if number not in kept_for)], reverse=True)
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
