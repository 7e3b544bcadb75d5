"""Identifiers on a panel whose schedules are compiled: references, validity, slots, and what becomes of each. Pure.

An identifier lets in nobody whom it should not: what a panel cannot express is refused or cut, and a reference is to a schedule
that this very image holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    set_key,
)
from gateway.compiler.options import CompileOptions
from gateway.compiler.outcome import HELD, weakest
from gateway.compiler.sets import names_set
from gateway.compiler.validity import Validity, minutes_of
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.own_ids import shown_link_id

_EXACT = ItemOutcome(ItemState.EXACT)


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
    references = _References(image, capabilities)
    drafts = {bound.key: _draft(bound, references, capabilities, options) for bound in wanted}
    placed = {key: draft.slot for key, draft in drafts.items() if draft.slot is not None}
    numbers = _numbers(placed, capabilities, allocation, held)
    pinned = {slot.known_by for slot in held.identifiers.values() if slot.pinned}
    outcomes, generations, places = dict(image.outcomes), dict(image.generations), dict(image.allocation)
    identifiers: dict[int, IdentifierSlot] = {}
    for bound, (key, draft) in zip(wanted, drafts.items(), strict=True):
        number = numbers.get(key)
        roomless = draft.slot is not None and number is None
        outcomes[key] = _no_room(capabilities) if roomless else draft.outcome
        places[key] = () if number is None else (number,)
        if number is not None and draft.slot is not None:
            has_pin = draft.slot.known_by in pinned
            identifiers[number] = replace(draft.slot, pinned=True) if has_pin else draft.slot
            outcomes[key] = _with_pin(draft.outcome) if has_pin else draft.outcome
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
    free = (number for number in slots if number not in used and number not in held.identifiers and number not in reserved)
    for key in wanted:
        if key not in chosen and (number := next(free, None)) is not None:
            chosen[key] = number
    return chosen


def _with_pin(outcome: ItemOutcome) -> ItemOutcome:
    said = "the panel asks for the PIN that it has for this card"
    return replace(outcome, message=said if outcome.message is None else f"{outcome.message}; {said}")


def _no_room(capabilities: PanelCapabilities) -> ItemOutcome:
    message = f"all {capabilities.max_identifiers} identifier slots are taken"
    return _refused("max_identifiers", message, Reason.NO_FREE_SLOT)


# one identifier


def _draft(bound: BoundIdentifier, references: _References, capabilities: PanelCapabilities, options: CompileOptions) -> _Draft:
    identifier = bound.identifier
    outputs = tuple([output for output in options.locks[identifier.lock] if output < capabilities.outputs])
    limit = _limit(identifier, capabilities, outputs)
    if limit is not None:
        return _Draft(_refused(*limit))
    span = minutes_of(identifier, capabilities, options)
    if isinstance(span, Refusal):
        return _Draft(ItemOutcome(ItemState.REFUSED, span.reason, span.message, refusal=span))
    if span is None:
        return _Draft(ItemOutcome(ItemState.EXACT, message="its validity holds no whole minute"))
    passes, message = _passes(identifier, bound.spent, capabilities)
    outcome, schedules = _EXACT, None
    if span.cuts or message:
        outcome = ItemOutcome(ItemState.NARROWED if span.cuts else ItemState.EXACT, message=message, cuts=span.cuts)
    if identifier.profiles is not None:
        named = references.to(identifier.profiles, bound.closed)
        outcome = named.outcome if outcome is _EXACT else weakest((outcome, named.outcome))
        schedules = named.schedules
        if schedules is None or (not schedules and capabilities.missing_reference != "closed"):
            return _Draft(outcome)
    slot = IdentifierSlot(
        space=identifier.number.space,
        number=identifier.number.value,
        digits=identifier.number.digits,
        schedules=schedules,
        outputs=outputs,
        valid_from=span.first,
        valid_to=span.last,
        passes=passes,
    )
    return _Draft(outcome, slot)


def no_more_than(
    slot: IdentifierSlot, bound: BoundIdentifier, image: PanelImage, capabilities: PanelCapabilities, options: CompileOptions
) -> IdentifierSlot | None:
    """What is left of a slot that `image` has for an identifier where it lets nobody in but whom the identifier does: what was
    added to that since is not in it. None: nothing is left.
    """
    identifier, number = bound.identifier, bound.identifier.number
    outputs = tuple([output for output in slot.outputs if output in options.locks[identifier.lock]])
    span = minutes_of(identifier, capabilities, options)
    another = (slot.space, slot.number, slot.digits) != (number.space, number.value, number.digits)
    if another or _limit(identifier, capabilities, outputs) is not None or not isinstance(span, Validity):
        return None
    schedules, first, last = slot.schedules, slot.valid_from, slot.valid_to
    if identifier.profiles is not None:
        named = {place for key in (*identifier.profiles, set_key(identifier.profiles)) for place in image.allocation.get(key, ())}
        schedules = tuple([place for place in schedules or () if place in named])
    first = max((each for each in (first, span.first) if each is not None), default=None)
    last = min((each for each in (last, span.last) if each is not None), default=None)
    passes, _ = _passes(identifier, bound.spent, capabilities)
    passes = min((each for each in (slot.passes, passes) if each is not None), default=None)
    if schedules == () or (first is not None and last is not None and first > last):
        return None
    return replace(slot, outputs=outputs, schedules=schedules, valid_from=first, valid_to=last, passes=passes)


@dataclass(frozen=True, slots=True)
class _Named:
    """What time profiles named together are on a panel: their weakest outcome, and the schedule slots that say them; None: the
    panel cannot refer to them.
    """

    outcome: ItemOutcome
    schedules: tuple[int, ...] | None


class _References:
    """How identifiers refer to the schedules of an image. Many people name the same time profiles: each such set is looked at
    once.
    """

    def __init__(self, image: PanelImage, capabilities: PanelCapabilities) -> None:
        self._image = image
        self._capabilities = capabilities
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], _Named] = {}

    def to(self, profiles: tuple[str, ...], closed: frozenset[str]) -> _Named:
        live = tuple([profile for profile in profiles if profile not in closed]) if closed else profiles
        if (profiles, live) not in self._known:
            together = names_set(profiles, self._capabilities)
            self._known[profiles, live] = self._set(profiles, live) if together else self._named(live)
        return self._known[profiles, live]

    def _set(self, profiles: tuple[str, ...], live: tuple[str, ...]) -> _Named:
        """Members that the panel refuses for want of a slot of their own are in the set all the same."""
        image, key = self._image, set_key(profiles)
        said = [outcome for each in live if (outcome := _of_profile(each, image)).outcome is ItemState.REFUSED]
        found = image.outcomes.get(key)
        if found is not None and found.outcome is ItemState.REFUSED:
            message = f"the time profiles that are named together have no schedule: {found.message}"
            return _Named(ItemOutcome(ItemState.REFUSED, Reason.PROFILE_NOT_HELD, message, refusal=found.refusal), ())
        if found is not None:
            said = [each for each in said if each.refusal is None or each.refusal.reason is not Reason.NO_FREE_SLOT]
        outcome = replace(weakest((_EXACT, *said, *(() if found is None else (found,)))), renew_at=None)
        return _Named(outcome, image.allocation.get(key, ())[:1])

    def _named(self, live: tuple[str, ...]) -> _Named:
        image, most = self._image, self._capabilities.references
        outcome = replace(weakest((_EXACT, *(_of_profile(profile, image) for profile in live))), renew_at=None)
        schedules = tuple(sorted({image.allocation[profile][0] for profile in live if image.allocation.get(profile)}))
        if len(schedules) > most:
            return _Named(_refused("references", f"{len(schedules)} time profiles are named, the panel takes {most}"), None)
        return _Named(outcome, schedules)


def _limit(identifier: Identifier, capabilities: PanelCapabilities, outputs: tuple[int, ...]) -> tuple[str, str] | None:
    """The capability that does not suffice, and in words. `outputs`: what its lock opens at the panel."""
    number = identifier.number
    if not capabilities.max_identifiers:
        return "max_identifiers", "the panel has no readers"
    if number.space not in capabilities.identifier_types:
        return "identifier_types", f"the panel reads no {identifier.type}"
    if number.space == "card" and (number.value >> capabilities.card_bits or number.value in capabilities.reserved_cards):
        return "identifier_types", f"the panel reads no {identifier.type} with this number"
    if number.digits > capabilities.code_digits:
        return "code_digits", f"a code of {number.digits} digits, the panel takes {capabilities.code_digits}"
    if not outputs:
        return "outputs", f"the panel has no {identifier.lock} door"
    if identifier.passes is not None and not capabilities.max_passes:
        return "max_passes", "the panel cannot count entries"
    return None


def _passes(identifier: Identifier, spent: int, capabilities: PanelCapabilities) -> tuple[int | None, str | None]:
    """Entries allowed, never unlimited where a number was asked for."""
    asked = identifier.passes
    if asked is None:
        return None, None
    left = max(0, asked - spent)
    if left <= capabilities.max_passes:
        return left, None
    return capabilities.max_passes, f"{capabilities.max_passes} entries of {asked}: the panel cannot count further"


def _of_profile(link_id: str, image: PanelImage) -> ItemOutcome:
    """What a profile's outcome on the panel means for an identifier that names it."""
    outcome = image.outcomes.get(link_id)
    if outcome is None:
        return _refused_by_profile(link_id, "is not bound to the panel")
    if outcome.outcome is ItemState.REFUSED:
        said = f": {outcome.message}" if outcome.message else ""
        return _refused_by_profile(link_id, f"is refused by the panel{said}", outcome.refusal)
    return outcome


def _refused_by_profile(link_id: str, why: str, refusal: Refusal | None = None) -> ItemOutcome:
    said = shown_link_id(link_id) or "that was made without a link_id"
    return ItemOutcome(ItemState.REFUSED, Reason.PROFILE_NOT_HELD, f"the time profile {said} {why}", refusal=refusal)


def _refused(limit: str, message: str, reason: Reason = Reason.NOT_REPRESENTABLE) -> ItemOutcome:
    return ItemOutcome(ItemState.REFUSED, reason, message, refusal=Refusal(reason, limit, message))
