"""Simulated panels in real time: behind a pseudo-terminal, or behind a TCP port (MBAP, or RTU as a serial device server)."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import socket
import tty
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from config.settings import AnyModbusLine, ModbusLineSettings, ModbusTcpLine
from simulators.crash import Crashes
from simulators.modbus_slave import MbapRequests, RtuRequests
from simulators.responder import Responder, Sending
from simulators.wire import byte_time_s, silence_s

_HERE = "127.0.0.1"
_PSEUDO = Path("/dev/pts")


@dataclass(frozen=True, slots=True)
class Pace:
    """The seconds that a byte takes, and the seconds of silence that end a frame; zeros for a line that takes no time."""

    byte_s: float = 0.0
    silence_s: float = 0.0

    @classmethod
    def of(cls, line: ModbusLineSettings) -> Pace:
        return cls(byte_time_s(line.baudrate, line.parity, line.stopbits), silence_s(line.baudrate))


class RtuPort:
    """Takes RTU requests and sends replies at the line's pace. `cut` closes the connection, where there is one."""

    def __init__(
        self, responder: Responder, pace: Pace, crashes: Crashes, write: Callable[[bytes], None], cut: Callable[[], None]
    ) -> None:
        self._responder, self._pace, self._crashes = responder, pace, crashes
        self._write, self._cut = write, cut
        self._requests = RtuRequests()
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0

    def received(self, data: bytes) -> None:
        now = self._loop.time()
        for frame in self._requests.feed(data, now):
            ends = now + len(frame) * self._pace.byte_s + self._pace.silence_s
            self._at(ends, self._frame_ended, frame, ends)

    def _frame_ended(self, frame: bytes, at: float) -> None:
        """`at` is when the frame should have ended: a late timer does not delay what comes after it."""
        for sending in self._responder.rtu(frame):
            starts = max(at + sending.after_s, self._free_at)
            ends = starts + len(sending.data) * self._pace.byte_s
            self._free_at = ends + self._pace.silence_s
            self._at(ends, self._send, sending)

    def _send(self, sending: Sending) -> None:
        self._write(sending.data)
        if sending.cut:
            self._cut()

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        if when <= self._loop.time():
            act(*arguments)
        else:
            self._loop.call_at(when, self._run, act, arguments)

    def _run(self, act: Callable[..., None], arguments: tuple[object, ...]) -> None:
        with self._crashes:
            act(*arguments)


class SerialLine:
    """The panels of a line behind a pseudo-terminal. `where` is the path to open once it is started.

    `link`: a symbolic link there names the pseudo-terminal, unless a real device has that path already. One that another living
    simulator serves is left alone: starting raises OSError. What a killed one left behind is replaced.
    """

    def __init__(self, line: AnyModbusLine, responder: Responder, crashes: Crashes, link: Path | None, paced: bool) -> None:
        self.responder = responder
        self.where = ""
        self._crashes, self._link, self._echo = crashes, link, line.local_echo
        self._pace = Pace.of(line) if paced else Pace()
        self._ours: int | None = None
        self._theirs: int | None = None
        self._port: RtuPort | None = None
        self._claim: socket.socket | None = None

    async def start(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        device = os.ttyname(self._theirs)
        if self._link is not None and not _is_real(self._link):
            self._claim = _claim(self._link)
            _place_link(self._link, device)
        else:
            self._link = None
        self.where = str(self._link or device)
        self._port = RtuPort(self.responder, self._pace, self._crashes, self._write, lambda: None)
        asyncio.get_running_loop().add_reader(self._ours, self._readable)

    async def stop(self) -> None:
        if self._ours is None or self._theirs is None:
            return
        asyncio.get_running_loop().remove_reader(self._ours)
        if self._link is not None and self._link.is_symlink() and os.readlink(self._link) == os.ttyname(self._theirs):
            self._link.unlink()
        if self._claim is not None:
            self._claim.close()
        os.close(self._ours)
        os.close(self._theirs)
        self._ours = self._theirs = None

    def _readable(self) -> None:
        with self._crashes:
            if self._ours is not None and self._port is not None:
                data = os.read(self._ours, 4096)
                if self._echo:
                    self._write(data)
                self._port.received(data)

    def _write(self, data: bytes) -> None:
        """Write as a UART does, without waiting: what the terminal cannot take is lost."""
        if self._ours is None:
            return
        try:
            os.write(self._ours, data)
        except BlockingIOError:
            return


def _is_real(link: Path) -> bool:
    """Whether the path is a device other than a pseudo-terminal."""
    return link.is_char_device() and _PSEUDO not in link.resolve().parents


def _claim(link: Path) -> socket.socket:
    """Claim the right to serve a path, until it is closed or the process ends in any way. Raises OSError (EADDRINUSE).

    It is an abstract socket: it leaves no file behind and, unlike a lock on the terminal, does not concern the master.
    """
    name = hashlib.sha256(bytes(link.parent.resolve() / link.name)).hexdigest()
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0panel-gateway-line-{name}")
    except OSError as error:
        claim.close()
        raise OSError(error.errno, "another simulator serves this line", str(link)) from error
    return claim


def _place_link(link: Path, device: str) -> None:
    """Raises FileExistsError where a file or a folder has the path."""
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise FileExistsError(errno.EEXIST, "a serial line's port is a file, not a device", str(link))
    link.symlink_to(device)


class _Connection(asyncio.Protocol):
    """One client of a TCP line."""

    def __init__(self, line: TcpLine) -> None:
        self._line = line
        self._transport: asyncio.Transport | None = None
        self._requests = MbapRequests()
        self._port = RtuPort(line.responder, line.pace, line.crashes, self._write, self._cut)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._line.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._line.connections.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        with self._line.crashes:
            if self._line.mbap:
                self._mbap(data)
            else:
                self._port.received(data)

    def _mbap(self, data: bytes) -> None:
        for transaction, unit, pdu in self._requests.feed(data):
            for sending in self._line.responder.tcp(transaction, unit, pdu):
                if sending.after_s > 0:
                    asyncio.get_running_loop().call_later(sending.after_s, self._send, sending)
                else:
                    self._send(sending)
        if self._requests.broken:
            self._cut()

    def _send(self, sending: Sending) -> None:
        self._write(sending.data)
        if sending.cut:
            self._cut()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.close()


class TcpLine:
    """The panels of a line behind one TCP port; `where` is (host, port) once it is started. Port 0: a free one.

    Where the host is not this machine, and only then, it listens on 127.0.0.1 in its place.
    """

    def __init__(
        self, line: AnyModbusLine, responder: Responder, crashes: Crashes, address: tuple[str, int], paced: bool
    ) -> None:
        self.responder, self.crashes = responder, crashes
        self.mbap = isinstance(line, ModbusTcpLine)
        self.pace = Pace.of(line) if paced else Pace()
        self.where = address
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        host, port = self.where
        try:
            self._server = await self._listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            host = _HERE
            self._server = await self._listen(host, port)
        self.where = (host, self._server.sockets[0].getsockname()[1])

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for transport in list(self.connections):
            transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)
        self._server = None
