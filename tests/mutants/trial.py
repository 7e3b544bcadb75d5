"""One mutant tried: the tests that run the changed line, the fastest first, until one fails."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.mutants.coverage_map import CoverageMap
from tests.mutants.operators import Change
from tests.mutants.server import IMPORTED_ANEW, SURVIVED
from tests.mutants.trees import Tree

_TIMES, _MORE_S = 5.0, 5.0
"""A test may use `_TIMES` times its own processor time and `_MORE_S` seconds more; a mutant that makes it use more is noticed."""
_AT_MOST_S = 60.0
"""The fastest tests that take so long together have to notice a mutant; what only slower ones would notice has survived."""
_FASTEST = 12
"""How many tests are run before the files of all others are read."""


@dataclass(frozen=True, slots=True)
class Mutant:
    area: str
    path: str
    change: Change

    def __str__(self) -> str:
        change = self.change
        return f"{self.path}:{change.lines[0]}  {change.operator}: {change.before} -> {change.after}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`end`: survived, timeout, failed, signal N, or untested: no test runs the line. `test`: the one that noticed."""

    mutant: Mutant
    end: str
    test: str = ""

    @property
    def killed(self) -> bool:
        return self.end not in {SURVIVED, "untested"}


def within(budget_s: float, tests: Sequence[str], seconds: Mapping[str, float]) -> list[str]:
    """The first of them that take no longer than that together, and at least one, where there is one."""
    ends = itertools.accumulate(seconds[test] for test in tests)
    return [test for place, (test, end) in enumerate(zip(tests, ends, strict=True)) if place == 0 or end <= budget_s]


class Bench:
    """A copy of the tree with the processes that run tests in it. Use it as a context manager.

    Most mutants are tried by a process that has imported the test files already; what runs at import by one that has not.
    """

    def __init__(self, tree: Tree, tests: Iterable[str]) -> None:
        self._tree = tree
        self._warm = self._server(*sorted({test.split("::")[0] for test in tests}))
        self._cold = self._server()

    def _server(self, *files: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.server", *files],
            cwd=self._tree.path,
            env={**self._tree.environment(), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._warm.communicate()
        self._cold.communicate()

    def try_out(self, mutant: Mutant, covered: CoverageMap) -> Verdict:
        """Raises RuntimeError when the tests cannot be run at all."""
        tests = within(_AT_MOST_S, covered.tests_of(mutant.path, mutant.change), covered.seconds)
        if not tests:
            return Verdict(mutant, "untested")
        changed = mutant.change.applied((self._tree.path / mutant.path).read_bytes())
        if not mutant.change.at_import:
            verdict = self._judged(mutant, tests, covered, {mutant.path: changed.decode()})
            if verdict.end != IMPORTED_ANEW:
                return verdict
        with self._tree.holding(mutant.path, changed):
            return self._judged(mutant, tests, covered)

    def _judged(self, mutant: Mutant, tests: list[str], covered: CoverageMap, warm: Mapping[str, str] | None = None) -> Verdict:
        """The fastest tests by themselves: what they notice costs no reading of the other tests' files. A test that fails has to
        fail twice: one that trips over a busy machine kills nothing."""
        waiting = [part for part in (tests[:_FASTEST], tests[_FASTEST:]) if part]
        while waiting:
            part = waiting.pop(0)
            end, test = self.run(part, covered, warm)
            if end == "failed" and test and self.run([test], covered, warm)[0] == SURVIVED:
                waiting = [rest for rest in (part[part.index(test) + 1 :], *waiting) if rest]
            elif end != SURVIVED:
                return Verdict(mutant, end, test)
        return Verdict(mutant, SURVIVED)

    def run(self, tests: Sequence[str], covered: CoverageMap, warm: Mapping[str, str] | None = None) -> tuple[str, str]:
        """How the run of these tests ended, and the last one that began. `warm`: the file that is a mutant, and its text."""
        server = self._cold if warm is None else self._warm
        assert server.stdin is not None
        assert server.stdout is not None
        job = [(test, _MORE_S + _TIMES * covered.seconds[test]) for test in tests]
        server.stdin.write(json.dumps([job, warm or {}]) + "\n")
        server.stdin.flush()
        said = server.stdout.readline()
        if not said or (answer := json.loads(said))["end"] == "no tests collected":
            raise RuntimeError(f"{tests[0]} and {len(tests) - 1} more tests could not be run in {self._tree.path}")
        return answer["end"], answer["test"]
