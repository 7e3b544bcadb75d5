"""Columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from unicodedata import category, east_asian_width

from gateway.cli.output import terminal_width

_READABLE = 20
"""Places of a column that is narrowed beside another one."""


def table(rows: Sequence[Sequence[object]]) -> str:
    """`columns` as they fit the terminal; where no terminal shows them, each row is one line."""
    return columns(rows, terminal_width())


def columns(rows: Sequence[Sequence[object]], most: int | None) -> str:
    """Columns as wide as their widest cell; the first row is the heading; None is shown as a dash.

    `most`: how many places a line may have. Where that is too few, columns stand one space apart instead of two if that is
    enough, or else cells are folded between words, those of the widest columns first. Words are never broken: a line of long
    ones may be longer.
    """
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    gaps, gap = len(widths) - 1, "  "
    if most is not None and sum(widths) + 2 * gaps > most:
        least = [max(map(_least, column)) for column in zip(*cells, strict=True)]
        if sum(widths) + gaps <= most or sum(least) + 2 * gaps > most:
            gap = " "
        widths = _narrowed(widths, least, most - len(gap) * gaps)
    lines = [line for row in cells for line in _lines(row, widths)]
    padded = ([cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(gap.join(line).rstrip() for line in padded)


def _width(text: str) -> int:
    """Places of a terminal's line: letters of Chinese and the like take two, marks on a letter none."""
    if text.isascii():
        return len(text)
    return sum(0 if category(each) in ("Mn", "Me", "Cf") else 2 if east_asian_width(each) in "WF" else 1 for each in text)


def _least(cell: str) -> int:
    """Its longest word, with the indent that the first word may have."""
    return len(cell) - len(cell.lstrip()) + max(map(_width, cell.split()), default=0)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths, of which the widest give way until they are `room` together: each as far as it can still be read, and only
    where that is not enough as far as its words allow."""
    narrowed = list(widths)
    for floor in (_READABLE, 0):
        for column in sorted(range(len(widths)), key=widths.__getitem__, reverse=True):
            excess = sum(narrowed) - room
            narrowed[column] = min(narrowed[column], max(narrowed[column] - excess, least[column], floor))
    return narrowed


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[tuple[str, ...]]:
    """A row in as many lines as its longest cell needs."""
    folded = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
    return list(zip_longest(*folded, fillvalue=""))


def _folded(cell: str, width: int) -> list[str]:
    if _width(cell) <= width:
        return [cell]
    first, *words = cell.split()
    lines = [cell[: cell.index(first)] + first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if _width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
