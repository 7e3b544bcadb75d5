"""One controller on its line: exchanges, and the values that its replies carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from drivers.calls import Call
from drivers.contract import AvailabilityFeed, Priority
from drivers.errors import CorruptReply
from drivers.uhppote.wire.frames import Reply, Request

T = TypeVar("T")


class Wire(Protocol):
    """What a driver needs from the bus of its controller."""

    async def exchange(self, unit: int, request: Request, priority: Priority, deadline: float | None = None) -> Reply: ...

    def availability(self, unit: int) -> AvailabilityFeed: ...

    def quarantined_until(self, unit: int) -> float | None: ...

    @property
    def connection(self) -> int: ...

    def hasten(self, unit: int) -> None: ...

    def frame(self, unit: int, request: Request) -> bytes: ...

    def wire_bytes(self, request: Request) -> int: ...


class Board:
    def __init__(self, serial: int, wire: Wire) -> None:
        self.serial = serial
        self.wire = wire
        self.availability = wire.availability(serial)
        """The controller's availability; the feed goes on after it was removed from the line."""

    async def ask(self, request: Request, read: Callable[[Reply], T], call: Call) -> T:
        """One exchange, and what `read` makes of its reply. Raises DriverError."""
        reply = await self.wire.exchange(self.serial, request, call.priority, call.deadline)
        try:
            return read(reply)
        except ValueError as error:
            raise CorruptReply(f"the reply to {request.function:#04x} carries what it cannot: {error}") from error
