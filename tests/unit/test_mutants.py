"""The tool that makes mutants: what it changes, what it leaves alone, and that it draws the same ones again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mutants.__main__ import all_mutants, drawn, share, table
from tests.mutants.areas import AREAS, Area, files
from tests.mutants.coverage_map import CoverageMap, measure
from tests.mutants.operators import Change, changes_of
from tests.mutants.trees import ROOT, Tree
from tests.mutants.trial import Bench, Mutant, Verdict, within


def made_of(*lines: str) -> set[tuple[str, str, str]]:
    source = "\n".join(["def f(self, a, b):", *(f"    {line}" for line in lines), ""]).encode()
    changes = changes_of(source)
    for change in changes:
        compile(change.applied(source), "mutant", "exec")
    return {(change.operator, change.before, change.after) for change in changes}


@pytest.mark.parametrize(
    ("line", "mutant"),
    [
        ("return a < b", ("comparison", "a < b", "a <= b")),
        ("if a <= self.now(): pass", ("comparison", "a <= self.now()", "a > self.now()")),
        ("x = a in b", ("comparison", "a in b", "a not in b")),
        ("x = a and b or self", ("and/or", "a and b", "a or b")),
        ("x = not a", ("not dropped", "not a", "a")),
        ("x = all(a)", ("call", "all", "any")),
        ("x = a - 2", ("arithmetic", "a - 2", "a + 2")),
        ("x = a - 2", ("constant", "2", "3")),
        ("x = f(a, b=True)", ("constant", "True", "False")),
        ("return f(a)", ("result", "f(a)", "None")),
        ("while f(a): pass", ("condition", "f(a)", "not f(a)")),
        ("x = [y for y in a if b(y)]", ("condition", "b(y)", "not b(y)")),
        ("self.x = a", ("deleted", "self.x = a", "pass")),
        ("raise a", ("deleted", "raise a", "pass")),
        ("f(a)", ("deleted", "f(a)", "pass")),
        ("for x in a: break", ("jump", "break", "continue")),
        ("x = {**a, 'b': b}", ("element", "{**a, 'b': b}", "{'b': b}")),
    ],
)
def test_what_is_changed(line: str, mutant: tuple[str, str, str]) -> None:
    assert mutant in made_of(line)


@pytest.mark.parametrize(
    "line",
    [
        "assert a < b",
        "LOG.warning('a', extra={'b': a - 1, 'c': 1})",
        "if not a: LOG.warning('a')",
        "_log.info('a', extra={'b': a - 1})",
        "x: int | None = None",
        "'a docstring'",
        "x = f'{a + 1}'",
        "x = 0.25",
        "_ROOM = 64 * 1024",
        "_PAUSE_S = 3",
        "await_s = asyncio.sleep(0)",
        "x = sha256(a).hexdigest()[:16]",
    ],
)
def test_what_is_left_alone(line: str) -> None:
    assert made_of(line) == set()


def test_a_letter_of_several_bytes_moves_no_change_to_another_place() -> None:
    source = "x = 'ї' if y else 'є' if not z else 1\n".encode()
    assert "x = 'ї' if y else 'є' if z else 1\n" in {change.applied(source).decode() for change in changes_of(source)}


def test_the_same_seed_draws_the_same_mutants() -> None:
    mutants = list(all_mutants(AREAS))
    assert drawn(mutants, 7, 20) == drawn(list(all_mutants(AREAS)), 7, 20) != drawn(mutants, 8, 20)
    assert {mutant.area for mutant in mutants} == {area.name for area in AREAS}


def test_every_mutant_is_a_program() -> None:
    for mutant in drawn(list(all_mutants(AREAS)), 1, 100):
        source = (ROOT / mutant.path).read_bytes()
        assert mutant.change.applied(source) != source
        compile(mutant.change.applied(source), mutant.path, "exec")


def test_an_area_whose_files_have_moved_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"gateway/gone/\*\.py"):
        files(tmp_path, ("gateway/gone/*.py",))


def change_at(first: int, last: int, *, at_import: bool = False) -> Change:
    return Change("constant", 0, 1, "1", "0", "1", (first, last), (first, last), at_import)


def test_only_tests_that_run_the_line_are_tried_the_fastest_first() -> None:
    covered = CoverageMap(
        {"slow": 3.0, "fast": 0.1, "other": 0.2, "broken": 0.0, "far": 0.05},
        frozenset({"broken"}),
        {"a.py": {1: frozenset({""}), 5: frozenset({"slow", "fast", "broken"}), 7: frozenset({"other"})}},
    )
    assert covered.tests_of("a.py", change_at(5, 5)) == ["fast", "slow"]
    assert covered.tests_of("a.py", change_at(6, 7)) == ["other"]
    assert covered.tests_of("a.py", change_at(9, 9)) == []
    assert covered.tests_of("a.py", change_at(1, 1, at_import=True)) == ["fast", "other", "slow", "far"]


def test_a_survivor_costs_no_more_than_the_fastest_tests_of_a_minute() -> None:
    seconds = {"fast": 20.0, "slow": 40.0, "slowest": 70.0}
    assert within(60.0, ["fast", "slow", "slowest"], seconds) == ["fast", "slow"]
    assert within(60.0, ["slowest"], seconds) == ["slowest"]
    assert within(60.0, [], seconds) == []


SOURCE = """\
def doubled(number):
    if number > 100:
        return 100
    total = 0
    while total < 2 * number:
        total += 1
    return total


def forgotten():
    return doubled(1)


def endless(number):
    while number != 1:
        number += 0
    return number
"""
TESTS = """\
from small.sums import doubled, endless


def test_doubled():
    assert doubled(3) == 6
    assert doubled(101) == 100


def test_endless():
    assert endless(1) == 1
"""


@pytest.fixture
def small_tree(tmp_path: Path) -> Tree:
    """A project of one module and one test, with this package in it."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "mutants", project / "tests" / "mutants")
    for path, text in {
        "tests/__init__.py": "",
        "tests/test_sums.py": TESTS,
        "small/__init__.py": "",
        "small/sums.py": SOURCE,
        "pyproject.toml": "",
    }.items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(text)
    return Tree(tmp_path / "copy", "1", like=project)


@pytest.mark.long
def test_what_a_test_notices_is_killed_and_what_none_notices_is_listed(small_tree: Tree) -> None:
    area = Area("small", ("small/sums.py",), ("tests/test_*.py",))
    before = (small_tree.path / "small" / "sums.py").read_bytes()
    covered = measure(small_tree, [area], small_tree.path / "coverage.json")
    mutants = {str(mutant): mutant for mutant in (Mutant("small", "small/sums.py", each) for each in changes_of(before))}
    ends = {
        "small/sums.py:2  comparison: number > 100 -> number >= 100": "survived",
        "small/sums.py:3  constant: 100 -> 101": "failed",
        "small/sums.py:7  result: total -> None": "failed",
        "small/sums.py:11  result: doubled(1) -> None": "untested",
        "small/sums.py:15  comparison: number != 1 -> number == 1": "timeout",
    }
    with Bench(small_tree, covered.seconds) as bench:
        assert {name: bench.try_out(mutants[name], covered).end for name in ends} == ends
    assert (small_tree.path / "small" / "sums.py").read_bytes() == before


def test_a_line_that_no_test_runs_counts_as_survived() -> None:
    mutant = Mutant("store", "a.py", change_at(3, 3))
    verdicts = [
        Verdict(mutant, "failed", "x"),
        Verdict(mutant, "timeout", "x"),
        Verdict(mutant, "survived"),
        Verdict(mutant, "untested"),
    ]
    assert share(verdicts) == 0.5
    assert table(verdicts).splitlines()[1].split() == ["store", "4", "2", "1", "1", "1", "50.0%"]
    assert "untested  a.py:3  constant: 0 -> 1" in table(verdicts)
