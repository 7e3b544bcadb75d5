"""One output held by the gateway: the union of the profiles bound to it, and what the panel was last seen to do."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem


class HeldOutput:
    """`seen`: on or off as the panel acknowledged or showed it; None: not known. Instants are Unix seconds, but `prolong_at`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen: bool | None = None
        self.prolong_at: float | None = None
        """When the lease has to be prolonged, monotonic seconds; infinite: it ends where the profiles close. None: no lease."""
        self.switching = False
        """A command to it is under way; `opening`: one that is a grant."""
        self.opening = False
        self._edge: float | None = 0.0
        self._open = False
        self._readings: Readings | None = None
        self._profiles: dict[str, DesiredItem] = {}
        self._recurrences: list[Recurrence] = []

    def follow(self, profiles: Mapping[str, DesiredItem], readings: Readings) -> None:
        """Take over what is bound to the output now, and how the site reads it."""
        if profiles == self._profiles and readings == self._readings:
            return
        self._recurrences = [Recurrence(each.profile, readings) for each in profiles.values() if each.profile is not None]
        self._readings, self._profiles = readings, dict(profiles)
        self.recalculate()

    def recalculate(self) -> None:
        """Forget what was worked out for an earlier time or for other profiles, the end of a running lease too."""
        self._edge = 0.0
        if self.prolong_at is not None:
            self.prolong_at = 0.0

    def open_at(self, now: float) -> bool:
        """Whether any profile is open. Cheap between two edges; time is taken to move forwards until `recalculate`."""
        if self._edge is not None and now >= self._edge:
            self._open = self._is_open(now)
            self._edge = self._next_edge(now)
        return self._open

    @property
    def edge(self) -> float | None:
        """The next instant at which a profile opens or closes, after the last `open_at`."""
        return self._edge

    def closes_within(self, now: float, seconds: float) -> float | None:
        """The instant at which the union closes, where it does so in the next `seconds`; None: it does not. After `open_at`."""
        at = self._edge if self._edge is None or self._edge > now else self._next_edge(now)
        while at is not None and at <= now + seconds:
            if not self._is_open(at):
                return at
            at = self._next_edge(at)
        return None

    def _is_open(self, instant: float) -> bool:
        return any(recurrence.is_open(instant) for recurrence in self._recurrences)

    def _next_edge(self, after: float) -> float | None:
        edges = [recurrence.next_transition(after) for recurrence in self._recurrences]
        return min((edge for edge in edges if edge is not None), default=None)
