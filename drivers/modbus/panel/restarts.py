"""Whether a panel restarted between two readings of its counters. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_SLACK_S = 2.0
_SLOWEST = 0.95
"""An uptime counter that runs slow by less than 5 % is not taken for a restart."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters as they were read at monotonic second `at`; None where the panel has no such counter."""

    uptime_s: int | None
    resets: int | None
    at: float


def went_on(before: Reading | None, now: Reading) -> bool:
    """Whether the panel certainly did not restart in between."""
    if before is None or (now.uptime_s is None and now.resets is None) or now.resets != before.resets:
        return False
    if now.uptime_s is None or before.uptime_s is None:
        return True
    return now.uptime_s >= before.uptime_s + _SLOWEST * (now.at - before.at) - _SLACK_S
