"""What an operator is told of what is wrong: its consequence, since when, what to do; and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import Availability, ItemState, Reason
from gateway.fleet.clock_trust import ClockWarning
from gateway.fleet.problems import HELPS, Beginnings, Known, Problem, problems
from gateway.fleet.views import DriftView, EnduranceView, ForeignSlot, FullLookView, ItemView, PanelView, StoreView
from tests.support.api_server import CLOCK, VIEW

NOW = 1_795_450_000.0
WELL = Known(NOW, [VIEW], {}, replace(CLOCK, warnings=()), StoreView(None, 0), Path("/var/lib/site.db"))
LINK = "91c615e3-1040-4815-8ecb-000000000001"


def told(**panel: Any) -> list[Problem]:
    return list(problems(replace(WELL, panels=[replace(VIEW, **panel)])))


def away(name: str, why: str = "bus_unavailable: no such device", **more: Any) -> PanelView:
    availability = Availability.BUS_UNAVAILABLE if why.startswith("bus") else Availability.QUARANTINED
    return replace(VIEW, id=name, state="away", availability=availability, away_since=int(NOW) - 60, away_reason=why, **more)


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    assert problems(WELL) == ()
    assert told(state="unknown", availability=Availability.UNKNOWN) == []
    assert told(log_unread_since=int(NOW) - 59, log_error="no_reply") == []
    assert told(state="wrong_device", log_unread_since=int(NOW) - 99, log_error="no_reply")[0].code == "wrong_device"
    assert told(state="syncing", pending=1, lag_s=5, still_granting=1, revocation_lag_s=5) == []


@pytest.mark.parametrize(
    ("panel", "code", "says", "helps"),
    [
        ({"state": "identity_changed", "last_error": "identity_changed: unit 77"}, "identity_changed", "unit 77", "accept lobby"),
        ({"state": "wrong_device", "last_error": "wrong_device: a relay board"}, "wrong_device", "a relay board", "reload"),
        ({"state": "failed", "last_error": "failed: ZeroDivisionError"}, "panel_failed", "ZeroDivisionError", "journalctl"),
        ({"last_error": "clock_not_set: it stands"}, "panel_clock_not_set", "it stands", "sync lobby"),
        ({"foreign": (ForeignSlot(7, "at any time", False),)}, "foreign_open", "slot 7 is open at any time", "status lobby"),
        ({"identity_note": "replaced: serial number 1 before, 2 now"}, "unit_replaced", "2 now", "status lobby"),
        ({"foreign_commit_at": int(NOW) - 90}, "foreign_commits", "another master", "status lobby"),
        ({"last_drift": DriftView(int(NOW) - 9, ("slot 4 was erased",))}, "panel_changed", "slot 4 was erased", "status lobby"),
        (
            {"log_unread_since": int(NOW) - 60, "log_error": "panel_rejected: exception 0x02"},
            "event_log_not_read",
            "(exception 0x02)",
            "status lobby",
        ),
        ({"endurance": EnduranceView(10_000, 9, 5.0, 0.5)}, "endurance_spent", "storage of lobby", "status lobby"),
        ({"full_look": FullLookView(24, 30, None)}, "full_look_late", "within 30 h, not within 24 h", "status lobby"),
        ({"state": "syncing", "pending": 2, "lag_s": 61, "last_error": "no_reply"}, "items_pending", "2 items", "status lobby"),
    ],
)
def test_what_is_wrong_with_a_panel_is_told_with_what_to_do(panel: dict[str, Any], code: str, says: str, helps: str) -> None:
    (problem,) = told(**panel)
    assert (problem.code, problem.panel, problem.line) == (code, "lobby", "rs485-a")
    assert says in problem.text
    assert "lobby" in problem.text
    assert helps in problem.command
    assert problem.remedy


def test_a_panel_that_is_away_is_told_with_what_it_goes_on_with_and_what_it_still_opens() -> None:
    item = ItemView(LINK, None, 2, ItemState.PENDING, still_grants=2)
    panel = away("lobby", "no_reply: silent", held=9, desired=10, still_granting=1, revocation_lag_s=30, items=(item,))
    assert (
        "lobby is away (silent)" in problems(replace(WELL, panels=[away("lobby", "quarantined: after no_reply: silent")]))[0].text
    )
    gone, opens = problems(replace(WELL, panels=[panel]))
    assert (gone.code, gone.since, gone.remedy) == ("panel_away", int(NOW) - 60, HELPS[Reason.NO_REPLY])
    assert "9 of 10 items" in gone.text
    assert (opens.code, opens.since, opens.link_ids) == ("still_granting", int(NOW) - 30, (LINK,))


def test_a_line_that_is_cut_is_one_problem_and_a_panel_of_it_is_not_another() -> None:
    cut = [away("lobby"), away("garage")]
    (line,) = problems(replace(WELL, panels=cut))
    assert (line.code, line.line, line.panel) == ("line_unavailable", "rs485-a", None)
    assert {"lobby", "garage"} <= set(line.text.replace(",", "").split())
    assert [each.code for each in problems(replace(WELL, panels=[away("lobby"), VIEW]))] == ["panel_away"]


def test_items_that_a_panel_cannot_hold_are_named_with_their_reasons() -> None:
    items = [
        ItemView(LINK, 1, None, ItemState.REFUSED, reason=Reason.NO_FREE_SLOT, asked_at=1700),
        ItemView(None, 1, None, ItemState.REFUSED, reason=Reason.NOT_REPRESENTABLE, message="a yearly rule", asked_at=1600),
        ItemView("other", 1, 1, ItemState.EXACT, asked_at=1500),
    ]
    (problem,) = told(refused=2, items=tuple(items))
    assert (problem.code, problem.severity, problem.since, problem.link_ids) == ("items_refused", "warning", 1600, (LINK,))
    assert problem.text == "lobby cannot hold 2 items: a yearly rule; no_free_slot"


def test_what_was_put_right_is_no_warning_and_is_forgotten_after_a_day() -> None:
    (problem,) = told(last_drift=DriftView(int(NOW) - 9, ("slot 4",)))
    assert (problem.severity, problem.text.endswith("It was put right")) == ("info", True)
    (problem,) = told(last_drift=DriftView(int(NOW) - 9, ("slot 4",)), state="drifted")
    assert (problem.severity, problem.text.endswith("It is not put right yet")) == ("warning", True)
    assert told(last_drift=DriftView(int(NOW) - 90_000, ("slot 4",)), foreign_commit_at=int(NOW) - 90_000) == []


def test_clocks_that_wait_for_the_hosts_are_one_problem_and_begin_at_no_time() -> None:
    panel = replace(VIEW, last_error="clock_not_set: the gateway's clock is not trusted")
    (problem,) = problems(replace(WELL, panels=[panel], clock=replace(WELL.clock, trusted=False, reason="it was set back")))
    assert problem.code == "clock_not_trusted"
    assert Beginnings().seen([problem], None)[0][0].since is None


def test_the_worst_comes_first_and_the_host_before_its_panels() -> None:
    warned = replace(CLOCK, trusted=False, reason="it was set back", warnings=(ClockWarning("ntp_lost", "warning", "no server"),))
    found = problems(
        replace(
            WELL,
            panels=[replace(VIEW, full_look=FullLookView(24, 30, None)), away("lobby")],
            departed={"old": [LINK]},
            clock=warned,
            store=StoreView("an older copy", 2),
            writable=False,
        )
    )
    assert [problem.code for problem in found] == [
        *("store_takes_no_writes", "store_not_trusted", "deletions_not_durable", "clock_not_trusted", "panel_away"),
        *("clock_ntp_lost", "panel_departed", "full_look_late"),
    ]
    assert found[-2].link_ids == (LINK,)


def test_a_problem_keeps_its_beginning_until_it_is_over() -> None:
    beginnings = Beginnings()
    (problem,) = told(endurance=EnduranceView(10_000, 9, 5.0, 0.5))
    told_first, new, over = beginnings.seen([problem], 100.0)
    assert (told_first[0].since, new, over) == (100, told_first, ())
    again, new, over = beginnings.seen([problem], 200.0)
    assert (again[0].since, new, over) == (100, (), ())
    _, new, over = beginnings.seen([], 300.0)
    assert (new, [each.code for each in over]) == ((), ["endurance_spent"])
    assert beginnings.seen([problem], 400.0)[0][0].since == 400


def test_who_takes_no_events_is_told_with_the_reason() -> None:
    (problem,) = problems(replace(WELL, behind={"webhook pager.example": "answered 500"}))
    assert (problem.code, problem.severity) == ("events_not_taken", "warning")
    assert "no events are taken by webhook pager.example (answered 500)" in problem.text


@pytest.mark.parametrize(
    ("free", "writable", "expected"),
    [
        (64 << 20, True, []),
        ((64 << 20) - 1, True, ["store_room_low"]),
        (0, False, ["store_takes_no_writes"]),
        (None, True, []),
    ],
)
def test_a_disk_that_fills_up_is_told_while_requests_are_still_taken(
    free: int | None, writable: bool, expected: list[str]
) -> None:
    found = problems(replace(WELL, free_room=free, writable=writable))
    assert [problem.code for problem in found] == expected
    assert all("/var/lib" in problem.command for problem in found)


@pytest.mark.parametrize(
    ("days", "expected"), [(31, None), (29, "warning"), (-1, "error")], ids=["not soon", "soon", "since yesterday"]
)
def test_a_certificate_is_told_to_expire_a_month_before_nobody_trusts_it_any_more(days: int, expected: str | None) -> None:
    known = replace(WELL, certificate_ends_at=NOW + days * 86_400)
    assert [problem.severity for problem in problems(known)] == ([expected] if expected else [])
    unsure = replace(known, clock=replace(CLOCK, trusted=False, warnings=()))
    assert "certificate_expires" not in [problem.code for problem in problems(unsure)], "nobody knows what day it is"
