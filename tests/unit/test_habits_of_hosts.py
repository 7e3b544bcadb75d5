"""Hosts that drop what comes right after a connection, and hosts that close connections: no panel is lost to either."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import pytest

from config.settings import ModbusRtuTcpLine, ModbusTcpLine
from drivers.clock import SystemClock
from drivers.contract import Availability, Priority
from drivers.errors import BusUnavailable, ConnectionLost, DriverError
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.far_end import FarEnd
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import read_holding_registers, write_coil, write_register
from simulators.faults import Faults
from simulators.responder import Responder
from tests.support.lines import PROBE
from tests.support.rogue_server import good
from tests.support.scripted_line import framed
from tests.support.soak import SoakPanel
from tests.support.virtual_tcp import VirtualConnection, VirtualDeviceServer, VirtualTcpLoop
from tests.support.virtual_time import VirtualClock

KINDS = [ModbusTcpLine, ModbusRtuTcpLine]
Kind = type[ModbusTcpLine | ModbusRtuTcpLine]
READ = read_holding_registers(0x10, 1)
WRITE = write_register(7, 9)
PULSE = write_coil(3, 0x5500, repeatable=False)
P = Priority.GRANT
QUIET_MS = 400.0
"""After which a reply counts as missed. Several tests wait for that, and a busy machine is to stay below it."""
LONG_MS = 5000.0


@dataclass
class Host:
    """`deaf_s`: drops what comes so soon after a connection. `closes_s`: closes so long after each reply, or after each `replies`
    of them."""

    deaf_s: float = 0.0
    closes_s: float | None = None
    replies: int = 1
    connections: int = 0
    done: list[bytes] = field(default_factory=list)
    """PDUs of the requests that it carried out."""
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        opened, left = asyncio.get_running_loop().time(), self.replies
        with suppress(OSError):
            while True:
                request = await reader.read(300)
                if not request:
                    break
                if asyncio.get_running_loop().time() < opened + self.deaf_s:
                    continue
                writer.write(self._carry_out(request))
                left -= 1
                if self.closes_s is not None and not left:
                    await writer.drain()
                    await asyncio.sleep(self.closes_s)
                    break
        self.writers.discard(writer)
        writer.close()

    def _carry_out(self, request: bytes) -> bytes:
        if request[2:4] == b"\0\0" and len(request) == 12 and request[4:6] == b"\0\x06":
            self.done.append(request[7:])
            reply = good(request)[0]
            assert reply is not None
            return reply
        self.done.append(request[1:-2])
        return framed(f"{request[0]:02x}{request[1]:02x}02002a") if request[1] in (3, 4) else request

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.close()


@asynccontextmanager
async def bus_to(host: Host, kind: Kind, timeout_ms: float = QUIET_MS, **more: Any) -> AsyncIterator[ModbusBus]:
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = kind(id="yard", host="127.0.0.1", port=port, timeout_ms=timeout_ms, baudrate=115_200, probe_share=0.5, **more)
    bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
    bus.attach(1, probe=PROBE)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop(2)
        host.hang_up()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deaf_s", [0.02, 0.05, 0.3])
async def test_a_device_that_is_deaf_after_connect_is_reached_and_then_waited_for(kind: Kind, deaf_s: float) -> None:
    host = Host(deaf_s)
    async with bus_to(host, kind) as bus:
        assert await bus.exchange(1, READ, P) == (42,)
        assert host.connections == 1
        host.hang_up()
        assert await bus.exchange(1, PULSE, P) == ()
        assert host.connections == 2
        assert host.done.count(PULSE.pdu()) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_delay_that_is_set_spares_the_first_request(kind: Kind) -> None:
    host = Host(deaf_s=0.1)
    async with bus_to(host, kind, connect_delay_ms=500.0) as bus:
        assert await bus.exchange(1, PULSE, P) == ()
        assert host.done.count(PULSE.pdu()) == 1
        assert bus.statistics().line.timeouts == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closes_s", [0.0, 0.001, 0.02])
async def test_a_host_that_closes_after_each_reply_carries_everything_out_once(kind: Kind, closes_s: float) -> None:
    host = Host(closes_s=closes_s)
    async with bus_to(host, kind, QUIET_MS if closes_s > 0.01 else LONG_MS) as bus:
        for _ in range(4):
            assert await bus.exchange(1, READ, P) == (42,)
        for number in range(20):
            assert await bus.exchange(1, write_register(number, 1), P) == ()
            assert await bus.exchange(1, write_coil(number, 0x5500, repeatable=False), P) == ()
        assert bus.availability(1).current is Availability.ONLINE
    pulses = [done for done in host.done if done[0] == 5]
    assert len(pulses) == len(set(pulses)) == 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replies", [2, 3])
async def test_a_host_that_closes_after_a_few_replies_is_seen_through(kind: Kind, replies: int) -> None:
    """A pulse that met such a closing was unconfirmed, the same one of a few every time."""
    host = Host(closes_s=0.005, replies=replies)
    async with bus_to(host, kind) as bus:
        for _ in range(4 * replies):
            assert await bus.exchange(1, READ, P) == (42,)
        for number in range(12):
            assert await bus.exchange(1, write_register(number, 1), P) == ()
            assert await bus.exchange(1, write_coil(number, 0x5500, repeatable=False), P) == ()
    pulses = [done for done in host.done if done[0] == 5]
    assert len(pulses) == len(set(pulses)) == 12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turns", [0, 1, 2, 8])
async def test_a_host_that_closes_idle_connections_costs_no_push(kind: Kind, turns: int) -> None:
    """`turns`: of the event loop, between the close and the push: the close is on its way, or is seen already."""
    host = Host()
    async with bus_to(host, kind, LONG_MS) as bus:
        for number in range(10):
            assert await bus.exchange(1, write_register(number, 1), P) == ()
            host.hang_up()
            for _ in range(turns):
                await asyncio.sleep(0)
        assert bus.availability(1).current is Availability.ONLINE
    assert host.connections == 10


@pytest.mark.parametrize("kind", KINDS)
async def test_a_pulse_whose_connection_was_cut_is_unconfirmed_and_never_sent_twice(kind: Kind) -> None:
    class Cutting(Host):
        def _carry_out(self, request: bytes) -> bytes:
            reply = super()._carry_out(request)
            if self.done[-1][0] == 5:
                raise OSError
            return reply

    host = Cutting()
    async with bus_to(host, kind) as bus:
        with pytest.raises(ConnectionLost):
            await bus.exchange(1, PULSE, P)
        assert await bus.exchange(1, READ, P) == (42,)
    assert host.done.count(PULSE.pdu()) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "piece", [b"\0\1\0\0\0\3\1\x83\2", b"\1\x83\2\xc0\xf1", b"\1\3\xfa"], ids=["frames", "RTU frames", "beginnings"]
)
async def test_a_host_that_sends_without_end_is_cut_off(kind: Kind, piece: bytes) -> None:
    """It took the whole loop: other lines and clients waited for seconds, and a stop took half a minute."""

    @dataclass
    class Flooding(Host):
        ended: asyncio.Event = field(default_factory=asyncio.Event)

        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            with suppress(OSError):
                while True:
                    writer.write(piece * 1000)
                    await writer.drain()
            self.ended.set()
            writer.close()

    host = Flooding()
    async with bus_to(host, kind, connect_delay_ms=0.0) as bus:
        with pytest.raises(DriverError):
            await bus.exchange(1, READ, P)
        async with asyncio.timeout(30):
            await host.ended.wait()
        async with asyncio.timeout(10):
            await bus.stop(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("linger", [struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)], ids=["closed", "reset"])
async def test_a_connection_that_ends_while_it_is_made_ends_no_line(kind: Kind, linger: bytes) -> None:
    def close_at_once(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                near.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        doorman = Thread(target=close_at_once, args=(listening,), daemon=True)
        doorman.start()
        settings = kind(id="yard", host="127.0.0.1", port=listening.getsockname()[1], connect_delay_ms=0.0)
        link = open_link(settings, SystemClock())
        try:
            for _ in range(200):
                with suppress(BusUnavailable):
                    await link.open()
        finally:
            await link.close()
            listening.shutdown(socket.SHUT_RDWR)
            doorman.join()


class Deaf(VirtualTcpLoop):
    """Modbus TCP that drops what comes within `deaf_s` of a connection."""

    deaf_s = 0.0

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *where: Any, **how: Any
    ) -> tuple[VirtualConnection, asyncio.Protocol]:
        transport, protocol = await super().create_connection(protocol_factory, *where, **how)
        hears_at, write = self.time() + self.deaf_s, transport.write
        transport.write = lambda data: write(data) if self.time() >= hears_at else None  # type: ignore[method-assign]
        return transport, protocol


@pytest.mark.parametrize("deaf_s", [0.05, 1.0, 3.0, 4.9])
@pytest.mark.parametrize("timeout_ms", [100.0, 1000.0])
def test_a_device_that_is_deaf_for_seconds_is_online_within_half_a_minute(deaf_s: float, timeout_ms: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Deaf)
        loop.deaf_s, loop.responder = deaf_s, Responder([SoakPanel(1)], Faults())
        settings = ModbusTcpLine(id="annex", host="192.0.2.1", port=502, timeout_ms=timeout_ms)
        bus = ModbusBus(settings, open_link(settings, VirtualClock()), VirtualClock())
        bus.attach(1, probe=PROBE)
        await bus.start()
        with suppress(DriverError):
            await bus.exchange(1, READ, P)
        async with asyncio.timeout(30):
            async for level in bus.availability(1):
                if level is Availability.ONLINE:
                    break
        assert await bus.exchange(1, READ, P)
        await bus.stop(1)

    with asyncio.Runner(loop_factory=Deaf) as runner:
        runner.run(main())


class Doorman(VirtualTcpLoop):
    """A device server that takes every connection and closes it."""

    baudrate = 9600

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *where: Any, **how: Any
    ) -> tuple[VirtualConnection, asyncio.Protocol]:
        transport, protocol = await super().create_connection(protocol_factory, *where, **how)
        assert isinstance(transport, VirtualDeviceServer)
        transport.close()
        return transport, protocol


def test_a_device_server_that_closes_at_once_is_asked_ever_more_rarely() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Doorman)
        loop.responder = Responder([])
        settings = ModbusRtuTcpLine(id="annex", host="192.0.2.1", port=4001)
        bus = ModbusBus(settings, open_link(settings, VirtualClock()), VirtualClock())
        bus.attach(1, probe=PROBE)
        await bus.start()
        while loop.time() < 600:
            with pytest.raises(DriverError):
                await bus.exchange(1, READ, P)
            await asyncio.sleep(0.1)
        assert bus.availability(1).current is Availability.BUS_UNAVAILABLE
        assert loop.connections < 120
        await bus.stop(5)

    with asyncio.Runner(loop_factory=Doorman) as runner:
        runner.run(main())


def test_what_was_learned_of_a_host_is_forgotten_after_a_day() -> None:
    host = FarEnd()
    host.opened(0.0, 0.0)
    host.unanswered(1)
    host.answered(1, 0.4)
    assert (host.wait_s(10.0), host.wait_s(86_401.0)) == (0.4, 0.0)


def test_a_silent_unit_beside_one_that_answers_teaches_no_delay() -> None:
    host = FarEnd()
    host.opened(0.0, 0.0)
    host.unanswered(2)
    host.answered(1, 0.4)
    host.answered(2, 0.8)
    assert host.wait_s(1.0) == 0.0


def test_a_host_that_closes_after_each_reply_is_not_waited_for() -> None:
    host = FarEnd()
    for now in (0.0, 1.0):
        host.opened(now, 0.0)
        host.unanswered(1)
        host.answered(1, now + 0.4)
        host.closed(now + 0.5)
    assert host.wait_s(2.0) == 0.0
    host.opened(2.0, 0.0)
    assert not host.spent
    host.answered(1, 2.1)
    assert host.spent


def test_a_host_that_closes_idle_connections_is_not_taken_for_one_that_counts_replies() -> None:
    host = FarEnd()
    for now in range(0, 500, 100):
        host.opened(float(now), 0.0)
        for request in range(4):
            host.answered(1, now + request / 10)
        host.closed(now + 30.0)
    host.opened(500.0, 0.0)
    for request in range(4):
        host.answered(1, 500.0 + request / 10)
    assert not host.spent


def test_what_was_learned_of_a_host_that_closes_is_unlearned_when_it_answers_more_often() -> None:
    host = FarEnd()
    for now in range(3):
        host.opened(float(now), 0.0)
        host.answered(1, now + 0.1)
        host.answered(1, now + 0.2)
        host.closed(now + 0.3)
    assert host.closes
    host.opened(4.0, 0.0)
    for request in range(3):
        host.answered(1, 4.0 + request / 10)
    assert not host.closes
