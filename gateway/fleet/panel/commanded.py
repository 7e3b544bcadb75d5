"""Outputs that somebody commands: opened for a time, by the panel's own pulse or by leases, and closed.

Nothing waits for a panel that is away, and what may have opened a door is never sent again. The line's queue takes a command
before everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable

from drivers.contract import Acknowledgement, Outcome, Priority, Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.failure import AT_WORK
from gateway.fleet.panel.held_output import ON_ITS_WAY_S, HeldOutput, Opening, refusal
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.state import PanelState

PATIENCE_S = 2.0
"""How long a command may wait for its turn on the line: a door must not open late."""
_DONE = Acknowledgement(Outcome.ACKNOWLEDGED)


class CommandedOutputs:
    """The outputs of one panel. `key`: the door's, under which the store remembers that an output may be on."""

    def __init__(self, state: PanelState, context: FleetContext, keeper: OutputKeeper) -> None:
        self._state = state
        self._context = context
        self._keeper = keeper
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._met = asyncio.Event()

    def met(self) -> None:
        """It turned out whether the unit is the panel."""
        self._met.set()

    def is_on(self, output: int) -> bool | None:
        """Whether the gateway keeps an output on; None: that is not known."""
        held = self._keeper.held(output)
        away = self._state.unreachable() is not None or not self._state.identity.checked
        return None if away else held is not None and held.seen

    def opened(self, output: int) -> Opening | None:
        """The command that keeps it on by leases."""
        held = self._keeper.held(output)
        return None if held is None or held.is_over else held.opened

    async def pulse(self, output: int, seconds: float, key: str) -> Acknowledgement:
        """Open an output once. Longer than the panel times itself, or where the gateway holds it already, by leases."""
        deadline, tenths = self._deadline(), round(10 * seconds)
        async with self._turns[output]:
            denied = await self._denied(output, deadline)
            if denied is not None:
                return denied
            driver = self._state.driver
            if self._keeper.held(output) is None and tenths <= driver.longest_pulse:
                return await driver.pulse(output, tenths, Priority.OPERATOR, deadline)
            until = self._context.clock.monotonic() + seconds
            return await self._open(output, Opening(key, until, False, lambda said: None), deadline)

    async def hold(self, output: int, seconds: float, key: str, ended: Callable[[Acknowledgement], None]) -> Acknowledgement:
        """Open an output for a time by leases, so that a dead gateway closes it; a later hold replaces an earlier one."""
        deadline = self._deadline()
        async with self._turns[output]:
            until = self._context.clock.monotonic() + seconds
            return await self._denied(output, deadline) or await self._open(output, Opening(key, until, True, ended), deadline)

    async def release(self, output: int) -> Acknowledgement:
        """End what somebody opened by leases. A time profile that holds the output goes on."""
        deadline = self._deadline()
        async with self._turns[output]:
            held = self._keeper.held(output) or HeldOutput(output, self._state, self._context)
            held.opened = None
            if held.behind:
                await held.work_out()
            if held.wanted():
                return _DONE
            async with held.turn:
                return await self._keeper.switch(held, False, None, Priority.OPERATOR, deadline)

    def _deadline(self) -> float:
        return self._context.clock.monotonic() + PATIENCE_S

    async def _denied(self, output: int, deadline: float) -> Acknowledgement | None:
        """Why nothing is sent: an address is no identity, and a panel that is away opens nothing later."""
        state = self._state
        if not 0 <= output < state.driver.capabilities.outputs:
            return Acknowledgement(Outcome.REJECTED, None, Reason.NOT_REPRESENTABLE, f"the panel has no output {output}")
        if self._keeper.unit_is_open():
            await self._meet(deadline)
        if self._keeper.is_known() and not state.retired and not self._keeper.stopping:
            return None
        state.driver.hasten()
        failure = state.unreachable() or state.failure or AT_WORK
        return Acknowledgement(Outcome.NOT_SENT, None, failure.reason, failure.message)

    async def _meet(self, deadline: float) -> None:
        """Wait until it turns out whether the unit is the panel; behind a new connection it is asked."""
        self._met.clear()
        if self._state.identity.checked:
            self._state.identity.doubted()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, deadline - self._context.clock.monotonic())):
                await self._met.wait()

    async def _open(self, output: int, opening: Opening, deadline: float) -> Acknowledgement:
        capabilities, settings = self._state.driver.capabilities, self._state.settings
        refused = refusal(capabilities, output, unattended=settings.allow_unattended_outputs)
        if refused is not None:
            return Acknowledgement(Outcome.REJECTED, None, Reason.NOT_REPRESENTABLE, refused[1])
        held = self._keeper.held(output) or HeldOutput(output, self._state, self._context)
        before = None if held.is_over else held.opened
        held.opened = opening if opening.again or before is None or before.until < opening.until else before
        if not capabilities.output_deadman:
            self._keeper.take(held)
            failure = await self._keeper.mark(held)
            if failure is not None:
                held.opened = before
                return Acknowledgement(Outcome.NOT_SENT, None, failure.reason, failure.message)
        async with held.turn:
            said = await self._keeper.switch(held, True, self._lease(held, opening), Priority.OPERATOR, deadline)
        if said.outcome is not Outcome.ACKNOWLEDGED:
            held.opened = before
        if said.outcome in (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED):
            self._keeper.take(held)  # what may be open against its time is closed
        return said

    def _lease(self, held: HeldOutput, opening: Opening) -> int | None:
        """The whole time that it was opened for, where one lease is enough for that."""
        lease, _ = held.lease()
        if lease is None:
            return None
        asked = int(opening.until - self._context.clock.monotonic() + ON_ITS_WAY_S)
        return max(1, lease, min(asked, self._state.settings.hold_lease_s))
