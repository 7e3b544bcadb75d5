"""Modbus TCP: requests on a connection, told apart by their transaction ids.

Each reply is judged like one from a serial line. After anything odd the connection is closed and the next exchange opens a new
one. One that only misses a reply is kept for a while, since transaction ids tell a late reply from the next one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from secrets import randbelow

from drivers.clock import Clock
from drivers.defects import Defects
from drivers.errors import (
    BusUnavailable,
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    NotSent,
    Unconfirmed,
    UnexpectedReply,
    Unmet,
)
from drivers.link import Told, UnitTiming, WireTally, until_told
from drivers.modbus.wire import mbap
from drivers.modbus.wire.codecs import Answer, decode_reply
from drivers.modbus.wire.far_end import FarEnd
from drivers.modbus.wire.mbap import Frame, MbapFramer
from drivers.modbus.wire.requests import Request
from drivers.modbus.wire.sockets import connection_to, get_ready
from drivers.modbus.wire.stream import Outlet, Receiver

_log = logging.getLogger(__name__)

_IDS = 65_000
_MOST_MISSED = 3
_MISSED_FOR_S = 10.0
"""After this many missed replies in a row, or this long without one, the connection is reopened."""

_SAME_MOMENT_S = 0.00005

_UNANSWERED = NoReply("no answer yet")
"""Stands in the place of an answer until that has come: who took it for one would have confirmed nothing."""

_SPOILING = (CorruptReply, UnexpectedReply, ConnectionLost)
"""After these the connection is suspect."""


class Flight:
    """Requests of one unit that are under way together, and what has come back since."""

    __slots__ = ("answers", "failed", "heard_at", "pdus", "pending", "requests", "sent_at", "timeout_s", "told", "unit")

    def __init__(self, unit: int, requests: Sequence[Request], timeout_s: float, now: float, told: Told[tuple[int, ...]]) -> None:
        self.unit = unit
        self.requests = requests
        self.timeout_s = timeout_s
        self.sent_at = self.heard_at = now
        self.pdus: list[bytes] = []
        self.pending: dict[int, int] = {}
        """The transactions without an answer yet, with the places of their requests."""
        self.failed = False
        """Whether any answer is an error."""
        self.answers: list[Answer] = [_UNANSWERED] * len(requests)
        self.told = told

    def fail(self, failure: Callable[[], DriverError]) -> None:
        """Give an error of its own to every request that has no answer."""
        self.failed = True
        for place in self.pending.values():
            self.answers[place] = failure()
        self.pending.clear()

    def distrust(self) -> None:
        """Believe no answer."""
        self.failed = True
        for place, answer in enumerate(self.answers):
            if not isinstance(answer, Unconfirmed):
                self.answers[place] = CorruptReply("an answer that may end in the bytes of another one")

    def any(self, *kinds: type[DriverError]) -> bool:
        """Whether one of the requests ended in one of these errors."""
        return any(isinstance(answer, kinds) for answer in self.answers)


class TcpLink:
    """A `drivers.link.Link` for Modbus TCP. A connection lost between exchanges is reopened by the next one."""

    def __init__(self, host: str, port: int, clock: Clock, name: str = "", delay_s: float | None = None) -> None:
        """`delay_s`: between a connection and its first request; None: learned."""
        self.tally = WireTally()
        self.on_lost: Callable[[], None] = _nothing
        self.sent = False
        self.openings = 0
        self._connect = connection_to(host, port)
        self._far_end = FarEnd(delay_s)
        self._clock = clock
        self._facts = {"line": name}
        self._outlet: Outlet | None = None
        self._receiver: Receiver | None = None
        self._defects = Defects(self._broke)
        self._reachable = False
        self._flight: Flight | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Goes on over exchanges: one that is answered in time needs none of its own."""
        self._framer = MbapFramer()
        self._foreign = 0
        """The number of whole frames on this connection that answered no request."""
        self._given_up: dict[int, int] = {}
        """The transactions of this connection that were not answered in time, with their units. A late reply is not odd."""
        self._good_until = 0.0
        """The end of the moment, on the process's own clock, in which the connection was found good and the kernel was asked
        whether the far end closed: it is asked once before a request, by the line and by who relies on the connection. Whatever
        arrives ends the moment."""
        self._missed = 0
        """How many times in a row a reply was missed on this connection."""
        self._missed_since = 0.0
        self._zero_answered = False
        """Whether a read as unit 0 was answered on this connection: then a device listens there, not a bridge that would
        broadcast a write."""
        self._last_id = randbelow(_IDS)
        """The last transaction id. Ids run on across connections: a converter may deliver the reply to a request of an old
        connection on a new one."""

    @property
    def connected(self) -> bool:
        return self._reachable

    @property
    def stale(self) -> bool:
        now = time.monotonic()
        if now < self._good_until:
            return False
        stale = (
            (self._receiver is None or self._receiver.lost or self._outlet is None or self._outlet.gone())
            or self._odd
            or self._far_end.spent
            or (self._missed > 0 and self._clock.monotonic() >= self._missed_since + _MISSED_FOR_S)
        )
        self._good_until = 0.0 if stale else now + _SAME_MOMENT_S
        return stale

    @property
    def closes(self) -> bool:
        return self._far_end.closes

    @property
    def _odd(self) -> bool:
        """Whether frames came on this connection that answered no request, or bytes outside any whole frame."""
        return bool(self._foreign or self._framer.garbage or self._framer.waiting)

    @property
    def quiet_at(self) -> float:
        return 0.0

    @property
    def jammed_s(self) -> float:
        return 0.0

    async def open(self) -> None:
        self._defects.raise_found()
        self._drop()
        self._reachable = False
        self._framer, self._foreign = MbapFramer(), 0
        receiver = Receiver(self._arrived, self._lost, self._defects)
        try:
            outlet = await self._connect(receiver)
        except (OSError, ValueError) as error:
            raise BusUnavailable(str(error)) from error
        await get_ready(outlet, self._far_end, self._clock)
        self._receiver, self._outlet = receiver, outlet
        self._given_up.clear()
        self._missed, self._zero_answered = 0, False
        self._reachable = True
        self.openings += 1

    async def close(self) -> None:
        self._drop()
        self._reachable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await asyncio.sleep(0)

    def frame(self, unit: int, request: Request) -> bytes:
        """The frame of the request, with transaction id 0."""
        return mbap.build(0, unit, request.pdu())

    def doubts(self, unit: int, request: Request) -> bool:
        return unit == 0 and request.writes and not self._zero_answered

    def _doubts_any(self, unit: int, requests: Sequence[Request]) -> bool:
        return any(self.doubts(unit, request) for request in requests)

    def wire_bytes(self, request: Request) -> int:
        return request.request_pdu_size() + request.reply_pdu_size() + 2 * mbap.HEADER_SIZE

    def wire_ms(self, request: Request) -> float | None:
        return None

    async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> tuple[int, ...]:
        (answer,) = await self.exchange_all(unit, (request,), timing)
        if isinstance(answer, DriverError):
            raise answer
        return answer

    async def exchange_all(self, unit: int, requests: Sequence[Request], timing: UnitTiming) -> Sequence[Answer]:
        """Send these requests at once, in this order, and wait until each has its answer or the unit has been silent for its
        timeout: a server that serves one request after another gets that time for each. Raises NotSent; all else is told
        of each request by itself. A bound request opens no connection: it is for the unit behind the present one.
        """
        self.sent = False
        if self.stale:
            if any(request.bound for request in requests) and not self.closes:
                raise Unmet
            await self.open()
        if unit == 0 and self._doubts_any(unit, requests):
            raise NotSent("no read as unit 0 was answered: a write to it may be a broadcast")
        done: asyncio.Future[Sequence[Answer]] = self._defects.awaited()
        self.depart(unit, requests, timing, self._clock.monotonic(), until_told(done))
        try:
            return await done
        except asyncio.CancelledError:
            self._drop()
            raise

    def ready(self, unit: int, requests: Sequence[Request], now: float) -> bool:
        return self._reachable and not self.stale and not (unit == 0 and self._doubts_any(unit, requests))

    def depart(self, unit: int, requests: Sequence[Request], timing: UnitTiming, now: float, told: Told[tuple[int, ...]]) -> None:
        """See `drivers.link.DirectLink`."""
        flight = self._flight = Flight(unit, requests, timing.timeout_s, now, told)
        try:
            self._send(flight)
        except Exception as error:
            self._defects.tell(error)

    def _send(self, flight: Flight) -> None:
        assert self._outlet is not None
        self.sent = True
        self._watch(flight.sent_at + flight.timeout_s)
        frames = []
        for place, request in enumerate(flight.requests):
            self._last_id = transaction = self._last_id % _IDS + 1
            self._given_up.pop(transaction, None)
            flight.pending[transaction] = place
            pdu = request.pdu()
            flight.pdus.append(pdu)
            frames.append(mbap.build(transaction, flight.unit, pdu))
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("request sent", extra={**self._facts, "unit": flight.unit, "pdu": pdu.hex()})
        self._outlet.write(b"".join(frames))

    def _slid(self, flight: Flight) -> bool:
        """Whether an answer that was cut short may end in the bytes of another reply, and look whole: that one is missing then,
        or what is left of it makes no sense."""
        if len(flight.requests) > 1:
            return self._odd or flight.any(Unconfirmed)
        return bool(self._given_up) and bool(self._framer.garbage or self._framer.waiting)

    def _drop(self) -> None:
        """Close the connection; nothing that still comes on it is heard."""
        self._flight = None
        self._good_until = 0.0
        receiver, outlet = self._receiver, self._outlet
        self._receiver = self._outlet = None
        if receiver is None or outlet is None:
            return
        if not receiver.lost and outlet.gone():
            self._far_end.closed(self._clock.monotonic())
        receiver.lost = True
        outlet.close()

    def _broke(self) -> None:
        self._reachable = False
        self._drop()
        self.on_lost()

    # ---- called by the stream and the timer ----

    def _arrived(self, data: bytes) -> None:
        self._good_until = 0.0
        for frame in self._framer.feed(data):
            self._take(frame)
        if self._flight is not None:
            if not self._flight.pending:
                self._land(self._flight)
        elif self._odd:
            # Nothing more is read from a far end that sends unasked: its bytes would fill the memory.
            self.tally.glitch_bytes[0] += self._framer.garbage + self._framer.waiting
            self._drop()

    def _take(self, frame: Frame) -> None:
        flight = self._flight
        transaction, unit, pdu = frame
        if flight is not None and unit == flight.unit and (place := flight.pending.pop(transaction, None)) is not None:
            self._judge(flight, place, pdu)
            return
        self.tally.late_dropped[unit] += 1
        if self._given_up.get(transaction) == unit:
            del self._given_up[transaction]
        else:
            self._foreign += 1

    def _judge(self, flight: Flight, place: int, pdu: bytes) -> None:
        if flight.pending:
            flight.heard_at = self._clock.monotonic()
        self._far_end.answered(flight.unit, flight.sent_at)
        self._missed = 0
        try:
            flight.answers[place] = decode_reply(flight.requests[place], flight.pdus[place], pdu)
            self._zero_answered |= flight.unit == 0
        except DriverError as error:
            flight.answers[place], flight.failed = error, True

    def _land(self, flight: Flight) -> None:
        """End a flight whose requests all have their answers. A connection on which anything odd came is not used again."""
        self._flight = None
        if flight.failed or self._odd:
            if self._slid(flight):
                flight.distrust()
            if self._missed >= _MOST_MISSED or self._odd or flight.any(*_SPOILING):
                self.tally.glitch_bytes[flight.unit] += self._framer.garbage + self._framer.waiting
                self._drop()
        flight.told(flight.answers)

    def _watch(self, due: float) -> None:
        if self._timer is None or self._timer.when() > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer, flight = None, self._flight
        if flight is None or not flight.pending:
            return
        try:
            due = flight.heard_at + flight.timeout_s
            if due > self._clock.monotonic():
                self._watch(due)
            else:
                self._miss(flight)
                self._land(flight)
        except Exception as error:
            self._defects.tell(error)

    def _miss(self, flight: Flight) -> None:
        """Tell why there is no answer, judged by what did arrive. If a reply still comes, its transaction id tells."""
        if self._framer.garbage or self._framer.waiting:
            flight.fail(lambda: CorruptReply("bytes without a whole frame"))
        elif self._foreign:
            flight.fail(lambda: UnexpectedReply("a reply to another request"))
        else:
            self._far_end.unanswered(flight.unit)
            self._missed_since = self._missed_since if self._missed else flight.sent_at
            self._missed += 1
            self._given_up.update(dict.fromkeys(flight.pending, flight.unit))
            flight.fail(lambda: NoReply("no reply"))

    def _lost(self, receiver: Receiver) -> None:
        if receiver is not self._receiver:
            return
        self._good_until = 0.0
        self._far_end.closed(self._clock.monotonic())
        if self._flight is not None:
            self._flight.fail(lambda: ConnectionLost("the connection was cut"))
            self._land(self._flight)


def _nothing() -> None:
    return
