"""The requests queued for one line: five priorities; within each, the units take turns."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic

from drivers.contract import Priority
from drivers.errors import DriverError, NotSent, QueueFull, Unconfirmed
from drivers.link import R, V
from drivers.retry import verdict


@dataclass(frozen=True, slots=True)
class Meeting:
    """A unit was asked who it is. `connection`: the number of the connection, `at`: the time (monotonic)."""

    connection: int
    at: float


NEVER_MET = Meeting(-1, -math.inf)
"""No unit was asked: nothing leaves that is for one unit alone."""


@dataclass(slots=True, eq=False)
class Job(Generic[R, V]):
    """One request, from the call to its result, over all attempts."""

    unit: int
    request: R
    priority: Priority
    deadline: float | None
    queued_at: float
    future: asyncio.Future[V]
    request_id: str | None = None
    meeting: Meeting | None = None
    """The one that a bound request relies on: it is for no other unit. None: it leaves on any connection."""
    attempts: int = 0
    running: bool = False
    looks: int = 0
    """How many times the unit was read before this write."""
    batch: object | None = None
    """What it shares with the requests that may be under way together with it."""
    turn: object = None
    """The turn of its unit's writers in which this write was sent."""
    error: DriverError | None = None
    """The error of the last attempt that left."""
    unconfirmed: Unconfirmed | None = None
    """The latest attempt whose bytes left without a trustworthy answer."""

    @property
    def fresh(self) -> bool:
        """Whether it may leave together with others: not one that failed before, nor one that must not leave twice."""
        return self.request.repeatable and self.error is None

    def outcome(self) -> V | DriverError:
        """What became of a job that is over."""
        error = self.future.exception()
        assert error is None or isinstance(error, DriverError)  # `fail` ends it with no other
        return self.future.result() if error is None else error

    def succeed(self, values: V) -> None:
        if not self.future.done():
            self.future.set_result(values)

    def fail(self, error: DriverError) -> None:
        """End the job with the error that is true of all its attempts."""
        if self.future.done():
            return
        truth = verdict(self.request.writes, self.unconfirmed, error)
        if isinstance(truth, NotSent) and self.error is not None:
            truth = self.error
        if truth is not error:
            truth.__cause__ = error
        self.future.set_exception(truth)

    def too_late(self, instant: float) -> bool:
        return self.deadline is not None and instant >= self.deadline


def unwatched(unit: int, request: R, now: float) -> Job[R, Any]:
    """A background request whose result is seen in the unit's availability."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return Job(unit, request, Priority.BACKGROUND, None, now, future)


@dataclass(slots=True)
class LineQueue(Generic[R, V]):
    """A bounded queue. `delayed` jobs wait for their next attempt and count towards the bound."""

    limit: int
    ready: int = 0
    """How many jobs `pop` would return."""
    _waiting: tuple[dict[int, deque[Job[R, V]]], ...] = field(default_factory=lambda: tuple({} for _ in Priority))
    _delayed: dict[Job[R, V], None] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return self.ready + len(self._delayed)

    def put(self, *jobs: Job[R, V]) -> None:
        """Add jobs behind their units' other jobs. Raises QueueFull, and adds none of them."""
        if self.depth + len(jobs) > self.limit:
            raise QueueFull(f"{self.depth} requests are waiting for the line")
        for job in jobs:
            self._waiting[job.priority].setdefault(job.unit, deque()).append(job)
        self.ready += len(jobs)

    def put_back(self, job: Job[R, V]) -> None:
        """Put a job in front of its unit's other jobs, the unit behind the other units. Never refused: it was admitted before."""
        self._waiting[job.priority].setdefault(job.unit, deque()).appendleft(job)
        self.ready += 1

    def hold(self, job: Job[R, V]) -> None:
        self._delayed[job] = None

    def release(self, job: Job[R, V]) -> bool:
        """Make a delayed job ready; False if it is no longer delayed."""
        if job not in self._delayed:
            return False
        del self._delayed[job]
        self.put_back(job)
        return True

    def peek(self) -> Job[R, V] | None:
        """The job that `pop` would return."""
        for turns in self._waiting:
            if turns:
                return next(iter(turns.values()))[0]
        return None

    def pop(self) -> Job[R, V] | None:
        """The next job: of the highest priority, the oldest of the unit whose turn it is."""
        for turns in self._waiting:
            if turns:
                unit, jobs = next(iter(turns.items()))
                del turns[unit]
                job = jobs.popleft()
                if jobs:
                    turns[unit] = jobs
                self.ready -= 1
                return job
        return None

    def companions(self, job: Job[R, V], most: int) -> list[Job[R, V]]:
        """Remove the jobs right behind this one that may be under way together with it, at most `most`."""
        turns = self._waiting[job.priority]
        jobs = turns.get(job.unit, deque())
        found: list[Job[R, V]] = []
        while jobs and jobs[0].batch is job.batch and jobs[0].fresh and len(found) < most:
            found.append(jobs.popleft())
        if not jobs:
            turns.pop(job.unit, None)
        self.ready -= len(found)
        return found

    def discard(self, job: Job[R, V]) -> None:
        """Remove a queued job; no effect if it is not queued."""
        if job in self._delayed:
            del self._delayed[job]
            return
        turns = self._waiting[job.priority]
        jobs = turns.get(job.unit)
        if jobs is not None and job in jobs:
            jobs.remove(job)
            self.ready -= 1
            if not jobs:
                del turns[job.unit]

    def take(self, unit: int | None = None) -> list[Job[R, V]]:
        """Empty the queue, or remove all jobs of one unit."""
        taken = [job for job in self._jobs() if unit is None or job.unit == unit]
        for job in taken:
            self.discard(job)
        return taken

    def depths(self) -> Counter[int]:
        """The number of queued jobs of each unit."""
        return Counter(job.unit for job in self._jobs())

    def _jobs(self) -> Iterator[Job[R, V]]:
        for turns in self._waiting:
            for jobs in turns.values():
                yield from jobs
        yield from self._delayed
