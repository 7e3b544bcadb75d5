"""The one clock: wall time for schedules, monotonic time for deadlines. Injected everywhere, so that tests own time.

Whether the wall clock may be believed is judged in `gateway.fleet.clock_trust`, from what a HostClock reads of the kernel.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SLACK_S = 2.0
"""A leap second, and readings of two clocks that are not taken at the same moment."""
_RATE = 500e-6
"""How fast the kernel slews a clock at most."""
_STA_UNSYNC = 0x0040


class Sync(Enum):
    """What the kernel says of its own clock. `unknown`: it may not be asked, or has no such call."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HostMoment:
    """Unix seconds and seconds since boot, read at the same time, in one run of the host."""

    boot_id: str
    wall: float
    boottime: float

    def goes_on(self, later: HostMoment) -> bool:
        """Whether the wall clock went from here to `later` without a step."""
        return self._reaches(later.boot_id, later.wall, later.boottime)

    def goes_on_until_now(self, clock: HostClock) -> bool:
        """Whether the host's wall clock went from here to now without a step."""
        return self._reaches(clock.boot_id(), clock.wall(), clock.boottime())

    def _reaches(self, boot_id: str, wall: float, boottime: float) -> bool:
        passed = boottime - self.boottime
        if self.boot_id != boot_id or passed < -SLACK_S:
            return False
        return abs(wall - self.wall - passed) <= SLACK_S + _RATE * abs(passed)


class Clock(Protocol):
    def wall(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds on the running event loop's own scale: the one deadlines are counted in."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class HostClock(Clock, Protocol):
    """A clock that also tells how it came to its time. No method blocks."""

    def boottime(self) -> float:
        """Seconds since the host booted, its sleep included; no setting of the wall clock moves it."""
        ...

    def boot_id(self) -> str:
        """Which start of the host this is."""
        ...

    def kernel_sync(self) -> Sync:
        """Whether the kernel's clock is kept in step with a time source now."""
        ...


def moment_of(clock: HostClock) -> HostMoment:
    """This moment, as the host tells it."""
    return HostMoment(clock.boot_id(), clock.wall(), clock.boottime())


class SystemClock:
    """The machine's clock. Monotonic time is the event loop's, so that a loop with virtual time moves it too."""

    def __init__(self) -> None:
        self._boot_id = boot_id()

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        return self._boot_id

    def kernel_sync(self) -> Sync:
        return kernel_sync()


def boot_id() -> str:
    """Which start of the system this is; another text every time where the system does not tell."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())


class _Timex(ctypes.Structure):
    """The beginning of the C library's `struct timex`, with room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def _adjtimex(record: _Timex) -> int:
    """The C library's call; -1 where there is none. Modes 0 only reads, which takes no privilege."""
    call: Callable[[Any], int] | None = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    return -1 if call is None else call(ctypes.byref(record))


def kernel_sync(adjtimex: Callable[[_Timex], int] = _adjtimex) -> Sync:
    """What `adjtimex` says now. A refusal (EPERM of a system-call filter, ENOSYS) says nothing about the clock."""
    record = _Timex(modes=0)
    if adjtimex(record) < 0:
        return Sync.UNKNOWN
    return Sync.UNSYNCHRONISED if record.status & _STA_UNSYNC else Sync.SYNCHRONISED
