"""What somebody else can cause again and again does not fill the log."""

from __future__ import annotations

import logging

from gateway.ops.repeats import Repeats


def record(message: str, at: float, level: int = logging.WARNING, **facts: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "x", "levelno": level, "msg": message, **facts})
    made.created = at
    return made


def told(repeats: Repeats, *records: logging.LogRecord) -> list[tuple[str, int]]:
    return [(one.getMessage(), getattr(one, "repeated", 0)) for each in records for one in repeats.written(each)]


def test_once_then_counted_once_a_minute() -> None:
    repeats = Repeats()
    assert told(repeats, *(record("full", number) for number in range(60))) == [("full", 0)]
    assert told(repeats, record("full", 60)) == [("full", 59)]
    assert told(repeats, record("full", 61), record("full", 119)) == []
    assert told(repeats, record("other", 120)) == [("full", 3), ("other", 0)]
    assert told(repeats, record("other", 300), record("full", 301)) == [("other", 0), ("full", 0)]


def test_what_differs_in_its_facts_is_another_record() -> None:
    repeats = Repeats()
    first = [record("away", 0, panel=panel, request_id=str(number)) for number, panel in enumerate("abab")]
    assert len(told(repeats, *first)) == 2
    assert [one.__dict__["repeated"] for one in repeats.rest()] == [1, 1]
    assert list(repeats.rest()) == []


def test_requests_that_were_served_and_the_audit_trail_are_all_written() -> None:
    repeats = Repeats()
    served = [record("request", number, logging.INFO, status=200, remote="a") for number in range(5)]
    asked = [record("profile asked", number, logging.INFO, link_id="x") for number in range(5)]
    refused = [record("request", number, logging.INFO, status=429, remote="a", path=f"/{number}") for number in range(5)]
    assert [len(told(repeats, *each)) for each in (served, asked, refused)] == [5, 5, 1]


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats()
    for number in range(5000):
        list(repeats.written(record("not a request", 0, remote=str(number))))
    assert len(repeats._seen) <= 1000


def test_a_flood_from_ever_new_addresses_does_not_fill_the_log() -> None:
    """An IPv6 host has more addresses than a log has room."""
    repeats = Repeats()
    flood = [record("request", number / 100, logging.INFO, status=401, remote=f"2001:db8::{number:x}") for number in range(5000)]
    assert len(told(repeats, *flood)) < 150
    assert told(repeats, record("request", 51, logging.INFO, status=403, remote="192.0.2.1")) == [("request", 0)]
    panels = [record("away", 52, panel=f"p{number}") for number in range(500)]
    assert len(told(repeats, *panels)) == 500, "what the gateway itself has many of is named one by one"
    assert sum(one.__dict__["repeated"] for one in repeats.rest()) == 5000 - 100 - 1
