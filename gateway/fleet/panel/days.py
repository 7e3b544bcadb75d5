"""When a panel's table is open for an item, day by day: as it is compiled, and as the panel holds it. Nothing is written."""

from __future__ import annotations

from drivers.contract import PanelImage
from gateway.compiler.calendar import Days, image_days
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.compilation import compile_asked
from gateway.fleet.panel.place import PlaceDays
from gateway.fleet.panel.state import PanelState
from gateway.store.contract import DesiredItem


async def days_of(state: PanelState, context: FleetContext, item: DesiredItem, first: int, count: int) -> PlaceDays:
    """What a panel may hold differs from image to image: then it is not known what it holds."""

    def opens(image: PanelImage) -> Days | None:
        zone = context.options.readings.zone
        return image_days(image, state.driver.capabilities, item.key, zone, first, count)

    images = state.images()
    found = [opens(image) for image in images]
    held = found[0] if found and all(each == found[0] for each in found) else None
    if item.content is None or item.key not in state.bound or not context.trusted():
        return PlaceDays(None, held)
    image = await compile_asked(state, context, item)
    if item.key not in image.generations:
        return PlaceDays(None, held)
    return PlaceDays(found[0] if images and image is images[0] else opens(image), held)
