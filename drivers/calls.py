"""What the drivers of every protocol make of a call and of its errors."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import Acknowledgement, Outcome, PanelImage, Priority
from drivers.errors import DriverError, PanelException


@dataclass(frozen=True, slots=True)
class Call:
    """How urgent an exchange is, and until when it may start (monotonic seconds, None: no limit)."""

    priority: Priority
    deadline: float | None

    def finished(self) -> Call:
        """The same call without a deadline, for work that has begun and must be finished."""
        return Call(self.priority, None)


def failed(error: DriverError, image: PanelImage | None = None) -> Acknowledgement:
    """An error as the value that leaves the driver."""
    return Acknowledgement(error.outcome, image, error.reason, str(error))


def rejected(message: str, error: DriverError | None = None) -> Acknowledgement:
    """What a panel cannot do, or refused by `error`."""
    reason = PanelException.reason if error is None else error.reason
    return Acknowledgement(Outcome.REJECTED, None, reason, message)
