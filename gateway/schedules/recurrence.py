"""When a time profile is open: at an instant, next, between two instants, ever again.

The rule lives on the wall clock (`windows.py`); an instant is inside when its local reading is inside a window. Both passes of a
repeated hour count, and a window that starts in a missing hour starts at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from gateway.schedules.local_time import DAY_S, FIRST_INSTANT, LAST_SECOND, is_ever_read, local_second, offset_at, steady_until
from gateway.schedules.reading import local_rule
from gateway.schedules.rules import LocalRule
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.schedules.windows import Span, covers, merged, windows_from, windows_touching

# One past the last instant for which answers are given; local time may be a day ahead of it.
END = LAST_SECOND - DAY_S

# A yearly window may lie in the missing hour of every spring. The calendar comes round after at most 400 of them.
_UNREAD_WINDOWS = 500


class Recurrence:
    """Immutable and lazy: only what is asked for is computed. Instants are Unix seconds; answers reach to the year 3300."""

    __slots__ = ("_profile", "_readings", "_rule")

    def __init__(self, profile: TimeProfile, readings: Readings) -> None:
        self._profile = profile
        self._readings = readings
        self._rule: LocalRule | None = None

    @property
    def rule(self) -> LocalRule:
        """The profile on the wall clock, all readings settled."""
        if self._rule is None:
            self._rule = local_rule(self._profile, self._readings)
        return self._rule

    @property
    def rules(self) -> tuple[LocalRule, ...]:
        return (self.rule,)

    def is_open(self, instant: float) -> bool:
        if not FIRST_INSTANT <= instant < END:
            return False
        return covers(self.rule, local_second(self._readings.zone, floor(instant)))

    def next_transition(self, after: float) -> int | None:
        """The first instant > after at which `is_open` changes; None: never again."""
        start, end = next(self._periods_from(_second(after)), (None, None))
        if start is not None and start > after:
            return start
        return end if end != END else None

    def open_periods(self, start: int, end: int) -> Iterator[Span]:
        """Open instants start <= t < end, merged, half open, ascending, lazy."""
        for opens, closes in self._periods_from(_second(start)):
            if opens >= end:
                return
            yield opens, min(closes, end)

    def ever_open(self, after: float) -> bool:
        """Whether it is open at any instant >= after."""
        return any(True for _ in self._pieces(_second(after)))

    def local_windows(self, first_day: int, last_day: int) -> Iterator[Span]:
        """Windows in local seconds that touch the local days first_day..last_day; merged, half open, ascending, lazy, whole."""
        return windows_touching(self.rule, first_day, last_day)

    def is_open_local(self, local_second: int) -> bool:
        """Whether it is open when the wall clock reads this local second."""
        return covers(self.rule, local_second)

    def _periods_from(self, instant: int) -> Iterator[Span]:
        """Open periods that end after `instant`, the first clipped to it."""
        return merged(self._pieces(instant))

    def _pieces(self, instant: int) -> Iterator[Span]:
        """The periods of `_periods_from`, cut at clock changes.

        Local time is less than a day away from UTC, so a window cannot be open at instants a day or more outside its local
        seconds, and is open at all that lie a day or more inside them. Only what is near its ends is looked at closely.
        """
        zone = self._readings.zone
        while instant < END:
            start, end = next(self._read_windows(instant - DAY_S), (END, END))
            if start - DAY_S > instant:
                instant = start - DAY_S
            elif start + DAY_S <= instant and end - DAY_S > instant:
                yield instant, min(end - DAY_S, END)
                instant = end - DAY_S
            else:
                until = steady_until(zone, instant)
                yield from self._steady_pieces(instant, until, offset_at(zone, instant))
                instant = until

    def _read_windows(self, second: int) -> Iterator[Span]:
        """Windows that end after the local second and that the clock shows at all; gives up after many that it never shows."""
        unread = 0
        for start, end in windows_from(self.rule, second):
            if is_ever_read(self._readings.zone, start, end):
                unread = 0
                yield start, end
            elif (unread := unread + 1) == _UNREAD_WINDOWS:
                return

    def _steady_pieces(self, instant: int, until: int, offset: int) -> Iterator[Span]:
        """Open periods within instant..until, between which the offset does not change."""
        for start, end in windows_from(self.rule, instant + offset):
            if start - offset >= until:
                return
            yield max(start - offset, instant), min(end - offset, until)


def _second(instant: float) -> int:
    """The whole second that an instant lies in, limited to the range of answers."""
    return floor(min(max(instant, FIRST_INSTANT), END))
