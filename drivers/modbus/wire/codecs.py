"""Turns reply PDUs into values, for every kind of Modbus line. A reply is accepted only if it answers the request: pymodbus'
PDU classes let another function, a short count and a wrong echo pass, and take ten times as long.
"""

from __future__ import annotations

import struct

from drivers.errors import DriverError, PanelBusy, PanelException, StillWorking, UnexpectedReply, Unheard
from drivers.modbus.wire import requests
from drivers.modbus.wire.requests import Request

Answer = tuple[int, ...] | DriverError
"""What a reply carries, or why there is none."""

EXCEPTION_FLAG = 0x80
_EXCEPTION_SIZE = 2
_ACCEPTED = 0x05
"""A panel sends it while it is still at work: whether it will have done it is not known yet."""
BUSY = 0x06
_OF_CONVERTERS = frozenset({0x0A, 0x0B})
"""No path to the unit, no answer from it: a converter sends these codes after it forwarded the request, or may have."""


def decode_reply(request: Request, sent: bytes, reply: bytes) -> tuple[int, ...]:
    """The values a reply PDU carries: words, bits as 0/1, () for a confirmed write. `sent` is the request's PDU.

    Raises PanelException with the panel's code, a maker's own too; PanelBusy, StillWorking and Unheard for codes that are no
    refusal of the panel; UnexpectedReply for what does not answer.
    """
    if not reply or reply[0] != request.function:
        raise _refused(request, reply)
    if request.writes:
        return _check_echo(sent, reply)
    if len(reply) != request.reply_pdu_size() or reply[1] != len(reply) - 2:
        raise UnexpectedReply(f"{len(reply)} bytes where {request.reply_pdu_size()} were asked for")
    if request.function in requests.REGISTER_READS:
        return struct.unpack(f">{request.count}H", reply[2:])
    return tuple([reply[2 + bit // 8] >> bit % 8 & 1 for bit in range(request.count)])


def _refused(request: Request, reply: bytes) -> DriverError:
    if len(reply) != _EXCEPTION_SIZE or reply[0] != request.function | EXCEPTION_FLAG:
        return UnexpectedReply(f"a reply {reply[:5].hex()} to function {request.function:#04x}")
    code = reply[1]
    if code in _OF_CONVERTERS:
        return Unheard(code)
    if code == _ACCEPTED:
        return StillWorking(code)
    return PanelBusy(code) if code == BUSY else PanelException(code)


def _check_echo(sent: bytes, reply: bytes) -> tuple[int, ...]:
    """Check the answer to a write: it repeats the first five bytes of its request."""
    if reply != sent[:5]:
        raise UnexpectedReply(f"an echo {reply[:5].hex()} to a write of {sent[:5].hex()}")
    return ()
