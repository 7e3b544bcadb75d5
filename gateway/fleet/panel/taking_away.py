"""What a panel must hold while nothing may be opened on it: what it holds, without what it must not hold. Pure.

Taking away needs no clock; what is left is never compiled for a time that is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from drivers.contract import IdentifierSlot, PanelCapabilities, PanelImage, is_identifier, is_set, named_in
from gateway.compiler.identifiers import BoundIdentifier
from gateway.compiler.image import lies_within
from gateway.fleet.panel.planner import erase, merge, with_sharers
from gateway.fleet.panel.slots import naming, only


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


def narrowed(
    known: PanelImage,
    changed: Mapping[str, int],
    sure: Collection[str],
    compiled: Callable[[frozenset[str]], PanelImage],
    capabilities: PanelCapabilities,
    today: int,
) -> PanelImage:
    """`known` without the hours that time profiles lost: `changed` are those that may be asked for otherwise by now, with their
    generations; of `sure` ones that is known.

    What `compiled` says of one takes its place where it opens nothing more. One that only opens more from the day `today` (from
    1970-01-01) on stays as it is; of any other that is sure nothing is left. Who shares slots with one changes along with it.
    """
    image = known
    for key, generation in changed.items():
        if not image.allocation.get(key) or image.generations.get(key) == generation:
            continue
        together = _together(image, key)
        anew = compiled(together)
        if _replaces(anew, image, together) and _opens_no_more(anew, image, together, capabilities):
            image = merge(image, anew, together)
        elif not _opens_no_more(image, anew, together, capabilities, today):
            image = taken_away(image, together.intersection(sure), compiled, capabilities)
    return image


def _together(image: PanelImage, key: str) -> frozenset[str]:
    """A time profile, the sets that it is a member of, all their members, and who shares slots with any of these."""
    sets = {each for each in image.allocation if is_set(each) and key in named_in(each)}
    members = {member for each in sets for member in named_in(each) if image.allocation.get(member)}
    return frozenset(with_sharers(image, {key} | sets | members))


def _replaces(anew: PanelImage, image: PanelImage, keys: Collection[str]) -> bool:
    """Whether all these items are in `anew`, in slots that they have already: who refers to them goes on referring to them."""
    if anew.special_days != image.special_days:
        return False
    slots = [(anew.allocation.get(key, ()), image.allocation[key]) for key in keys]
    return all(after and after[0] == before[0] and set(after) <= set(before) for after, before in slots)


def _opens_no_more(
    image: PanelImage, other: PanelImage, keys: Collection[str], capabilities: PanelCapabilities, since: int = 0
) -> bool:
    """Whether `image` opens for each of these items only what `other` does. Items with the same slots are looked at once."""
    slots = {(tuple(image.allocation.get(key, ())), tuple(other.allocation.get(key, ()))): key for key in keys}
    one, two = _only(image, keys), _only(other, keys)
    return all(lies_within(one, two, capabilities, key, since) for key in slots.values())


def _only(image: PanelImage, keys: Collection[str]) -> PanelImage:
    """The image of some items alone: what others hold need not be looked at."""
    allocation = {key: image.allocation[key] for key in keys if key in image.allocation}
    return replace(
        image, slots=only(image, [number for numbers in allocation.values() for number in numbers]), allocation=allocation
    )


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
