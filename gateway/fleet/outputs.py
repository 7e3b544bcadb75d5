"""Outputs held by the gateway, one keeper a panel: on while any profile bound to an output is open, by leases.

Opening edges are grants, closing edges revocations. What was switched by hand, or fell off, is put right at the next poll.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable

from drivers.contract import Acknowledgement, ItemOutcome, ItemState, Outcome, Priority, Reason, Refusal
from drivers.trace import request_id
from gateway.fleet.context import FleetContext
from gateway.fleet.held_output import HeldOutput
from gateway.fleet.inspection import failure_of
from gateway.fleet.panel_state import AT_WORK, Failure, PanelState, told
from gateway.fleet.results import PanelResult
from gateway.fleet.store import StoreError
from gateway.fleet.tickets import Ticket

_IDLE_S = 3600.0


class OutputKeeper:
    """`marked`: outputs that an earlier run held, known from the store; they are switched off unless still bound."""

    def __init__(self, state: PanelState, context: FleetContext, marked: Collection[int]) -> None:
        self._state = state
        self._context = context
        self._held = {number: HeldOutput(number) for number in marked}
        self._marked = set(marked)
        self._wake = asyncio.Event()
        self._tickets: list[Ticket] = []
        self._failure: Failure | None = None
        self._poll_at = 0.0
        self._stopping = False
        self._asked_by: str | None = None

    # what others ask of it

    def wake(self) -> None:
        self._asked_by = request_id.get() or self._asked_by
        self._wake.set()

    def recalculate(self) -> None:
        """The wall clock jumped."""
        for held in self._held.values():
            held.recalculate()
        self._wake.set()

    def settle(self, ticket: Ticket) -> None:
        if self._stopping:
            ticket.settled()
        else:
            self._tickets.append(ticket)
            self.wake()

    def is_settled(self, output: int, link_id: str) -> bool:
        result = self.result(output, link_id)
        return result.success or result.outcome is ItemState.REFUSED

    def is_on(self, output: int) -> bool | None:
        """As last seen; None: not known."""
        held = self._held.get(output)
        return None if held is None else held.seen

    def result(self, output: int, link_id: str) -> PanelResult:
        """What the output says of one link_id: held when it was seen in the state that it shall have now."""
        target = f"{self._state.id}:{output}"
        bound = link_id in self._state.outputs.get(output, {})
        refusal = self.refusal(output)
        if refusal is not None:
            return told(target, refusal if bound else ItemOutcome(ItemState.REMOVED))
        held = self._held.get(output)
        right = held is not None and held.seen is not None and held.seen == self._wanted(held)
        if not bound and (held is None or right):
            return told(target, ItemOutcome(ItemState.REMOVED))
        if right and self._context.trusted():
            return told(target, ItemOutcome(ItemState.GATEWAY_HELD))
        return told(target, self._pending())

    def _pending(self) -> ItemOutcome:
        failure = self._failure or self._state.unreachable()
        if failure is None:
            failure = AT_WORK if self._context.trusted() else Failure(Reason.CLOCK_NOT_SET, "the gateway's clock is not trusted")
        return ItemOutcome(ItemState.PENDING, failure.reason, failure.message)

    def refusal(self, output: int) -> ItemOutcome | None:
        capabilities = self._state.driver.capabilities
        if not 0 <= output < capabilities.outputs:
            limit, message = "outputs", f"the panel has {capabilities.outputs} outputs"
        elif not capabilities.output_deadman and not self._state.settings.allow_unattended_outputs:
            limit, message = "output_deadman", "the output would stay on if the gateway died"
        else:
            return None
        refusal = Refusal(Reason.NOT_REPRESENTABLE, limit, message)
        return ItemOutcome(ItemState.REFUSED, refusal.reason, message, refusal=refusal)

    # its life

    async def run(self) -> None:
        try:
            await self._hold()
        finally:
            self._release(self._tickets)
        await self._leave()

    async def _hold(self) -> None:
        while not self._stopping:
            tickets, self._tickets = self._tickets, []
            request_id.set(self._asked_by)
            self._asked_by = None
            self._wake.clear()
            self._failure = await self._round()
            self._release(tickets)
            if not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._wake.wait()

    @staticmethod
    def _release(tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            ticket.settled()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def _leave(self) -> None:
        if self._state.settings.on_stop == "off":
            for held in self._held.values():
                if held.seen is not False:
                    await self._switch(held, on=False)

    def _pause(self) -> float:
        """Seconds to the next edge, prolongation or poll."""
        if not self._held:
            return _IDLE_S
        now = self._context.clock.wall()
        edges = [held.edge for held in self._held.values() if held.edge is not None]
        prolong = [held.prolong_at for held in self._held.values() if held.prolong_at is not None]
        poll = self._poll_at - self._context.clock.monotonic()
        return max(0.001, min([poll, *(at - now for at in edges), *(at - now for at in prolong if at > now)]))

    @property
    def _lease_s(self) -> int:
        return self._state.settings.hold_lease_s

    async def _round(self) -> Failure | None:
        """Look if it is time, then switch what is not as it shall be: closings first."""
        self._follow()
        if not self._held:
            return None
        try:
            await self._mark()
        except StoreError as error:
            return Failure(Reason.BUS_UNAVAILABLE, f"the store refused: {error}")
        failure = await self._poll()
        now = self._context.clock.wall()
        for held in sorted(self._held.values(), key=self._wanted):
            if not self._due(held, now):
                continue
            said = await self._switch(held, on=self._wanted(held))
            failure = failure or said
        return failure

    def _follow(self) -> None:
        bound = self._state.outputs
        for number in bound:
            if number not in self._held and self.refusal(number) is None:
                self._held[number] = HeldOutput(number)
        for number, held in list(self._held.items()):
            if number not in bound and held.seen is False and number not in self._marked:
                del self._held[number]

    async def _mark(self) -> None:
        """Which outputs are held is durable before the first is switched on, and until it was seen off."""
        for number, held in list(self._held.items()):
            target, bound = f"{self._state.id}:{number}", self._state.outputs.get(number, {})
            if bound and number not in self._marked:
                await self._context.store.put_allocation(target, dict.fromkeys(bound, ()), self._context.clock.wall())
                self._marked.add(number)
            elif not bound and number in self._marked and held.seen is False:
                await self._context.store.put_allocation(target, {}, self._context.clock.wall())
                self._marked.discard(number)

    async def _poll(self) -> Failure | None:
        now = self._context.clock.monotonic()
        if now < self._poll_at:
            return None
        self._poll_at = now + self._state.settings.poll_ms / 1000
        shown = await self._state.driver.read_outputs(Priority.VERIFICATION, None)
        if isinstance(shown, Acknowledgement):
            for held in self._held.values():
                held.seen = None
            return failure_of(shown)
        for number, held in self._held.items():
            if shown[number : number + 1] != (held.seen,):  # somebody else switched it: under what lease is not known
                held.prolong_at = self._context.clock.wall() if self._state.driver.capabilities.output_deadman else None
            held.seen = shown[number] if number < len(shown) else None
        return None

    def _wanted(self, held: HeldOutput) -> bool:
        held.follow(self._state.outputs.get(held.number, {}), self._context.options.readings)
        return self._context.trusted() and held.open_at(self._context.clock.wall())

    def _due(self, held: HeldOutput, now: float) -> bool:
        wanted = self._wanted(held)
        if not wanted or not held.seen:
            return held.seen is not wanted
        return held.prolong_at is not None and now >= held.prolong_at

    async def _switch(self, held: HeldOutput, *, on: bool) -> Failure | None:
        """Switch or prolong. A lease ends where the profiles close, so that a dead gateway does not hold beyond."""
        now = self._context.clock.wall()
        lease = self._lease(held, now) if on else None
        if lease == 0:
            return None
        priority = Priority.GRANT if on else Priority.REVOCATION
        said = await self._state.driver.set_output(held.number, on, lease, priority, None)
        acknowledged = said.outcome is Outcome.ACKNOWLEDGED
        if held.seen is not on or not acknowledged:
            self._context.events.output(self._state.id, held.number, on, None if acknowledged else said.reason)
        held.seen = on if acknowledged else None
        held.prolong_at = now + lease / 2 if acknowledged and lease == self._lease_s else None
        return None if acknowledged else failure_of(said)

    def _lease(self, held: HeldOutput, now: float) -> int | None:
        """Seconds; None: the output does not fall off by itself; 0: it would close before a lease could be over."""
        if not self._state.driver.capabilities.output_deadman:
            return None
        closes = held.closes_within(now, self._lease_s)
        return self._lease_s if closes is None else int(closes - now)
