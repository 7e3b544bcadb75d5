"""One output held by the gateway: the union of the profiles bound to it, what somebody commanded, its lease, and what the panel
was last seen to do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from config.locks import not_for_profiles
from config.settings import DoorSettings
from drivers.contract import Acknowledgement, PanelCapabilities
from gateway.concurrency import in_turns
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.held_profiles import HeldProfiles
from gateway.fleet.panel.state import PanelState
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem

ON_ITS_WAY_S = 0.25
"""How long a frame may always wait for the line without its lease outlasting the profiles."""


def pulse_tenths(seconds: float) -> int:
    """The tenths of a second of a pulse that opens for no longer than that; what a sum of decimals lacks to a tenth is none."""
    return int(10 * seconds + 1e-6)


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody commanded an output to be open, as the door `key`, until `until` (monotonic seconds).

    `again`: what is off before that is switched on again; else the command is carried out once. `ended` is told what became of
    the closing at its end.
    """

    key: str
    until: float
    again: bool
    ended: Callable[[Acknowledgement], None]

    @property
    def takes_over_at(self) -> float:
        """When a profile that is open takes over (monotonic seconds): leases of whole seconds may end so much earlier."""
        return self.until - 1 - 2 * ON_ITS_WAY_S


class HeldOutput:
    """`seen`: on or off as the panel acknowledged or showed it; None: not known. Instants are Unix seconds, but `prolong_at`."""

    def __init__(self, number: int, state: PanelState, context: FleetContext) -> None:
        self.number = number
        self.seen: bool | None = None
        self.prolong_at: float | None = None
        """When the lease has to be prolonged, monotonic seconds; infinite: it ends where the profiles close. None: no lease."""
        self.switching = False
        """A command to it is under way; `opening`: one that is a grant."""
        self.opening = False
        self.unread = False
        """It acknowledged a command, and no reading has shown since that it did as it was told."""
        self.contradicted = False
        """A reading showed that it did not, and none has agreed since."""
        self.opened: Opening | None = None
        """What somebody commanded it to do, beside the profiles."""
        self.ended: Callable[[Acknowledgement], None] | None = None
        """Told once it is closed: what somebody opened is over, and its closing was not acknowledged yet."""
        self.awaited = 0
        """How many commands wait for their turn: they overtake what profiles open."""
        self.commanded = False
        """One of them is carried out."""
        self.turn = asyncio.Lock()
        """Held while it is switched."""
        self.commands = 0
        """Begun so far: a reading that began before the last one says nothing of it."""
        self._state = state
        self._context = context
        self._profiles = HeldProfiles()
        self._followed: tuple[int, Readings, Sequence[DoorSettings]] | None = None
        """The version of what is bound, the site's readings and its doors, as they were taken over last."""

    # what it has to do

    @property
    def edge(self) -> float | None:
        """The next instant at which a profile opens or closes, after the last `wanted`."""
        return self._profiles.edge

    def recalculate(self) -> None:
        """Forget what was worked out for an earlier time, the end of a running lease too."""
        self._profiles.recalculate()
        self.doubt_lease()

    def doubt_lease(self) -> None:
        """A running lease may end later than it has to: it is made out anew."""
        if self.prolong_at is not None:
            self.prolong_at = 0.0

    @property
    def behind(self) -> bool:
        """Whether it takes long to say whether it has to be open: `work_out` does that beside everything else."""
        self._follow()
        return self._profiles.behind

    async def work_out(self) -> None:
        """Find out whether it has to be open, in turns, where it is `behind`."""
        async for _ in in_turns(self._profiles.worked_out(self._context.clock.wall())):
            pass

    def wanted(self) -> bool:
        """Open, and not about to close before a lease could be over: then what is off stays off."""
        want = self._profiles_want()  # always asked: it works out the next edge
        may_be = self._state.identity.stranger is None and not self._state.retired
        return may_be and (want or self._is_opened())

    def _is_opened(self) -> bool:
        if self.opened is None or self.is_over:
            return False
        return self.seen is True or self.commanded or (self.opened.again and self.lease()[0] != 0)

    def _profiles_want(self) -> bool:
        self._follow()
        is_open = self._profiles.is_open(self._context.clock.wall()) and self._context.closed() is None
        return is_open and (self.seen is True or (self._context.may_open() and self.lease()[0] != 0))

    @property
    def is_over(self) -> bool:
        """Whether the time is over for which somebody opened it."""
        return self.opened is not None and self._context.clock.monotonic() >= self.opened.until

    def _follow(self) -> None:
        """Take over what is bound to the output now, and how the site reads it."""
        now = (self._state.version, self._context.options.readings, self._context.doors)
        if now != self._followed:
            self._followed = now
            if self._profiles.follow(self.bound, now[1]):
                self.doubt_lease()

    @property
    def bound(self) -> Mapping[str, DesiredItem]:
        """What it is held for: nothing where time profiles do not hold it."""
        return {} if not_held(self.number, self._state, self._context) else self._state.outputs.get(self.number, {})

    @property
    def passes_on(self) -> bool:
        """Whether it is so near to that time that a profile which is open has to take over, without a gap."""
        return self.opened is not None and self._context.clock.monotonic() >= self.opened.takes_over_at

    def is_taken_over(self) -> bool:
        """Whether a profile has to go on now with what somebody opened."""
        return self.passes_on and self._profiles_want()

    @property
    def kept_for(self) -> Collection[str]:
        """The items that it is held for, and the door that somebody opened."""
        return self.bound.keys() | (set() if self.opened is None or self.is_over else {self.opened.key})

    # what it does

    @property
    def runs(self) -> bool:
        """Whether it is on, or a lease of it may run because a look without an answer left it unknown."""
        return self.seen is True or (self.seen is None and self.prolong_at is not None)

    @property
    def is_right(self) -> bool:
        """Whether it is what it has to be; nobody knows while it is asked open and the clock is in question."""
        seen = self.seen is not None and not (self.unread or self.contradicted)
        return seen and not self.behind and not self._in_question() and self.seen == self.wanted()

    def _in_question(self) -> bool:
        return not self._is_opened() and self._context.trust.awaiting and self._profiles.is_open(self._context.clock.wall())

    @property
    def is_off(self) -> bool:
        """Whether it is off: by a reading, where it can be read."""
        return self.seen is False and not (self.unread or self.contradicted)

    def due(self, *, wanted: bool) -> bool:
        """Whether it has to be switched, or its lease prolonged; what may be on is left alone while the clock is in question."""
        if self.seen is not False and self._in_question():
            return False
        if not wanted or not self.seen:
            return self.seen is not wanted
        if self.prolong_at is None:
            return False
        return self._context.clock.monotonic() >= self.prolong_at or self.is_taken_over()

    def lease(self) -> tuple[int | None, float | None]:
        """Seconds, and until when the frame may start (monotonic): begun by then, a lease is over when it has to close, so
        that a dead gateway does not hold beyond. None: the output does not fall off by itself; 0: no lease is that short.
        """
        wall, now = self._context.clock.wall(), self._context.clock.monotonic()
        opened = 0.0 if self.opened is None else max(0.0, self.opened.until - now)
        if not self._state.driver.capabilities.output_deadman:
            return None, None if self.edge is None or opened else now + self.edge - wall
        longest = self._state.settings.hold_lease_s
        left = max(opened, self._left_by_profiles(wall, 2 * longest))
        lease = max(0, min(longest, int(left - ON_ITS_WAY_S)))
        return lease, now + left - lease

    def _left_by_profiles(self, wall: float, most: float) -> float:
        """For how many seconds, up to `most`, a profile stays open."""
        self._follow()
        if self._context.closed() is not None or not self._profiles.is_open(wall):
            return 0.0
        closes = self._profiles.closes_within(wall, most)
        return most if closes is None else closes - wall

    def switched(self, *, on: bool, lease: int | None, began: float) -> None:
        """The panel acknowledged a command that began at `began` (monotonic)."""
        self.seen = on
        if lease is None:
            self.prolong_at = None
        else:
            self.prolong_at = began + lease / 2 if lease == self._state.settings.hold_lease_s else math.inf

    def agreed(self) -> None:
        """A look found it as it acknowledged to be, or it cannot be read."""
        self.unread = self.contradicted = False

    def shown(self, on: bool | None) -> None:
        """A look found it so, by somebody else's hand or because it did not do as it was told: under what lease is not known."""
        if on is not None:
            self.contradicted = (self.unread or self.contradicted) and on is not self.wanted()
            self.unread = False
        self.seen = on
        self.prolong_at = 0.0 if self._state.driver.capabilities.output_deadman and self.runs else None


def not_held(output: int, state: PanelState, context: FleetContext) -> tuple[str, str] | None:
    """Why time profiles do not hold an output: the capability that does not suffice, and a message. None: they do."""
    barred = not_for_profiles(context.doors, state.id, output)
    if barred is not None:
        return "outputs", barred
    return refusal(state.driver.capabilities, output, unattended=state.settings.allow_unattended_outputs)


def refusal(capabilities: PanelCapabilities, output: int, *, unattended: bool) -> tuple[str, str] | None:
    """Why the gateway does not hold an output: the capability that does not suffice, and a message. None: it does.

    `unattended`: outputs may stay on if the gateway dies.
    """
    if not 0 <= output < capabilities.outputs:
        return "outputs", f"the panel has {capabilities.outputs} outputs"
    if not capabilities.output_deadman and not unattended:
        return "output_deadman", "the output would stay on if the gateway died"
    return None
