"""The gateway's own events: what of all that the fleet tells belongs into the journal. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from drivers.contract import split_key
from gateway.fleet.events import Away, Back, ClockSet, Drifted, Event, Refused, Repaired, Replaced
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.events import SiteEvent

_NAMED = 20
"""How many link_ids or changes an event names."""


def own_events(event: Event, at: float) -> Iterator[SiteEvent]:
    """The events for the journal that one event of the fleet is; `at`: Unix seconds."""
    match event:
        case Away(panel, reason):
            yield SiteEvent(at, "panel_away", panel, {"reason": reason.value})
        case Back(panel):
            yield SiteEvent(at, "panel_back", panel)
        case Replaced(panel, before, now):
            yield SiteEvent(at, "panel_replaced", panel, {"serial_before": before, "serial": now})
        case ClockSet(panel, None, before, now):
            yield SiteEvent(at, "clock_set", panel, {"before": before, "now": now})
        case ClockSet(panel, reason, before, _) if reason is not None:
            yield SiteEvent(at, "clock_not_set", panel, {"before": before, "reason": reason.value})
        case Drifted(panel, changes):
            yield SiteEvent(at, "drift_found", panel, {"count": len(changes), "changes": list(changes[:_NAMED])})
        case Repaired(panel):
            yield SiteEvent(at, "drift_repaired", panel)
        case Refused():
            yield _refused(event, at)
        case _:
            pass


def _refused(event: Refused, at: float) -> SiteEvent:
    """One event for all items that were found to have no place at once, however many."""
    reasons = Counter(outcome.reason.value for outcome in event.outcomes.values() if outcome.reason is not None)
    first = [
        {"kind": kind, "link_id": shown_link_id(link_id)} for kind, link_id in map(split_key, islice(event.outcomes, _NAMED))
    ]
    return SiteEvent(at, "item_refused", event.panel, {"count": len(event.outcomes), "reasons": dict(reasons), "items": first})
