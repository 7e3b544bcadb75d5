"""A benchmark's result: figures beside the yardsticks that were measured in the same run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. With `against` (same unit) the goal is for `value / against`, without it for `value` itself.

    `at_least`: the goal is a lower bound, else an upper one. No goal: for information.
    """

    what: str
    value: float
    unit: str
    yardstick: str = ""
    against: float | None = None
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def judged(self) -> float:
        """The number that the goal is for."""
        return self.value if self.against is None else self.value / self.against

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.judged >= self.goal if self.at_least else self.judged <= self.goal


def number(value: float) -> str:
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.against is None else f"{row.judged:.2f}"
    goal = "" if row.goal is None else f"{'>=' if row.at_least else '<='} {number(row.goal)}"
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    against = "" if row.against is None else f"{number(row.against)} {row.unit}"
    return row.what, f"{number(row.value)} {row.unit}", against, ratio, goal, verdict, row.yardstick


_HEAD = ("benchmark", "measured", "yardstick", "ratio", "goal", "", "the yardstick is")


def table(rows: Iterable[Row]) -> str:
    """One line a row, its note under it."""
    shown = list(rows)
    cells = [_HEAD, *map(_cells, shown)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    notes = ["", *(row.note for row in shown)]
    return "\n".join(text for line, note in zip(lines, notes, strict=True) for text in (line, *_indented(note)))


def _indented(note: str) -> list[str]:
    return [f"    {line}" for line in note.splitlines()]
