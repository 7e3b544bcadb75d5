"""Looks at panels in the background, one after the other on each line, with a share of the line's time."""

from __future__ import annotations

from drivers.clock import Clock
from gateway.fleet.panel.reconciler import Reconciler

_PAUSE_S = 1.0
"""Between two looks at least, however fast the line."""
_PERIOD_S = 30.0
"""One panel is not looked at more often than this."""


class DriftLook:
    """One line. `share` (above 0) of its time goes into looking."""

    def __init__(self, clock: Clock, share: float) -> None:
        self.share = share
        self.workers: dict[str, Reconciler] = {}
        self._clock = clock

    async def run(self) -> None:
        while True:
            began = self._clock.monotonic()
            for worker in list(self.workers.values()):
                await self._clock.sleep(await self._look(worker))
            rest = _PERIOD_S - (self._clock.monotonic() - began)
            await self._clock.sleep(max(_PAUSE_S, rest))

    async def _look(self, worker: Reconciler) -> float:
        """Look once; returns how long to leave the line alone afterwards, in seconds."""
        if worker.state.id not in self.workers:
            return 0.0
        began = self._clock.monotonic()
        await worker.look()
        spent = self._clock.monotonic() - began
        return max(_PAUSE_S / max(1, len(self.workers)), spent * (1 / self.share - 1))
