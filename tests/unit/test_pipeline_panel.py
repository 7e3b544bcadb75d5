"""A panel that takes several requests at once: fewer round trips, and never a commit on words that may not be there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from config.panel_model import load_models
from config.settings import ModbusTcpLine, PanelSettings, SimulatorSettings
from drivers.contract import Outcome, PanelDriver, PanelImage, Period, Priority, Slot
from drivers.modbus.line import ModbusLine
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from simulators.responder import Responder, Sending
from tests.support.virtual_tcp import VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock

MODEL = "open-access-panel"
LATENCY_S = 0.02
P = Priority.GRANT
TARGET = PanelImage(
    slots={
        number: Slot((f"91c615e3-1040-4815-8ecb-{number:012d}",), (Period(31, 540, 1000 + number),), valid_from=20_759)
        for number in range(0, 40, 2)
    }
)
"""Twenty slots with gaps in between: a frame each."""


@dataclass
class Recorder(Responder):
    """Keeps what came, and when. `meddle`: what becomes of the n-th staging write."""

    panel: SimulatedPanel
    meddle: Callable[[int, bytes], bytes | None] | None = None
    came: list[tuple[float, bytes]] = field(default_factory=list)
    staged: int = 0

    def __post_init__(self) -> None:
        super().__init__([self.panel])

    def tcp(self, transaction: int, unit: int, pdu: bytes) -> list[Sending]:
        self.came.append((asyncio.get_running_loop().time(), pdu))
        if self.meddle is not None and is_staging(pdu):
            self.staged += 1
            answer = self.meddle(self.staged, pdu)
            if answer is None:
                return []
            if answer:
                frame = transaction.to_bytes(2, "big") + b"\0\0" + (len(answer) + 1).to_bytes(2, "big") + bytes((unit,)) + answer
                return [Sending(self.panel, LATENCY_S, frame)]
        return super().tcp(transaction, unit, pdu)

    def times(self, of: Callable[[bytes], bool]) -> list[float]:
        return [at for at, pdu in self.came if of(pdu)]


def is_staging(pdu: bytes) -> bool:
    return pdu[0] in (6, 16) and 0x1000 <= int.from_bytes(pdu[1:3], "big") < 0x4000


def is_commit(pdu: bytes) -> bool:
    return pdu[:3] == b"\x10\x02\x00" and pdu[6:8] == b"\xc0\xde"


Story = Callable[[PanelDriver, Recorder], Awaitable[None]]


def on_tcp(story: Story, pipeline: int | None = None) -> None:
    async def main() -> None:
        loop, clock = asyncio.get_running_loop(), VirtualClock()
        assert isinstance(loop, VirtualTcpLoop)
        kind = SimulatorSettings(latency_ms=1000 * LATENCY_S)
        settings = PanelSettings(id="panel", model=MODEL, pipeline=pipeline, simulator=kind)
        recorder = Recorder(build_panel(settings, clock.wall, clock.monotonic))
        loop.responder = recorder
        line = ModbusLine(ModbusTcpLine(id="line", host="192.0.2.1", port=502), clock)
        driver = line.add_panel(settings, load_models(None))
        await line.bus.start()
        try:
            await driver.status(P, None)
            recorder.came.clear()
            await story(driver, recorder)
        finally:
            await line.bus.stop(5)

    run_virtual_tcp(main())


async def hold(driver: PanelDriver) -> Outcome:
    return (await driver.apply(driver.plan(TARGET, PanelImage()), P, None)).outcome


async def holds(driver: PanelDriver, image: PanelImage) -> bool:
    held = await driver.read_back(P, None)
    assert isinstance(held, PanelImage)
    return driver.plan(image, held).empty and driver.plan(held, image).empty


@pytest.mark.parametrize(("pipeline", "trips"), [(None, 3), (8, 3), (1, 20), (16, 2), (3, 7)])
def test_twenty_slots_take_as_many_round_trips_as_the_panel_makes_necessary(pipeline: int | None, trips: int) -> None:
    async def story(driver: PanelDriver, panel: Recorder) -> None:
        assert await hold(driver) is Outcome.ACKNOWLEDGED
        assert len(set(panel.times(is_staging))) == trips
        began = asyncio.get_running_loop().time()
        assert await holds(driver, TARGET)
        took = asyncio.get_running_loop().time() - began
        assert took < 0.3 if trips < 10 else took > 0.4

    on_tcp(story, pipeline)


def test_the_commit_leaves_alone_and_behind_the_answers_to_all_words() -> None:
    async def story(driver: PanelDriver, panel: Recorder) -> None:
        assert await hold(driver) is Outcome.ACKNOWLEDGED
        (committed,) = panel.times(is_commit)
        assert committed >= max(panel.times(is_staging)) + LATENCY_S
        assert [at for at, _ in panel.came].count(committed) == 1
        staged = [int.from_bytes(pdu[1:3], "big") for _, pdu in panel.came if is_staging(pdu)]
        assert staged == sorted(staged)

    on_tcp(story)


def test_a_word_that_is_refused_among_others_is_a_refusal_and_nothing_is_committed() -> None:
    async def story(driver: PanelDriver, panel: Recorder) -> None:
        panel.meddle = lambda number, pdu: bytes((pdu[0] | 0x80, 3)) if number == 5 else b""
        assert await hold(driver) is Outcome.REJECTED
        assert not panel.times(is_commit)
        assert len(panel.times(is_staging)) == 8
        panel.meddle = None
        assert await holds(driver, PanelImage())
        assert await hold(driver) is Outcome.ACKNOWLEDGED

    on_tcp(story)


def test_a_word_that_is_lost_among_others_is_written_again_before_the_commit() -> None:
    async def story(driver: PanelDriver, panel: Recorder) -> None:
        panel.meddle = lambda number, pdu: None if number == 5 else b""
        assert await hold(driver) is Outcome.ACKNOWLEDGED
        (committed,) = panel.times(is_commit)
        assert committed > max(panel.times(is_staging))
        assert await holds(driver, TARGET)

    on_tcp(story)


def test_words_that_are_never_answered_are_unconfirmed_and_nothing_is_committed() -> None:
    async def story(driver: PanelDriver, panel: Recorder) -> None:
        panel.meddle = lambda number, pdu: None if number >= 5 else b""
        assert await hold(driver) is Outcome.UNCONFIRMED
        assert not panel.times(is_commit)

    on_tcp(story)


def test_a_false_echo_among_others_is_no_acknowledgement() -> None:
    async def story(driver: PanelDriver, panel: Recorder) -> None:
        panel.meddle = lambda number, pdu: pdu[:1] + b"\x12\x34" + pdu[3:5] if number == 5 else b""
        assert await hold(driver) is Outcome.ACKNOWLEDGED
        assert len(panel.times(is_staging)) > len(TARGET.slots)
        assert await holds(driver, TARGET)

    on_tcp(story)
