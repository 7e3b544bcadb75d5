"""Text of others for a terminal or a log: what moves the cursor, ends the line, turns it around or is no text is only shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_LINE_ENDS = (0x2028, 0x2029)
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SURROGATES = range(0xD800, 0xE000)
_SHOWN: Mapping[int, str] = MappingProxyType(
    {code: f"\\u{code:04x}" for code in (*_CONTROLS, *_LINE_ENDS, *_DIRECTIONS, *_SURROGATES)}
)
"""Escapes of JSON, so that a line of JSON says the same as before."""


def harmless(text: str) -> str:
    """One line that a terminal only shows."""
    return text if text.isprintable() else text.translate(_SHOWN)


def harmless_values(value: Any) -> Any:
    """Decoded JSON with every string in it, keys too, as `harmless` makes them."""
    match value:
        case str():
            return harmless(value)
        case list():
            return [harmless_values(each) for each in value]
        case dict():
            return {harmless(key): harmless_values(each) for key, each in value.items()}
    return value
