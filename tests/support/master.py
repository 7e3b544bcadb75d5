"""A tiny Modbus master for tests, apart from drivers and simulators: it shares no byte code with either."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pytest


class Reader(Protocol):
    async def read(self, n: int = -1) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


class Refused(Exception):
    """The panel answered with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class BadReply(Exception):
    """Something came back that is no answer to the request."""


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, bit by bit, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return bytes((value & 0xFF, value >> 8))


def rtu(unit: int, pdu: bytes) -> bytes:
    frame = bytes((unit,)) + pdu
    return frame + crc(frame)


def tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, 1 + len(pdu), unit) + pdu


def read_pdu(function: int, address: int, count: int) -> bytes:
    return struct.pack(">BHH", function, address, count)


def write_pdu(address: int, words: Sequence[int]) -> bytes:
    """FC16."""
    return struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words)


def single_pdu(function: int, address: int, value: int) -> bytes:
    """FC05 and FC06; the value is the raw word."""
    return struct.pack(">BHH", function, address, value)


def coils_pdu(address: int, bits: Sequence[int]) -> bytes:
    """FC15."""
    packed = sum(bit << index for index, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")
    return struct.pack(">BHHB", 15, address, len(bits), len(packed)) + packed


def words_of(reply: bytes) -> tuple[int, ...]:
    """Register values of a reply PDU to FC03 or FC04. Raises Refused."""
    raise_refusal(reply)
    return struct.unpack(f">{reply[1] // 2}H", reply[2 : 2 + reply[1]])


def bits_of(reply: bytes, count: int) -> tuple[int, ...]:
    """Bits of a reply PDU to FC01 or FC02. Raises Refused."""
    raise_refusal(reply)
    return tuple(reply[2 + index // 8] >> (index % 8) & 1 for index in range(count))


def raise_refusal(reply: bytes) -> None:
    if reply[0] & 0x80:
        raise Refused(reply[1])


_SILENCE_S = 0.3


class Master:
    """One request after the other; a reply must carry the unit and function asked for. `tcp`: MBAP framing, else RTU.

    A missing reply raises TimeoutError.
    """

    def __init__(
        self, reader: Reader, writer: Writer, *, tcp: bool = False, timeout_s: float = 2.0, silence_s: float = 0.0
    ) -> None:
        self._reader, self._writer = reader, writer
        self._tcp, self.timeout_s, self._silence_s = tcp, timeout_s, silence_s
        self._transaction = 0

    async def words(self, unit: int, function: int, address: int, count: int) -> tuple[int, ...]:
        return words_of(await self.ask(unit, read_pdu(function, address, count)))

    async def bits(self, unit: int, function: int, address: int, count: int) -> tuple[int, ...]:
        return bits_of(await self.ask(unit, read_pdu(function, address, count)), count)

    async def write(self, unit: int, address: int, words: Sequence[int]) -> None:
        raise_refusal(await self.ask(unit, write_pdu(address, words)))

    async def single(self, unit: int, function: int, address: int, value: int) -> None:
        raise_refusal(await self.ask(unit, single_pdu(function, address, value)))

    async def ask(self, unit: int, pdu: bytes) -> bytes:
        """The reply's PDU."""
        if self._silence_s:
            await asyncio.sleep(self._silence_s)
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._writer.write(tcp(self._transaction, unit, pdu) if self._tcp else rtu(unit, pdu))
        await self._writer.drain()
        async with asyncio.timeout(self.timeout_s):
            reply = await (self._tcp_reply() if self._tcp else self._rtu_reply(pdu))
        if reply[0] != unit or reply[1] & 0x7F != pdu[0]:
            raise BadReply(reply.hex())
        return reply[1:]

    async def _tcp_reply(self) -> bytes:
        head = await self._exactly(6, b"")
        transaction, protocol, size = struct.unpack(">HHH", head)
        if (transaction, protocol) != (self._transaction, 0):
            raise BadReply(head.hex())
        return await self._exactly(size, b"")

    async def _rtu_reply(self, pdu: bytes) -> bytes:
        reply = await self._exactly(5, b"")
        if reply[1] & 0x80 == 0:
            size = 5 + reply[2] if pdu[0] in (1, 2, 3, 4) else 8
            reply = await self._exactly(size, reply)
        if crc(reply[:-2]) != reply[-2:]:
            raise BadReply(reply.hex())
        return reply[:-2]

    async def _exactly(self, size: int, have: bytes) -> bytes:
        while len(have) < size:
            more = await self._reader.read(size - len(have))
            if not more:
                raise ConnectionError("the line was closed")
            have += more
        return have


@contextmanager
def unanswered(master: Master) -> Iterator[None]:
    """The request made inside gets no reply, for as long as a test can wait."""
    patience_s, master.timeout_s = master.timeout_s, _SILENCE_S
    try:
        with pytest.raises(TimeoutError):
            yield
    finally:
        master.timeout_s = patience_s
