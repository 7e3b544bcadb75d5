"""Our own bytes coming back: adapters that echo what we send, whether or not a setting says so.

The answer to a single write is the request itself, byte for byte. So a line whose settings do not say whether its adapter
echoes is in doubt until an answer of another shape has come, with our own frame in front of it or without.
"""

from __future__ import annotations

from drivers.errors import DriverError
from drivers.modbus.wire.codecs import decode_reply
from drivers.modbus.wire.requests import Request


def mirrors(request: Request) -> bool:
    """Whether the request's own bytes would pass for its answer."""
    if request.request_pdu_size() != request.reply_pdu_size():
        return False
    try:
        decode_reply(request, request.pdu(), request.pdu())
    except DriverError:
        return False
    return True


class Echo:
    """Removes the echo in front of one exchange's replies. `expected`: None where it is unknown whether the adapter echoes."""

    __slots__ = ("_frame", "_held", "_open", "collided", "expected", "heard")

    def __init__(self, frame: bytes, expected: bool | None) -> None:
        self._frame = frame
        self._held = b""
        self._open = expected is not False
        self.expected = expected
        self.heard = False
        """Whether our own frame came back, whole and first."""
        self.collided = False
        """Whether something else came where our echo must be: two masters were talking, and none of it is trusted."""

    @property
    def doubtful(self) -> bool:
        """Whether the bytes held back may be the beginning of a reply."""
        return self.expected is None and bool(self._held)

    def strip(self, data: bytes) -> bytes:
        """The part of the arrived bytes that may be a reply; a beginning like that of our own frame is held back."""
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
        """The bytes held back, once they can no longer become our frame."""
        held, self._held, self._open = self._held, b"", False
        return b"" if self.collided or (self.expected and not self.heard) else held
