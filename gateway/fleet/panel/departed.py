"""Panels that have left the configuration, and what they may still hold: nobody can take it away from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from drivers.contract import ItemState, PanelImage, Reason
from gateway.concurrency import Ticket
from gateway.fleet.panel.identity import Neighbour
from gateway.fleet.panel.opening import granting
from gateway.fleet.panel.place import Enough, PlaceDays, PlacePlan, staying
from gateway.fleet.results import PanelResult
from gateway.fleet.target import Target
from gateway.fleet.views import ExplainPanel
from gateway.store.contract import DesiredItem


@dataclass(frozen=True, slots=True)
class Departed:
    """`keys`: items that its table may hold. `kind`: its model and options. `where`: its line and unit, None where that is not
    known. `outputs`: those that may be on, with the items that they are on for; `lease_s`: for so long after it left at most,
    None: without a limit.
    """

    id: str
    keys: frozenset[str]
    kind: tuple[str, str] = ("", "")
    where: str | None = None
    serial: str | None = None
    images: tuple[PanelImage, ...] = ()
    outputs: Mapping[int, frozenset[str]] = field(default_factory=dict)
    lease_s: int | None = None

    @property
    def holds(self) -> frozenset[str]:
        """All items that it may let somebody in by."""
        return self.keys.union(*self.outputs.values())

    def targets(self, key: str) -> list[Target]:
        """Where it may hold an item: its table, its outputs."""
        table = [Target(self.id)] if key in self.keys else []
        return table + [Target(self.id, number) for number, keys in self.outputs.items() if key in keys]

    def neighbour(self) -> Neighbour:
        """The departed panel as other panels see it."""
        return Neighbour(self.id, self.kind, self.serial, None, self.images, departed=True)


class DepartedPlace:
    """See `panel.place.Place`. Nothing is ever done there. `zone`: the site's."""

    def __init__(self, departed: Departed, output: int | None, zone: ZoneInfo) -> None:
        self._departed = departed
        self._target = Target(departed.id, output)
        self._zone = zone

    def bind(self, item: DesiredItem) -> None:
        pass

    def unbind(self, key: str, now: float) -> None:
        pass

    def result(self, key: str) -> PanelResult:
        name = self._departed.id
        message = f"{name} is no longer configured and may still hold it: bring it back, or `panel-gateway forget {name}`"
        said = PanelResult(str(self._target), False, ItemState.PENDING, Reason.DEPARTED, message, still_grants=0)
        found = [image for image in self._departed.images if image.allocation.get(key)]
        return granting(said, found, key, self._zone) if found and self._target.output is None else said

    def last_seen(self, key: str) -> PanelResult:
        return self.result(key)

    def removal(self, key: str, last: int) -> PanelResult:
        return self.result(key)

    def is_settled(self, key: str) -> bool:
        return True

    def is_midway(self, key: str) -> bool:
        return False

    def settle(self, ticket: Ticket, enough: Enough) -> None:
        ticket.settled()

    async def plan(self, coming: Mapping[str, DesiredItem], live: Collection[str] = ()) -> PlacePlan:
        return PlacePlan({key: staying(self.result(key)) for key, item in coming.items() if item.content is None})

    async def explain(self, item: DesiredItem, at: int, *, asked: bool) -> ExplainPanel:
        said = self.result(item.key)
        text = "" if said.still_grants_text is None else f"; it may still open {said.still_grants_text}"
        return ExplainPanel(str(self._target), None, None, None, f"{said.message}{text}")

    async def days(self, item: DesiredItem, first: int, count: int) -> PlaceDays:
        return PlaceDays(None, None)
