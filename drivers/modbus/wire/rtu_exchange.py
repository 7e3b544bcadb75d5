"""One exchange on an RTU line: the frame that went out, and the judgement of what has come back since."""

from __future__ import annotations

import asyncio

from drivers.errors import CorruptReply, DriverError, NoReply, UnexpectedReply
from drivers.link import UnitTiming
from drivers.modbus.wire.codecs import decode_reply
from drivers.modbus.wire.echo import Echo, mirrors
from drivers.modbus.wire.framer import Frame, ReplyFramer
from drivers.modbus.wire.requests import Request


class Exchange:
    """One request on the wire and what has come back since."""

    def __init__(self, unit: int, request: Request, frame: bytes, timing: UnitTiming, started: float) -> None:
        self.unit = unit
        self.request = request
        self.frame = frame
        self.timing = timing
        self.echo = Echo(frame, False)
        self.started = started
        self.sent = False
        self.sent_at = 0.0
        self.framer = ReplyFramer()
        self.done: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self.answer_by = 0.0
        self.deadline = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.received = 0
        self.odd: UnexpectedReply | None = None
        self.values: tuple[int, ...] | None = None
        """What the answer carries, from when it came; its link then ends the exchange."""
        self.answered = False
        """Whether the unit itself answered, refusals included."""
        self.foreign: list[int] = []

    @property
    def silent(self) -> bool:
        """Whether it ended without any reply."""
        return self.done.done() and not self.done.cancelled() and isinstance(self.done.exception(), NoReply)

    def hear(self, data: bytes) -> None:
        self.received += len(data)
        self.take(self.framer.feed(data))

    def conclude(self) -> None:
        """End the exchange: nothing more will come."""
        self.hear(self.echo.rest())
        self.take(self.framer.flush())

    def take(self, frames: list[Frame]) -> None:
        """Judge the frames that arrived: the first one that answers ends the exchange, all others are dropped."""
        for frame in frames:
            if self.values is not None or self.done.done() or frame.unit != self.unit:
                self.foreign.append(frame.unit)
            else:
                self._judge(frame)

    def _judge(self, frame: Frame) -> None:
        try:
            self.answered = True
            values = decode_reply(self.request, self.frame[1:-2], frame.pdu)
        except UnexpectedReply as odd:
            self.answered = False
            self.odd = odd
            self.foreign.append(frame.unit)
        except DriverError as error:
            self.done.set_exception(error)
        else:
            self.values = values

    def fail(self, error: DriverError, cause: OSError | None = None) -> None:
        if not self.done.done():
            error.__cause__ = cause
            self.done.set_exception(error)

    def failure(self) -> DriverError:
        """Why there is no answer, judged by what did arrive."""
        if self.echo.collided:
            return CorruptReply("the line's echo is not what was sent")
        if self.odd is not None:
            return self.odd
        if self.echo.heard and self.echo.expected is None and mirrors(self.request):
            return UnexpectedReply("our own frame came back: it is the answer or the adapter's echo (set local_echo)")
        if self.framer.skipped or self.framer.waiting:
            return CorruptReply(f"{self.received} bytes without a whole frame")
        return NoReply("no reply")
