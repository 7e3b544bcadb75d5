"""What became of every item at every panel and door, as a table. Nothing is written or stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.locks import locks_of
from config.settings import DoorSettings
from drivers.contract import ItemState, Reason
from gateway.fleet.assignment import Assignment
from gateway.fleet.desired import OPENING, Desired
from gateway.fleet.panel.panel import Panel
from gateway.fleet.results import PanelResult
from gateway.fleet.target import Target
from gateway.store.contract import DesiredItem


@dataclass(frozen=True, slots=True)
class Column:
    """A panel, or (`output` not None) one of its outputs; `door`: the one that the output is. `away`: the panel cannot be spoken
    to, and what it held when it was seen last it is taken to hold."""

    target: Target
    away: bool
    door: DoorSettings | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """What became of an item in a column. `asked`: it is to be there; False: it was there, and may still be."""

    asked: bool
    success: bool
    outcome: ItemState
    reason: Reason | None
    message: str | None
    valid_until: int | None
    still_grants_text: str | None


Row = Mapping[int, Cell]
"""The cells of an item, by the number of their column; it has nothing to do with the others."""


class Matrix:
    """`columns`: each panel, followed by its doors and by outputs that time profiles are bound to; then the panels that have left
    the site and may still hold something."""

    def __init__(
        self, desired: Desired, assignment: Assignment, panels: Mapping[str, Panel], doors: Sequence[DoorSettings]
    ) -> None:
        self._desired = desired
        self._assignment = assignment
        of_panel: defaultdict[str, list[DoorSettings]] = defaultdict(list)
        for door in doors:
            of_panel[door.panel].append(door)
        self._locks = {panel: locks_of(own, panel) for panel, own in of_panel.items()}
        left = (Target(each.id, output) for each in assignment.departed() for output in (None, *each.outputs))
        here = [column for panel in panels.values() for column in _columns(panel, of_panel.get(panel.id, ()))]
        self.columns = (*here, *(Column(target, away=True) for target in left))
        self._places = {column.target: number for number, column in enumerate(self.columns)}
        self._by_panel: dict[str, list[tuple[int, int]]] = {}
        for number, column in enumerate(self.columns):
            if column.door is not None:
                self._by_panel.setdefault(column.target.panel, []).append((number, column.door.output))

    def items(self) -> Iterator[DesiredItem]:
        """People and time profiles, in the order of creation; those that were deleted last."""
        for kind in reversed(OPENING):
            yield from self._desired.items(kind)
        yield from [item for item in self._desired.gone.values() if item.kind in OPENING]

    def row(self, item: DesiredItem) -> Row:
        """The cells of an item; none for a deleted one that nobody holds any more."""
        cells: dict[int, Cell] = {}
        for target in self._desired.targets(item.key):
            self._fill(cells, item, target, asked=True)
        for target in self._assignment.holders(item.key):
            self._fill(cells, item, target, asked=False)
        return cells

    def _fill(self, cells: dict[int, Cell], item: DesiredItem, target: Target, *, asked: bool) -> None:
        number, place = self._places.get(target), self._assignment.place(target)
        if number is None or place is None:  # it may have been taken out meanwhile
            return
        cell = _cell(place.last_seen(item.key), asked=asked)
        cells[number] = cell
        if item.identifier is not None and target.output is None:
            lock = item.identifier.lock
            doors = self._by_panel.get(target.panel, ())
            cells.update({door: cell for door, output in doors if output in self._locks[target.panel][lock]})


def _columns(panel: Panel, doors: Sequence[DoorSettings]) -> Iterator[Column]:
    """`doors`: the panel's."""
    away, by_output = panel.state.unreachable() is not None, {door.output: door for door in doors}
    yield Column(Target(panel.id), away)
    for output in sorted(by_output.keys() | panel.state.outputs.keys()):
        yield Column(Target(panel.id, output), away, by_output.get(output))


def _cell(result: PanelResult, *, asked: bool) -> Cell:
    return Cell(
        asked,
        result.success,
        result.outcome,
        result.reason,
        result.message,
        result.valid_until,
        result.still_grants_text,
    )
