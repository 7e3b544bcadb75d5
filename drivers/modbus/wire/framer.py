"""Makes RTU frames, and finds them in a byte stream that may start anywhere and contain anything.

The framer slides: where no whole frame with a valid CRC starts, it goes on one byte further. What it finds depends on
the bytes only, never on how they were cut into pieces. A frame tells its own length, so the buffer never grows beyond
one frame.
"""

from __future__ import annotations

from typing import NamedTuple

from drivers.modbus.wire.codecs import EXCEPTION_FLAG
from drivers.modbus.wire.requests import BIT_READS, FUNCTIONS, REGISTER_READS

_MAX_UNIT = 247
_MAX_BYTE_COUNT = 250
_ECHO_FRAME = 8
_EXCEPTION_FRAME = 5
_MIN_FRAME = 5
_READS = BIT_READS | REGISTER_READS


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, initial value 0xFFFF; its low byte goes over the line first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def build(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def is_whole(frame: bytes) -> bool:
    """The CRC of a frame together with its own CRC bytes is zero."""
    return crc16(frame) == 0


class Frame(NamedTuple):
    unit: int
    pdu: bytes


class ReplyFramer:
    """Finds the reply frames of any panel in the bytes that arrive."""

    __slots__ = ("_buffer", "skipped", "waiting")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0
        """How many bytes so far belong to no frame."""
        self.waiting = 0
        """The bytes that may yet become a frame."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes that arrived and return the frames that are complete now."""
        self._buffer += data
        return self._scan(final=False)

    def flush(self) -> list[Frame]:
        """No more bytes will come: return the frames behind the unfinished beginnings. Leaves the framer empty."""
        return self._scan(final=True)

    def _scan(self, final: bool) -> list[Frame]:
        buffer = self._buffer
        frames: list[Frame] = []
        start = 0
        while start < len(buffer):
            size = _frame_size(buffer, start)
            if not final and (size is None or size > len(buffer) - start):
                break
            candidate = bytes(buffer[start : start + size]) if size else b""
            if size and len(candidate) == size and is_whole(candidate):
                frames.append(Frame(candidate[0], candidate[1:-2]))
                start += size
            else:
                self.skipped += 1
                start += 1
        del buffer[:start]
        self.waiting = len(buffer)
        return frames


def _frame_size(buffer: bytearray, start: int) -> int | None:
    """The size of the frame that may start here; 0 if none can; None if more bytes are needed to tell."""
    unit = buffer[start]
    # An RS-485 driver that turns on shows 0x00 or 0xFF before a frame: neither begins one.
    if not 1 <= unit <= _MAX_UNIT:
        return 0
    left = len(buffer) - start
    if left < 2:
        return None
    function = buffer[start + 1]
    if function & EXCEPTION_FLAG:
        return _EXCEPTION_FRAME if function & ~EXCEPTION_FLAG in FUNCTIONS else 0
    if function not in FUNCTIONS:
        return 0
    if function not in _READS:
        return _ECHO_FRAME
    if left < 3:
        return None
    count = buffer[start + 2]
    return _MIN_FRAME + count if 1 <= count <= _MAX_BYTE_COUNT else 0
