"""Who reads the audit trail or the metrics misses nothing: every event of the fleet is one record, and what can be counted is."""

from __future__ import annotations

import logging
from typing import get_args

import pytest

from drivers.contract import ItemOutcome, ItemState, Outcome, Reason
from drivers.trace import Client
from gateway.fleet import events
from gateway.fleet.events import Event
from gateway.ops.audit import audit
from gateway.ops.metrics import Metrics

REFUSED = {"a": ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT), "b": ItemOutcome(ItemState.REFUSED)}
TOLD: tuple[tuple[Event, int, str, dict[str, object]], ...] = (
    (events.Asked("a", 3, False), logging.INFO, "profile asked", {"link_id": "a", "generation": 3}),
    (events.Asked("a", 4, True), logging.INFO, "deletion asked", {"link_id": "a", "generation": 4}),
    (events.Bound("a", ("gate:3",)), logging.INFO, "binding set", {"panels": ("gate:3",)}),
    (
        events.Pushed("gate", {"b", "a"}, 7, 0.12345),
        logging.INFO,
        "panel acknowledged",
        {"link_ids": ["a", "b"], "seconds": 0.123},
    ),
    (events.Revoked("gate", {"a"}, 2.5), logging.INFO, "panel revoked", {"lag_s": 2.5}),
    (
        events.Failed("gate", Reason.NO_REPLY, "silent"),
        logging.INFO,
        "attempt failed",
        {"reason": "no_reply", "detail": "silent"},
    ),
    (events.Refused("gate", REFUSED), logging.INFO, "panel cannot hold it", {"count": 2, "reasons": {"no_free_slot": 1}}),
    (events.Drifted("gate", ("slot 3",)), logging.INFO, "panel drifted", {"changes": ["slot 3"]}),
    (events.Repaired("gate"), logging.INFO, "panel repaired", {"panel": "gate"}),
    (events.Away("gate", Reason.QUARANTINED), logging.WARNING, "panel away", {"reason": "quarantined"}),
    (events.Back("gate"), logging.INFO, "panel back", {"panel": "gate"}),
    (events.Restarted("gate"), logging.INFO, "panel restarted", {"panel": "gate"}),
    (events.Replaced("gate", "1", "2"), logging.WARNING, "panel replaced", {"serial_before": "1", "serial": "2"}),
    (events.Strange("gate", "why"), logging.WARNING, "another unit stands at a panel's place", {"detail": "why"}),
    (events.Doubted("gate", "why"), logging.WARNING, "another unit may stand at a panel's place", {"detail": "why"}),
    (
        events.Left("gate", {"identifier:b", "a", "door:front"}),
        logging.WARNING,
        "a panel that still holds profiles left the configuration",
        {"count": 3, "link_ids": ["a", "b"]},
    ),
    (
        events.ForeignFound("gate", {3: "every day"}),
        logging.WARNING,
        "slots that are not the gateway's are open",
        {"panel": "gate"},
    ),
    (events.ForeignCommitted("gate", 2), logging.WARNING, "somebody else commits to a panel", {"count": 2}),
    (events.ClockMeasured("gate", 40), logging.DEBUG, "panel clock measured", {"drift_ms": 40}),
    (events.ClockSet("gate", None, "unset", "9:00"), logging.INFO, "panel clock set", {"before": "unset", "now": "9:00"}),
    (
        events.ClockSet("gate", Reason.PANEL_REJECTED, "unset", "9:00"),
        logging.INFO,
        "panel clock not set",
        {"reason": "panel_rejected"},
    ),
    (events.ClockJudged(True, "host", None), logging.INFO, "host clock trusted", {"source": "host"}),
    (events.ClockJudged(False, None, "why"), logging.INFO, "host clock not trusted", {"reason": "why"}),
    (events.ClockVouched(7.0), logging.INFO, "host clock vouched for", {"at": 7.0}),
    (events.StoreTrusted("older"), logging.INFO, "store trusted", {"doubt": "older"}),
    (events.Commanded("gate", "sync"), logging.INFO, "operator command", {"action": "sync"}),
    (events.OutputSwitched("gate", 3, True, None), logging.INFO, "output switched", {"output": 3, "on": True}),
    (events.OutputSwitched("gate", 3, False, Reason.NO_REPLY), logging.INFO, "output not switched", {"on": False}),
    (
        events.DoorCommanded(
            *("front", "Front door", 1, "gate", 3, "open", Outcome.UNCONFIRMED, Reason.NO_REPLY, 5.0, Client("admin", "::1"))
        ),
        logging.INFO,
        "door commanded",
        {"door": "front", "action": "open", "outcome": "unconfirmed", "reason": "no_reply", "user": "admin", "address": "::1"},
    ),
    (events.DoorDenied(2, Client("admin", "::1")), logging.INFO, "door denied", {"number": 2, "user": "admin"}),
)


@pytest.mark.parametrize(("event", "level", "message", "facts"), TOLD, ids=[case[2] for case in TOLD])
def test_an_event_is_one_record(
    caplog: pytest.LogCaptureFixture, event: Event, level: int, message: str, facts: dict[str, object]
) -> None:
    caplog.set_level(logging.DEBUG, "audit")
    audit(event)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("audit", level, message)
    assert {name: getattr(record, name) for name in facts} == facts


def test_no_event_is_left_out() -> None:
    assert {type(event) for event, *_ in TOLD} == set(get_args(Event))


COUNTED = {
    'pushes_total{panel="gate"}': 1,
    'words_total{panel="gate"}': 7,
    'failures_total{panel="gate",reason="no_reply"}': 1,
    'refusals_total{panel="gate",reason="no_free_slot"}': 1,
    'drifts_total{panel="gate"}': 1,
    'resets_total{panel="gate"}': 1,
    'replacements_total{panel="gate"}': 1,
    'clock_sets_total{panel="gate",result="set"}': 1,
    'clock_sets_total{panel="gate",result="panel_rejected"}': 1,
    'revocation_lag_seconds_count{panel="gate"}': 1,
}


def test_what_can_be_counted_is() -> None:
    metrics = Metrics()
    for event, *_ in TOLD:
        metrics.listen(event)
    lines = metrics.exposition().decode().splitlines()
    assert not [name for name, count in COUNTED.items() if f"panel_gateway_{name} {float(count)}" not in lines]


def test_a_defect_is_counted_as_such() -> None:
    metrics = Metrics()
    metrics.listen(events.Failed("gate", Reason.FAILED, "ValueError: odd"))
    lines = metrics.exposition().decode().splitlines()
    assert 'panel_gateway_panel_defects_total{panel="gate"} 1.0' in lines
    assert 'panel_gateway_failures_total{panel="gate",reason="failed"} 1.0' in lines
