"""Mutants: one small change of the sources at a time, and whether the tests notice.

    python -m tests.mutants [--seed N] [--count N] [--area NAME ...] [--at FILE:LINE]

Draws mutants by a seed over the areas (tests/mutants/areas.py), tries each in a copy of the tree against the tests that
run the changed line, and lists those that no test noticed. The fastest tests come first, those marked `cpu` or `long` are
left out, and all tests of a mutant together may take a minute of processor time. Ends with status 1 when fewer than 90 % are
noticed. What is never changed, and why, stands in tests/mutants/exclusions.py.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from tests.mutants.areas import AREAS, Area, files
from tests.mutants.coverage_map import CoverageMap, measure
from tests.mutants.operators import changes_of
from tests.mutants.trees import ROOT, WORK, Tree, alone, digest
from tests.mutants.trial import Bench, Mutant, Verdict

GOAL = 0.9
_WAYS: tuple[dict[str, str] | None, ...] = (None, {})
"""In a process that imports everything anew, and in one that has it: with no mutant in it."""


def all_mutants(areas: Sequence[Area]) -> Iterator[Mutant]:
    for area in areas:
        for path in files(ROOT, area.sources):
            for change in changes_of((ROOT / path).read_bytes()):
                yield Mutant(area.name, path, change)


def drawn(mutants: Sequence[Mutant], seed: int, count: int) -> list[Mutant]:
    """The same ones for the same seed and sources."""
    return random.Random(seed).sample(mutants, min(count, len(mutants)))


def measured(tree: Tree, areas: Sequence[Area], of: str) -> dict[str, CoverageMap]:
    """By area; areas that share their tests are measured together. A whole group, so that another choice finds it measured."""
    maps: dict[str, CoverageMap] = {}
    for _, group in itertools.groupby(AREAS, key=lambda area: area.tests):
        together = list(group)
        if any(area in areas for area in together):
            found = measure(tree, together, WORK / f"{'-'.join(area.name for area in together)}-{of}.json")
            maps.update((area.name, found) for area in together)
    return maps


def tried(mutants: Sequence[Mutant], maps: Mapping[str, CoverageMap], trees: Sequence[Tree]) -> list[Verdict]:
    """One after the other in each of the trees, side by side."""
    waiting: SimpleQueue[Mutant | None] = SimpleQueue()
    for mutant in [*mutants, *[None] * len(trees)]:
        waiting.put(mutant)

    def work(tree: Tree) -> list[Verdict]:
        verdicts: list[Verdict] = []
        groups = {id(each): each for each in maps.values()}.values()
        with Bench(tree, (test for covered in groups for test in covered.seconds)) as bench:
            for covered in groups:
                quickest = min(covered.seconds.keys() - covered.failed, key=lambda test: covered.seconds[test])
                if {bench.run([quickest], covered, how)[0] for how in _WAYS} != {"survived"}:
                    raise RuntimeError(f"{quickest} fails in {tree.path} with nothing changed")
            while (mutant := waiting.get()) is not None:
                verdict = bench.try_out(mutant, maps[mutant.area])
                print(f"{verdict.end:9} {mutant}  {verdict.test}", file=sys.stderr, flush=True)
                verdicts.append(verdict)
        return verdicts

    with ThreadPoolExecutor(len(trees)) as pool:
        return [verdict for verdicts in pool.map(work, trees) for verdict in verdicts]


def table(verdicts: Sequence[Verdict]) -> str:
    """A row an area and one for all, then the survivors."""
    rows = [f"{'area':10}{'mutants':>9}{'killed':>9}{'timeout':>9}{'survived':>10}{'untested':>10}{'share':>9}"]
    names = [area.name for area in AREAS if any(verdict.mutant.area == area.name for verdict in verdicts)]
    for name in [*names, "all"]:
        of_area = [verdict for verdict in verdicts if name in {"all", verdict.mutant.area}]
        ends = [verdict.end for verdict in of_area]
        counts = f"{len(ends):9}{sum(verdict.killed for verdict in of_area):9}{ends.count('timeout'):9}"
        rows.append(f"{name:10}{counts}{ends.count('survived'):10}{ends.count('untested'):10}{share(of_area):9.1%}")
    survivors = sorted((verdict for verdict in verdicts if not verdict.killed), key=lambda each: str(each.mutant))
    return "\n".join([*rows, "", *(f"{verdict.end:9} {verdict.mutant}" for verdict in survivors)])


def share(verdicts: Sequence[Verdict]) -> float:
    return sum(verdict.killed for verdict in verdicts) / len(verdicts)


def verdicts_on(mutants: Sequence[Mutant], areas: Sequence[Area], workers: int) -> list[Verdict]:
    of = digest()
    first = Tree(WORK / "tree-0", of)
    maps = measured(first, areas, of)
    for test in sorted(set[str]().union(*(covered.failed for covered in maps.values()))):
        print(f"left out, it fails with nothing changed: {test}")
    trees = [first, *(Tree(WORK / f"tree-{number}", of, like=first.path) for number in range(1, workers))]
    return tried(mutants, maps, trees)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Small changes, and whether the tests notice.")
    parser.add_argument("--seed", type=int, default=1, help="another one draws other mutants (default: 1)")
    parser.add_argument("--count", type=int, default=300, help="how many are drawn (default: 300)")
    parser.add_argument("--area", action="append", choices=[area.name for area in AREAS], help="only this one; may be repeated")
    parser.add_argument("--at", metavar="FILE:LINE", help="every mutant of one line instead of drawn ones")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side (default: 2)")
    chosen = parser.parse_args()
    began = time.monotonic()
    areas = [area for area in AREAS if chosen.area is None or area.name in chosen.area]
    mutants = list(all_mutants(areas))
    if chosen.at is None:
        mutants = drawn(mutants, chosen.seed, chosen.count)
    else:
        mutants = [mutant for mutant in mutants if f"{mutant.path}:{mutant.change.lines[0]}" == chosen.at]
    if not mutants:
        parser.error(f"nothing to change at {chosen.at}")
    try:
        with alone():
            verdicts = verdicts_on(mutants, areas, chosen.workers)
    except BlockingIOError:
        parser.error("another run is under way")
    print(table(verdicts))
    print(f"\nseed {chosen.seed}, {len(mutants)} mutants in {(time.monotonic() - began) / 60:.0f} minutes")
    return 0 if share(verdicts) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
