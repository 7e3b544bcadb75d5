"""Shapes of the answers that show items at every panel, and when they are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from drivers.contract import ItemState, Reason
from gateway.fleet.matrix import Cell


class MatrixColumn(BaseModel):
    """A panel, or an output of one; `door` and `name`: the door that it is. Keys that do not apply are left out. `away`: the
    panel cannot be spoken to, and what it held when it was seen last it is taken to hold."""

    panel: str
    away: bool
    output: int | None = None
    door: str | None = None
    name: str | None = None


class MatrixRow(BaseModel):
    """`cells`: the place of a result in `results` (-1: none), followed by the number of columns in turn that have it; then the
    next. `deleted`: present where it was deleted and may still be held."""

    kind: Literal["timeprofile", "identifier"]
    uid: int
    link_id: str | None
    name: str
    cells: list[int]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class MatrixAnswer:
    """`total`: rows on all pages; `first`: those passed over."""

    at: int
    first: int
    total: int
    columns: list[MatrixColumn]
    results: list[Cell]
    rows: list[MatrixRow]


@dataclass(frozen=True, slots=True)
class OtherDay:
    date: str
    open: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class DayHours:
    """Minutes since midnight, half open. `week`: Monday first; `changes`: the days that are otherwise."""

    week: list[list[tuple[int, int]]]
    changes: list[OtherDay]


@dataclass(frozen=True, slots=True)
class HoursAtPanel:
    """`compiled` and `held`: places in `calendars`; None where the panel has no place for it, or it is not known what it holds.
    `differs_at`: the first of the two that does not do what is asked."""

    panel: str
    success: bool
    outcome: ItemState
    reason: Reason | None
    message: str | None
    valid_until: int | None
    still_grants_text: str | None
    compiled: int | None
    held: int | None
    differs_at: Literal["compiled", "held"] | None


class Hours(BaseModel):
    """`total`: how many panels and outputs there are; `asked`: a place in `calendars`."""

    link_id: str | None
    uid: int
    kind: Literal["timeprofile", "identifier"]
    name: str
    deleted: bool
    from_: str = Field(alias="from")
    days: int
    zone: str
    calendars: list[DayHours]
    asked: int
    panels: list[HoursAtPanel]
    total: int


class Opening(BaseModel):
    """Unix seconds; `to` None: it does not close again."""

    from_: int = Field(alias="from")
    to: int | None


@dataclass(frozen=True, slots=True)
class ItemOpenings:
    """`open`: now, and the first of `openings` is that. `more`: these are not all."""

    link_id: str | None
    open: bool
    openings: list[Opening]
    more: bool


@dataclass(frozen=True, slots=True)
class NextOpenings:
    """`zone`: the site's time zone, by its IANA name; `timestamps`, `window` and `looper`: how the site reads profiles, as its
    settings `timestamp_reading`, `window_reading` and `looper_reading` say."""

    at: int
    zone: str
    timestamps: Literal["instant", "local_as_utc"]
    window: Literal["first_occurrence", "envelope"]
    looper: Literal["interval", "count"]
    items: list[ItemOpenings]
