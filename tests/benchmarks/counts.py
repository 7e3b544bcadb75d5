"""What requests cost in frames, bytes and commits of panels, beside the committed table: counts do not depend on the machine.

    python -m tests.benchmarks.counts [--write]

Prints every count, and a few ratios of times, beside those of `counts.json`. Ends with status 1 where a count grew; a time never
fails. `--write` makes the measured figures the committed ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import bench_fan_out, bench_one_item
from tests.benchmarks.farm import Frame, requested
from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import SiteText, item

COMMITTED = Path(__file__).with_name("counts.json")
_COMMIT = bytes.fromhex("1002000002 04 C0DE")
_ROUNDS = 5


@dataclass(frozen=True, slots=True, order=True)
class Counts:
    """Requests of one kind of work; the bytes are those of their PDUs."""

    frames: int
    bytes: int
    commits: int

    def grew(self, before: Counts) -> list[str]:
        """The names of what is more than before."""
        held = asdict(before)
        return [name for name, count in asdict(self).items() if count > held[name]]


def counts_of(frames: Mapping[str, Sequence[Frame]]) -> Counts:
    pdus = requested(frames)
    return Counts(len(pdus), sum(map(len, pdus)), sum(pdu.startswith(_COMMIT) for pdu in pdus))


async def _upserts(ready: Bench, requests: Iterable[Sequence[Any]]) -> AsyncIterator[Counts]:
    for each in requests:
        ready.farm.frames()
        written((await ready.upsert(each))[1])
        yield counts_of(ready.farm.frames())


async def _deletions(ready: Bench, link_ids: Iterable[str]) -> AsyncIterator[Counts]:
    for link_id in link_ids:
        ready.farm.frames()
        await ready.client.delete(link_id)
        yield counts_of(ready.farm.frames())


async def _least(counted: AsyncIterator[Counts]) -> Counts:
    return min([each async for each in counted])


async def measured() -> dict[str, Counts]:
    """The least of some rounds of each kind of work, on panels with a table of their own that answer at once."""
    found = {}
    async with bench(SiteText(5), 1) as ready:
        rounds, many = range(_ROUNDS), range(10)
        found["one new profile x 5 panels"] = await _least(_upserts(ready, ([item(number)] for number in rounds)))
        found["one changed minute x 5 panels"] = await _least(_upserts(ready, ([item(1, 1 + number)] for number in rounds)))
        found["the same request again"] = await _least(_upserts(ready, ([item(1, _ROUNDS)] for _ in rounds)))
        found["one deleted profile x 5 panels"] = await _least(_deletions(ready, (item(number)["link_id"] for number in rounds)))
        found["10 profiles x 5 panels"] = await _least(_upserts(ready, ([item(100 + number) for number in many] for _ in (0,))))
        changes = ([item(100 + number, 1 + turn) for number in many] for turn in rounds)
        found["10 changed minutes x 5 panels"] = await _least(_upserts(ready, changes))
    return found


def _ratios() -> dict[str, float]:
    rows: list[Row] = [*bench_one_item.run(True), *bench_fan_out.run(True)]
    return {row.what: round(row.judged, 2) for row in rows if row.against is not None and not row.what.startswith(" ")}


def _read() -> tuple[dict[str, Counts], dict[str, float]]:
    held = json.loads(COMMITTED.read_text("utf-8"))
    return {name: Counts(**counts) for name, counts in held["counts"].items()}, held["ratios"]


def _write(counts: Mapping[str, Counts], ratios: Mapping[str, float]) -> None:
    held = {"counts": {name: asdict(each) for name, each in counts.items()}, "ratios": dict(ratios)}
    COMMITTED.write_text(json.dumps(held, indent=2) + "\n", "utf-8")


def compared(counts: Mapping[str, Counts], before: Mapping[str, Counts]) -> list[str]:
    """One line for each kind of work that costs more than it did, or of which nothing is committed."""
    grown = {name: each.grew(before[name]) for name, each in counts.items() if name in before}
    unknown = [f"{name}: nothing is committed (--write)" for name in counts if name not in before]
    return [*(f"{name}: more {' and '.join(more)}" for name, more in grown.items() if more), *unknown]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.counts", description="Counts beside the committed ones.")
    parser.add_argument("--write", action="store_true", help="make the measured figures the committed ones")
    chosen = parser.parse_args()
    counts, ratios = asyncio.run(measured()), _ratios()
    if chosen.write:
        _write(counts, ratios)
    before, ratios_before = _read()
    for name, each in counts.items():
        print(f"{name:40} {asdict(each)}  committed {asdict(before[name]) if name in before else None}")
    for what, ratio in ratios.items():
        print(f"{what:64} {ratio:6.2f}  committed {ratios_before.get(what)}")
    grown = compared(counts, before)
    print(*grown, sep="\n")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
