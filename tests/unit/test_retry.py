"""The one retry policy as a table."""

from __future__ import annotations

import pytest

from drivers.errors import (
    BusUnavailable,
    ConnectionLost,
    CorruptReply,
    DeadlinePassed,
    DriverError,
    LineStopped,
    NoReply,
    PanelBusy,
    PanelException,
    Quarantined,
    QueueFull,
    StillWorking,
    Unconfirmed,
    UnexpectedReply,
    Unheard,
)
from drivers.retry import GiveUp, Retry, RetryPolicy, decide, verdict

POLICY = RetryPolicy()
DISTURBED: list[DriverError] = [CorruptReply(), UnexpectedReply()]
SILENT: list[DriverError] = [NoReply(), ConnectionLost(), *DISTURBED]
NOT_SENT: list[DriverError] = [QueueFull(), DeadlinePassed(), Quarantined(), BusUnavailable(), LineStopped()]


@pytest.mark.parametrize("error", DISTURBED)
def test_what_may_be_repeated_is_tried_twice_more(error: DriverError) -> None:
    assert [decide(True, error, attempt, POLICY) for attempt in (1, 2, 3)] == [Retry(), Retry(), GiveUp()]


def test_after_a_connection_that_was_cut_the_next_one_is_tried_once() -> None:
    assert [decide(True, ConnectionLost(), attempt, POLICY) for attempt in (1, 2)] == [Retry(), GiveUp()]


def test_a_silent_panel_leaves_the_line_to_the_others_before_it_is_asked_again() -> None:
    for error in (NoReply(), Unheard(0x0B), StillWorking(5)):
        assert [decide(True, error, attempt, POLICY) for attempt in (1, 2, 3)] == [Retry(0.25), Retry(0.5), GiveUp()]


@pytest.mark.parametrize("error", [*SILENT, *NOT_SENT, PanelBusy(6), PanelException(2)])
def test_what_may_not_be_repeated_never_is(error: DriverError) -> None:
    assert decide(False, error, 1, POLICY) == GiveUp()


@pytest.mark.parametrize("error", [*NOT_SENT, *(PanelException(code) for code in (1, 2, 3, 4, 0x83, 0x86))])
def test_what_a_repetition_cannot_change_is_not_repeated(error: DriverError) -> None:
    assert decide(True, error, 1, POLICY) == GiveUp()


def test_a_busy_panel_gets_growing_pauses() -> None:
    decisions = [decide(True, PanelBusy(6), attempt, POLICY) for attempt in range(1, 6)]
    assert decisions == [Retry(0.05), Retry(0.1), Retry(0.2), Retry(0.4), GiveUp()]


@pytest.mark.parametrize(
    ("writes", "earlier", "last", "truth"),
    [
        (True, None, PanelException(2), PanelException),
        (True, NoReply(), PanelException(2), NoReply),
        (False, NoReply(), PanelException(2), PanelException),
        (True, NoReply(), CorruptReply(), CorruptReply),
        (True, NoReply(), BusUnavailable(), NoReply),
        (False, CorruptReply(), LineStopped(), CorruptReply),
        (True, None, LineStopped(), LineStopped),
        (True, CorruptReply(), DeadlinePassed(), CorruptReply),
    ],
)
def test_the_truth_about_all_attempts(
    writes: bool, earlier: Unconfirmed | None, last: DriverError, truth: type[DriverError]
) -> None:
    assert type(verdict(writes, earlier, last)) is truth
