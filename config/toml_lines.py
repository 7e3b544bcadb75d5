"""The line of a TOML file on which each key stands. The text is known to be TOML: nothing is checked here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_DOT = re.compile(r"[ \t]*(\.)?[ \t]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")|' + r"'''.*?'''(?!')|" + r""""(?:\\.|[^"\\])*"|'[^']*'""",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> Mapping[str, int]:
    """The line, from 1, of each key path (`lines[0].panels[2].unit`): of tables and of elements of arrays, too."""
    reader = _Reader(text)
    reader.read()
    return reader.lines


def line_of(place: str, lines: Mapping[str, int]) -> int | None:
    """The line of a key path, or else of the nearest table around it that stands in the file."""
    while place:
        if place in lines:
            return lines[place]
        cut = max(place.rfind("."), place.rfind("["))
        place = place[: max(cut, 0)]
    return None


@dataclass(slots=True)
class _Reader:
    text: str
    lines: dict[str, int] = field(default_factory=dict)
    _at: int = 0
    _counted_to: int = 0
    _line: int = 1
    _tables: dict[str, int] = field(default_factory=dict)
    """How many tables an array of tables has so far."""

    def read(self) -> None:
        table = ""
        self._skip()
        while self._at < len(self.text):
            if self.text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()

    def _header(self) -> str:
        begin, several = self._at, self.text.startswith("[[", self._at)
        self._at += 2 if several else 1
        self._blanks()
        *outer, last = self._keys()
        self._at = self.text.index("]", self._at) + (2 if several else 1)
        path = ""
        for key in outer:
            path = self._newest(_joined(path, key))
            self._note(path, begin)
        path = _joined(path, last)
        if several:
            self._tables[path] = self._tables.get(path, 0) + 1
            self._note(path, begin)
            path = self._newest(path)
        self._note(path, begin)
        return path

    def _newest(self, path: str) -> str:
        return f"{path}[{self._tables[path] - 1}]" if path in self._tables else path

    def _pair(self, table: str) -> None:
        begin, path = self._at, table
        for key in self._keys():
            path = _joined(path, key)
            self._note(path, begin)
        self._at = self.text.index("=", self._at) + 1
        self._skip()
        self._value(path)

    def _value(self, path: str) -> None:
        opening = self.text[self._at]
        if opening == "{":
            self._elements("}", lambda _: self._pair(path))
        elif opening == "[":
            self._elements("]", lambda index: self._element(f"{path}[{index}]"))
        else:
            found = _STRING.match(self.text, self._at) or _PLAIN.match(self.text, self._at)
            assert found is not None, "the text is TOML"
            self._at = found.end()

    def _element(self, path: str) -> None:
        self._note(path, self._at)
        self._value(path)

    def _elements(self, closing: str, read: Callable[[int], None]) -> None:
        self._at += 1
        self._skip()
        index = 0
        while self.text[self._at] != closing:
            read(index)
            index += 1
            self._skip()
            if self.text[self._at] == ",":
                self._at += 1
                self._skip()
        self._at += 1

    def _keys(self) -> list[str]:
        keys: list[str] = []
        dot: str | None = "."
        while dot:
            found = _KEY.match(self.text, self._at)
            assert found is not None, "the text is TOML"
            keys.append(_bare(found[0]))
            after = _DOT.match(self.text, found.end())
            assert after is not None, "it matches nothing, too"
            self._at, dot = after.end(), after[1]
        return keys

    def _skip(self) -> None:
        found = _BLANK.match(self.text, self._at)
        assert found is not None, "it matches nothing, too"
        self._at = found.end()

    def _blanks(self) -> None:
        while self.text[self._at] in " \t":
            self._at += 1

    def _note(self, path: str, begin: int) -> None:
        self._line += self.text.count("\n", self._counted_to, begin) if begin >= self._counted_to else 0
        self._counted_to = max(self._counted_to, begin)
        self.lines.setdefault(path, self._line)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _bare(key: str) -> str:
    """A key as it is meant, without quotes and escapes."""
    if key[0] not in "\"'":
        return key
    value: str = tomllib.loads(f"key = {key}")["key"]
    return value
