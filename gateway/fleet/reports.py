"""What the gateway shows of its panels: desired against observed, plans, explanations. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers.contract import ItemOutcome, ItemState, PanelImage, Reason
from gateway.fleet import clocks, views
from gateway.fleet.context import FleetContext
from gateway.fleet.ledger import split_target
from gateway.fleet.outputs import OutputKeeper
from gateway.fleet.panel_state import PanelState
from gateway.fleet.store import DesiredProfile
from gateway.fleet.targets import compile_bound
from gateway.fleet.views import (
    ExplainPanel,
    ExplainReport,
    ItemView,
    PanelView,
    PlanItemPanel,
    PlanPanel,
)
from gateway.schedules.image import is_open
from gateway.schedules.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class Reporter:
    """`generation_of`: the last generation of a link_id, for what panels hold and shall not."""

    context: FleetContext
    outputs: Mapping[str, OutputKeeper]
    quarantined_until: Callable[[str], float | None]

    # desired against observed

    def panel(self, state: PanelState, *, items: bool = False) -> PanelView:
        now = self.context.clock.wall()
        bound = state.bound
        held = sum(state.holds(link_id) for link_id in bound)
        refused = sum(state.refuses(link_id) for link_id in bound)
        switched, denied, total = self._count_outputs(state)
        pending = len(bound) - held - refused + len(state.leaving) + total - switched - denied
        overdue = list(state.overdue())
        observed = state.observed
        quarantined = self.quarantined_until(state.id)
        return PanelView(
            id=state.id,
            line=state.line,
            model=state.settings.model,
            state=_word(state, pending, refused + denied),
            availability=state.driver.availability.current,
            desired=len(bound) + total,
            held=held + switched,
            pending=pending,
            refused=refused + denied,
            lag_s=max((max(0.0, now - since) for since, _ in overdue), default=0.0),
            clock_drift_ms=state.clock_drift_ms,
            resets=observed.resets,
            quarantined_until=None if quarantined is None else round(quarantined),
            last_seen_at=None if observed.seen_at is None else int(observed.seen_at),
            last_error=_error(state),
            revocation_lag_s=max((max(0.0, now - since) for since, revokes in overdue if revokes), default=0.0),
            still_granting=sum(revokes for _, revokes in overdue),
            drifts=observed.drifts,
            foreign_slots=tuple(sorted(state.foreign())),
            law_until=state.law_until,
            writes=state.driver.write_counts(),
            dst=state.driver.capabilities.dst,
            items=tuple(self._items(state)) if items else (),
        )

    def _count_outputs(self, state: PanelState) -> tuple[int, int, int]:
        """Of the profiles bound to outputs: how many are held, refused, and all."""
        results = [
            self.outputs[state.id].result(output, link_id) for output, profiles in state.outputs.items() for link_id in profiles
        ]
        refused = sum(result.outcome is ItemState.REFUSED for result in results)
        return sum(result.success for result in results), refused, len(results)

    def _items(self, state: PanelState) -> Iterable[ItemView]:
        for profile in sorted(state.bound.values(), key=lambda each: each.sequence):
            result = state.result(profile.link_id)
            yield ItemView(
                link_id=profile.link_id,
                desired_generation=profile.generation,
                held_generation=state.held_generation(profile.link_id),
                outcome=result.outcome,
                valid_until=result.valid_until,
                reason=result.reason,
                message=result.message,
                still_grants=result.still_grants,
            )
        for link_id in state.leaving:
            result = state.result(link_id)
            held = state.held_generation(link_id)
            yield ItemView(link_id, None, held, result.outcome, None, result.reason, result.message, result.still_grants)
        for output, profiles in sorted(state.outputs.items()):
            for profile in sorted(profiles.values(), key=lambda each: each.sequence):
                result = self.outputs[state.id].result(output, profile.link_id)
                generation = profile.generation if result.success else None
                yield ItemView(
                    profile.link_id, profile.generation, generation, result.outcome, None, result.reason, result.message
                )

    # plans

    def plan(self, state: PanelState, items: Sequence[DesiredProfile]) -> tuple[dict[str, PlanItemPanel], PlanPanel]:
        """What these profiles would do to one panel, beside what is bound to it."""
        coming = {profile.link_id: profile for profile in items}
        target = compile_bound(state, self.context, {**state.bound, **coming})
        known = state.observed.image
        plan = state.driver.plan(target, known or PanelImage())
        note = None if known is not None else "what the panel holds is not known: planned as if it were empty"
        cells = {link_id: _planned(state.id, target, link_id, note) for link_id in coming}
        frames = tuple(frame.hex().upper() for frame in plan.frames)
        return cells, PlanPanel(state.id, state.line, plan.words, frames, plan.bytes_on_wire, plan.wire_ms, plan.commits)

    def plan_output(self, target: str) -> PlanItemPanel:
        """What a profile bound to an output would become; no slot is used."""
        panel, output = split_target(target)
        refusal = self.outputs[panel].refusal(output or 0)
        outcome = refusal or ItemOutcome(ItemState.GATEWAY_HELD)
        return PlanItemPanel(target, outcome.outcome, None, (), outcome.reason, outcome.message, 0)

    # explanations

    def explain(self, profile: DesiredProfile, at: int, places: Iterable[tuple[str, PanelState]]) -> ExplainReport:
        """Whether a profile is open at an instant: as asked, as compiled, as held, panel by panel."""
        assert profile.profile is not None
        asked = Recurrence(profile.profile, self.context.options.readings).is_open(at)
        panels = tuple(self._explain(profile, at, asked, target, state) for target, state in places)
        return ExplainReport(profile.link_id, at, asked, panels)

    def _explain(self, profile: DesiredProfile, at: int, asked: bool, target: str, state: PanelState) -> ExplainPanel:
        if split_target(target)[1] is not None:
            return ExplainPanel(target, None, None, None, "an output: held by the gateway")
        link_id, minute = profile.link_id, clocks.local_minute(self.context.options.readings.zone, at)
        image = compile_bound(state, self.context, {**state.bound, link_id: profile})
        outcome = image.outcomes.get(link_id)
        compiled = None
        if outcome is not None and outcome.outcome in (ItemState.EXACT, ItemState.NARROWED, ItemState.MATERIALISED):
            compiled = is_open(image, state.driver.capabilities, minute, link_id)
        held = None
        if state.observed.image is not None:
            held = is_open(state.observed.image, state.driver.capabilities, minute, link_id)
        if compiled is not None and compiled != asked:
            return ExplainPanel(target, compiled, held, "compiled", _compiled_otherwise(outcome))
        if compiled is None:
            return ExplainPanel(target, None, held, "compiled" if asked else None, _compiled_otherwise(outcome))
        return ExplainPanel(target, compiled, held, "held" if held != compiled else None, self._holding(state, profile))

    def _holding(self, state: PanelState, profile: DesiredProfile) -> str | None:
        if state.observed.image is None:
            return "what the panel holds is not known"
        generation = state.held_generation(profile.link_id)
        if generation == profile.generation:
            return None
        return f"generation {profile.generation} asked, {'none' if generation is None else generation} held"


def _word(state: PanelState, pending: int, refused: int) -> views.PanelState:
    if state.observed.image is None and not state.observed.possible:
        return "unknown"
    if state.drifted:
        return "drifted"
    if pending or not state.certain or state.clock_missing:
        return "syncing"
    return "refused" if refused else "in_sync"


def _error(state: PanelState) -> str | None:
    failure = state.unreachable() or state.failure
    if failure is None:
        return Reason.CLOCK_NOT_SET.value if state.clock_missing else None
    return failure.reason.value if failure.message is None else f"{failure.reason.value}: {failure.message}"


def _planned(panel: str, target: PanelImage, link_id: str, note: str | None) -> PlanItemPanel:
    outcome = target.outcomes.get(link_id, ItemOutcome(ItemState.REFUSED, Reason.PANEL_REJECTED, "given up after refusals"))
    message = outcome.message or (outcome.refusal.message if outcome.refusal is not None else None)
    said = "; ".join(text for text in (message, note) if text) or None
    slots = len(target.allocation.get(link_id, ()))
    return PlanItemPanel(panel, outcome.outcome, outcome.valid_until, outcome.cuts, outcome.reason, said, slots)


def _compiled_otherwise(outcome: ItemOutcome | None) -> str | None:
    if outcome is None:
        return "given up after refusals"
    if outcome.refusal is not None:
        return outcome.refusal.message
    return outcome.message or "; ".join(outcome.cuts) or outcome.outcome.value
