"""Exact bytes of every request, and which replies answer it."""

from __future__ import annotations

import pytest

from drivers.contract import Outcome
from drivers.errors import PanelException, StillWorking, UnexpectedReply, Unheard
from drivers.modbus.wire import requests
from drivers.modbus.wire.codecs import decode_reply
from drivers.modbus.wire.requests import (
    Request,
    read_coils,
    read_discrete_inputs,
    read_holding_registers,
    read_input_registers,
    write_coil,
    write_register,
    write_registers,
)

# Request, its PDU, a reply's PDU, the values in it. Most are the examples of the Modbus application protocol 1.1b3.
VECTORS = [
    (read_coils(0x13, 19), "01 0013 0013", "01 03 CD6B05", (1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1)),
    (read_discrete_inputs(0xC4, 3), "02 00C4 0003", "02 01 05", (1, 0, 1)),
    (read_holding_registers(0x6B, 3), "03 006B 0003", "03 06 022B 0000 0064", (0x22B, 0, 100)),
    (read_holding_registers(0, 1), "03 0000 0001", "03 02 FFFF", (0xFFFF,)),
    (read_holding_registers(0, 125), "03 0000 007D", "03 FA" + "0102" * 125, (0x0102,) * 125),
    (read_input_registers(8, 1), "04 0008 0001", "04 02 000A", (10,)),
    (write_coil(0xAC, 0xFF00), "05 00AC FF00", "05 00AC FF00", ()),
    (write_coil(0x0203, 0x7FFF), "05 0203 7FFF", "05 0203 7FFF", ()),
    (write_coil(1, 0x5500, repeatable=False), "05 0001 5500", "05 0001 5500", ()),
    (write_register(1, 3), "06 0001 0003", "06 0001 0003", ()),
    (write_registers(1, [10, 0x102]), "10 0001 0002 04 000A 0102", "10 0001 0002", ()),
    (write_registers(0xFF85, [0xFFFF] * 123), "10 FF85 007B F6" + "FFFF" * 123, "10 FF85 007B", ()),
]


@pytest.mark.parametrize(("request_", "sent", "reply", "values"), VECTORS)
def test_bytes_and_values(request_: Request, sent: str, reply: str, values: tuple[int, ...]) -> None:
    pdu = request_.pdu()
    assert pdu == bytes.fromhex(sent)
    assert len(pdu) == request_.request_pdu_size()
    assert len(bytes.fromhex(reply)) == request_.reply_pdu_size()
    assert decode_reply(request_, pdu, bytes.fromhex(reply)) == values


@pytest.mark.parametrize(("request_", "sent", "reply", "values"), VECTORS)
def test_any_other_reply_is_refused(request_: Request, sent: str, reply: str, values: tuple[int, ...]) -> None:
    pdu, right = request_.pdu(), bytes.fromhex(reply)
    wrong = [b"", right[:-1], right + b"\x00", bytes((right[0] ^ 1,)) + right[1:], bytes((right[0], right[1] ^ 1)) + right[2:]]
    if request_.writes:
        wrong += [right[:place] + bytes((right[place] ^ 0x10,)) + right[place + 1 :] for place in range(len(right))]
    for other in wrong:
        with pytest.raises(UnexpectedReply):
            decode_reply(request_, pdu, other)


@pytest.mark.parametrize(("request_", "sent", "reply", "values"), VECTORS)
@pytest.mark.parametrize("code", [1, 6, 0x83, 0x89, 0xFF])
def test_an_exception_is_told_with_its_code(request_: Request, sent: str, reply: str, values: tuple[int, ...], code: int) -> None:
    with pytest.raises(PanelException) as refusal:
        decode_reply(request_, request_.pdu(), bytes((request_.function | 0x80, code)))
    assert refusal.value.code == code


@pytest.mark.parametrize(("request_", "sent", "reply", "values"), VECTORS)
@pytest.mark.parametrize(("code", "error"), [(5, StillWorking), (0x0A, Unheard), (0x0B, Unheard)])
def test_an_exception_that_is_no_refusal_leaves_it_unconfirmed(
    request_: Request, sent: str, reply: str, values: tuple[int, ...], code: int, error: type[StillWorking | Unheard]
) -> None:
    """The request is accepted, or a converter sent it on and heard nothing: the panel may have done it."""
    assert error.outcome is Outcome.UNCONFIRMED
    with pytest.raises(error):
        decode_reply(request_, request_.pdu(), bytes((request_.function | 0x80, code)))


@pytest.mark.parametrize("reply", [b"\x83", b"\x83\x02\x00", b"\x84\x02"])
def test_an_exception_of_another_shape_is_none(reply: bytes) -> None:
    request = read_holding_registers(0, 1)
    with pytest.raises(UnexpectedReply):
        decode_reply(request, request.pdu(), reply)


@pytest.mark.parametrize(
    "make",
    [
        lambda: read_holding_registers(0, 0),
        lambda: read_holding_registers(0, 126),
        lambda: read_coils(0, 2001),
        lambda: read_holding_registers(0xFFFF, 2),
        lambda: read_holding_registers(-1, 1),
        lambda: write_registers(0, []),
        lambda: write_registers(0, [0] * 124),
        lambda: write_register(0, 0x10000),
        lambda: write_register(0, -1),
        lambda: Request(7, 0, 1),
        lambda: Request(requests.WRITE_REGISTERS, 0, 2, (1,)),
        lambda: Request(requests.READ_COILS, 0, 1, (1,)),
    ],
)
def test_what_the_protocol_cannot_say_is_no_request(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"\w"):
        make()
