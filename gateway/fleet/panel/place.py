"""What a panel's table and each of its outputs are asked alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from drivers.contract import ItemOutcome, ItemState
from gateway.compiler.calendar import Days
from gateway.compiler.outcome import HELD
from gateway.concurrency import Ticket
from gateway.fleet.results import PanelResult
from gateway.fleet.target import Target
from gateway.fleet.views import ExplainPanel, PlanItemPanel, PlanPanel
from gateway.store.contract import DesiredItem


@dataclass(frozen=True, slots=True)
class PlacePlan:
    """What items would become, by key, and what it takes to write them (None: nothing is written)."""

    cells: Mapping[str, PlanItemPanel]
    cost: PlanPanel | None = None


@dataclass(frozen=True, slots=True)
class PlaceDays:
    """When a place is open for an item. `compiled` None: it has no place for it. `held` None: it is not known."""

    compiled: Days | None
    held: Days | None


Enough = Callable[[], bool]


def all_of_it() -> bool:
    """Who waits, waits until all is done that can be."""
    return False


class Place(Protocol):
    """A panel's table, or one of its outputs. Items are named by their keys."""

    def bind(self, item: DesiredItem) -> None:
        """Hold an item from now on, as `item` says."""
        ...

    def unbind(self, key: str, now: float) -> None:
        """Stop holding an item; `now` in Unix seconds."""
        ...

    def result(self, key: str) -> PanelResult:
        """What is known of an item now, bound here or on its way out."""
        ...

    def last_seen(self, key: str) -> PanelResult:
        """The same; where the place is away and held the item when it was seen last, that."""
        ...

    def removal(self, key: str, last: int) -> PanelResult:
        """What is known of a deletion; generations that are newer than `last` are left out of account."""
        ...

    def is_settled(self, key: str) -> bool:
        """Whether an item is held or refused, so that nobody has to wait for it."""
        ...

    def is_midway(self, key: str) -> bool:
        """Whether an item that is held is being written around for another one: it is held again when that is done."""
        ...

    def settle(self, ticket: Ticket, enough: Enough) -> None:
        """Tell `ticket` once: when an attempt that knows of all that is bound by now has ended, when none is possible, or before
        that when `enough` is done.
        """
        ...

    async def plan(self, coming: Mapping[str, DesiredItem], live: Collection[str] = ()) -> PlacePlan:
        """What these items would do here, beside what is bound, and what their tombstones among them would. `live`: the time
        profiles that are asked for then, wherever they are bound. Nothing is written."""
        ...

    async def explain(self, item: DesiredItem, at: int, *, asked: bool) -> ExplainPanel:
        """Whether the place is open by an item at an instant, as compiled and as held; `asked`: as it is asked for."""
        ...

    async def days(self, item: DesiredItem, first: int, count: int) -> PlaceDays:
        """When the place is open for an item on `count` days from `first` on."""
        ...


def staying(said: PanelResult) -> PlanItemPanel:
    """What a plan says of a deleted item that a place would go on holding."""
    text = "" if said.still_grants_text is None else f"; it still opens {said.still_grants_text}"
    return PlanItemPanel(said.panel, said.outcome, None, (), said.reason, f"{said.message}{text}", 0)


@lru_cache(maxsize=4096)
def told(target: Target, outcome: ItemOutcome, law_until: int | None = None) -> PanelResult:
    """An outcome in the words of an answer."""
    success = outcome.outcome in HELD or outcome.outcome is ItemState.REMOVED
    message = outcome.message or (outcome.refusal.message if outcome.refusal is not None else None)
    return PanelResult(
        panel=str(target),
        success=success,
        outcome=outcome.outcome,
        reason=None if success else outcome.reason,
        message=message,
        valid_until=outcome.valid_until,
        law_until=law_until,
        cuts=outcome.cuts,
        limit=None if outcome.refusal is None else outcome.refusal.limit,
    )
