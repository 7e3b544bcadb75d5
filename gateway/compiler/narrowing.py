"""Cuts of what a panel cannot express exactly, so that less is open: which cuts there are, and whether they are allowed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from drivers.contract import PanelCapabilities
from gateway.compiler.outcome import Draft, refused
from gateway.compiler.shapes import Shape, fewer
from gateway.compiler.table import MINUTES, DayPlan
from gateway.schedules.local_time import LAST_DAY

_PHRASES = {
    "resolution": "starts and ends moved to the panel's steps",
    "last_minute": "the last minute of a period or day",
    "periods": "the shortest intervals of days that have too many",
}
_LIMITS = {"resolution": "resolution_s", "last_minute": "last_minute", "periods": "max_time_periods_per_day"}

_WINDOWS_SEEN = 8


@dataclass(frozen=True, slots=True)
class Cuts:
    """A profile's shape after cutting; `names`: the settings of `narrow` that allow it."""

    shape: Shape
    names: tuple[str, ...]

    @property
    def phrases(self) -> tuple[str, ...]:
        return tuple(_PHRASES[name] for name in self.names)

    def allowed(self, narrow: frozenset[str]) -> bool:
        return narrow.issuperset(self.names)

    def lost(self, first_day: int, last_day: int) -> tuple[int, DayPlan] | None:
        """The first day that is asked for with its plan, where the cuts leave nothing at all on these days."""
        if not self.names or any(plan for _, plan in self.shape.days(first_day, last_day)):
            return None
        return next(_uncut(self.shape).days(first_day, last_day), None)

    def refusal(self, narrow: frozenset[str], day: int, plan: DayPlan) -> Draft:
        """Refused for the first cut that is not allowed, or that leaves nothing; `day` and its plan name where it begins."""
        name = next((name for name in self.names if name not in narrow), self.names[-1])
        unknown_end = name == "last_minute" and self.shape.grain.capabilities.end_minute == "unknown"
        limit = "end_minute" if unknown_end else _LIMITS[name]
        return refused(limit, f"would need to cut {_PHRASES[name]} ({limit})", day, plan)


def cut_shapes(shape: Shape, capabilities: PanelCapabilities) -> Iterator[Cuts]:
    """The shape with only the unavoidable cuts, then with as much cut as is ever allowed."""
    names = tuple(_names(shape, capabilities))
    yield Cuts(shape, names)
    if capabilities.max_time_periods_per_day is not None:
        yield Cuts(fewer(shape), (*names, "periods"))


def _names(shape: Shape, capabilities: PanelCapabilities) -> Iterator[str]:
    if shape.grain.step > 1 and _windows(shape) != _windows(_finer(shape)):
        yield "resolution"
    ends_early = shape.grain.day_end < MINUTES and _reaches_midnight(shape)
    if capabilities.end_minute == "unknown" or ends_early or shape.grain.gaps:
        yield "last_minute"


def whole_minutes(shape: Shape) -> Shape:
    """The shape as it is asked for, without any cut."""
    return replace(shape, grain=replace(shape.grain, step=1, day_end=MINUTES, fewer=False, gaps=()))


def _uncut(shape: Shape) -> Shape:
    return replace(shape, grain=replace(shape.grain, day_end=MINUTES, fewer=False, gaps=()))


def _finer(shape: Shape) -> Shape:
    return replace(shape, grain=replace(shape.grain, step=1))


def _windows(shape: Shape) -> list[tuple[int, int]]:
    return list(islice(shape.windows(0, LAST_DAY), _WINDOWS_SEEN))


def _reaches_midnight(shape: Shape) -> bool:
    return any(start // MINUTES != end // MINUTES for start, end in _windows(shape))
