"""The bus owns one line: its queue, the order of exchanges, retries, quarantine, reopening and shutdown.

One worker task per line does what has to wait for something: for the line to open, to become quiet, for other requests. A request
that finds the line idle is sent by its caller, where the link can do that, and the worker goes on when it is over. Lines never
wait for each other. An exchange that has started is finished even when its caller is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Generic

from config.settings import LineSettings
from drivers.bus.queue import Job, LineQueue, Meeting, unwatched
from drivers.bus.statistics import LineStatistics, LineTraffic
from drivers.bus.units import LineUnits, Unit
from drivers.clock import Clock
from drivers.contract import Availability, AvailabilityFeed, Priority
from drivers.errors import (
    BusUnavailable,
    ConnectionLost,
    DeadlinePassed,
    DriverError,
    LineStopped,
    NoReply,
    NotSent,
    PanelBusy,
    StillWorking,
    Unconfirmed,
    UnexpectedReply,
    Unmet,
)
from drivers.link import DirectLink, Link, PipelinedLink, R, V
from drivers.retry import Retry, RetryPolicy, decide
from drivers.trace import for_no_request, request_id

_log = logging.getLogger(__name__)

_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 30.0
_DOUBLINGS = 10
_CUTS_OF_A_LINE = 2
_KNOWN_FOR_S = 10.0
"""How long a unit behind a host that closes after each reply counts as the one that was asked."""
_STOPPED_WAITING = "the line was stopped before the reply"


class Bus(Generic[R, V]):
    """One line and the units on it. All methods belong to one event loop; times are those of `clock.monotonic()`."""

    def __init__(
        self,
        settings: LineSettings,
        link: Link[R, V],
        clock: Clock,
        policy: RetryPolicy | None = None,
        traffic: LineTraffic | None = None,
    ) -> None:
        """`traffic`: what counts for several buses of one line; absent: the bus counts for itself."""
        self._settings = settings
        self._link = link
        self._pipelined = link if isinstance(link, PipelinedLink) else None
        self._direct = link if isinstance(link, DirectLink) else None
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._queue: LineQueue[R, V] = LineQueue(settings.queue_limit)
        self._units: LineUnits[R] = LineUnits(settings, self._policy)
        self._quarantine = self._units.quarantine
        self._traffic = traffic or LineTraffic()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: Sequence[Job[R, V]] = ()
        self._idle = False
        """The worker waits for something to do, or goes on behind an exchange that is over."""
        self._prompt = False
        """An answer was told, and nothing has left since."""
        self._began = 0.0
        """When those that are running began."""
        self._stopping = False
        self._down = False
        self._failed_opens = 0
        self._why_not_open: str | None = None
        self._cuts = 0
        """How many exchanges in a row lost the connection."""
        self._cut_off: set[int] = set()
        """The units that those exchanges were for."""
        self._probed = False

    # ---- life ----

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The worker task, from `start` on. Only `stop` ends it: any other end is a defect that the owner has to act on."""
        return self._task

    async def start(self) -> None:
        """Start the worker; it opens the line. A line that cannot be opened is not an error here: opening is retried."""
        self.begin()

    def begin(self) -> asyncio.Task[None]:
        """`start`, for a caller that cannot wait."""
        self._link.on_lost = self._wake.set
        self._task = asyncio.create_task(self._work(), name=f"line {self._settings.id}", context=for_no_request())
        self._task.add_done_callback(self._ended)
        return self._task

    async def stop(self, grace_s: float) -> None:
        """Refuse new and queued requests, finish the exchange on the wire within `grace_s` seconds, close the line."""
        self._stopping = True
        self._refuse_waiting(LineStopped("the line is stopping"))
        self._wake.set()
        if self._task is None:
            return
        _, unfinished = await asyncio.wait({self._task}, timeout=grace_s)
        if unfinished:
            self._task.cancel()
            await asyncio.wait({self._task})

    def attach(
        self,
        unit: int,
        *,
        probe: R,
        guard_ms: float | None = None,
        timeout_ms: float | None = None,
        waits: bool = False,
        pipeline: int = 1,
    ) -> None:
        """Add a unit; None takes the line's value. `probe`: a cheap read; any answer to it means that the unit is alive.
        `waits`: the caller waits out a busy unit by a rule of its own, so the bus does not. `pipeline`: how many requests of
        one `exchange_all` may be under way together, where the link can tell their answers apart.
        """
        self._units.attach(unit, guard_ms, timeout_ms, probe, waits, pipeline if self._pipelined is not None else 1)
        self._traffic.attach(unit)
        self._link.tally.begin_anew(unit)
        if self._down:
            self._units[unit].health.feed.set(Availability.BUS_UNAVAILABLE, self._why_not_open)

    def detach(self, unit: int) -> None:
        """Remove a unit: its queued requests are refused, an exchange under way is finished."""
        self._units.detach(unit)
        self._traffic.detach(unit)
        for job in self._queue.take(unit):
            job.fail(LineStopped("the panel was taken off the line"))

    # ---- work ----

    async def exchange(self, unit: int, request: R, priority: Priority, deadline: float | None = None) -> V:
        """Carry out `request` and return what the confirmed reply carries. Raises DriverError subclasses.

        A request that did not start before `deadline` is not started. A quarantined unit is refused at once; an
        operator's request for it brings its next probe forward as far as the line's budget allows. A bound request to a unit
        that was `met` leaves on the connection of that meeting or not at all. Cancelling takes a request out of the queue;
        once started it is finished all the same. Raises ValueError for a unit that is not attached.
        """
        now = self._admit(unit, priority, deadline)
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        meeting = self._units[unit].meeting if request.bound else None
        job: Job[R, V] = Job(unit, request, priority, deadline, now, future, request_id.get(), meeting)
        timer = self._submit((job,), now, deadline)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._queue.discard(job)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def exchange_all(
        self, unit: int, requests: Sequence[R], priority: Priority, deadline: float | None = None
    ) -> list[V | DriverError]:
        """Like `exchange`, for requests whose order among each other does not matter: several may be under way together, and one
        may be repeated behind another one. They leave in their order. Returns what became of each; raises NotSent where
        none was queued.
        """
        now, batch = self._admit(unit, priority, deadline), object()
        create, asker, met = asyncio.get_running_loop().create_future, request_id.get(), self._units[unit].meeting
        jobs: list[Job[R, V]] = [
            Job(unit, request, priority, deadline, now, create(), asker, met if request.bound else None, batch=batch)
            for request in requests
        ]
        timer = self._submit(jobs, now, deadline)
        try:
            for job in jobs:
                with suppress(DriverError):
                    await job.future
        except asyncio.CancelledError:
            for job in jobs:
                self._queue.discard(job)
                job.future.cancel()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return [job.outcome() for job in jobs]

    def _departed(self, jobs: Sequence[Job[R, V]], now: float) -> bool:
        """Send these without waiting, if the link is ready for them."""
        unit, requests = jobs[0].unit, [job.request for job in jobs]
        if self._direct is None or not self._direct.ready(unit, requests, now):
            return False
        self._leave(jobs, now)
        self._direct.depart(unit, requests, self._units.timing(unit), now, self._over)
        return True

    def _may_leave(self, jobs: Sequence[Job[R, V]], now: float) -> bool:
        """Whether these may be sent from here: the line is idle, and nothing has to be waited for or found out before."""
        if not self._idle or self._running:
            return False
        first = jobs[0]
        if self._queue.ready or self._quarantine or self._probed or (self._prompt and not first.request.repeatable):
            return False
        if first.meeting is not None and not self._lasts(first.meeting):
            return False
        return len(jobs) == 1 or (all(job.fresh for job in jobs) and len(jobs) <= self._units.together(first.unit, now))

    def _submit(self, jobs: Sequence[Job[R, V]], now: float, deadline: float | None) -> asyncio.TimerHandle | None:
        """Send jobs or queue them; returns the timer of their deadline, which counts for what has to be repeated too."""
        if not (self._may_leave(jobs, now) and self._departed(jobs, now)):
            self._queue.put(*jobs)
            self._wake.set()
        return None if deadline is None else asyncio.get_running_loop().call_at(deadline, self._expire, jobs)

    def _admit(self, unit: int, priority: Priority, deadline: float | None) -> float:
        """The moment from which a request waits. Raises NotSent, ValueError."""
        if self._stopping or self._task is None or self._task.done():
            raise LineStopped("the line is not running")
        if self._down:
            raise BusUnavailable("the line is not open")
        if unit not in self._units:
            raise ValueError(f"unit {unit} is not attached")
        if unit in self._quarantine:
            if priority is Priority.OPERATOR:
                self.hasten(unit)
            raise self._units.refusal(unit)
        now = self._clock.monotonic()
        if deadline is not None and now >= deadline:
            raise DeadlinePassed("the deadline passed before the request was queued")
        return now

    def _expire(self, jobs: Sequence[Job[R, V]]) -> None:
        for job in jobs:
            if job.running or job.future.done():
                continue
            self._queue.discard(job)
            if self._link.connected and not self._link.stale:
                job.fail(DeadlinePassed("the deadline passed while the request waited"))
            else:
                job.fail(BusUnavailable("the line did not open before the deadline"))

    # ---- what is known ----

    def availability(self, unit: int) -> AvailabilityFeed:
        return self._units[unit].health.feed

    def hasten(self, unit: int) -> None:
        """Bring the next probe of a quarantined unit forward as far as the line's budget allows; no other unit is concerned."""
        if unit in self._quarantine:
            self._quarantine.hasten(unit, self._clock.monotonic())
            self._wake.set()

    @property
    def connection(self) -> int:
        """Number of the connection that the next exchange uses: another number, and another unit may be behind it."""
        return self._link.openings + (self._link.stale or not self._link.connected)

    @property
    def closes(self) -> bool:
        """Whether the host ends its connections after each reply or each few: one that is new says nothing of the unit."""
        return self._link.closes

    def meeting(self) -> Meeting:
        """To be taken before a unit is asked who it is, and told by `met` when it has answered."""
        return Meeting(self.connection, self._clock.monotonic())

    def met(self, unit: int, meeting: Meeting) -> None:
        """The unit said who it is: from now on it gets bound requests on this connection only."""
        if unit in self._units:
            self._units[unit].meeting = meeting

    def is_met(self, unit: int) -> bool:
        """Whether the next exchange reaches the unit that was asked last who it is; also where it was never asked."""
        return unit in self._units and self._lasts(self._units[unit].meeting)

    def _lasts(self, meeting: Meeting | None) -> bool:
        if meeting is None or meeting.connection == self.connection:
            return True
        return self.closes and self._clock.monotonic() < meeting.at + _KNOWN_FOR_S

    def quarantined_until(self, unit: int) -> float | None:
        """Wall time of the next probe of a quarantined unit; None for any other."""
        probe_at = self._quarantine.next_at(unit) if unit in self._quarantine else None
        return None if probe_at is None else self._clock.wall() + max(0.0, probe_at - self._clock.monotonic())

    def frame(self, unit: int, request: R) -> bytes:
        return self._link.frame(unit, request)

    def wire_ms(self, request: R) -> float | None:
        return self._link.wire_ms(request)

    def wire_bytes(self, request: R) -> int:
        return self._link.wire_bytes(request)

    def statistics(self) -> LineStatistics:
        return self._traffic.snapshot(self._clock.monotonic(), self._link.tally, self.depths())

    def depths(self) -> Counter[int]:
        """How many requests wait for each unit."""
        return self._queue.depths()

    # ---- the worker ----

    async def _work(self) -> None:
        try:
            while not self._stopping:
                self._idle = False
                if self._running:
                    await self._landing()
                    continue
                if not self._link.connected:
                    await self._reopen()
                    continue
                if not self._queue.ready and self._silent() is None:
                    self._idle = True
                    await self._nap(self._quarantine.next_at())
                    continue
                if self._hasty():
                    await asyncio.sleep(0)
                    continue
                if self._link.stale and not await self._renew():
                    continue
                if not await self._settled():
                    continue
                if (silent := self._silent()) is not None:
                    await self._probe(silent, self._units[silent])
                elif (job := self._queue.pop()) is not None:
                    await (self._look_first(job) if self._unproved(job) else self._carry_out(job))
            while self._running:
                await self._landing()
        finally:
            self._idle = False
            await self._link.close()

    async def _landing(self) -> None:
        """Wait for the end of what departed. A link that is lost before it told that has a defect, which it raises."""
        if not self._link.connected:
            await self._link.open()
        await self._nap(None)

    def _hasty(self) -> bool:
        """Whether what must not leave twice would leave in the turn of the loop that follows an answer: the end of the connection
        may come right behind that."""
        prompt, self._prompt = self._prompt, False
        return prompt and (job := self._queue.peek()) is not None and not job.request.repeatable

    def _silent(self) -> int | None:
        """The unit to probe now."""
        return self._quarantine.due(self._clock.monotonic()) if self._quarantine else None

    def _ended(self, task: asyncio.Task[None]) -> None:
        """However the worker ended, no caller may wait for it forever."""
        for job in self._running:
            job.fail(NoReply(_STOPPED_WAITING) if self._link.sent else LineStopped("the line was stopped"))
        self._running = ()
        self._refuse_waiting(LineStopped("the line is not running"))
        if not task.cancelled() and task.exception() is not None:
            _log.critical("line worker died", extra={"line": self._settings.id}, exc_info=task.exception())

    async def _nap(self, until: float | None) -> None:
        """Wait until something wakes the worker, until the monotonic time `until` at most."""
        self._wake.clear()
        if until is None:
            await self._wake.wait()
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(0.0, until - self._clock.monotonic()), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _reopen(self) -> None:
        """Open the line: at once the first time, then after growing pauses until an exchange succeeds."""
        if self._failed_opens:
            self._go_down()
            await self._pause(min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** min(self._failed_opens - 1, _DOUBLINGS)))
            if self._stopping:
                return
        if await self._open():
            _log.info("line open", extra={"line": self._settings.id})
            self._come_up()

    async def _open(self) -> bool:
        """Open the line. It counts as failed until an exchange succeeds on it."""
        self._failed_opens += 1
        try:
            await self._link.open()
        except BusUnavailable as error:
            self._why_not_open = str(error)
            _log.warning("line not open", extra={"line": self._settings.id, "cause": self._why_not_open})
            return False
        self._why_not_open = None
        return True

    async def _renew(self) -> bool:
        """Reopen, while no exchange runs, a connection that the last exchange left suspect: queued requests keep their deadlines.

        This happens once before an exchange: a connection that is stale again at once is left to that exchange. A host that
        closes every connection, whichever unit is asked, means that the line is down: the next one is opened after a pause. A
        host that does so only when certain units are asked is those units' problem.
        """
        if self._cuts >= _CUTS_OF_A_LINE and self._units.keys() <= self._cut_off:
            await self._link.close()
            return False
        return await self._open() and not self._stopping

    async def _settled(self) -> bool:
        """Let a suspect line become quiet before the next request is chosen: queued ones may expire or be overtaken meanwhile.

        A silence that a probe made necessary is charged to the line's budget for probes.
        """
        started = now = self._clock.monotonic()
        while now < (quiet_at := self._link.quiet_at):
            if self._stopping or not self._link.connected:
                return False
            jammed_at = started + self._link.jammed_s
            if now >= jammed_at:
                self._traffic.jammed(now, now - started)
                self._refuse_waiting(BusUnavailable("the line does not become quiet"))
                return False
            await self._nap(min(quiet_at, jammed_at))
            now = self._clock.monotonic()
        if now > started:
            self._traffic.settled(now, now - started)
        if self._probed:
            self._quarantine.charge(now, now - started)
            self._probed = False
        return True

    async def _pause(self, seconds: float) -> None:
        """Pause; only `stop` cuts it short."""
        until = self._clock.monotonic() + seconds
        while not self._stopping and self._clock.monotonic() < until:
            await self._nap(until)

    def _go_down(self) -> None:
        self._down = True
        self._units.line_down(self._why_not_open)
        self._refuse_waiting(BusUnavailable("the line is not open"))

    def _come_up(self) -> None:
        if not self._down:
            return
        self._down = False
        self._units.line_back()
        for number, unit in self._units.items():
            self._look_for(number, unit)

    def _look_for(self, number: int, unit: Unit[R]) -> None:
        """Probe the unit once in the background, so that one that is there is soon known to be online."""
        self._queue.put_back(unwatched(number, unit.probe, self._clock.monotonic()))

    def _refuse_waiting(self, error: NotSent) -> None:
        for job in self._queue.take():
            job.fail(error)

    # ---- one exchange ----

    def _companions(self, job: Job[R, V]) -> list[Job[R, V]]:
        """Take the jobs that leave together with this one out of the queue."""
        if job.batch is None or not job.fresh:
            return []
        return self._queue.companions(job, self._units.together(job.unit, self._clock.monotonic()) - 1)

    async def _carry_out(self, job: Job[R, V]) -> None:
        if job.error is not None and self._units.overtaken(job):
            # A busy panel has refused nothing for good, so this is no rejection: the caller reads back.
            busy = isinstance(job.error, PanelBusy)
            job.fail(UnexpectedReply("the panel was busy, and a newer write went to it meanwhile") if busy else job.error)
            return
        if not self._lasts(job.meeting):
            job.fail(Unmet())
            return
        jobs = (job,) if job.batch is None else (job, *self._companions(job))
        request_id.set(job.request_id)
        now = self._clock.monotonic()
        if self._departed(jobs, now):
            return
        self._leave(jobs, now)
        self._over(await (self._together(jobs) if len(jobs) > 1 else self._alone(job)))

    def _leave(self, jobs: Sequence[Job[R, V]], now: float) -> None:
        self._began, self._running, self._prompt = now, jobs, False
        for job in jobs:
            self._units.take_turn(job)
            job.running = True
            job.attempts += 1
            if job.attempts == 1:
                self._traffic.queued(job.unit, now - job.queued_at)
            else:
                self._traffic.retried(job.unit)

    def _over(self, answers: Sequence[V | DriverError]) -> None:
        """What is running is over, unless the line ended meanwhile. Its callers are told in the same turn of the loop; the line
        goes first and chooses among those that wait, before they can ask again.

        It counts as running until each was told: a defect on the way leaves nobody waiting.
        """
        if not (jobs := self._running):
            return
        errors = [answer if isinstance(answer, DriverError) else None for answer in answers]
        self._idle, self._prompt = True, None in errors
        failed = any(errors)
        if failed or self._queue.ready or self._quarantine or self._stopping:
            self._wake.set()
        if failed and len(jobs) > 1 and any(isinstance(error, Unconfirmed) for error in errors):
            self._units.failed_together(jobs[0].unit, self._clock.monotonic())
        self._account(jobs[0].unit, jobs[0].request, self._began, errors)
        for job, answer in zip(jobs, answers, strict=True):
            job.running = False
            if isinstance(answer, DriverError):
                self._after_failure(job, answer)
            else:
                job.succeed(answer)
        self._running = ()

    async def _alone(self, job: Job[R, V]) -> Sequence[V | DriverError]:
        try:
            return (await self._link.exchange(job.unit, job.request, self._units.timing(job.unit)),)
        except DriverError as error:
            return (error,)

    async def _together(self, jobs: Sequence[Job[R, V]]) -> Sequence[V | DriverError]:
        assert self._pipelined is not None
        unit = jobs[0].unit
        try:
            return await self._pipelined.exchange_all(unit, [job.request for job in jobs], self._units.timing(unit))
        except NotSent as error:
            return (error,) * len(jobs)

    def _unproved(self, job: Job[R, V]) -> bool:
        """Whether this is a write for which the link cannot tell yet whether the unit or the adapter's echo confirms it."""
        return job.looks <= self._policy.retries and job.unit in self._units and self._link.doubts(job.unit, job.request)

    async def _look_first(self, job: Job[R, V]) -> None:
        """Read something harmless before the first single write on a connection; if no read is ever answered, the write is
        judged by itself."""
        job.looks += 1
        self._queue.put_back(job)
        unit, started = self._units[job.unit], self._clock.monotonic()
        error: DriverError | None = None
        request_id.set(job.request_id)
        try:
            await self._link.exchange(job.unit, unit.probe, unit.timing)
        except DriverError as raised:
            error = raised
        self._account(job.unit, unit.probe, started, (error,))

    def _after_failure(self, job: Job[R, V], error: DriverError) -> None:
        now = self._clock.monotonic()
        decision = decide(job.request.repeatable, error, job.attempts, self._units.policy(job.unit))
        wanted = not job.future.done() and not self._stopping and job.unit in self._units
        quarantined = job.unit in self._quarantine
        if not isinstance(error, NotSent):
            job.error = error
        if not isinstance(decision, Retry) or not wanted or quarantined or job.too_late(now + decision.delay_s):
            job.fail(error)
            if self._units.gave_up(job.unit, error, now):
                self._refuse_quarantined(job.unit)
            return
        if isinstance(error, Unconfirmed):
            job.unconfirmed = error
        if decision.delay_s:
            self._queue.hold(job)
            asyncio.get_running_loop().call_later(decision.delay_s, self._release, job)
        else:
            self._queue.put_back(job)

    def _release(self, job: Job[R, V]) -> None:
        if self._queue.release(job):
            self._wake.set()

    # ---- counting ----

    def _account(self, number: int, request: R, started: float, errors: Sequence[DriverError | None]) -> None:
        """Count attempts under way together, and update the health of the unit and the line: a unit that answered any of them is
        there, and one that answered none has missed once."""
        now = self._clock.monotonic()
        took_s = now - started
        left = [error for error in errors if not isinstance(error, NotSent)]
        if not left:
            return
        self._traffic.exchanged(number, now, took_s, left)
        error = None if None in left else min(left, key=_silence)
        if isinstance(error, ConnectionLost):
            self._cuts += 1
            self._cut_off.add(number)
        else:
            self._failed_opens = self._cuts = 0
            self._cut_off.clear()
        beyond_the_wire_s = max(0.0, took_s - (self._link.wire_ms(request) or 0.0) / 1000)
        if self._units.answered(number, error, beyond_the_wire_s, now):
            self._refuse_quarantined(number)

    # ---- quarantine ----

    def _refuse_quarantined(self, number: int) -> None:
        for job in self._queue.take(number):
            job.fail(self._units.refusal(number))

    async def _probe(self, number: int, unit: Unit[R]) -> None:
        """Send one probe. Its time, and the silence that others must wait for after it, are charged to the budget for probes."""
        started = self._clock.monotonic()
        error: DriverError | None = None
        request_id.set(None)
        timing = replace(unit.timing, timeout_s=unit.health.probe_timeout_s(unit.timing.timeout_s))
        try:
            await self._link.exchange(number, unit.probe, timing, probe=True)
        except DriverError as raised:
            error = raised
        self._account(number, unit.probe, started, (error,))
        now = self._clock.monotonic()
        self._quarantine.charge(now, now - started)
        self._probed = True
        self._units.probed(number, now)


def _silence(error: DriverError | None) -> int:
    """How little this attempt says for the unit."""
    return 2 if isinstance(error, Unconfirmed) and not isinstance(error, StillWorking) else 1
