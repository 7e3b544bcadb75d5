"""What a panel must hold while the time is not known: what it holds, without what it must not hold. Pure.

Taking away needs no clock; what is left is never compiled for a time that is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from drivers.contract import IdentifierSlot, PanelCapabilities, PanelImage, is_identifier, is_set, named_in
from gateway.compiler.identifiers import BoundIdentifier
from gateway.compiler.image import lies_within
from gateway.fleet.panel.planner import erase, merge, with_sharers
from gateway.fleet.panel.slots import naming


def taken_away(
    known: PanelImage,
    leaving: Collection[str],
    compiled: Callable[[frozenset[str]], PanelImage],
    capabilities: PanelCapabilities,
) -> PanelImage:
    """`known` without the link_ids `leaving`.

    Who shares a slot with them stays as far as `compiled`, the image of these link_ids as of the time of the last compilation,
    lies inside `known`; otherwise the slot is cleared as a whole. Identifiers that name a schedule that goes, go with it where
    they would be open without it.
    """
    gone = {link_id for link_id in leaving if known.allocation.get(link_id)}
    gone |= {key for key in known.allocation if is_set(key) and not gone.isdisjoint(named_in(key))}
    if capabilities.missing_reference != "closed":
        gone |= naming(known, [number for key in gone if not is_identifier(key) for number in known.allocation[key]])
    chosen = with_sharers(known, gone)
    bare = erase(known, chosen)
    rest = frozenset(chosen - gone)
    if not rest:
        return bare
    anew = compiled(rest)
    staying = {link_id for link_id in rest if anew.generations.get(link_id) == known.generations.get(link_id)}
    if staying != rest or anew.special_days != known.special_days or not lies_within(anew, known, capabilities):
        return bare
    return merge(bare, anew, rest)


def curtailed(
    known: PanelImage,
    asked: Mapping[str, BoundIdentifier],
    left_of: Callable[[IdentifierSlot, BoundIdentifier], IdentifierSlot | None],
) -> PanelImage:
    """`known` where the slots of identifiers that are asked for otherwise by now are what `left_of` says; None: nothing is left.

    What is left of one is of no generation.
    """
    changed: dict[str, dict[int, IdentifierSlot | None]] = {}
    anew = ((key, bound) for key, bound in asked.items() if known.generations.get(key) != bound.generation)
    for key, bound in anew:
        held = {number: known.identifiers[number] for number in known.allocation.get(key, ()) if number in known.identifiers}
        left = {number: left_of(slot, bound) for number, slot in held.items()}
        if left != held:
            changed[key] = left
    image = erase(known, [key for key, left in changed.items() if None in left.values()])
    slots = {number: slot for left in changed.values() if None not in left.values() for number, slot in left.items()}
    return replace(
        image,
        identifiers={**image.identifiers, **{number: slot for number, slot in slots.items() if slot is not None}},
        generations={key: generation for key, generation in image.generations.items() if key not in changed},
        outcomes={key: outcome for key, outcome in image.outcomes.items() if key not in changed},
    )
