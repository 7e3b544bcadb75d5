"""The link of a configured line: a tty by pyserial-asyncio (imported nowhere else), or a connection."""

from __future__ import annotations

import asyncio
import errno
import os
import termios
from contextlib import suppress
from pathlib import Path

import serial
import serial.rs485
import serial_asyncio

from config.settings import AnyModbusLine, ModbusLineSettings, ModbusRtuLine, ModbusRtuTcpLine, ModbusTcpLine
from drivers.clock import Clock
from drivers.link import Link
from drivers.modbus.wire.far_end import FarEnd
from drivers.modbus.wire.requests import Request
from drivers.modbus.wire.rtu import LineTiming, RtuLink
from drivers.modbus.wire.sockets import connection_to
from drivers.modbus.wire.stream import Connect, Outlet, Receiver
from drivers.modbus.wire.tcp import TcpLink

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_PSEUDO = Path("/dev/pts")
_FAST = 19_200
_FAST_SILENCE_S = 0.00175
_SILENT_CHARACTERS = 3.5
_RTU_CHARACTER_BITS = 11
_TAKEN_WITHIN_MS = 1000
_READ_SIZE = 4096


def open_link(settings: AnyModbusLine, clock: Clock) -> Link[Request, tuple[int, ...]]:
    """The link, not yet opened."""
    match settings:
        case ModbusRtuLine():
            return RtuLink(serial_port(settings), line_timing(settings), clock, settings.id)
        case ModbusRtuTcpLine():
            far_end = FarEnd(_delay_s(settings.connect_delay_ms))
            connect = connection_to(settings.host, settings.port, _TAKEN_WITHIN_MS)
            return RtuLink(connect, line_timing(settings), clock, settings.id, far_end)
        case ModbusTcpLine():
            return TcpLink(settings.host, settings.port, clock, settings.id, _delay_s(settings.connect_delay_ms))


def _delay_s(delay_ms: float | None) -> float | None:
    return None if delay_ms is None else delay_ms / 1000


def line_timing(settings: ModbusLineSettings) -> LineTiming:
    """Modbus over serial line 1.02, 2.5.1.1: 3.5 characters of 11 bits, a fixed 1.75 ms above 19 200 baud."""
    bits = 1 + 8 + (settings.parity != "none") + settings.stopbits
    silence_s = _SILENT_CHARACTERS * _RTU_CHARACTER_BITS / settings.baudrate
    quiet_ms = settings.post_timeout_quiet_ms
    return LineTiming(
        character_s=bits / settings.baudrate,
        silence_s=silence_s if settings.baudrate <= _FAST else _FAST_SILENCE_S,
        quiet_s=None if quiet_ms is None else quiet_ms / 1000,
        local_echo=True if settings.local_echo else None,
    )


def serial_port(settings: ModbusRtuLine) -> Connect:
    async def connect(receiver: Receiver) -> Outlet:
        try:
            return await _connected(settings, _PARITY[settings.parity], receiver)
        except OSError as error:
            # A simulated panel's end of a line has no wire: it refuses a parity bit, at the first setting or a later one.
            if error.errno != errno.EINVAL or not _is_pseudo_terminal(settings.port):
                raise OSError(f"{settings.port}: {_said(error)}") from error
        return await _connected(settings, serial.PARITY_NONE, receiver)

    return connect


def _said(error: OSError) -> str:
    """What keeps a port from being opened, without pyserial's words around it."""
    if error.errno == errno.EWOULDBLOCK:
        return "another program has opened it"
    return os.strerror(error.errno) if error.errno else str(error)


def _is_pseudo_terminal(port: str) -> bool:
    return _PSEUDO in Path(port).resolve().parents


async def _connected(settings: ModbusRtuLine, parity: str, receiver: Receiver) -> Outlet:
    try:
        # Exclusive: of two programs on one port each would take bytes of the other's replies.
        port = _Port(port=settings.port, baudrate=settings.baudrate, parity=parity, stopbits=settings.stopbits, exclusive=True)
        return await _take_over(port, settings, receiver)
    except termios.error as error:
        raise OSError(*error.args) from error


async def _take_over(port: serial.Serial, settings: ModbusRtuLine, receiver: Receiver) -> Outlet:
    try:
        if settings.rs485:
            port.rs485_mode = serial.rs485.RS485Settings()
        transport, _ = await serial_asyncio.connection_for_serial(asyncio.get_running_loop(), lambda: receiver, port)
    except (OSError, ValueError, termios.error):
        port.close()
        raise
    return _SerialOutlet(transport, port.fileno())


class _Port(serial.Serial):
    def read(self, size: int = 1) -> bytes:
        """Read what the loop saw arrive: pyserial would ask the kernel again before it reads. It judges where nothing is read."""
        try:
            data = os.read(self.fileno(), size)
        except OSError:
            data = b""
        return data or super().read(size)


class _SerialOutlet:
    """A tty that is written at once: pyserial-asyncio's transport would wait for the loop's next iteration, and would keep
    bytes that the port does not take."""

    def __init__(self, transport: asyncio.WriteTransport, descriptor: int) -> None:
        self._transport = transport
        self._descriptor = descriptor

    def heard(self) -> bytes:
        """Read without waiting for readiness: the kernel hands a tty's bytes over in deferred work, which a read completes and
        poll does not (n_tty_read, tty_ldisc_receive_buf)."""
        try:
            return os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return b""

    def write(self, data: bytes, /) -> None:
        """Write at once. A port that does not take a whole frame has long stopped sending: an error, nothing is kept."""
        if (taken := os.write(self._descriptor, data)) < len(data):
            self.forget()
            raise OSError(errno.EIO, f"the port took {taken} of {len(data)} bytes")

    def forget(self) -> None:
        if not self._transport.is_closing():
            with suppress(OSError, termios.error):
                termios.tcflush(self._descriptor, termios.TCOFLUSH)

    def gone(self) -> bool:
        return False

    def close(self) -> None:
        """Close without waiting for a port that takes no more bytes: closing a tty drains its output first."""
        self.forget()
        if not self._transport.is_closing():
            self._transport.abort()
