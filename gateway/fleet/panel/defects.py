"""Defects in the work for one panel: each is told loudly, and the work is tried again with back-off. No other panel notices."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from drivers.contract import Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.events import Failed
from gateway.fleet.panel.backoff import CAP_S, back_off_s
from gateway.fleet.panel.failure import Failure

LOG = logging.getLogger(__name__)
_UNSAFE_S = 1.0
"""Time until the next try to make a panel safe, however long the work itself has to wait."""
_FORGIVEN_S = 2 * CAP_S
"""After so long without another one a defect counts as the first."""


def words_of(defect: Exception) -> str:
    """A defect in the words of an answer."""
    return f"{type(defect).__name__}: {defect}"


class Defects:
    """The defects of a panel's task; `work` names it in the log. `failure`: the last one, until the work has succeeded since."""

    def __init__(self, panel: str, work: str, context: FleetContext) -> None:
        self.failure: Failure | None = None
        self.resting = False
        """The work has ended and waits for its next try."""
        self._panel = panel
        self._work = work
        self._context = context
        self._count = 0
        self._told_at = 0.0
        self._reported: Exception | None = None
        self._again = asyncio.Event()

    def report(self, defect: Exception) -> None:
        """Somebody else met a defect of this panel: the work ends with it at its next `check`."""
        if not self.resting:
            self._reported = defect

    def check(self) -> None:
        """Raises what was reported."""
        defect, self._reported = self._reported, None
        if defect is not None:
            raise defect

    def again(self) -> None:
        """Do not wait for the next try."""
        self._again.set()

    def healed(self) -> None:
        """The work has succeeded."""
        self.failure = None

    async def survive(self, work: Callable[[], Awaitable[None]], make_safe: Callable[[Failure], Awaitable[bool]]) -> None:
        """`work` until it returns. After each defect `make_safe`, again soon while it returns False, then another try."""
        while True:
            self._again.clear()
            try:
                await work()
                return
            except Exception as defect:
                failure = self.failure = self._told(defect)
            self.resting = True
            try:
                await self._rest(failure, make_safe)
            finally:
                self.resting, self._reported = False, None

    def _told(self, defect: Exception) -> Failure:
        while isinstance(defect, ExceptionGroup):
            defect = defect.exceptions[0]
        now = self._context.clock.monotonic()
        self._count = 1 if now - self._told_at > _FORGIVEN_S else self._count + 1
        self._told_at = now
        failure = Failure(Reason.FAILED, words_of(defect))
        LOG.error("the work for a panel failed", exc_info=defect, extra={"panel": self._panel, "work": self._work})
        self._context.emit(Failed(self._panel, failure.reason, failure.message))
        return failure

    async def _rest(self, failure: Failure, make_safe: Callable[[Failure], Awaitable[bool]]) -> None:
        clock, safe = self._context.clock, False
        until = self._told_at + back_off_s(self._panel, self._count)
        while True:
            safe = safe or await make_safe(failure)
            left = until - clock.monotonic()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left if safe else min(left, _UNSAFE_S)):
                    await self._again.wait()
                    return
