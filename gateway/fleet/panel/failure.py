"""Why an attempt to bring a panel in step ended early."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import Acknowledgement, Outcome, Reason

_LASTING = frozenset({Reason.PANEL_REJECTED, Reason.VERIFY_FAILED})


@dataclass(frozen=True, slots=True)
class Failure:
    """`permanent`: the panel itself refused, or did not keep what it acknowledged.

    `due`: nothing failed, it has to wait until then (the clock's monotonic seconds).
    """

    reason: Reason
    message: str | None = None
    permanent: bool = False
    due: float | None = None


AT_WORK = Failure(Reason.DEADLINE_PASSED, "not yet: the gateway is still working on it")
STORE_DOUBTED = Failure(
    Reason.DEADLINE_PASSED, "the store may be older than what was asked: restore a backup, or run trust-store"
)
CLOCK_NOT_SET = Failure(Reason.CLOCK_NOT_SET, "the panel's clock could not be set")


def failure_of(said: Acknowledgement) -> Failure:
    """An unsuccessful end as a failure; permanent where the panel itself stands in the way."""
    reason = said.reason or Reason.UNEXPECTED_REPLY
    return Failure(reason, said.message, said.outcome is Outcome.REJECTED or reason in _LASTING)
