"""Which outputs of a panel the gateway may have switched on: durable, so that a later run switches off what this one left."""

from __future__ import annotations

from collections.abc import Collection

from drivers.contract import Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.failure import Failure
from gateway.fleet.target import Target
from gateway.store.contract import StoreError


class Marks:
    """One panel's. `outputs`: what the store has of an earlier run."""

    def __init__(self, panel: str, context: FleetContext, outputs: Collection[int]) -> None:
        self.outputs = set(outputs)
        self._panel = panel
        self._context = context

    async def put(self, output: int, keys: Collection[str]) -> Failure | None:
        """Mark an output that these items are bound to; without any, take its mark away."""
        if bool(keys) == (output in self.outputs):
            return None
        name = str(Target(self._panel, output))
        try:
            await self._context.store.put_allocation(name, dict.fromkeys(keys, ()), self._context.stamp())
        except StoreError as error:
            return Failure(Reason.BUS_UNAVAILABLE, f"the store refused: {error}")
        (self.outputs.add if keys else self.outputs.discard)(output)
        return None
