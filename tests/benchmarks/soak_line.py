"""A million exchanges for each kind of fault, on simulated serial lines, device servers and Modbus TCP, in virtual time.

    python -m tests.benchmarks.soak_line [--exchanges N] [--seed S] [--only FAULT ...]

Prints one line a fault and ends with status 1 if any outcome was untrue: a false success, or the failure of what was answered
in time.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from simulators.faults import FaultRates
from tests.support.soak import Record, Soak, soak_device_server, soak_tcp, soak_wire
from tests.support.virtual_tcp import run_virtual_tcp
from tests.support.virtual_time import run_virtual

_RATE = 0.1
_AWAY_RATE = 0.002
SERIAL = (
    "lose_request", "corrupt_request", "lose", "delay", "late", "duplicate", "truncate", "corrupt", "glitch",
    "foreign_unit", "wrong_echo", "short_count", "refuse", "away",
)  # fmt: skip
MIXED = FaultRates(
    lose_request=0.015,
    lose=0.02,
    late=0.02,
    duplicate=0.02,
    truncate=0.02,
    corrupt=0.02,
    glitch=0.02,
    wrong_echo=0.02,
    late_ms=450,
)
DEFECTS: dict[str, dict[str, Any]] = {
    "unplugged": {"rates": MIXED, "unplug": 0.005},
    "echo": {"rates": MIXED, "settings": {"local_echo": True}},
    "echo_unconfigured": {"rates": MIXED, "echo": True, "unplug": 0.0005},
    "dead_unit_of_32": {"rates": MIXED, "units": 31, "dead": 1},
    "glitch_units_1_to_24": {"rates": FaultRates(glitch=0.3), "units": 24},
}
SOCKET = (
    "lose", "delay", "late", "duplicate", "truncate", "foreign_unit", "wrong_echo", "short_count", "refuse", "away",
    "foreign_transaction", "cut",
)  # fmt: skip


def rates(fault: str) -> FaultRates:
    rate: dict[str, Any] = {fault: _AWAY_RATE if fault == "away" else _RATE}
    return FaultRates(**rate, late_ms=450)


def serial(soak: Soak) -> Record:
    return run_virtual(soak_wire(soak))


def device_server(soak: Soak) -> Record:
    return run_virtual_tcp(soak_device_server(soak))


def socket(soak: Soak) -> Record:
    return run_virtual_tcp(soak_tcp(soak))


def report(where: str, fault: str, soak: Soak, run: Callable[[Soak], Record]) -> bool:
    started = time.process_time()
    record = run(soak)
    spent = time.process_time() - started
    counts = " ".join(f"{name}={count}" for name, count in sorted(record.outcomes.items()))
    drawn = record.drawn.get(fault, sum(record.drawn.values()))
    print(f"{where} {fault:20} drawn={drawn} {counts} lies={len(record.lies)} cpu={spent:.0f}s", flush=True)
    for lie in record.lies[:5]:
        print(f"    {lie}")
    return not record.lies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--exchanges", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args()
    logging.getLogger("drivers").setLevel(logging.CRITICAL)
    true = True
    for where, faults, run in (
        ("serial", SERIAL, serial),
        ("rtu-tcp", (*SERIAL, "cut"), device_server),
        ("tcp", SOCKET, socket),
    ):
        for fault in faults:
            if not chosen.only or fault in chosen.only:
                true &= report(where, fault, Soak(rates(fault), chosen.seed, chosen.exchanges), run)
    for name, defect in DEFECTS.items():
        if not chosen.only or name in chosen.only:
            true &= report("serial", name, Soak(seed=chosen.seed, exchanges=chosen.exchanges, **defect), serial)
    return 0 if true else 1


if __name__ == "__main__":
    sys.exit(main())
