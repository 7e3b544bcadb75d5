"""Identifiers on a panel whose schedules are compiled: references, validity, slots, and what becomes of each. Pure.

An identifier lets in nobody whom it should not: what a panel cannot say is refused or cut, and a reference is to a schedule that
this very image holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from drivers.contract import (
    IDENTIFIER,
    Allocation,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    PanelCapabilities,
    PanelImage,
    Reason,
    Refusal,
    is_identifier,
    item_key,
)
from gateway.compiler.options import CompileOptions
from gateway.compiler.outcome import HELD
from gateway.compiler.validity import minutes_of
from gateway.identifiers.identifier import Identifier, Lock

_WEAKEST_FIRST = (ItemState.REFUSED, ItemState.PENDING, ItemState.MATERIALISED, ItemState.NARROWED, ItemState.EXACT)
_DOORS: Mapping[Lock, tuple[int, ...]] = {"first": (0,), "second": (1,), "all": (0, 1)}
"""Where a site names no doors: outputs 0 and 1 are a panel's first and second."""


@dataclass(frozen=True, slots=True)
class BoundIdentifier:
    """An identifier bound to a panel. `closed`: those of its profiles that are deleted, everywhere. `spent`: entries had on this
    panel in slots that are gone; the number allowed is less by that number.
    """

    identifier: Identifier
    generation: int
    closed: frozenset[str] = frozenset()
    spent: int = 0

    @property
    def key(self) -> str:
        return item_key(IDENTIFIER, self.identifier.link_id)


@dataclass(frozen=True, slots=True)
class _Draft:
    """`slot` None: the panel holds nothing of it."""

    outcome: ItemOutcome
    slot: IdentifierSlot | None = None


def with_identifiers(
    image: PanelImage,
    wanted: Sequence[BoundIdentifier],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    options: CompileOptions,
    held: PanelImage,
) -> PanelImage:
    """`image`, the panel's compiled schedules, with the identifiers bound to it, given in order of first creation.

    `allocation`: the slots that identifiers have now. `held`: what the panel holds, strangers' slots too. A slot that has an
    identifier's number becomes its own, even if another has it now:
    so a number is never in two slots, and its count of entries stays.
    """
    if not wanted:
        return image
    drafts = {bound.key: _draft(bound, image, capabilities, options) for bound in wanted}
    placed = {key: draft.slot for key, draft in drafts.items() if draft.slot is not None}
    numbers = _numbers(placed, capabilities, allocation, held)
    outcomes, generations, places = dict(image.outcomes), dict(image.generations), dict(image.allocation)
    identifiers: dict[int, IdentifierSlot] = {}
    for bound in wanted:
        key, draft = bound.key, drafts[bound.key]
        number = numbers.get(key)
        roomless = draft.slot is not None and number is None
        outcomes[key] = _no_room(capabilities) if roomless else draft.outcome
        places[key] = () if number is None else (number,)
        if number is not None and draft.slot is not None:
            identifiers[number] = draft.slot
        if number is not None or (draft.outcome.outcome in HELD and not roomless):
            generations[key] = bound.generation
    return replace(
        image,
        allocation=places,
        generations=generations,
        outcomes=outcomes,
        identifiers=dict(sorted(identifiers.items())),
    )


# which slots


def _numbers(
    wanted: Mapping[str, IdentifierSlot], capabilities: PanelCapabilities, allocation: Allocation, held: PanelImage
) -> dict[str, int]:
    """Slot numbers, as far as there are any: the one that has the number, the one the identifier has, the lowest that is free.

    A slot that somebody's identifier is in is not free before the panel was seen without it.
    """
    slots = range(capabilities.max_identifiers)
    reserved = {number for key, numbers in allocation.items() if is_identifier(key) for number in numbers}
    ours_last = sorted(
        (number for number in held.identifiers if number in slots), key=lambda number: (number in reserved, -number)
    )
    by_number = {held.identifiers[number].known_by: number for number in ours_last}
    chosen = {key: by_number[slot.known_by] for key, slot in wanted.items() if slot.known_by in by_number}
    used = set(chosen.values())
    for key in wanted:
        own = next((number for number in allocation.get(key, ()) if number in slots and number not in used), None)
        if key not in chosen and own is not None:
            chosen[key] = own
            used.add(own)
    free = iter([number for number in slots if number not in used and number not in held.identifiers and number not in reserved])
    for key in wanted:
        if key not in chosen and (number := next(free, None)) is not None:
            chosen[key] = number
    return chosen


def _no_room(capabilities: PanelCapabilities) -> ItemOutcome:
    message = f"all {capabilities.max_identifiers} identifier slots are taken"
    return _refused("max_identifiers", message, Reason.NO_FREE_SLOT)


# one identifier


def _draft(bound: BoundIdentifier, image: PanelImage, capabilities: PanelCapabilities, options: CompileOptions) -> _Draft:
    own = _own_draft(bound.identifier, bound.spent, capabilities, options)
    if own.slot is None:
        return own
    named = bound.identifier.profiles
    if named is None:
        return replace(own, slot=replace(own.slot, schedules=None))
    live = [profile for profile in named if profile not in bound.closed]
    outcome = weakest((own.outcome, *(_of_profile(profile, image) for profile in live)))
    schedules = tuple(sorted({image.allocation[profile][0] for profile in live if image.allocation.get(profile)}))
    if len(schedules) > capabilities.references:
        message = f"{len(schedules)} time profiles are named, the panel takes {capabilities.references}"
        return _Draft(_refused("references", message))
    if not schedules and capabilities.missing_reference != "closed":
        return _Draft(outcome)
    return _Draft(outcome, replace(own.slot, schedules=schedules))


def _own_draft(identifier: Identifier, spent: int, capabilities: PanelCapabilities, options: CompileOptions) -> _Draft:
    """What the panel can say of it, time profiles left aside."""
    limit = _limit(identifier, capabilities)
    if limit is not None:
        return _Draft(_refused(*limit))
    span = minutes_of(identifier, capabilities, options)
    if isinstance(span, Refusal):
        return _Draft(ItemOutcome(ItemState.REFUSED, span.reason, span.message, refusal=span))
    if span is None:
        return _Draft(ItemOutcome(ItemState.EXACT, message="its validity holds no whole minute"))
    passes, message = _passes(identifier, spent, capabilities)
    state = ItemState.NARROWED if span.cuts else ItemState.EXACT
    slot = IdentifierSlot(
        space=identifier.number.space,
        number=identifier.number.value,
        digits=identifier.number.digits,
        outputs=_outputs(identifier.lock, capabilities),
        valid_from=span.first,
        valid_to=span.last,
        passes=passes,
    )
    return _Draft(ItemOutcome(state, message=message, cuts=span.cuts), slot)


def _limit(identifier: Identifier, capabilities: PanelCapabilities) -> tuple[str, str] | None:
    """The capability that does not suffice, and in words."""
    number = identifier.number
    if not capabilities.max_identifiers:
        return "max_identifiers", "the panel has no readers"
    if number.space not in capabilities.identifier_types:
        return "identifier_types", f"the panel reads no {identifier.type}"
    if number.digits > capabilities.code_digits:
        return "code_digits", f"a code of {number.digits} digits, the panel takes {capabilities.code_digits}"
    if not _outputs(identifier.lock, capabilities):
        return "outputs", f"the panel has no door that is its {identifier.lock}"
    if identifier.passes is not None and not capabilities.max_passes:
        return "max_passes", "the panel counts no entries"
    return None


def _outputs(lock: Lock, capabilities: PanelCapabilities) -> tuple[int, ...]:
    return tuple(output for output in _DOORS[lock] if output < capabilities.outputs)


def _passes(identifier: Identifier, spent: int, capabilities: PanelCapabilities) -> tuple[int | None, str | None]:
    """Entries allowed, never unlimited where a number was asked for."""
    asked = identifier.passes
    if asked is None:
        return None, None
    left = max(0, asked - spent)
    if left <= capabilities.max_passes:
        return left, None
    return capabilities.max_passes, f"{capabilities.max_passes} entries of {asked}: the panel counts no further"


def _of_profile(link_id: str, image: PanelImage) -> ItemOutcome:
    """What a profile's outcome on the panel means for an identifier that names it."""
    outcome = image.outcomes.get(link_id)
    if outcome is None:
        return _refused_by_profile(link_id, "is not bound to the panel")
    if outcome.outcome is ItemState.REFUSED:
        return _refused_by_profile(link_id, "is refused by the panel")
    return outcome


def _refused_by_profile(link_id: str, why: str) -> ItemOutcome:
    return ItemOutcome(ItemState.REFUSED, Reason.PROFILE_NOT_HELD, f"the time profile {link_id} {why}")


def _refused(limit: str, message: str, reason: Reason = Reason.NOT_REPRESENTABLE) -> ItemOutcome:
    return ItemOutcome(ItemState.REFUSED, reason, message, refusal=Refusal(reason, limit, message))


def weakest(outcomes: Iterable[ItemOutcome]) -> ItemOutcome:
    """The first of the weakest, with the earliest end, all cuts and all that is said."""
    every = tuple(outcomes)
    weak = min(every, key=lambda outcome: _WEAKEST_FIRST.index(outcome.outcome))
    ends = [outcome.valid_until for outcome in every if outcome.valid_until is not None]
    cuts = tuple(dict.fromkeys(cut for outcome in every for cut in outcome.cuts))
    said = (every[0].message, weak.message if weak.outcome not in HELD else None)
    messages = tuple(dict.fromkeys(message for message in said if message))
    return replace(weak, valid_until=min(ends, default=None), renew_at=None, cuts=cuts, message="; ".join(messages) or None)
