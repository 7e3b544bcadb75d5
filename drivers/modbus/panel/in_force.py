"""The value that a panel acts on now, where it can be read: compared with its table by its own clock, and corrected.

A panel that consults its table at events only keeps an old value after its clock or its table was changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.calls import Call
from drivers.contract import PanelImage
from drivers.errors import VerifyFailed
from drivers.modbus.panel.clock_words import Wall
from drivers.modbus.panel.layouts.layout import Layout
from drivers.modbus.panel.set_clock import ClockWriter
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request

_ATTEMPTS = 3
_LATER_S = 3
"""Values are read after the clock: where the table changes in between, either value is right."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class InForce:
    """`request` reads the values; `wrong` are those that differ from the table by the panel's clock: (slot, value due)."""

    layout: Layout
    request: Request

    def wrong(self, image: PanelImage, wall: Wall, values: tuple[int, ...]) -> tuple[tuple[int, bool], ...]:
        later = divmod(_DAY_S * wall[0] + wall[1] + _LATER_S, _DAY_S)
        now, then = self.layout.due(image, wall[0], wall[1] // 60), self.layout.due(image, later[0], later[1] // 60)
        acting = self.layout.acting(values)
        return tuple((slot, due) for slot, due in now.items() if acting[slot] != due and acting[slot] != then[slot])


async def put_in_force(
    unit: PanelUnit, layout: Layout, clock: ClockWriter | None, image: PanelImage, call: Call, may_force: bool
) -> None:
    """Raises VerifyFailed where a value does not become what the table says. Without a set clock nothing is known.

    Without `may_force` values are only read: forcing wears out storage.
    """
    request = layout.values_read()
    if request is None or clock is None:
        return
    in_force = InForce(layout, request)
    for attempt in range(_ATTEMPTS):
        wall = (await clock.read(call)).wall
        if wall is None:
            return
        wrong = in_force.wrong(image, wall, await unit.exchange(request, call))
        if not wrong:
            return
        if not may_force:
            break
        if attempt + 1 < _ATTEMPTS:
            for write in (write for slot, due in wrong for write in layout.force(slot, due)):
                await unit.exchange(write, call)
    raise VerifyFailed("a value does not follow the panel's table")
