"""The look at every word that a panel holds: a frame at a time, in turn, over `full_look_h` hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.contract import Stretch

_FIRST_S = 30.0
_PACE = 0.8
"""The part of `full_look_h` over which the frames are spread: the rest is for what comes between."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far it came. `hours`: what the last turn took, or the one under way where that takes longer; None: the first one is in
    good time. `ended_at`: when the last one ended (Unix seconds); None: there was none yet."""

    hours: float | None
    ended_at: int | None


class WholeLook:
    """One panel's turns. `clock`: monotonic seconds."""

    def __init__(self, aim_h: float, clock: Callable[[], float]) -> None:
        self._aim_s = 3600 * aim_h
        self._clock = clock
        self._began = clock()
        self._last: Stretch | None = None
        """What was looked at last in this turn."""
        self._took: float | None = None
        self._ended_at: float | None = None
        self._pause_s = 0.0
        self._due_at = self._began + _FIRST_S
        self.by_quick_look = False
        """A quick look leaves nothing out."""

    def due_at(self) -> float:
        """When the next frame is due."""
        return self._due_at

    def next(self, stretches: Sequence[Stretch]) -> Stretch | None:
        """What to look at now, of all that a quick look leaves out, in order; None: there is nothing of that kind."""
        self.by_quick_look = not stretches
        self._pause_s = _PACE * self._aim_s / max(1, len(stretches))
        behind = (each for each in stretches if self._last is None or each > self._last)
        return next(behind, stretches[0] if stretches else None)

    def attempted(self) -> None:
        """It is somebody else's turn, whether anything is read now or not."""
        self._due_at = max(self._due_at + self._pause_s, self._clock())

    def looked(self, stretch: Stretch, stretches: Sequence[Stretch], wall: float) -> None:
        """It was read. `wall`: Unix seconds."""
        self._last = stretch
        if stretch == stretches[-1]:
            self.all_looked_at(wall)

    def all_looked_at(self, wall: float) -> None:
        """A turn ended."""
        now = self._clock()
        self._last, self._took, self._began, self._ended_at = None, now - self._began, now, wall

    def reached(self) -> Reached:
        took = max(self._took or 0.0, self._clock() - self._began)
        known = self._took is not None or took > self._aim_s
        return Reached(round(took / 3600, 3) if known else None, None if self._ended_at is None else int(self._ended_at))

    def begin_anew(self) -> None:
        """Another unit, of which nothing was looked at yet."""
        self._last = self._took = self._ended_at = None
        self._began = self._clock()
