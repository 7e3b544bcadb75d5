"""Carries an image to one panel, transaction by transaction, and keeps the account of what the panel is known to hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from drivers.contract import Acknowledgement, ItemOutcome, Outcome, PanelImage, Priority, Reason, WritePlan
from gateway.fleet.context import FleetContext
from gateway.fleet.events import Pushed, Refused, Repaired, Revoked
from gateway.fleet.panel.compilation import Goal, may_open
from gateway.fleet.panel.entries import FACT, added, losing, text_of, without_entries
from gateway.fleet.panel.event_reader import EventReader
from gateway.fleet.panel.failure import Failure, failure_of
from gateway.fleet.panel.planner import Step, clearing, merge, opening, paced, revokes, single, steps, with_sharers
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.wear import GONE
from gateway.store.contract import ObservedPanel, StoreError

_LONG_S = 300.0
_LONGEST_MS = 2000.0
"""Line time of one transaction."""
_MOST_FRAMES = 300
"""Frames of one transaction where there is no line to time."""


_INTERRUPTED = Failure(Reason.UNEXPECTED_REPLY, "something happened to the panel meanwhile, or somebody asked for a look at it")
"""It has to be looked at before it is written."""


class Transactions:
    """One panel's. `stopped`: no transaction begins any more."""

    def __init__(self, state: PanelState, context: FleetContext, events: EventReader) -> None:
        self.stopped = False
        self.stepped: Callable[[], None] = lambda: None
        """Called where the panel holds one more image on the way to what is asked."""
        self._events = events
        self._state = state
        self._context = context
        self._singly = False
        self._gave_way = False
        """Whether the last image was left for a newer one before it was whole."""
        self._opening = False
        """A transaction is prepared or under way that takes nothing away."""
        self._hurried = False
        """It was asked to give way to one that does."""
        self._kept: ObservedPanel | None = None
        self._kept_spent = state.spent
        self._planned: WritePlan | None = None
        """The last plan that was made, and what for."""
        self._planned_from: PanelImage | None = None

    async def write(self, goal: Goal) -> Failure | None:
        """Bring the panel to `goal`; ends early, without a failure, when something newer is asked for."""
        if not self._state.certain:
            return None
        self._state.compiled(goal.compiled_at)
        self._hurried = False
        return await (self._write_singly(goal) if self._singly else self._write_together(goal))

    def hurry(self) -> None:
        """Something is to be taken away: what opens is left for it, once, where the panel does not act on it yet."""
        if self._opening and not self._gave_way:
            self._hurried = True
            self._state.driver.give_way()

    async def erase(self) -> Failure | None:
        """Erase all slots, also those of others. What is written next does not wait."""
        state = self._state
        due = state.wear.due({}, narrows=False, writes=2)  # what is erased is written anew
        if due is None:
            state.wear.erasing()
        failure = due or await self._apply(Step(PanelImage(), Priority.REVOCATION, frozenset()), None)
        if failure is None:
            state.wear.erased()
        return failure

    async def retire(self) -> Failure:
        """Erase what is left on a panel that is about to leave the site. Raises StoreError."""
        state = self._state
        if state.held().slots or state.held().identifiers or state.allocation:
            failure = await self.erase()
            if failure is not None:
                return failure
            await self._context.store.put_allocation(state.id, {}, self._context.now())
            state.reserve({})
        if not state.certain:
            return _INTERRUPTED
        state.settled({})
        message = f"erased, nothing more is written to it: remove it from the file, or `panel-gateway reinit {state.id}`"
        return Failure(Reason.DEPARTED, message, due=self._context.clock.monotonic() + _LONG_S)

    async def take_over(self) -> None:
        """A panel of another model than the stored one was read: what the store has of the other one is over.

        Raises StoreError.
        """
        if self._state.former:
            store, state, at = self._context.store, self._state, self._context.stamp()
            await store.put_allocation(state.id, state.allocation, at)
            for fact in ("serial", "stranger"):
                await store.put_panel_fact(state.id, fact, state.identity.facts().get(fact), at)
            state.taken_over()

    async def keep(self) -> None:
        """Let the store know what is observed now. Raises StoreError."""
        observed = self._state.observed
        if self._kept is not observed and not self._state.former:
            await self._context.store.put_observed(self._state.id, observed)
            self._kept = observed

    async def _write_together(self, goal: Goal) -> Failure | None:
        """What is newer goes first once; then openings get their turn, however fast changes follow each other."""
        opened = False
        planned = self._steps(goal)
        while (step := await self._following(planned)) is not None:
            if self._hurried:  # something happened to the panel meanwhile
                break
            if self._superseded(goal):
                if not self._in_time(step, goal):
                    self._gave_way = True
                    return None
                step = self._still_wanted(step, goal)
            failure = await self._apply(step, goal)
            if failure is not None:
                self._singly = failure.permanent
                return failure
            opened |= step.priority is Priority.GRANT
        self._gave_way = self._hurried or (self._gave_way and not opened)
        return None

    def _steps(self, goal: Goal) -> Iterator[Step]:
        """Each short enough for the line that a revocation never waits for a long fill; only a panel that commits, or whose
        schedules mean nothing without identifiers, stays whole in between."""
        known, capabilities = self._known(), self._state.driver.capabilities
        for step in steps(known, goal.image, capabilities):
            if capabilities.commit_step or capabilities.references:
                yield from paced(known, step, self._load)
            else:
                yield step
            known = step.image

    async def _following(self, planned: Iterator[Step]) -> Step | None:
        """The next step, planned in a turn of the loop of its own: who is revoked elsewhere does not wait until a whole site is
        planned. None: there is none, or something happened to the panel meanwhile."""
        await self._context.turn.for_a_turn(urgent=bool(self._state.leaving))
        return next(planned, None) if self._state.certain else None

    def _load(self, known: PanelImage, image: PanelImage) -> float:
        """The line time of one transaction, or where nobody knows it its frames, as a share of the most."""
        plan = self._plan(image, known)
        return len(plan.frames) / _MOST_FRAMES if plan.wire_ms is None else plan.wire_ms / _LONGEST_MS

    def _plan(self, image: PanelImage, known: PanelImage) -> WritePlan:
        """The plan for a step; the last one is made once, though its length is asked before."""
        if self._planned is None or self._planned.target is not image or self._planned_from is not known:
            self._planned, self._planned_from = self._state.driver.plan(image, known), known
        return self._planned

    async def _write_singly(self, goal: Goal) -> Failure | None:
        """Write one link_id a transaction after a refusal, so that the one that is refused keeps nobody else out."""
        failure = await self._apply(clearing(self._known(), goal.image), goal)
        if failure is not None:
            return failure
        if not self._state.certain:
            return None
        refusal = None
        refusals = {each: self._state.refusals(each, goal.asked.get(each, 0)) for each in opening(self._known(), goal.image)}
        for link_id in sorted(refusals, key=lambda each: (refusals[each], each)):
            if failure is not None or self._superseded(goal):
                return failure
            step = single(self._known(), goal.image, link_id)
            said = await self._apply(step, goal)
            if said is not None and said.permanent:
                self._count(link_id, goal, said)
                refusal = said
            failure = said if said is not None and not (said.permanent and self._state.certain) else None
        if failure is None and refusal is None and not self._superseded(goal):
            failure = await self._apply(Step(goal.image, Priority.GRANT, frozenset()), goal)
            self._singly = failure is not None
        return failure or refusal

    def _known(self) -> PanelImage:
        return self._state.held()

    def _superseded(self, goal: Goal) -> bool:
        if self.stopped or not self._state.certain:
            return True
        return self._state.version != goal.version or may_open(self._state, self._context) != goal.may_open

    def _in_time(self, step: Step, goal: Goal) -> bool:
        """Whether openings of an image that is not the newest are written all the same."""
        compiled_anew = goal.compiled_for != self._state.observed.compiled_for or goal.spent is not self._state.spent
        if may_open(self._state, self._context) != goal.may_open:
            return False
        return self._gave_way and not (self.stopped or compiled_anew or step.priority is Priority.REVOCATION)

    def _still_wanted(self, step: Step, goal: Goal) -> Step:
        """What a step opens, without what was withdrawn or changed since `goal` was compiled."""
        bound = self._state.bound
        stale = {each for each in step.link_ids if each not in bound or bound[each].generation != goal.asked.get(each)}
        link_ids = step.link_ids - with_sharers(goal.image, stale)
        return Step(merge(self._known(), goal.image, link_ids), step.priority, link_ids)

    async def _apply(self, step: Step, goal: Goal | None) -> Failure | None:
        """One transaction, on the way to `goal` (None: it takes away, whatever is asked). Before its first byte the panel is
        marked as one that may hold either image."""
        await self._keep_spent()
        if not self._state.certain:  # something happened to the panel while the store wrote
            return None
        going = losing(self._known(), step.image, self._state.bound)
        failure = await self._retire(going) if going else None
        return failure or await self._transact(step, goal)

    async def _retire(self, slots: Mapping[int, str]) -> Failure | None:
        """Slots go whose entries are limited: nobody enters by them any more, then their counts are read and kept."""
        state, before = self._state, self._known()
        emptied = without_entries(before, slots)
        failure = await self._transact(Step(emptied, Priority.REVOCATION, frozenset(slots.values())), None)
        if failure is not None:
            return failure
        if not state.certain:
            return Failure(Reason.UNEXPECTED_REPLY, "the panel restarted before it was written")
        counts = await state.driver.read_passes(slots, Priority.REVOCATION, None)
        if isinstance(counts, Acknowledgement):
            return failure_of(counts)
        state.spend(added(state.spent, before, slots, counts))
        await self._keep_spent()
        return None if state.certain else _INTERRUPTED

    async def _keep_spent(self) -> None:
        """Entries that were had are durable before anything is written that lets people in anew. Raises StoreError."""
        spent = self._state.spent
        if spent is not self._kept_spent:
            await self._context.store.put_panel_fact(self._state.id, FACT, text_of(spent), self._context.now())
            self._kept_spent = spent

    async def _transact(self, step: Step, goal: Goal | None) -> Failure | None:
        self._opening = step.priority is Priority.GRANT
        try:
            return await self._prepared(step, goal)
        finally:
            self._opening = False

    async def _prepared(self, step: Step, goal: Goal | None) -> Failure | None:
        state = self._state
        known = self._known()
        plan, self._planned = self._plan(step.image, known), None
        narrows = not plan.empty and revokes(known, step)
        due = None if plan.empty else state.wear.due(self._contents(step), narrows=narrows)
        failure = due or await self._events.prepare(known, step.image, step.priority, writes=not plan.empty)
        if failure is not None:
            return failure
        if plan.empty:
            self._events.ended(Outcome.ACKNOWLEDGED if state.certain else Outcome.NOT_SENT)
            if state.certain:
                state.restate(step.image)
                self.stepped()
            return None
        began = self._context.clock.monotonic()
        try:
            said = await self._carry_out(plan, step, goal, narrows=narrows)
        except BaseException:
            self._events.ended(Outcome.UNCONFIRMED)
            raise
        self._events.ended(Outcome.NOT_SENT if said is None else said.outcome)
        if said is None:
            return None
        if said.outcome is Outcome.ACKNOWLEDGED:
            self._hurried = False
            state.acknowledged(self._context.now())
            self._tell(step, known, plan.words, self._context.clock.monotonic() - began)
            self.stepped()
            return None
        self._doubt(said)
        if self._hurried and said.outcome is Outcome.NOT_SENT:
            return None
        failure, asked = failure_of(said), {} if goal is None else goal.asked
        state.postponed({link_id: asked[link_id] for link_id in step.link_ids if link_id in asked}, failure)
        return failure

    async def _carry_out(self, plan: WritePlan, step: Step, goal: Goal | None, *, narrows: bool) -> Acknowledgement | None:
        """None: something happened meanwhile, and nothing left the gateway."""
        state = self._state
        self._kept = None  # a mark that is stored and comes to nothing is written over
        mark = state.beginning(step.image) if state.certain and not state.former else None
        await state.wear.begin(self._contents(step), plan.wear, narrows=narrows, mark=mark)
        if not state.certain:  # something happened to the panel while the store wrote
            state.wear.ended(Outcome.NOT_SENT)
            return None
        await self._begin(step)
        closed_since = goal is not None and goal.may_open and not may_open(self._state, self._context)
        if closed_since or self._hurried:  # since the panel was marked
            state.wear.ended(Outcome.NOT_SENT)
            state.not_sent()
            return None
        try:
            said = await state.driver.apply(plan, step.priority, None)
        except BaseException:  # cut short, or ended by a defect: nobody knows how far it came
            state.wear.ended(Outcome.NOT_SENT)
            state.doubt()
            raise
        state.wear.ended(said.outcome)
        return said

    async def _begin(self, step: Step) -> None:
        """The panel may hold either image from now on. What revokes waits for no store; else raises StoreError, nothing begun."""
        self._state.begun(step.image)
        try:
            await self.keep()
        except StoreError:
            if step.priority is not Priority.REVOCATION:
                self._state.wear.ended(Outcome.NOT_SENT)
                self._state.not_sent()
                raise

    def _contents(self, step: Step) -> dict[str, str]:
        """What each item of a transaction is to be, and for which settings."""
        generations, settings = step.image.generations, self._state.observed.compiled_for
        return {key: f"{generations[key]} {settings}" if key in generations else GONE for key in step.link_ids}

    def _doubt(self, said: Acknowledgement) -> None:
        """What the panel may hold after a transaction that failed."""
        if said.outcome is Outcome.NOT_SENT:
            self._state.not_sent()
        elif said.outcome is Outcome.REJECTED and said.image is not None:
            self._state.refused(said.image, self._context.now())
        else:
            self._state.doubt()

    def _tell(self, step: Step, before: PanelImage, words: int, seconds: float) -> None:
        state = self._state
        self._context.emit(Pushed(state.id, step.link_ids, words, seconds))
        now = self._context.now()
        revoked = {link: state.leaving[link] for link in step.link_ids if link in state.leaving}
        for link_id in step.link_ids & state.bound.keys() & before.allocation.keys():
            if before.generations.get(link_id) != state.bound[link_id].generation:
                revoked[link_id] = state.bound[link_id].changed_at
        if revoked and step.priority is Priority.REVOCATION:
            self._context.emit(Revoked(state.id, revoked, max(0.0, now - min(revoked.values()))))

    def _count(self, link_id: str, goal: Goal, failure: Failure) -> None:
        if link_id in goal.asked:  # a set of profiles is nobody's item
            self._tell_refused(self._state.count_refusal(link_id, goal.asked[link_id], failure))

    def record(self, goal: Goal) -> None:
        """The panel holds `goal`: what it lacks of what is bound is refused or not due yet."""
        drifted = self._state.drifted
        self._tell_refused(self._state.settled(goal.asked, goal.version if goal.may_open else None))
        if drifted:
            self._context.emit(Repaired(self._state.id))
        self._state.wear.forget({**self._state.bound, **self._state.leaving})

    def _tell_refused(self, fresh: Mapping[str, ItemOutcome]) -> None:
        if fresh:
            self._context.emit(Refused(self._state.id, fresh))
