"""The Modbus requests a gateway makes: values, checked when they are made, encoded by pymodbus' PDU classes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

READ_COILS = 0x01
READ_DISCRETE_INPUTS = 0x02
READ_HOLDING_REGISTERS = 0x03
READ_INPUT_REGISTERS = 0x04
WRITE_COIL = 0x05
WRITE_REGISTER = 0x06
WRITE_REGISTERS = 0x10

BIT_READS = frozenset({READ_COILS, READ_DISCRETE_INPUTS})
REGISTER_READS = frozenset({READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS})
REGISTER_WRITES = frozenset({WRITE_REGISTER, WRITE_REGISTERS})
FUNCTIONS = BIT_READS | REGISTER_READS | {WRITE_COIL} | REGISTER_WRITES

# Modbus application protocol 1.1b3, section 6: quantities one request may carry.
_MAX_COUNT = {
    READ_COILS: 2000,
    READ_DISCRETE_INPUTS: 2000,
    READ_HOLDING_REGISTERS: 125,
    READ_INPUT_REGISTERS: 125,
    WRITE_COIL: 1,
    WRITE_REGISTER: 1,
    WRITE_REGISTERS: 123,
}
_WORD = 0xFFFF


class WriteRawCoilRequest(ModbusPDU):
    """Function 0x05 with any 16-bit value: vendors give meanings to values other than on and off, but pymodbus' own class
    reduces the value to on or off."""

    function_code = WRITE_COIL

    def encode(self) -> bytes:
        return struct.pack(">HH", self.address, self.registers[0])


_MESSAGES: dict[int, type[ModbusPDU]] = {
    READ_COILS: ReadCoilsRequest,
    READ_DISCRETE_INPUTS: ReadDiscreteInputsRequest,
    READ_HOLDING_REGISTERS: ReadHoldingRegistersRequest,
    READ_INPUT_REGISTERS: ReadInputRegistersRequest,
    WRITE_COIL: WriteRawCoilRequest,
    WRITE_REGISTER: WriteSingleRegisterRequest,
    WRITE_REGISTERS: WriteMultipleRegistersRequest,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request without its unit. `address` is the zero-based PDU address, `values` are raw words.

    `repeatable`: asking twice does no harm, so a silent one may be sent again. `anywhere`: it opens nothing and takes nothing
    that lasts, whichever unit it reaches. `words_of_now`: asked each time when a frame is made, in place of `values`, which are
    those of when the request was made. Raises ValueError for what the protocol cannot express.
    """

    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()
    repeatable: bool = True
    anywhere: bool = field(default=False, compare=False)
    words_of_now: Callable[[], Sequence[int]] | None = None
    _encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """The PDU, from when it was first asked for."""

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise ValueError(f"function {self.function:#04x} is not used by any panel")
        if not 1 <= self.count <= _MAX_COUNT[self.function]:
            raise ValueError(f"count {self.count} is outside 1..{_MAX_COUNT[self.function]}")
        if not 0 <= self.address <= _WORD + 1 - self.count:
            raise ValueError(f"address {self.address} and count {self.count} leave the address space")
        if len(self.values) != (self.count if self.writes else 0):
            raise ValueError(f"{len(self.values)} values do not fit count {self.count}")
        if self.values and not (min(self.values) >= 0 and max(self.values) <= _WORD):
            raise ValueError(f"a value is outside 0..{_WORD}")

    @property
    def writes(self) -> bool:
        return self.function >= WRITE_COIL

    @property
    def bound(self) -> bool:
        return self.function >= WRITE_COIL and not self.anywhere

    def pdu(self) -> bytes:
        """The PDU: function code and data, as every kind of line carries them. A link asks for it as the frame leaves, once."""
        if self._encoded is None:
            if self.words_of_now is not None:
                return _pdu(Request(self.function, self.address, self.count, tuple(self.words_of_now())))
            object.__setattr__(self, "_encoded", _pdu(self))
        assert self._encoded is not None
        return self._encoded

    def message(self, unit: int) -> ModbusPDU:
        """The request as an instance of pymodbus' PDU class."""
        return _MESSAGES[self.function](dev_id=unit, address=self.address, count=self.count, registers=self.values)

    def request_pdu_size(self) -> int:
        if self.function == WRITE_REGISTERS:
            return 6 + 2 * self.count
        return 5

    def reply_pdu_size(self) -> int:
        """The size in bytes of the reply's PDU when the panel does as asked."""
        if self.function in BIT_READS:
            return 2 + (self.count + 7) // 8
        if self.function in REGISTER_READS:
            return 2 + 2 * self.count
        return 5


@lru_cache(maxsize=1024)
def _pdu(request: Request) -> bytes:
    """Cached: panels with the same content get the same frames."""
    return bytes((request.function,)) + request.message(0).encode()


def read_coils(address: int, count: int) -> Request:
    return Request(READ_COILS, address, count)


def read_discrete_inputs(address: int, count: int) -> Request:
    return Request(READ_DISCRETE_INPUTS, address, count)


def read_holding_registers(address: int, count: int) -> Request:
    return Request(READ_HOLDING_REGISTERS, address, count)


def read_input_registers(address: int, count: int) -> Request:
    return Request(READ_INPUT_REGISTERS, address, count)


def write_coil(address: int, value: int, repeatable: bool = True) -> Request:
    """`value` is the raw word: 0xFF00 on, 0x0000 off, whatever else a vendor gives a meaning."""
    return Request(WRITE_COIL, address, 1, (value,), repeatable)


def write_register(address: int, value: int, repeatable: bool = True) -> Request:
    return Request(WRITE_REGISTER, address, 1, (value,), repeatable)


def write_registers(address: int, words: Sequence[int], repeatable: bool = True) -> Request:
    return Request(WRITE_REGISTERS, address, len(words), tuple(words), repeatable)


def write_registers_of_now(address: int, words: Callable[[], Sequence[int]]) -> Request:
    """What changes while the request waits, as the time does. `words` returns the same number of words each time. Not
    repeatable: what became of it is read first."""
    values = tuple(words())
    return Request(WRITE_REGISTERS, address, len(values), values, repeatable=False, words_of_now=words)
