"""What one panel must hold: compiled from what is bound to it, with what is not ours left in place.

The compiler is pure. Much work for it is done by a thread on values taken beforehand; the caller asks `is_current`
about the image it gets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from operator import attrgetter

from config.locks import locks_of
from drivers.contract import IDENTIFIER, Allocation, PanelCapabilities, PanelImage, is_identifier, is_set
from gateway.compiler.compiler import BoundProfile, CompileOptions, is_shared
from gateway.compiler.identifiers import BoundIdentifier, with_identifiers
from gateway.compiler.options import WITHOUT_DOORS
from gateway.compiler.sets import sets_named
from gateway.fleet.context import Compile, FleetContext, FleetOptions
from gateway.fleet.panel.entries import Spent
from gateway.fleet.panel.slots import Place, beside, foreign_identifiers, kept_for, named_by, places, without
from gateway.fleet.panel.state import PanelState
from gateway.identifiers.identifier import Identifier
from gateway.schedules.zones import rules_digest
from gateway.store.contract import DesiredItem

AT_ONCE = 12
"""Profiles that are compiled for one panel in one turn: some 30 ms at the very most."""

_STEP_BACK_S = 60.0
"""A wall clock that is set back by less makes nothing that was compiled wrong: panels hold whole minutes."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A compiled image, foreign slots included, and the generations it was compiled from; `version` of the panel's bindings."""

    image: PanelImage
    asked: Mapping[str, int]
    version: int
    compiled_for: str
    compiled_at: float
    held: tuple[object, ...]
    """What of the panel's it was compiled from too."""
    spent: Spent
    """Entries that it takes into account."""
    may_open: bool = True
    """What the context said of opening when it was made; False: it is what the panel holds without what it must not hold."""


def fingerprint(state: PanelState, context: FleetContext) -> str:
    """A digest of all that decides how a profile becomes slots, but for the profile and the time."""
    settings = state.settings
    return _fingerprint(
        state.driver.capabilities,
        context.options,
        settings.allow_stale,
        tuple(sorted(settings.narrow)),
        *([tuple(locks_of(context.doors, state.id).items())] if context.doors else ()),
    )


@lru_cache(maxsize=256)
def _fingerprint(capabilities: PanelCapabilities, options: FleetOptions, *settings: object) -> str:
    readings = options.readings
    zone = (readings.zone.key, rules_digest(readings.zone))
    said = (capabilities, zone, readings.window, readings.looper, readings.timestamp, options.horizon_days, settings)
    return sha256(repr(said).encode()).hexdigest()[:16]


def refresh(state: PanelState, context: FleetContext) -> None:
    """To be called where capabilities, readings, settings or the time may have changed: what was compiled for others, or when it
    was later than now, no longer counts."""
    now = fingerprint(state, context)
    if context.trusted():
        state.none_later_than(context.clock.wall())
    ahead = context.trusted() and context.clock.wall() < state.observed.compiled_at - _STEP_BACK_S
    if ahead or state.observed.compiled_for != now:
        state.disclaim(now)


def used(allocation: Allocation) -> Allocation:
    """The allocation without the link_ids that have no slot."""
    return {link_id: tuple(numbers) for link_id, numbers in allocation.items() if numbers}


def kept_allocation(state: PanelState, fresh: Allocation, ours: Container[str]) -> Allocation:
    """The panel's allocation with `fresh` in it. What is on its way out keeps its slots until somebody else gets them, so
    that they are known as ours after a crash too."""
    allocation = used(fresh)
    taken = places(allocation)
    leaving = {
        key: numbers
        for key, numbers in state.allocation.items()
        if key not in allocation and key in ours and state.may_carry(key) and not taken & places({key: numbers})
    }
    return {**leaving, **{key: (*numbers, *_left_behind(state, key, taken)) for key, numbers in allocation.items()}}


def _left_behind(state: PanelState, key: str, taken: Collection[Place]) -> list[int]:
    """The slots in which the panel may still hold a number that an identifier had before, and which nobody else gets."""
    found = {number for image in state.images() for number in image.allocation.get(key, ())} if is_identifier(key) else set()
    return sorted(number for number in found if (True, number) not in taken)


@dataclass(frozen=True, slots=True)
class Compilation:
    """All that one image is compiled from, as it was when this was made. `run` is pure: another thread may do it.

    `size`: how many profiles have to be compiled; those that stay as they are held do not count.
    """

    run: Callable[[], PanelImage]
    size: int
    bound: Mapping[str, DesiredItem]
    held: tuple[object, ...]
    spent: Spent
    version: int
    compiled_for: str
    compiled_at: float


@contextlib.asynccontextmanager
async def alone(
    state: PanelState, context: FleetContext, coming: Mapping[str, DesiredItem], *, urgent: bool
) -> AsyncIterator[None]:
    """Wait for this panel's turn to be compiled: small work has a turn of the loop to itself, large work is done beside the
    loop, one panel after the other."""
    await context.turn.for_a_turn(urgent=urgent)
    large = _size({**state.bound, **coming}, state, context.now()) > AT_ONCE
    async with context.beside.held(urgent=urgent) if large else contextlib.nullcontext():
        yield


async def compile_goal(state: PanelState, context: FleetContext) -> Goal:
    """What the panel must hold; its caller is `alone`. What it depends on may change meanwhile: `is_current` tells."""
    work = compilation(state, context, {})
    image = await _run(work, context)
    asked = {link_id: profile.generation for link_id, profile in work.bound.items()}
    return Goal(image, asked, work.version, work.compiled_for, work.compiled_at, work.held, work.spent)


def may_open(state: PanelState, context: FleetContext) -> bool:
    """Whether anything may be opened on a panel now: the time is known, there too, and what is asked."""
    return context.may_open() and not state.clock_missing


def is_current(state: PanelState, goal: Goal) -> bool:
    """Whether `goal` was compiled from what is bound and held now."""
    return goal.version == state.version and goal.held == state.basis


async def compile_asked(state: PanelState, context: FleetContext, item: DesiredItem) -> PanelImage:
    """What the panel must hold, with `item` as it is asked for: what it holds, where nothing was asked, seen or due since."""
    held = state.image
    if held is not None and _is_in_step(state, held, context):
        return held
    return await compile_bound(state, context, {item.key: item})


def _is_in_step(state: PanelState, held: PanelImage, context: FleetContext) -> bool:
    """Whether a compilation of what is bound would give what the panel holds."""
    now = context.now()
    return (
        state.brought == (state.version, state.basis)
        and state.observed.compiled_for == fingerprint(state, context)
        and not any(each.renew_at is not None and each.renew_at <= now for each in held.outcomes.values())
    )


async def compile_bound(
    state: PanelState, context: FleetContext, coming: Mapping[str, DesiredItem], live: Collection[str] = ()
) -> PanelImage:
    """What the panel would hold with `coming` bound to it too, and without what it has tombstones of; a panel of unknown content
    is taken to be empty. `live`: time profiles that are asked for then, bound here or not."""
    async with alone(state, context, coming, urgent=False):
        return await _run(compilation(state, context, coming, live), context)


async def _run(work: Compilation, context: FleetContext) -> PanelImage:
    if work.size <= AT_ONCE:
        return work.run()
    return await asyncio.get_running_loop().run_in_executor(context.compiling, work.run)


def compilation(
    state: PanelState, context: FleetContext, coming: Mapping[str, DesiredItem], live: Collection[str] = ()
) -> Compilation:
    """The compilation of what is bound to the panel, and of `coming`; see `compile_bound`."""
    bound = {key: item for key, item in {**state.bound, **coming}.items() if item.content is not None}
    gone = coming.keys() - bound.keys()

    def is_live(link_id: str) -> bool:
        return link_id not in gone and (link_id in live or context.ours.is_live(link_id))

    foreign = state.foreign(bound)
    found = state.image or PanelImage()
    held = without(found, foreign)
    options = options_of(state, context, foreign, found)
    wanted = [item for item in bound.values() if not state.given_up(item)] if state.observed.failures else list(bound.values())
    allocation = {key: numbers for key, numbers in state.allocation.items() if key in bound or is_set(key)}
    is_filled = not allocation and found == PanelImage()
    now = context.now() // 1 if is_filled else context.now()
    what = _filling(state, options, wanted, now) if is_filled else None
    run = partial(
        _compile,
        context.compile if what is None else _shared(context, what),
        wanted,
        identified_of(state, is_live, bound),
        state.driver.capabilities,
        allocation,
        now,
        options,
        held,
        lambda image: beside(image, found, foreign),
    )
    size = 0 if what in context.filled else _size(bound, state, now)
    return Compilation(run, size, bound, state.basis, state.spent, state.version, state.observed.compiled_for, now)


def _filling(state: PanelState, options: CompileOptions, wanted: Sequence[DesiredItem], now: float) -> Hashable:
    """All that the schedules of a panel that holds nothing are compiled from."""
    settings = (options.readings, options.horizon_days, options.allow_stale, options.narrow)
    return state.driver.capabilities, settings, tuple(wanted), now


def _shared(context: FleetContext, what: Hashable) -> Callable[..., PanelImage]:
    """The compiler for a panel that is filled as others are."""
    return lambda *inputs: context.filled.image(what, lambda: context.compile(*inputs))


def options_of(state: PanelState, context: FleetContext, foreign: frozenset[int], found: PanelImage) -> CompileOptions:
    settings, options = state.settings, context.options
    strangers = named_by(found, foreign_identifiers(found))
    return CompileOptions(
        readings=options.readings,
        horizon_days=options.horizon_days,
        allow_stale=settings.allow_stale,
        narrow=frozenset(settings.narrow),
        taken=foreign | strangers,
        kept_for={**kept_for(found, state.allocation), **dict.fromkeys(strangers)},
        locks=locks_of(context.doors, state.id) if context.doors else WITHOUT_DOORS,
    )


def _compile(
    compile_panel: Compile,
    wanted: Sequence[DesiredItem],
    identified: Mapping[str, BoundIdentifier],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    now: float,
    options: CompileOptions,
    held: PanelImage,
    with_others: Callable[[PanelImage], PanelImage],
) -> PanelImage:
    by_age = in_order(wanted)
    identifiers = [identified[each.key] for each in by_age if each.key in identified]
    named = (each.identifier.profiles for each in identifiers)
    schedules = schedules_of(compile_panel, by_age, named, capabilities, allocation, now, options, held)
    return with_others(with_identifiers(schedules, identifiers, capabilities, allocation, options, held))


def in_order(items: Iterable[DesiredItem]) -> list[DesiredItem]:
    """The order of creation."""
    return sorted(items, key=attrgetter("sequence"))


def schedules_of(
    compile_panel: Compile,
    by_age: Sequence[DesiredItem],
    named: Iterable[tuple[str, ...] | None],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    now: float,
    options: CompileOptions,
    held: PanelImage,
) -> PanelImage:
    """The time profiles among items in the order of their creation, and the sets of them that are `named`."""
    profiles = [BoundProfile(profile, each.generation) for each in by_age if (profile := each.profile) is not None]
    profiles += sets_named(named, profiles, capabilities)
    return compile_panel(profiles, capabilities, allocation, now, options, held)


def identified_of(
    state: PanelState, is_live: Callable[[str], bool], bound: Mapping[str, DesiredItem]
) -> dict[str, BoundIdentifier]:
    """`is_live`: whether the time profile of a link_id is asked for, here or anywhere."""
    return {
        key: _bound_identifier(item, identifier, state, is_live, bound)
        for key, item in bound.items()
        if item.kind == IDENTIFIER and (identifier := item.identifier) is not None
    }


def _bound_identifier(
    item: DesiredItem, identifier: Identifier, state: PanelState, is_live: Callable[[str], bool], bound: Container[str]
) -> BoundIdentifier:
    closed = [each for each in identifier.profiles or () if each not in bound and not is_live(each)]
    return BoundIdentifier(identifier, item.generation, frozenset(closed), state.spent_by(item.key, identifier))


def _size(bound: Mapping[str, DesiredItem], state: PanelState, now: float) -> int:
    held = state.image or PanelImage()
    generations, outcomes = held.generations, held.outcomes
    changed = [
        item
        for item in bound.values()
        if generations.get(item.key) != item.generation
        or (outcome := outcomes.get(item.key)) is None
        or (outcome.renew_at is not None and now >= outcome.renew_at)
    ]
    fresh = _profiles_among(changed)
    return _profiles_among(bound.values()) if fresh and is_shared(state.driver.capabilities) else fresh


def _profiles_among(items: Iterable[DesiredItem]) -> int:
    return sum(item.profile is not None for item in items)
