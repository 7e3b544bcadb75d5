"""Outputs that somebody commands: opened for a time, by the panel's own pulse or by leases, and closed.

Nothing waits for a panel that is away, and what may have opened a door is never sent again. The line's queue takes a command
before everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from drivers.contract import DOOR, Acknowledgement, Outcome, Priority, Reason, item_key
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.defects import words_of
from gateway.fleet.panel.failure import AT_WORK
from gateway.fleet.panel.held_output import ON_ITS_WAY_S, HeldOutput, Opening, pulse_tenths, refusal
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.state import PanelState

PATIENCE_S = 2.0
"""How long a command may wait for its turn on the line: a door must not open late."""
_DONE = Acknowledgement(Outcome.ACKNOWLEDGED)
_MAY_BE = (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED)
_LATE = Acknowledgement(Outcome.NOT_SENT, None, Reason.DEADLINE_PASSED, "the output was being switched for too long")


class CommandedOutputs:
    """The outputs of one panel. `key`: the door's, under which the store remembers that an output may be on."""

    def __init__(self, state: PanelState, context: FleetContext, keeper: OutputKeeper) -> None:
        self._state = state
        self._context = context
        self._keeper = keeper
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._met = asyncio.Event()
        self._pulsing: dict[int, float] = {}
        """The ends of pulses that the panel times (monotonic seconds)."""

    def met(self) -> None:
        """It turned out whether the unit is the panel."""
        self._met.set()

    def is_on(self, output: int) -> bool | None:
        """Whether the gateway keeps an output on; None: that is not known."""
        held = self._keeper.held(output)
        return None if self._is_away() else held is not None and held.seen

    def senses(self, input_: int) -> bool | None:
        """Whether the door stands open whose contact is at an input; None: that is not known."""
        return None if self._is_away() else self._state.input(input_, self._context.clock.monotonic())

    def _is_away(self) -> bool:
        return self._state.unreachable() is not None or not self._state.identity.checked

    def opened(self, output: int) -> Opening | None:
        """The command that keeps it on by leases."""
        held = self._keeper.held(output)
        return None if held is None or held.is_over else held.opened

    def is_commanded(self, output: int) -> bool:
        """Whether a command to it is under way, or waits for its turn."""
        return self._turns[output].locked()

    async def pulse(self, output: int, seconds: float, key: str) -> Acknowledgement:
        """Open an output once. Longer than the panel times itself, or where the gateway holds it already, by leases."""
        return await self._survived(self._pulse(output, seconds, key))

    async def _pulse(self, output: int, seconds: float, key: str) -> Acknowledgement:
        deadline, tenths = self._deadline(), pulse_tenths(seconds)

        async def once() -> Acknowledgement:
            driver = self._state.driver
            if self._keeper.held(output) is not None or tenths > driver.longest_pulse:
                return await self._open(output, Opening(key, 0.0, False, lambda said: None), seconds, deadline)
            said = await driver.pulse(output, tenths, Priority.OPERATOR, deadline)
            if said.outcome in _MAY_BE:
                until = self._context.clock.monotonic() + seconds
                self._pulsing[output] = max(until, self._pulsing.get(output, 0.0))
            return said

        async with self._turns[output]:
            return await self._command(output, key, deadline, once)

    async def hold(self, output: int, seconds: float, key: str, ended: Callable[[Acknowledgement], None]) -> Acknowledgement:
        """Open an output for a time by leases, so that a dead gateway closes it; a later hold replaces an earlier one."""
        return await self._survived(self._hold(output, seconds, key, ended))

    async def _hold(self, output: int, seconds: float, key: str, ended: Callable[[Acknowledgement], None]) -> Acknowledgement:
        deadline = self._deadline()

        async def once() -> Acknowledgement:
            return await self._open(output, Opening(key, 0.0, True, ended), seconds, deadline)

        async with self._turns[output]:
            return await self._command(output, key, deadline, once)

    async def release(self, output: int) -> Acknowledgement:
        """End what somebody opened, a pulse too where the panel can. A time profile that holds the output goes on."""
        return await self._survived(self._release(output))

    async def _survived(self, command: Awaitable[Acknowledgement]) -> Acknowledgement:
        """A defect on the way is an end of a command like others: nobody knows how far it came, and all is switched off."""
        try:
            return await command
        except Exception as defect:
            self._keeper.report(defect)
            return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.FAILED, words_of(defect))

    async def _release(self, output: int) -> Acknowledgement:
        deadline = self._deadline()
        async with self._turns[output]:
            held = self._keeper.held(output) or HeldOutput(output, self._state, self._context)
            opened, held.opened = held.opened, None
            if opened is not None:
                held.ended = opened.ended
            if held.behind:
                await held.work_out()
            if held.wanted():
                held.ended = None
                held.doubt_lease()
                self._keeper.wake()
                return _DONE
            async with self._turn(held, deadline) as late:
                said = late or await self._keeper.switch(held, False, None, Priority.OPERATOR, deadline)
            if said.outcome is Outcome.ACKNOWLEDGED:
                said = await self._end_pulse(output, deadline)
                said = said if said.outcome is Outcome.REJECTED else await self._of_its_own(said, deadline)
            if said.outcome in (Outcome.ACKNOWLEDGED, Outcome.REJECTED):
                held.ended = None
                return said
            if opened is not None:
                self._keeper.take(held)  # closed as soon as that can be, and told then
            return said

    async def _of_its_own(self, said: Acknowledgement, deadline: float) -> Acknowledgement:
        """What became of a closing, which waits for nobody: behind a new connection another unit may have closed."""
        state = self._state
        is_same = state.identity.checked and state.identity.connection == state.driver.connection
        if said.outcome is not Outcome.ACKNOWLEDGED or is_same:
            return said
        await self._meet(deadline)
        return said if self._keeper.is_known() else replace(self._unreachable(), outcome=Outcome.UNCONFIRMED)

    async def _end_pulse(self, output: int, deadline: float) -> Acknowledgement:
        """Where the panel cannot, it matters only while a pulse lasts that is known of."""
        said = await self._state.driver.end_pulse(output, Priority.OPERATOR, deadline)
        left = self._pulsing.get(output, 0.0) - self._context.clock.monotonic()
        if said.outcome is Outcome.ACKNOWLEDGED:
            self._pulsing.pop(output, None)
        if said.outcome is not Outcome.REJECTED:
            return said
        return _DONE if left <= 0 else replace(said, message=f"{said.message}, in {left:.0f} s")

    def _deadline(self) -> float:
        return self._context.clock.monotonic() + PATIENCE_S

    @contextlib.asynccontextmanager
    async def _turn(self, held: HeldOutput, deadline: float) -> AsyncIterator[Acknowledgement | None]:
        """Have an output to oneself; what time profiles open there gives way. Gives why it is too late for that."""
        held.awaited += 1
        self._keeper.hurry()
        late = None
        try:
            async with asyncio.timeout(max(0.0, deadline - self._context.clock.monotonic())):
                await held.turn.acquire()
        except TimeoutError:
            late = _LATE
        finally:
            held.awaited -= 1
        held.commanded = late is None
        try:
            yield late
        finally:
            if late is None:
                held.commanded = False
                held.turn.release()
            self._keeper.wake()

    def _is_door(self, output: int, key: str) -> bool:
        place = (self._state.id, output, key)
        return any((door.panel, door.output, item_key(DOOR, door.id)) == place for door in self._context.doors)

    async def _command(
        self, output: int, key: str, deadline: float, once: Callable[[], Awaitable[Acknowledgement]]
    ) -> Acknowledgement:
        """Send a command to the unit that is known to be the panel. Where its connection ended meanwhile, the one behind the next
        connection is asked who it is, and gets the command then if nothing has left before."""
        denied = await self._denied(output, key, deadline)
        if denied is not None:
            return denied
        said = await once()
        if said.reason is not Reason.BUS_UNAVAILABLE or self._state.unreachable() is not None:
            return said
        if said.outcome is not Outcome.NOT_SENT:
            self._state.identity.doubted()
            return said
        await self._meet(deadline)
        return await self._denied(output, key, deadline) or await once()

    def _impossible(self, output: int, key: str) -> Acknowledgement | None:
        if not self._is_door(output, key):
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.DEPARTED, "the door has left the configuration")
        if not 0 <= output < self._state.driver.capabilities.outputs:
            return Acknowledgement(Outcome.REJECTED, None, Reason.NOT_REPRESENTABLE, f"the panel has no output {output}")
        return None

    async def _denied(self, output: int, key: str, deadline: float) -> Acknowledgement | None:
        """Why nothing is sent: an address is no identity, and a panel that is away opens nothing later."""
        state = self._state
        refused = self._impossible(output, key)
        if refused is None and (self._keeper.unit_is_open() or self._was_cut()):
            await self._meet(deadline)
            refused = self._impossible(output, key)  # the configuration may have changed meanwhile
        if refused is not None:
            return refused
        if self._keeper.is_known() and not state.retired and not self._keeper.stopping:
            return None
        state.driver.hasten()
        return self._unreachable()

    def _unreachable(self) -> Acknowledgement:
        failure = self._state.unreachable() or self._state.failure or AT_WORK
        return Acknowledgement(Outcome.NOT_SENT, None, failure.reason, failure.message)

    def _was_cut(self) -> bool:
        """Whether an ended connection is all that keeps it from being known which unit is there: that can be asked at once."""
        failure, identity = self._state.failure, self._state.identity
        is_open = not identity.checked and identity.stranger is None and self._state.unreachable() is None
        return is_open and failure is not None and failure.reason is Reason.BUS_UNAVAILABLE

    async def _meet(self, deadline: float) -> None:
        """Wait until it turns out whether the unit is the panel; behind a new connection it is asked."""
        self._met.clear()
        if self._state.identity.checked or self._was_cut():
            self._state.identity.doubted()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, deadline - self._context.clock.monotonic())):
                await self._met.wait()

    async def _open(self, output: int, opening: Opening, seconds: float, deadline: float) -> Acknowledgement:
        """Open an output for some seconds from the moment at which the command leaves."""
        capabilities, settings = self._state.driver.capabilities, self._state.settings
        barred = refusal(capabilities, output, unattended=settings.allow_unattended_outputs)
        if barred is not None:
            return Acknowledgement(Outcome.REJECTED, None, Reason.NOT_REPRESENTABLE, barred[1])
        held = self._keeper.held(output) or HeldOutput(output, self._state, self._context)
        async with self._turn(held, deadline) as late:
            refused = late or self._impossible(output, opening.key)  # the configuration may have changed meanwhile
            if refused is not None or self._keeper.stopping:
                return refused or self._unreachable()
            before = None if held.is_over else held.opened
            held.opened = _joined(replace(opening, until=self._context.clock.monotonic() + seconds), before)
            is_new = self._keeper.held(output) is None
            self._keeper.take(held)  # what may be open against its time is closed, whatever becomes of the command
            said = None
            try:
                failure = None if capabilities.output_deadman else await self._keeper.mark(held)
                if failure is not None:
                    said = Acknowledgement(Outcome.NOT_SENT, None, failure.reason, failure.message)
                else:
                    said = await self._switch_on(held, opening, before, seconds, deadline)
            finally:
                if said is None or said.outcome is not Outcome.ACKNOWLEDGED:
                    held.opened = before
            if said.outcome not in _MAY_BE and is_new:
                self._keeper.leave(held)
            return said

    async def _switch_on(
        self, held: HeldOutput, opening: Opening, before: Opening | None, seconds: float, deadline: float
    ) -> Acknowledgement:
        """A lease that waits for the line is made out anew, so that it never outlasts the time."""
        while True:
            now = self._context.clock.monotonic()
            held.opened = _joined(replace(opening, until=now + seconds), before)
            lease = self._lease(held, seconds)
            at_latest = deadline if lease is None or seconds < 1 else min(deadline, now + ON_ITS_WAY_S)
            said = await self._keeper.switch(held, True, lease, Priority.OPERATOR, at_latest)
            if said.reason is not Reason.DEADLINE_PASSED or self._context.clock.monotonic() >= deadline:
                return said

    def _lease(self, held: HeldOutput, seconds: float) -> int | None:
        """The whole time that it is opened for, where one lease is enough for that."""
        lease, _ = held.lease()
        return None if lease is None else max(1, lease, min(int(seconds), self._state.settings.hold_lease_s))


def _joined(opening: Opening, before: Opening | None) -> Opening:
    """What an output is opened by where it was opened `before`: a hold replaces it, a pulse shortens no hold."""
    if opening.again or before is None:
        return opening
    return replace(opening, ended=before.ended) if before.until < opening.until else before
