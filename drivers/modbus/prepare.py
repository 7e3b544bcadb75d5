"""Bits that must stand right before writes last, or before a table acts: read, and set with the others kept."""

from __future__ import annotations

from typing import Literal

from config.panel_model import PanelModel
from config.panel_parts import BitSetting
from drivers.modbus.requests import Request, read_holding_registers, write_register
from drivers.modbus.unit import Call, PanelUnit


def prepare_request(model: PanelModel, setting: BitSetting, held: int = 0) -> Request:
    """The write for a register that reads `held`."""
    value = held & ~setting.mask | setting.value if setting.write is None else setting.write
    return write_register(setting.address - model.addressing.base, value)


Other = Literal["transaction", "clock"]


async def prepare(unit: PanelUnit, other: Other, call: Call) -> None:
    """Put right what has to stand always, and for a `transaction` or for the `clock`. Raises DriverError."""
    for setting in _concerned(unit, other):
        held = await _read(unit, setting, call)
        if held & setting.mask != setting.value:
            await unit.exchange(prepare_request(unit.model, setting, held), call)


async def stands(unit: PanelUnit, other: Other, call: Call) -> bool:
    """Whether it is all right still. Raises DriverError."""
    for setting in _concerned(unit, other):
        if await _read(unit, setting, call) & setting.mask != setting.value:
            return False
    return True


def _concerned(unit: PanelUnit, other: Other) -> list[BitSetting]:
    return [setting for setting in unit.model.write.prepare if setting.when in ("always", other)]


async def _read(unit: PanelUnit, setting: BitSetting, call: Call) -> int:
    return (await unit.exchange(read_holding_registers(setting.address - unit.model.addressing.base, 1), call))[0]
