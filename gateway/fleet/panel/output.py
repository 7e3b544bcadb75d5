"""One output of a panel as a place where items are bound: what it says of each of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

from drivers.contract import ItemOutcome, ItemState, Reason
from gateway.compiler.calendar import profile_days
from gateway.compiler.moment import moment_of
from gateway.compiler.outcome import refused
from gateway.compiler.shapes import coming_of
from gateway.compiler.table import DayPlan
from gateway.concurrency import Ticket, in_turns
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.defects import words_of
from gateway.fleet.panel.failure import AT_WORK
from gateway.fleet.panel.held_output import not_held
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.place import Enough, PlaceDays, PlacePlan, staying, told
from gateway.fleet.panel.state import PanelState
from gateway.fleet.results import PanelResult
from gateway.fleet.target import Target
from gateway.fleet.views import ExplainPanel, PlanItemPanel
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import DesiredItem


class Output:
    """The place of what is bound to one output; see `place.Place`."""

    def __init__(self, number: int, state: PanelState, context: FleetContext, keeper: OutputKeeper) -> None:
        self._number = number
        self._state = state
        self._context = context
        self._keeper = keeper
        self._target = Target(state.id, number)

    def bind(self, item: DesiredItem) -> None:
        self._state.bind_output(self._number, item)

    def unbind(self, key: str, now: float) -> None:
        self._state.unbind_output(self._number, key)

    def is_midway(self, key: str) -> bool:
        return False

    def settle(self, ticket: Ticket, enough: Enough) -> None:
        self._keeper.settle(ticket, self._number)

    # what it says of an item

    @property
    def _bound(self) -> Mapping[str, DesiredItem]:
        return self._state.outputs.get(self._number, {})

    def is_settled(self, key: str) -> bool:
        result = self.result(key)
        return result.success or result.outcome is ItemState.REFUSED

    def result(self, key: str) -> PanelResult:
        """Held when the output was seen in the state that it must have now."""
        try:
            return self._result(key)
        except Exception as defect:
            self._keeper.report(defect)
            return told(self._target, ItemOutcome(ItemState.PENDING, Reason.FAILED, words_of(defect)))

    def _result(self, key: str) -> PanelResult:
        item = self._bound.get(key)
        denied = None if item is None else self._refusal(item)
        if denied is not None:
            return told(self._target, denied)
        held = self._keeper.held(self._number)
        right = held is not None and held.is_right and self._state.identity.checked and not self._state.retired
        if item is None and (held is None or right):
            return told(self._target, ItemOutcome(ItemState.REMOVED))
        if right and self._context.may_open():
            return told(self._target, ItemOutcome(ItemState.GATEWAY_HELD))
        return told(self._target, self._pending(held is not None and held.contradicted))

    def last_seen(self, key: str) -> PanelResult:
        return self.result(key)

    def removal(self, key: str, last: int) -> PanelResult:
        result = self.result(key)
        return replace(result, outcome=ItemState.REMOVED) if result.success else result

    def _pending(self, contradicted: bool) -> ItemOutcome:
        if contradicted:
            return ItemOutcome(
                ItemState.PENDING, Reason.VERIFY_FAILED, "the panel acknowledged the command and did not carry it out"
            )
        state = self._state
        unidentified = state.failure if state.retired or not state.identity.checked else None
        failure = self._keeper.failure or self._state.unreachable() or unidentified
        failure = failure or self._context.closed() or AT_WORK
        return ItemOutcome(ItemState.PENDING, failure.reason, failure.message)

    def _refusal(self, item: DesiredItem | None) -> ItemOutcome | None:
        """Why the gateway does not hold the output; where that depends on what is asked, with its first day and interval."""
        if item is not None and item.identifier is not None:
            return refused("max_identifiers", "an output has no reader; bind its panel").outcome
        found = not_held(self._number, self._state, self._context)
        if found is None:
            return None
        limit, message = found
        profile = None if item is None else item.profile
        timeless = profile is None or limit == "outputs" or not self._context.trusted()
        asked = () if profile is None or timeless else self._first_asked(profile)
        return refused(limit, message, *asked).outcome

    def _first_asked(self, profile: TimeProfile) -> tuple[int, DayPlan] | tuple[()]:
        readings = self._context.options.readings
        moment = moment_of(self._context.now(), readings.zone)
        coming = coming_of(profile, readings, 1, moment.day)
        return coming.first_asked(moment.second) if coming.after(moment.second) else ()

    # questions

    async def plan(self, coming: Mapping[str, DesiredItem], live: Collection[str] = ()) -> PlacePlan:
        """No slot is used, and nothing is written."""
        return PlacePlan({key: self._planned(item) async for key, item in in_turns(coming.items())})

    def _planned(self, item: DesiredItem) -> PlanItemPanel:
        if item.content is None:
            away = self._state.unreachable()
            if away is not None:
                return staying(told(self._target, ItemOutcome(ItemState.PENDING, away.reason, away.message)))
            return PlanItemPanel(str(self._target), ItemState.REMOVED, None, (), None, "no longer held open for it", 0)
        outcome = self._refusal(item) or self._promised()
        return PlanItemPanel(str(self._target), outcome.outcome, None, (), outcome.reason, outcome.message, 0)

    def _promised(self) -> ItemOutcome:
        timeless = self._context.timeless()
        if timeless is None:
            return ItemOutcome(ItemState.GATEWAY_HELD)
        return ItemOutcome(ItemState.PENDING, timeless.reason, timeless.message)

    async def explain(self, item: DesiredItem, at: int, *, asked: bool) -> ExplainPanel:
        """What it was last seen to do says something of this moment only; any profile bound to it may hold it."""
        readings, place = self._context.options.readings, str(self._target)
        kept = self._keeper.held(self._number)
        now = int(self._context.clock.wall()) if self._context.trusted() else None
        held = kept.seen if kept is not None and not kept.unread and at == now else None
        if item.profile is None:
            return ExplainPanel(place, None, held, "held" if held else None, "deleted")
        opens = {
            key: Recurrence(one.profile, readings).is_open(at)
            async for key, one in in_turns(list(self._bound.items()))
            if one.profile is not None
        }
        planned, denied = opens.get(item.key), self._refusal(item)
        if denied is not None:
            return ExplainPanel(place, None, held, "compiled" if planned else None, denied.message)
        differs_at: Literal["held"] | None = "held" if held is not None and held != any(opens.values()) else None
        message = "not bound to this panel" if planned is None else "held by the gateway"
        return ExplainPanel(place, planned, held, differs_at, message)

    async def days(self, item: DesiredItem, first: int, count: int) -> PlaceDays:
        """The gateway switches it at every transition; what it holds is seen of this moment only."""
        denied = item.key not in self._bound or self._refusal(item) is not None
        if item.profile is None or denied:
            return PlaceDays(None, None)
        return PlaceDays(profile_days(Recurrence(item.profile, self._context.options.readings), first, count), None)
