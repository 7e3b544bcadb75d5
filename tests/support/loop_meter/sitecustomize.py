"""Tells how long single callbacks of the event loop take, in any Python process that has this folder on its PYTHONPATH.

The file that LOOP_METER names holds the longest CPU time and the longest wall time so far, in seconds, and whose they were.
SIGUSR1 begins anew.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.events import Handle
from pathlib import Path
from time import perf_counter, thread_time
from types import FrameType


class Meter:
    def __init__(self, target: Path) -> None:
        self._target = target
        self._cpu = self._wall = 0.0
        self._cpu_of = self._wall_of = "-"
        self._run = Handle._run

    def start(self) -> None:
        meter = self

        def measured(handle: Handle) -> None:
            cpu, wall = thread_time(), perf_counter()
            meter._run(handle)
            meter._note(thread_time() - cpu, perf_counter() - wall, handle)

        vars(asyncio.events)["Handle"]._run = measured
        signal.signal(signal.SIGUSR1, self._clear)
        self._write()

    def _note(self, cpu: float, wall: float, handle: Handle) -> None:
        if cpu <= self._cpu and wall <= self._wall:
            return
        name = repr(getattr(handle, "_callback", handle))[:200]
        if cpu > self._cpu:
            self._cpu, self._cpu_of = cpu, name
        if wall > self._wall:
            self._wall, self._wall_of = wall, name
        self._write()

    def _clear(self, number: int, frame: FrameType | None) -> None:
        self._cpu = self._wall = 0.0
        self._write()

    def _write(self) -> None:
        part = self._target.with_suffix(".part")
        part.write_text(f"{self._cpu}\n{self._wall}\n{self._cpu_of}\n{self._wall_of}\n")
        part.rename(self._target)


if "LOOP_METER" in os.environ:
    Meter(Path(os.environ.pop("LOOP_METER"))).start()
