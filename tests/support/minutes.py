"""Days as bit masks of their 1440 minutes: what profiles ask by the judge, what a simulated panel's registers open."""

from __future__ import annotations

import os
from collections.abc import Iterable

from gateway.schedules.time_profile import Readings, TimeProfile
from simulators.panel import SimulatedPanel
from tests.judge import Judge, seconds_on_wall, wall_clock

DAY, MINUTES = 86_400, 1440
_HALF = 30
"""A bound in a repeated hour is read as the start or the end of that hour, which is a full or a half one in all zones."""
EVERY_MINUTE = bool(os.environ.get("PANEL_GATEWAY_EVERY_MINUTE"))
"""Ask the judge of each minute by itself, instead of once between two clock times at which the profile may change."""


def span(start: int, end: int) -> int:
    """The minutes from `start` up to `end`, without it."""
    return (1 << end) - (1 << start)


class Asked:
    """One profile of whole minutes, on the wall clock of the site."""

    def __init__(self, profile: TimeProfile, readings: Readings) -> None:
        self._judge = Judge(profile, readings)
        clocks = [seconds_on_wall(wall_clock(readings.zone, at)) % DAY // 60 for at in (profile.date_from, profile.date_to)]
        near = {clock // _HALF * _HALF + beside for clock in clocks for beside in (-_HALF, 0, _HALF, 2 * _HALF)}
        edges = range(MINUTES) if EVERY_MINUTE else sorted({0, *clocks, *near}.intersection(range(MINUTES)))
        self._spans = list(zip(edges, [*edges[1:], MINUTES], strict=True))

    def at(self, day: int, minute: int) -> bool:
        """By the judge, of this minute."""
        return self._judge.is_open_local(day * DAY + minute * 60)

    def on(self, day: int) -> int:
        return united(span(start, end) for start, end in self._spans if self.at(day, start))


def united(masks: Iterable[int]) -> int:
    whole = 0
    for mask in masks:
        whole |= mask
    return whole


def opened(panel: SimulatedPanel, slots: Iterable[int], day: int) -> int:
    """What the panel's registers open on a day of its own clock, in any of these slots."""
    return united(span(*window) for slot in slots for window in panel.day_windows(slot, day))
