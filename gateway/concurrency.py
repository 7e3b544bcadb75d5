"""Concurrency on one event loop: background tasks, a lock with an urgent lane, loops that yield, waiting for several events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Generic, TypeVar

from drivers.clock import Clock
from drivers.trace import for_no_request

LOG = logging.getLogger(__name__)
T = TypeVar("T")

TURN_S = 0.02
"""How long one turn may take. While a thread compiles, each turn waits for it some milliseconds."""
STEP_S = 0.001
"""How far apart the parts of what is not urgent are, so that what is asked for meanwhile waits for one of them at most."""
_STEPS = 50
"""In how many steps a bell has woken all that wait for it."""


class Supervisor:
    """Owns background tasks. `failed` gets the error of the first one that dies: the owner must end then."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._requests: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Begin a task in the background, for no request; `failed` tells of its death."""
        task = asyncio.create_task(work, name=name, context=for_no_request())
        self.watch(task)
        return task

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Watch a task that was started elsewhere; `failed` gets its error if it dies."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            LOG.error("background task died", exc_info=error, extra={"task": task.get_name()})
            self.failed.set_exception(error)

    async def finish(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Carry out work that goes on when its caller is cancelled. Its errors are raised to the caller only."""
        task = asyncio.create_task(work, name=name)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        return await asyncio.shield(task)

    async def stop(self, grace_s: float) -> None:
        """Wait for all tasks for `grace_s` seconds, then cancel those that are left."""
        await end(self._tasks | self._requests, grace_s)


async def end(tasks: Iterable[asyncio.Task[Any]], grace_s: float) -> None:
    """Wait for tasks for `grace_s` seconds, then cancel those that are left. Raises nothing that they fail with."""
    running = [task for task in tasks if not task.done()]
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=grace_s)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)


class UrgentFirst:
    """A lock. Waiters that are urgent get it before all others; among themselves both kinds get it in the order they came."""

    def __init__(self) -> None:
        self._taken = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def held(self, *, urgent: bool) -> AsyncIterator[None]:
        await self._take(urgent)
        try:
            yield
        finally:
            self._pass_on()

    async def for_a_turn(self, *, urgent: bool) -> None:
        """Get the lock for what is left of this turn of the loop, where nobody has had it in that; else for a later one."""
        await self._take(urgent)
        asyncio.get_running_loop().call_soon(self._pass_on)

    async def _take(self, urgent: bool) -> None:
        if self._taken:
            await self._wait(self._urgent if urgent else self._others)
        self._taken = True

    async def _wait(self, lane: deque[asyncio.Future[None]]) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for lane in (self._urgent, self._others):
            while lane:
                following = lane.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._taken = False


class KeyedLock:
    """A lock on some keys, or on everything. Those whose keys nobody else has hold it together; all others get it in the order
    they came: nobody overtakes who waits for one of the same keys."""

    def __init__(self) -> None:
        self._held: list[frozenset[Hashable] | None] = []
        self._waiting: list[tuple[frozenset[Hashable] | None, asyncio.Future[None]]] = []

    async def __aenter__(self) -> None:
        await self._take(None)

    async def __aexit__(self, *_: object) -> None:
        self._let_go(None)

    @contextlib.asynccontextmanager
    async def held(self, keys: frozenset[Hashable] | None) -> AsyncIterator[None]:
        """None: everything, as the lock itself."""
        await self._take(keys)
        try:
            yield
        finally:
            self._let_go(keys)

    async def _take(self, keys: frozenset[Hashable] | None) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, mine))
        self._admit()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._admit()
            else:
                self._let_go(keys)
            raise

    def _let_go(self, keys: frozenset[Hashable] | None) -> None:
        self._held.remove(keys)
        self._admit()

    def _admit(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        taken, everything, nothing = set().union(*filter(None, self._held)), None in self._held, not self._held
        for keys, turn in waiting:
            if turn.done():  # its task was cancelled
                continue
            if everything or not (nothing if keys is None else taken.isdisjoint(keys)):
                self._waiting.append((keys, turn))
            else:
                self._held.append(keys)
                turn.set_result(None)
            taken, everything, nothing = taken.union(keys or ()), everything or keys is None, False


async def in_a_thread(work: Callable[[], T], name: str) -> T:
    """Carry out work beside the loop, in a thread of its own: the loop's own threads may all be waiting for something else."""
    threads = ThreadPoolExecutor(1, name)
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    finally:
        threads.shutdown(wait=False)


async def in_turns(items: Iterable[T], turn_s: float | None = None, pause_s: float = 0.0) -> AsyncIterator[T]:
    """The same items; other tasks run in between, for `pause_s` seconds, whenever `turn_s` seconds (None: TURN_S) have passed."""
    loop = asyncio.get_running_loop()
    turn_s = TURN_S if turn_s is None else turn_s
    until = loop.time() + turn_s
    for item in items:
        if loop.time() > until:
            await asyncio.sleep(pause_s)
            until = loop.time() + turn_s
        yield item


class Bell:
    """Wakes those that wait for it, some in each millisecond: what else is due does not wait for all of them.

    `rung`: how often it has rung.
    """

    def __init__(self) -> None:
        self.rung = 0
        self._waiting: dict[asyncio.Future[None], None] = {}

    def ring(self) -> None:
        self.rung += 1
        waiting, self._waiting = self._waiting, {}
        self._wake_some(iter(waiting), 1 + len(waiting) // _STEPS)

    def _wake_some(self, waiting: Iterator[asyncio.Future[None]], at_once: int) -> None:
        some = list(islice(waiting, at_once))
        for each in some:
            _end(each)
        if len(some) == at_once:
            asyncio.get_running_loop().call_later(STEP_S, self._wake_some, waiting, at_once)

    async def rings(self, heard: int, seconds: float) -> bool:
        """Whether it rings, or has rung, after it had rung `heard` times; waits for that for at most `seconds`."""
        if self.rung == heard:
            loop = asyncio.get_running_loop()
            mine: asyncio.Future[None] = loop.create_future()
            self._waiting[mine] = None
            timer = loop.call_later(seconds, _end, mine)
            try:
                await mine
            finally:
                timer.cancel()
                self._waiting.pop(mine, None)
        return self.rung != heard


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class Remembered(Generic[T]):
    """The answer of `ask`, at most `seconds` old. Calls that come while it is asked wait for the same answer."""

    def __init__(self, ask: Callable[[], Awaitable[T]], clock: Clock, seconds: float) -> None:
        self._ask = ask
        self._clock = clock
        self._seconds = seconds
        self._asking = asyncio.Lock()
        self._known: tuple[T, float] | None = None

    async def value(self) -> T:
        async with self._asking:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[1] >= self._seconds:
                self._known = await self._ask(), now
            return self._known[0]


class Ticket:
    """Done when `settled` has been called `places` times."""

    def __init__(self, places: int) -> None:
        self._left = places
        self._done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def settled(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._end(True)

    def _end(self, in_time: bool) -> None:
        if not self._done.done():
            self._done.set_result(in_time)

    async def wait(self, seconds: float) -> bool:
        """Wait for at most `seconds`; returns whether all places were settled in time. Once is enough."""
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._end, False)
        try:
            return await self._done
        finally:
            timer.cancel()
