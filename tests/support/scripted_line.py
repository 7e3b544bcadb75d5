"""A far end of an RTU line that does what a test says, byte by byte, on the running loop's time. Its frames are its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.modbus.wire.stream import Receiver

Answer = Sequence[tuple[float, bytes]]
"""Pieces of an answer: seconds after the end of the request, bytes that arrive at that moment."""


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return bytes((value & 0xFF, value >> 8))


def framed(hex_body: str) -> bytes:
    """Unit and PDU in hex, with the CRC put behind."""
    body = bytes.fromhex(hex_body)
    return body + crc(body)


@dataclass
class ScriptedLine:
    """`answer` is asked for each frame written. `sent` records (time of the write, frame)."""

    answer: Callable[[bytes], Answer]
    character_s: float = 10 / 9600
    echo: bool = False

    def __post_init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.opens = 0
        self.refuse = False
        self.receiver: Receiver | None = None

    async def connect(self, receiver: Receiver) -> ScriptedLine:
        self.opens += 1
        if self.refuse:
            raise FileNotFoundError("no such device")
        self.receiver = receiver
        return self

    def heard(self) -> bytes:
        return b""

    def gone(self) -> bool:
        return False

    def forget(self) -> None:
        return

    def write(self, data: bytes, /) -> None:
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        end = loop.time() + len(data) * self.character_s
        if self.echo:
            loop.call_at(end, self.arrive, data)
        for delay, piece in self.answer(data):
            loop.call_at(end + delay, self.arrive, piece)

    def arrive(self, data: bytes) -> None:
        if self.receiver is not None:
            self.receiver.data_received(data)

    def close(self) -> None:
        self.unplug()

    def unplug(self) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.connection_lost, None)
