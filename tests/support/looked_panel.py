"""A panel with the part that looks at it, for tests of a look."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from drivers.contract import PanelImage, Period, Priority, Slot
from gateway.fleet.panel.failure import Failure
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.inspection import Inspection
from gateway.store.contract import Certain, ObservedPanel
from tests.support.fleet_site import link
from tests.support.panel_parts import PanelParts
from tests.support.virtual_time import run_virtual

A, B = link(1), link(2)
HOUR = 3600.0
OPEN = Slot((A,), (Period(127, 540, 600),))
HELD = PanelImage({0: OPEN}, (), {A: (0,)}, {A: 1})


class Looked(PanelParts):
    """A panel with the part that looks at it; its clock is right, and it holds one slot that is remembered."""

    def __init__(self, observed: ObservedPanel | None = None, **parts: Any) -> None:
        super().__init__(observed=ObservedPanel(known=Certain(HELD)) if observed is None else observed, **parts)
        self.panel.slots = {0: OPEN}
        self.panel.clock_offset_s = 0.0
        self.inspection = Inspection(self.state, self.context, Foreign(self.state, self.context, {}))

    async def asked(self, work: Coroutine[Any, Any, Failure | None]) -> list[str]:
        """What the panel is asked for the sake of this, which does not fail."""
        self.panel.readings.clear()
        assert await work is None
        return list(self.panel.readings)

    async def look(self) -> list[str]:
        self.inspection.begin()
        return await self.asked(self.inspection.look(Priority.GRANT))

    async def keep_clock(self) -> list[str]:
        self.inspection.begin()
        return await self.asked(self.inspection.keep_clock(Priority.GRANT))

    async def clock_failure(self) -> Failure:
        self.inspection.begin()
        failure = await self.inspection.keep_clock(Priority.GRANT)
        assert failure is not None
        return failure

    def events(self, kind: type) -> list[Any]:
        found = [event for event in self.told if isinstance(event, kind)]
        self.told.clear()
        return found


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


async def looked(observed: ObservedPanel | None = None, **parts: Any) -> Looked:
    """A panel that was looked at, and whose clock was found right."""
    made = Looked(observed, **parts)
    await made.store.open()
    await made.look()
    await made.keep_clock()
    made.told.clear()
    return made
