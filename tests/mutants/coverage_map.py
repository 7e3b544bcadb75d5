"""Which tests can notice a change of a line, the fastest first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.areas import Area, files
from tests.mutants.operators import Change
from tests.mutants.trees import Tree

_AT_IMPORT = ""
"""Stands among the tests that run a line where it also ran before any test."""


@dataclass(frozen=True, slots=True)
class CoverageMap:
    """`seconds`: the processor time of a test; `lines`: file -> line -> tests that run it; `failed`: tests that fail with
    nothing changed.
    """

    seconds: dict[str, float]
    failed: frozenset[str]
    lines: dict[str, dict[int, frozenset[str]]]

    def tests_of(self, path: str, change: Change) -> list[str]:
        """Those that run what is changed; for what runs at import, those that run anything of the module and then all others:
        a test that makes a value of a class runs no line of the module that declares it."""
        of_file = self.lines.get(path, {})
        found = _running(of_file, change.lines) or _running(of_file, change.around)
        near = frozenset[str]().union(*of_file.values())
        if change.at_import or _AT_IMPORT in found:
            found = frozenset(self.seconds)
        return sorted(found - self.failed - {_AT_IMPORT}, key=lambda test: (test not in near, self.seconds[test], test))


def _running(lines: dict[int, frozenset[str]], span: tuple[int, int]) -> frozenset[str]:
    return frozenset[str]().union(*(lines.get(line, frozenset()) for line in range(span[0], span[1] + 1)))


def measure(tree: Tree, areas: Sequence[Area], cached: Path) -> CoverageMap:
    """Run the tests that these areas share, unless `cached` tells already what came of it. Raises LookupError."""
    if not cached.exists():
        sources = [path for area in areas for path in files(tree.path, area.sources)]
        command = [sys.executable, "-m", "tests.mutants.coverage_run", str(cached)]
        command += [json.dumps(sources), json.dumps(files(tree.path, areas[0].tests))]
        ended = subprocess.run(command, cwd=tree.path, env=tree.environment(), capture_output=True, text=True, check=False)
        if ended.returncode:
            raise LookupError(f"no test of {', '.join(areas[0].tests)} ran:\n{ended.stdout}{ended.stderr}")
    return _read(cached)


def _read(path: Path) -> CoverageMap:
    said = json.loads(path.read_text(encoding="utf-8"))
    lines = {file: {int(line): frozenset(tests) for line, tests in of_file.items()} for file, of_file in said["lines"].items()}
    return CoverageMap(said["seconds"], frozenset(said["failed"]), lines)
