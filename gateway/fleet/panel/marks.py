"""Which outputs of a panel the gateway may have switched on, and for whom: durable, so that a later run switches off what this
one left, and says whom a panel that has left may still let in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from drivers.contract import Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.failure import Failure
from gateway.fleet.target import Target
from gateway.store.contract import StoreError

FACT = "lease"
"""The durable fact of a panel that keeps for how many seconds at most an output stays on by itself; none: without a limit."""


class Marks:
    """One panel's. `outputs`: what the store has of an earlier run, the items by output. `lease_s`: see `FACT`; `kept`: what the
    store has of it."""

    def __init__(
        self, panel: str, context: FleetContext, outputs: Mapping[int, Collection[str]], lease_s: int | None, kept: str | None
    ) -> None:
        self.outputs = {number: frozenset(keys) for number, keys in outputs.items()}
        self.lease = kept
        self._lease = None if lease_s is None else str(lease_s)
        self._panel = panel
        self._context = context

    async def put(self, output: int, keys: Collection[str]) -> Failure | None:
        """Mark an output that these items are bound to; without any, take its mark away."""
        if frozenset(keys) == self.outputs.get(output, frozenset()):
            return None
        name, store, at = str(Target(self._panel, output)), self._context.store, self._context.stamp()
        try:
            if self.lease != self._lease:
                await store.put_panel_fact(self._panel, FACT, self._lease, at)
                self.lease = self._lease
            await store.put_allocation(name, dict.fromkeys(keys, ()), at)
        except StoreError as error:
            return Failure(Reason.BUS_UNAVAILABLE, f"the store refused: {error}")
        if keys:
            self.outputs[output] = frozenset(keys)
        else:
            del self.outputs[output]
        return None
