"""Adapters that let us hear ourselves: with the setting, and without it until the line has shown what it does."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Priority
from drivers.errors import CorruptReply, NoReply, UnexpectedReply
from drivers.link import UnitTiming
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.echo import Echo, mirrors
from drivers.modbus.wire.open import line_timing
from drivers.modbus.wire.requests import (
    Request,
    read_coils,
    read_holding_registers,
    write_coil,
    write_register,
    write_registers,
)
from drivers.modbus.wire.rtu import RtuLink
from drivers.retry import RetryPolicy
from tests.support.lines import bus_on, rtu_settings
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import VirtualClock, run_virtual

READ = read_holding_registers(0x10, 1)
READ_REPLY = framed("01 03 02 002A")
WRITE = write_register(7, 9)
TOGGLE = write_coil(3, 0x5500, repeatable=False)
ONCE = RetryPolicy(retries=0)
TIMING = UnitTiming(0, 0.3)


def obedient(frame: bytes) -> Answer:
    if frame[1] in (3, 4):
        return [(0.005, framed(f"{frame[0]:02x}{frame[1]:02x}02002a"))]
    return [(0.005, framed(frame[:6].hex()))]


async def ask(bus: ModbusBus, request: Request) -> tuple[int, ...]:
    return await bus.exchange(1, request, Priority.GRANT)


@pytest.mark.parametrize(
    ("request_", "same"),
    [
        (WRITE, True),
        (TOGGLE, True),
        (READ, False),
        (read_coils(0x0312, 20), True),
        (read_coils(0x0312, 16), False),
        (read_coils(0x0412, 20), False),
        (write_registers(3, [1]), False),
    ],
)
def test_requests_that_are_their_own_answer(request_: Request, same: bool) -> None:
    assert mirrors(request_) is same


@pytest.mark.parametrize("request_", [WRITE, TOGGLE, write_registers(0, [1, 2]), READ])
def test_a_dead_panel_behind_an_adapter_that_echoes_confirms_nothing(request_: Request) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [], echo=True)
        async with bus_on(line, policy=ONCE, echo_unknown=True) as bus:
            for _ in range(2):
                with pytest.raises(NoReply):
                    await ask(bus, request_)

    run_virtual(main())


def test_a_living_panel_behind_an_adapter_that_echoes_is_understood() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient, echo=True)
        async with bus_on(line, policy=ONCE, echo_unknown=True) as bus:
            for request, values in ((WRITE, ()), (READ, (42,)), (TOGGLE, ()), (write_registers(0, [1, 2]), ()), (READ, (42,))):
                assert await ask(bus, request) == values
            assert bus.statistics().line.glitch_bytes == 0
            line.answer = lambda frame: []
            with pytest.raises(NoReply):
                await ask(bus, TOGGLE)

    run_virtual(main())


def test_the_first_single_write_on_a_connection_is_preceded_by_a_read() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, policy=ONCE, echo_unknown=True) as bus:
            for _ in range(3):
                assert await ask(bus, TOGGLE) == ()
            assert [frame[1] for _, frame in line.sent] == [4, 5, 5, 5]
            line.unplug()
            await asyncio.sleep(0.1)
            assert await ask(bus, READ) == (42,)
            assert await ask(bus, TOGGLE) == ()
        assert [frame[1] for _, frame in line.sent[4:]] == [3, 5]

    run_virtual(main())


@pytest.mark.parametrize("refusal", [b"", framed("01 84 02")])
def test_a_refused_read_shows_it_too_and_a_lost_one_leaves_the_write_unconfirmed(refusal: bytes) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.005, refusal)] if frame[1] == 4 else obedient(frame))
        async with bus_on(line, policy=ONCE, echo_unknown=True) as bus:
            if refusal:
                assert await ask(bus, WRITE) == ()
                return
            with pytest.raises(UnexpectedReply, match="local_echo"):
                await ask(bus, WRITE)
            assert await ask(bus, READ) == (42,)
            assert await ask(bus, WRITE) == ()

    run_virtual(main())


@pytest.mark.parametrize("request_", [READ, write_registers(0, [1, 2])])
def test_a_damaged_echo_shows_nothing(request_: Request) -> None:
    """It is noise before the answer: the next single write is not believed on its word."""

    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.0, frame[:4] + b"\x55" + frame[5:]), *obedient(frame)])
        clock = VirtualClock()
        link = RtuLink(line.connect, line_timing(rtu_settings()), clock)
        await link.open()
        await link.exchange(1, request_, TIMING)
        assert link.doubts(1, WRITE)
        await link.close()

    run_virtual(main())


def test_noise_as_long_as_our_frame_brings_the_doubt_back() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        clock = VirtualClock()
        link = RtuLink(line.connect, line_timing(rtu_settings()), clock)
        await link.open()
        assert link.doubts(1, WRITE)
        await link.exchange(1, READ, TIMING)
        assert not link.doubts(1, WRITE)
        line.answer = lambda frame: [(0.0, b"\xff" * 8), *obedient(frame)]
        await link.exchange(1, READ, TIMING)
        assert link.doubts(1, WRITE)
        await link.close()

    run_virtual(main())


def test_an_adapter_that_stops_echoing_is_found_out() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient, echo=True)
        async with bus_on(line, policy=ONCE, echo_unknown=True) as bus:
            assert await ask(bus, READ) == (42,)
            line.echo = False
            with pytest.raises(CorruptReply):
                await ask(bus, READ)
            assert await ask(bus, READ) == (42,)

    run_virtual(main())


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("expected", [True, None])
@pytest.mark.parametrize("behind", [b"", READ_REPLY])
def test_the_echo_is_taken_off_however_it_is_cut(size: int, expected: bool | None, behind: bytes) -> None:
    frame = framed("01 03 0010 0001")
    echo = Echo(frame, expected)
    stream = frame + behind
    got = b"".join(echo.strip(stream[n : n + size]) for n in range(0, len(stream), size)) + echo.rest()
    assert got == behind
    assert echo.heard


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_reply_that_begins_like_the_request_is_whole(size: int) -> None:
    echo = Echo(framed("01 03 0010 0001"), None)
    got = b"".join(echo.strip(READ_REPLY[n : n + size]) for n in range(0, len(READ_REPLY), size)) + echo.rest()
    assert got == READ_REPLY
    assert not echo.heard
    cut = Echo(framed("01 03 0010 0001"), None)
    assert cut.strip(READ_REPLY[:2]) + cut.rest() == READ_REPLY[:2]


@pytest.mark.parametrize("cut", [False, True])
def test_another_echo_than_what_was_sent_is_a_collision(cut: bool) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.0, b"\x55" if cut else frame[:-1] + b"\x55"), *obedient(frame)])
        async with bus_on(line, policy=ONCE, local_echo=True) as bus:
            line.echo = False
            with pytest.raises(CorruptReply, match="echo"):
                await ask(bus, READ)

    run_virtual(main())
