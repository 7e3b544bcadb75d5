"""Panels that have left the configuration, and what they may still hold: nobody can take it away from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.contract import ItemState, PanelImage, Reason
from gateway.concurrency import Ticket
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.panel.place import Enough, PlacePlan
from gateway.fleet.results import PanelResult
from gateway.fleet.views import ExplainPanel
from gateway.store.contract import DesiredItem


@dataclass(frozen=True, slots=True)
class Departed:
    """`keys`: items that it may hold. `kind`: its model and options. `where`: its line and unit, None where that is not known."""

    id: str
    keys: frozenset[str]
    kind: tuple[str, str] = ("", "")
    where: str | None = None
    serial: str | None = None
    images: tuple[PanelImage, ...] = ()

    def neighbour(self) -> Neighbour:
        """The departed panel as other panels see it."""
        return Neighbour(self.id, self.kind, self.serial, None, self.images, departed=True)


class DepartedPlace:
    """See `panel.place.Place`. Nothing is ever done there."""

    def __init__(self, departed: Departed) -> None:
        self._departed = departed

    def bind(self, item: DesiredItem) -> None:
        pass

    def unbind(self, key: str, now: float) -> None:
        pass

    def result(self, key: str) -> PanelResult:
        found = [image.generations.get(key, 0) for image in self._departed.images if image.allocation.get(key)]
        name = self._departed.id
        message = f"{name} is no longer configured and may still hold it: bring it back, or `panel-gateway forget {name}`"
        generation = min(found, default=0)
        return PanelResult(name, False, ItemState.PENDING, Reason.DEPARTED, message, still_grants=generation)

    def removal(self, key: str, last: int) -> PanelResult:
        return self.result(key)

    def is_settled(self, key: str) -> bool:
        return True

    def settle(self, ticket: Ticket, enough: Enough) -> None:
        ticket.settled()

    async def plan(self, coming: Mapping[str, DesiredItem]) -> PlacePlan:
        return PlacePlan({})

    async def explain(self, item: DesiredItem, at: int) -> ExplainPanel:
        return ExplainPanel(self._departed.id, None, None, None, self.result(item.key).message)
