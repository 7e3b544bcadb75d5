"""Modbus TCP on real sockets, against a server that does what no server should."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from config.settings import ModbusTcpLine
from drivers.clock import SystemClock
from drivers.contract import Availability, Priority
from drivers.errors import (
    BusUnavailable,
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    NotSent,
    PanelException,
    Quarantined,
    UnexpectedReply,
    Unheard,
    Unmet,
)
from drivers.link import UnitTiming
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.mbap import MbapFramer
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import Request, read_holding_registers, write_coil, write_register, write_registers
from drivers.modbus.wire.tcp import TcpLink
from simulators.faults import Faults
from simulators.responder import Responder
from tests.support.lines import PROBE
from tests.support.rogue_server import CUT, RogueServer, TcpAnswer, good, reply, rogue_server
from tests.support.soak import SoakPanel
from tests.support.virtual_tcp import VirtualConnection, VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock

READ = read_holding_registers(0x10, 2)
WRITE = write_register(7, 9)
TIMING = UnitTiming(0.0, 5.0)
"""Where an answer is expected."""
BRIEF = UnitTiming(0.0, 0.5)
"""Where silence has to run out."""


def talkative(request: bytes) -> list[bytes | None]:
    """Answers, and goes on unasked."""
    return [*good(request), reply(request, b"\x03\x04\x00\x01\x00\x01")]


def link_to(server: RogueServer, delay_s: float | None = None) -> TcpLink:
    return TcpLink("127.0.0.1", server.port, SystemClock(), delay_s=delay_s)


async def test_reads_and_writes() -> None:
    async with rogue_server(good) as server:
        link = link_to(server)
        await link.open()
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert await link.exchange(1, WRITE, TIMING) == ()
        assert await link.exchange(1, write_coil(3, 0x5500), TIMING) == ()
        await link.close()
        assert [request[6:].hex() for request in server.requests] == ["01030010" + "0002", "010600070009", "010500035500"]
        assert server.connections == 1


async def test_an_answer_is_read_into_memory_that_the_process_has() -> None:
    """The C library has room for 128 KiB and more from the system, and gives it back: a fifth of an exchange's CPU."""

    def serve(listening: socket.socket) -> None:
        near, _ = listening.accept()
        with near, suppress(ConnectionResetError):
            near.sendall(b"".join(filter(None, good(near.recv(300)))))
            near.recv(300)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Thread(target=serve, args=(listening,), daemon=True)
        server.start()
        link = TcpLink("127.0.0.1", listening.getsockname()[1], SystemClock())
        await link.open()
        tracemalloc.start()
        try:
            assert await link.exchange(1, READ, TIMING) == (42, 42)
            assert tracemalloc.get_traced_memory()[1] < 128 * 1024
        finally:
            tracemalloc.stop()
        await link.close()
        server.join(5)


ODD: list[tuple[str, Request, TcpAnswer, type[DriverError]]] = [
    ("wrong echo address", WRITE, lambda q: [reply(q, bytes.fromhex("0600080009"))], UnexpectedReply),
    ("wrong echo value", WRITE, lambda q: [reply(q, bytes.fromhex("0600070008"))], UnexpectedReply),
    ("wrong echo count", write_registers(1, [1, 2]), lambda q: [reply(q, bytes.fromhex("1000010001"))], UnexpectedReply),
    ("short count", READ, lambda q: [reply(q, bytes.fromhex("0302002a"))], UnexpectedReply),
    ("count lies", READ, lambda q: [reply(q, bytes.fromhex("0304002a"))], UnexpectedReply),
    ("long count", READ, lambda q: [reply(q, bytes.fromhex("0306002a002a002a"))], UnexpectedReply),
    ("another function", READ, lambda q: [reply(q, bytes.fromhex("0404002a002a"))], UnexpectedReply),
    ("foreign transaction", READ, lambda q: [reply(q, bytes.fromhex("0304002a002a"), transaction=999)], UnexpectedReply),
    ("transaction zero", READ, lambda q: [reply(q, bytes.fromhex("0304002a002a"), transaction=0)], UnexpectedReply),
    ("foreign unit", READ, lambda q: [reply(q, bytes.fromhex("0304002a002a"), unit=2)], UnexpectedReply),
    ("half a reply", READ, lambda q: [reply(q, bytes.fromhex("0304002a002a"))[:9]], CorruptReply),
    ("half a header", READ, lambda q: [q[:3]], CorruptReply),
    ("another protocol", READ, lambda q: [q[:2] + b"\x00\x01" + reply(q, bytes.fromhex("0304002a002a"))[4:]], CorruptReply),
    ("length zero", READ, lambda q: [q[:4] + b"\x00\x00" + q[6:]], CorruptReply),
    ("cut before", READ, lambda q: [CUT], ConnectionLost),
    ("cut in mid-frame", READ, lambda q: [reply(q, bytes.fromhex("0304002a002a"))[:9], CUT], ConnectionLost),
]


@pytest.mark.parametrize(("request_", "answer", "error"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
async def test_an_odd_reply_is_no_success_and_the_connection_is_opened_anew(
    request_: Request, answer: TcpAnswer, error: type[DriverError]
) -> None:
    async with rogue_server(answer) as server:
        link = link_to(server)
        await link.open()
        with pytest.raises(error):
            await link.exchange(1, request_, BRIEF)
        server.answer = good
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 2
        await link.close()


async def test_a_connection_on_which_a_reply_is_missed_is_kept_and_opened_anew_after_the_third() -> None:
    async with rogue_server(lambda request: []) as server:
        link = link_to(server, delay_s=0.0)
        await link.open()
        for connections in (1, 1, 1, 2):
            with pytest.raises(NoReply):
                await link.exchange(1, READ, UnitTiming(0.0, 0.1))
            assert server.connections == connections
        server.answer = good
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 2
        await link.close()


@pytest.mark.parametrize("unit", [1, 7])
async def test_a_late_reply_is_dropped_and_costs_no_connection(unit: int) -> None:
    """It comes in front of the next one, and carries another value: taken for it, a panel would be thought to hold it."""
    late: list[bytes] = []

    def slow(request: bytes) -> list[bytes | None]:
        late.append(reply(request, b"\x03\x04\x00\x01\x00\x01"))
        return []

    async with rogue_server(slow) as server:
        link = link_to(server)
        await link.open()
        with pytest.raises(NoReply):
            await link.exchange(unit, READ, UnitTiming(0.0, 0.1))
        server.answer = lambda request: [late.pop(), *good(request)] if late else good(request)
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert (server.connections, link.tally.late_dropped[unit]) == (1, 1)
        await link.close()


async def test_the_right_reply_behind_a_foreign_one_counts_and_the_connection_is_opened_anew() -> None:
    def answer(request: bytes) -> list[bytes | None]:
        return [reply(request, b"\x03\x04\x00\x01\x00\x01", transaction=7777), *good(request)]

    async with rogue_server(answer) as server:
        link = link_to(server)
        await link.open()
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert link.tally.late_dropped[1] == 1
        await link.exchange(1, READ, TIMING)
        assert server.connections == 2
        await link.close()


@pytest.mark.parametrize("more", [lambda right: right, lambda right: right[:5], lambda right: right * 30])
async def test_what_comes_behind_the_right_reply_is_never_the_next_one(more: Callable[[bytes], bytes]) -> None:
    def answer(request: bytes) -> list[bytes | None]:
        right = good(request)[0]
        assert right is not None
        return [right + more(right)]

    async with rogue_server(answer) as server:
        link = link_to(server)
        await link.open()
        for _ in range(3):
            assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 3
        await link.close()


async def test_bytes_out_of_the_blue_make_the_connection_suspect() -> None:
    async with rogue_server(talkative) as server:
        link = link_to(server)
        await link.open()
        await link.exchange(1, READ, TIMING)
        await becomes_stale(link)
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 2
        await link.close()


async def becomes_stale(link: TcpLink) -> None:
    async with asyncio.timeout(30):
        while not link.stale:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("code", [2, 6, 0x0A, 0x0B, 0x83, 0x89])
async def test_an_exception_carries_its_code_and_keeps_the_connection(code: int) -> None:
    async with rogue_server(lambda q: [reply(q, bytes((q[7] | 0x80, code)))]) as server:
        link = link_to(server)
        await link.open()
        for _ in range(2):
            with pytest.raises(Unheard if code in (0x0A, 0x0B) else PanelException, match=f"{code:#04x}"):
                await link.exchange(1, READ, TIMING)
        assert server.connections == 1
        await link.close()


async def test_a_connection_closed_while_idle_is_opened_anew_by_the_next_exchange() -> None:
    async with rogue_server(good) as server:
        link = link_to(server)
        await link.open()
        await link.exchange(1, READ, TIMING)
        server.hang_up()
        await becomes_stale(link)
        with pytest.raises(Unmet):
            await link.exchange(1, WRITE, TIMING)
        assert server.connections == 1, "a write opens none: another unit may be behind it"
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 2
        await link.close()


async def test_a_reply_in_single_bytes_is_a_reply() -> None:
    def answer(request: bytes) -> list[bytes | None]:
        right = good(request)[0]
        assert right is not None
        return [right[n : n + 1] for n in range(len(right))]

    async with rogue_server(answer) as server:
        link = link_to(server)
        await link.open()
        assert await link.exchange(1, READ, UnitTiming(0, 5)) == (42, 42)
        assert not link.tally.late_dropped
        assert server.connections == 1
        await link.close()


async def test_nobody_listens() -> None:
    async with rogue_server(good) as server:
        link = link_to(server)
    with pytest.raises(BusUnavailable):
        await link.open()
    assert not link.connected


async def test_frame_and_sizes() -> None:
    link = TcpLink("127.0.0.1", 1, SystemClock())
    assert link.frame(3, READ) == bytes.fromhex("0000 0000 0006 03 03 0010 0002")
    assert link.wire_bytes(READ) == 12 + 13
    assert link.wire_ms(READ) is None


def test_a_bus_on_tcp_retries_quarantines_and_recovers() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTcpLoop)
        panel = SoakPanel(1)
        loop.responder = Responder([panel], Faults())
        settings = ModbusTcpLine(id="annex", host="192.0.2.1", port=502)
        clock = VirtualClock()
        bus = ModbusBus(settings, open_link(settings, clock), clock)
        bus.attach(1, probe=PROBE)
        await bus.start()
        values = tuple(panel.content(address) for address in (0x10, 0x11))
        assert await bus.exchange(1, READ, Priority.GRANT) == values
        panel.off()
        with pytest.raises(NoReply):
            await bus.exchange(1, READ, Priority.GRANT)
        assert bus.availability(1).current is Availability.QUARANTINED
        panel.on()
        async for level in bus.availability(1):
            if level is Availability.ONLINE:
                break
        assert await bus.exchange(1, READ, Priority.GRANT) == values
        assert bus.statistics().units[1].timeouts >= 3
        await bus.stop(1)

    run_virtual_tcp(main())


async def test_a_defect_in_what_the_stream_calls_back_is_raised_where_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rogue_server(good) as server:
        link = link_to(server)
        await link.open()
        monkeypatch.setattr(MbapFramer, "feed", lambda *anything: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await link.exchange(1, READ, UnitTiming(0, 5))
        with pytest.raises(ZeroDivisionError):
            await link.open()
        await link.close()


class BlackHole(VirtualTcpLoop):
    """Nobody answers a connection any more."""

    open = False

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *where: Any, **how: Any
    ) -> tuple[VirtualConnection, asyncio.Protocol]:
        if not self.open:
            await asyncio.sleep(1e6)
        return await super().create_connection(protocol_factory, *where, **how)


async def black_hole_bus() -> tuple[ModbusBus, BlackHole]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, BlackHole)
    clock = VirtualClock()
    settings = ModbusTcpLine(id="annex", host="192.0.2.1", port=502)
    bus = ModbusBus(settings, open_link(settings, clock), clock)
    bus.attach(1, probe=PROBE)
    bus.attach(2, probe=PROBE)
    await bus.start()
    return bus, loop


def test_requests_to_a_silent_host_are_told_so_within_their_deadline() -> None:
    async def main() -> None:
        bus, loop = await black_hole_bus()
        with pytest.raises(BusUnavailable):
            await bus.exchange(1, READ, Priority.GRANT, deadline=1.0)
        assert loop.time() == 1.0
        with pytest.raises(BusUnavailable):
            await bus.exchange(1, READ, Priority.GRANT)
        assert loop.time() <= 3.1
        await asyncio.sleep(0.1)
        with pytest.raises(BusUnavailable):
            await bus.exchange(1, READ, Priority.OPERATOR, deadline=1e6)
        assert loop.time() <= 3.3
        await bus.stop(5)

    with asyncio.Runner(loop_factory=BlackHole) as runner:
        runner.run(main())


def test_a_host_that_falls_silent_keeps_nobody_beyond_the_deadline() -> None:
    async def main() -> None:
        bus, loop = await black_hole_bus()
        panel = SoakPanel(1)
        loop.responder = Responder([panel])
        loop.open = True
        loop.responder.set_faults(Faults())
        await asyncio.sleep(10)
        await bus.exchange(1, READ, Priority.GRANT)
        loop.open = False
        panel.off()
        began = loop.time()
        asked = [
            asyncio.create_task(bus.exchange(1, READ, Priority.GRANT)),
            asyncio.create_task(bus.exchange(2, READ, Priority.GRANT, deadline=began + 1)),
            asyncio.create_task(bus.exchange(2, READ, Priority.GRANT)),
        ]
        with pytest.raises(NoReply):
            await asked[1]
        assert loop.time() <= began + 1.3
        first, last = await asyncio.gather(asked[0], asked[2], return_exceptions=True)
        assert isinstance(first, NoReply)
        assert isinstance(last, NoReply | Quarantined | BusUnavailable)
        assert loop.time() <= began + 5
        loop.open = True
        panel.on()
        await asyncio.sleep(30)
        assert await bus.exchange(1, READ, Priority.GRANT)
        await bus.stop(5)

    with asyncio.Runner(loop_factory=BlackHole) as runner:
        runner.run(main())


class Doorman(VirtualTcpLoop):
    """Takes every connection and closes it, a little later or at once."""

    after_s = 0.0

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *where: Any, **how: Any
    ) -> tuple[VirtualConnection, asyncio.Protocol]:
        transport, protocol = await super().create_connection(protocol_factory, *where, **how)
        if self.after_s:
            self.call_later(self.after_s, transport.close)
        else:
            transport.close()
        return transport, protocol


@pytest.mark.parametrize("after_s", [0.0, 0.002])
def test_a_host_that_closes_every_connection_is_unavailable_and_not_besieged(after_s: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Doorman)
        loop.after_s = after_s
        loop.responder = Responder([])
        clock = VirtualClock()
        settings = ModbusTcpLine(id="annex", host="192.0.2.1", port=502)
        bus = ModbusBus(settings, open_link(settings, clock), clock)
        bus.attach(1, probe=PROBE)
        await bus.start()
        seen: dict[Availability, int] = {}
        for _ in range(6000):
            with pytest.raises((NotSent, NoReply, ConnectionLost)):
                await bus.exchange(1, READ, Priority.GRANT)
            seen.setdefault(bus.availability(1).current, loop.connections)
            await asyncio.sleep(0.1)
        assert loop.time() > 600
        assert loop.connections < 120
        assert Availability.ONLINE not in seen
        assert seen[Availability.BUS_UNAVAILABLE] <= 2, "a second connection that is cut off means the line, and no unit"
        assert bus.availability(1).current is Availability.BUS_UNAVAILABLE
        await bus.stop(5)

    with asyncio.Runner(loop_factory=Doorman) as runner:
        runner.run(main())


async def test_a_host_that_hangs_up_when_asked_for_one_unit_serves_the_others() -> None:
    async with rogue_server(lambda request: [CUT] if request[6] == 9 else good(request)) as server:
        settings = ModbusTcpLine(id="annex", host="127.0.0.1", port=server.port, timeout_ms=5000)
        bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
        bus.attach(1, probe=PROBE)
        bus.attach(9, probe=PROBE)
        await bus.start()
        for _ in range(4):
            with pytest.raises((ConnectionLost, Quarantined)):
                await bus.exchange(9, READ, Priority.GRANT)
            assert await bus.exchange(1, READ, Priority.GRANT) == (42, 42)
        assert bus.availability(1).current is Availability.ONLINE
        assert bus.availability(9).current is Availability.QUARANTINED
        await bus.stop(5)


async def test_transaction_ids_run_on_over_connections() -> None:
    """A converter may bring on a new connection what it was asked on an old one."""
    late: list[bytes] = []

    def slow(request: bytes) -> list[bytes | None]:
        late.append(reply(request, b"\x03\x04\x00\x01\x00\x01"))
        return []

    async with rogue_server(slow) as server:
        link = link_to(server, delay_s=0.0)
        await link.open()
        for _ in range(3):
            with pytest.raises(NoReply):
                await link.exchange(1, READ, UnitTiming(0.0, 0.1))
        server.answer = lambda request: [late[0], *good(request)]
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 2
        assert link.tally.late_dropped[1] == 1
        *_, third, fourth = (int.from_bytes(request[:2], "big") for request in server.requests)
        assert fourth == third % 65_000 + 1
        await link.close()


async def test_a_far_end_that_talks_unasked_is_cut_off_and_what_it_said_counted() -> None:
    async with rogue_server(talkative) as server:
        link = link_to(server)
        await link.open()
        await link.exchange(1, READ, TIMING)
        await becomes_stale(link)
        async with asyncio.timeout(30):
            await server.hung_up.wait()
        assert link.tally.late_dropped[1] == 1
        await link.close()


async def test_a_link_repeats_nothing() -> None:
    async with rogue_server(lambda request: []) as server:
        link = link_to(server)
        await link.open()
        with pytest.raises(NoReply):
            await link.exchange(1, READ, BRIEF)
        await link.close()
        assert len(server.requests) == 1


async def test_a_reply_to_an_exchange_that_was_given_up_answers_no_later_one() -> None:
    """The caller is gone before the reply comes: its connection is closed, and its number is not used again."""
    asked, late = asyncio.Event(), []

    def slow(request: bytes) -> list[bytes | None]:
        late.append(reply(request, b"\x03\x04\x00\x01\x00\x01"))
        asked.set()
        return []

    async with rogue_server(slow) as server:
        link = link_to(server)
        await link.open()
        given_up = asyncio.create_task(link.exchange(1, READ, TIMING))
        await asked.wait()
        given_up.cancel()
        await asyncio.wait({given_up})
        server.answer = lambda request: [*late, *good(request)]
        assert await link.exchange(1, READ, TIMING) == (42, 42)
        assert server.connections == 2
        assert len({request[:2] for request in server.requests}) == 2
        await link.close()


@pytest.mark.parametrize("unit", [1, 247, 255])
async def test_a_device_is_reached_by_its_unit_number(unit: int) -> None:
    async with rogue_server(good) as server:
        link = link_to(server)
        await link.open()
        assert await link.exchange(unit, READ, TIMING) == (42, 42)
        assert await link.exchange(unit, WRITE, TIMING) == ()
        assert [request[6] for request in server.requests] == [unit, unit]
        await link.close()


async def test_a_device_that_takes_only_unit_0_is_written_to_after_it_answered_a_read() -> None:
    async with rogue_server(good) as server:
        link = link_to(server)
        await link.open()
        assert link.doubts(0, WRITE)
        assert await link.exchange(0, READ, TIMING) == (42, 42)
        assert not link.doubts(0, WRITE)
        assert await link.exchange(0, WRITE, TIMING) == ()
        server.hang_up()
        await becomes_stale(link)
        with pytest.raises(NotSent):
            await link.exchange(0, WRITE, TIMING)
        await link.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: [],
        lambda request: [reply(request, bytes((request[7] | 0x80, 0x0B)))],
        lambda request: good(request, unit=1),
    ],
    ids=["silence", "a converter's word", "a reply of another unit"],
)
async def test_a_bridge_that_would_pass_a_write_to_unit_0_on_to_everybody_gets_none(answer: TcpAnswer) -> None:
    async with rogue_server(answer) as server:
        settings = ModbusTcpLine(id="annex", host="127.0.0.1", port=server.port, timeout_ms=100)
        bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
        bus.attach(0, probe=PROBE)
        await bus.start()
        with pytest.raises(DriverError):
            await bus.exchange(0, WRITE, Priority.GRANT)
        await bus.stop(5)
        assert server.requests
        assert all(request[7] in (3, 4) for request in server.requests)


async def test_a_bridge_gets_no_write_to_unit_0_beside_a_read_that_it_has_not_answered_yet() -> None:
    async with rogue_server(lambda request: []) as server:
        settings = ModbusTcpLine(id="annex", host="127.0.0.1", port=server.port, timeout_ms=50)
        link = link_to(server)
        bus = ModbusBus(settings, link, SystemClock())
        bus.attach(0, probe=PROBE, pipeline=2)
        await link.open()
        await bus.start()
        await asyncio.sleep(0)
        outcomes = await bus.exchange_all(0, [READ, WRITE], Priority.GRANT)
        await bus.stop(5)
        assert all(isinstance(outcome, NotSent) for outcome in outcomes)
        assert not server.requests
