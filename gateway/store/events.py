"""What happened at a site, as the store keeps it, and how it is asked for: values, and what a query means as a function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Column = Literal["at", "category", "priority"]


@dataclass(frozen=True, slots=True)
class SiteEvent:
    """One thing that happened once.

    `at`: when (Unix seconds), by the panel's clock where the panel told the time. `panel` None: it concerns the whole site.
    `facts`: what else is known, plain JSON values by name. `id` rises from each event to the next one that is stored and is
    never used twice, also not after a restored backup, as long as the clock goes on; 0: not stored yet.
    """

    at: float
    kind: str
    panel: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    category: str = ""
    priority: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Events after an id, in the order of ids unless `order` names columns, each with whether the greatest is first.

    `since` and `until` bound `at`, both inclusive; `kinds` None: all. `chosen` sees events without their facts.
    """

    after: int = 0
    kinds: Collection[str] | None = None
    since: float | None = None
    until: float | None = None
    chosen: Callable[[SiteEvent], bool] | None = None
    order: Sequence[tuple[Column, bool]] = ()
    skip: int = 0
    limit: int = 1000


AHEAD_S = 3600.0
"""A flood of events takes ids ahead of the clock, by less than this; what is further ahead was numbered by a clock that was."""


def next_ids(last: int, at: float, count: int) -> range:
    """The ids of the next events: milliseconds where the clock has gone on, so that they differ from those that an older copy of
    the store gave meanwhile.
    """
    first = max(last + 1, int(at * 1000))
    return range(first, first + count)


def numbered(event: SiteEvent, number: int) -> SiteEvent:
    """The event with its id; `dataclasses.replace` takes several times as long."""
    return SiteEvent(event.at, event.kind, event.panel, event.facts, event.category, event.priority, number)


def matching(events: Iterable[SiteEvent], query: EventQuery) -> list[SiteEvent]:
    """All that a question asks for, whatever its page; `events` are in the order of their ids."""
    found = [event for event in events if event.id > query.after and _is_asked_for(event, query)]
    for column, greatest_first in reversed([*query.order, ("id", newest_first(query))]):
        found.sort(key=lambda event: getattr(event, column), reverse=greatest_first)
    return found


def _is_asked_for(event: SiteEvent, query: EventQuery) -> bool:
    return (
        (query.kinds is None or event.kind in query.kinds)
        and (query.since is None or event.at >= query.since)
        and (query.until is None or event.at <= query.until)
        and (query.chosen is None or query.chosen(event))
    )


def newest_first(query: EventQuery) -> bool:
    """Whether the newest is first of events that are alike: where the first column has its greatest first."""
    return bool(query.order) and query.order[0][1]
