"""What a bus needs from a line and from the requests on it, whatever the protocol."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from drivers.errors import DriverError


@dataclass(frozen=True, slots=True)
class UnitTiming:
    """Seconds. `guard_s`: silence before a frame to this unit beyond what the protocol asks for."""

    guard_s: float
    timeout_s: float


@dataclass(slots=True)
class WireTally:
    """What the line itself counts, by unit (0: no known unit)."""

    late_dropped: Counter[int] = field(default_factory=Counter)
    glitch_bytes: Counter[int] = field(default_factory=Counter)

    def begin_anew(self, unit: int) -> None:
        """Keep what was counted for this unit so far."""
        for counter in (self.late_dropped, self.glitch_bytes):
            counter[0] += counter.pop(unit, 0)


class Request(Protocol):
    """One request without its unit."""

    @property
    def writes(self) -> bool:
        """Whether the request changes something in the unit."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether sending the request twice does no harm, so that it may be repeated after no reply."""
        ...

    @property
    def bound(self) -> bool:
        """Whether the request is for one unit alone and would do harm in another one at the same address."""
        ...


R = TypeVar("R", bound=Request)
R_contra = TypeVar("R_contra", bound=Request, contravariant=True)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Link(Protocol[R_contra, V_co]):
    """One line, one exchange at a time. Errors are those of `drivers.errors`.

    `connected` is False once an exchange or `open` found the line gone; only `open` makes it True again. `on_lost` is
    called when an idle line goes away: it may wake somebody, not more. `stale`: the next exchange would have to open the
    connection anew, which `open` does beforehand; one for a bound request never does. `sent`: the frame of the last exchange
    left. `openings`: how often it was opened so far. `closes`: the far end ends each connection after its reply, or each few, so
    that a new one says nothing of the unit.

    `quiet_at` is when the line will have been quiet long enough for anybody if nothing more comes, a past moment if it is.
    An exchange begun sooner waits by itself. It is told to have failed when the quiet does not come for `jammed_s`.
    """

    tally: WireTally
    on_lost: Callable[[], None]
    sent: bool
    openings: int

    @property
    def connected(self) -> bool: ...

    @property
    def stale(self) -> bool: ...

    @property
    def closes(self) -> bool: ...

    @property
    def quiet_at(self) -> float: ...

    @property
    def jammed_s(self) -> float: ...

    async def open(self) -> None:
        """Raises BusUnavailable."""
        ...

    async def close(self) -> None: ...

    async def exchange(self, unit: int, request: R_contra, timing: UnitTiming, *, probe: bool = False) -> V_co:
        """Carry out one exchange and return what the confirmed reply carries.

        `probe`: the unit is thought to be dead, so its silence must cost the other units as little as possible.
        """
        ...

    def frame(self, unit: int, request: R_contra) -> bytes: ...

    def doubts(self, unit: int, request: R_contra) -> bool:
        """Whether it is unknown yet who confirms this write, the unit or an echo; an answered read settles that."""
        ...

    def wire_ms(self, request: R_contra) -> float | None:
        """The wire time of both frames and both silences; None where there is no wire to time."""
        ...

    def wire_bytes(self, request: R_contra) -> int:
        """The bytes of request and reply."""
        ...


Told = Callable[[Sequence[V | DriverError]], None]
"""Takes what became of each request of an exchange, in their order."""


def until_told(done: asyncio.Future[Sequence[V | DriverError]]) -> Told[V]:
    """For one who awaits it, and may be cancelled meanwhile."""
    return lambda answers: None if done.done() else done.set_result(answers)


@runtime_checkable
class DirectLink(Link[R_contra, V_co], Protocol[R_contra, V_co]):
    """A link that begins an exchange without waiting, and tells its end in the turn of the loop in which that comes."""

    def ready(self, unit: int, requests: Sequence[R_contra], now: float) -> bool:
        """Whether these can depart: the link is connected, not stale and quiet, doubts none of them, and will not find its
        connection closed between the call and the frame."""
        ...

    def depart(self, unit: int, requests: Sequence[R_contra], timing: UnitTiming, now: float, told: Told[V_co]) -> None:
        """Begin one exchange, of one request unless the link is a PipelinedLink; only while none is under way and the link is
        ready for them. `told` is called once, maybe before this returns. Only a defect of ours keeps it from
        being called: the link is not connected any more then, calls `on_lost`, and raises the defect at the next `open`.
        """
        ...


@runtime_checkable
class PipelinedLink(Link[R_contra, V_co], Protocol[R_contra, V_co]):
    """A link that tells the answers to several requests apart."""

    async def exchange_all(self, unit: int, requests: Sequence[R_contra], timing: UnitTiming) -> Sequence[V_co | DriverError]:
        """Send these requests at once, in this order, and return what became of each, in this order.

        They are over when each has its answer, or when none has come for the unit's timeout: a unit that serves one request after
        another gets that time for each. Raises NotSent where none of them left.
        """
        ...
