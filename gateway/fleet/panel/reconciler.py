"""One panel's worker: brings what the panel holds to what it must hold. First push, retry, catch-up, renewal: one path.

It looks at the difference, not at a queue of events: nothing is lost, repeated work is harmless, the newest wins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine

from drivers.contract import PanelImage, Priority, Reason, is_identifier
from drivers.trace import request_id
from gateway.concurrency import Ticket
from gateway.fleet.context import FleetContext
from gateway.fleet.events import Away, Back, Failed
from gateway.fleet.panel.backoff import back_off_s
from gateway.fleet.panel.closing import closing_goal, taking_away
from gateway.fleet.panel.compilation import (
    Goal,
    alone,
    compile_goal,
    is_current,
    kept_allocation,
    may_open,
    refresh,
    used,
)
from gateway.fleet.panel.defects import Defects
from gateway.fleet.panel.event_reader import EventReader
from gateway.fleet.panel.failure import CLOCK_NOT_SET, STORE_DOUBTED, Failure
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.inspection import Inspection
from gateway.fleet.panel.leaving import Leaving
from gateway.fleet.panel.place import Enough
from gateway.fleet.panel.state import UNREACHABLE, PanelState
from gateway.fleet.panel.transactions import Transactions
from gateway.store.contract import StoreError

LOG = logging.getLogger(__name__)
_LONGEST_SLEEP_S = 300.0
_RENEWAL_PAUSE_S = 60.0
_LOOKS = 3
"""How often a panel that restarts is looked at in one attempt."""


class Reconciler:
    def __init__(self, state: PanelState, context: FleetContext, foreign: Foreign, events: EventReader, leaving: Leaving) -> None:
        self.state = state
        self._context = context
        self._leaving = leaving
        self.inspection = Inspection(state, context, foreign)
        self.inspection.seen = events.seen
        self._transactions = Transactions(state, context, events)
        self._transactions.stepped = self._release_early
        self._defects = Defects(state.id, "its schedules", context)
        self._wake = asyncio.Event()
        self._busy = asyncio.Lock()
        self._tickets: list[tuple[Ticket, Enough]] = []
        self._bringing = False
        """What is bound is being brought to the panel, all of it before the attempt ends well."""
        self._failures = 0
        self._retry_at: float | None = None
        self._erase_all = False
        self._stopping = False
        self._waiting = False
        """Whether there is work for the panel, but for a look in the background that has it."""
        self._looking: asyncio.Task[Failure | None] | None = None
        self._renewed_at = 0.0
        self._asked_by: str | None = None
        """The request that the work is done for; its id goes with every record as long as the request may wait for it."""

    # what others ask of it

    def wake(self) -> None:
        """Something that the panel must hold has changed, or an attempt is asked for now."""
        self._asked_by = request_id.get() or self._asked_by
        self._retry_at = None
        self._wake.set()
        if any(self.state.may_hold(key) for key in self.state.leaving):
            self._transactions.hurry()

    def settle(self, ticket: Ticket, enough: Enough) -> None:
        """Tell `ticket` when the panel is settled: the next attempt that can know of it has ended or done `enough`, or none is
        possible.
        """
        away = self.state.unreachable()
        if self._stopping or self._defects.resting or enough():
            ticket.settled()
        elif away is not None:
            self.state.gave_up(away)
            ticket.settled()
        else:
            self._tickets.append((ticket, enough))
            if not self._bringing:
                self.wake()

    def report(self, defect: Exception) -> None:
        """A defect in the work for this panel, met elsewhere: the worker ends with it, and begins again."""
        self._defects.report(defect)
        self._wake.set()

    def sync(self) -> None:
        """Read all that the panel holds, now, and set its clock where it is wrong."""
        self.inspection.move_clock = True
        self.check(whole=True)
        self._defects.again()

    def check(self, *, whole: bool = False) -> None:
        """Look at the panel again before anything is claimed of it; `whole`: read all it holds."""
        self.state.doubt()
        self.inspection.read_all |= whole
        self.inspection.forget_clock()
        self.wake()

    def time_jumped(self) -> None:
        """The wall clock is another one, or is not believed any more: what it opens is left where the panel does not act on it
        yet."""
        if not self._context.may_open():
            self._transactions.hurry()
        self.measure_clock()

    def meet_again(self) -> None:
        """Ask the unit who it is, before anything is opened."""
        self.state.identity.forget()
        self.check()

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
        self.state.forgive()
        self.state.wear.forgive()
        self.wake()
        self._defects.again()

    def stop(self) -> None:
        """No new work; what runs ends at the next step."""
        self._stopping = self._transactions.stopped = True
        self._wake.set()
        self._defects.again()

    async def looked(self) -> None:
        """Wait until no look in the background is under way; one that is ends early."""
        if self._looking is not None:
            self._looking.cancel()
        async with self._busy:
            pass

    # its life

    async def run(self) -> None:
        """Work for the panel until `stop`. After a defect, which ends no other panel's work, it begins again with a reading."""
        try:
            await self._defects.survive(self._live, self._give_up)
        finally:
            self._release()
        with contextlib.suppress(StoreError):
            await self.state.wear.keep(now=True)

    async def _give_up(self, failure: Failure) -> bool:
        self._retry_at = None
        self.inspection.begin_anew()
        self.state.forget_content()
        self.state.gave_up(failure)
        self._context.trust.passed_over(self.state.id)
        self._release()
        return True

    async def _live(self) -> None:
        watching = asyncio.create_task(self._watch(), name=f"availability of {self.state.id}")
        watching.add_done_callback(lambda _: self._wake.set())  # its death ends the worker
        try:
            await self._work(watching)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _work(self, watching: asyncio.Task[None]) -> None:
        while await self._rest():
            if watching.done():
                watching.result()
            self._defects.check()
            self._wake.clear()
            self._waiting = True
            if self._looking is not None:
                self._looking.cancel()
            async with self._busy:
                self._waiting = False
                await self._attempt()

    async def _watch(self) -> None:
        """A panel that comes back is looked at before anything is claimed of it."""
        away = False
        async for availability in self.state.driver.availability:
            self.state.reached(away=availability in UNREACHABLE)
            if availability in UNREACHABLE:
                if not away:
                    self._context.emit(Away(self.state.id, UNREACHABLE[availability]))
                away = True
                self.state.identity.lost()
                if not self._busy.locked():  # an attempt settles it when it knows why it ended
                    self._release()
            elif away:
                away = False
                self._context.emit(Back(self.state.id))
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
            clock_s = self.inspection.clock_at - self._context.clock.wall()
            wait_s = self._retry_at - self._context.clock.monotonic()
            return min(wait_s, clock_s) if clock_s > 0 and self.state.driver.capabilities.clock != "none" else wait_s
        return min(self._next_wall() - self._context.clock.wall(), _LONGEST_SLEEP_S)

    def _next_wall(self) -> float:
        """Nothing is renewed while nothing may be opened: what is due by a wrong time would be due again at once."""
        clock = [self.inspection.clock_at] if self.state.driver.capabilities.clock != "none" else []
        renewals = self._renewals() if may_open(self.state, self._context) else []  # who may open again wakes the worker
        return min(renewals + clock, default=float("inf"))

    def _renewals(self) -> list[float]:
        held = [] if self.state.image is None else list(self.state.image.outcomes.values())
        outcomes = [*held, *(outcome for _, outcome in self.state.verdicts.values())]
        earliest = self._renewed_at + _RENEWAL_PAUSE_S
        return [max(outcome.renew_at, earliest) for outcome in outcomes if outcome.renew_at is not None]

    # one attempt

    async def _attempt(self) -> None:
        state = self.state
        request_id.set(self._asked_by)
        self.inspection.begin()
        failure = away = state.unreachable()
        if failure is None:
            try:
                failure = await self._converge()
                if failure is not None and failure.due is None and self._is_met_anew() and state.unreachable() is None:
                    failure = await self._converge()  # the connection was cut: who is there now is asked at once, but once
                await self._transactions.keep()
                await state.wear.keep()
            except StoreError as error:
                LOG.warning("store refused", extra={"panel": state.id, "error": str(error)})
                failure = Failure(Reason.BUS_UNAVAILABLE, f"the store refused: {error}")
            state.wear.noticed()
            if failure is not None and (failure.due is None or self._spent_since(failure)):
                self._context.emit(Failed(state.id, failure.reason, failure.message))
        state.gave_up(failure if away is None else state.failure or away)
        self._context.trust.passed_over(state.id)
        if request_id.get() == self._asked_by and not self._context.trust.awaiting:
            self._asked_by = None  # what comes now is done for no request, but for one that came meanwhile
        if not state.identity.checked:
            state.identity.changed()  # who waits to know which unit it is waits no longer
        if failure is None:
            self._failures, self._retry_at = 0, None
        elif failure.due is not None:
            self._retry_at = failure.due
            if failure.due > self._context.clock.monotonic() + self._context.options.deadline_s:
                self._release()
        else:
            self._failures += 1
            self._retry_at = self._context.clock.monotonic() + back_off_s(state.id, self._failures)
            self._release()
        with contextlib.suppress(StoreError):  # it is tried again after the next attempt
            await self._leaving.keep(durable=False)

    def _spent_since(self, failure: Failure) -> bool:
        """Whether endurance was left at the last attempt."""
        before = self.state.failure
        return failure.reason is Reason.ENDURANCE_SPENT and (before is None or before.reason is not failure.reason)

    def _is_met_anew(self) -> bool:
        """Whether the unit is behind another connection than before: it may be another one, or the same one after a restart.

        Asked once or twice an attempt: a server that closes after each reply would never be known otherwise.
        """
        return self.state.identity.checked and self.state.driver.connection != self.state.identity.connection

    async def _converge(self) -> Failure | None:
        clock = None
        if self._is_met_anew():
            self.state.identity.forget()
            self.state.doubt()
            self.inspection.forget_clock()
        for _ in range(_LOOKS):
            clock = await self._inspect()
            if self.state.certain and (clock is None or self.state.clock_missing):
                await self._transactions.take_over()
                break
            if clock is not None:
                return clock
        else:
            return Failure(Reason.UNEXPECTED_REPLY, "the panel restarts each time it is read")
        if self.state.retired and self.state.certain and not self._context.doubt:
            return await self._transactions.retire()
        erasing = self._erase_all and self.state.certain and may_open(self.state, self._context)  # it is written anew at once
        erasure = await self._transactions.erase() if erasing else None
        if erasure is not None and erasure.due is None:
            return erasure
        self._erase_all &= erasure is not None or not may_open(self.state, self._context)
        failure = await self._bring()  # a clock that cannot be set keeps no closing back, nor does an erasure that waits
        return clock or failure or erasure

    async def _inspect(self) -> Failure | None:
        """Look at the panel and keep its clock. It may not be certain after that: the status told of a restart."""
        priority = Priority.REVOCATION if self.state.leaving else Priority.GRANT
        failure = None if self.state.certain else await self.inspection.look(priority)
        if (failure is None or self.state.identity.stranger is not None) and self.inspection.clock_due():
            failure = await self.inspection.keep_clock(priority) or failure
        return failure

    async def _bring(self) -> Failure | None:
        self._bringing = True
        try:
            return await self._write()
        finally:
            self._bringing = False

    async def _write(self) -> Failure | None:
        """Write until the panel holds its target. What is asked meanwhile counts at once: the newest wins."""
        state = self.state
        while state.certain and not self._stopping:
            tickets = tuple(self._tickets)
            request_id.set(self._asked_by)
            failure = await self._take_away()
            if failure is not None:
                return failure
            awaited = self._context.trust.awaiting
            goal, before = await self._goal(), state.image
            failure = await self._transactions.write(goal)
            if failure is not None:
                return failure
            if _may_have_room(goal.image, before, state.image):
                continue
            if state.image == goal.image:
                failure = await self.inspection.save(Priority.REVOCATION)
                if failure is not None:
                    state.doubt()
                    return failure
                if state.certain:
                    self._transactions.record(goal)
                    if not awaited:
                        self._release(tickets if goal.version != state.version else None)
                break
        if self._context.doubt:
            return STORE_DOUBTED
        return CLOCK_NOT_SET if state.clock_missing and not self._context.trust.awaiting else None

    async def _take_away(self) -> Failure | None:
        """Identifiers that leave go at once: nothing has to be compiled for it. A number with a new owner here waits for the one
        write that gives it to them.
        """
        state, held = self.state, self.state.held()
        gone = [key for key in state.leaving if is_identifier(key) and not self._is_inherited(held, key)]
        return await self._transactions.write(taking_away(state, self._context, gone)) if gone else None

    def _is_inherited(self, held: PanelImage, key: str) -> bool:
        """Whether an identifier has no slot, or one whose number is another's by now who is bound to the panel."""
        slots = [held.identifiers[number] for number in held.allocation.get(key, ()) if number in held.identifiers]
        return not slots or any(self._context.ours.owner(slot.known_by) in self.state.bound for slot in slots)

    async def _goal(self) -> Goal:
        """What the panel must hold; new slots are durable before they are written.

        Where something else was asked for meanwhile, those who ask have to wait until this one image is compiled anew.
        """
        state, context = self.state, self._context
        refresh(state, context)
        if not may_open(state, context):
            return await self._closing_goal()
        async with alone(state, context, {}, urgent=bool(state.leaving)):
            goal = await compile_goal(state, context)
            if not is_current(state, goal):
                async with context.write_lock:
                    while not is_current(state, goal):
                        goal = await compile_goal(state, context)
        try:
            await self._reserve(goal)
        except StoreError:
            if state.certain:  # what is taken away needs no new slot
                await self._transactions.write(await self._closing_goal())
            raise
        self._renewed_at = context.clock.wall()
        return goal

    async def _closing_goal(self) -> Goal:
        """What is left where nothing may be opened; the newest request counts, however fast they follow each other."""
        goal = await closing_goal(self.state, self._context)
        if not is_current(self.state, goal) and self.state.certain:
            async with self._context.write_lock:
                while not is_current(self.state, goal) and self.state.certain:
                    goal = await closing_goal(self.state, self._context)
        return goal

    async def _reserve(self, goal: Goal) -> None:
        state = self.state
        if not used(goal.image.allocation).items() <= state.allocation.items():
            allocation = kept_allocation(state, goal.image.allocation, self._context.ours)
            await self._context.store.put_allocation(state.id, allocation, self._context.stamp())
            state.reserve(allocation)

    def _release_early(self) -> None:
        """Settle the tickets for which enough is done."""
        self._settle([each for each in self._tickets if each[1]()])

    def _release(self, tickets: Collection[tuple[Ticket, Enough]] | None = None) -> None:
        """Settle these tickets; None: all. Those that are left want another attempt."""
        self._settle(self._tickets if tickets is None else [each for each in self._tickets if each in tickets])
        if self._tickets:
            self._wake.set()

    def _settle(self, tickets: Collection[tuple[Ticket, Enough]]) -> None:
        self._tickets = [each for each in self._tickets if each not in tickets]
        for ticket, _ in tickets:
            ticket.settled()

    # in the background

    async def look(self) -> None:
        """A look at a panel that is thought to be in step, at the lowest priority; what is wrong wakes the worker.

        Work for the panel does not wait for it: the look is given up then.
        """
        await self._in_background(self.inspection.look)

    async def look_on(self) -> None:
        """Look in the background, as `look`, at a few of the words that a quick look leaves out."""
        self.inspection.whole.attempted()
        await self._in_background(self.inspection.look_on)

    async def _in_background(self, look: Callable[[Priority], Coroutine[None, None, Failure | None]]) -> None:
        try:
            await self._look(look)
        except Exception as defect:
            self.report(defect)

    async def _look(self, look: Callable[[Priority], Coroutine[None, None, Failure | None]]) -> None:
        state = self.state
        async with self._busy:
            if self._stopping or not state.certain or state.unreachable() is not None or self._wake.is_set() or self._waiting:
                return
            if self._is_met_anew():
                self.meet_again()
                return
            looking = self._looking = asyncio.create_task(look(Priority.BACKGROUND), name=f"look at {state.id}")
            try:
                await asyncio.wait([looking])
            finally:
                looking.cancel()
                self._looking = None
            if looking.cancelled():
                return
            if looking.result() is not None:
                state.doubt()
            if not state.certain or state.drifted or self.inspection.clock_due():
                self.wake()


def _may_have_room(wanted: PanelImage, before: PanelImage | None, after: PanelImage | None) -> bool:
    """Whether something was written that may have freed a slot for what found none: a slot is free when nobody refers to it."""
    short = any(outcome.reason is Reason.NO_FREE_SLOT for outcome in wanted.outcomes.values())
    return (
        short
        and before is not None
        and after is not None
        and (before.slots, before.identifiers) != (after.slots, after.identifiers)
    )
