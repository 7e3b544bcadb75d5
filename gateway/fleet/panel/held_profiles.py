"""The union of the profiles that are bound to one output: whether one is open, and when that changes.

What changes is worked out, not what is bound: an edge costs the profiles that have it, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush, heapreplace

from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings
from gateway.store.contract import DesiredItem

_AT_ONCE = 100
"""The number of profiles that are worked out in one turn of the loop."""


class HeldProfiles:
    """Instants are Unix seconds; they are taken to move forwards until `recalculate`."""

    def __init__(self) -> None:
        self._items: dict[str, DesiredItem] = {}
        self._readings: Readings | None = None
        self._recurrences: dict[str, Recurrence] = {}
        self._open: set[str] = set()
        self._edge: dict[str, float] = {}
        """When each opens or closes next, where it still does."""
        self._edges: list[tuple[float, str]] = []
        """A heap of these, with some that no longer count."""
        self._fresh = 0
        """The number of profiles that may not be worked out yet."""

    def follow(self, items: Mapping[str, DesiredItem], readings: Readings) -> bool:
        """Take over what is bound now, and how the site reads it. Whether that changes when anything is open."""
        if readings != self._readings:
            self._readings = readings
            self._forget(list(self._items))
        gone = [key for key, item in self._items.items() if (now := items.get(key)) is None or now.profile != item.profile]
        self._forget(gone)
        come = [key for key, item in items.items() if item.profile is not None and key not in self._recurrences]
        for key in come:
            profile = items[key].profile
            assert profile is not None
            self._recurrences[key] = Recurrence(profile, readings)
            self._put(key, -math.inf)
        self._fresh += len(come)
        self._items = dict(items)
        return bool(gone or come)

    def recalculate(self) -> None:
        """Time has jumped."""
        self._edges = []
        for key in self._recurrences:
            self._put(key, -math.inf)
        self._fresh = len(self._recurrences)

    def _forget(self, keys: list[str]) -> None:
        for key in keys:
            self._items.pop(key)
            self._recurrences.pop(key, None)
            self._edge.pop(key, None)
            self._open.discard(key)

    def _put(self, key: str, edge: float) -> None:
        self._edge[key] = edge
        heappush(self._edges, (edge, key))

    @property
    def behind(self) -> bool:
        """Whether it takes more than a turn of the loop to say whether one is open: `worked_out` goes on with it."""
        return self._fresh > _AT_ONCE

    def worked_out(self, now: float) -> Iterator[None]:
        """Work out what is open at this instant, in small steps."""
        while self._edges and self._edges[0][0] <= now:
            edge, key = self._edges[0]
            if self._edge.get(key) != edge:
                heappop(self._edges)
                continue
            recurrence = self._recurrences[key]
            coming, is_open = recurrence.next_transition(now), recurrence.is_open(now)
            (self._open.add if is_open else self._open.discard)(key)
            if coming is None:
                heappop(self._edges)
                del self._edge[key]
            else:
                self._edge[key] = coming
                heapreplace(self._edges, (coming, key))
            yield
        self._fresh = 0

    def is_open(self, now: float) -> bool:
        for _ in self.worked_out(now):
            pass
        return bool(self._open)

    @property
    def edge(self) -> float | None:
        """The next instant at which a profile opens or closes; None: there is none. In the past where something was not
        worked out."""
        while self._edges and self._edge.get(self._edges[0][1]) != self._edges[0][0]:
            heappop(self._edges)
        return self._edges[0][0] if self._edges else None

    def closes_within(self, now: float, seconds: float) -> float | None:
        """The instant at which the last one closes, where that comes in the next `seconds`; None: it does not."""
        self.is_open(now)
        are_open = set(self._open)
        coming = [each for each in self._edges if each[0] <= now + seconds and self._edge.get(each[1]) == each[0]]
        heapify(coming)
        while coming:
            at = coming[0][0]
            while coming and coming[0][0] == at:
                _, key = heappop(coming)
                recurrence = self._recurrences[key]
                (are_open.add if recurrence.is_open(at) else are_open.discard)(key)
                following = recurrence.next_transition(at)
                if following is not None and following <= now + seconds:
                    heappush(coming, (following, key))
            if not are_open:
                return at
        return None
