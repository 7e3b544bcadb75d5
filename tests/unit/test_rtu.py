"""The rules of an RTU line, each broken by a scripted far end in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from drivers.contract import Availability, Priority
from drivers.errors import BusUnavailable, ConnectionLost, CorruptReply, DriverError, NoReply, PanelException, UnexpectedReply
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.framer import ReplyFramer
from drivers.modbus.wire.requests import (
    Request,
    read_coils,
    read_holding_registers,
    read_input_registers,
    write_coil,
    write_register,
    write_registers,
    write_registers_of_now,
)
from drivers.retry import RetryPolicy
from tests.support.lines import bus_on
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import run_virtual

READ = read_holding_registers(0x10, 1)
READ_REPLY = framed("01 03 02 002A")
WRITE = write_register(7, 9)
WRITE_REPLY = framed("01 06 0007 0009")
CHARACTER_S = 10 / 9600
ONCE = RetryPolicy(retries=0)

Conversation = Callable[[ModbusBus, ScriptedLine], Coroutine[Any, Any, None]]


def converse(answer: Callable[[bytes], Answer], conversation: Conversation, **changes: Any) -> None:
    """Run a conversation with one attempt a request."""

    async def main() -> None:
        line = ScriptedLine(answer, echo=changes.get("local_echo", False))
        line.character_s = 10 / changes.get("baudrate", 9600)
        async with bus_on(line, units=(1, 2, *range(3, 25)), policy=ONCE, **changes) as bus:
            await conversation(bus, line)

    run_virtual(main())


def ask(bus: ModbusBus, request: Request, unit: int = 1) -> Coroutine[Any, Any, tuple[int, ...]]:
    return bus.exchange(unit, request, Priority.GRANT)


@pytest.mark.parametrize(
    ("baudrate", "guard_ms", "pause_ms"), [(9600, 0.0, 4.0104), (19200, 0.0, 2.0052), (115200, 0.0, 1.75), (9600, 5.0, 9.0104)]
)
def test_silence_and_guard_stand_between_the_last_byte_and_the_next_frame(
    baudrate: int, guard_ms: float, pause_ms: float
) -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        for _ in range(4):
            assert await ask(bus, READ) == (42,)
        ends = [when + 8 * line.character_s + 0.004 for when, _ in line.sent]
        gaps = [after - end for end, (after, _) in zip(ends, line.sent[1:], strict=False)]
        assert gaps == pytest.approx([pause_ms / 1000] * 3, rel=1e-3)

    converse(lambda _: [(0.004, READ_REPLY)], conversation, baudrate=baudrate, guard_ms=guard_ms)


@pytest.mark.parametrize("echo", [False, True])
def test_what_is_of_now_is_of_the_moment_in_which_the_frame_leaves(echo: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Behind another request, behind the silence that the line keeps, and at each attempt anew."""
    lost = [True]

    def answer(frame: bytes) -> Answer:
        if frame[1] == 3:
            return [(0.1, READ_REPLY)]
        return [] if lost and lost.pop() else [(0.004, framed("01 10 0020 0001"))]

    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        loop = asyncio.get_running_loop()
        request = write_registers_of_now(0x20, lambda: (round(loop.time() * 1000) & 0xFFFF,))
        first = asyncio.create_task(ask(bus, READ))
        with pytest.raises(NoReply):
            await ask(bus, request)
        assert await first == (42,)
        assert await ask(bus, request) == ()
        writes = [(when, frame) for when, frame in line.sent if frame[1] == 0x10]
        assert [int.from_bytes(frame[7:9], "big") for _, frame in writes] == [round(when * 1000) for when, _ in writes]
        assert len(writes) == 2
        logged = [getattr(each, "frame", "") for each in caplog.records if each.message == "frame sent"]
        assert logged == [frame.hex() for _, frame in line.sent]

    caplog.set_level("DEBUG")
    converse(answer, conversation, local_echo=echo, guard_ms=20.0)


def test_silence_counts_from_a_strangers_byte_too() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        await ask(bus, READ)
        start = asyncio.get_running_loop().time() + 1
        for n in range(8):
            asyncio.get_running_loop().call_at(start + n * 0.003, line.arrive, b"\x00")
        await asyncio.sleep(1.0)
        await ask(bus, READ)
        assert line.sent[-1][0] >= start + 7 * 0.003 + 0.004

    converse(lambda _: [(0.004, READ_REPLY)], conversation)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (READ, "01 04 02 002A"),
        (READ, "01 03 04 002A 002A"),
        (read_holding_registers(0x10, 2), "01 03 02 002A"),
        (read_coils(0, 9), "01 01 01 FF"),
        (WRITE, "01 06 0008 0009"),
        (WRITE, "01 06 0007 0008"),
        (WRITE, "01 05 0007 0009"),
        (WRITE, "01 90 02"),
        (write_coil(0, 0x5500), "01 05 0000 FF00"),
        (write_registers(3, [1, 2]), "01 10 0003 0001"),
        (write_registers(3, [1, 2]), "01 10 0004 0002"),
    ],
)
def test_a_whole_frame_that_does_not_answer_is_no_success(request_: Request, reply: str) -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(UnexpectedReply):
            await ask(bus, request_)
        assert bus.statistics().units[1].protocol == 1

    converse(lambda _: [(0.004, framed(reply))], conversation)


def test_a_frame_of_another_unit_is_not_ours_and_does_not_end_the_wait() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, READ) == (42,)
        assert bus.statistics().units[2].late_dropped == 1
        with pytest.raises(NoReply):
            await ask(bus, READ)

    answers: list[Answer] = [[(0.004, framed("02 03 02 0007")), (0.1, READ_REPLY)], [(0.004, framed("02 03 02 0007"))]]
    converse(lambda _: answers.pop(0), conversation)


def test_a_wrong_frame_before_the_right_one_is_dropped() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, WRITE) == ()
        assert bus.statistics().units[1].late_dropped == 1

    converse(lambda _: [(0.004, framed("01 03 02 0001")), (0.05, WRITE_REPLY)], conversation)


def test_a_late_reply_is_thrown_away_and_never_given_to_the_next_request() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(NoReply):
            await ask(bus, READ)
        timed_out = asyncio.get_running_loop().time()
        assert await ask(bus, READ) == (43,)
        late_end = line.sent[0][0] + 8 * CHARACTER_S + 0.45
        assert line.sent[1][0] >= late_end + 0.3
        assert late_end > timed_out
        assert bus.statistics().line.late_dropped == 1

    answers: list[Answer] = [[(0.45, READ_REPLY)], [(0.004, framed("01 03 02 002B"))]]
    converse(lambda _: answers.pop(0), conversation)


def test_the_quiet_after_a_miss_is_a_setting() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        for _ in range(2):
            with pytest.raises(NoReply):
                await ask(bus, READ)
        assert line.sent[1][0] - line.sent[0][0] == pytest.approx(8 * CHARACTER_S + 0.3 + 1.2, abs=1e-6)

    converse(lambda _: [], conversation, post_timeout_quiet_ms=1200.0)


def test_a_late_reply_after_a_cancelled_call_is_taken_by_its_own_exchange() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        hung_up = asyncio.create_task(ask(bus, READ))
        await asyncio.sleep(0.05)
        hung_up.cancel()
        await asyncio.gather(hung_up, return_exceptions=True)
        assert await ask(bus, READ) == (43,)
        assert bus.statistics().units[1].exchanges == 2

    answers: list[Answer] = [[(0.25, READ_REPLY)], [(0.004, framed("01 03 02 002B"))]]
    converse(lambda _: answers.pop(0), conversation)


def test_a_whole_frame_on_an_idle_line_makes_it_suspect() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        await ask(bus, READ)
        await asyncio.sleep(0.5)
        line.arrive(READ_REPLY)
        heard = asyncio.get_running_loop().time()
        await ask(bus, READ)
        assert line.sent[1][0] >= heard + 0.3
        assert bus.statistics().units[1].late_dropped == 1

    converse(lambda _: [(0.004, READ_REPLY)], conversation)


@pytest.mark.parametrize("glitch", [b"\x00", b"\xff", b"\x00\xff\x00", b"\xff" * 5])
@pytest.mark.parametrize("unit", [*range(1, 25)])
def test_leading_glitch_bytes_cost_nothing(unit: int, glitch: bytes) -> None:
    def answer(frame: bytes) -> Answer:
        reply = framed(f"{unit:02x}03020007")
        return [(0.004, glitch), (0.004 + len(reply) * CHARACTER_S, reply)]

    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, READ, unit) == (7,)
        assert await ask(bus, READ, unit) == (7,)
        assert line.sent[1][0] - line.sent[0][0] < 0.04
        assert bus.statistics().units[unit].glitch_bytes == 2 * len(glitch)
        assert bus.statistics().units[unit].crc == 0

    converse(answer, conversation)


def test_a_reply_may_come_byte_by_byte() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, READ) == (42,)

    converse(lambda _: [(0.004 + n * 0.01, READ_REPLY[n : n + 1]) for n in range(len(READ_REPLY))], conversation)


def test_garbage_before_a_reply_costs_no_exchange() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, READ) == (42,)

    converse(lambda _: [(0.004, bytes.fromhex("01 03 F0 11")), (0.02, READ_REPLY)], conversation)


@pytest.mark.parametrize("damaged", [READ_REPLY[:-1], READ_REPLY[:3], READ_REPLY[:-1] + b"\x55", b"\x55" + READ_REPLY[1:]])
def test_a_damaged_reply_is_a_corrupt_one(damaged: bytes) -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(CorruptReply):
            await ask(bus, READ)
        assert bus.statistics().units[1].crc == 1
        assert bus.statistics().units[1].timeouts == 0

    converse(lambda _: [(0.004, damaged)], conversation)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 0x83, 0x84, 0x85, 0x86, 0x89])
def test_an_exception_carries_the_panels_code(code: int) -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(PanelException) as refusal:
            await ask(bus, WRITE)
        assert refusal.value.code == code

    async def main() -> None:
        line = ScriptedLine(lambda _: [(0.004, framed(f"0186{code:02x}"))])
        async with bus_on(line, policy=RetryPolicy(busy_retries=0)) as bus:
            await conversation(bus, line)

    run_virtual(main())


def test_the_reply_timeout_starts_when_our_frame_has_left() -> None:
    """255 bytes take 2.2 s at 1200 baud: longer than the timeout."""

    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, write_registers(0, [7] * 123)) == ()

    converse(lambda _: [(0.29, framed("01 10 0000 007B"))], conversation, baudrate=1200)


def test_a_long_reply_has_the_time_it_takes() -> None:
    reply = framed("01 03 FA" + "0007" * 125)
    pieces = [(0.29 + n * 10 / 1200, reply[n : n + 1]) for n in range(len(reply))]

    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, read_holding_registers(0, 125)) == (7,) * 125

    converse(lambda _: pieces, conversation, baudrate=1200)


def test_a_first_byte_beyond_the_timeout_is_too_late() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(NoReply):
            await ask(bus, READ)
        assert asyncio.get_running_loop().time() == pytest.approx(8 * CHARACTER_S + 0.00401 + 0.3, abs=1e-4)

    converse(lambda _: [(0.31, READ_REPLY)], conversation)


def test_a_babbling_line_is_an_error_not_a_hang() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        babble = asyncio.create_task(babbling(line))
        for _ in range(3):
            with pytest.raises(DriverError) as error:
                await ask(bus, READ)
            assert isinstance(error.value, CorruptReply | BusUnavailable)
        assert asyncio.get_running_loop().time() < 15
        babble.cancel()
        await asyncio.gather(babble, return_exceptions=True)
        assert await ask(bus, READ) == (42,)

    async def babbling(line: ScriptedLine) -> None:
        while True:
            line.arrive(b"\x11\x22\x33")
            await asyncio.sleep(0.002)

    converse(lambda _: [(0.004, READ_REPLY)], conversation)


def test_our_own_echo_is_swallowed_and_the_reply_behind_it_taken() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, WRITE) == ()
        assert await ask(bus, READ) == (42,)

    def answer(frame: bytes) -> Answer:
        return [(0.004, READ_REPLY if frame[1] == 3 else frame)]

    converse(answer, conversation, local_echo=True)


def test_an_echo_alone_is_no_reply() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(NoReply):
            await ask(bus, WRITE)

    converse(lambda _: [], conversation, local_echo=True)


def test_another_echo_than_what_was_sent_is_a_collision() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        line.echo = False
        with pytest.raises(CorruptReply):
            await ask(bus, WRITE)

    converse(lambda _: [(0.0, b"\x55"), (0.004, WRITE_REPLY)], conversation, local_echo=True)


def test_a_repeated_reply_is_dropped_and_counted() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, READ) == (42,)
        await asyncio.sleep(0.1)
        assert await ask(bus, read_input_registers(0, 1)) == (1,)
        assert bus.statistics().units[1].late_dropped == 1

    answers: list[Answer] = [[(0.004, READ_REPLY), (0.05, READ_REPLY)], [(0.004, framed("01 04 02 0001"))]]
    converse(lambda _: answers.pop(0), conversation)


@pytest.mark.parametrize("size", [2, 4, 6])
def test_half_a_frame_behind_a_good_reply_is_let_pass_before_anybody_is_asked(size: int) -> None:
    """Its other half could become the beginning of the next panel's answer."""

    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        line.answer = lambda _: [(0.004, READ_REPLY + READ_REPLY[:size]), (0.05, READ_REPLY[size:])]
        assert await ask(bus, READ) == (42,)
        line.answer = lambda _: [(0.004, framed("02 03 02 0007"))]
        assert await ask(bus, READ, 2) == (7,)
        assert line.sent[1][0] - line.sent[0][0] >= 0.3

    converse(lambda _: [], conversation)


def test_a_line_lost_during_an_exchange_tells_at_once() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, WRITE) == ()
        line.answer = lambda _: []
        started = asyncio.get_running_loop().time()
        asyncio.get_running_loop().call_later(0.05, line.unplug)
        with pytest.raises(ConnectionLost):
            await ask(bus, WRITE)
        assert asyncio.get_running_loop().time() < started + 0.06
        line.answer = lambda _: [(0.004, WRITE_REPLY)]
        assert await ask(bus, WRITE) == ()
        assert line.opens == 2

    converse(lambda _: [(0.004, WRITE_REPLY)], conversation)


def test_a_line_lost_before_the_frame_left_tells_that_nothing_was_sent() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        asyncio.get_running_loop().call_later(0.2, line.unplug)
        with pytest.raises(BusUnavailable):
            await ask(bus, WRITE)
        assert asyncio.get_running_loop().time() < 0.21
        assert line.sent == []

    converse(lambda _: [(0.004, WRITE_REPLY)], conversation, guard_ms=5000.0)


def test_a_late_answer_to_one_unit_keeps_another_waiting_for_quiet() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        with pytest.raises(NoReply):
            await ask(bus, READ)
        assert await ask(bus, READ, 2) == (42,)
        (first, _), (second, _) = line.sent
        assert second - first == pytest.approx(8 * CHARACTER_S + 0.5 + 0.3, abs=1e-6)

    answers: list[Answer] = [[(0.5, READ_REPLY)], [(0.004, framed("02 03 02 002A"))]]
    converse(lambda _: answers.pop(0), conversation)


@pytest.mark.parametrize("call", ["write", "heard"])
def test_a_port_that_fails_once_is_opened_anew(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its reads stay silent."""

    async def main() -> None:
        line = ScriptedLine(lambda _: [(0.004, WRITE_REPLY)])

        def fail(*anything: object) -> bytes:
            raise BrokenPipeError

        async with bus_on(line, policy=ONCE) as bus:
            assert await ask(bus, WRITE) == ()
            with monkeypatch.context() as patch:
                patch.setattr(line, call, fail)
                with pytest.raises(ConnectionLost if call == "write" else BusUnavailable):
                    await ask(bus, WRITE)
            assert len(line.sent) == 1
            assert await ask(bus, WRITE) == ()
            assert line.opens == 2

    run_virtual(main())


def test_a_port_whose_writes_always_fail_is_unavailable_and_asked_ever_more_rarely() -> None:
    class Refusing(ScriptedLine):
        def write(self, data: bytes, /) -> None:
            raise OSError(5, "Input/output error")

    async def main() -> None:
        line = Refusing(lambda _: [])
        async with bus_on(line) as bus:
            for _ in range(60):
                with pytest.raises(DriverError):
                    await ask(bus, READ)
                await asyncio.sleep(5)
            assert bus.availability(1).current is Availability.BUS_UNAVAILABLE
            assert 10 < line.opens < 25

    run_virtual(main())


def test_what_was_given_up_is_forgotten_by_the_port() -> None:
    class Slow(ScriptedLine):
        forgotten = 0

        def gone(self) -> bool:
            return False

        def forget(self) -> None:
            self.forgotten += 1

    async def main() -> None:
        line = Slow(lambda _: [])
        async with bus_on(line, policy=ONCE) as bus:
            with pytest.raises(NoReply):
                await ask(bus, WRITE)
            assert line.forgotten == 1
            line.answer = lambda _: [(0.004, WRITE_REPLY)]
            await ask(bus, WRITE)
            assert line.forgotten == 1

    run_virtual(main())


def test_one_write_a_frame() -> None:
    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        await ask(bus, WRITE)
        await ask(bus, WRITE)
        assert [frame for _, frame in line.sent] == [WRITE_REPLY] * 2
        assert all(after[0] > before[0] for before, after in pairwise(line.sent))

    converse(lambda _: [(0.004, WRITE_REPLY)], conversation)


def test_a_defect_in_what_the_loop_calls_back_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.002, READ_REPLY)])
        async with bus_on(line) as bus:
            await ask(bus, READ)
            with monkeypatch.context() as patch:
                patch.setattr(ReplyFramer, "feed", lambda framer, data: 1 // 0)
                with pytest.raises(NoReply):
                    await ask(bus, READ)
            assert bus.task is not None
            with pytest.raises(ZeroDivisionError):
                await bus.task
            assert asyncio.get_running_loop().time() < 0.1

    run_virtual(main())


def test_a_defect_on_an_idle_line_ends_the_worker_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.002, READ_REPLY)])
        async with bus_on(line) as bus:
            await ask(bus, READ)
            with monkeypatch.context() as patch:
                patch.setattr(ReplyFramer, "feed", lambda framer, data: 1 // 0)
                line.arrive(b"x")
            assert bus.task is not None
            with pytest.raises(ZeroDivisionError):
                await bus.task

    run_virtual(main())


@pytest.mark.parametrize("glitch", [b"\x00", b"\xff", b"\x55", b"\x01\x03"])
@pytest.mark.parametrize("latency", [0.02, 0.1, 0.28])
def test_noise_behind_our_own_frame_takes_no_time_from_a_slow_panels_long_reply(glitch: bytes, latency: float) -> None:
    reply = framed("01 03 FA" + "0007" * 125)
    pieces = [(latency + (n + 1) * CHARACTER_S, reply[n : n + 1]) for n in range(len(reply))]

    async def conversation(bus: ModbusBus, line: ScriptedLine) -> None:
        assert await ask(bus, read_holding_registers(0, 125)) == (7,) * 125

    converse(lambda _: [(0.0005, glitch), *pieces], conversation)


def test_bytes_that_the_loop_was_not_told_of_are_no_reply_to_a_later_request() -> None:
    class Untold(ScriptedLine):
        """The next bytes wait in the kernel: a read finds them, the loop is not told."""

        untold = b""

        def heard(self) -> bytes:
            found, self.untold = self.untold, b""
            return found

    async def main() -> None:
        line = Untold(lambda _: [(0.004, READ_REPLY)])
        async with bus_on(line, policy=ONCE) as bus:
            assert await ask(bus, READ) == (42,)
            line.untold = framed("01 03 02 0001")
            before = asyncio.get_running_loop().time()
            assert await ask(bus, READ) == (42,)
            assert line.sent[1][0] >= before + 0.3
            assert bus.statistics().units[1].late_dropped == 1

    run_virtual(main())


def test_a_port_that_cannot_be_listened_to_gets_no_frame() -> None:
    class Deaf(ScriptedLine):
        def heard(self) -> bytes:
            raise OSError(5, "Input/output error")

    async def main() -> None:
        line = Deaf(lambda _: [])
        async with bus_on(line, policy=ONCE) as bus:
            with pytest.raises(BusUnavailable):
                await ask(bus, WRITE)
        assert line.sent == []

    run_virtual(main())
