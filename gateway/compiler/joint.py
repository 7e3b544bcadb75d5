"""Profiles together on the tables of one panel: what they ask for as one image, and whether it fits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from drivers.contract import Allocation, PanelCapabilities, PanelImage
from gateway.compiler.candidates import Candidate
from gateway.compiler.moment import Moment, missing_hours
from gateway.compiler.numbering import all_numbers
from gateway.compiler.options import CompileOptions
from gateway.compiler.placement import acknowledged
from gateway.compiler.special_days import (
    NO_ROWS,
    NOTHING,
    Demand,
    Groups,
    Misfit,
    Rows,
    arranged,
    beside,
    group_days,
    misfit,
    needed,
    tables_of,
    united,
)
from gateway.compiler.table import Interval, Table


@dataclass(frozen=True, slots=True)
class Joint:
    """Candidates on the panel's tables: one table each, or one for all. `whole`, `rows`: their demands so far, to join more."""

    members: tuple[Candidate, ...]
    tables: tuple[Table, ...]
    groups: Groups
    misfit: Misfit | None
    whole: Demand = NOTHING
    rows: Rows = NO_ROWS


NOBODY = Joint((), (), Groups((), (), 0), None)


@dataclass(frozen=True, slots=True)
class Panel:
    """The values that all steps need."""

    capabilities: PanelCapabilities
    allocation: Allocation
    moment: Moment
    options: CompileOptions
    held: PanelImage
    horizon: int
    due: bool

    @property
    def one_table(self) -> bool:
        return self.capabilities.scope == "panel"

    @property
    def own_days(self) -> bool:
        """Whether the dates are the slot's, not the panel's."""
        return self.capabilities.special_days_scope == "schedule"

    @property
    def held_days(self) -> tuple[tuple[int, ...], ...]:
        if not self.own_days:
            return self.held.special_days
        slot = self.held.slots.get(self.capabilities.first_id)
        return () if slot is None else slot.special_days

    @property
    def gaps(self) -> tuple[Interval, ...]:
        """The missing hours that matter: the panel may not act on an event in one of them."""
        if self.capabilities.semantics == "period" or self.capabilities.events_on_clock_step == "evaluates":
            return ()
        return missing_hours(self.moment.zone, self.moment.day)

    @property
    def room(self) -> int:
        """How many tables the gateway may use."""
        usable = set(all_numbers(self.capabilities)) - self.options.taken
        return int(self.capabilities.first_id in usable) if self.one_table else len(usable)

    def opens(self, member: Candidate) -> bool:
        """Whether the panel holds anything that is open for it."""
        slots = (self.held.slots.get(number) for number in self.held.allocation.get(member.link_id, ()))
        return any(slot is not None and slot.periods for slot in slots)

    def promised(self, member: Candidate) -> bool:
        return acknowledged(member.bound, self.held)


def join(members: Sequence[Candidate], panel: Panel, known: Joint = NOBODY) -> Joint:
    """The members together on the panel's tables; `known`: the joint of some of them, to be extended."""
    there = {member.link_id for member in known.members}
    demands = [member.demand for member in members if member.demand is not None]
    new = [member.demand for member in members if member.demand is not None and member.link_id not in there]
    whole, rows = known.whole, known.rows
    if panel.one_table and demands:
        whole, rows = united((known.whole, *new)), NO_ROWS
        demands = new = [needed(whole)]
    for demand in new:
        rows = beside(rows, demand, panel.capabilities)
    grouped = group_days(demands, rows, panel.capabilities, panel.horizon)
    groups = arranged(grouped, panel.held_days, panel.capabilities, panel.moment.day)
    tables = tables_of(demands, groups)
    found = misfit(tables, groups, panel.capabilities, panel.moment.day, panel.gaps)
    return Joint(tuple(members), tables, groups, found, whole, rows)


def without_each(joint: Joint, panel: Panel) -> Iterator[tuple[int, Joint]]:
    """Each member's place on one table, youngest first, with the others together."""
    demands = [member.demand for member in joint.members if member.demand is not None]
    older = list(accumulate(demands, _both, initial=NOTHING))
    younger = NOTHING
    for number in reversed(range(len(demands))):
        others = (*joint.members[:number], *joint.members[number + 1 :])
        yield number, join(others, panel, replace(NOBODY, members=others, whole=_both(older[number], younger)))
        younger = _both(demands[number], younger)


def _both(one: Demand, other: Demand) -> Demand:
    return united((one, other))
