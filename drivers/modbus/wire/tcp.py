"""Modbus TCP by pymodbus' client, none of whose checks are relied on.

pymodbus takes a reply with transaction id 0, a short count or a wrong echo for an answer, and waits out its timeout when
the connection is cut. So it is given a framer that checks every header and hands on the bare PDU, which is judged
like one from a serial line. After anything odd the connection is closed and the next exchange opens a new one. One that only
misses a reply is kept for a while, since transaction ids tell a late reply from the next one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import randbelow

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from drivers.clock import Clock
from drivers.defects import Defects
from drivers.errors import (
    BusUnavailable,
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    NotSent,
    UnexpectedReply,
    Unheard,
)
from drivers.link import UnitTiming, WireTally
from drivers.modbus.wire.codecs import decode_reply
from drivers.modbus.wire.far_end import FarEnd
from drivers.modbus.wire.requests import Request
from drivers.modbus.wire.stream import far_end_closed, receive_little
from drivers.name_lookup import NameLookup

_log = logging.getLogger(__name__)

_HEADER = 7
_PROTOCOL = b"\x00\x00"
_MAX_PDU = 253
_CONNECT_S = 3.0
_RECEIVE_BUFFER = 65_536
_AT_ONCE = struct.pack("ii", 1, 0)
_IDS = 65_000
_MOST_MISSED = 3
_MISSED_FOR_S = 10.0
"""After this many missed replies in a row, or this long without one, the connection is reopened."""
_NEVER_S = 3600.0
"""The timeout given to pymodbus: ours ends every exchange before it."""


class RawReply(ModbusPDU):
    """A reply's PDU as it arrived, not decoded."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.raw = raw


class StrictFramer(FramerSocket):
    """Passes on only the reply with the awaited transaction and unit, as bytes, and records everything else it saw."""

    def __init__(self, defects: Defects, odd: Callable[[], None]) -> None:
        """`odd` is called for bytes that no request waits for."""
        super().__init__(DecodePDU(False))
        self._defects = defects
        self._odd = odd
        self.awaiting = False
        self.garbage = 0
        """How many bytes have come since the stream stopped making sense."""
        self.unfinished = 0
        """How many bytes of an incomplete frame have come."""
        self.foreign: Counter[int] = Counter()
        """The number of whole frames that answered no request, by unit."""
        self.given_up: dict[int, int] = {}
        """The transactions of this connection that were not answered in time, with their units."""
        self.late: Counter[int] = Counter()
        """The number of late replies to those, by unit: they answer nothing any more, and are not odd."""

    @property
    def suspect(self) -> bool:
        return bool(self.garbage or self.unfinished or self.foreign)

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802
        with self._defects:
            found = self._search(data, exp_devid, exp_tid)
            if self.suspect and not self.awaiting:
                self._odd()
            return found
        return len(data), None

    def _search(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:
        used = 0
        found: ModbusPDU | None = None
        while found is None and len(data) - used >= _HEADER:
            size = int.from_bytes(data[used + 4 : used + 6], "big")
            if data[used + 2 : used + 4] != _PROTOCOL or not 2 <= size <= _MAX_PDU + 1:
                self.garbage += len(data) - used
                self.unfinished = 0
                return len(data), None
            end = used + _HEADER - 1 + size
            if end > len(data):
                break
            found = self._match(data[used:end], exp_devid, exp_tid)
            used = end
        self.unfinished = len(data) - used
        return used, found

    def _match(self, frame: bytes, exp_devid: int, exp_tid: int) -> ModbusPDU | None:
        transaction, unit = int.from_bytes(frame[:2], "big"), frame[6]
        if self.given_up.get(transaction) == unit:
            del self.given_up[transaction]
            self.late[unit] += 1
            return None
        if not self.awaiting or transaction != exp_tid or unit != exp_devid:
            self.foreign[unit] += 1
            return None
        self.awaiting = False
        return self._bare(frame[_HEADER:], unit, transaction)

    @staticmethod
    def _bare(reply: bytes, unit: int, transaction: int) -> RawReply:
        pdu = RawReply(reply)
        pdu.dev_id, pdu.transaction_id = unit, transaction
        return pdu


class TcpLink:
    """A `drivers.link.Link` for Modbus TCP. A connection lost between exchanges is reopened by the next one."""

    def __init__(self, host: str, port: int, clock: Clock, name: str = "", delay_s: float | None = None) -> None:
        """`delay_s`: between a connection and its first request; None: learned."""
        self.tally = WireTally()
        self.on_lost: Callable[[], None] = _nothing
        self.sent = False
        self.openings = 0
        self._host = host
        self._port = port
        self._names = NameLookup(host)
        self._far_end = FarEnd(delay_s)
        self._clock = clock
        self._facts = {"line": name}
        self._client: AsyncModbusTcpClient | None = None
        self._defects = Defects(self._broke)
        self._defect: Exception | None = None
        self._exchanging = False
        self._framer = self._new_framer()
        self._reachable = False
        self._cut = False
        """The connection was lost while `open` ran: pymodbus takes one that was lost before it looked for a good one."""
        self._missed = 0
        """The number of replies missed in a row on this connection."""
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
        client = self._client
        if client is None or not client.connected or self._framer.suspect or far_end_closed(_near(client)):
            return True
        return self._far_end.spent or self._overdue()

    def _overdue(self) -> bool:
        return bool(self._missed) and self._clock.monotonic() >= self._missed_since + _MISSED_FOR_S

    @property
    def quiet_at(self) -> float:
        return 0.0

    @property
    def jammed_s(self) -> float:
        return 0.0

    async def open(self) -> None:
        if self._defect is not None:
            raise self._defect
        self._account(0)
        self._drop()
        self._reachable = False
        client = await self._connect()
        wait_s = self._far_end.wait_s(self._clock.monotonic())
        if wait_s and not self._cut:
            await self._wait(client, wait_s)
        if self._cut:
            client.close()
            self._far_end.closed_at_once()
            raise BusUnavailable(f"{self._host}:{self._port} closed the connection at once")
        self._far_end.opened(self._clock.monotonic(), wait_s)
        client.ctx.comm_params.timeout_connect = _NEVER_S
        # pymodbus begins each connection with transaction 1: a device server's late reply would answer the wrong request.
        client.ctx.next_tid = self._last_id
        self._missed, self._zero_answered = 0, False
        self._client = client
        self._reachable = True
        self.openings += 1

    async def _connect(self) -> AsyncModbusTcpClient:
        """Connect to the first address of the host that accepts. Raises BusUnavailable."""
        try:
            addresses = await self._names.addresses()
        except OSError as error:
            raise BusUnavailable(str(error)) from error
        for address in addresses:
            # The bus is the one layer that repeats and reopens: pymodbus must do neither.
            client = AsyncModbusTcpClient(
                address, port=self._port, retries=0, reconnect_delay=0, timeout=_CONNECT_S, trace_connect=self._connection
            )
            self._framer = self._new_framer()
            client.ctx.framer = self._framer
            # pymodbus forgets its buffer beyond 516 bytes, and with it the reply behind a burst of late ones.
            client.ctx.max_buffer_size = _RECEIVE_BUFFER
            self._cut = False
            if await client.connect():
                self._names.reached(address)
                receive_little(_near(client))
                return client
        raise BusUnavailable(f"no connection to {self._host}:{self._port}")

    async def _wait(self, client: AsyncModbusTcpClient, wait_s: float) -> None:
        try:
            await self._clock.sleep(wait_s)
        except asyncio.CancelledError:
            client.close()
            raise

    async def close(self) -> None:
        self._drop()
        self._reachable = False
        await asyncio.sleep(0)

    def frame(self, unit: int, request: Request) -> bytes:
        """The frame of the request, with transaction id 0."""
        return self._framer.encode(request.pdu(), unit, 0)

    def doubts(self, unit: int, request: Request) -> bool:
        return unit == 0 and request.writes and not self._zero_answered

    def wire_bytes(self, request: Request) -> int:
        return request.request_pdu_size() + request.reply_pdu_size() + 2 * _HEADER

    def wire_ms(self, request: Request) -> float | None:
        return None

    async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> tuple[int, ...]:
        self.sent = False
        client = await self._connection_to_use()
        if self.doubts(unit, request):
            raise NotSent("no read as unit 0 was answered: a write to it may be a broadcast")
        self.sent = True
        self._exchanging = True
        self._framer.awaiting = True
        sent_at = self._clock.monotonic()
        try:
            async with self._translated(timing.timeout_s):
                reply = await client.execute(False, self._message(unit, request))
            self._far_end.answered(unit, sent_at)
            self._missed = 0
            values = decode_reply(request, request.pdu(), reply.raw)
            self._zero_answered |= unit == 0
            return values
        except Unheard:
            raise
        except NoReply:
            self._miss(client, unit, sent_at)
            raise
        except (CorruptReply, UnexpectedReply, ConnectionLost, asyncio.CancelledError):
            self._drop()
            raise
        finally:
            self._exchanging = False
            self._account(unit)

    def _miss(self, client: AsyncModbusTcpClient, unit: int, sent_at: float) -> None:
        """Record a reply that did not come in time. If it still comes, its transaction id tells."""
        self._far_end.unanswered(unit)
        self._missed_since = self._missed_since if self._missed else sent_at
        self._missed += 1
        self._framer.given_up[client.ctx.next_tid] = unit
        if self._missed >= _MOST_MISSED:
            self._drop()

    def _message(self, unit: int, request: Request) -> ModbusPDU:
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("request sent", extra={**self._facts, "unit": unit, "pdu": request.pdu().hex()})
        return request.message(unit)

    async def _connection_to_use(self) -> AsyncModbusTcpClient:
        if self.stale:
            await self.open()
        assert self._client is not None
        return self._client

    @asynccontextmanager
    async def _translated(self, timeout_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as error:
            raise self._failure() from error
        except (ModbusException, OSError) as error:
            raise ConnectionLost(str(error)) from error

    def _failure(self) -> DriverError:
        """Why there is no answer, judged by what did arrive."""
        if self._framer.garbage or self._framer.unfinished:
            return CorruptReply("bytes without a whole frame")
        if self._framer.foreign:
            return UnexpectedReply("a reply to another request")
        return NoReply("no reply")

    def _account(self, unit: int) -> None:
        """Count what was odd; after anything odd this connection is not used again."""
        framer = self._framer
        framer.awaiting = False
        self.tally.late_dropped.update(framer.late)
        framer.late.clear()
        if not framer.suspect:
            return
        self.tally.late_dropped.update(framer.foreign)
        self.tally.glitch_bytes[unit] += framer.garbage + framer.unfinished
        self._drop()
        self._framer = self._new_framer()

    def _new_framer(self) -> StrictFramer:
        return StrictFramer(self._defects, self._tidy_soon)

    def _tidy_soon(self) -> None:
        """Close in a later iteration of the loop, not while pymodbus handles what arrived."""
        asyncio.get_running_loop().call_soon(self._tidy)

    def _tidy(self) -> None:
        """Stop reading from a far end that sends unasked: its bytes would fill the memory."""
        if not self._exchanging:
            self._account(0)

    def _connection(self, connected: bool) -> None:
        """pymodbus' callback for a lost connection: the exchange that waits ends at once, since pymodbus itself would wait out
        its timeout."""
        if not connected:
            self._cut = True
            if self._client is not None:
                self._far_end.closed(self._clock.monotonic())
            self._end_wait(ConnectionError("the connection was cut"))

    def _end_wait(self, error: Exception) -> None:
        if self._client is None or not self._framer.awaiting:
            return
        waiting = self._client.ctx.response_future
        if not waiting.done():
            waiting.set_exception(error)

    def _broke(self, error: Exception) -> None:
        """A defect of ours in a callback of pymodbus: the exchange that waits raises it, or else the next attempt to open."""
        self._defect = error
        self._end_wait(error)
        self._drop()

    def _drop(self) -> None:
        """Close without lingering: the kernel must not deliver a request that was given up when the host comes back."""
        client, self._client = self._client, None
        if client is None:
            return
        near = _near(client)
        if client.connected and far_end_closed(near):
            self._far_end.closed(self._clock.monotonic())
        self._last_id = client.ctx.next_tid
        if near is not None and near.fileno() >= 0:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        client.close()


def _near(client: AsyncModbusTcpClient) -> socket.socket | None:
    transport = client.ctx.transport
    return transport.get_extra_info("socket") if isinstance(transport, asyncio.Transport) else None


def _nothing() -> None:
    return
