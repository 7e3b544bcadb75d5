"""Who works for the fleet: the tasks of every panel and line, their beginning, their end, and what they die of."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from gateway.concurrency import Supervisor, end
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.drift import DriftLook
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.panel.state import PanelState


class Roster:
    """`workers` and `keepers` by panel."""

    def __init__(self, context: FleetContext) -> None:
        self.supervisor = Supervisor()
        self.workers: dict[str, Reconciler] = {}
        self.keepers: dict[str, OutputKeeper] = {}
        self._context = context
        self._looks: dict[str, DriftLook] = {}
        self._panel_tasks: dict[str, tuple[asyncio.Task[None], ...]] = {}
        self._line_tasks: dict[str, asyncio.Task[None]] = {}
        self._stopped = False

    def enlist(self, state: PanelState, marked: Collection[int], drift_share: float) -> None:
        """Make the workers of a panel; they begin with `begin`. `marked`: outputs that an earlier run held."""
        worker = Reconciler(state, self._context)
        self.workers[state.id], self.keepers[state.id] = worker, OutputKeeper(state, self._context, marked)
        look = self._looks.setdefault(state.line, DriftLook(self._context.clock, drift_share))
        look.share = drift_share
        look.workers[state.id] = worker

    def begin(self, panel: str) -> None:
        """Nobody begins after `stop`: a reload may still be under way then."""
        worker = self.workers[panel]
        if self._stopped:
            worker.stop()
            self.keepers[panel].stop()
            return
        line = worker.state.line
        self._panel_tasks[panel] = (
            self.supervisor.spawn(worker.run(), f"panel {panel}"),
            self.supervisor.spawn(self.keepers[panel].run(), f"outputs of {panel}"),
        )
        if line not in self._line_tasks and self._looks[line].share > 0:
            self._line_tasks[line] = self.supervisor.spawn(self._looks[line].run(), f"drift look on {line}")

    async def dismiss(self, panel: str, grace_s: float) -> None:
        """End the workers of a panel; what they are about may end within `grace_s` seconds. Once is enough."""
        worker = self.workers[panel]
        worker.stop()
        self.keepers[panel].stop()
        await end(self._panel_tasks.pop(panel, ()), grace_s)
        await worker.looked()
        look = self._looks.get(worker.state.line)
        if look is None or look.workers.pop(panel, None) is None or look.workers:
            return
        del self._looks[worker.state.line]
        task = self._line_tasks.pop(worker.state.line, None)
        if task is not None:
            task.cancel()

    def forget(self, panel: str) -> None:
        """Nobody asks for the panel any more."""
        del self.workers[panel], self.keepers[panel]

    async def stop(self, grace_s: float) -> None:
        """No new work; what is under way, requests too, may end within `grace_s` seconds."""
        self._stopped = True
        for panel, worker in self.workers.items():
            worker.stop()
            self.keepers[panel].stop()
        for task in self._line_tasks.values():
            task.cancel()
        await self.supervisor.stop(grace_s)
