"""Makes Modbus TCP frames, and finds them in the bytes of a connection.

A header tells the length of its frame, so nothing is searched for: where a header makes no sense, what has arrived is given up.
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct(">HHHB")
"""Transaction id, protocol id (0), length of what follows with the unit in it, unit."""
HEADER_SIZE = _HEADER.size
_PREFIX = 6
"""The bytes that the length does not count."""
_MAX_LENGTH = 254


def build(transaction: int, unit: int, pdu: bytes) -> bytes:
    return _HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu


Frame = tuple[int, int, bytes]
"""Transaction id, unit, PDU."""


class MbapFramer:
    """Finds the frames of one connection. Its buffer never grows beyond one frame."""

    __slots__ = ("_buffer", "garbage", "waiting")

    def __init__(self) -> None:
        self._buffer = b""
        self.garbage = 0
        """How many bytes were given up."""
        self.waiting = 0
        """The bytes of a frame that is not complete yet."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes that arrived and return the frames that are complete now."""
        buffer = self._buffer + data if self._buffer else data
        frames: list[Frame] = []
        start = 0
        while len(buffer) - start >= HEADER_SIZE:
            transaction, protocol, length, unit = _HEADER.unpack_from(buffer, start)
            if protocol or not 2 <= length <= _MAX_LENGTH:
                self.garbage += len(buffer) - start
                start = len(buffer)
                break
            end = start + _PREFIX + length
            if end > len(buffer):
                break
            frames.append((transaction, unit, buffer[start + HEADER_SIZE : end]))
            start = end
        self._buffer = buffer[start:]
        self.waiting = len(self._buffer)
        return frames
