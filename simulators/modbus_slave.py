"""The slave's side of Modbus: PDUs answered from a register memory, RTU and MBAP framing. Written for the simulators alone.

Facts: Modbus Application Protocol 1.1b3 and Modbus over Serial Line 1.02. Addresses are zero-based PDU addresses, words
are unsigned 16-bit values, bits are 0 or 1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4
DEVICE_BUSY = 6

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
WRITES = frozenset({WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS})

_MOST = {READ_COILS: 2000, READ_DISCRETE: 2000, READ_HOLDING: 125, READ_INPUT: 125, WRITE_COILS: 1968, WRITE_REGISTERS: 123}


class ModbusRefusal(Exception):
    """The panel answers with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Memory(Protocol):
    """What a slave's PDUs act on. Each method raises ModbusRefusal and then has changed nothing."""

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]: ...

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]: ...

    def write_bit(self, address: int, value: int) -> None:
        """FC05; `value` is the raw word (0xFF00 on, 0x0000 off, whatever else a maker thought of)."""
        ...

    def write_word(self, address: int, value: int) -> None: ...

    def write_bits(self, address: int, bits: Sequence[int]) -> None: ...

    def write_words(self, address: int, words: Sequence[int]) -> None: ...


def answer(memory: Memory, pdu: bytes) -> bytes:
    """Carry out one request PDU and return the reply PDU; a refusal becomes an exception reply."""
    function = pdu[0]
    try:
        if function in (READ_COILS, READ_DISCRETE):
            return _answer_bits(memory, pdu)
        if function in (READ_HOLDING, READ_INPUT):
            return _answer_words(memory, pdu)
        if function in (WRITE_COIL, WRITE_REGISTER):
            return _answer_single(memory, pdu)
        if function in (WRITE_COILS, WRITE_REGISTERS):
            return _answer_multiple(memory, pdu)
        raise ModbusRefusal(ILLEGAL_FUNCTION)
    except ModbusRefusal as refusal:
        return bytes((function | 0x80, refusal.code))


def _span(pdu: bytes) -> tuple[int, int]:
    if len(pdu) < 5:
        raise ModbusRefusal(ILLEGAL_VALUE)
    address, count = struct.unpack_from(">HH", pdu, 1)
    if not 1 <= count <= _MOST[pdu[0]]:
        raise ModbusRefusal(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusRefusal(ILLEGAL_ADDRESS)
    return address, count


def _exactly(pdu: bytes, size: int) -> None:
    if len(pdu) != size:
        raise ModbusRefusal(ILLEGAL_VALUE)


def _answer_bits(memory: Memory, pdu: bytes) -> bytes:
    address, count = _span(pdu)
    _exactly(pdu, 5)
    packed = pack_bits(memory.read_bits(pdu[0], address, count))
    return bytes((pdu[0], len(packed))) + packed


def _answer_words(memory: Memory, pdu: bytes) -> bytes:
    address, count = _span(pdu)
    _exactly(pdu, 5)
    words = memory.read_words(pdu[0], address, count)
    return struct.pack(f">BB{count}H", pdu[0], 2 * count, *words)


def _answer_single(memory: Memory, pdu: bytes) -> bytes:
    _exactly(pdu, 5)
    address, value = struct.unpack_from(">HH", pdu, 1)
    if pdu[0] == WRITE_COIL:
        memory.write_bit(address, value)
    else:
        memory.write_word(address, value)
    return pdu


def _answer_multiple(memory: Memory, pdu: bytes) -> bytes:
    address, count = _span(pdu)
    size = 2 * count if pdu[0] == WRITE_REGISTERS else (count + 7) // 8
    _exactly(pdu, 6 + size)
    if pdu[5] != size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    if pdu[0] == WRITE_REGISTERS:
        memory.write_words(address, struct.unpack_from(f">{count}H", pdu, 6))
    else:
        memory.write_bits(address, unpack_bits(pdu[6:], count))
    return pdu[:5]


def pack_bits(bits: Sequence[int]) -> bytes:
    """Eight bits a byte, the first bit lowest."""
    packed = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        if bit:
            packed[index >> 3] |= 1 << (index & 7)
    return bytes(packed)


def unpack_bits(packed: bytes, count: int) -> tuple[int, ...]:
    return tuple(packed[index >> 3] >> (index & 7) & 1 for index in range(count))


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
        table.append(register)
    return tuple(table)


_CRC16 = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; on the wire its low byte goes first."""
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ _CRC16[(register ^ byte) & 0xFF]
    return register


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def rtu_parse(frame: bytes) -> tuple[int, bytes] | None:
    """The unit and PDU of a frame; None when it is too short, too long or damaged."""
    if not 4 <= len(frame) <= 256 or crc16(frame) != 0:
        return None
    return frame[0], bytes(frame[1:-2])


def rtu_request_size(head: Sequence[int]) -> int | None:
    """The length of the RTU request that begins with `head`; None while that cannot be told."""
    if len(head) < 2:
        return None
    if head[1] not in (WRITE_COILS, WRITE_REGISTERS):
        return 8
    return None if len(head) < 7 else 9 + head[6]


def mbap_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


class RtuRequests:
    """Cuts a byte stream into RTU requests by their length; a pause ends what is unfinished.

    For ports without wire timing (pseudo-terminals, sockets), where only the master's bytes arrive.
    """

    def __init__(self, pause_s: float = 0.05) -> None:
        self._pause_s = pause_s
        self._buffer = bytearray()
        self._last = float("-inf")

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """The frames completed by `data`, which arrived at `now`; damaged bytes are dropped up to the next pause."""
        if now - self._last > self._pause_s:
            self._buffer.clear()
        self._last = now
        self._buffer += data
        frames = []
        while (frame := self._take()) is not None:
            frames.append(frame)
        return frames

    def _take(self) -> bytes | None:
        size = rtu_request_size(self._buffer)
        if size is None or len(self._buffer) < size:
            return None
        frame = bytes(self._buffer[:size])
        del self._buffer[:size]
        if rtu_parse(frame) is None:
            self._buffer.clear()
            return None
        return frame


class MbapRequests:
    """Cuts a byte stream into Modbus TCP requests: (transaction, unit, PDU). `broken` once the stream makes no sense."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.broken = False

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        self._buffer += data
        frames = []
        while not self.broken and (frame := self._take()) is not None:
            frames.append(frame)
        return frames

    def _take(self) -> tuple[int, int, bytes] | None:
        if len(self._buffer) < 8:
            return None
        transaction, protocol, size, unit = struct.unpack_from(">HHHB", self._buffer)
        if protocol != 0 or not 2 <= size <= 254:
            self.broken = True
            return None
        if len(self._buffer) < 6 + size:
            return None
        pdu = bytes(self._buffer[7 : 6 + size])
        del self._buffer[: 6 + size]
        return transaction, unit, pdu
