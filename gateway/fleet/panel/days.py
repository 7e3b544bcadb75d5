"""When a panel's table is open for an item, day by day: as it is compiled, and as the panel holds it. Nothing is written."""

from __future__ import annotations

from drivers.contract import PanelImage
from gateway.compiler.calendar import Days, image_days
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.compilation import compile_bound
from gateway.fleet.panel.place import PlaceDays
from gateway.fleet.panel.state import PanelState
from gateway.store.contract import DesiredItem


async def days_of(state: PanelState, context: FleetContext, item: DesiredItem, first: int, count: int) -> PlaceDays:
    """What a panel may hold differs from image to image: then it is not known what it holds."""

    def opens(image: PanelImage) -> Days | None:
        zone = context.options.readings.zone
        return image_days(image, state.driver.capabilities, item.key, zone, first, count)

    found = [opens(image) for image in state.images()]
    held = found[0] if found and all(each == found[0] for each in found) else None
    if item.content is None or item.key not in state.bound or not context.trusted():
        return PlaceDays(None, held)
    image = await compile_bound(state, context, {item.key: item})
    return PlaceDays(opens(image) if item.key in image.generations else None, held)
