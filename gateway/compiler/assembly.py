"""Assembles the decisions for each profile into one panel image. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.contract import ItemOutcome, PanelImage, Slot
from gateway.compiler.outcome import HELD

_NOTHING = PanelImage()


@dataclass(frozen=True, slots=True)
class Placed:
    """One profile's decision with its slots at their numbers; `numbers` in chain order."""

    generation: int
    outcome: ItemOutcome
    numbers: tuple[int, ...] = ()
    slots: Mapping[int, Slot] = field(default_factory=dict)


def image_of(placed: Mapping[str, Placed], base: PanelImage = _NOTHING) -> PanelImage:
    """The image of these profiles on top of another one."""
    slots, allocation = dict(base.slots), dict(base.allocation)
    generations, outcomes = dict(base.generations), dict(base.outcomes)
    for link_id, each in placed.items():
        slots.update(each.slots)
        allocation[link_id] = each.numbers
        outcomes[link_id] = each.outcome
        if each.outcome.outcome in HELD:
            generations[link_id] = each.generation
    return PanelImage(dict(sorted(slots.items())), base.special_days, allocation, generations, outcomes)
