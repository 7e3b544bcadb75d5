"""One exchange on an RTU line: the frame that went out, and the judgement of what has come back since."""

from __future__ import annotations

from drivers.errors import CorruptReply, DriverError, NoReply, UnexpectedReply
from drivers.link import Told, UnitTiming
from drivers.modbus.wire import framer
from drivers.modbus.wire.codecs import Answer, decode_reply
from drivers.modbus.wire.echo import Echo, mirrors
from drivers.modbus.wire.framer import Frame, ReplyFramer
from drivers.modbus.wire.requests import Request


class Exchange:
    """One request on the wire and what has come back since."""

    def __init__(
        self,
        unit: int,
        request: Request,
        timing: UnitTiming,
        started: float,
        told: Told[tuple[int, ...]],
        probe: bool,
        echoes: bool | None,
    ) -> None:
        self.unit = unit
        self.request = request
        self.timing = timing
        self.started = started
        self.probe = probe
        self.told = told
        self.frame = b""
        """The frame, and its echo, from when it left."""
        self.echo: Echo
        self._echoes = echoes
        self.sent = False
        self.sent_at = 0.0
        self.framer = ReplyFramer()
        self.answer_by = 0.0
        self.deadline = 0.0
        self.received = 0
        self.odd: UnexpectedReply | None = None
        self.answer: Answer | None = None
        """What the answer carries, or the refusal in it, from when it came; its link then ends the exchange."""
        self.answered = False
        """Whether the unit itself answered, refusals included."""
        self.foreign: list[int] = []

    def leave(self) -> bytes:
        """The frame, made as it leaves: what it says may be of that moment."""
        self.frame = framer.build(self.unit, self.request.pdu())
        self.echo = Echo(self.frame, self._echoes)
        return self.frame

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
            if self.answer is not None or frame.unit != self.unit:
                self.foreign.append(frame.unit)
            else:
                self._judge(frame)

    def _judge(self, frame: Frame) -> None:
        try:
            self.answer = decode_reply(self.request, self.frame[1:-2], frame.pdu)
        except UnexpectedReply as odd:
            self.odd = odd
            self.foreign.append(frame.unit)
            return
        except DriverError as error:
            self.answer = error
        self.answered = True

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
