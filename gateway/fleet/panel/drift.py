"""Looks at panels in the background, one after the other on each line, with a share of the line's time."""

from __future__ import annotations

import asyncio

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
        del self._lines[name]
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
            began = self._clock.monotonic()
            for panel in list(self.panels.values()):
                await self._clock.sleep(await self._look(panel))
            rest = _PERIOD_S - (self._clock.monotonic() - began)
            await self._clock.sleep(max(_PAUSE_S, rest))

    async def _look(self, panel: Panel) -> float:
        """Look once; returns how long to leave the line alone afterwards, in seconds."""
        if panel.id not in self.panels:
            return 0.0
        began = self._clock.monotonic()
        await panel.look()
        spent = self._clock.monotonic() - began
        return max(_PAUSE_S / max(1, len(self.panels)), spent * (1 / self.share - 1))
