"""What a panel must not hold and may hold all the same, by nothing that the store has of its slots: durable, so that a deletion
which waits for the panel is not forgotten when the panel leaves the site while nothing runs.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.fleet.context import FleetContext
from gateway.fleet.panel.state import PanelState
from gateway.store.codec import Codec, read_fact
from gateway.store.contract import StoreError

FACT = "leaving"
"""The durable fact of a panel that keeps these items."""
_KEYS: Codec[tuple[str, ...]] = Codec(tuple[str, ...], FACT)


def keys_of(panel: str, text: str | None) -> frozenset[str]:
    """Raises StoreDamaged."""
    keys = () if text is None else read_fact(_KEYS, panel, text)
    return frozenset(keys)


class Leaving:
    """One panel's. `kept`: what the store has of it."""

    def __init__(self, state: PanelState, context: FleetContext, kept: str | None) -> None:
        self.fact = kept
        self._state = state
        self._context = context

    def lacks(self, keys: Collection[str]) -> bool:
        """Whether any of these items is on its way out here and no slot in the store says so."""
        leaving, allocation = self._state.leaving, self._state.allocation
        return any(key in leaving and key not in allocation for key in keys)

    async def keep(self, *, durable: bool) -> None:
        """Let the store know; `durable`: also where that was told already, but may be lost in a power cut. Raises StoreError."""
        state, before = self._state, self.fact
        keys = sorted(key for key in state.leaving if key not in state.allocation)
        self.fact = _KEYS.encode(tuple(keys)) if keys else None
        if self.fact == before and not (durable and keys):
            return
        try:
            await self._context.store.put_panel_fact(state.id, FACT, self.fact, self._context.stamp(), durable=durable)
        except StoreError:
            self.fact = before
            raise
