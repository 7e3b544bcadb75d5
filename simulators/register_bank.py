"""A bare bank of Modbus registers: it keeps what is written and acts on nothing. For models without a simulator of their own."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence

from config.settings import PanelSettings
from simulators.clock import loop_time
from simulators.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, ModbusRefusal
from simulators.panel import SimulatedPanel

_ALL = 0x10000
_COIL = {0xFF00: 1, 0x0000: 0}


class RegisterBank(SimulatedPanel):
    """All four areas from address 0, `holding`, `input`, `coils` and `discrete` words or bits long, zeros at first, durable.

    Tests read and set the arrays themselves.
    """

    model = "register-bank"

    def __init__(
        self,
        settings: PanelSettings,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = loop_time,
        sizes: tuple[int, int, int, int] = (_ALL, _ALL, _ALL, _ALL),
    ) -> None:
        super().__init__(settings, wall, monotonic)
        self._sizes = sizes
        self._erase()

    def _erase(self) -> None:
        holding, inputs, coils, discrete = self._sizes
        self.holding, self.input = array("H", bytes(2 * holding)), array("H", bytes(2 * inputs))
        self.coils, self.discrete = bytearray(coils), bytearray(discrete)

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]:
        bits = self.coils if function == READ_COILS else self.discrete
        self._inside(len(bits), address, count)
        return bits[address : address + count]

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        words = self.holding if function == READ_HOLDING else self.input
        self._inside(len(words), address, count)
        return words[address : address + count]

    def write_bit(self, address: int, value: int) -> None:
        self._inside(len(self.coils), address, 1)
        if value not in _COIL:
            raise ModbusRefusal(ILLEGAL_VALUE)
        self.coils[address] = _COIL[value]

    def write_bits(self, address: int, bits: Sequence[int]) -> None:
        self._inside(len(self.coils), address, len(bits))
        self.coils[address : address + len(bits)] = bytes(bits)

    def write_word(self, address: int, value: int) -> None:
        self.write_words(address, (value,))

    def write_words(self, address: int, words: Sequence[int]) -> None:
        self._inside(len(self.holding), address, len(words))
        self.holding[address : address + len(words)] = array("H", words)

    def outputs(self) -> tuple[bool, ...]:
        return tuple(bool(bit) for bit in self.coils[:8])

    @staticmethod
    def _inside(size: int, address: int, count: int) -> None:
        if address + count > size:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
