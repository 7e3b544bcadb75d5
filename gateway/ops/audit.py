"""The audit trail: who was granted or revoked what, where and when, as log records of the logger `audit`.

What a client asked for names the client: `user` and `address`; what the gateway did about it later has the request's id.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from itertools import islice

from drivers.contract import DOOR, ItemOutcome, split_key
from drivers.trace import facts_of, who
from gateway.fleet.events import (
    Asked,
    Away,
    Back,
    Bound,
    ClockJudged,
    ClockMeasured,
    ClockSet,
    ClockVouched,
    Commanded,
    DoorCommanded,
    DoorDenied,
    Doubted,
    Drifted,
    Event,
    Failed,
    ForeignCommitted,
    ForeignFound,
    Left,
    OutputSwitched,
    Pushed,
    Refused,
    Repaired,
    Replaced,
    Restarted,
    Revoked,
    StoreTrusted,
    Strange,
)
from gateway.identifiers.own_ids import shown_link_id

_audit = logging.getLogger("audit")

_NAMED = 20
"""How many link_ids or changes a record names."""


def _record(message: str, **facts: object) -> None:
    _audit.info(message, extra={**facts, **who()})


def _warn(message: str, **facts: object) -> None:
    _audit.warning(message, extra={**facts, **who()})


def audit(event: Event) -> None:
    """Write one event of the fleet to the trail."""
    match event:
        case Asked(link_id, generation, deleted, kind, uid):
            said = "deletion asked" if deleted else "profile asked"
            _record(said, link_id=shown_link_id(link_id), kind=kind, uid=uid, generation=generation)
        case Bound(link_id, panels):
            _record("binding set", link_id=link_id, panels=panels)
        case Pushed(panel, link_ids, words, seconds):
            _record("panel acknowledged", panel=panel, link_ids=sorted(link_ids), words=words, seconds=round(seconds, 3))
        case Revoked(panel, link_ids, lag_s):
            _record("panel revoked", panel=panel, link_ids=sorted(link_ids), lag_s=round(lag_s, 3))
        case Failed(panel, reason, message):
            _record("attempt failed", panel=panel, reason=reason.value, detail=message)
        case Refused(panel, outcomes):
            _refused(panel, outcomes)
        case Drifted(panel, changes):
            _record("panel drifted", panel=panel, count=len(changes), changes=list(changes[:_NAMED]))
        case Repaired(panel):
            _record("panel repaired", panel=panel)
        case Away(panel, reason):
            _warn("panel away", panel=panel, reason=reason.value)
        case Back(panel):
            _record("panel back", panel=panel)
        case Restarted(panel):
            _record("panel restarted", panel=panel)
        case Replaced(panel, before, now):
            _warn("panel replaced", panel=panel, serial_before=before, serial=now)
        case Strange(panel, why):
            _warn("another unit stands at a panel's place", panel=panel, detail=why)
        case Doubted(panel, why):
            _warn("another unit may stand at a panel's place", panel=panel, detail=why)
        case Left(panel, keys):
            first = sorted({link_id for kind, link_id in map(split_key, keys) if kind != DOOR})[:_NAMED]
            _warn("a panel that still holds profiles left the configuration", panel=panel, count=len(keys), link_ids=first)
        case ForeignFound(panel, slots):
            _warn("slots that are not the gateway's are open", panel=panel, slots=dict(slots))
        case ForeignCommitted(panel, count):
            _warn("somebody else commits to a panel", panel=panel, count=count)
        case ClockMeasured(panel, drift_ms):
            _audit.debug("panel clock measured", extra={"panel": panel, "drift_ms": drift_ms})
        case ClockSet(panel, reason, before, now):
            message = "panel clock set" if reason is None else "panel clock not set"
            _record(message, panel=panel, reason=reason and reason.value, before=before, now=now)
        case ClockJudged(trusted, source, reason):
            _record("host clock trusted" if trusted else "host clock not trusted", source=source, reason=reason)
        case ClockVouched(at):
            _record("host clock vouched for", at=at)
        case StoreTrusted(doubt):
            _record("store trusted", doubt=doubt)
        case Commanded(panel, action):
            _record("operator command", panel=panel, action=action)
        case OutputSwitched(panel, output, on, reason):
            _record("output switched" if reason is None else "output not switched", panel=panel, output=output, on=on)
        case DoorCommanded():
            _door(event)
        case DoorDenied(number, asked_by):
            _record("door denied", number=number, **facts_of(asked_by))


def _door(event: DoorCommanded) -> None:
    """One record a command, whatever became of it."""
    what = {"door": event.door, "panel": event.panel, "output": event.output, "action": event.action}
    became = {"outcome": event.outcome.value, "reason": event.reason and event.reason.value}
    _record("door commanded", **what, seconds=event.seconds, **became, **facts_of(event.asked_by))


def _refused(panel: str, outcomes: Mapping[str, ItemOutcome]) -> None:
    """One record for all refused items, however many; `link_ids`: the first of them."""
    reasons = Counter(outcome.reason.value for outcome in outcomes.values() if outcome.reason is not None)
    first = list(islice(outcomes, _NAMED))
    _record("panel cannot hold it", panel=panel, count=len(outcomes), reasons=dict(reasons), link_ids=first)
