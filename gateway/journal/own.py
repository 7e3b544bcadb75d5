"""The gateway's own events: what of all that the fleet tells belongs into the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from drivers.contract import Outcome, split_key
from drivers.trace import Client
from gateway.fleet.events import (
    Away,
    Back,
    ClockSet,
    DoorAction,
    DoorCommanded,
    DoorDenied,
    Drifted,
    Event,
    Refused,
    Repaired,
    Replaced,
)
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.events import SiteEvent

_NAMED = 20
"""How many link_ids or changes an event names."""


def own_events(event: Event, at: Callable[[], float]) -> Iterator[SiteEvent]:
    """The events for the journal that one event of the fleet is; `at` tells the Unix seconds: most events are none."""
    match event:
        case Away(panel, reason):
            yield SiteEvent(at(), "panel_away", panel, {"reason": reason.value})
        case Back(panel):
            yield SiteEvent(at(), "panel_back", panel)
        case Replaced(panel, before, now):
            yield SiteEvent(at(), "panel_replaced", panel, {"serial_before": before, "serial": now})
        case ClockSet(panel, None, before, now):
            yield SiteEvent(at(), "clock_set", panel, {"before": before, "now": now})
        case ClockSet(panel, reason, before, _) if reason is not None:
            yield SiteEvent(at(), "clock_not_set", panel, {"before": before, "reason": reason.value})
        case Drifted(panel, changes):
            yield SiteEvent(at(), "drift_found", panel, {"count": len(changes), "changes": list(changes[:_NAMED])})
        case Repaired(panel):
            yield SiteEvent(at(), "drift_repaired", panel)
        case Refused():
            yield _refused(event, at())
        case DoorCommanded():
            yield _commanded(event, at())
        case DoorDenied(number, asked_by):
            yield SiteEvent(at(), "access_denied_by_remote_server_api_call", None, {"lock": number, **_who(asked_by)})
        case _:
            pass


def _refused(event: Refused, at: float) -> SiteEvent:
    """One event for all items that were found to have no place at once, however many."""
    reasons = Counter(outcome.reason.value for outcome in event.outcomes.values() if outcome.reason is not None)
    first = [
        {"kind": kind, "link_id": shown_link_id(link_id)} for kind, link_id in map(split_key, islice(event.outcomes, _NAMED))
    ]
    return SiteEvent(at, "item_refused", event.panel, {"count": len(event.outcomes), "reasons": dict(reasons), "items": first})


_DONE: Mapping[DoorAction, str] = MappingProxyType(
    {
        "open": "access_granted_by_api_call",
        "hold": "door_held_open",
        "release": "door_hold_ended",
        "closed": "door_hold_ended",
        "emergency_open": "emergency_lock_is_opened",
        "emergency_close": "emergency_lock_is_closed",
    }
)
"""What happened where the panel acknowledged a command."""


def _commanded(event: DoorCommanded, at: float) -> SiteEvent:
    """Only what a panel acknowledged has happened at the door."""
    done = event.outcome is Outcome.ACKNOWLEDGED
    kind = _DONE[event.action] if done else "door_command_failed"
    if done and event.remote and event.action == "open":
        kind = "access_granted_by_remote_server_api_call"
    facts: dict[str, Any] = {"door": event.door, "output": event.output, "lock": event.number or 0, "action": event.action}
    if event.seconds is not None:
        facts["seconds"] = event.seconds
    if not done:
        facts |= {"outcome": event.outcome.value, "reason": event.reason and event.reason.value}
    return SiteEvent(at, kind, event.panel, facts | _who(event.asked_by))


def _who(asked_by: Client | None) -> dict[str, str]:
    return {} if asked_by is None else {"user": asked_by.user, "address": asked_by.address}
