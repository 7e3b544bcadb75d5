"""Our own bytes on the way back: adapters that let us hear what we send, whether a setting says so or not.

The answer to a single write is the request itself, byte for byte. So a line of which nobody said that its adapter echoes is in
doubt until an answer of another shape has come, with our own frame in front of it or without.
"""

from __future__ import annotations

from drivers.errors import DriverError
from drivers.modbus.wire.codecs import decode_reply
from drivers.modbus.wire.requests import Request


def mirrors(request: Request) -> bool:
    """The request's own bytes would pass for its answer."""
    if request.request_pdu_size() != request.reply_pdu_size():
        return False
    try:
        decode_reply(request, request.pdu(), request.pdu())
    except DriverError:
        return False
    return True


class Echo:
    """What stands in front of one exchange's replies. `expected`: None where it is not known whether the adapter echoes."""

    __slots__ = ("_frame", "_held", "_open", "collided", "expected", "heard")

    def __init__(self, frame: bytes, expected: bool | None) -> None:
        self._frame = frame
        self._held = b""
        self._open = expected is not False
        self.expected = expected
        self.heard = False
        """Our own frame came back, whole and first."""
        self.collided = False
        """Something else came back where our frame must: two were talking, and nothing of it is believed."""

    @property
    def doubtful(self) -> bool:
        """What is held back may be a reply's beginning."""
        return self.expected is None and bool(self._held)

    def strip(self, data: bytes) -> bytes:
        """What of the bytes that arrived may be a reply; a beginning like that of our frame is held back."""
        if self.collided:
            return b""
        if not self._open:
            return data
        held = self._held + data
        size = min(len(held), len(self._frame))
        if held[:size] != self._frame[:size]:
            self.collided = self.expected is True
            self._held = held
            return self.rest()
        if size < len(self._frame):
            self._held = held
            return b""
        self.heard = True
        self._held = held[size:]
        return self.rest()

    def rest(self) -> bytes:
        """What is held back, when no more can come of it."""
        held, self._held, self._open = self._held, b"", False
        return b"" if self.collided or (self.expected and not self.heard) else held
