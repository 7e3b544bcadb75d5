"""A hundred thousand seeded exchanges over every defect a line has: no false success, no false failure."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from drivers.errors import UnexpectedReply
from drivers.modbus.wire import rtu_exchange, tcp
from drivers.modbus.wire.codecs import decode_reply
from drivers.modbus.wire.requests import Request
from drivers.retry import RetryPolicy
from simulators.faults import FaultRates
from tests.support.soak import Record, Soak, soak_device_server, soak_tcp, soak_wire
from tests.support.virtual_tcp import run_virtual_tcp
from tests.support.virtual_time import run_virtual

pytestmark = [pytest.mark.cpu, pytest.mark.long]

LATE_MS = 450.0
"""Beyond the reply timeout of 300 ms, within the quiet wanted after it."""

SERIAL = FaultRates(
    lose_request=0.015,
    corrupt_request=0.02,
    lose=0.02,
    delay=0.02,
    late=0.02,
    duplicate=0.02,
    truncate=0.02,
    corrupt=0.02,
    glitch=0.02,
    foreign_unit=0.02,
    wrong_echo=0.02,
    short_count=0.02,
    refuse=0.02,
    away=0.0005,
    late_ms=LATE_MS,
)
SOCKET = FaultRates(
    lose=0.02,
    delay=0.02,
    late=0.02,
    duplicate=0.02,
    truncate=0.02,
    foreign_unit=0.02,
    wrong_echo=0.02,
    short_count=0.02,
    refuse=0.02,
    foreign_transaction=0.02,
    cut=0.02,
    away=0.0005,
    late_ms=LATE_MS,
)


DEFECTS = {
    "unplugged port": Soak(SERIAL, seed=1, exchanges=4000, unplug=0.01),
    "echoing adapter, not configured": Soak(SERIAL, seed=2, exchanges=6000, unplug=0.002, echo=True),
    "one dead unit of 32": Soak(SERIAL, seed=3, exchanges=6000, units=31, dead=1),
    "glitches on units 1 to 24": Soak(FaultRates(glitch=0.3, delay=0.1, delay_ms=200), seed=4, exchanges=6000, units=24),
}


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    logging.getLogger("drivers").setLevel(logging.CRITICAL)


def confirm(record: Record, exchanges: int, faults: FaultRates) -> None:
    assert record.lies == []
    assert record.exchanges >= exchanges * 0.99
    assert record.outcomes["acknowledged"] > 0.85 * exchanges
    for outcome in ("unconfirmed", "rejected", "not_sent", "hung_up"):
        assert record.outcomes[outcome], f"never {outcome}"
    assert all(record.drawn.get(name) for name in ("late", "duplicate", "wrong_echo", "short_count", "foreign_unit", "away"))


@pytest.mark.parametrize(("baudrate", "settings"), [(9600, {}), (19_200, {}), (115_200, {}), (19_200, {"local_echo": True})])
def test_serial_lines_tell_the_truth(baudrate: int, settings: dict[str, object]) -> None:
    soak = Soak(SERIAL, seed=baudrate, exchanges=15_000, baudrate=baudrate, unplug=0.001, settings=settings)
    confirm(run_virtual(soak_wire(soak)), soak.exchanges, SERIAL)


def test_modbus_tcp_tells_the_truth() -> None:
    soak = Soak(SOCKET, seed=502, exchanges=40_000)
    confirm(run_virtual_tcp(soak_tcp(soak)), soak.exchanges, SOCKET)


@pytest.mark.parametrize("in_order", [True, False])
def test_modbus_tcp_tells_the_truth_of_requests_under_way_together(in_order: bool) -> None:
    """Half of all requests go alone. An answer that is cut short and completed, to the byte, by one out of its turn looks whole
    to everybody: the server that answers in any order cuts none."""
    rates = replace(SOCKET, truncate=SOCKET.truncate * in_order)
    soak = Soak(rates, seed=803, exchanges=10_000, pipeline=8, in_order=in_order, policy=RetryPolicy(alone_s=0))
    confirm(run_virtual_tcp(soak_tcp(soak)), soak.exchanges, SOCKET)


def test_a_device_server_tells_the_truth() -> None:
    soak = Soak(replace(SERIAL, cut=0.01), seed=4196, exchanges=10_000)
    confirm(run_virtual_tcp(soak_device_server(soak)), soak.exchanges, SERIAL)


@pytest.mark.parametrize("soak", DEFECTS.values(), ids=DEFECTS)
def test_each_other_defect_tells_the_truth(soak: Soak) -> None:
    record = run_virtual(soak_wire(soak))
    assert record.lies == []
    assert record.exchanges >= soak.exchanges * 0.95
    assert record.outcomes["acknowledged"] > 0.85 * soak.exchanges


def test_the_dead_one_of_many_costs_the_others_next_to_nothing() -> None:
    soak = DEFECTS["one dead unit of 32"]
    with_it, without = (run_virtual(soak_wire(replace(soak, rates=FaultRates(), cancel=0, dead=dead))) for dead in (1, 0))
    assert with_it.outcomes["acknowledged"] == without.outcomes["acknowledged"] == soak.exchanges // 31 * 31
    assert with_it.took_s <= 1.05 * without.took_s


def test_what_harms_no_reply_fails_no_exchange() -> None:
    rates = FaultRates(glitch=0.3, delay=0.3, delay_ms=200)
    record = run_virtual(soak_wire(Soak(rates, seed=1, exchanges=2000, cancel=0)))
    assert record.outcomes == {"acknowledged": 2000}


def test_one_frame_in_ten_damaged_is_made_good_by_retries() -> None:
    rates = FaultRates(corrupt=0.05, corrupt_request=0.05)
    record = run_virtual(soak_wire(Soak(rates, seed=1, exchanges=2000, cancel=0)))
    assert record.lies == []
    assert record.outcomes["acknowledged"] > 1600


def credulous(request: Request, sent: bytes, reply: bytes) -> tuple[int, ...]:
    """Takes any reply for an answer, as masters do that check the framing alone."""
    words = reply[2:]
    return () if request.writes else tuple(int.from_bytes(words[n : n + 2], "big") for n in range(0, len(words), 2))


def test_the_judge_catches_a_master_that_believes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtu_exchange, "decode_reply", credulous)
    monkeypatch.setattr(tcp, "decode_reply", credulous)
    assert run_virtual(soak_wire(Soak(SERIAL, seed=1, exchanges=500))).lies
    assert run_virtual_tcp(soak_tcp(Soak(SOCKET, seed=1, exchanges=500))).lies


@pytest.mark.parametrize("run", [lambda soak: run_virtual(soak_wire(soak)), lambda soak: run_virtual_tcp(soak_tcp(soak))])
def test_the_judge_catches_a_master_that_throws_good_answers_away(
    run: Callable[[Soak], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(request: Request, sent: bytes, reply: bytes) -> tuple[int, ...]:
        if request.address % 7 == 0:
            raise UnexpectedReply("no sevens")
        return decode_reply(request, sent, reply)

    monkeypatch.setattr(rtu_exchange, "decode_reply", picky)
    monkeypatch.setattr(tcp, "decode_reply", picky)
    assert any("had come in time" in lie for lie in run(Soak(FaultRates(), seed=1, exchanges=500)).lies)


def test_the_judge_catches_a_master_that_does_not_wait_for_quiet() -> None:
    rates = FaultRates(late=0.2, late_ms=450, delay=0.1, delay_ms=200)
    at_once = RetryPolicy(silent_delay_s=0.0)
    hasty = Soak(rates, seed=6, exchanges=4000, units=1, cancel=0, policy=at_once, settings={"post_timeout_quiet_ms": 0.0})
    patient = Soak(rates, seed=6, exchanges=4000, units=1, cancel=0, policy=at_once)
    assert run_virtual(soak_wire(hasty)).lies
    assert not run_virtual(soak_wire(patient)).lies
