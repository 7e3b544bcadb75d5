"""The units of one line: how each is addressed, its health, and what its answers tell about it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from config.settings import LineSettings
from drivers.bus.quarantine import Health, Quarantine
from drivers.bus.queue import Job, Meeting
from drivers.contract import Availability
from drivers.errors import (
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    PanelException,
    Quarantined,
    StillWorking,
    UnexpectedReply,
)
from drivers.link import R, UnitTiming
from drivers.retry import RetryPolicy

_log = logging.getLogger(__name__)

_MISSES_TO_QUARANTINE = 3


@dataclass(slots=True)
class Unit(Generic[R]):
    timing: UnitTiming
    probe: R
    policy: RetryPolicy
    pipeline: int = 1
    """How many requests may be under way to it together."""
    alone_until: float = 0.0
    """The moment from which it gets several again: it failed when it got several."""
    meeting: Meeting | None = None
    """When it was last asked who it is; None: never."""
    writer: object = None
    """Who wrote last: a batch, or a job alone."""
    turn: object = None
    """Another one whenever the writer changes."""
    health: Health = field(default_factory=lambda: Health(_MISSES_TO_QUARANTINE))


class LineUnits(dict[int, Unit[R]]):
    """The units of a line, by their numbers."""

    def __init__(self, settings: LineSettings, policy: RetryPolicy) -> None:
        super().__init__()
        self._settings = settings
        self._policy = policy
        self.quarantine = Quarantine(settings.probe_share)

    def attach(self, number: int, guard_ms: float | None, timeout_ms: float | None, probe: R, waits: bool, pipeline: int) -> None:
        """Add a unit; see `drivers.bus.worker.Bus.attach`."""
        if number in self:
            raise ValueError(f"unit {number} is attached already")
        policy = replace(self._policy, busy_retries=0) if waits else self._policy
        self[number] = Unit(self._timing(guard_ms, timeout_ms), probe, policy, pipeline)

    def detach(self, number: int) -> None:
        known = self.pop(number, None)
        if known is not None:
            known.health.feed.set(Availability.BUS_UNAVAILABLE, "removed from the line")
        self.quarantine.release(number)

    def timing(self, number: int) -> UnitTiming:
        """The unit's reply timeout; the line's for a unit that is no longer attached."""
        return self[number].timing if number in self else self._timing(None, None)

    def policy(self, number: int) -> RetryPolicy:
        return self[number].policy if number in self else self._policy

    def line_down(self, cause: str | None) -> None:
        """`cause`: why the line does not open, where it does not."""
        for unit in self.values():
            unit.health.feed.set(Availability.BUS_UNAVAILABLE, cause)

    def line_back(self) -> None:
        self.quarantine.clear()
        for unit in self.values():
            unit.health.line_back()

    # ---- writes ----

    def take_turn(self, job: Job[R, Any]) -> None:
        """Record that this request is about to leave."""
        unit = self.get(job.unit)
        if unit is None or not job.request.writes:
            return
        writer = job.batch or job
        if unit.writer is not writer:
            unit.writer, unit.turn = writer, object()
        job.turn = unit.turn

    def overtaken(self, job: Job[R, Any]) -> bool:
        """Whether somebody else's write went to the unit since this one: repeating this one now could undo the newer one."""
        return job.request.writes and job.unit in self and self[job.unit].turn is not job.turn

    # ---- pipelining ----

    def together(self, number: int, now: float) -> int:
        """How many requests may be under way to the unit together now."""
        unit = self.get(number)
        return 1 if unit is None or now < unit.alone_until else unit.pipeline

    def failed_together(self, number: int, now: float) -> None:
        """Record that requests under way together were not all answered: the unit may be one that takes a single request."""
        unit = self.get(number)
        if unit is not None:
            unit.alone_until = now + self._policy.alone_s
            _log.warning("requests go one at a time", extra={"line": self._settings.id, "unit": number})

    # ---- health ----

    def answered(self, number: int, error: DriverError | None, latency_s: float, now: float) -> bool:
        """Record what one attempt tells about the unit. True if the unit is quarantined because of it."""
        unit = self.get(number)
        if unit is None:
            return False
        if error is None or isinstance(error, PanelException | StillWorking):
            if number in self.quarantine:
                self.quarantine.release(number)
            unit.health.answered(latency_s)
            return False
        return isinstance(error, NoReply | CorruptReply | ConnectionLost) and self._missed(number, unit, error, now)

    def gave_up(self, number: int, error: DriverError, now: float) -> bool:
        """The same for a request that is over: when all its answers were odd, they are one miss, however often it was tried:
        what answers there is not the panel."""
        unit = self.get(number)
        return unit is not None and isinstance(error, UnexpectedReply) and self._missed(number, unit, error, now)

    def _missed(self, number: int, unit: Unit[R], error: DriverError, now: float) -> bool:
        if not unit.health.missed(f"after {error.reason.value}: {error}"):
            return False
        self.quarantine.put(number, unit.health, now, unit.timing.timeout_s)
        facts = {"line": self._settings.id, "unit": number, "cause": unit.health.feed.cause}
        _log.warning("unit quarantined", extra=facts)
        return True

    def probed(self, number: int, now: float) -> None:
        """Record what a probe tells about the unit."""
        unit = self.get(number)
        if unit is None:
            return
        if not unit.health.quarantined:
            _log.info("unit answers again", extra={"line": self._settings.id, "unit": number})
        elif number in self.quarantine:
            unit.health.probes += 1
            self.quarantine.put(number, unit.health, now, unit.timing.timeout_s)

    def refusal(self, number: int) -> Quarantined:
        return Quarantined(self[number].health.feed.cause or "the unit does not answer")

    def _timing(self, guard_ms: float | None, timeout_ms: float | None) -> UnitTiming:
        settings = self._settings
        return UnitTiming(
            guard_s=(settings.guard_ms if guard_ms is None else guard_ms) / 1000,
            timeout_s=(settings.timeout_ms if timeout_ms is None else timeout_ms) / 1000,
        )
