"""The last hour of a line, minute by minute."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from drivers.errors import (
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    PanelException,
    StillWorking,
    UnexpectedReply,
    Unheard,
)

ErrorKind = Literal["timeouts", "crc", "protocol", "connections_lost", "exceptions"]
_MINUTE_S = 60.0
_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Percentiles:
    """In milliseconds; None where there was no exchange."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class MinuteStatistics:
    """`begun`: monotonic seconds. Counts as `TrafficStatistics` has them; `load`: the busy share of the minute so far. What
    took time counts in the minute in which it ended."""

    begun: float
    exchanges: int
    timeouts: int
    crc: int
    protocol: int
    connections_lost: int
    exceptions: int
    load: float
    exchange_ms: Percentiles


@dataclass(slots=True)
class _Minute:
    begun: float
    exchange_s: list[float] = field(default_factory=list)
    busy_s: float = 0.0
    errors: Counter[ErrorKind] = field(default_factory=Counter)

    def closed(self, lasted_s: float) -> MinuteStatistics:
        return MinuteStatistics(
            begun=self.begun,
            exchanges=len(self.exchange_s),
            timeouts=self.errors["timeouts"],
            crc=self.errors["crc"],
            protocol=self.errors["protocol"],
            connections_lost=self.errors["connections_lost"],
            exceptions=self.errors["exceptions"],
            load=min(1.0, self.busy_s / max(lasted_s, 1.0)),
            exchange_ms=percentiles(self.exchange_s),
        )


class Hour:
    """Holds what each exchange took for the present minute only. Minutes in which nothing happened are left out."""

    def __init__(self) -> None:
        self._closed: deque[MinuteStatistics] = deque(maxlen=_MINUTES)
        self._now = _Minute(0.0)

    def exchanged(self, end: float, took_s: float, errors: Sequence[DriverError | None]) -> None:
        """Attempts that were under way together for `took_s` seconds, with what each ended in."""
        minute = self._busy(end, took_s)
        each_s = took_s / len(errors)
        for error in errors:
            minute.exchange_s.append(each_s)
            if error is not None and (kind := kind_of(error)) is not None:
                minute.errors[kind] += 1

    def waited(self, end: float, waited_s: float, kind: ErrorKind | None = None) -> None:
        """The line was busy without an exchange."""
        minute = self._busy(end, waited_s)
        if kind is not None:
            minute.errors[kind] += 1

    def minutes(self, now: float) -> tuple[MinuteStatistics, ...]:
        """The minutes that began within the last hour, the oldest first."""
        lasted_s = min(_MINUTE_S, now - self._now.begun)
        every = (*self._closed, *([self._now.closed(lasted_s)] if self._now.busy_s else ()))
        return tuple(each for each in every if each.begun > now - _MINUTES * _MINUTE_S)

    def _busy(self, end: float, busy_s: float) -> _Minute:
        begun = end // _MINUTE_S * _MINUTE_S
        if begun > self._now.begun:
            if self._now.busy_s:
                self._closed.append(self._now.closed(_MINUTE_S))
            self._now = _Minute(begun)
        self._now.busy_s += busy_s
        return self._now


def kind_of(error: DriverError) -> ErrorKind | None:
    """What an exchange that ended so is counted as, beside an exchange."""
    match error:
        case PanelException() | StillWorking() | Unheard():
            return "exceptions"
        case NoReply():
            return "timeouts"
        case CorruptReply():
            return "crc"
        case UnexpectedReply():
            return "protocol"
        case ConnectionLost():
            return "connections_lost"
    return None


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """Nearest-rank percentiles, in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return Percentiles(None, None)
    return Percentiles(*(1000 * ordered[max(0, -(-len(ordered) * share // 100) - 1)] for share in (50, 95)))
