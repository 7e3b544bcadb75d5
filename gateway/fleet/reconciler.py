"""One panel's worker: brings what the panel holds to what it shall hold. First push, retry, catch-up, renewal: one path.

It looks at the difference, not at a queue of events: nothing is lost, repeated work is harmless, the newest wins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from dataclasses import replace

from drivers.contract import Acknowledgement, ItemOutcome, ItemState, Outcome, PanelImage, Priority, Reason
from gateway.fleet.backoff import back_off_s
from gateway.fleet.context import FleetContext
from gateway.fleet.inspection import Inspection, failure_of
from gateway.fleet.panel_state import HELD, UNREACHABLE, Failure, PanelState
from gateway.fleet.planner import Step, clearing, opening, single, steps
from gateway.fleet.store import ObservedPanel, StoreError
from gateway.fleet.targets import REFUSAL_LIMIT, Target, compile_target, given_up, kept_allocation, refusal_key, used
from gateway.fleet.tickets import Ticket

LOG = logging.getLogger(__name__)
_EMPTY = PanelImage()
_GIVEN_UP = ItemOutcome(ItemState.REFUSED, Reason.PANEL_REJECTED, "given up: the panel refused it again and again")
_LONGEST_SLEEP_S = 300.0
_RENEWAL_PAUSE_S = 60.0


class Reconciler:
    def __init__(self, state: PanelState, context: FleetContext) -> None:
        self.state = state
        self._context = context
        self.inspection = Inspection(state, context)
        self._wake = asyncio.Event()
        self._busy = asyncio.Lock()
        self._tickets: list[Ticket] = []
        self._failures = 0
        self._retry_at: float | None = None
        self._singly = False
        self._erase_all = False
        self._stopping = False
        self._renewed_at = 0.0
        self._kept: ObservedPanel | None = None

    # what others ask of it

    def wake(self) -> None:
        """Something that the panel shall hold has changed, or an attempt is wanted now."""
        self._retry_at = None
        self._wake.set()

    def settle(self, ticket: Ticket) -> None:
        """Tell `ticket` when the panel is settled: the next attempt that can know of it has ended, or none is possible."""
        if self._stopping or self.state.unreachable() is not None:
            ticket.settled()
        else:
            self._tickets.append(ticket)
            self.wake()

    def check(self, *, whole: bool = False) -> None:
        """Look at the panel again before anything is claimed of it; `whole`: read all it holds."""
        self.state.certain = False
        self.inspection.read_all |= whole
        self.inspection.forget_clock()
        self.wake()

    def measure_clock(self) -> None:
        self.inspection.forget_clock()
        self.wake()

    def erase(self) -> None:
        """Erase the panel, foreign slots too, and write all anew."""
        self._erase_all = True
        self.requeue()
        self.check(whole=True)

    def requeue(self) -> None:
        """Try again what was given up."""
        self.state.observed = replace(self.state.observed, failures={})
        self.state.verdicts.clear()
        self.wake()

    def stop(self) -> None:
        """No new work; what runs ends at the next step."""
        self._stopping = True
        self._wake.set()

    # its life

    async def run(self) -> None:
        watching = asyncio.create_task(self._watch(), name=f"availability of {self.state.id}")
        try:
            await self._work(watching)
        finally:
            self._release()
            watching.cancel()
            await asyncio.wait([watching])

    async def _work(self, watching: asyncio.Task[None]) -> None:
        while await self._rest():
            if watching.done():
                watching.result()
            self._wake.clear()
            async with self._busy:
                await self._attempt()

    async def _watch(self) -> None:
        """A panel that comes back is looked at before anything is claimed of it."""
        away = False
        async for availability in self.state.driver.availability:
            if availability in UNREACHABLE:
                away = True
                self._release()
            elif away:
                away = False
                self.check()

    async def _rest(self) -> bool:
        """Wait until there is something to do; False: it is time to stop."""
        delay = self._delay()
        if delay > 0 and not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()
        return not self._stopping

    def _delay(self) -> float:
        """Seconds until there is something to do."""
        if not self.state.certain and self._retry_at is None and self.state.unreachable() is None:
            return 0.0
        if self._retry_at is not None:
            return self._retry_at - self._context.clock.monotonic()
        return min(self._next_wall() - self._context.clock.wall(), _LONGEST_SLEEP_S)

    def _next_wall(self) -> float:
        image = self.state.observed.image
        outcomes = [] if image is None else [outcome for outcome in image.outcomes.values() if outcome.renew_at is not None]
        waiting = [outcome for _, outcome in self.state.verdicts.values() if outcome.renew_at is not None]
        renewals = [max(outcome.renew_at or 0, self._renewed_at + _RENEWAL_PAUSE_S) for outcome in outcomes + waiting]
        clock = [self.inspection.clock_at] if self.state.driver.capabilities.clock != "none" else []
        return min(renewals + clock, default=float("inf"))

    # one attempt

    async def _attempt(self) -> None:
        state = self.state
        self.inspection.begin()
        failure = state.unreachable()
        if failure is None:
            try:
                failure = await self._converge()
            except StoreError as error:
                LOG.warning("store refused", extra={"panel": state.id, "error": str(error)})
                failure = Failure(Reason.BUS_UNAVAILABLE, f"the store refused: {error}")
            if failure is not None:
                self._context.events.failed(state.id, failure.reason, failure.message)
        state.failure = failure
        if failure is None:
            self._failures, self._retry_at = 0, None
        else:
            self._failures += 1
            self._retry_at = self._context.clock.monotonic() + back_off_s(state.id, self._failures)
            self._release()
        await self._keep()

    async def _converge(self) -> Failure | None:
        state = self.state
        priority = Priority.REVOCATION if state.leaving else Priority.GRANT
        if not state.certain:
            failure = await self.inspection.look(priority)
            if failure is not None:
                return failure
        if self.inspection.clock_due():
            failure = await self.inspection.keep_clock(priority)
            if failure is not None:
                return failure
            if not state.certain:  # the status told of a restart
                return await self._converge()
        if self._erase_all:
            failure = await self._apply(Step(_EMPTY, Priority.REVOCATION, frozenset()))
            if failure is not None:
                return failure
            self._erase_all = False
        return await self._bring()

    async def _bring(self) -> Failure | None:
        """Write until the panel holds what it shall. What is asked meanwhile counts at once: the newest wins."""
        state = self.state
        while not self._stopping:
            tickets = list(self._tickets)
            target = await self._target()
            failure = await (self._write_singly(target) if self._singly else self._write_together(target))
            if failure is not None:
                return failure
            if state.observed.image == target.image:
                self._record(target)
                self._settle(tickets)
                break
        return Failure(Reason.CLOCK_NOT_SET, "the panel's clock could not be set") if state.clock_missing else None

    async def _target(self) -> Target:
        """What the panel shall hold; new slots are durable before they are written."""
        state, context = self.state, self._context
        target = compile_target(state, context)
        if not self._reserved(target):
            async with context.write_lock:
                target = compile_target(state, context)
                allocation = kept_allocation(state, target.image.allocation, context.ours)
                await context.store.put_allocation(state.id, allocation, context.clock.wall())
                state.allocation = allocation
        self._renewed_at = context.clock.wall()
        return target

    def _reserved(self, target: Target) -> bool:
        allocation = self.state.allocation
        return all(allocation.get(link_id) == numbers for link_id, numbers in used(target.image.allocation).items())

    async def _write_together(self, target: Target) -> Failure | None:
        for step in steps(self._known(), target.image, self.state.driver.capabilities):
            if self._superseded(target):
                return None
            failure = self._withheld(step) or await self._apply(step)
            if failure is not None:
                self._singly = failure.permanent
                return failure
        return None

    async def _write_singly(self, target: Target) -> Failure | None:
        """After a refusal: one link_id a transaction, so that the one that is refused keeps nobody else out."""
        failure = await self._apply(clearing(self._known(), target.image))
        if failure is not None:
            return failure
        refusal = None
        for link_id in sorted(opening(self._known(), target.image), key=lambda each: (self._refusals(each), each)):
            if failure is not None or self._superseded(target):
                return failure
            step = single(self._known(), target.image, link_id)
            said = self._withheld(step) or await self._apply(step)
            if said is not None and said.permanent:
                self._count(link_id, said)
                refusal = said
            failure = said if said is not None and not (said.permanent and self.state.certain) else None
        if failure is None and refusal is None:
            failure = await self._apply(Step(target.image, Priority.GRANT, frozenset()))
            self._singly = failure is not None
        return failure or refusal

    def _known(self) -> PanelImage:
        image = self.state.observed.image
        assert image is not None
        return image

    def _superseded(self, target: Target) -> bool:
        return self._stopping or self.state.version != target.version

    def _withheld(self, step: Step) -> Failure | None:
        """Nothing is opened on a panel whose clock is not right."""
        if self.state.clock_missing and step.priority is Priority.GRANT and step.link_ids:
            return Failure(Reason.CLOCK_NOT_SET, "the panel's clock could not be set")
        return None

    async def _apply(self, step: Step) -> Failure | None:
        """One transaction. Before its first byte the panel is marked as one that may hold either image."""
        state = self.state
        known = self._known()
        plan = state.driver.plan(step.image, known)
        if plan.empty:
            state.observed = replace(state.observed, image=step.image)
            return None
        state.observed = replace(state.observed, possible=(step.image,), dirty=True)
        await self._keep()
        began = self._context.clock.monotonic()
        said = await state.driver.apply(plan, step.priority, None)
        return self._judge(step, said, known, began, plan.words)

    def _judge(self, step: Step, said: Acknowledgement, known: PanelImage, began: float, words: int) -> Failure | None:
        state = self.state
        if said.outcome is Outcome.ACKNOWLEDGED:
            self._hold(step.image)
            self._tell(step, words, self._context.clock.monotonic() - began)
            return None
        if said.outcome is Outcome.NOT_SENT:
            self._hold(known)
        elif said.outcome is Outcome.REJECTED and said.image is not None:
            self._hold(known if said.image.slots == known.slots else said.image)
        else:
            state.observed = replace(state.observed, image=None, possible=(known, step.image))
            state.certain = False
        failure = failure_of(said)
        outcome = ItemOutcome(ItemState.PENDING, failure.reason, failure.message)
        for link_id in step.link_ids & state.bound.keys():
            state.verdicts[link_id] = (state.bound[link_id].generation, outcome)
        return failure

    def _hold(self, image: PanelImage) -> None:
        self.state.observed = replace(
            self.state.observed, image=image, possible=(), dirty=False, seen_at=self._context.clock.wall()
        )

    def _tell(self, step: Step, words: int, seconds: float) -> None:
        state = self.state
        self._context.events.pushed(state.id, step.link_ids, words, seconds)
        if step.priority is not Priority.REVOCATION or not step.link_ids:
            return
        now = self._context.clock.wall()
        asked = [state.leaving[link_id] for link_id in step.link_ids if link_id in state.leaving]
        asked += [state.bound[link_id].changed_at for link_id in step.link_ids if link_id in state.bound]
        self._context.events.revoked(state.id, step.link_ids, max(0.0, now - min(asked, default=now)))

    def _refusals(self, link_id: str) -> int:
        profile = self.state.bound.get(link_id)
        return 0 if profile is None else self.state.observed.failures.get(refusal_key(profile), 0)

    def _count(self, link_id: str, failure: Failure) -> None:
        """One more refusal of one link_id alone; at the limit it is given up until `retry`."""
        state = self.state
        profile = state.bound.get(link_id)
        if profile is None:
            return
        failures = {**state.observed.failures, refusal_key(profile): self._refusals(link_id) + 1}
        state.observed = replace(state.observed, failures=failures)
        if given_up(state, profile):
            message = f"given up after {REFUSAL_LIMIT} refusals by the panel: {failure.message or failure.reason.value}"
            outcome = ItemOutcome(ItemState.REFUSED, failure.reason, message)
            state.verdicts[link_id] = (profile.generation, outcome)
            self._context.events.refused(state.id, link_id, outcome)

    def _record(self, target: Target) -> None:
        """The panel holds `target`: what it lacks of what is bound is refused or not due yet."""
        state, image = self.state, target.image
        for link_id, generation in target.asked.items():
            outcome = image.outcomes.get(link_id)
            if outcome is not None and outcome.outcome in HELD:
                state.verdicts.pop(link_id, None)
            elif outcome is not None:
                self._refuse(link_id, generation, outcome)
            elif link_id not in state.verdicts:
                kept = state.observed.outcomes.get(link_id, _GIVEN_UP)
                state.verdicts[link_id] = (generation, kept if kept.outcome is ItemState.REFUSED else _GIVEN_UP)
        dropped = [link_id for link_id in state.leaving if link_id not in target.asked and not image.allocation.get(link_id)]
        for link_id in dropped:
            del state.leaving[link_id]
        for link_id in state.verdicts.keys() - state.bound.keys():
            del state.verdicts[link_id]
        counted = {refusal_key(profile) for profile in state.bound.values()}
        failures = {key: count for key, count in state.observed.failures.items() if key in counted}
        lacking = {link_id: outcome for link_id, (_, outcome) in state.verdicts.items()}
        state.observed = replace(
            state.observed, failures=failures, outcomes={**image.outcomes, **lacking}, compiled_for=target.compiled_for
        )
        state.drifted = False
        self._context.dropped(state.id, [link_id for link_id in dropped if link_id not in state.bound])

    def _refuse(self, link_id: str, generation: int, outcome: ItemOutcome) -> None:
        if self.state.verdicts.get(link_id) != (generation, outcome) and outcome.outcome is ItemState.REFUSED:
            self._context.events.refused(self.state.id, link_id, outcome)
        self.state.verdicts[link_id] = (generation, outcome)

    def _settle(self, tickets: Collection[Ticket]) -> None:
        self._tickets = [ticket for ticket in self._tickets if ticket not in tickets]
        for ticket in tickets:
            ticket.settled()

    def _release(self) -> None:
        self._settle(self._tickets)

    async def _keep(self) -> None:
        if self._kept is not self.state.observed:
            self._kept = self.state.observed
            await self._context.store.put_observed(self.state.id, self._kept)

    # in the background

    async def look(self) -> None:
        """A look at a panel that is thought to be in step, at the lowest priority; what is wrong wakes the worker."""
        state = self.state
        async with self._busy:
            if self._stopping or not state.certain or state.unreachable() is not None or self._wake.is_set():
                return
            failure = await self.inspection.look(Priority.BACKGROUND)
            if failure is not None:
                state.certain = False
            if not state.certain or state.drifted or self.inspection.clock_due():
                self.wake()
