"""Hosts at another time than this machine: a clock for this process, and libfaketime for processes that are started.

A kernel says of the clock what a test wants.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache

from drivers.clock import Sync, SystemClock

_KERNEL = """
import sys
from drivers import clock
clock.kernel_sync = lambda: clock.Sync({said!r})
from gateway.__main__ import main
raise SystemExit(main(sys.argv[4:]))
"""
"""`panel-gateway`; the words of the command stand behind three of another interpreter."""


class ClockAhead(SystemClock):
    """A host's clock that shows `begin` (Unix seconds) now, and goes on from there. `sync`: what the kernel says of it."""

    def __init__(self, begin: float, sync: Sync = Sync.SYNCHRONISED) -> None:
        super().__init__()
        self.ahead_s = begin - time.time()
        self._sync = sync

    def wall(self) -> float:
        return super().wall() + self.ahead_s

    def kernel_sync(self) -> Sync:
        return self._sync


def kernel_that_says(said: str) -> tuple[str, ...]:
    """Words before the command: `synchronised`, `unsynchronised` or `unknown`."""
    return sys.executable, "-c", _KERNEL.format(said=said)


def clock_off_by(offset: str, faketime: str) -> Mapping[str, str]:
    """The environment of the process. `offset` in the words of libfaketime: `+3d`; `faketime`: where that program is."""
    return {"LD_PRELOAD": _library(faketime), "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"}


def faketime() -> str | None:
    return shutil.which("faketime")


@cache
def _library(program: str) -> str:
    """Where libfaketime is: the program `faketime` stands between a process and its signals."""
    command = [program, "-f", "+0", "printenv", "LD_PRELOAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
