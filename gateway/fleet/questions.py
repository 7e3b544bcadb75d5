"""What items would do, and why a panel is open or not. Nothing is written or stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from drivers.contract import ItemState, Reason
from gateway.concurrency import in_turns
from gateway.fleet.assignment import Assignment
from gateway.fleet.bindings import Targets
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired
from gateway.fleet.panel.defects import words_of
from gateway.fleet.panel.place import Place, PlacePlan
from gateway.fleet.target import Target
from gateway.fleet.views import ExplainPanel, ExplainReport, PlanItem, PlanItemPanel, PlanReport, RequestItem
from gateway.schedules.recurrence import Recurrence
from gateway.store.contract import DesiredItem

LOG = logging.getLogger(__name__)
_NOT_YET = 2**62


class Questions:
    def __init__(self, desired: Desired, assignment: Assignment, context: FleetContext) -> None:
        self._desired = desired
        self._assignment = assignment
        self._context = context

    async def plan(self, items: Sequence[RequestItem], named: Targets | None) -> PlanReport:
        """What these items would do, where they are bound or (not None) on the `named` panels and outputs."""
        wanted: dict[str, Targets] = {}
        coming: dict[Target, dict[str, DesiredItem]] = {}
        async for place, item in in_turns(enumerate(items)):
            profile = self._provisional(item, place)
            wanted[profile.link_id] = self._desired.wanted(profile.link_id) if named is None else named
            for target in wanted[profile.link_id]:
                coming.setdefault(target, {})[profile.link_id] = profile
        plans = await self._plans(coming)
        cells = [
            PlanItem(link_id, tuple([plans[target].cells[link_id] for target in targets if target in plans]))
            async for link_id, targets in in_turns(wanted.items())
        ]
        return PlanReport(tuple(cells), tuple([plan.cost for plan in plans.values() if plan.cost is not None]))

    async def _plans(self, coming: Mapping[Target, Mapping[str, DesiredItem]]) -> dict[Target, PlacePlan]:
        """The plans of all panels and outputs that were not taken out meanwhile."""
        plans: dict[Target, PlacePlan] = {}
        for target, items in coming.items():
            place = self._assignment.place(target)
            if place is not None:
                plans[target] = await self._plan(target, place, items)
        return plans

    @staticmethod
    async def _plan(target: Target, place: Place, items: Mapping[str, DesiredItem]) -> PlacePlan:
        try:
            return await place.plan(items)
        except Exception as defect:
            LOG.error("a panel could not be planned", exc_info=defect, extra={"panel": str(target)})
            cell = PlanItemPanel(str(target), ItemState.PENDING, None, (), Reason.FAILED, words_of(defect), 0)
            return PlacePlan(dict.fromkeys(items, cell))

    def _provisional(self, item: RequestItem, place: int) -> DesiredItem:
        """As the item would be desired if it were asked for."""
        link_id = item.profile.link_id
        known = self._desired.live.get(link_id)
        sequence = known.sequence if known is not None else _NOT_YET + place
        profile = self._desired.accepted(item.profile, self._context.options.readings)
        return DesiredItem(link_id, sequence, self._desired.generation(link_id) + 1, 0, profile, "", 0.0)

    async def explain(self, link_id: str, at: int, target: Target | None) -> ExplainReport | None:
        """Whether a profile is open at an instant, as asked and place by place. None: unknown link_id."""
        item, holders = self._desired.live.get(link_id), self._assignment.holders_of_deleted(link_id)
        if item is None and holders:
            item = self._desired.gone.get(link_id)
        if item is None:
            return None
        asked = item.profile is not None and Recurrence(item.profile, self._context.options.readings).is_open(at)
        panels = []
        everywhere = holders if item.profile is None else self._desired.targets(link_id)
        for each in everywhere if target is None else (target,):
            place = self._assignment.place(each)
            if place is not None:  # it may have been taken out meanwhile
                panels.append(await self._explain(each, place, item, at))
        return ExplainReport(link_id, at, asked, tuple(panels))

    @staticmethod
    async def _explain(target: Target, place: Place, item: DesiredItem, at: int) -> ExplainPanel:
        try:
            return await place.explain(item, at)
        except Exception as defect:
            LOG.error("a panel could not be explained", exc_info=defect, extra={"panel": str(target)})
            return ExplainPanel(str(target), None, None, None, f"{Reason.FAILED.value}: {words_of(defect)}")
