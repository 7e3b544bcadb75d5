"""An event loop whose time jumps to the next timer when nothing else can run: hours pass in milliseconds.

Only for code without real file descriptors that must be waited for (in-memory wires); real sockets and
pseudo-terminals need a real loop.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from drivers.clock import Sync

T = TypeVar("T")


_THREADS_S = 60.0
"""Without a timer only another thread can go on, where there is one; so long it may take."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            ready = super().select(_THREADS_S if threading.active_count() > 1 else 0)
            if not ready:
                raise RuntimeError("everybody waits for something that nobody will do")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        # A timer is due within the clock's resolution. A caller that looks at its time limit then, and finds it still
        # ahead, waits anew without end, since nothing but waiting moves this clock: so it resolves all numbers that there are.
        self._clock_resolution = math.ulp(self._jumping.now)
        return self._jumping.now


class VirtualClock:
    """A drivers.clock.HostClock on the running loop's time; `wall_offset` may be moved to make the wall clock jump.

    `sync`: what the kernel says of it. `boot` begins another run of the host.
    """

    def __init__(self, wall_start: float = 1_793_484_000.0, sync: Sync = Sync.SYNCHRONISED) -> None:
        self.wall_offset = wall_start
        self.sync = sync
        self._boots = 1
        self._booted_at = -1000.0

    def boot(self) -> None:
        self._boots += 1
        self._booted_at = self.monotonic()

    def boottime(self) -> float:
        return self.monotonic() - self._booted_at

    def boot_id(self) -> str:
        return f"boot {self._boots}"

    def kernel_sync(self) -> Sync:
        return self.sync

    def wall(self) -> float:
        return self.wall_offset + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a fresh virtual loop; fails when it leaves a task behind."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(main)
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"
        return result


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop that a test kept between its steps, whatever it still has."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))
    loop.close()
