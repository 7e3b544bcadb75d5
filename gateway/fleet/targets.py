"""What one panel shall hold: compiled from what is bound to it, with what is not ours left in place. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

from drivers.contract import PanelCapabilities, PanelImage
from gateway.fleet.context import FleetContext, FleetOptions
from gateway.fleet.panel_state import PanelState, Prepared
from gateway.fleet.slots import Allocation, only, without
from gateway.fleet.store import DesiredProfile
from gateway.schedules.compiler import BoundProfile, CompileOptions

REFUSAL_LIMIT = 5
"""So often one link_id alone may be refused by the panel itself before it is given up until an operator's `retry`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A compiled image, foreign slots included, and the generations it was compiled from; `version` of the panel's bindings."""

    image: PanelImage
    asked: Mapping[str, int]
    version: int
    compiled_for: str


def refusal_key(link_id: str, generation: int) -> str:
    """Where refusals by the panel are counted: a new generation starts anew."""
    return f"{link_id}:{generation}"


def given_up(state: PanelState, profile: DesiredProfile) -> bool:
    failures = state.observed.failures
    return bool(failures) and failures.get(refusal_key(profile.link_id, profile.generation), 0) >= REFUSAL_LIMIT


def fingerprint(state: PanelState, context: FleetContext) -> str:
    """Of all that decides how a profile becomes slots, but for the profile and the time."""
    settings = state.settings
    return _fingerprint(
        state.driver.capabilities,
        context.options,
        settings.allow_stale,
        settings.allow_unattended_outputs,
        tuple(sorted(settings.narrow)),
    )


@lru_cache(maxsize=256)
def _fingerprint(capabilities: PanelCapabilities, options: FleetOptions, *settings: object) -> str:
    readings = options.readings
    said = (capabilities, readings.zone.key, readings.window, readings.looper, readings.timestamp, options.horizon_days, settings)
    return sha256(repr(said).encode()).hexdigest()[:16]


def refresh(state: PanelState, context: FleetContext) -> None:
    """To be called where capabilities, readings or settings may have changed: what was compiled for others counts no more."""
    now = fingerprint(state, context)
    if state.observed.compiled_for != now:
        state.disclaim(now)


def used(allocation: Allocation) -> Allocation:
    """Without the link_ids that have no slot."""
    return {link_id: tuple(numbers) for link_id, numbers in allocation.items() if numbers}


def kept_allocation(state: PanelState, fresh: Allocation, ours: Container[str]) -> Allocation:
    """The panel's allocation with `fresh` in it. What is on its way out keeps its slots until somebody else gets them, so
    that they are known as ours after a crash too."""
    allocation = used(fresh)
    taken = {number for numbers in allocation.values() for number in numbers}
    leaving = {
        link_id: numbers
        for link_id, numbers in state.allocation.items()
        if link_id not in allocation and link_id in ours and state.may_carry(link_id) and not taken.intersection(numbers)
    }
    return {**leaving, **allocation}


def compile_ahead(state: PanelState, context: FleetContext, coming: Mapping[str, DesiredProfile]) -> Prepared:
    """What the panel would hold with `coming` bound to it too: to choose slots for what is not durable yet."""
    bound = {**state.bound, **coming}
    return Prepared(compile_bound(state, context, bound), bound, _held(state))


def keep_prepared(state: PanelState, prepared: Prepared) -> None:
    """What was compiled ahead is what the panel shall hold, if just that has become bound to it."""
    if prepared.bound.keys() != state.bound.keys():
        return
    if all(profile.profile is state.bound[link_id].profile for link_id, profile in prepared.bound.items()):
        generations = {link_id: state.bound[link_id].generation for link_id in prepared.image.generations}
        image = replace(prepared.image, generations=generations)
        state.prepared = Prepared(image, state.bound, prepared.held, state.version)


def _held(state: PanelState) -> tuple[object, ...]:
    return (state.observed.image, state.observed.failures, state.observed.compiled_for)


def compile_target(state: PanelState, context: FleetContext) -> Target:
    """What the panel shall hold now."""
    prepared, state.prepared = state.prepared, None
    if prepared is not None and prepared.version == state.version and prepared.held == _held(state):
        image = prepared.image
    else:
        image = compile_bound(state, context, state.bound)
    asked = {link_id: profile.generation for link_id, profile in state.bound.items()}
    return Target(image, asked, state.version, state.observed.compiled_for)


def compile_bound(state: PanelState, context: FleetContext, bound: Mapping[str, DesiredProfile]) -> PanelImage:
    """What the panel would hold with these profiles; a panel of unknown content is taken to be empty."""
    held = state.observed.image or PanelImage()
    foreign = state.foreign(bound)
    wanted = sorted((profile for profile in bound.values() if not given_up(state, profile)), key=_creation)
    settings, options = state.settings, context.options
    image = context.compile(
        [BoundProfile(each.profile, each.generation) for each in wanted if each.profile is not None],
        state.driver.capabilities,
        {link_id: numbers for link_id, numbers in state.allocation.items() if link_id in bound},
        context.now(),
        CompileOptions(
            readings=options.readings,
            horizon_days=options.horizon_days,
            allow_stale=settings.allow_stale,
            narrow=frozenset(settings.narrow),
            allow_unattended_outputs=settings.allow_unattended_outputs,
            taken=foreign,
        ),
        without(held, foreign),
    )
    return replace(image, slots={**only(held, foreign), **image.slots})


def _creation(profile: DesiredProfile) -> int:
    return profile.sequence
