"""Every fault on the virtual wire, one at a time, and that a seed repeats them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from config.settings import PanelSettings, SimulatorSettings
from simulators.faults import FAULTS, FaultRates, Faults
from simulators.modbus_slave import rtu_parse
from simulators.open_access_panel import OpenAccessPanel
from simulators.responder import Responder
from simulators.wire import VirtualWire
from tests.support.master import BadReply, Master, Refused, read_pdu, rtu, single_pdu, tcp, write_pdu
from tests.support.virtual_time import run_virtual

READ = rtu(1, read_pdu(4, 0, 2))
READ_REPLY = rtu(1, bytes.fromhex("040450410101"))
WRITE = rtu(1, single_pdu(6, 0x0220, 60))
COMMIT = rtu(1, write_pdu(0x0200, (0xC0DE, 1)))
STAGE = rtu(1, single_pdu(6, 0x1000, 0))


def panel(unit: int = 1) -> OpenAccessPanel:
    simulator = SimulatorSettings(latency_ms=0)
    settings = PanelSettings(id=f"door-{unit}", model="open-access-panel", unit=unit, simulator=simulator)
    return OpenAccessPanel(settings, monotonic=lambda: 0.0)


def responder(units: int = 1, seed: int = 0, **rates: Any) -> Responder:
    return Responder([panel(unit) for unit in range(1, units + 1)], Faults(FaultRates(**rates), seed))


def only(fault: str) -> Responder:
    """One panel whose every exchange is hit by this fault."""
    rates: dict[str, Any] = {fault: 1.0}
    return responder(**rates)


def sent(bench: Responder, request: bytes) -> list[bytes]:
    return [sending.data for sending in bench.rtu(request)]


def test_without_faults() -> None:
    assert sent(responder(), READ) == [READ_REPLY]


@pytest.mark.parametrize("fault", ["lose_request", "corrupt_request", "power_cut", "reset", "away"])
def test_a_request_that_is_not_looked_at(fault: str) -> None:
    bench = only(fault)
    assert sent(bench, WRITE) == []
    assert bench.panels[1].outputs() == (False,) * 8
    assert bench.faults.drawn == {fault: 1}


def test_a_lost_reply_was_carried_out() -> None:
    bench = responder(lose=1.0)
    assert sent(bench, WRITE) == []
    assert bench.panels[1].outputs()[0]


def test_a_duplicate() -> None:
    assert sent(responder(duplicate=1.0), READ) == [READ_REPLY, READ_REPLY]


def test_flipped_bits_are_always_found_by_the_check_sum() -> None:
    bench = responder(corrupt=1.0)
    for _ in range(1000):
        [data] = sent(bench, READ)
        assert len(data) == len(READ_REPLY)
        assert rtu_parse(data) is None


def test_a_truncated_reply_is_a_beginning() -> None:
    bench = responder(truncate=1.0)
    sizes = {len(data) for _ in range(200) for data in sent(bench, READ) if READ_REPLY.startswith(data)}
    assert sizes == set(range(1, len(READ_REPLY)))


def test_glitches_come_first() -> None:
    bench = responder(glitch=1.0)
    seen = set()
    for _ in range(50):
        [data] = sent(bench, READ)
        assert data.endswith(READ_REPLY)
        seen.add(data[: -len(READ_REPLY)])
    assert all(noise.strip(b"\x00\xff") == b"" and 1 <= len(noise) <= 3 for noise in seen)
    assert len(seen) > 5


def test_late_and_delayed() -> None:
    assert responder(late=1.0, late_ms=700.0).rtu(READ)[0].after_s == 0.7
    delays = [responder(seed=seed, delay=1.0, delay_ms=40.0).rtu(READ)[0].after_s for seed in range(20)]
    assert 0 < min(delays) < max(delays) < 0.04


def test_another_unit_answers_but_never_with_what_it_would_take_for_a_request() -> None:
    bench = responder(units=2, foreign_unit=1.0)
    [data] = sent(bench, READ)
    assert rtu_parse(data) == (2, READ_REPLY[1:-2])
    [data] = sent(bench, WRITE)
    parsed = rtu_parse(data)
    assert parsed is not None
    assert parsed[0] not in (1, 2)
    assert parsed[1] == WRITE[1:-2]


def test_wrong_echo_and_short_count_are_whole_frames() -> None:
    bench = responder(wrong_echo=1.0)
    parsed = rtu_parse(sent(bench, WRITE)[0])
    assert parsed is not None
    assert parsed[1][0] == 6
    assert parsed[1][1:3] != WRITE[2:4]
    assert sent(bench, READ) == [READ_REPLY]
    assert sent(responder(short_count=1.0), READ) == [rtu(1, bytes.fromhex("04025041"))]


def test_refused_without_being_carried_out() -> None:
    bench = responder(refuse=1.0, refusals=(0x89,))
    assert sent(bench, WRITE) == [rtu(1, b"\x86\x89")]
    assert bench.panels[1].outputs() == (False,) * 8


@pytest.mark.parametrize(("fault", "commits"), [("power_cut_before_commit", 0), ("power_cut_after_commit", 1)])
def test_power_goes_about_a_commit_and_only_then(fault: str, commits: int) -> None:
    bench = only(fault)
    assert sent(bench, STAGE) == [STAGE]
    assert sent(bench, COMMIT) == []
    assert sent(bench, rtu(1, read_pdu(4, 10, 3))) == [rtu(1, bytes((4, 6, 0, 1, 0, commits, 0, 0)))]


def test_a_panel_that_is_deaf_after_it_saved_has_saved() -> None:
    bench = only("deaf_after_commit")
    assert sent(bench, STAGE) == [STAGE]
    assert sent(bench, COMMIT) == []
    assert sent(bench, READ) == [], "nor does it hear what comes next"
    bench.set_faults(Faults())
    assert sent(bench, rtu(1, read_pdu(4, 11, 1))) == [rtu(1, b"\x04\x02\x00\x01")]


def test_somebody_fills_the_panel() -> None:
    bench = responder(fill_up=1.0)
    assert sent(bench, rtu(1, read_pdu(4, 15, 1))) == [rtu(1, bytes((4, 2, 0, 64)))]


def test_faults_of_sockets() -> None:
    request = tcp(7, 1, read_pdu(4, 0, 2))
    assert request[:7] == bytes.fromhex("00070000000601")
    reply = tcp(7, 1, READ_REPLY[1:-2])

    def answers(**rates: Any) -> list[bytes]:
        return [sending.data for sending in responder(**rates).tcp(7, 1, read_pdu(4, 0, 2))]

    assert answers() == answers(glitch=1.0) == [reply]
    assert answers(corrupt=1.0) == []
    [foreign] = answers(foreign_transaction=1.0)
    assert foreign[:2] != reply[:2]
    assert foreign[2:] == reply[2:]
    [cut] = responder(cut=1.0).tcp(7, 1, read_pdu(4, 0, 2))
    assert cut.cut
    assert reply.startswith(cut.data)
    assert len(cut.data) < len(reply)


def test_away_and_back_and_a_drifting_clock() -> None:
    async def main() -> None:
        settings = PanelSettings(id="door", model="open-access-panel", unit=1)
        door = OpenAccessPanel(settings)
        async with VirtualWire([door], faults=Faults(FaultRates(away=1.0, away_ms=3000.0))) as wire:
            master = Master(*wire.connect(), timeout_s=1.0, silence_s=0.005)
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await master.words(1, 4, 0, 1)
            assert wire.responder.faults.drawn == {"away": 1}
            wire.set_faults(Faults(FaultRates(clock_drift_ppm=1000.0)))
            await master.write(1, 0x0100, (0x6AE9, 0x4E00, 0, 0, 0, 0, 0, 0, 0, 0))
            before = await master.words(1, 3, 0x0100, 2)
            await asyncio.sleep(100_000)
            after = await master.words(1, 3, 0x0100, 2)
            assert (after[0] << 16 | after[1]) - (before[0] << 16 | before[1]) in (100_100, 100_101)

    run_virtual(main())


def every_fault() -> FaultRates:
    rates: dict[str, Any] = {"away_ms": 500.0, "late_ms": 400.0}
    for name in FAULTS:
        rates[name] = 0.03
    return FaultRates(**rates)


async def exchanges(count: int) -> tuple[float, Mapping[str, int], list[str]]:
    """Traffic under every fault at once: when it ended, what was drawn, and how each exchange went."""
    settings = [PanelSettings(id=f"door-{unit}", model="open-access-panel", unit=unit) for unit in (1, 2, 3)]
    faults = Faults(every_fault(), seed=11)
    ways: list[str] = []
    async with VirtualWire([OpenAccessPanel(each) for each in settings], baudrate=19200, faults=faults) as wire:
        master = Master(*wire.connect(), timeout_s=0.3, silence_s=0.003)
        asks: tuple[Callable[[int], Awaitable[object]], ...] = (
            lambda unit: master.words(unit, 4, 0, 24),
            lambda unit: master.write(unit, 0x0200, (0xC0DE, 0)),
        )
        for number in range(count):
            try:
                await asks[number % 2](1 + number % 3)
                ways.append("done")
            except (TimeoutError, BadReply, Refused) as error:
                ways.append(type(error).__name__)
        return asyncio.get_running_loop().time(), faults.drawn, ways


def test_a_seed_repeats_every_fault() -> None:
    once, again = run_virtual(exchanges(1500)), run_virtual(exchanges(1500))
    assert once == again
    assert set(once[1]) == set(FAULTS)
    assert set(once[2]) == {"done", "TimeoutError", "BadReply", "Refused"}


@pytest.mark.parametrize("rates", [{"lose": -0.1}, {"away_ms": -1.0}, {"refusals": (0,)}, {"cut": float("nan")}])
def test_rates_out_of_range(rates: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(rates))):
        FaultRates(**rates)
