"""What a bus needs of a Modbus line, whatever carries the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.bus.statistics import WireTally
from drivers.modbus.wire.requests import Request


@dataclass(frozen=True, slots=True)
class UnitTiming:
    """Seconds. `guard_s`: silence before a frame to this unit beyond what the protocol wants."""

    guard_s: float
    timeout_s: float


class Link(Protocol):
    """One line, one exchange at a time. Errors are those of `drivers.errors`.

    `connected` is False once an exchange or `open` found the line gone; only `open` makes it True again. `on_lost` is
    called when an idle line goes away: it may wake somebody, not more. `stale`: the next exchange would have to open the
    connection anew, which `open` does beforehand. `sent`: the frame of the last exchange left.

    `quiet_at` is when the line will have been quiet long enough for anybody if nothing more comes, a past moment if it is.
    An exchange begun sooner waits by itself. It is told to have failed when the quiet does not come for `jammed_s`.
    """

    tally: WireTally
    on_lost: Callable[[], None]
    sent: bool

    @property
    def connected(self) -> bool: ...

    @property
    def stale(self) -> bool: ...

    @property
    def quiet_at(self) -> float: ...

    @property
    def jammed_s(self) -> float: ...

    async def open(self) -> None:
        """Raises BusUnavailable."""
        ...

    async def close(self) -> None: ...

    async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> tuple[int, ...]:
        """Values of a confirmed reply; () for writes. Unit 0 broadcasts a write, waits the turnaround and returns ().

        `probe`: the unit is thought to be dead, its silence shall cost the others as little as can be.
        """
        ...

    def frame(self, unit: int, request: Request) -> bytes: ...

    def doubts(self, request: Request) -> bool:
        """Its confirmation could not be told from our own echo yet: an answered read settles that."""
        ...

    def wire_ms(self, request: Request) -> float | None:
        """Both frames and both silences; None where there is no wire to time."""
        ...

    def wire_bytes(self, request: Request) -> int:
        """Request and reply."""
        ...


def check_broadcast(unit: int, request: Request) -> None:
    if unit == 0 and not request.writes:
        raise ValueError("only writes can be broadcast")
