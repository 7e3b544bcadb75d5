"""What a panel must hold while nothing may be opened on it: what it holds, without what is taken away.

Taking away needs no clock, no store that is trusted, and no slot: it waits for none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial

from drivers.contract import PanelImage, is_set, named_in
from gateway.compiler.identifiers import no_more_than
from gateway.compiler.table import MINUTES
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.clocks import local_minute
from gateway.fleet.panel.compilation import AT_ONCE, Goal, identified_of, in_order, may_open, options_of, schedules_of
from gateway.fleet.panel.slots import beside, without
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.taking_away import curtailed, narrowed, taken_away
from gateway.store.contract import DesiredItem


def taking_away(state: PanelState, context: FleetContext, leaving: Collection[str]) -> Goal:
    """What the panel must hold while the time is not known, or what is asked: what it holds, without the items `leaving`."""
    return _closing(state, context, leaving, {})()


async def closing_goal(state: PanelState, context: FleetContext) -> Goal:
    """What the panel must hold while nothing may be opened on it: what it holds, without what nobody asks for. A time profile
    keeps no hour, an identifier no door, time profile or number that was taken from it. Of a store in doubt counts what was
    asked for since."""
    leaving, asked = unbound(state), state.bound
    if context.doubt:
        leaving, asked = state.leaving, {key: item for key, item in asked.items() if item.generation > context.doubted}
    close = _closing(state, context, leaving, asked)
    if len(_changed(state.held(), asked)) <= AT_ONCE:
        return close()
    return await asyncio.get_running_loop().run_in_executor(context.compiling, close)


def _closing(
    state: PanelState, context: FleetContext, leaving: Collection[str], asked: Mapping[str, DesiredItem]
) -> Callable[[], Goal]:
    """What the panel holds now, without the items `leaving` and what those that are `asked` for otherwise have lost.

    What is returned is pure: another thread may run it.
    """
    held, foreign, at = state.held(), state.foreign(), state.observed.compiled_at or context.now()
    known, capabilities = without(held, foreign), state.driver.capabilities
    options, bound = options_of(state, context, foreign, held), dict(state.bound)
    changed, identified, leaving = _changed(known, asked), identified_of(state, context.ours.is_live, asked), tuple(leaving)
    sure = frozenset(changed if context.doubt else known.generations.keys() & changed.keys())
    today = local_minute(context.options.readings.zone, at) // MINUTES
    as_left = partial(
        Goal,
        asked={},
        version=state.version,
        compiled_for=state.observed.compiled_for,
        compiled_at=at,
        held=state.basis,
        spent=state.spent,
        may_open=may_open(state, context),
    )

    def compiled(keys: frozenset[str]) -> PanelImage:
        there = [bound[key] for key in keys if key in bound]
        wanted = in_order(item for item in there if item.key in changed or known.generations.get(item.key) == item.generation)
        sets = [named_in(key) for key in keys if is_set(key)]
        return schedules_of(context.compile, wanted, sets, capabilities, known.allocation, at, options, known)

    def close() -> Goal:
        image = narrowed(taken_away(known, leaving, compiled, capabilities), changed, sure, compiled, capabilities, today)
        left = beside(image, held, foreign)
        return as_left(curtailed(left, identified, lambda slot, bound: no_more_than(slot, bound, left, capabilities, options)))

    return close


def _changed(known: PanelImage, asked: Mapping[str, DesiredItem]) -> dict[str, int]:
    """The time profiles whose slots are not known to say what is asked for, with the generations that are."""
    held = (asked[key] for key, numbers in known.allocation.items() if numbers and key in asked)
    profiles = (item for item in held if item.profile is not None)
    return {item.key: item.generation for item in profiles if known.generations.get(item.key) != item.generation}


def unbound(state: PanelState) -> Collection[str]:
    """What the panel holds and nobody asks for."""
    return [key for key in without(state.held(), state.foreign()).allocation if key not in state.bound and not is_set(key)]
