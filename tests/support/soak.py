"""Exchanges by the thousand over a faulty line, each outcome held against what the simulated panel really did.

Every request goes to addresses of its own and every word read is a function of unit and address, so that an answer to
something else can never look right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from pydantic import TypeAdapter

from config.settings import AnyModbusLine, PanelSettings, SimulatorSettings
from drivers.contract import Outcome, Priority
from drivers.errors import DriverError, NotSent, Quarantined
from drivers.modbus.line import ModbusBus, ModbusLink
from drivers.modbus.wire import requests
from drivers.modbus.wire.open import line_timing, open_link
from drivers.modbus.wire.requests import Request
from drivers.modbus.wire.rtu import RtuLink
from drivers.retry import RetryPolicy
from simulators.faults import FaultRates, Faults
from simulators.panel import SimulatedPanel
from simulators.responder import Responder
from simulators.wire import VirtualWire
from tests.support.lines import PROBE
from tests.support.soak_tap import Tap
from tests.support.virtual_tcp import VirtualTcpLoop
from tests.support.virtual_time import VirtualClock
from tests.support.wire_stream import on_wire

_ADDRESSES = 60_000
TOGGLE = 0x5500


class SoakPanel(SimulatedPanel):
    """Remembers how often each address was written, and with what."""

    def __init__(self, unit: int) -> None:
        super().__init__(PanelSettings(id=f"panel-{unit}", model="soak", unit=unit, simulator=SimulatorSettings()))
        self.written: dict[tuple[str, int], list[int]] = {}

    def content(self, address: int) -> int:
        return (self.unit * 40_503 + address * 25_173 + 13) & 0xFFFF

    def good_reply(self, pdu: bytes) -> bytes:
        """What this panel answers when nothing goes wrong."""
        function, address, count = pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if function in (3, 4):
            return bytes((function, 2 * count)) + b"".join(word.to_bytes(2, "big") for word in self.read_words(0, address, count))
        if function in (1, 2):
            bits = sum(bit << place for place, bit in enumerate(self.read_bits(0, address, count)))
            return bytes((function, (count + 7) // 8)) + bits.to_bytes((count + 7) // 8, "little")
        return pdu[:5]

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        return [self.content(each) for each in range(address, address + count)]

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]:
        return [self.content(each) & 1 for each in range(address, address + count)]

    def write_bit(self, address: int, value: int) -> None:
        self._write("bit", address, [value])

    def write_bits(self, address: int, bits: Sequence[int]) -> None:
        self._write("bit", address, bits)

    def write_word(self, address: int, value: int) -> None:
        self._write("word", address, [value])

    def write_words(self, address: int, words: Sequence[int]) -> None:
        self._write("word", address, words)

    def _write(self, kind: str, address: int, values: Sequence[int]) -> None:
        for offset, value in enumerate(values):
            self.written.setdefault((kind, address + offset), []).append(value)

    def makes_durable(self, pdu: bytes) -> bool:
        return False

    def _boot(self, cold: bool) -> None:
        return

    def _erase(self) -> None:
        self.written.clear()


@dataclass
class Record:
    """What came of a soak. `lies` must stay empty."""

    outcomes: Counter[str] = field(default_factory=Counter)
    drawn: dict[str, int] = field(default_factory=dict)
    lies: list[str] = field(default_factory=list)
    took_s: float = 0.0
    """On the loop's clock."""

    @property
    def exchanges(self) -> int:
        return self.outcomes.total()


@dataclass(frozen=True)
class Soak:
    rates: FaultRates
    seed: int
    exchanges: int
    units: int = 4
    baudrate: int = 19_200
    cancel: float = 0.02
    unplug: float = 0.0
    dead: int = 0
    """How many units beyond `units` are asked and never answer."""
    pipeline: int = 1
    """How many requests a unit takes together: more than one, and half of all are asked in batches."""
    in_order: bool = True
    """Modbus TCP answers in the order of the requests."""
    echo: bool = False
    """The adapter echoes, whatever the settings say."""
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    settings: dict[str, object] = field(default_factory=dict)

    def line(self, kind: str) -> AnyModbusLine:
        place = {"port": "tty"} if kind == "modbus-rtu" else {"host": "127.0.0.1", "port": 1}
        return TypeAdapter(AnyModbusLine).validate_python(
            {"id": "soak", "kind": kind, "baudrate": self.baudrate, "probe_share": 0.5, **place, **self.settings}
        )


async def soak_wire(soak: Soak) -> Record:
    """On a simulated serial line. Runs on a virtual loop."""
    panels = [SoakPanel(unit) for unit in range(1, soak.units + 1)]
    settings = soak.line("modbus-rtu")
    faults = Faults(soak.rates, soak.seed)
    echo = settings.local_echo or soak.echo
    tap = Tap(settings.timeout_ms / 1000, echo)
    async with VirtualWire(panels, baudrate=soak.baudrate, chunk=16, local_echo=echo, faults=faults) as wire:
        clock = VirtualClock()
        link = RtuLink(on_wire(wire, tap), line_timing(settings), clock)
        record = await _run(soak, settings, link, tap, panels, wire)
    return replace(record, drawn=faults.drawn)


async def soak_device_server(soak: Soak) -> Record:
    """RTU frames over connections without sockets. Runs on a VirtualTcpLoop."""
    return await _soak_connections(soak, soak.line("modbus-rtu-tcp"), soak.baudrate)


async def soak_tcp(soak: Soak) -> Record:
    """Over connections without sockets. Runs on a VirtualTcpLoop."""
    return await _soak_connections(soak, soak.line("modbus-tcp"), None)


async def _soak_connections(soak: Soak, settings: AnyModbusLine, baudrate: int | None) -> Record:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTcpLoop)
    panels = [SoakPanel(unit) for unit in range(1, soak.units + 1)]
    faults = Faults(soak.rates, soak.seed)
    loop.in_order = soak.in_order
    loop.responder, loop.baudrate, loop.tap = Responder(panels, faults), baudrate, Tap(settings.timeout_ms / 1000)
    record = await _run(soak, settings, open_link(settings, VirtualClock()), loop.tap, panels, None)
    return replace(record, drawn=faults.drawn)


async def _run(
    soak: Soak, settings: AnyModbusLine, link: ModbusLink, tap: Tap, panels: list[SoakPanel], wire: VirtualWire | None
) -> Record:
    bus = ModbusBus(settings, link, VirtualClock(), soak.policy)
    dead = [SoakPanel(soak.units + 1 + number) for number in range(soak.dead)]
    for panel in (*panels, *dead):
        bus.attach(panel.unit, probe=PROBE, pipeline=soak.pipeline)
    await bus.start()
    record = Record()
    callers = [_Caller(bus, panel, Random(soak.seed * 1000 + panel.unit), soak, record, tap, wire) for panel in (*panels, *dead)]
    in_vain = [asyncio.create_task(caller.run(soak.exchanges)) for caller in callers[len(panels) :]]
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.TaskGroup() as group:
            for caller in callers[: len(panels)]:
                group.create_task(caller.run(soak.exchanges // len(panels)))
        record.took_s = asyncio.get_running_loop().time() - begun
    finally:
        for task in in_vain:
            task.cancel()
        await asyncio.gather(*in_vain, return_exceptions=True)
        await bus.stop(10)
    return record


@dataclass
class _Caller:
    """Works on one panel alone, one request after the other."""

    bus: ModbusBus
    panel: SoakPanel
    random: Random
    soak: Soak
    record: Record
    tap: Tap
    wire: VirtualWire | None
    address: int = 0

    async def run(self, exchanges: int) -> None:
        while exchanges > 0:
            exchanges -= await self._one()
            if self.wire is not None and self.random.random() < self.soak.unplug:
                self.wire.unplug()
                asyncio.get_running_loop().call_later(0.5, self.wire.plug)

    async def _one(self) -> int:
        """One exchange and its judgement; 0 if the line or the unit was not to be spoken to."""
        if self.soak.pipeline > 1 and self.random.random() < 0.5:
            return await self._batch([self._draw() for _ in range(self.random.randint(1, self.soak.pipeline + 2))])
        request = self._draw()
        if self.random.random() < self.soak.cancel:
            await self._hang_up(request)
            return 1
        try:
            values = await self.bus.exchange(self.panel.unit, request, Priority(self.random.randrange(5)))
        except Quarantined as error:
            self._judge_failure(request, error)
            await self._wait_for_probe()
            return 0
        except NotSent as error:
            self._judge_failure(request, error)
            await asyncio.sleep(0.3)
            return 0
        except DriverError as error:
            self._judge_failure(request, error)
        else:
            self._judge_success(request, values)
        return 1

    async def _batch(self, batch: list[Request]) -> int:
        """The same for requests that are given up together."""
        call = asyncio.create_task(self.bus.exchange_all(self.panel.unit, batch, Priority(self.random.randrange(5))))
        if self.random.random() < self.soak.cancel:
            return await self._give_up(call, batch)
        answers: Sequence[tuple[int, ...] | DriverError]
        try:
            answers = await call
        except NotSent as error:
            answers = [error] * len(batch)
        for request, answer in zip(batch, answers, strict=True):
            if isinstance(answer, DriverError):
                self._judge_failure(request, answer)
            else:
                self._judge_success(request, answer)
        not_sent = sum(isinstance(answer, NotSent) for answer in answers)
        if not_sent:
            await asyncio.sleep(0.3)
            await self._wait_for_probe()
        return len(batch) - not_sent

    async def _wait_for_probe(self) -> None:
        until = self.bus.quarantined_until(self.panel.unit)
        if until is not None:
            await asyncio.sleep(max(0.5, until - VirtualClock().wall() + 0.5))

    async def _hang_up(self, request: Request) -> None:
        """Cancel at some moment: whatever the panel did of it, the next request must not get its answer."""
        await self._give_up(asyncio.create_task(self.bus.exchange(self.panel.unit, request, Priority.GRANT)), [request])

    async def _give_up(self, call: asyncio.Task[Any], batch: list[Request]) -> int:
        await asyncio.sleep(self.random.random() * 0.05)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        self.record.outcomes["hung_up"] += len(batch)
        for request in batch:
            self.tap.take(self._body(request))
        return len(batch)

    def _body(self, request: Request) -> bytes:
        return bytes((self.panel.unit,)) + request.pdu()

    def _draw(self) -> Request:
        count = self.random.randint(1, 8)
        if self.address > _ADDRESSES:
            self.address = 0
            self.panel.written.clear()
        start = self.address
        self.address += count
        words = [self.random.randrange(0x10000) for _ in range(count)]
        match self.random.randrange(7):
            case 0:
                return requests.read_holding_registers(start, count)
            case 1:
                return requests.read_input_registers(start, count)
            case 2:
                return requests.read_coils(start, 16 * count)
            case 3:
                return requests.read_discrete_inputs(start, 16 * count)
            case 4:
                return requests.write_register(start, words[0])
            case 5:
                return requests.write_registers(start, words, repeatable=bool(words[0] & 1))
            case _:
                return requests.write_coil(start, TOGGLE, repeatable=False)

    def _done(self, request: Request) -> list[list[int]]:
        kind = "bit" if request.function == requests.WRITE_COIL else "word"
        places = range(request.address, request.address + request.count)
        return [self.panel.written.get((kind, place), []) for place in places]

    def _judge_success(self, request: Request, values: tuple[int, ...]) -> None:
        self.record.outcomes[Outcome.ACKNOWLEDGED.value] += 1
        if not request.writes:
            words = [self.panel.content(request.address + n) for n in range(request.count)]
            bits = request.function in requests.BIT_READS
            if list(values) != [word & 1 if bits else word for word in words]:
                self._lie(request, "read something other than the panel holds")
        elif [written[-1:] for written in self._done(request)] != [[value] for value in request.values]:
            self._lie(request, "acknowledged, and the panel did not do it")
        self._check_repetition(request)
        if not self.tap.take(self._body(request)):
            self._lie(request, "acknowledged, and it never left")

    def _judge_failure(self, request: Request, error: DriverError) -> None:
        self.record.outcomes[error.outcome.value] += 1
        attempts = self.tap.take(self._body(request))
        if error.outcome is Outcome.NOT_SENT and attempts:
            self._lie(request, f"not_sent ({error}), and it left")
        reply = bytes((self.panel.unit,)) + self.panel.good_reply(request.pdu())
        # With several under way, a piece of another answer may have spoilt the stream that brought the good one.
        if self.soak.pipeline == 1 and any(attempt.answered(reply) for attempt in attempts):
            self._lie(request, f"{error.outcome.value} ({error}), and the good answer had come in time")
        if request.writes and error.outcome in (Outcome.NOT_SENT, Outcome.REJECTED) and any(self._done(request)):
            self._lie(request, f"{error.outcome.value} ({error}), and the panel did it")
        self._check_repetition(request)

    def _check_repetition(self, request: Request) -> None:
        if not request.repeatable and any(len(written) > 1 for written in self._done(request)):
            self._lie(request, "done twice")

    def _lie(self, request: Request, what: str) -> None:
        self.record.lies.append(f"unit {self.panel.unit} {request}: {what}")
