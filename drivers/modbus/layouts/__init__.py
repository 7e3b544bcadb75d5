"""Schedule layouts by name: the one registry. What data can describe is `period-table`; a new named one is added here."""

from __future__ import annotations

from config.panel_model import PanelModel
from config.schedule_layouts import OpenAccessSlots
from drivers.contract import PanelCapabilities
from drivers.modbus.layouts.layout import Layout
from drivers.modbus.layouts.open_access import OpenAccessLayout


def build_layout(model: PanelModel, capabilities: PanelCapabilities) -> Layout | None:
    """The layout of a model's schedules; None for a panel without any."""
    schedule = model.schedule
    if schedule is None:
        return None
    if isinstance(schedule, OpenAccessSlots):
        return OpenAccessLayout(model, schedule, capabilities)
    raise NotImplementedError(schedule.layout)
