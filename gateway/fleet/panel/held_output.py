"""One output held by the gateway: the union of the profiles bound to it, its lease, and what the panel was last seen to do."""

from __future__ import annotations

import math

from drivers.contract import PanelCapabilities
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.state import PanelState
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem

_ON_ITS_WAY_S = 0.25
"""How long a frame may always wait for the line without its lease outlasting the profiles."""


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
        self.commands = 0
        """Begun so far: a reading that began before the last one says nothing of it."""
        self._state = state
        self._context = context
        self._edge: float | None = 0.0
        self._open = False
        self._readings: Readings | None = None
        self._items: dict[str, DesiredItem] = {}
        self._recurrences: list[Recurrence] = []

    # what it has to do

    @property
    def bound(self) -> bool:
        return self.number in self._state.outputs

    @property
    def edge(self) -> float | None:
        """The next instant at which a profile opens or closes, after the last `wanted`."""
        return self._edge

    def recalculate(self) -> None:
        """Forget what was worked out for an earlier time or for other profiles, the end of a running lease too."""
        self._edge = 0.0
        if self.prolong_at is not None:
            self.prolong_at = 0.0

    def wanted(self) -> bool:
        """Open, and not about to close before a lease could be over: then what is off stays off."""
        self._follow()
        is_open = self._open_now()
        may_open = self._context.may_open() and self._state.identity.stranger is None and not self._state.retired
        return is_open and may_open and (self.seen is True or self.lease()[0] != 0)

    def _follow(self) -> None:
        """Take over what is bound to the output now, and how the site reads it."""
        items, readings = self._state.outputs.get(self.number, {}), self._context.options.readings
        if items == self._items and readings == self._readings:
            return
        self._recurrences = [Recurrence(each.profile, readings) for each in items.values() if each.profile is not None]
        self._readings, self._items = readings, dict(items)
        self.recalculate()

    def _open_now(self) -> bool:
        """Whether any profile is open. Cheap between two edges; time is taken to move forwards until `recalculate`."""
        now = self._context.clock.wall()
        if self._edge is not None and now >= self._edge:
            self._open = self._is_open(now)
            self._edge = self._next_edge(now)
        return self._open

    def _is_open(self, instant: float) -> bool:
        return any(recurrence.is_open(instant) for recurrence in self._recurrences)

    def _next_edge(self, after: float) -> float | None:
        edges = [recurrence.next_transition(after) for recurrence in self._recurrences]
        return min((edge for edge in edges if edge is not None), default=None)

    # what it does

    @property
    def runs(self) -> bool:
        """On, or a lease of it may run: what a look without an answer left unknown."""
        return self.seen is True or (self.seen is None and self.prolong_at is not None)

    @property
    def is_right(self) -> bool:
        return self.seen is not None and self.seen == self.wanted() and not (self.unread or self.contradicted)

    @property
    def is_off(self) -> bool:
        """As it was read, where it can be read."""
        return self.seen is False and not (self.unread or self.contradicted)

    def due(self, *, wanted: bool) -> bool:
        """Whether it has to be switched, or its lease prolonged."""
        if not wanted or not self.seen:
            return self.seen is not wanted
        return self.prolong_at is not None and self._context.clock.monotonic() >= self.prolong_at

    def lease(self) -> tuple[int | None, float | None]:
        """Seconds, and until when the frame may start (monotonic): begun by then, a lease is over when the profiles close, so
        that a dead gateway does not hold beyond. None: the output does not fall off by itself; 0: no lease is that short.
        """
        wall, now = self._context.clock.wall(), self._context.clock.monotonic()
        if not self._state.driver.capabilities.output_deadman:
            return None, None if self._edge is None else now + self._edge - wall
        longest = self._state.settings.hold_lease_s
        closes = self._closes_within(wall, 2 * longest)
        left = 2 * longest if closes is None else closes - wall
        lease = max(0, min(longest, int(left - _ON_ITS_WAY_S)))
        return lease, now + left - lease

    def _closes_within(self, now: float, seconds: float) -> float | None:
        """The instant at which the union closes, where it does so in the next `seconds`; None: it does not."""
        at = self._edge if self._edge is None or self._edge > now else self._next_edge(now)
        while at is not None and at <= now + seconds:
            if not self._is_open(at):
                return at
            at = self._next_edge(at)
        return None

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


def refusal(capabilities: PanelCapabilities, output: int, *, unattended: bool) -> tuple[str, str] | None:
    """Why the gateway does not hold an output: the capability that does not suffice, and a message. None: it does.

    `unattended`: outputs may stay on if the gateway dies.
    """
    if not 0 <= output < capabilities.outputs:
        return "outputs", f"the panel has {capabilities.outputs} outputs"
    if not capabilities.output_deadman and not unattended:
        return "output_deadman", "the output would stay on if the gateway died"
    return None
