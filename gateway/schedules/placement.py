"""Profiles on slots of their own, side by side: who stays as it is, who gets which slots, who finds no room. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from drivers.contract import ItemState, PanelCapabilities, PanelImage
from gateway.schedules.assembly import Placed
from gateway.schedules.draft import HELD, Draft, no_room, nothing_to_hold
from gateway.schedules.moment import Moment
from gateway.schedules.numbering import Allocation, choose, numbered
from gateway.schedules.options import BoundProfile, CompileOptions
from gateway.schedules.separate import compile_alone
from gateway.schedules.shapes import grain_of, shape_of


def place(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    moment: Moment,
    options: CompileOptions,
    held: PanelImage,
) -> dict[str, Placed]:
    kept = {bound.profile.link_id: stay for bound in profiles if (stay := unchanged(bound, held, moment, options)) is not None}
    fresh = {
        bound.profile.link_id: compile_alone(bound.profile, capabilities, moment, options)
        for bound in profiles
        if bound.profile.link_id not in kept
    }
    if not fresh:
        return kept
    numbers = _numbers(profiles, fresh, kept, allocation, capabilities, options, held)
    if None in numbers.values() and _free_the_past(profiles, fresh, kept, capabilities, moment, options):
        numbers = _numbers(profiles, fresh, kept, allocation, capabilities, options, held)
    if None in numbers.values() and _wait(profiles, fresh, kept, numbers, moment, options, held):
        numbers = _numbers(profiles, fresh, kept, allocation, capabilities, options, held)
    for bound in profiles:
        link_id = bound.profile.link_id
        if link_id not in kept:
            kept[link_id] = _placed(bound, fresh[link_id], numbers[link_id], capabilities, moment, options)
    return kept


def unchanged(bound: BoundProfile, held: PanelImage, moment: Moment, options: CompileOptions) -> Placed | None:
    """The profile as the panel holds it, where it holds this generation and no renewal is due."""
    outcome = held.outcomes.get(bound.profile.link_id)
    if outcome is None or (outcome.renew_at is not None and moment.now >= outcome.renew_at):
        return None
    if outcome.outcome is ItemState.GATEWAY_HELD:
        return None
    return _as_held(bound, held, options)


def acknowledged(bound: BoundProfile, held: PanelImage) -> bool:
    """Whether the panel holds this generation."""
    outcome = held.outcomes.get(bound.profile.link_id)
    return held.generations.get(bound.profile.link_id) == bound.generation and outcome is not None and outcome.outcome in HELD


def _as_held(bound: BoundProfile, held: PanelImage, options: CompileOptions) -> Placed | None:
    link_id = bound.profile.link_id
    if not acknowledged(bound, held):
        return None
    numbers = held.allocation.get(link_id, ())
    slots = {number: held.slots[number] for number in numbers if number in held.slots and number not in options.taken}
    if len(slots) < len(numbers) or any(slot.link_ids != (link_id,) for slot in slots.values()):
        return None
    return Placed(bound.generation, Draft(held.outcomes[link_id], tuple(slots.values())), numbers, slots)


def _numbers(
    profiles: Sequence[BoundProfile],
    fresh: Mapping[str, Draft],
    kept: Mapping[str, Placed],
    allocation: Allocation,
    capabilities: PanelCapabilities,
    options: CompileOptions,
    held: PanelImage,
) -> dict[str, tuple[int, ...] | None]:
    """What the panel acknowledged goes first, then the order of creation: the youngest finds no room."""
    order = sorted(profiles, key=lambda bound: not acknowledged(bound, held))
    wanted = [
        (bound.profile.link_id, len(fresh[bound.profile.link_id].slots)) for bound in order if bound.profile.link_id in fresh
    ]
    fixed = {link_id: placed.numbers for link_id, placed in kept.items()}
    return choose(wanted, fixed, allocation, capabilities, options.taken)


def _free_the_past(
    profiles: Sequence[BoundProfile],
    fresh: dict[str, Draft],
    kept: dict[str, Placed],
    capabilities: PanelCapabilities,
    moment: Moment,
    options: CompileOptions,
) -> bool:
    """Room is short: what is wholly past gives its slots back. True when there was any."""
    past = [
        bound.profile.link_id
        for bound in profiles
        if bound.profile.link_id in kept and kept[bound.profile.link_id].numbers
        if shape_of(bound.profile, options.readings, grain_of(capabilities)).next_window(moment.second) is None
    ]
    for link_id in past:
        del kept[link_id]
        fresh[link_id] = nothing_to_hold(past=True)
    return bool(past)


def _wait(
    profiles: Sequence[BoundProfile],
    fresh: dict[str, Draft],
    kept: dict[str, Placed],
    numbers: Mapping[str, tuple[int, ...] | None],
    moment: Moment,
    options: CompileOptions,
    held: PanelImage,
) -> bool:
    """A renewal that finds no room stays as it is held, while that is right, and is due again later. True when there was any."""
    waiting = {
        bound.profile.link_id: stay
        for bound in profiles
        if bound.profile.link_id in fresh and numbers[bound.profile.link_id] is None
        if (stay := _still_right(bound, held, moment, options)) is not None
    }
    for link_id, stay in waiting.items():
        del fresh[link_id]
        kept[link_id] = stay
    return bool(waiting)


def _still_right(bound: BoundProfile, held: PanelImage, moment: Moment, options: CompileOptions) -> Placed | None:
    stay = _as_held(bound, held, options)
    until = None if stay is None else stay.draft.outcome.valid_until
    if stay is None or until is None or until <= moment.now:
        return None
    later = replace(stay.draft.outcome, renew_at=until - int((until - moment.now) // 3))
    return replace(stay, draft=replace(stay.draft, outcome=later))


def _placed(
    bound: BoundProfile,
    draft: Draft,
    chosen: tuple[int, ...] | None,
    capabilities: PanelCapabilities,
    moment: Moment,
    options: CompileOptions,
) -> Placed:
    if chosen is None:
        first = shape_of(bound.profile, options.readings, grain_of(capabilities)).first_asked(moment.second)
        return Placed(bound.generation, no_room(capabilities, len(draft.slots), *first))
    slots = dict(numbered(bound.profile.link_id, draft.slots, chosen, capabilities))
    return Placed(bound.generation, draft, chosen, slots)
