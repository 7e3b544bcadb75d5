"""Bits that must be set before writes last or a table acts: they are read, and set without changing the other bits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from config.panel_model import PanelModel
from config.panel_parts import BitSetting
from drivers.calls import Call
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request, read_holding_registers, write_register


def prepare_request(model: PanelModel, setting: BitSetting, held: int = 0) -> Request:
    """The write for a register that reads `held`."""
    value = held & ~setting.mask | setting.value if setting.write is None else setting.write
    return write_register(setting.address - model.addressing.base, value)


When = Literal["always", "transaction", "clock"]


async def prepare(unit: PanelUnit, whens: Collection[When], call: Call, anyway: bool = False) -> bool:
    """Correct the bits; returns whether anything had to be written. `anyway`: write even where they read right, since they
    may not last. Raises DriverError.
    """
    wrote = False
    for setting in _concerned(unit, whens):
        held = await _read(unit, setting, call)
        if anyway or held & setting.mask != setting.value:
            await unit.exchange(prepare_request(unit.model, setting, held), call)
            wrote = True
    return wrote


async def stands(unit: PanelUnit, whens: Collection[When], call: Call) -> bool:
    """Whether all bits are still right. Raises DriverError."""
    for setting in _concerned(unit, whens):
        if await _read(unit, setting, call) & setting.mask != setting.value:
            return False
    return True


def _concerned(unit: PanelUnit, whens: Collection[When]) -> list[BitSetting]:
    return [setting for setting in unit.model.write.prepare if setting.when in whens]


async def _read(unit: PanelUnit, setting: BitSetting, call: Call) -> int:
    return (await unit.exchange(read_holding_registers(setting.address - unit.model.addressing.base, 1), call))[0]
