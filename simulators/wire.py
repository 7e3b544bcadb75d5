"""An RS-485 wire in memory, on the running loop's time: byte pacing, collisions, and panels that hear everything.

Half duplex. Times are the loop's seconds. Deterministic: the same traffic and seed give the same bytes at the same times.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable
from types import TracebackType

from simulators.crash import Crashes
from simulators.faults import Faults
from simulators.panel import SimulatedPanel
from simulators.responder import Responder, Sending

_PRECISION_S = 1e-6


def byte_time_s(baudrate: int, parity: str = "none", stopbits: int = 1) -> float:
    """Start bit, eight data bits, parity bit where there is one, stop bits."""
    return (9 + (parity != "none") + stopbits) / baudrate


def silence_s(baudrate: int) -> float:
    """What ends a frame: 3.5 characters, which RTU counts as 11 bits each; 1.75 ms above 19 200 baud."""
    return 0.00175 if baudrate > 19_200 else 3.5 * 11 / baudrate


class Transmission:
    """Bytes on the wire from `start` to `end`; `data` changes when others talk at the same time."""

    __slots__ = ("data", "end", "sender", "start")

    def __init__(self, sender: object, start: float, data: bytes, byte_s: float) -> None:
        self.sender, self.start, self.data = sender, start, bytearray(data)
        self.end = start + len(data) * byte_s


class WireEnd:
    """The writing half of a connection: what a master needs of an asyncio.StreamWriter."""

    def __init__(self, wire: VirtualWire, reader: asyncio.StreamReader) -> None:
        self.reader = reader
        self._wire = wire
        self._closing = False

    def write(self, data: bytes) -> None:
        """Put bytes on the wire now, or right after this end's own last ones. Raises OSError while unplugged."""
        if self._closing or not self._wire.plugged:
            raise OSError(errno.EIO, "the wire is not connected")
        self._wire.transmit(self, bytes(data))

    async def drain(self) -> None:
        if not self._wire.plugged:
            raise OSError(errno.EIO, "the wire is not connected")

    def close(self) -> None:
        self._closing = True
        self._wire.disconnect(self)

    def is_closing(self) -> bool:
        return self._closing

    async def wait_closed(self) -> None:
        return None


class VirtualWire:
    """A wire with panels on it. An async context manager: leaving it closes it and raises what broke inside.

    `chunk`: a reader gets bytes in pieces of this size, each when its last byte has passed (1: byte by byte; None: whole
    transmissions). `local_echo`: a master hears itself. A frame ends after 3.5 characters of silence: transmissions that
    follow each other sooner are one frame to the panels, and overlapping ones spoil each other's bytes.
    """

    def __init__(
        self,
        panels: Iterable[SimulatedPanel],
        *,
        baudrate: int = 9600,
        parity: str = "none",
        stopbits: int = 1,
        chunk: int | None = 64,
        local_echo: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self.responder = Responder(panels)
        self.responder.set_faults(faults or Faults())
        self.byte_s = byte_time_s(baudrate, parity, stopbits)
        self.silence_s = silence_s(baudrate)
        self.bytes_sent = 0
        """Bytes sent by masters."""
        self.bytes_replied = 0
        self.collisions = 0
        self._chunk, self._local_echo = chunk, local_echo
        self._loop = asyncio.get_running_loop()
        self._ends: list[WireEnd] = []
        self._recent: list[Transmission] = []
        self._unplugged = False
        self._closed = False
        self._crashes = Crashes(self._break)

    # --- connections

    @property
    def plugged(self) -> bool:
        return not self._unplugged

    def connect(self) -> tuple[asyncio.StreamReader, WireEnd]:
        """A master's (or a listener's) end. Raises OSError while unplugged."""
        if self._unplugged:
            raise OSError(errno.ENODEV, "no such device")
        end = WireEnd(self, asyncio.StreamReader())
        self._ends.append(end)
        return end.reader, end

    def disconnect(self, end: WireEnd) -> None:
        if end in self._ends:
            self._ends.remove(end)
            end.reader.feed_eof()

    def unplug(self) -> None:
        """The adapter is pulled out: every reader gets an OSError, `connect` and writes fail until `plug`."""
        self._unplugged = True
        self._cut_off()
        self._break(OSError(errno.EIO, "the adapter was unplugged"))

    def plug(self) -> None:
        self._unplugged = False

    def set_faults(self, faults: Faults) -> None:
        self.responder.set_faults(faults)

    def inject(self, data: bytes, after_s: float = 0.0) -> None:
        """Put bytes of no known sender on the wire: noise, or a neighbour's frame."""
        self.transmit(self, data, after_s)

    def close(self) -> None:
        """Ends every connection. Raises what broke inside."""
        self._closed = True
        for end in list(self._ends):
            self.disconnect(end)
        self._crashes.check()

    async def __aenter__(self) -> VirtualWire:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- the medium

    def transmit(self, sender: object, data: bytes, after_s: float = 0.0) -> None:
        """Queue bytes: they start `after_s` from now, never before the sender's own last byte has passed."""
        if not data:
            return
        own = [each.end for each in self._recent if each.sender is sender]
        gap = self.silence_s if isinstance(sender, SimulatedPanel) else 0.0
        start = max([self._loop.time() + after_s, *(end + gap for end in own)])
        sent = Transmission(sender, start, data, self.byte_s)
        for other in self._recent:
            if other.start < sent.end - _PRECISION_S and sent.start < other.end - _PRECISION_S:
                self._collide(sent, other)
        self._recent.append(sent)
        self._deliver(sent)
        if isinstance(sender, SimulatedPanel):
            self.bytes_replied += len(data)
        else:
            self.bytes_sent += len(data)
            self._at(sent.end + self.silence_s, self._frame_ended, sent)

    def _collide(self, one: Transmission, other: Transmission) -> None:
        self.collisions += 1
        start, end = max(one.start, other.start), min(one.end, other.end)
        for each in (one, other):
            first = int((start - each.start) / self.byte_s + _PRECISION_S)
            last = min(len(each.data), int((end - each.start) / self.byte_s - _PRECISION_S) + 1)
            for index in range(first, last):
                each.data[index] ^= self.responder.faults.random.randint(1, 0xFF)

    def _deliver(self, sent: Transmission) -> None:
        size = self._chunk or len(sent.data)
        for first in range(0, len(sent.data), size):
            last = min(first + size, len(sent.data))
            self._at(sent.start + last * self.byte_s, self._hear, sent, first, last)

    def _hear(self, sent: Transmission, first: int, last: int) -> None:
        for end in self._ends:
            if self._local_echo or end is not sent.sender:
                end.reader.feed_data(bytes(sent.data[first:last]))

    def _frame_ended(self, sent: Transmission) -> None:
        """Silence after `sent`, if nobody has spoken since: the panels look at what they heard."""
        now = self._loop.time()
        burst = self._burst(sent, now)
        if burst is None:
            return
        self._recent = [each for each in self._recent if each.end > now - self.silence_s - _PRECISION_S and each not in burst]
        for sending in self.responder.rtu(b"".join(bytes(each.data) for each in burst)):
            self._reply(sending)

    def _burst(self, sent: Transmission, now: float) -> list[Transmission] | None:
        """Transmissions without a silence between them, ending with `sent`; None while it still goes on."""
        started = sorted((each for each in self._recent if each.start < now - _PRECISION_S), key=lambda each: each.start)
        if any(each.end > sent.end + _PRECISION_S for each in started):
            return None
        burst: list[Transmission] = []
        begins = sent.start
        for each in sorted(started, key=lambda each: each.end, reverse=True):
            if burst and each.end + self.silence_s <= begins + _PRECISION_S:
                break
            burst.insert(0, each)
            begins = min(begins, each.start)
        return burst

    def _reply(self, sending: Sending) -> None:
        self.transmit(sending.panel, sending.data, sending.after_s)

    # --- what goes wrong

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        self._loop.call_at(when, self._run, act, arguments)

    def _run(self, act: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if not self._closed:
            with self._crashes:
                act(*arguments)

    def _break(self, error: Exception) -> None:
        for end in self._ends:
            end.reader.set_exception(error)
        self._ends.clear()

    def _cut_off(self) -> None:
        """Cut off what masters were sending."""
        now = self._loop.time()
        for each in self._recent:
            if isinstance(each.sender, WireEnd) and each.start < now < each.end:
                del each.data[int((now - each.start) / self.byte_s) :]
