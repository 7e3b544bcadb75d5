"""A mistake in a long file is found by its line: whatever way the file is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.toml_lines import line_of, lines_of

VECTORS = Path(__file__).parents[1] / "vectors" / "configs-0.1.0"
WRITTEN = '''# a comment with "quotes" and [brackets]
top = "a # no comment"
[site] # a comment
name = "L]a\\"b"
dotted . "key with. dot" = 1
[[lines]]
id = 'a = "b"'
  [[lines.panels]]
  id = """
several = "lines"
[not.a.table]
"""
  options = {x = 1, "y z" = [1, # one
    [2, 3]]}
  [[lines.panels]]
  when = 1979-05-27 07:32:00
  quoted = \'\'\'it''s = "x"\'\'\'
  closing = """ends with a quote""""
  [lines.panels.simulator]
  serial = "AB"
[["lines"]]
panels = [{id = "q"}, # the first
  {id = "w", unit = [
2]}]
'''
EXPECTED = {
    "top": 2,
    "site": 3,
    "site.name": 4,
    "site.dotted.key with. dot": 5,
    "lines[0]": 6,
    "lines[0].id": 7,
    "lines[0].panels[0].id": 9,
    "lines[0].panels[0].options.x": 13,
    "lines[0].panels[0].options.y z[1][1]": 14,
    "lines[0].panels[1].when": 16,
    "lines[0].panels[1].closing": 18,
    "lines[0].panels[1].simulator.serial": 20,
    "lines[1]": 21,
    "lines[1].panels[0].id": 22,
    "lines[1].panels[1].id": 23,
    "lines[1].panels[1].unit": 23,
    "lines[1].panels[1].unit[0]": 24,
}


def test_each_key_is_found_on_its_line_however_it_is_written() -> None:
    tomllib.loads(WRITTEN)
    lines = lines_of(WRITTEN)
    assert {path: lines.get(path) for path in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("lines[1].panels[1].model", 23),
        ("lines[1].port", 21),
        ("lines[7].id", 6),
        ("site.nmae", 3),
        ("http.port", None),
        ("file", None),
    ],
)
def test_what_is_missing_is_told_at_the_table_that_lacks_it(place: str, line: int | None) -> None:
    assert line_of(place, lines_of(WRITTEN)) == line


def _paths(value: Any, path: str) -> Iterator[str]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _paths(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _paths(one, f"{path}[{index}]")


FILES = [*VECTORS.glob("**/*.toml"), *(Path(__file__).parents[2] / "config").glob("**/*.toml")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_that_a_file_says_is_without_a_line(file: Path) -> None:
    text = file.read_bytes().decode("utf-8-sig")
    lines = lines_of(text)
    assert set(_paths(tomllib.loads(text), "")) <= set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
