"""The virtual wire in virtual time: pacing, silence, collisions, echo, unplugging, and what a crash inside does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from config.settings import PanelSettings, SimulatorSettings
from simulators.faults import FaultRates, Faults
from simulators.panel import SimulatedPanel
from simulators.register_bank import RegisterBank
from simulators.wire import VirtualWire, byte_time_s, silence_s
from tests.support.master import Master, read_pdu, rtu, single_pdu
from tests.support.virtual_time import run_virtual


def bank(unit: int, latency_ms: float = 0.0) -> RegisterBank:
    simulator = SimulatorSettings(latency_ms=latency_ms)
    return RegisterBank(PanelSettings(id=f"bank-{unit}", model="bank", unit=unit, simulator=simulator))


def now() -> float:
    return asyncio.get_running_loop().time()


async def arrivals(reader: asyncio.StreamReader, count: int) -> list[tuple[float, bytes]]:
    """The pieces as they arrive, until `count` bytes have arrived."""
    pieces: list[tuple[float, bytes]] = []
    while sum(len(data) for _, data in pieces) < count:
        data = await reader.read(256)
        pieces.append((now(), data))
    return pieces


async def nothing_within(reader: asyncio.StreamReader, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await reader.read(1)


@pytest.mark.parametrize(
    ("how", "byte_s", "silence"),
    [
        ((9600, "none", 1), 10 / 9600, 38.5 / 9600),
        ((19200, "even", 1), 11 / 19200, 38.5 / 19200),
        ((9600, "odd", 2), 12 / 9600, 38.5 / 9600),
        ((115200, "none", 1), 10 / 115200, 0.00175),
    ],
)
def test_times_of_a_byte_and_of_the_silence(how: tuple[int, str, int], byte_s: float, silence: float) -> None:
    assert byte_time_s(*how) == pytest.approx(byte_s)
    assert silence_s(how[0]) == pytest.approx(silence)


@pytest.mark.parametrize("chunk", [1, 3, 64, None])
def test_a_reply_comes_when_its_bytes_have_passed(chunk: int | None) -> None:
    async def main() -> None:
        panel = bank(7, latency_ms=5)
        panel.holding[2] = 0xABCD
        async with VirtualWire([panel], baudrate=9600, chunk=chunk) as wire:
            reader, writer = wire.connect()
            writer.write(rtu(7, read_pdu(3, 2, 1)))
            pieces = await arrivals(reader, 7)
        assert b"".join(data for _, data in pieces) == rtu(7, bytes.fromhex("0302ABCD"))
        starts = 8 * 10 / 9600 + 38.5 / 9600 + 0.005
        assert pieces[-1][0] == pytest.approx(starts + 7 * 10 / 9600)
        if chunk == 1:
            assert [when for when, _ in pieces] == pytest.approx([starts + n * 10 / 9600 for n in range(1, 8)])

    run_virtual(main())


def test_units_answer_for_themselves_and_are_counted() -> None:
    async def main() -> None:
        panels = [bank(1), bank(2)]
        async with VirtualWire(panels) as wire:
            master = Master(*wire.connect(), silence_s=0.005)
            await master.write(1, 10, (1, 2, 3))
            await master.single(2, 6, 10, 9)
            assert await master.words(1, 3, 10, 3) == (1, 2, 3)
            assert panels[1].holding[10] == 9
            assert (wire.bytes_sent, wire.bytes_replied, wire.collisions) == (15 + 8 + 8, 8 + 8 + 11, 0)
            traffic = panels[0].traffic
            assert (traffic.bytes_in, traffic.bytes_out, traffic.reads, traffic.writes, traffic.replies) == (23, 19, 1, 1, 2)

    run_virtual(main())


def test_nobody_answers_for_a_unit_that_is_not_there_or_a_damaged_frame() -> None:
    async def main() -> None:
        panel = bank(1)
        async with VirtualWire([panel]) as wire:
            reader, writer = wire.connect()
            writer.write(rtu(2, read_pdu(3, 0, 1)))
            await nothing_within(reader, 1)
            writer.write(rtu(1, read_pdu(3, 0, 1))[:-1] + b"\x00")
            await nothing_within(reader, 1)
            assert panel.traffic.reads == 0

    run_virtual(main())


def test_a_broadcast_is_carried_out_by_all_and_answered_by_none() -> None:
    async def main() -> None:
        panels = [bank(1), bank(2)]
        async with VirtualWire(panels) as wire:
            reader, writer = wire.connect()
            writer.write(rtu(0, single_pdu(6, 4, 77)))
            await nothing_within(reader, 1)
            assert [panel.holding[4] for panel in panels] == [77, 77]

    run_virtual(main())


def test_without_silence_two_frames_are_one_and_lost() -> None:
    async def main() -> None:
        panel = bank(1)
        async with VirtualWire([panel], baudrate=9600) as wire:
            reader, writer = wire.connect()
            request = rtu(1, single_pdu(6, 0, 5))
            writer.write(request)
            await asyncio.sleep(8 * 10 / 9600 + 0.003)
            writer.write(request)
            await nothing_within(reader, 1)
            assert panel.traffic.writes == 0
            writer.write(request[:3])
            writer.write(request[3:])
            assert sum(len(data) for _, data in await arrivals(reader, 8)) == 8

    run_virtual(main())


def test_a_request_too_soon_after_a_reply_is_lost() -> None:
    async def main() -> None:
        async with VirtualWire([bank(1)], baudrate=9600) as wire:
            reader, writer = wire.connect()
            request = rtu(1, read_pdu(3, 0, 1))
            writer.write(request)
            await arrivals(reader, 7)
            await asyncio.sleep(0.0039)
            writer.write(request)
            await nothing_within(reader, 1)
            writer.write(request)
            await arrivals(reader, 7)
            await asyncio.sleep(0.0041)
            writer.write(request)
            await arrivals(reader, 7)

    run_virtual(main())


def test_who_talks_into_a_reply_spoils_both() -> None:
    async def main() -> None:
        panel = bank(1)
        async with VirtualWire([panel], baudrate=9600) as wire:
            reader, writer = wire.connect()
            writer.write(rtu(1, read_pdu(3, 0, 4)))
            reply = rtu(1, bytes.fromhex("0308") + bytes(8))
            await asyncio.sleep(8 * 10 / 9600 + 0.004 + 4 * 10 / 9600)
            writer.write(rtu(1, single_pdu(6, 0, 1)))
            heard = b"".join(data for _, data in await arrivals(reader, len(reply)))
            assert heard[:3] == reply[:3]
            assert heard != reply
            await nothing_within(reader, 1)
            assert wire.collisions == 1
            assert panel.traffic.writes == 0

    run_virtual(main())


def test_a_late_reply_runs_into_the_next_request() -> None:
    async def main() -> None:
        panels = [bank(1), bank(2)]
        late = Faults(FaultRates(late=1.0, late_ms=100.0))
        async with VirtualWire(panels, baudrate=9600, faults=late) as wire:
            reader, writer = wire.connect()
            writer.write(rtu(1, single_pdu(6, 0, 1)))
            await asyncio.sleep(8 * 10 / 9600 + 0.1)
            writer.write(rtu(2, single_pdu(6, 0, 2)))
            await arrivals(reader, 8)
            await nothing_within(reader, 1)
            assert wire.collisions == 1
            assert [panel.holding[0] for panel in panels] == [1, 0]

    run_virtual(main())


def test_every_listener_hears_everything_and_a_master_itself_only_with_echo() -> None:
    async def main() -> None:
        for echo in (False, True):
            async with VirtualWire([bank(1)], local_echo=echo) as wire:
                reader, writer = wire.connect()
                listener, _ = wire.connect()
                request, reply = rtu(1, single_pdu(6, 0, 5)), rtu(1, single_pdu(6, 0, 5))
                writer.write(request)
                heard = await arrivals(listener, 16)
                assert b"".join(data for _, data in heard) == request + reply
                own = await arrivals(reader, 16 if echo else 8)
                assert b"".join(data for _, data in own) == (request if echo else b"") + reply

    run_virtual(main())


def test_noise_from_nowhere_is_heard() -> None:
    async def main() -> None:
        async with VirtualWire([bank(1)], baudrate=9600) as wire:
            reader, _ = wire.connect()
            wire.inject(b"\xff\x00", after_s=1.0)
            [(when, data)] = await arrivals(reader, 2)
            assert data == b"\xff\x00"
            assert when == pytest.approx(1.0 + 20 / 9600)

    run_virtual(main())


def test_an_unplugged_adapter() -> None:
    async def main() -> None:
        panel = bank(1)
        async with VirtualWire([panel], baudrate=9600) as wire:
            reader, writer = wire.connect()
            writer.write(rtu(1, single_pdu(6, 0, 5)))
            await asyncio.sleep(0.005)
            wire.unplug()
            with pytest.raises(OSError, match="unplugged"):
                await reader.read(1)
            with pytest.raises(OSError, match="not connected"):
                writer.write(b"\x00")
            with pytest.raises(OSError, match="no such device"):
                wire.connect()
            await asyncio.sleep(1)
            assert panel.traffic.writes == 0
            wire.plug()
            await Master(*wire.connect()).single(1, 6, 0, 5)
            assert panel.holding[0] == 5

    run_virtual(main())


def test_a_closed_end_reads_to_its_end() -> None:
    async def main() -> None:
        async with VirtualWire([bank(1)]) as wire:
            reader, writer = wire.connect()
            writer.close()
            await writer.wait_closed()
            assert writer.is_closing()
            assert await reader.read(1) == b""
            with pytest.raises(OSError, match="not connected"):
                writer.write(b"\x00")

    run_virtual(main())


def test_a_panel_that_is_off_is_silent_and_keeps_its_memory() -> None:
    async def main() -> None:
        panel = bank(1)
        async with VirtualWire([panel]) as wire:
            master = Master(*wire.connect(), silence_s=0.005)
            await master.single(1, 6, 0, 5)
            panel.off()
            with pytest.raises(TimeoutError):
                await master.single(1, 6, 0, 6)
            panel.on()
            assert await master.words(1, 3, 0, 1) == (5,)

    run_virtual(main())


class Broken(RegisterBank):
    def handle(self, pdu: bytes) -> bytes:
        raise ZeroDivisionError("a mistake in a simulator")


def test_a_crash_reaches_the_master_and_the_test() -> None:
    async def main() -> None:
        broken: SimulatedPanel = Broken(PanelSettings(id="broken", model="bank", unit=1))
        async with VirtualWire([broken]) as wire:
            master = Master(*wire.connect())
            with pytest.raises(ZeroDivisionError):
                await master.words(1, 3, 0, 1)

    def crash(main: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(ZeroDivisionError):
            run_virtual(main)

    crash(main())


def test_the_same_traffic_takes_the_same_time_again() -> None:
    async def main() -> float:
        async with VirtualWire([bank(unit) for unit in range(1, 9)], baudrate=19200) as wire:
            master = Master(*wire.connect(), silence_s=0.00201)
            for count in range(500):
                await master.words(1 + count % 8, 3, count, 1 + count % 125)
            return now()

    assert run_virtual(main()) == run_virtual(main())
