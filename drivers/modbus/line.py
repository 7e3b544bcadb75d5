"""A Modbus line: its bus, and the drivers of the panels on it."""

from __future__ import annotations

from collections.abc import Mapping

from config.panel_model import PanelModel
from config.settings import AnyModbusLine, PanelSettings
from drivers.bus.worker import Bus
from drivers.clock import Clock
from drivers.contract import PanelDriver
from drivers.link import Link
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.named import named_reads, read_area
from drivers.modbus.panel.output_driver import OutputDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.codecs import BUSY
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import Request, read_input_registers

ModbusLink = Link[Request, tuple[int, ...]]
ModbusBus = Bus[Request, tuple[int, ...]]
"""One Modbus line. An exchange returns the words or 0/1 bits of a read, () for a confirmed write."""


class ModbusLine:
    """See `drivers.factory.Line`."""

    def __init__(self, settings: AnyModbusLine, clock: Clock, link: ModbusLink | None = None) -> None:
        """`link`: the one that the settings describe where absent."""
        self.bus: ModbusBus = Bus(settings, link or open_link(settings, clock), clock)
        self._clock = clock

    def add_panel(self, panel: PanelSettings, models: Mapping[str, PanelModel]) -> PanelDriver:
        model = models[panel.model].configured(panel.options)
        pipeline = panel.pipeline or model.pipeline
        self.bus.attach(
            panel.unit,
            guard_ms=panel.guard_ms,
            timeout_ms=panel.timeout_ms,
            probe=_probe(model),
            waits=model.write.busy is not None and model.write.busy.code == BUSY,
            pipeline=pipeline,
        )
        unit = PanelUnit(model, panel.unit, self.bus, self._clock, pipeline)
        return OutputDriver(unit) if model.schedule is None else ModbusPanelDriver(unit)

    def remove_panel(self, panel: PanelSettings) -> None:
        self.bus.detach(panel.unit)


def _probe(model: PanelModel) -> Request:
    """A cheap read that every such panel answers."""
    if model.identity:
        return named_reads(model, [model.identity[0].read])[0][2]
    if model.registers:
        return named_reads(model, list(model.registers)[:1])[0][2]
    if model.outputs is not None and model.outputs.state is not None:
        return read_area(model.outputs.state.area, model.outputs.state.address, 1, model.addressing)
    return read_input_registers(0, 1)
