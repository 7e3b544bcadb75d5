"""Profiles on slots of their own, side by side: which stay as they are, which get which slots, which find no room. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from drivers.contract import Allocation, ItemState, PanelCapabilities, PanelImage, Slot
from gateway.compiler.assembly import Placed
from gateway.compiler.moment import Moment
from gateway.compiler.numbering import choose, numbered
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.compiler.outcome import HELD, Draft, no_room
from gateway.compiler.own_slots import coming_on, compile_alone, wants_room


class _Drafts(dict[str, Draft]):
    """The drafts of the profiles that are to be placed again, each compiled when it is first read. A profile that a full panel
    cannot hold anyway is never compiled."""

    def __init__(
        self, bounds: Iterable[BoundProfile], capabilities: PanelCapabilities, moment: Moment, options: CompileOptions
    ) -> None:
        super().__init__()
        self.open = {bound.profile.link_id: bound.profile for bound in bounds}
        self._panel = (capabilities, moment, options)

    def __missing__(self, link_id: str) -> Draft:
        draft = self[link_id] = compile_alone(self.open[link_id], *self._panel)
        return draft

    def count_of(self, link_id: str, room: int) -> int:
        """How many slots a profile needs; where there is no room, only whether it needs any."""
        _, moment, options = self._panel
        if not room and link_id not in self and wants_room(coming_on(self.open[link_id], *self._panel), moment, options):
            return 1
        return len(self[link_id].slots)

    def roomless(self, link_id: str) -> Draft:
        capabilities, moment, _ = self._panel
        first = coming_on(self.open[link_id], *self._panel).first_asked(moment.second)
        return no_room(capabilities, len(self[link_id].slots) if link_id in self else 1, *first)


def place(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    moment: Moment,
    options: CompileOptions,
    held: PanelImage,
) -> dict[str, Placed]:
    kept = {bound.profile.link_id: stay for bound in profiles if (stay := unchanged(bound, held, moment, options)) is not None}
    fresh = _Drafts((bound for bound in profiles if bound.profile.link_id not in kept), capabilities, moment, options)
    if not fresh.open:
        return kept
    numbers = _numbers(profiles, fresh, kept, allocation, capabilities, options, held)
    if None in numbers.values() and _free_the_past(profiles, fresh, kept, capabilities, moment, options):
        numbers = _numbers(profiles, fresh, kept, allocation, capabilities, options, held)
    if None in numbers.values() and _wait(profiles, fresh, kept, numbers, moment, options, held):
        numbers = _numbers(profiles, fresh, kept, allocation, capabilities, options, held)
    for bound in profiles:
        link_id = bound.profile.link_id
        if link_id not in kept:
            kept[link_id] = _placed(bound, fresh, numbers[link_id], capabilities)
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
    if held.generations.get(bound.profile.link_id) != bound.generation:
        return False
    outcome = held.outcomes.get(bound.profile.link_id)
    return outcome is not None and outcome.outcome in HELD


def _as_held(bound: BoundProfile, held: PanelImage, options: CompileOptions) -> Placed | None:
    link_id = bound.profile.link_id
    if not acknowledged(bound, held):
        return None
    numbers = held.allocation.get(link_id, ())
    slots: dict[int, Slot] = {}
    for number in numbers:
        slot = held.slots.get(number)
        if slot is None or number in options.taken or slot.link_ids != (link_id,):
            return None
        slots[number] = slot
    return Placed(bound.generation, held.outcomes[link_id], numbers, slots)


def _numbers(
    profiles: Sequence[BoundProfile],
    fresh: _Drafts,
    kept: Mapping[str, Placed],
    allocation: Allocation,
    capabilities: PanelCapabilities,
    options: CompileOptions,
    held: PanelImage,
) -> dict[str, tuple[int, ...] | None]:
    """What the panel acknowledged goes first, then the order of creation: so it is the youngest that finds no room."""
    unplaced = [bound for bound in profiles if bound.profile.link_id in fresh.open]
    wanted = [bound.profile.link_id for bound in sorted(unplaced, key=lambda bound: not acknowledged(bound, held))]
    fixed = {link_id: placed.numbers for link_id, placed in kept.items()}
    return choose(wanted, fresh.count_of, fixed, allocation, capabilities, options.taken, options.kept_for)


def _free_the_past(
    profiles: Sequence[BoundProfile],
    fresh: _Drafts,
    kept: dict[str, Placed],
    capabilities: PanelCapabilities,
    moment: Moment,
    options: CompileOptions,
) -> bool:
    """Free the slots of profiles that are wholly past, because room is short. True when there were any."""
    past = {
        bound.profile.link_id: bound.profile
        for bound in profiles
        if bound.profile.link_id in kept and kept[bound.profile.link_id].numbers
        if not coming_on(bound.profile, capabilities, moment, options).after(moment.second)
    }
    for link_id in past:
        del kept[link_id]
        fresh.open[link_id] = past[link_id]
    return bool(past)


def _wait(
    profiles: Sequence[BoundProfile],
    fresh: _Drafts,
    kept: dict[str, Placed],
    numbers: Mapping[str, tuple[int, ...] | None],
    moment: Moment,
    options: CompileOptions,
    held: PanelImage,
) -> bool:
    """Keep renewals that find no room as they are held, while that is correct; they are due again later. True when there were
    any."""
    waiting = {
        bound.profile.link_id: stay
        for bound in profiles
        if bound.profile.link_id in fresh.open and numbers[bound.profile.link_id] is None
        if (stay := _still_right(bound, held, moment, options)) is not None
    }
    for link_id, stay in waiting.items():
        del fresh.open[link_id]
        kept[link_id] = stay
    return bool(waiting)


def _still_right(bound: BoundProfile, held: PanelImage, moment: Moment, options: CompileOptions) -> Placed | None:
    stay = _as_held(bound, held, options)
    until = None if stay is None else stay.outcome.valid_until
    if stay is None or until is None or until <= moment.now:
        return None
    return replace(stay, outcome=replace(stay.outcome, renew_at=until - int((until - moment.now) // 3)))


def _placed(bound: BoundProfile, fresh: _Drafts, chosen: tuple[int, ...] | None, capabilities: PanelCapabilities) -> Placed:
    if chosen is None:
        return Placed(bound.generation, fresh.roomless(bound.profile.link_id).outcome)
    draft = fresh[bound.profile.link_id]
    slots = dict(numbered(bound.profile.link_id, draft.slots, chosen, capabilities))
    return Placed(bound.generation, draft.outcome, chosen, slots)
