"""Outputs held by the gateway, one keeper a panel: on while any profile bound to an output is open, by leases.

Opening edges are grants, closing edges revocations, and a lease that runs is prolonged as urgently as one closes. These two
wait for nothing that may wait itself: no look at the panel, no grant, no store. What was switched by hand, or fell off, is
put right at the next look. An acknowledgement is no reading: what a panel acknowledged counts once it was read to be so.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Collection, Mapping

from drivers.contract import Acknowledgement, Outcome, Priority, Reason
from drivers.trace import request_id
from gateway.concurrency import Ticket
from gateway.fleet.context import FleetContext
from gateway.fleet.events import OutputSwitched
from gateway.fleet.panel.defects import Defects
from gateway.fleet.panel.failure import Failure, failure_of
from gateway.fleet.panel.held_output import HeldOutput, not_held
from gateway.fleet.panel.marks import Marks
from gateway.fleet.panel.state import PanelState

_RETRY_S = 1.0
"""Time until the next try of what failed, and until a clock that was not trusted is asked again."""
_STRIDE_S = 60.0
"""Longest time without a look at the wall clock: one that is being slewed is followed."""


class OutputKeeper:
    """`marked`: outputs that an earlier run held, with the items that they were held for, known from the store; they are switched
    off unless still bound. `lease`: what the store has of how long they stay on by themselves."""

    def __init__(
        self, state: PanelState, context: FleetContext, marked: Mapping[int, Collection[str]], lease: str | None = None
    ) -> None:
        self._state = state
        self._context = context
        outputs = state.driver.capabilities.outputs
        self._held = {number: HeldOutput(number, state, context) for number in marked if number < outputs}
        lease_s = state.settings.hold_lease_s if state.driver.capabilities.output_deadman else None
        self._marks = Marks(state.id, context, marked, lease_s, lease)
        self._wake = asyncio.Event()
        self._waiting: list[tuple[Ticket, int]] = []
        """Who waits for which output."""
        self._failure: Failure | None = None
        """Why the last round failed."""
        self._holding = asyncio.Event()
        """There is something to look at."""
        self._failed: dict[tuple[int, bool], float] = {}
        """What was hastened in this round and failed: (output, on) -> when it is due again (monotonic)."""
        self._hurry = asyncio.Event()
        """Something is urgent, or what may wait has ended."""
        self._commanded = asyncio.Event()
        """A command was acknowledged, and has to be read."""
        self._reading = asyncio.Lock()
        self._stopping = False
        self._asked_by: str | None = None
        self._defects = Defects(state.id, "its outputs", context)

    # what others ask of it

    def wake(self) -> None:
        self._asked_by = request_id.get() or self._asked_by
        self._rouse()

    def recalculate(self) -> None:
        """The wall clock jumped."""
        for held in self._held.values():
            held.recalculate()
        self._rouse()

    def _rouse(self) -> None:
        self._wake.set()
        self._hurry.set()

    def settle(self, ticket: Ticket, output: int) -> None:
        """Tell `ticket` when an output has its desired state, or a whole round has been made for it."""
        if self._stopping or self._defects.resting:
            ticket.settled()
        else:
            self._waiting.append((ticket, output))
            self.wake()

    def marked(self) -> Mapping[int, Collection[str]]:
        """Outputs that may be on, with the items that they are on for; durably."""
        return self._marks.outputs

    @property
    def lease(self) -> str | None:
        """How many seconds they stay on by themselves, as the store has it."""
        return self._marks.lease

    async def inherit(self, marked: Mapping[int, Collection[str]]) -> None:
        """What was known as another panel may have these outputs on: they are switched off unless bound."""
        for number, keys in marked.items():
            if number < self._state.driver.capabilities.outputs:
                self._held.setdefault(number, HeldOutput(number, self._state, self._context))
                await self._marks.put(number, keys)
        self._rouse()

    @property
    def defect(self) -> Failure | None:
        """The defect of the gateway that keeps it from holding outputs."""
        return self._defects.failure

    @property
    def failure(self) -> Failure | None:
        """Why outputs do not have their desired states, as far as known."""
        return self._defects.failure or self._failure

    def report(self, defect: Exception) -> None:
        """A defect in the work for the outputs, met elsewhere: the work ends with it, and begins again."""
        self._defects.report(defect)
        self._rouse()

    def again(self) -> None:
        """An operator asks: what failed does not wait for its next try."""
        self._defects.again()
        self.wake()

    def held(self, output: int) -> HeldOutput | None:
        """None: the gateway does not hold it."""
        return self._held.get(output)

    # its life

    async def run(self) -> None:
        """Hold the outputs until `stop`. After a defect, which ends no other panel's work, all are switched off first."""
        try:
            await self._defects.survive(self._live, self._make_safe)
        finally:
            self._release(list(self._waiting))
        await self._all_off(opened_only=self._state.settings.on_stop == "hold")
        with contextlib.suppress(Exception):  # what is not seen to be off stays marked
            await self._unmark()

    async def _unmark(self) -> None:
        """What is off when the work ends is marked no more."""
        if any(held.unread for held in self._held.values()):
            await self._look(confirming=True)
        for number in [number for number in self._marks.outputs if number in self._held and self._held[number].is_off]:
            await self._marks.put(number, ())

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self.defect is not None and not self._stopping:
                await self._look()  # what fails there opens nothing in between
            looking = tasks.create_task(self._keep_looking())
            await self._hold()
            looking.cancel()

    async def _hold(self) -> None:
        while not self._stopping:
            self._defects.check()
            waiting = list(self._waiting)
            request_id.set(self._asked_by)
            self._asked_by = None
            self._wake.clear()
            early = self._is_early()
            self._failure = await self._round()
            self._defects.healed()
            if not (early or self._is_early()):  # what became of them in a round that came too early is not what becomes of them
                self._release(waiting)
            if not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._wake.wait()

    def _is_early(self) -> bool:
        """Whether nothing is switched on yet that may be switched on soon."""
        return self.unit_is_open() or self._context.trust.awaiting

    def unit_is_open(self) -> bool:
        """Whether it is about to turn out whether the unit is the panel: nothing is switched on before."""
        state = self._state
        known = self.is_known() or state.identity.stranger is not None
        return not known and state.failure is None and state.unreachable() is None

    def is_known(self) -> bool:
        """Whether the unit that a command reaches now is the panel."""
        return self._state.identity.is_known(self._state.driver.connection, self._context.clock.monotonic())

    def _meet_again(self) -> None:
        """Before anything is switched on or prolonged behind a new connection, the unit is asked who it is."""
        to_come = (held for held in self._held.values() if not held.behind and held.wanted() and held.due(wanted=True))
        if self._state.identity.checked and not self.is_known() and any(to_come):
            self._state.identity.doubted()

    def _doubt_unit(self, said: Acknowledgement) -> None:
        """Where a connection ended, and the panel can be spoken to, the unit is asked again who it is."""
        is_cut = said.reason is Reason.BUS_UNAVAILABLE and self._state.unreachable() is None
        if is_cut and self._state.identity.checked and not self.is_known():
            self._state.identity.doubted()

    def _may_open(self, held: HeldOutput) -> bool:
        taken = held.awaited or held.commanded
        return self.is_known() and not taken and not held.runs and not held.behind and held.wanted()

    def _release(self, waiting: Collection[tuple[Ticket, int]]) -> None:
        self._waiting, leaving = [each for each in self._waiting if each not in waiting], self._waiting
        for each in leaving:
            if each in waiting:
                each[0].settled()

    def _release_right(self) -> None:
        self._release([each for each in self._waiting if self._needs_nothing(each[1])])

    def _needs_nothing(self, output: int) -> bool:
        held = self._held.get(output)
        return held.is_right if held is not None else output not in self._state.outputs

    def stop(self) -> None:
        self._stopping = True
        self._defects.again()
        self._rouse()

    async def _make_safe(self, failure: Failure) -> bool:
        """Switch everything off after a defect; returns whether all outputs were seen off."""
        self._release(list(self._waiting))
        return await self._all_off()

    async def _all_off(self, *, opened_only: bool = False) -> bool:
        """Switch off what is not known to be off, or as much of it as somebody opened; one that cannot be keeps no other on."""
        for held in list(self._held.values()):
            if not held.is_off and (held.opened is not None or not opened_only):
                try:
                    await self._switch(held, on=False)
                except Exception:  # the log has such an error once a try; here it counts that the output may be on
                    self._context.emit(OutputSwitched(self._state.id, held.number, False, Reason.FAILED))
        return all(held.seen is False for held in self._held.values())

    def _pause(self) -> float | None:
        if not self._held:
            return None
        settled = self._failure is None and self._context.may_open()
        return min(_STRIDE_S if settled else _RETRY_S, self._next_instant())

    def _next_instant(self) -> float:
        """Seconds to the next edge, prolongation or attempt."""
        wall, now = self._context.clock.wall(), self._context.clock.monotonic()
        edges = [held.edge - wall for held in self._held.values() if not held.behind and held.edge is not None]
        dues = [*self._failed.values(), *(held.prolong_at for held in self._held.values() if held.prolong_at is not None)]
        opened = [held.opened for held in self._held.values() if held.opened is not None]
        dues += [at for each in opened for at in (each.takes_over_at, each.until)]
        return max(0.001, min([*edges, *(at - now for at in dues if at > now)], default=math.inf))

    # switching

    async def _round(self) -> Failure | None:
        """Switch outputs that do not have their desired states: urgent ones first, and beside those that may wait."""
        self._failed.clear()
        failure = None
        while True:
            self._follow()
            failure = await self._hasten() or failure
            if self._stopping or not (self._held or self._marks.outputs):
                return failure
            leisure = asyncio.create_task(self._leisurely())
            try:
                failure = await self._hasten_beside(leisure) or failure
            finally:
                leisure.cancel()
                await asyncio.gather(leisure, return_exceptions=True)
            if not leisure.cancelled():
                return leisure.result() or failure

    async def _hasten(self) -> Failure | None:
        failure = None
        self._meet_again()
        while not self._opens_what_shall_close() and (urgent := self._urgent()) is not None:
            held, on = urgent
            said = await (self._prolong(held) if on else self._switch(held, on=False))
            if said is not None:
                self._failed[held.number, on] = self._context.clock.monotonic() + _RETRY_S
            failure = failure or said
        return failure

    async def _prolong(self, held: HeldOutput) -> Failure | None:
        """Prolong until anything has to close: that waits for no repetition on a bad line, and nothing is prolonged after it."""
        prolonging = asyncio.create_task(self._switch(held, on=True))
        prolonging.add_done_callback(lambda _: self._hurry.set())
        try:
            while not prolonging.done() and not self._is_closing():
                self._hurry.clear()
                await self._until_hurry()
        finally:
            prolonging.cancel()
            await asyncio.gather(prolonging, return_exceptions=True)
        return None if prolonging.cancelled() else prolonging.result()

    def _is_closing(self) -> bool:
        urgent = self._urgent()
        return urgent is not None and not urgent[1]

    async def _until_hurry(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_STRIDE_S, self._next_instant())):
                await self._hurry.wait()

    async def _hasten_beside(self, leisure: asyncio.Task[Failure | None]) -> Failure | None:
        """Do what is urgent until `leisure` is over, or what it opens must no longer be open, or it is time to stop."""
        leisure.add_done_callback(lambda _: self._hurry.set())
        failure = None
        while not (leisure.done() or self._stopping or self._opens_what_shall_close()):
            self._hurry.clear()
            failure = await self._hasten() or failure
            await self._until_hurry()
        return failure

    def _opens_what_shall_close(self) -> bool:
        return any(held.opening and (held.awaited or not held.wanted()) for held in self._held.values())

    async def _leisurely(self) -> Failure | None:
        await self._work_out()
        failure = await self._mark()
        failure = await self._open() or failure
        await self._confirm()  # what it shows to be off is marked no more in the round that follows
        return failure

    async def _work_out(self) -> None:
        """Find out which outputs have to be open where that takes long: others are switched meanwhile."""
        for held in list(self._held.values()):
            if held.behind:
                await held.work_out()
                self._hurry.set()

    async def _confirm(self) -> None:
        """Read what acknowledged a command, if nobody has done so since."""
        async with self._reading:
            if any(held.unread for held in self._held.values()):
                await self._look(confirming=True)

    def _urgent(self) -> tuple[HeldOutput, bool] | None:
        """A closing or else a prolongation that is due."""
        found, now = None, self._context.clock.monotonic()
        for held in self._held.values():
            if held.behind:
                continue
            on = held.wanted()
            if (
                held.opening
                or (on and not (held.runs and self.is_known()))
                or not held.due(wanted=on)
                or self._failed.get((held.number, on), now) > now
            ):
                continue
            if not on:
                return held, on
            found = held, on
        return found

    async def _open(self) -> Failure | None:
        """Switch on what may open and is durably marked."""
        failure = None
        for held in list(self._held.values()):
            if held.number in self._marks.outputs and self._may_open(held):
                held.opening = True
                try:
                    said = await self._switch(held, on=True)
                finally:
                    held.opening = False
                    self._hurry.set()  # a lease may have begun
                failure = failure or said
        return failure

    def _follow(self) -> None:
        bound = self._state.outputs
        for number in bound:
            if number not in self._held and not_held(number, self._state, self._context) is None:
                self._held[number] = HeldOutput(number, self._state, self._context)
        for number, held in list(self._held.items()):
            if held.is_off and (held.is_over or held.ended is not None):
                self._ended(held, Acknowledgement(Outcome.ACKNOWLEDGED))
            if number not in bound and held.opened is None and held.is_off and number not in self._marks.outputs:
                del self._held[number]
        if self._held:
            self._holding.set()
        else:
            self._holding.clear()

    def _out_of_place(self) -> list[tuple[int, HeldOutput]]:
        """Outputs that the panel lacks: nobody holds them any more, whatever an earlier run marked."""
        missing = [HeldOutput(number, self._state, self._context) for number in self._marks.outputs if number not in self._held]
        for held in missing:
            held.seen = False
        return [(held.number, held) for held in missing]

    async def _mark(self) -> Failure | None:
        """Which outputs are held is durable before the first is switched on, and until it was seen off."""
        failure = None
        for number, held in [*self._held.items(), *self._out_of_place()]:
            if held.kept_for or held.is_off:
                failure = await self._marks.put(number, self._may_be_on_for(held)) or failure
        return failure

    async def _switch(self, held: HeldOutput, *, on: bool) -> Failure | None:
        """Switch or prolong, for how long is worked out as soon as it is this output's turn."""
        async with held.turn:
            lease, deadline = held.lease() if on else (None, None)
            if on and held.seen and not held.due(wanted=True):
                return None  # somebody's command has just done so
            if lease == 0 or (on and not held.wanted()):
                return Failure(Reason.DEADLINE_PASSED, "it closes before a lease would end")
            priority = Priority.GRANT if held.opening else Priority.REVOCATION
            said = await self.switch(held, on, lease, priority, deadline)
        if not on:
            self._ended(held, said)
        elif said.outcome is Outcome.ACKNOWLEDGED and held.is_taken_over():
            held.opened = None
        return None if said.outcome is Outcome.ACKNOWLEDGED else failure_of(said)

    @staticmethod
    def _ended(held: HeldOutput, said: Acknowledgement) -> None:
        """What somebody opened is over: told at the first attempt to close it, and again when it is closed."""
        opened, held.opened = held.opened, None
        ended = held.ended if opened is None else opened.ended
        if ended is None:
            return
        done = said.outcome is Outcome.ACKNOWLEDGED
        held.ended = None if done else ended
        if done or opened is not None:
            ended(said)

    @property
    def stopping(self) -> bool:
        """Nothing is looked after any more."""
        return self._stopping

    def hurry(self) -> None:
        """Somebody waits for the turn of an output."""
        self._hurry.set()

    def take(self, held: HeldOutput) -> None:
        """Look after an output that somebody opened, until it is off."""
        self._held[held.number] = held
        self._rouse()

    def leave(self, held: HeldOutput) -> None:
        """Nothing was sent to an output that nobody held before."""
        if held.number not in self._marks.outputs and held.number not in self._state.outputs:
            self._held.pop(held.number, None)

    async def mark(self, held: HeldOutput) -> Failure | None:
        """What it is kept for is durable."""
        return await self._marks.put(held.number, self._may_be_on_for(held))

    def _may_be_on_for(self, held: HeldOutput) -> Collection[str]:
        """The items that an output is kept for, and until it is seen to be right those that it was kept for before."""
        before = frozenset[str]() if held.is_off or held.is_right else self._marks.outputs.get(held.number, frozenset())
        return before.union(held.kept_for)

    async def switch(
        self, held: HeldOutput, on: bool, lease: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        """Switch or prolong in `held.turn`. Cut short, the output is in a state that is not known."""
        now, news, before = self._context.clock.monotonic(), held.seen is not on, held.seen
        held.seen = on if before is on else None  # while it is under way nobody knows
        held.switching = True
        held.commands += 1
        try:
            said = await self._state.driver.set_output(held.number, on, lease, priority, deadline)
        except BaseException:
            held.seen = None
            raise
        finally:
            held.switching = False
        acknowledged = said.outcome is Outcome.ACKNOWLEDGED
        if news or not acknowledged:
            self._context.emit(OutputSwitched(self._state.id, held.number, on, None if acknowledged else said.reason))
        if not acknowledged:
            self._doubt_unit(said)
            held.seen = before if said.reason is Reason.DEADLINE_PASSED else None
            return said
        held.switched(on=on, lease=lease, began=now)
        held.unread |= news
        if held.unread:
            self._commanded.set()
        self._release_right()
        return said

    # looking

    async def _keep_looking(self) -> None:
        while True:
            await self._holding.wait()
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._state.settings.poll_ms / 1000):
                    while True:
                        await self._commanded.wait()
                        self._commanded.clear()
                        await self._confirm()

    async def _look(self, *, confirming: bool = False) -> None:
        """What is not as it was seen last is put right at once. A panel without time for a look tells nothing.

        `confirming`: what was commanded just now is compared only; what did not come true is commanded again at the next poll.
        Of what is commanded meanwhile a look says nothing: that is read when its acknowledgement is there.
        """
        before = {number: held.commands for number, held in self._held.items()}
        shown = await self._state.driver.read_outputs(Priority.VERIFICATION, None)
        if isinstance(shown, Acknowledgement) and shown.reason is Reason.DEADLINE_PASSED:
            return
        if isinstance(shown, Acknowledgement):
            self._doubt_unit(shown)
        cannot = isinstance(shown, Acknowledgement) and shown.outcome is Outcome.REJECTED
        for number, held in self._held.items():
            if held.switching or before.get(number) != held.commands:
                continue
            on = shown[number] if not isinstance(shown, Acknowledgement) and number < len(shown) else None
            if cannot or on is held.seen:
                if held.unread or held.contradicted:
                    self._wake.set()
                held.agreed()
            elif not confirming:
                held.shown(on)
                self._rouse()
            elif held.unread and on is not None:
                held.contradicted = True
        self._release_right()
