"""Carries an image to one panel, transaction by transaction, and keeps the account of what the panel is known to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drivers.contract import Acknowledgement, ItemOutcome, ItemState, Outcome, PanelImage, Priority, Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.events import Pushed, Refused, Revoked
from gateway.fleet.panel.compilation import REFUSAL_LIMIT, Target, refusal_key
from gateway.fleet.panel.inspection import failure_of
from gateway.fleet.panel.planner import Step, clearing, merge, opening, revokes, single, steps, with_sharers
from gateway.fleet.panel.state import HELD, Failure, PanelState
from gateway.store.contract import ObservedPanel

_WEARS_OUT = frozenset({"eeprom", "flash"})
_GIVEN_UP = ItemOutcome(ItemState.REFUSED, Reason.PANEL_REJECTED, "given up: the panel refused it again and again")


class Transactions:
    """One panel's. `stopped`: no transaction begins any more."""

    def __init__(self, state: PanelState, context: FleetContext) -> None:
        self.stopped = False
        self._state = state
        self._context = context
        self._singly = False
        self._gave_way = False
        """Whether the last image was left for a newer one before it was whole."""
        self._kept: ObservedPanel | None = None
        self._committed_at: float | None = None
        """When storage was written last (the clock's monotonic seconds)."""

    async def write(self, target: Target) -> Failure | None:
        """Bring the panel to `target`; ends early, without a failure, when something newer is asked for."""
        self._state.observed = replace(self._state.observed, compiled_at=target.compiled_at)
        return await (self._write_singly(target) if self._singly else self._write_together(target))

    async def erase(self) -> Failure | None:
        """Erase all slots, also those of others. What is written next does not wait."""
        failure = await self._apply(Step(PanelImage(), Priority.REVOCATION, frozenset()), {})
        self._committed_at = None
        return failure

    async def take_over(self) -> None:
        """A panel of another model than the stored one was read: what the store has of the other one is over.

        Raises StoreError.
        """
        state = self._state
        if state.former:
            await self._context.store.put_allocation(state.id, state.allocation, self._context.now())
            state.former = frozenset()

    async def keep(self) -> None:
        """Let the store know what is observed now. Raises StoreError."""
        observed = self._state.observed
        if self._kept is not observed and not self._state.former:
            await self._context.store.put_observed(self._state.id, observed)
            self._kept = observed

    async def _write_together(self, target: Target) -> Failure | None:
        """What is newer goes first once; then openings get their turn, however fast changes follow each other."""
        for step in steps(self._known(), target.image, self._state.driver.capabilities):
            if self._superseded(target):
                if not self._in_time(step, target):
                    self._gave_way = True
                    return None
                step = self._still_wanted(step, target)
            failure = self._withheld(step) or await self._apply(step, target.asked)
            if failure is not None:
                self._singly = failure.permanent
                return failure
        self._gave_way = False
        return None

    async def _write_singly(self, target: Target) -> Failure | None:
        """After a refusal: one link_id a transaction, so that the one that is refused keeps nobody else out."""
        failure = await self._apply(clearing(self._known(), target.image), target.asked)
        if failure is not None:
            return failure
        refusal = None
        for link_id in sorted(opening(self._known(), target.image), key=lambda each: (self._refusals(each, target), each)):
            if failure is not None or self._superseded(target):
                return failure
            step = single(self._known(), target.image, link_id)
            said = self._withheld(step) or await self._apply(step, target.asked)
            if said is not None and said.permanent:
                self._count(link_id, target, said)
                refusal = said
            failure = said if said is not None and not (said.permanent and self._state.certain) else None
        if failure is None and refusal is None and not self._superseded(target):
            failure = await self._apply(Step(target.image, Priority.GRANT, frozenset()), target.asked)
            self._singly = failure is not None
        return failure or refusal

    def _known(self) -> PanelImage:
        image = self._state.observed.image
        assert image is not None
        return image

    def _superseded(self, target: Target) -> bool:
        return self.stopped or self._state.version != target.version

    def _in_time(self, step: Step, target: Target) -> bool:
        """Whether openings of an image that is not the newest are written all the same."""
        compiled_anew = target.compiled_for != self._state.observed.compiled_for
        return self._gave_way and not (self.stopped or compiled_anew or step.priority is Priority.REVOCATION)

    def _still_wanted(self, step: Step, target: Target) -> Step:
        """What a step opens, without what was withdrawn or changed since `target` was compiled."""
        bound = self._state.bound
        stale = {each for each in step.link_ids if each not in bound or bound[each].generation != target.asked.get(each)}
        link_ids = step.link_ids - with_sharers(target.image, stale)
        return Step(merge(self._known(), target.image, link_ids), step.priority, link_ids)

    def _withheld(self, step: Step) -> Failure | None:
        """Nothing is opened on a panel whose clock is not right."""
        if self._state.clock_missing and step.priority is Priority.GRANT and step.link_ids:
            return Failure(Reason.CLOCK_NOT_SET, "the panel's clock could not be set")
        return None

    async def _apply(self, step: Step, asked: Mapping[str, int]) -> Failure | None:
        """One transaction. Before its first byte the panel is marked as one that may hold either image."""
        state = self._state
        known = self._known()
        plan = state.driver.plan(step.image, known)
        if plan.empty:
            state.observed = replace(state.observed, image=step.image)
            return None
        due = self._due(known, step)
        if due is not None:
            return Failure(Reason.DEADLINE_PASSED, "waits: commits to the panel's storage are spaced", due=due)
        state.observed = replace(state.observed, possible=(step.image,), dirty=True)
        await self.keep()
        began = self._context.clock.monotonic()
        said = await state.driver.apply(plan, step.priority, None)
        if said.outcome is not Outcome.NOT_SENT:
            self._committed_at = self._context.clock.monotonic()
        if said.outcome is Outcome.ACKNOWLEDGED:
            (written,) = state.observed.possible  # as it is spoken of by now
            self._hold(written)
            state.observed = replace(state.observed, acknowledged_at=state.observed.seen_at)
            self._tell(step, known, plan.words, self._context.clock.monotonic() - began)
            return None
        self._doubt(said)
        failure = failure_of(said)
        outcome = ItemOutcome(ItemState.PENDING, failure.reason, failure.message)
        state.verdicts.update((link_id, (asked[link_id], outcome)) for link_id in step.link_ids if link_id in asked)
        return failure

    def _due(self, known: PanelImage, step: Step) -> float | None:
        """When a transaction that revokes nothing may be written to storage that wears out; None: now."""
        state = self._state
        if self._committed_at is None or state.driver.capabilities.storage not in _WEARS_OUT or revokes(known, step):
            return None
        due = self._committed_at + state.settings.commit_spacing_s
        return due if due > self._context.clock.monotonic() else None

    def _doubt(self, said: Acknowledgement) -> None:
        """What the panel may hold after a transaction that failed."""
        state = self._state
        known = self._known()
        if said.outcome is Outcome.NOT_SENT:
            self._hold(known)
        elif said.outcome is Outcome.REJECTED and said.image is not None:
            self._hold(known if said.image.slots == known.slots else said.image)
        else:
            state.observed = replace(state.observed, image=None, possible=state.images())
            state.certain = False

    def _hold(self, image: PanelImage) -> None:
        self._state.observed = replace(
            self._state.observed, image=image, possible=(), dirty=False, seen_at=self._context.clock.wall()
        )

    def _tell(self, step: Step, before: PanelImage, words: int, seconds: float) -> None:
        state = self._state
        self._context.emit(Pushed(state.id, step.link_ids, words, seconds))
        now = self._context.clock.wall()
        revoked = {link: state.leaving[link] for link in step.link_ids if link in state.leaving}
        for link_id in step.link_ids & state.bound.keys() & before.allocation.keys():
            if before.generations.get(link_id) != state.bound[link_id].generation:
                revoked[link_id] = state.bound[link_id].changed_at
        if revoked and step.priority is Priority.REVOCATION:
            self._context.emit(Revoked(state.id, revoked, max(0.0, now - min(revoked.values()))))

    def _refusals(self, link_id: str, target: Target) -> int:
        return self._state.observed.failures.get(refusal_key(link_id, target.asked.get(link_id, 0)), 0)

    def _count(self, link_id: str, target: Target, failure: Failure) -> None:
        """One more refusal of one link_id alone; at the limit it is given up until `retry`."""
        state, count = self._state, self._refusals(link_id, target) + 1
        generation = target.asked[link_id]
        failures = {**state.observed.failures, refusal_key(link_id, generation): count}
        state.observed = replace(state.observed, failures=failures)
        if count >= REFUSAL_LIMIT:
            message = f"given up after {REFUSAL_LIMIT} refusals by the panel: {failure.message or failure.reason.value}"
            outcome = ItemOutcome(ItemState.REFUSED, failure.reason, message)
            if self._refuse(link_id, generation, outcome):
                self._context.emit(Refused(state.id, {link_id: outcome}))

    def record(self, target: Target) -> None:
        """The panel holds `target`: what it lacks of what is bound is refused or not due yet."""
        state, image = self._state, target.image
        refused: dict[str, ItemOutcome] = {}
        for link_id, generation in target.asked.items():
            outcome = image.outcomes.get(link_id)
            if outcome is not None and outcome.outcome in HELD:
                state.verdicts.pop(link_id, None)
            elif outcome is not None:
                if self._refuse(link_id, generation, outcome):
                    refused[link_id] = outcome
            elif link_id not in state.verdicts:
                kept = state.observed.outcomes.get(link_id, _GIVEN_UP)
                state.verdicts[link_id] = (generation, kept if kept.outcome is ItemState.REFUSED else _GIVEN_UP)
        if refused:
            self._context.emit(Refused(state.id, refused))
        dropped = [link_id for link_id in state.leaving if link_id not in target.asked and not image.allocation.get(link_id)]
        for link_id in dropped:
            del state.leaving[link_id]
        for link_id in state.verdicts.keys() - state.bound.keys():
            del state.verdicts[link_id]
        failures = dict(state.observed.failures)
        if failures:
            counted = {refusal_key(link_id, profile.generation) for link_id, profile in state.bound.items()}
            failures = {key: count for key, count in failures.items() if key in counted}
        lacking = {link_id: outcome for link_id, (_, outcome) in state.verdicts.items()}
        state.observed = replace(state.observed, failures=failures, outcomes={**image.outcomes, **lacking})
        state.drifted = False
        self._context.dropped(state.id, [link_id for link_id in dropped if link_id not in state.bound])

    def _refuse(self, link_id: str, generation: int, outcome: ItemOutcome) -> bool:
        """Whether it is a refusal, and was not known."""
        verdict = (generation, outcome)
        known = self._state.verdicts.get(link_id) == verdict
        self._state.verdicts[link_id] = verdict
        return outcome.outcome is ItemState.REFUSED and not known
