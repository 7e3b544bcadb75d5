"""Reads TOML written by people, with the place of every mistake, also of input that Python's reader does not survive."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

DEEPEST = 32
_INT64 = range(-(2**63), 2**63)
_TOO_LONG = re.compile(r"[0-9](?:_?[0-9]){4300}")
"""Matches more digits than Python converts into a number."""
_LONGEST_KEY = 256
"""Python's reader takes time by the square of the parts of a dotted key: from this many on it does not get it."""
_QUOTED = re.compile("\"(?:[^\"\\\\]|\\\\.)*\"|'[^']*'")
_AROUND_KEYS = re.compile(r"[=,{}\[\]]")


class TomlMistake(Exception):
    """`place: what`."""


def parse_toml(text: str) -> dict[str, Any]:
    """Tables nested at most 32 deep, integers of 64 bits. Raises TomlMistake."""
    deep = _line_of_long_key(text)
    if deep is not None:
        raise TomlMistake(f"file: nested more than {DEEPEST} deep, at line {deep}")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlMistake(f"file: not TOML: {error}") from error
    except RecursionError:
        raise TomlMistake(f"file: nested more than {DEEPEST} deep, at line {_line_of_depth(text)}") from None
    except ValueError as error:
        found = _TOO_LONG.search(text)
        place = "" if found is None else f", at line {_line(text, found.start())}"
        raise TomlMistake(f"file: not TOML: a number that is no 64-bit integer{place}") from error
    _check(tables)
    return tables


def _check(tables: dict[str, Any]) -> None:
    """Look for what is nested too deeply, without recursion, which that would not survive."""
    left: list[tuple[str, int, Any]] = [(key, 1, value) for key, value in tables.items()]
    while left:
        path, depth, value = left.pop()
        if depth > DEEPEST:
            raise TomlMistake(f"{path}: nested more than {DEEPEST} deep")
        if isinstance(value, int) and value not in _INT64:
            raise TomlMistake(f"{path}: no 64-bit integer")
        if isinstance(value, dict):
            left += [(f"{path}.{key}", depth + 1, one) for key, one in value.items()]
        elif isinstance(value, list):
            left += [(f"{path}[{index}]", depth + 1, one) for index, one in enumerate(value)]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _line_of_long_key(text: str) -> int | None:
    """The first line with a key of more than _LONGEST_KEY parts; None: there is none."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > _LONGEST_KEY:
            bare = _QUOTED.sub("", line).partition("#")[0]
            if any(part.count(".") > _LONGEST_KEY for part in _AROUND_KEYS.split(bare)):
                return number
    return None


def _line_of_depth(text: str) -> int:
    """The first line that opens more than DEEPEST brackets; brackets in strings count too: this is for a hint."""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        for character in line:
            depth = max(0, depth + (character in "[{") - (character in "]}"))
            if depth > DEEPEST:
                return number
    return 1


def quoted(text: str) -> str:
    """A basic string of TOML, which escapes as JSON does."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
