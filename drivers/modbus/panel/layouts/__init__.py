"""Schedule layouts by name: the one registry. What data can describe is `period-table`; a new named one is added here."""

from __future__ import annotations

from functools import lru_cache

from config.panel_model import PanelModel
from config.schedule_layouts import GeSchedules, OpenAccessSlots, PeriodTable, WeekEvents
from drivers.contract import PanelCapabilities
from drivers.modbus.panel.layouts.ge_schedules import GeLayout
from drivers.modbus.panel.layouts.layout import Layout
from drivers.modbus.panel.layouts.open_access import OpenAccessLayout
from drivers.modbus.panel.layouts.period_table import PeriodTableLayout
from drivers.modbus.panel.layouts.week_events import WeekLayout


@lru_cache(maxsize=64)
def build_layout(model: PanelModel, capabilities: PanelCapabilities) -> Layout | None:
    """The layout of a model's schedules, one for all panels of the model that are alike; None for a panel without any."""
    schedule = model.schedule
    if isinstance(schedule, OpenAccessSlots):
        return OpenAccessLayout(model, schedule, capabilities)
    if isinstance(schedule, GeSchedules):
        return GeLayout(model, schedule, capabilities)
    if isinstance(schedule, WeekEvents):
        return WeekLayout(model, schedule, capabilities)
    if isinstance(schedule, PeriodTable):
        return PeriodTableLayout(model, schedule, capabilities)
    return None
