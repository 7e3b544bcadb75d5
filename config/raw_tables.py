"""A configuration file as it was read, mistakes of type and all: what cross-checks look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def tables(raw: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables of an array of tables with their paths."""
    entries = raw.get(key)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield f"{key}[{index}]", entry


class Once:
    """Remembers the first place of each value."""

    def __init__(self) -> None:
        self._first: dict[object, str] = {}

    def again(self, value: object, path: str) -> str | None:
        """The place where the value already is; None: it is new."""
        first = self._first.setdefault(value, path)
        return None if first == path else first
