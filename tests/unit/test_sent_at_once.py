"""A request that finds its Modbus TCP line idle is sent by its caller: as safe as one that the line's worker sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from config.settings import ModbusTcpLine
from drivers.bus.statistics import LineTraffic
from drivers.contract import Priority
from drivers.errors import ConnectionLost, NoReply
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.mbap import MbapFramer
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import read_holding_registers, write_registers_of_now
from simulators.responder import Responder, Sending
from tests.support.lines import PROBE
from tests.support.soak import SoakPanel
from tests.support.virtual_tcp import VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock

LATENCY_S = 0.05
FIRST, GRANT, REVOCATION = (read_holding_registers(address, 1) for address in (1, 2, 3))


class Slow(Responder):
    """A panel that takes its time. `came`: the addresses that were asked for, `pdus`: what came whole."""

    def __init__(self) -> None:
        super().__init__([SoakPanel(1)])
        self.came: list[int] = []
        self.pdus: list[bytes] = []
        self.hangs_up = False

    def tcp(self, transaction: int, unit: int, pdu: bytes) -> list[Sending]:
        self.pdus.append(pdu)
        self.came.append(int.from_bytes(pdu[1:3], "big"))
        data = slice(0 if self.hangs_up else None)
        return [
            Sending(each.panel, LATENCY_S, each.data[data], cut=self.hangs_up) for each in super().tcp(transaction, unit, pdu)
        ]


@asynccontextmanager
async def idle_line() -> AsyncIterator[tuple[ModbusBus, Slow]]:
    loop, panel, clock = asyncio.get_running_loop(), Slow(), VirtualClock()
    assert isinstance(loop, VirtualTcpLoop)
    loop.responder = panel
    settings = ModbusTcpLine(id="annex", host="192.0.2.1", port=502)
    bus = ModbusBus(settings, open_link(settings, clock), clock)
    bus.attach(1, probe=PROBE)
    await bus.start()
    await asyncio.sleep(1)
    yield bus, panel
    await bus.stop(1)


def asked(bus: ModbusBus) -> asyncio.Task[tuple[int, ...]]:
    return asyncio.create_task(bus.exchange(1, FIRST, Priority.GRANT))


def test_a_request_leaves_an_idle_line_in_the_turn_in_which_it_is_made() -> None:
    async def main() -> None:
        async with idle_line() as (bus, panel):
            first = asked(bus)
            await asyncio.sleep(0)
            assert panel.came == [1]
            assert await first == (SoakPanel(1).content(1),)

    run_virtual_tcp(main())


def test_what_revokes_goes_first_of_all_that_waits_for_a_request_under_way() -> None:
    async def main() -> None:
        async with idle_line() as (bus, panel):
            first = asked(bus)
            await asyncio.sleep(LATENCY_S / 2)
            grant = asyncio.create_task(bus.exchange(1, GRANT, Priority.GRANT))
            await asyncio.sleep(0)
            await bus.exchange(1, REVOCATION, Priority.REVOCATION)
            await asyncio.gather(first, grant)
            assert panel.came == [1, 3, 2]

    run_virtual_tcp(main())


def test_what_is_of_now_is_of_the_moment_in_which_the_frame_leaves() -> None:
    async def main() -> None:
        async with idle_line() as (bus, panel):
            loop = asyncio.get_running_loop()
            asked_at: list[float] = []

            def words() -> tuple[int, ...]:
                asked_at.append(loop.time())
                return (len(asked_at), 0)

            first = asked(bus)
            await asyncio.sleep(LATENCY_S / 2)
            began = loop.time()
            await bus.exchange(1, write_registers_of_now(7, words), Priority.GRANT)
            await first
            assert asked_at == pytest.approx([began, began + LATENCY_S / 2])
            assert panel.pdus[-1].hex() == "10000700020400020000"

    run_virtual_tcp(main())


def test_a_repetition_that_waits_ends_with_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody_answers(*where: object, **how: object) -> None:
        await asyncio.sleep(1e6)

    async def main() -> None:
        async with idle_line() as (bus, panel):
            loop = asyncio.get_running_loop()
            monkeypatch.setattr(loop, "create_connection", nobody_answers)
            panel.hangs_up = True
            began = loop.time()
            with pytest.raises(ConnectionLost):  # the one that left: whether it was carried out is not known
                await bus.exchange(1, FIRST, Priority.GRANT, began + 0.2)
            assert loop.time() - began == pytest.approx(0.2, abs=0.01)

    run_virtual_tcp(main())


def test_a_request_that_left_is_finished_though_its_caller_is_gone() -> None:
    async def main() -> None:
        async with idle_line() as (bus, panel):
            first = asked(bus)
            await asyncio.sleep(LATENCY_S / 2)
            first.cancel()
            began = asyncio.get_running_loop().time()
            assert await bus.exchange(1, GRANT, Priority.GRANT) == (SoakPanel(1).content(2),)
            assert asyncio.get_running_loop().time() - began >= 1.5 * LATENCY_S
            assert panel.came == [1, 2]
            assert bus.statistics().units[1].exchanges == 2

    run_virtual_tcp(main())


@pytest.mark.parametrize(("grace_s", "answered"), [(1.0, True), (0.01, False)])
def test_a_line_that_stops_tells_the_truth_of_what_its_caller_sent(grace_s: float, answered: bool) -> None:
    async def main() -> None:
        async with idle_line() as (bus, _):
            first = asked(bus)
            await asyncio.sleep(LATENCY_S / 2)
            await bus.stop(grace_s)
            if answered:
                assert await first == (SoakPanel(1).content(1),)
            else:
                with pytest.raises(NoReply):
                    await first

    run_virtual_tcp(main())


@pytest.mark.parametrize(("part", "step"), [(MbapFramer, "feed"), (LineTraffic, "exchanged")])
def test_a_defect_under_way_ends_the_worker_and_leaves_nobody_waiting(
    part: type, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with idle_line() as (bus, _):
            monkeypatch.setattr(part, step, lambda *anything: 1 // 0)
            with pytest.raises(NoReply):
                await asyncio.wait_for(asked(bus), 60)
            assert bus.task is not None
            assert isinstance(bus.task.exception(), ZeroDivisionError)

    with caplog.at_level(logging.CRITICAL):
        run_virtual_tcp(main())
    assert "line worker died" in caplog.text
