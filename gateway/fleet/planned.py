"""What items and deletions would do to every panel. Nothing is written or stored."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence

from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemState, Reason, item_key, split_key
from gateway.concurrency import in_turns
from gateway.fleet.admission import Admission
from gateway.fleet.assignment import Assignment
from gateway.fleet.bindings import Targets
from gateway.fleet.desired import Desired
from gateway.fleet.panel.defects import words_of
from gateway.fleet.panel.place import Place, PlacePlan
from gateway.fleet.results import Change
from gateway.fleet.target import Target
from gateway.fleet.views import Deletion, PlanChange, PlanItem, PlanItemPanel, PlanReport, RefusedItem, RequestItem
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.store.contract import DesiredItem, kind_of

LOG = logging.getLogger(__name__)
_NOT_YET = 2**62
Asked = RequestItem | RefusedItem | Deletion


async def planned(
    asked: Sequence[Asked], named: Targets | None, desired: Desired, assignment: Assignment, readings: Readings
) -> PlanReport:
    """What these items would do, where they are bound or (not None) on the `named` panels and outputs, and the deletions then."""
    live = {one.link_id for one in asked if isinstance(one, RequestItem) and isinstance(one.content, TimeProfile)}
    answered: list[tuple[str, Change | None]] = []
    wanted: dict[str, Targets] = {}
    coming: dict[Target, dict[str, DesiredItem]] = {}
    admission = Admission(desired, live)
    items = (one for one in asked if not isinstance(one, Deletion))
    async for place, item in in_turns(enumerate(map(admission.admit, items))):
        if isinstance(item, RefusedItem):
            answered.append((item.link_id, item.change))
            continue
        answered.append((item.key, None))
        wanted[item.key] = desired.wanted(item.key) if named is None else named
        for target in wanted[item.key]:
            coming.setdefault(target, {})[item.key] = _provisional(item, place, desired, readings)
    going = [key async for one in in_turns(asked) if isinstance(one, Deletion) for key in _going(one, desired, assignment)]
    tombstones = {key: _tombstone(key, desired) for key in going}
    async for key in in_turns(going):
        wanted[key] = _may_hold(key, desired, assignment)
        answered.append((key, Change.DELETED if key in desired.live or wanted[key] else Change.NOT_FOUND))
        for target in (*wanted[key], *(target for each in desired.naming(key) for target in desired.targets(each))):
            coming.setdefault(target, {})
    plans = await _plans({target: {**items, **tombstones} for target, items in coming.items()}, live, assignment)
    told = [_told(key, change, wanted.get(key, ()), plans) async for key, change in in_turns(answered)]
    return PlanReport(tuple(told), tuple([plan.cost for plan in plans.values() if plan.cost is not None]))


def _told(key: str, change: Change | None, targets: Targets, plans: Mapping[Target, PlacePlan]) -> PlanItem:
    kind, link_id = split_key(key)
    cells = tuple([plans[target].cells[key] for target in targets if target in plans and key in plans[target].cells])
    if change is None:
        return PlanItem(link_id, cells)
    return PlanChange(link_id, cells, change, kind if change is Change.DELETED else None)


def _going(deletion: Deletion, desired: Desired, assignment: Assignment) -> Iterator[str]:
    """What has a link_id: people before the time profiles that they name, as they are deleted."""
    keys = [item_key(kind, deletion.link_id) for kind in (IDENTIFIER, TIME_PROFILE)]
    found = [key for key in keys if key in desired.live] or [key for key in keys if _may_hold(key, desired, assignment)]
    yield from found or [deletion.link_id]


def _may_hold(key: str, desired: Desired, assignment: Assignment) -> Targets:
    """Where a deletion takes something away, or cannot."""
    return tuple(dict.fromkeys((*desired.targets(key), *assignment.holders(key), *assignment.seen_with(key))))


async def _plans(
    coming: Mapping[Target, Mapping[str, DesiredItem]], live: Collection[str], assignment: Assignment
) -> dict[Target, PlacePlan]:
    """The plans of all panels and outputs that were not taken out meanwhile."""
    plans: dict[Target, PlacePlan] = {}
    for target, items in coming.items():
        place = assignment.place(target)
        if place is not None:
            plans[target] = await _plan(target, place, items, live)
    return plans


async def _plan(target: Target, place: Place, items: Mapping[str, DesiredItem], live: Collection[str]) -> PlacePlan:
    try:
        return await place.plan(items, live)
    except Exception as defect:
        LOG.error("a panel could not be planned", exc_info=defect, extra={"panel": str(target)})
        cell = PlanItemPanel(str(target), ItemState.PENDING, None, (), Reason.FAILED, words_of(defect), 0)
        return PlacePlan(dict.fromkeys(items, cell))


def _provisional(item: RequestItem, place: int, desired: Desired, readings: Readings) -> DesiredItem:
    """The item as it would be desired if it were asked for."""
    known, content = desired.live.get(item.key), item.content
    sequence = known.sequence if known is not None else _NOT_YET + place
    if isinstance(content, TimeProfile):
        content = desired.accepted(content, readings)
    return DesiredItem(item.link_id, sequence, desired.generation(item.key) + 1, 0, content, "", 0.0, kind_of(content))


def _tombstone(key: str, desired: Desired) -> DesiredItem:
    kind, link_id = split_key(key)
    return DesiredItem(link_id, 0, desired.generation(key) + 1, 0, None, "", 0.0, kind)
