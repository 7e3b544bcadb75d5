"""Why a panel is open or not, and when it will be. Nothing is written or stored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice

from drivers.contract import IDENTIFIER, Reason
from gateway.compiler.calendar import Calendar, Days, calendar, identifier_days, profile_days
from gateway.compiler.explain_identifier import first_no
from gateway.compiler.table import CLOSED
from gateway.concurrency import in_turns
from gateway.fleet.assignment import Assignment
from gateway.fleet.bindings import Targets
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import OPENING, Desired, work_out
from gateway.fleet.panel.defects import words_of
from gateway.fleet.panel.place import Place, PlaceDays
from gateway.fleet.target import Target
from gateway.fleet.views import (
    ExplainPanel,
    ExplainReport,
    HoursReport,
    IdentifierExplained,
    Openings,
    PanelHours,
    RequestItem,
)
from gateway.identifiers.identifier import Identifier
from gateway.schedules.recurrence import END, Recurrence
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.store.contract import DesiredItem

LOG = logging.getLogger(__name__)


class Questions:
    def __init__(self, desired: Desired, assignment: Assignment, context: FleetContext) -> None:
        self._desired = desired
        self._assignment = assignment
        self._context = context

    async def explain(self, key: str, at: int, target: Target | None) -> ExplainReport | None:
        """Whether an item is open at an instant, as asked and place by place. None: unknown, or nothing that opens."""
        item = self._opening(key)
        if item is None:
            return None
        readings, why, asked = self._context.options.readings, None, False
        if item.profile is not None:
            asked = Recurrence(item.profile, readings).is_open(at)
        elif item.identifier is not None:
            why = await self._first_no(item.identifier, at)
            asked = why is None
        else:
            why = "deleted"
        panels = []
        async for each in in_turns(self._everywhere(key) if target is None else (target,)):
            place = self._assignment.place(each)
            if place is not None:  # it may have been taken out meanwhile
                panels.append(await self._explain(each, place, item, at, asked=asked))
        if item.kind == IDENTIFIER:
            return IdentifierExplained(item.link_id, at, asked, tuple(panels), message=why)
        return ExplainReport(item.link_id, at, asked, tuple(panels))

    async def _first_no(self, identifier: Identifier, at: int) -> str | None:
        """What first keeps an identifier out at an instant, as asked; None: it is let in."""
        is_open = self._desired.open_at(self._context.options.readings, at)
        await work_out(is_open, identifier)
        return first_no(identifier, is_open, at)

    def _opening(self, key: str) -> DesiredItem | None:
        """What may open something by a key: what is asked for, or what was deleted and may still be held."""
        item = self._desired.live.get(key)
        if item is None and self._assignment.holders(key):
            item = self._desired.gone.get(key)
        return item if item is not None and item.kind in OPENING else None

    def _everywhere(self, key: str) -> Targets:
        """Where an item is asked for, and where it may be held all the same."""
        return tuple(dict.fromkeys((*self._desired.targets(key), *self._assignment.holders(key))))

    @staticmethod
    async def _explain(target: Target, place: Place, item: DesiredItem, at: int, *, asked: bool) -> ExplainPanel:
        try:
            return await place.explain(item, at, asked=asked)
        except Exception as defect:
            LOG.error("a panel could not be explained", exc_info=defect, extra={"panel": str(target)})
            return ExplainPanel(str(target), None, None, None, f"{Reason.FAILED.value}: {words_of(defect)}")

    async def hours(self, key: str, first: int, count: int, places: slice, target: Target | None) -> HoursReport | None:
        """When an item is open on `count` days from the local day `first` on, as asked and place by place. None: unknown, or
        nothing that opens. `places`: which of them, where it is (not None) not one `target`."""
        item = self._opening(key)
        if item is None:
            return None
        everywhere = self._everywhere(key)
        chosen = everywhere[places] if target is None else (target,)
        panels = []
        async for each in in_turns(chosen):
            place = self._assignment.place(each)
            if place is not None:  # it may have been taken out meanwhile
                found = await self._days(each, place, item, first, count)
                said = [None if days is None else calendar(first, days) for days in (found.compiled, found.held)]
                panels.append(PanelHours(place.last_seen(key), *said))
        zone = self._context.options.readings.zone.key
        asked = await self._asked(item, first, count)
        return HoursReport(item, first, count, zone, asked, tuple(panels), len(everywhere))

    async def _asked(self, item: DesiredItem, first: int, count: int) -> Calendar:
        readings, closed = self._context.options.readings, [CLOSED] * count

        def hours_of(link_id: str) -> Days:
            named = self._desired.live.get(link_id)
            profile = None if named is None else named.profile
            return closed if profile is None else profile_days(Recurrence(profile, readings), first, count)

        if item.identifier is None:
            return calendar(first, hours_of(item.key))
        named = {link_id: hours_of(link_id) async for link_id in in_turns(item.identifier.profiles or ())}
        return calendar(first, identifier_days(item.identifier, named.__getitem__, readings.zone, first, count))

    @staticmethod
    async def _days(target: Target, place: Place, item: DesiredItem, first: int, count: int) -> PlaceDays:
        try:
            return await place.days(item, first, count)
        except Exception as defect:
            LOG.error("the hours of a panel could not be worked out", exc_info=defect, extra={"panel": str(target)})
            return PlaceDays(None, None)

    async def openings(self, items: Sequence[RequestItem], at: int, most: int) -> list[Openings]:
        """The next openings of time profiles as they would be read if they were asked for now."""
        readings = self._context.options.readings
        return [openings_of(self._desired.accepted(item.profile, readings), readings, at, most) async for item in in_turns(items)]


def openings_of(profile: TimeProfile, readings: Readings, at: int, most: int) -> Openings:
    """The next openings of a time profile from an instant on."""
    recurrence = Recurrence(profile, readings)
    spans = list(islice(recurrence.open_periods(at, END), most + 1))
    shown = tuple((start, None if end >= END else end) for start, end in spans[:most])
    return Openings(profile.link_id, recurrence.is_open(at), shown, len(spans) > most)
