"""Looks at panels in the background, one after the other on each line, with a share of the line's time.

Quick looks go first; behind each of them, and while none is due, comes a frame of the look at every word of the panel that
waits longest for its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from drivers.clock import Clock
from gateway.concurrency import Supervisor
from gateway.fleet.panel.panel import Panel

_PAUSE_S = 1.0
"""Between two looks at least, however fast the line."""
_PERIOD_S = 30.0
"""One panel is not looked at more often than this."""


class DriftLooks:
    """The looks of all lines. A line's task begins with the first panel that begins on it, and ends with the last that leaves."""

    def __init__(self, clock: Clock, supervisor: Supervisor) -> None:
        self._clock = clock
        self._supervisor = supervisor
        self._lines: dict[str, _Line] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def join(self, panel: Panel, share: float) -> None:
        """`share` of the line's time goes into looking; 0: nobody looks."""
        line = self._lines.setdefault(panel.state.line, _Line(self._clock))
        line.share = share
        line.panels[panel.id] = panel

    def begin(self, line: str) -> None:
        if line not in self._tasks and self._lines[line].share > 0:
            self._tasks[line] = self._supervisor.spawn(self._lines[line].run(), f"drift look on {line}")

    def leave(self, panel: Panel) -> None:
        """Stop looking at the panel; a second call changes nothing."""
        name = panel.state.line
        line = self._lines.get(name)
        if line is None or line.panels.pop(panel.id, None) is None or line.panels:
            return
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()


class _Line:
    def __init__(self, clock: Clock) -> None:
        self.share = 0.0
        self.panels: dict[str, Panel] = {}
        self._clock = clock

    async def run(self) -> None:
        while True:
            next_round = self._clock.monotonic() + _PERIOD_S
            for panel in list(self.panels.values()):
                if panel.id in self.panels:
                    await self._give_way_after(panel.look)
                await self._look_on()
            while (rest := next_round - self._clock.monotonic()) > 0:
                if not await self._look_on():
                    await self._clock.sleep(min(rest, self._next_frame_s()))

    async def _look_on(self) -> bool:
        """A frame of the look at every word, where one is due."""
        panel = self._longest_waiting()
        if panel is None or panel.look_on_at() > self._clock.monotonic():
            return False
        await self._give_way_after(panel.look_on)
        return True

    def _next_frame_s(self) -> float:
        panel = self._longest_waiting()
        return _PERIOD_S if panel is None else max(_PAUSE_S, panel.look_on_at() - self._clock.monotonic())

    def _longest_waiting(self) -> Panel | None:
        return min(self.panels.values(), key=Panel.look_on_at, default=None)

    async def _give_way_after(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look once, then leave the line alone for as long as its share demands."""
        began = self._clock.monotonic()
        await look()
        spent = self._clock.monotonic() - began
        await self._clock.sleep(max(_PAUSE_S / max(1, len(self.panels)), spent * (1 / self.share - 1)))
