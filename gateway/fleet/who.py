"""Who may go through which door at an instant: as asked, and as the panel holds it. Nothing is written or stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from config.locks import locks_of
from config.settings import DoorSettings
from drivers.contract import ItemState, is_identifier
from gateway.compiler.explain_identifier import first_no, lets_in
from gateway.concurrency import in_turns
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired, work_out
from gateway.fleet.panel.panel import Panel
from gateway.schedules.local_time import local_second
from gateway.store.contract import DesiredItem


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody at a door. `asked`: they may go through as asked. `held`: the panel lets them in, by what it holds; None: that
    is not known. `through`: the link_ids of their time profiles that are open then. `outcome`: of the identifier at the panel.
    """

    door: DoorSettings
    item: DesiredItem
    asked: bool
    held: bool | None
    through: tuple[str, ...]
    outcome: ItemState


async def passages(
    doors: Iterable[DoorSettings],
    key: str | None,
    at: int,
    desired: Desired,
    panels: Mapping[str, Panel],
    context: FleetContext,
) -> list[Passage]:
    """All that may go through these doors at `at` (Unix seconds), asked or held; or (not None) the identifier `key` only.

    Who was deleted and may still be let in is among them. Entries that were had are left out of account.
    """
    is_open = desired.open_at(context.options.readings, at)
    found: list[Passage] = []
    for door in doors:
        panel = panels.get(door.panel)
        if panel is None:
            continue
        state = panel.state
        keys = dict.fromkeys([*state.bound, *state.leaving] if key is None else [key])
        async for each in in_turns(filter(is_identifier, keys)):
            item = desired.item(each)
            if item is not None and (each in state.bound or each in state.leaving):
                await work_out(is_open, item.identifier)
                found += _passage(door, item, panel, at, is_open, context)
    return found


def _passage(
    door: DoorSettings, item: DesiredItem, panel: Panel, at: int, is_open: Callable[[str], bool], context: FleetContext
) -> Iterator[Passage]:
    """One; none where they may not go through, asked or held, as far as known."""
    state, identifier = panel.state, item.identifier
    asked = (
        identifier is not None
        and item.key in state.bound
        and door.output in locks_of(context.doors, door.panel)[identifier.lock]
        and first_no(identifier, is_open, at) is None
    )
    local = local_second(context.options.readings.zone, at) // 60
    answers = {lets_in(image, state.driver.capabilities, item.key, at // 60, local, door.output) for image in state.images()}
    if asked or True in answers or (not answers and item.key in state.leaving):
        held = answers.pop() if len(answers) == 1 else None
        named = () if identifier is None else identifier.profiles or ()
        yield Passage(door, item, asked, held, tuple(filter(is_open, named)), panel.place(None).result(item.key).outcome)
