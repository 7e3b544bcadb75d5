"""Registers by their names in the model file: which reads fetch a set of them, and what their words mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from config.panel_model import PanelModel
from config.panel_parts import Addressing, Area, Register
from drivers.modbus.panel.steps import Check
from drivers.modbus.panel.words import chunks, spans
from drivers.modbus.wire.requests import Request, read_coils, read_discrete_inputs, read_holding_registers, read_input_registers

_READ = {"coil": read_coils, "discrete": read_discrete_inputs, "holding": read_holding_registers, "input": read_input_registers}
_READ_GAP = 12
"""How many words of other listed registers are cheaper to read along than by a frame of their own."""


def read_area(area: Area, address: int, count: int, addressing: Addressing) -> Request:
    return _READ[area](address - addressing.base, count)


def register_read(model: PanelModel, name: str) -> Request:
    """The read of one named register."""
    register = model.registers[name]
    return read_area(register.area, register.address, register.width, model.addressing)


def named_reads(model: PanelModel, names: Iterable[str]) -> Sequence[tuple[Area, int, Request]]:
    """The fewest reads that fetch the named registers: (area, documented address, request). Only listed registers are read
    along."""
    return _reads(model, tuple(names))


@lru_cache(maxsize=256)
def _reads(model: PanelModel, names: tuple[str, ...]) -> Sequence[tuple[Area, int, Request]]:
    """The same for all panels of a model, of which only a few sets of names are asked for."""
    wanted = [model.registers[name] for name in names]
    plan: list[tuple[Area, int, Request]] = []
    for area in ("coil", "discrete", "holding", "input"):
        listed = {at: None for register in model.registers.values() if register.area == area for at in _addresses(register)}
        needed = {at for register in wanted if register.area == area for at in _addresses(register)}
        for first, last in spans(needed, _READ_GAP, listed):
            for start, count in chunks(first, last, model.addressing.max_read_words):
                plan.append((area, start, read_area(area, start, count, model.addressing)))
    return tuple(plan)


def named_checks(model: PanelModel, expected: Mapping[str, int]) -> tuple[Check, ...]:
    """The fewest reads that prove what the named registers hold."""
    held = {
        (model.registers[name].area, at): word
        for name, value in expected.items()
        for at, word in zip(_addresses(model.registers[name]), _words_of(model, name, value), strict=True)
    }
    return tuple(
        Check(request, tuple([held.get((area, start + index)) for index in range(request.count)]))
        for area, start, request in named_reads(model, expected)
    )


def _words_of(model: PanelModel, name: str, value: int) -> list[int]:
    """The words of a register that holds a number: the inverse of `number`."""
    places = range(model.registers[name].width)
    words = [_bytes_ordered(value >> 16 * place & 0xFFFF, model.addressing) for place in places]
    return words if model.addressing.word_order == "low_first" else words[::-1]


def _addresses(register: Register) -> range:
    return range(register.address, register.address + register.width)


def number(register: Register, words: Mapping[tuple[Area, int], int], addressing: Addressing) -> int:
    """The value of a register whose words are among `words` (area, documented address)."""
    held = [_bytes_ordered(words[register.area, at], addressing) for at in _addresses(register)]
    if register.type == "i16":
        return held[0] - 0x10000 if held[0] >= 0x8000 else held[0]
    if addressing.word_order == "low_first":
        held.reverse()
    return joined(held)


def _bytes_ordered(word: int, addressing: Addressing) -> int:
    return word if addressing.byte_order == "high_first" else (word & 0xFF) << 8 | word >> 8


def joined(words: Sequence[int]) -> int:
    """The words as one number, high word first."""
    value = 0
    for word in words:
        value = value << 16 | word
    return value


def text(register: Register, words: Mapping[tuple[Area, int], int]) -> str:
    """The words of a register as hexadecimal text."""
    return "".join(f"{words[register.area, at]:04X}" for at in _addresses(register))
