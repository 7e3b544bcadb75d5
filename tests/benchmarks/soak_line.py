"""A million exchanges for each kind of fault, on simulated serial lines and on Modbus TCP, in virtual time.

    python -m tests.benchmarks.soak_line [--exchanges N] [--seed S] [--only FAULT ...]

Prints one line a fault and ends with status 1 if any outcome was untrue.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from simulators.faults import FaultRates
from tests.support.soak import Record, Soak, soak_tcp, soak_wire
from tests.support.virtual_tcp import run_virtual_tcp
from tests.support.virtual_time import run_virtual

_RATE = 0.1
_AWAY_RATE = 0.002
SERIAL = (
    "lose_request", "corrupt_request", "lose", "delay", "late", "duplicate", "truncate", "corrupt", "glitch",
    "foreign_unit", "wrong_echo", "short_count", "refuse", "away",
)  # fmt: skip
SOCKET = (
    "lose", "delay", "late", "duplicate", "truncate", "foreign_unit", "wrong_echo", "short_count", "refuse", "away",
    "foreign_transaction", "cut",
)  # fmt: skip


def rates(fault: str) -> FaultRates:
    rate: dict[str, Any] = {fault: _AWAY_RATE if fault == "away" else _RATE}
    return FaultRates(**rate, late_ms=450)


def serial(soak: Soak) -> Record:
    return run_virtual(soak_wire(soak))


def socket(soak: Soak) -> Record:
    return run_virtual_tcp(soak_tcp(soak))


def report(where: str, fault: str, soak: Soak, run: Callable[[Soak], Record]) -> bool:
    started = time.process_time()
    record = run(soak)
    spent = time.process_time() - started
    counts = " ".join(f"{name}={count}" for name, count in sorted(record.outcomes.items()))
    print(f"{where} {fault:20} drawn={record.drawn.get(fault, 0)} {counts} lies={len(record.lies)} cpu={spent:.0f}s", flush=True)
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
    for where, faults, run in (("serial", SERIAL, serial), ("tcp", SOCKET, socket)):
        for fault in faults:
            if not chosen.only or fault in chosen.only:
                true &= report(where, fault, Soak(rates(fault), chosen.seed, chosen.exchanges), run)
    return 0 if true else 1


if __name__ == "__main__":
    sys.exit(main())
