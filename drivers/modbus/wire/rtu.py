"""The RTU master: frames on a serial line, or on a socket to a serial device server.

Works on any byte stream that takes `write` and calls a protocol with what arrives. The line has one memory: when the
last byte was seen or will have left, and whether it is suspect, that is whether something may still be under way.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.clock import Clock
from drivers.defects import Defects
from drivers.errors import BusUnavailable, ConnectionLost, DriverError, NoReply, Unconfirmed
from drivers.link import Told, UnitTiming, WireTally, until_told
from drivers.modbus.wire import framer
from drivers.modbus.wire.codecs import Answer
from drivers.modbus.wire.echo import mirrors
from drivers.modbus.wire.far_end import FarEnd
from drivers.modbus.wire.framer import Frame, ReplyFramer
from drivers.modbus.wire.requests import Request
from drivers.modbus.wire.rtu_exchange import Exchange
from drivers.modbus.wire.sockets import get_ready
from drivers.modbus.wire.stream import Connect, Outlet, Receiver

_log = logging.getLogger(__name__)

_OVERHEAD = 3
"""The bytes around the PDU: unit and CRC."""
_BURST_S = 0.05
"""How far the rest of a reply may lag behind its wire time: USB adapters and device servers pass bytes on in bursts."""
_MOST_AT_ONCE = 16 * 1024
_TIMES_AS_FAST = 4
_MOST_A_SECOND = 50_000
"""The bytes that a device server may bring: some that it kept, then what the wire behind it can carry, with a margin. The wire
may be faster than the configuration says, so the least is more than the usual ones carry."""
_BABBLE_QUIETS = 10
_BABBLE_MIN_S = 1.0
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class LineTiming:
    """The timing of a line, in seconds. `quiet_s` None: one reply timeout. `local_echo` None: learned on each connection."""

    character_s: float
    silence_s: float
    quiet_s: float | None
    local_echo: bool | None = None


class RtuLink:
    """A `drivers.link.Link` for RTU frames."""

    def __init__(self, connect: Connect, timing: LineTiming, clock: Clock, name: str = "", far_end: FarEnd | None = None) -> None:
        """`far_end`: the habits of the host, where the stream is a connection that the host may close at any time and the next
        exchange reopens; None for a serial port."""
        self._clock = clock
        self._far_end = far_end
        self.tally = WireTally()
        self.on_lost: Callable[[], None] = _nothing
        self.sent = False
        self.openings = 0
        self._connect = connect
        self._timing = timing
        self._facts = {"line": name}
        self._outlet: Outlet | None = None
        self._receiver: Receiver | None = None
        self._exchange: Exchange | None = None
        self._sending: asyncio.TimerHandle | None = None
        """Sends when the line will be free."""
        self._watching: asyncio.TimerHandle | None = None
        """Watches for the answer. It goes on over exchanges: one that is answered in time needs none of its own."""
        self._idle = ReplyFramer()
        self._busy_until = 0.0
        self._noise_at = -math.inf
        self._suspect_since: float | None = None
        self._suspect_unit: int | None = None
        self._quiet_s = 0.0
        self._echoes = timing.local_echo
        """None: not known for this connection."""
        self._defects = Defects(self._broke)
        self._may_come = 0.0
        """The number of bytes that a device server may bring now, as of `_may_come_at`."""
        self._may_come_at = 0.0

    @property
    def connected(self) -> bool:
        return (
            self._defects.found is None and self._receiver is not None and (self._far_end is not None or not self._receiver.lost)
        )

    @property
    def stale(self) -> bool:
        return self._far_end is not None and (self._far_end.spent or self._gone())

    @property
    def closes(self) -> bool:
        return self._far_end is not None and self._far_end.closes

    def _gone(self) -> bool:
        return self._receiver is None or self._receiver.lost or self._outlet is None or self._outlet.gone()

    @property
    def quiet_at(self) -> float:
        if self._suspect_since is None:
            return self._noise_at + self._timing.silence_s
        return self._quiet_for(self._suspect_since, None)

    @property
    def jammed_s(self) -> float:
        return max(_BABBLE_MIN_S, _BABBLE_QUIETS * self._quiet_s)

    async def open(self) -> None:
        self._defects.raise_found()
        if self._receiver is not None and not self._receiver.lost:
            if self._far_end is not None and self._gone():
                self._far_end.closed(self._clock.monotonic())
            await self.close()
        elif self._receiver is not None and not self._receiver.closed.done():
            await asyncio.wait({self._receiver.closed}, timeout=_CLOSE_S)  # a port that is still being closed is locked
        self._receiver = self._outlet = None
        if self._far_end is not None:
            await self._let_pass()
        receiver = Receiver(self._arrived, self._lost, self._defects)
        try:
            outlet = await self._connect(receiver)
        except (OSError, ValueError) as error:
            raise BusUnavailable(str(error)) from error
        if self._far_end is not None:
            await get_ready(outlet, self._far_end, self._clock)
        self._receiver, self._outlet = receiver, outlet
        self.openings += 1
        self._idle = ReplyFramer()
        if self._far_end is None or not self._far_end.closes:
            self._echoes = self._timing.local_echo
        # A frame from before may only end now, so the first frame waits for a whole silence.
        self._busy_until = self._may_come_at = self._clock.monotonic()
        self._may_come = _MOST_AT_ONCE

    async def _let_pass(self) -> None:
        """Drop what was still on its way to the closed connection. The next one needs no waiting for quiet: a host may close
        a connection that is idle for that long."""
        await self._clock.sleep(max(0.0, self.quiet_at - self._clock.monotonic()))
        self._suspect_since = None

    async def close(self) -> None:
        receiver, outlet = self._receiver, self._outlet
        self._receiver = self._outlet = None
        for timer in (self._sending, self._watching):
            if timer is not None:
                timer.cancel()
        self._sending = self._watching = None
        if receiver is None or outlet is None:
            return
        receiver.lost = True
        outlet.close()
        await asyncio.wait({receiver.closed}, timeout=_CLOSE_S)

    def frame(self, unit: int, request: Request) -> bytes:
        return framer.build(unit, request.pdu())

    def doubts(self, unit: int, request: Request) -> bool:
        return self._echoes is None and mirrors(request)

    def wire_bytes(self, request: Request) -> int:
        return request.request_pdu_size() + request.reply_pdu_size() + 2 * _OVERHEAD

    def wire_ms(self, request: Request) -> float | None:
        timing = self._timing
        return 1000 * (self.wire_bytes(request) * timing.character_s + 2 * timing.silence_s)

    async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> tuple[int, ...]:
        """Reopen, once, a connection that is found closed before the frame left."""
        if self.stale:
            await self.open()
        try:
            return await self._once(unit, request, timing, probe)
        except BusUnavailable:
            if self.sent or not self.stale:
                raise
        await self.open()
        return await self._once(unit, request, timing, probe)

    async def _once(self, unit: int, request: Request, timing: UnitTiming, probe: bool) -> tuple[int, ...]:
        done: asyncio.Future[Sequence[Answer]] = self._defects.awaited()
        exchange = self._start(unit, request, timing, probe, self._clock.monotonic(), until_told(done))
        try:
            (answer,) = await done
        except asyncio.CancelledError:
            self._distrust(None)
            self._finish(exchange)
            raise
        if isinstance(answer, DriverError):
            raise answer
        return answer

    def ready(self, unit: int, requests: Sequence[Request], now: float) -> bool:
        if self._far_end is not None or not self.connected or self.quiet_at > now:
            return False
        return self._echoes is not None or not mirrors(requests[0])

    def depart(self, unit: int, requests: Sequence[Request], timing: UnitTiming, now: float, told: Told[tuple[int, ...]]) -> None:
        """See `drivers.link.DirectLink`."""
        (request,) = requests
        self._start(unit, request, timing, False, now, told)

    def _start(
        self, unit: int, request: Request, timing: UnitTiming, probe: bool, now: float, told: Told[tuple[int, ...]]
    ) -> Exchange:
        exchange = self._exchange = Exchange(unit, request, timing, now, told, probe, self._echoes)
        self.sent = False
        self._try(exchange, now)
        return exchange

    def _try_again(self, exchange: Exchange) -> None:
        self._try(exchange, self._clock.monotonic())

    def _try(self, exchange: Exchange, now: float) -> None:
        try:
            self._begin(exchange, now)
        except Exception as error:
            self._defects.tell(error)

    def _begin(self, exchange: Exchange, now: float) -> None:
        """Send as soon as the line is free; called again at the time when it should be."""
        if self._exchange is not exchange:
            return
        free_at = self._free_at(exchange)
        if now < free_at:
            if free_at > exchange.started + exchange.timing.guard_s + self.jammed_s:
                self._end(exchange, BusUnavailable("the line does not become quiet"))
            else:
                self._sending = asyncio.get_running_loop().call_at(free_at, self._try_again, exchange)
        elif self._outlet is None or self._gone():
            self._end(exchange, BusUnavailable("the line is not open"))
        elif heard := self._heard(self._outlet, exchange):
            self._arrived(heard)
            self._begin(exchange, self._clock.monotonic())
        elif self._exchange is exchange:
            self._send(self._outlet, exchange, now)

    def _heard(self, outlet: Outlet, exchange: Exchange) -> bytes:
        """Take what arrived before the request: it cannot be the reply. The loop may not know of it yet, see `Outlet.heard`."""
        try:
            return outlet.heard()
        except OSError as error:
            self._give_up_stream(outlet)
            self._end(exchange, BusUnavailable("the line went away"), error)
            return b""

    def _free_at(self, exchange: Exchange) -> float:
        """When the line will have been silent long enough, and quiet long enough if it is suspect."""
        silent_at = self._busy_until + self._timing.silence_s + exchange.timing.guard_s
        if self._suspect_since is None:
            return silent_at
        return max(silent_at, self._quiet_for(self._suspect_since, exchange.unit))

    def _quiet_for(self, suspect_since: float, unit: int | None) -> float:
        """When the line has been quiet long enough for this unit; `unit` None: for any unit but the one that was probed.

        The quiet counts from when the line became suspect. After a probe that nothing at all answered it counts from
        the last byte, for other units: no frame of theirs can be mistaken for the probe's answer.
        """
        if self._suspect_unit in (None, unit):
            return max(suspect_since, self._busy_until) + self._quiet_s
        return self._busy_until + self._quiet_s

    def _send(self, outlet: Outlet, exchange: Exchange, now: float) -> None:
        """Write the frame. The timer runs from the computed end of the last byte, which the kernel does not report."""
        timing = self._timing
        if self._idle.waiting:  # nothing that came while no exchange ran can belong to this one
            self._count_dropped(self._idle.flush())
            self._count_noise()
        self._suspect_since = None
        self._quiet_s = exchange.timing.timeout_s if timing.quiet_s is None else timing.quiet_s
        frame = exchange.leave()
        self._busy_until = now + len(frame) * timing.character_s
        exchange.sent = self.sent = True
        exchange.sent_at = now
        exchange.deadline = exchange.answer_by = self._busy_until + exchange.timing.timeout_s
        self._watch(exchange.deadline)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("frame sent", extra={**self._facts, "frame": frame.hex()})
        try:
            outlet.write(frame)
        except OSError as error:
            self._give_up_stream(outlet)
            self._end(exchange, ConnectionLost("the line went away while sending"), error)

    def _give_up_stream(self, outlet: Outlet) -> None:
        """Treat the port as lost after one failure, even if its reads merely stay silent: it is reopened."""
        if self._receiver is not None:
            self._receiver.lost = True
        outlet.close()

    def _end(self, exchange: Exchange, answer: Answer, cause: OSError | None = None) -> None:
        """End an exchange and tell it. The line goes first and chooses among those that wait, before its caller can ask the same
        unit again: a frame that comes twice must not meet the same question twice.
        """
        if self._exchange is not exchange:
            return
        exchange.answer = answer
        if isinstance(answer, DriverError):
            answer.__cause__ = cause
            if isinstance(answer, Unconfirmed):
                self._distrust(exchange.unit if exchange.probe and isinstance(answer, NoReply) else None)
        self._finish(exchange)
        exchange.told((answer,))

    def _distrust(self, unit: int | None) -> None:
        if self._outlet is not None:
            self._outlet.forget()
        self._suspect(unit)

    def _finish(self, exchange: Exchange) -> None:
        if self._exchange is not exchange:
            return
        self._exchange = None
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        if exchange.foreign or exchange.framer.waiting:
            self._suspect()
        if exchange.sent:
            self._learn_echo(exchange)
            if self._far_end is not None:
                self._learn_habits(self._far_end, exchange)
        if exchange.foreign:
            self.tally.late_dropped.update(exchange.foreign)
        if glitches := exchange.framer.skipped + exchange.framer.waiting:
            self.tally.glitch_bytes[exchange.unit] += glitches

    @staticmethod
    def _learn_habits(far_end: FarEnd, exchange: Exchange) -> None:
        if exchange.answered:
            far_end.answered(exchange.unit, exchange.sent_at)
        elif isinstance(exchange.answer, NoReply):
            far_end.unanswered(exchange.unit)

    def _learn_echo(self, exchange: Exchange) -> None:
        """Learn whether the adapter echoes, from an answer that cannot be our own bytes: with our frame in front of it, or with
        nothing that may have been our frame."""
        if self._timing.local_echo is not None:
            return
        echo, noise = exchange.echo, exchange.framer.skipped
        if echo.collided or (exchange.answered and noise >= len(exchange.frame)):
            self._echoes = None
        elif echo.expected is None and echo.heard and not mirrors(exchange.request):
            self._echoes = True
            _log.warning("the adapter echoes: set local_echo", extra=self._facts)
        elif echo.expected is None and not echo.heard and exchange.answered and 2 * noise < len(exchange.frame):
            self._echoes = False

    def _watch(self, due: float) -> None:
        if self._watching is None or self._watching.when() > due:
            if self._watching is not None:
                self._watching.cancel()
            self._watching = asyncio.get_running_loop().call_at(due, self._expire)

    def _broke(self) -> None:
        self._exchange = None
        self.on_lost()

    def _suspect(self, unit: int | None = None) -> None:
        """From now on bytes may still be under way; with `unit`, only a late answer from this unit."""
        self._suspect_since = self._clock.monotonic()
        self._suspect_unit = unit

    def _count_noise(self) -> None:
        if self._idle.skipped:
            self.tally.glitch_bytes[0] += self._idle.skipped
            self._idle.skipped = 0

    def _count_dropped(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.tally.late_dropped[frame.unit] += 1
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("late frame dropped", extra={**self._facts, "unit": frame.unit, "pdu": frame.pdu.hex()})

    # ---- called by the stream ----

    def _arrived(self, data: bytes) -> None:
        now = self._clock.monotonic()
        self._busy_until = max(self._busy_until, now)
        if self._far_end is not None and self._floods(len(data), now):
            self._cut_off()
            return
        exchange = self._exchange
        if exchange is None or not exchange.sent:
            self._overhear(data)
            return
        data = exchange.echo.strip(data)
        if data:
            exchange.hear(data)
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("bytes received", extra={**self._facts, "bytes": data.hex()})
        if exchange.answer is not None:
            self._end(exchange, exchange.answer)
        elif now <= exchange.answer_by and (data or exchange.echo.doubtful):
            self._allow_rest(exchange, now)

    def _floods(self, size: int, now: float) -> bool:
        """Whether a device server brings more than its wire could: one that does would take the whole loop."""
        rate = max(_MOST_A_SECOND, _TIMES_AS_FAST / self._timing.character_s)
        self._may_come = min(_MOST_AT_ONCE, self._may_come + (now - self._may_come_at) * rate) - size
        self._may_come_at = now
        return self._may_come < 0

    def _cut_off(self) -> None:
        _log.warning("a device server brings more than its line carries", extra=self._facts)
        if self._outlet is not None:
            self._give_up_stream(self._outlet)
        if self._exchange is not None:
            said = "more bytes than the line carries"
            self._end(self._exchange, ConnectionLost(said) if self._exchange.sent else BusUnavailable(said))
        self.on_lost()

    def _overhear(self, data: bytes) -> None:
        """Count bytes that no exchange waits for. A whole frame among them means that more may be under way; noise does not."""
        self._noise_at = self._busy_until
        frames = self._idle.feed(data)
        self._count_noise()
        if frames:
            self._count_dropped(frames)
            self._suspect()

    def _allow_rest(self, exchange: Exchange, now: float) -> None:
        """A reply that begins in time gets as much more time as its length takes on the wire. Any byte may be its first: noise
        cannot be told from it before the rest has arrived."""
        length = exchange.request.reply_pdu_size() + _OVERHEAD
        exchange.deadline = max(exchange.deadline, now + length * self._timing.character_s + _BURST_S)

    def _expire(self) -> None:
        self._watching, exchange = None, self._exchange
        if exchange is None or not exchange.sent:
            return
        try:
            if exchange.deadline > self._clock.monotonic():
                self._watch(exchange.deadline)
                return
            exchange.conclude()
            self._end(exchange, exchange.failure() if exchange.answer is None else exchange.answer)
        except Exception as error:
            self._defects.tell(error)

    def _lost(self, receiver: Receiver) -> None:
        if receiver is not self._receiver:
            return
        if self._far_end is not None:
            self._far_end.closed(self._clock.monotonic())
        if self._exchange is not None:
            said = "the line went away"
            self._end(self._exchange, ConnectionLost(said) if self._exchange.sent else BusUnavailable(said))
        self.on_lost()


def _nothing() -> None:
    return
