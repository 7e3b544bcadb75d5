"""What the gateway shows of its panels: desired against observed, plans, explanations. Reads only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from drivers.contract import ItemOutcome, ItemState, PanelImage, Reason
from gateway.compiler.explain import Explanation, explain
from gateway.concurrency import in_turns
from gateway.fleet import views
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import split_target
from gateway.fleet.panel.compilation import compile_bound
from gateway.fleet.panel.defects import words_of
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.state import Failure, PanelState
from gateway.fleet.views import (
    ExplainPanel,
    ExplainReport,
    ItemView,
    PanelView,
    PlanItemPanel,
    PlanPanel,
)
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import TimeProfile
from gateway.store import codec
from gateway.store.contract import DesiredItem

LOG = logging.getLogger(__name__)


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
        lacking = [link_id for link_id in bound if not state.holds(link_id)]
        waiting = [link_id for link_id in lacking if not state.refuses(link_id)]
        held, refused = len(bound) - len(lacking), len(lacking) - len(waiting)
        switched, denied, total = self._count_outputs(state)
        pending = len(bound) - held - refused + len(state.leaving) + total - switched - denied
        overdue = list(state.overdue(waiting))
        observed = state.observed
        quarantined = self.quarantined_until(state.id)
        return PanelView(
            id=state.id,
            line=state.line,
            model=state.settings.model,
            state="failed" if state.failed or self.outputs[state.id].defect else _word(state, pending, refused + denied),
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
            last_error=_error(state, self.outputs[state.id].defect),
            revocation_lag_s=max((max(0.0, now - since) for since, revokes in overdue if revokes), default=0.0),
            still_granting=sum(revokes for _, revokes in overdue),
            drifts=observed.drifts,
            foreign_slots=tuple(sorted(state.foreign())),
            law_until=state.law_until,
            writes=state.driver.write_counts(),
            dst=state.driver.capabilities.dst,
            acknowledged_at=None if observed.acknowledged_at is None else int(observed.acknowledged_at),
            image_hash=_hash(observed.image) if items and observed.image is not None else None,
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
                slots=_slots(state, profile.link_id),
                asked_at=int(profile.changed_at),
            )
        for link_id, since in state.leaving.items():
            result = state.result(link_id)
            yield ItemView(
                link_id=link_id,
                desired_generation=None,
                held_generation=state.held_generation(link_id),
                outcome=result.outcome,
                reason=result.reason,
                message=result.message,
                still_grants=result.still_grants,
                slots=_slots(state, link_id),
                asked_at=int(since),
            )
        for output, profiles in sorted(state.outputs.items()):
            for profile in sorted(profiles.values(), key=lambda each: each.sequence):
                result = self.outputs[state.id].result(output, profile.link_id)
                generation = profile.generation if result.success else None
                yield ItemView(
                    link_id=profile.link_id,
                    desired_generation=profile.generation,
                    held_generation=generation,
                    outcome=result.outcome,
                    reason=result.reason,
                    message=result.message,
                    asked_at=int(profile.changed_at),
                )

    # plans

    async def plan(self, state: PanelState, coming: Mapping[str, DesiredItem]) -> tuple[dict[str, PlanItemPanel], PlanPanel]:
        """What these profiles would do to one panel, beside what is bound to it."""
        try:
            return await self._plan(state, coming)
        except Exception as defect:
            LOG.error("a panel could not be planned", exc_info=defect, extra={"panel": state.id})
            lost = PlanItemPanel(state.id, ItemState.PENDING, None, (), Reason.FAILED, words_of(defect), 0)
            return dict.fromkeys(coming, lost), PlanPanel(state.id, state.line, 0, (), 0, None, 0)

    async def _plan(self, state: PanelState, coming: Mapping[str, DesiredItem]) -> tuple[dict[str, PlanItemPanel], PlanPanel]:
        target = await compile_bound(state, self.context, coming)
        known = state.observed.image
        plan = state.driver.plan(target, known or PanelImage())
        note = None if known is not None else "what the panel holds is not known: planned as if it were empty"
        cells = {link_id: _planned(state.id, target, link_id, note) async for link_id in in_turns(coming)}
        frames = tuple(frame.hex().upper() for frame in plan.frames)
        return cells, PlanPanel(state.id, state.line, plan.words, frames, plan.bytes_on_wire, plan.wire_ms, plan.commits)

    def plan_output(self, target: str, profile: DesiredItem) -> PlanItemPanel:
        """What a profile bound to an output would become; no slot is used."""
        panel, output = split_target(target)
        refusal = self.outputs[panel].refusal(output or 0, profile.profile)
        outcome = refusal or ItemOutcome(ItemState.GATEWAY_HELD)
        return PlanItemPanel(target, outcome.outcome, None, (), outcome.reason, outcome.message, 0)

    # explanations

    async def explain(self, profile: DesiredItem, at: int, places: Iterable[tuple[str, PanelState]]) -> ExplainReport:
        """Whether a profile is open at an instant: as asked, as compiled, as held, panel by panel."""
        wanted = profile.profile
        assert wanted is not None
        asked = Recurrence(wanted, self.context.options.readings).is_open(at)
        panels = []
        for target, state in places:
            if state.id in self.outputs:  # it may have been taken out meanwhile
                try:
                    panels.append(await self._explain(profile, wanted, at, target, state))
                except Exception as defect:
                    LOG.error("a panel could not be explained", exc_info=defect, extra={"panel": state.id})
                    panels.append(ExplainPanel(target, None, None, None, f"{Reason.FAILED.value}: {words_of(defect)}"))
        return ExplainReport(profile.link_id, at, asked, tuple(panels))

    async def _explain(self, profile: DesiredItem, wanted: TimeProfile, at: int, target: str, state: PanelState) -> ExplainPanel:
        output = split_target(target)[1]
        if output is not None:
            return self._explain_output(profile, wanted, at, target, state, output)
        if profile.link_id not in state.bound:
            return self._explain_stranger(wanted, at, target, state)
        image = await compile_bound(state, self.context, {profile.link_id: profile})
        said = self._explained(wanted, at, image, state)
        if profile.link_id not in image.outcomes:
            said = replace(said, message="given up after refusals")
        elif said.held is None and said.differs_at is None:
            said = replace(said, message="what the panel holds is not known")
        return ExplainPanel(target, said.compiled, said.held, said.differs_at, said.message)

    def _explained(self, wanted: TimeProfile, at: int, image: PanelImage, state: PanelState) -> Explanation:
        """Where the images that a panel may hold disagree, what it holds is unknown."""
        readings, capabilities = self.context.options.readings, state.driver.capabilities
        answers = [explain(wanted, readings, at, image, held, capabilities) for held in state.images() or (None,)]
        if any(each.held != answers[0].held for each in answers):
            return explain(wanted, readings, at, image, None, capabilities)
        return answers[0]

    def _explain_stranger(self, wanted: TimeProfile, at: int, target: str, state: PanelState) -> ExplainPanel:
        """A panel of which nothing is asked; it may still be open."""
        held = self._explained(wanted, at, PanelImage(), state).held
        return ExplainPanel(target, None, held, "held" if held else None, "not bound to this panel")

    def _explain_output(
        self, profile: DesiredItem, wanted: TimeProfile, at: int, target: str, state: PanelState, output: int
    ) -> ExplainPanel:
        """What it was last seen to do says something of this moment only; any profile bound to it may hold it."""
        keeper, bound, readings = self.outputs[state.id], state.outputs.get(output, {}), self.context.options.readings
        held = keeper.is_on(output) if at == int(self.context.clock.wall()) else None
        opens = {
            link_id: Recurrence(one.profile, readings).is_open(at) for link_id, one in bound.items() if one.profile is not None
        }
        asked, refusal = opens.get(profile.link_id), keeper.refusal(output, wanted)
        if refusal is not None:
            return ExplainPanel(target, None, held, "compiled" if asked else None, refusal.message)
        differs_at: Literal["held"] | None = "held" if held is not None and held != any(opens.values()) else None
        return ExplainPanel(
            target, asked, held, differs_at, "not bound to this panel" if asked is None else "held by the gateway"
        )


def _word(state: PanelState, pending: int, refused: int) -> views.PanelState:
    if state.observed.image is None and not state.observed.possible:
        return "unknown"
    if state.drifted:
        return "drifted"
    if pending or not state.certain or state.clock_missing:
        return "syncing"
    return "refused" if refused else "in_sync"


def _error(state: PanelState, defect: Failure | None) -> str | None:
    failure = (state.failure if state.failed else defect) or state.unreachable() or state.failure
    if failure is None:
        return Reason.CLOCK_NOT_SET.value if state.clock_missing else None
    return failure.reason.value if failure.message is None else f"{failure.reason.value}: {failure.message}"


def _slots(state: PanelState, link_id: str) -> tuple[int, ...]:
    return tuple(sorted(set(state.allocation.get(link_id, ())).union(*(i.allocation.get(link_id, ()) for i in state.images()))))


def _hash(image: PanelImage) -> str:
    said = PanelImage(slots=dict(sorted(image.slots.items())), special_days=image.special_days)
    return sha256(codec.PANEL_IMAGE.encode(said).encode()).hexdigest()[:16]


def _planned(panel: str, target: PanelImage, link_id: str, note: str | None) -> PlanItemPanel:
    outcome = target.outcomes.get(link_id, ItemOutcome(ItemState.REFUSED, Reason.PANEL_REJECTED, "given up after refusals"))
    message = outcome.message or (outcome.refusal.message if outcome.refusal is not None else None)
    said = "; ".join(text for text in (message, note) if text) or None
    slots = len(target.allocation.get(link_id, ()))
    return PlanItemPanel(panel, outcome.outcome, outcome.valid_until, outcome.cuts, outcome.reason, said, slots)
