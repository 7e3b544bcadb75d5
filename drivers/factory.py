"""Settings to lines and drivers: the only list of kinds."""

from __future__ import annotations

from collections.abc import Mapping

from config.panel_model import PanelModel
from config.settings import LineSettings, PanelSettings
from drivers.bus.worker import Bus
from drivers.clock import Clock
from drivers.contract import PanelDriver
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.named import named_reads, read_area
from drivers.modbus.panel.output_driver import OutputDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import Request, read_input_registers
from drivers.retry import BUSY


def build_bus(line: LineSettings, clock: Clock) -> Bus:
    """The bus of a line, not yet started."""
    return Bus(line, open_link(line, clock), clock)


def build_driver(
    panel: PanelSettings, line: LineSettings, bus: Bus, models: Mapping[str, PanelModel], clock: Clock
) -> PanelDriver:
    """Attach the panel's unit to the bus and make its driver; `bus.detach(panel.unit)` is the caller's, when the panel goes.

    Raises KeyError for an unknown model, ModelError for options that the model has not got.
    """
    model = models[panel.model].configured(panel.options)
    bus.attach(
        panel.unit,
        guard_ms=panel.guard_ms,
        timeout_ms=panel.timeout_ms,
        probe=_probe(model),
        waits=model.write.busy is not None and model.write.busy.code == BUSY,
    )
    unit = PanelUnit(model, panel.unit, bus, clock)
    return OutputDriver(unit) if model.schedule is None else ModbusPanelDriver(unit)


def _probe(model: PanelModel) -> Request:
    """A cheap read that any such panel answers."""
    if model.identity:
        return named_reads(model, [model.identity[0].read])[0][2]
    if model.registers:
        return named_reads(model, list(model.registers)[:1])[0][2]
    if model.outputs is not None and model.outputs.state is not None:
        return read_area(model.outputs.state.area, model.outputs.state.address, 1, model.addressing)
    return read_input_registers(0, 1)
