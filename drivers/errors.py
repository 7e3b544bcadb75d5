"""Errors of lines and panels. Each class names its outcome and its reason; they become values at a driver's edge.

DriverError
├── NotSent                  nothing left the gateway: safe to repeat
│   ├── QueueFull
│   ├── DeadlinePassed
│   ├── GaveWay              something more urgent waits
│   ├── Quarantined
│   ├── BusUnavailable       port gone, connection refused
│   ├── Unmet                the unit behind a new connection was not asked yet who it is
│   └── LineStopped          the line is draining or closed
├── PanelException           rejected: the panel refused, with its code
│   └── PanelBusy            it did nothing; the request can be repeated later
├── WrongDevice              rejected: what answers is another kind of device than the configuration says
└── Unconfirmed              bytes left, no trustworthy answer: read back
    ├── NoReply              wiring, address, asleep
    │   └── Unheard          a converter reports that it forwarded the request, or may have, and heard nothing
    ├── StillWorking         the panel accepted the request and is not done
    ├── CorruptReply         noise, termination
    ├── UnexpectedReply      a frame that does not answer the request
    ├── ConnectionLost       the line went away during the exchange
    └── VerifyFailed         the panel acknowledged and then read back otherwise
"""

from __future__ import annotations

from typing import ClassVar

from drivers.contract import Outcome, Reason


class DriverError(Exception):
    outcome: ClassVar[Outcome]
    reason: ClassVar[Reason]


class NotSent(DriverError):
    outcome = Outcome.NOT_SENT
    reason = Reason.BUS_UNAVAILABLE


class QueueFull(NotSent):
    reason = Reason.QUEUE_FULL


class DeadlinePassed(NotSent):
    reason = Reason.DEADLINE_PASSED


class GaveWay(NotSent):
    """A transaction was left before the panel acts on any of it, because something more urgent waits."""

    reason = Reason.QUEUE_FULL


class Quarantined(NotSent):
    reason = Reason.QUARANTINED


class BusUnavailable(NotSent):
    reason = Reason.BUS_UNAVAILABLE


class Unmet(NotSent):
    """The connection is another one than the one on which the unit was asked who it is: another unit may be behind it."""

    reason = Reason.BUS_UNAVAILABLE

    def __init__(self, why: str = "the connection is a new one: the unit behind it was not asked yet who it is") -> None:
        super().__init__(why)


class LineStopped(NotSent):
    reason = Reason.BUS_UNAVAILABLE


class PanelException(DriverError):
    """The panel answered with an exception; `code` is the protocol's own."""

    outcome = Outcome.REJECTED
    reason = Reason.PANEL_REJECTED

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message or f"the panel answered with exception {code:#04x}")
        self.code = code


class PanelBusy(PanelException):
    """The panel did nothing because it is busy: the same request may succeed later."""


class WrongDevice(DriverError):
    outcome = Outcome.REJECTED
    reason = Reason.WRONG_DEVICE


class Unconfirmed(DriverError):
    outcome = Outcome.UNCONFIRMED
    reason = Reason.NO_REPLY


class NoReply(Unconfirmed):
    reason = Reason.NO_REPLY


class Unheard(NoReply):
    """A converter between the line and the panel answered with exception `code`; the panel did not."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a converter answered with exception {code:#04x}: it did not hear the panel")
        self.code = code


class StillWorking(Unconfirmed):
    """The panel answered with exception `code`: it accepted the request, which takes time."""

    reason = Reason.UNEXPECTED_REPLY

    def __init__(self, code: int) -> None:
        super().__init__("the panel accepted the request and is still working on it")
        self.code = code


class CorruptReply(Unconfirmed):
    reason = Reason.CORRUPT_REPLY


class UnexpectedReply(Unconfirmed):
    reason = Reason.UNEXPECTED_REPLY


class ConnectionLost(Unconfirmed):
    reason = Reason.BUS_UNAVAILABLE


class VerifyFailed(Unconfirmed):
    reason = Reason.VERIFY_FAILED
