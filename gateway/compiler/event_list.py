"""Event lists: panels that hold times at which a value changes instead of intervals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Event = tuple[int, bool]
"""Minute since midnight, and the value from then on."""


def day_events(plan: Iterable[tuple[int, int]], *, fixed_midnight: bool) -> tuple[Event, ...]:
    """The events that say a day's open intervals (ascending, not touching), minutes 0..1440.

    With `fixed_midnight` the first one is always at 00:00 with the value there; without, a day starts closed by itself. An
    end at 24:00 needs no event: the next day's start closes.
    """
    edges = [event for start, end in plan for event in ((start, True), (end, False)) if event[0] < 1440]
    if fixed_midnight and (not edges or edges[0][0] != 0):
        edges.insert(0, (0, False))
    return tuple(edges)


def closings(week: Iterable[tuple[int, Iterable[tuple[int, int]]]]) -> Iterator[int]:
    """Local minutes since 1970-01-01 at which the plans of consecutive days (day, intervals) close; a plan that goes on over
    midnight closes only where the next day's ends."""
    open_until: int | None = None
    for day, plan in week:
        for start, end in plan:
            if open_until is not None and open_until != day * 1440 + start:
                yield open_until
            open_until = day * 1440 + end
    if open_until is not None:
        yield open_until
