"""When a failed exchange is tried again: a value computed from what was asked, what went wrong and how often.

The only layer that repeats anything. No clock, no state.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.errors import ConnectionLost, DriverError, NoReply, NotSent, PanelBusy, PanelException, StillWorking, Unconfirmed

_RETRIES_CUT = 1
"""After a connection that the far end closed during the exchange: the next one is new, and either does it or not."""


@dataclass(frozen=True, slots=True)
class Retry:
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    pass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    retries: int = 2
    """Further attempts after unconfirmed ones."""
    busy_retries: int = 4
    """Further attempts after the panel answered that it is busy."""
    busy_delay_s: float = 0.05
    """The first wait after such an answer; the waits double."""
    silent_delay_s: float = 0.25
    """The first wait after no answer: other units use the line, a panel that starts or works gets time. The waits double."""
    alone_s: float = 600.0
    """How long a unit that left one of several requests unanswered gets one at a time: it may take no more."""


def decide(repeatable: bool, error: DriverError, attempt: int, policy: RetryPolicy) -> Retry | GiveUp:
    """What to do after attempt number `attempt` (from 1) ended in `error`."""
    if not repeatable or isinstance(error, NotSent):
        return GiveUp()
    if isinstance(error, PanelBusy) and attempt <= policy.busy_retries:
        return Retry(policy.busy_delay_s * 2 ** (attempt - 1))
    if not isinstance(error, Unconfirmed):
        return GiveUp()
    if attempt > (min(_RETRIES_CUT, policy.retries) if isinstance(error, ConnectionLost) else policy.retries):
        return GiveUp()
    return Retry(policy.silent_delay_s * 2 ** (attempt - 1) if isinstance(error, NoReply | StillWorking) else 0.0)


def verdict(writes: bool, unconfirmed: Unconfirmed | None, last: DriverError) -> DriverError:
    """The error that tells the truth about all attempts together.

    `unconfirmed`: the latest earlier attempt whose bytes left without a trustworthy answer. No later answer
    undoes it: a write refused at the second attempt may have been carried out at the first.
    """
    if unconfirmed is None or isinstance(last, Unconfirmed):
        return last
    if isinstance(last, PanelException) and not writes:
        return last
    return unconfirmed
