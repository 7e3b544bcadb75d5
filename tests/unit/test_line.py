"""Lines as configured: wire times, real pseudo-terminals, device servers on real sockets."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import termios
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import ModbusRtuTcpLine, ModbusTcpLine
from drivers.clock import SystemClock
from drivers.contract import Availability, Priority
from drivers.errors import BusUnavailable, ConnectionLost, NoReply, NotSent
from drivers.link import DirectLink, UnitTiming
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.open import line_timing, open_link
from drivers.modbus.wire.requests import Request, read_holding_registers, write_register, write_registers
from tests.support.lines import PROBE, rtu_settings
from tests.support.pty_line import pty_panel
from tests.support.scripted_line import framed

READ = read_holding_registers(0x10, 1)
WRITE = write_register(7, 9)


def obey(frame: bytes) -> bytes:
    if frame[1] in (3, 4):
        return framed(f"{frame[0]:02x}{frame[1]:02x}02002a")
    return framed(frame[:6].hex())


@pytest.mark.parametrize(
    ("baudrate", "silence", "fc06", "fc16x32", "fc03x32", "fc16x123"),
    [(9600, 4.01, 24.7, 92.4, 88.2, 282), (19200, 2.01, 12.3, 46.2, 44.1, 141), (115200, 1.75, 4.9, 10.5, 10.2, 26.3)],
)
def test_wire_times_are_those_of_the_table(
    baudrate: int, silence: float, fc06: float, fc16x32: float, fc03x32: float, fc16x123: float
) -> None:
    settings = rtu_settings(baudrate=baudrate)
    link = open_link(settings, SystemClock())
    assert line_timing(settings).silence_s * 1000 == pytest.approx(silence, abs=0.006)
    for request, expected in [
        (WRITE, fc06),
        (write_registers(0, [0] * 32), fc16x32),
        (read_holding_registers(0, 32), fc03x32),
        (write_registers(0, [0] * 123), fc16x123),
    ]:
        took = link.wire_ms(request)
        assert took is not None
        assert took == pytest.approx(expected, abs=0.51 if expected > 100 else 0.051)


@pytest.mark.parametrize(
    ("changes", "bits"), [({}, 10), ({"parity": "even"}, 11), ({"stopbits": 2}, 11), ({"parity": "odd", "stopbits": 2}, 12)]
)
def test_a_character_has_its_parity_and_stop_bits(changes: dict[str, object], bits: int) -> None:
    settings = rtu_settings(baudrate=19200, **changes)
    assert line_timing(settings).character_s * 19200 == pytest.approx(bits)


def test_bytes_and_frame_of_a_request() -> None:
    link = open_link(rtu_settings(), SystemClock())
    assert link.frame(0x11, WRITE) == framed("11 06 0007 0009")
    assert link.wire_bytes(READ) == 8 + 7


async def test_exchanges_on_a_pseudo_terminal() -> None:
    with pty_panel(obey) as panel:
        settings = rtu_settings(port=panel.path, baudrate=115200, timeout_ms=5000.0)
        link = open_link(settings, SystemClock())
        bus = ModbusBus(settings, link, SystemClock())
        bus.attach(1, probe=PROBE)
        await bus.start()
        for _ in range(20):
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)
            assert await bus.exchange(1, WRITE, Priority.GRANT) == ()
        assert panel.heard[:2] == [framed("01 03 0010 0001"), framed("01 06 0007 0009")]
        assert bus.statistics().line.exchanges == 40
        await bus.stop(1)


@pytest.mark.parametrize("changes", [{"parity": "even"}, {"parity": "odd", "stopbits": 2}])
@pytest.mark.parametrize("linked", [False, True])
async def test_a_simulated_line_opens_whatever_parity_the_real_one_has(
    changes: dict[str, object], linked: bool, tmp_path: Path
) -> None:
    """Twice: what a terminal refuses depends on what it was set to before."""
    with pty_panel(obey) as panel:
        port = Path(panel.path)
        if linked:
            port = tmp_path / "tty"
            port.symlink_to(panel.path)
        for _ in range(2):
            link = open_link(rtu_settings(port=str(port), baudrate=19200, **changes), SystemClock())
            await link.open()
            assert await link.exchange(1, READ, UnitTiming(0, 1)) == (42,)
            await link.close()


async def test_a_real_port_is_asked_for_its_parity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo-terminal that passes for a device: it says what it does not take."""
    with pty_panel(obey) as panel:
        monkeypatch.setattr("drivers.modbus.wire.open._PSEUDO", Path("/dev/no-such-folder"))
        link = open_link(rtu_settings(port=panel.path, parity="even"), SystemClock())
        with pytest.raises(BusUnavailable, match="Invalid argument"):
            await link.open()


async def test_what_the_kernel_holds_already_is_heard_before_a_frame_is_sent() -> None:
    with pty_panel(obey) as panel:
        settings = rtu_settings(port=panel.path, baudrate=115200)
        link = open_link(settings, SystemClock())
        await link.open()
        assert await link.exchange(1, READ, UnitTiming(0, 1)) == (42,)
        await asyncio.sleep(0.01)
        panel.say(framed("01 03 02 0001"))
        assert await link.exchange(1, READ, UnitTiming(0, 1)) == (42,)
        assert link.tally.late_dropped[1] == 1
        await link.close()


async def test_a_pulled_adapter_and_its_return(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    with pty_panel(obey) as panel:
        port.symlink_to(panel.path)
        settings = rtu_settings(port=str(port), baudrate=115200)
        bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
        bus.attach(1, probe=PROBE)
        await bus.start()
        await bus.exchange(1, READ, Priority.GRANT)
        port.unlink()
        panel.unplug()
        await becomes(bus, Availability.BUS_UNAVAILABLE)
        with pytest.raises(BusUnavailable):
            await bus.exchange(1, READ, Priority.GRANT)
    with pty_panel(obey) as panel:
        port.symlink_to(panel.path)
        await becomes(bus, Availability.ONLINE)
        assert await bus.exchange(1, READ, Priority.GRANT) == (42,)
        await bus.stop(1)


async def becomes(bus: ModbusBus, wanted: Availability) -> None:
    async with asyncio.timeout(30):
        async for level in bus.availability(1):
            if level is wanted:
                return


@pytest.mark.parametrize("changes", [{"port": "/dev/does-not-exist"}, {"rs485": True}])
async def test_a_port_that_cannot_be_opened_as_wanted_is_unavailable(changes: dict[str, object]) -> None:
    """A pseudo-terminal has no RS-485 direction control."""
    with pty_panel(obey) as panel:
        link = open_link(rtu_settings(**{"port": panel.path, **changes}), SystemClock())
        with pytest.raises(BusUnavailable):
            await link.open()


@pytest.mark.parametrize("call", ["tcsetattr", "tcflush", "tcgetattr"])
async def test_an_adapter_pulled_while_it_is_opened_is_unavailable(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pty_panel(obey) as panel:
        before = set(os.listdir("/proc/self/fd"))
        link = open_link(rtu_settings(port=panel.path), SystemClock())

        def gone(*anything: object) -> None:
            raise termios.error(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(f"serial.serialposix.termios.{call}", gone)
            with pytest.raises(BusUnavailable, match="Input/output error"):
                await link.open()
        assert set(os.listdir("/proc/self/fd")) == before
        await link.open()
        await link.close()


async def test_rs485_direction_is_asked_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rs485 = 0x542F
    asked: list[list[int]] = []

    def ioctl(fd: int, number: int, buffer: array[int] | int | bytes = 0) -> int:
        if number == set_rs485 and isinstance(buffer, array):
            asked.append(buffer.tolist())
        return 0

    with pty_panel(obey) as panel:
        link = open_link(rtu_settings(port=panel.path, rs485=True), SystemClock())
        monkeypatch.setattr("serial.serialposix.fcntl.ioctl", ioctl)
        await link.open()
        monkeypatch.undo()
        await link.close()
    enabled_rts_on_send = 0b011
    assert {settings[0] for settings in asked} == {enabled_rts_on_send}


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_port_that_takes_no_bytes_keeps_none_for_later(at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that is not taken whole is an error, and the kernel drops what it holds; before a close too, which would wait.
    Where it was sent at once, on a line that was quiet, the port is opened anew while it is being closed.
    """
    flushed: list[int] = []
    clock = SystemClock()
    with pty_panel(obey) as panel:
        link = open_link(rtu_settings(port=panel.path, baudrate=115200), clock)
        assert isinstance(link, DirectLink)
        await link.open()
        while at_once and not link.ready(1, [READ], clock.monotonic()):  # noqa: ASYNC110
            await asyncio.sleep(0)
        with monkeypatch.context() as patch:
            patch.setattr("drivers.modbus.wire.open.os.write", lambda descriptor, data: len(data) - 1)
            patch.setattr("drivers.modbus.wire.open.termios.tcflush", lambda descriptor, queue: flushed.append(queue))
            with pytest.raises(ConnectionLost):
                await link.exchange(1, READ, UnitTiming(0, 5))
            assert not link.connected
        assert set(flushed) == {termios.TCOFLUSH}
        flushed.clear()
        await link.open()
        assert await link.exchange(1, READ, UnitTiming(0, 5)) == (42,)
        monkeypatch.setattr("drivers.modbus.wire.open.termios.tcflush", lambda descriptor, queue: flushed.append(queue))
        await link.close()
        assert flushed == [termios.TCOFLUSH]


@pytest.mark.parametrize(
    ("changes", "flags", "speed"),
    [
        ({"baudrate": 9600}, 0, termios.B9600),
        ({"baudrate": 115200, "stopbits": 2}, termios.CSTOPB, termios.B115200),
        ({"baudrate": 19200, "parity": "even"}, termios.PARENB, termios.B19200),
        ({"baudrate": 19200, "parity": "odd"}, termios.PARENB | termios.PARODD, termios.B19200),
    ],
)
async def test_the_port_is_set_up_as_configured(
    changes: dict[str, object], flags: int, speed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asked of the kernel: a pseudo-terminal itself knows no parity."""
    asked: list[list[int]] = []
    with pty_panel(obey) as panel:
        link = open_link(rtu_settings(port=panel.path, **changes), SystemClock())
        with monkeypatch.context() as patch:
            patch.setattr("serial.serialposix.termios.tcsetattr", lambda descriptor, when, attributes: asked.append(attributes))
            await link.open()
        await link.close()
    control, given, taken = asked[0][2], asked[0][4], asked[0][5]
    assert control & (termios.PARENB | termios.PARODD | termios.CSTOPB | termios.CSIZE) == flags | termios.CS8
    assert (given, taken) == (speed, speed)


async def test_a_device_server_that_takes_nothing_loses_its_connection_within_a_second() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    near: list[socket.socket] = []
    loop = asyncio.get_running_loop()
    create_connection = loop.create_connection

    async def watched(*args: Any, **kwargs: Any) -> Any:
        transport, protocol = await create_connection(*args, **kwargs)
        near.append(transport.get_extra_info("socket"))
        return transport, protocol

    loop.create_connection = watched  # type: ignore[method-assign]
    settings = ModbusRtuTcpLine(id="yard", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    link = open_link(settings, SystemClock())
    await link.open()
    assert near[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000
    await link.close()
    server.close()
    await server.wait_closed()


async def test_two_masters_cannot_open_one_port() -> None:
    with pty_panel(obey) as panel:
        first = open_link(rtu_settings(port=panel.path), SystemClock())
        second = open_link(rtu_settings(port=panel.path), SystemClock())
        await first.open()
        with pytest.raises(BusUnavailable):
            await second.open()
        await first.close()
        await second.open()
        await second.close()


async def test_a_line_is_closed_when_its_bus_stops() -> None:
    with pty_panel(obey) as panel:
        before = set(os.listdir("/proc/self/fd"))
        settings = rtu_settings(port=panel.path)
        bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
        bus.attach(1, probe=PROBE)
        await bus.start()
        await bus.exchange(1, READ, Priority.GRANT)
        await bus.stop(1)
        assert set(os.listdir("/proc/self/fd")) == before


async def serve_rtu(answer: Callable[[bytes], bytes]) -> asyncio.Server:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(256):
            writer.write(answer(request))
        writer.close()

    return await asyncio.start_server(converse, "127.0.0.1", 0)


@pytest.mark.parametrize(("request_", "values"), [(READ, (42,)), (WRITE, ())])
async def test_rtu_frames_over_a_device_server(request_: Request, values: tuple[int, ...]) -> None:
    server = await serve_rtu(obey)
    settings = ModbusRtuTcpLine(id="server", host="127.0.0.1", port=server.sockets[0].getsockname()[1], baudrate=115200)
    bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
    bus.attach(1, probe=PROBE)
    await bus.start()
    assert await bus.exchange(1, request_, Priority.GRANT) == values
    await bus.stop(1)
    server.close()
    await server.wait_closed()
    bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
    bus.attach(1, probe=PROBE)
    await bus.start()
    with pytest.raises(NotSent):
        await bus.exchange(1, request_, Priority.GRANT)
    await bus.stop(1)


@pytest.mark.parametrize("kind", [ModbusRtuTcpLine, ModbusTcpLine])
async def test_a_connection_is_closed_without_delivering_later_what_was_given_up(
    kind: type[ModbusRtuTcpLine | ModbusTcpLine],
) -> None:
    """The far end sees a reset: its kernel's and ours forget what was under way."""
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop.add_reader(listener, lambda: accepted.put_nowait(listener.accept()[0]))
        settings = kind(id="yard", host="127.0.0.1", port=listener.getsockname()[1])
        link = open_link(settings, SystemClock())
        await link.open()
        with await accepted.get() as far:
            far.setblocking(False)
            with pytest.raises(NoReply):
                await link.exchange(1, WRITE, UnitTiming(0, 0.02))
            await link.close()
            assert await loop.sock_recv(far, 100)
            with pytest.raises(ConnectionResetError):
                await loop.sock_recv(far, 100)
        loop.remove_reader(listener)
