"""Reads a request's bytes into checked wire items; the first mistake, in the vendor's words.

The first bad item, and in it the first field in the order of the vendor's table. `detail` starts with the key path.
"""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from gateway.api import dialects
from gateway.api.convert import time_profile
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.models import LINK_ID, VENDOR, LinkTimeProfile, Wire
from gateway.fleet.views import RefusedItem, RequestItem

Item = TypeVar("Item", bound=Wire)
_MOST_ITEM = 64 * 1024
"""The most characters that one item may have as it is stored."""
_MOST_NAMES = 10_000
_RANGE_ERRORS = frozenset({"greater_than_equal", "less_than_equal"})
_INT64 = range(-(2**63), 2**63)


def parse(body: bytes) -> object:
    """JSON as RFC 8259 has it: no NaN, UTF-8 only (a byte order mark is skipped), bounded nesting. Raises ApiError.

    A number beyond any reader's range becomes infinite, so that only a field that counts refuses it.
    """
    text = body.removeprefix(codecs.BOM_UTF8)
    try:
        return _parsed(text)
    except (ValueError, RecursionError) as error:
        raise bad_value("not JSON", "a JSON text in UTF-8", f"something else ({error})") from error


def _parsed(text: bytes) -> object:
    try:
        parsed: object = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if "number out of range" not in str(error):
            raise
        loose = json.loads(text.decode(), parse_int=_number, parse_constant=_no_number)
        parsed = from_json(json.dumps(loose))
    return parsed


def _number(digits: str) -> float:
    return int(digits) if len(digits) <= sys.int_info.default_max_str_digits else float(digits)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def object_of(body: bytes) -> dict[str, Any]:
    """The body as a JSON object, whatever its content type. Raises ApiError."""
    parsed = parse(body)
    if not isinstance(parsed, dict):
        raise bad_value("body", "a JSON object", shown(parsed))
    return parsed


def array_of(body: Mapping[str, Any], key: str, most: int | None = None) -> list[Any]:
    """The array at `key`, of at most `most` entries. Raises ApiError where there is none."""
    if key not in body:
        raise bad_value(key, "an array", "no value", dialects.no_value(key))
    value = body[key]
    if not isinstance(value, list):
        raise bad_value(key, "an array", shown(value), dialects.wrong_type(key))
    if most is not None and len(value) > most:
        raise bad_value(key, f"an array of at most {most}", shown(value))
    return value


class ReadItem(Protocol):
    """Reads one wire item. `seen` maps the request's earlier link_ids to their index. Raises ApiError."""

    def __call__(self, raw: object, seen: Mapping[str, int], place: str) -> RequestItem | RefusedItem: ...


def items_of(body: Mapping[str, Any], read: ReadItem) -> Iterator[RequestItem | RefusedItem]:
    """`list_items`, in order. Raises ApiError at the first mistake."""
    seen: dict[str, int] = {}
    for index, raw in enumerate(array_of(body, "list_items")):
        item = read(raw, seen, f"list_items[{index}]")
        seen[item.link_id] = index
        yield item


def names_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """`panels`: panel ids, `panel:output`, `@group`, `@all`, each once. Raises ApiError."""
    names = array_of(body, "panels", _MOST_NAMES)
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise bad_value(f"panels[{index}]", "a string", shown(name))
    return tuple(dict.fromkeys(names))


def upsert_body(read: ReadItem, body: bytes) -> Iterator[RequestItem | RefusedItem]:
    """The items of an upsert. Raises ApiError, as all readers of whole bodies here do."""
    return items_of(object_of(body), read)


def delete_body(body: bytes) -> Iterator[str]:
    """The link_ids of a deletion, in order, in lower case."""
    return link_ids_of(object_of(body) if body else {})


def link_ids_of(body: Mapping[str, Any]) -> Iterator[str]:
    raws = array_of(body, "link_ids")
    return (read_link_id(raw, "link_ids", f"link_ids[{index}]") for index, raw in enumerate(raws))


def binding_body(body: bytes) -> Iterator[str]:
    return iter(names_of(object_of(body)))


def checked(model: type[Item], raw: object, seen: Mapping[str, int], place: str) -> tuple[Item, str]:
    """A wire item, and its JSON text as it is kept. Raises ApiError."""
    try:
        item = model.model_validate(raw, context=seen)
    except ValidationError as error:
        raise _first_mistake(error, place) from None
    body = item.model_dump_json(exclude_unset=True, by_alias=True)
    if len(body) > _MOST_ITEM:
        raise bad_value(place, f"at most {_MOST_ITEM} characters", f"an item of {len(body)}")
    return item, body


def read_item(raw: object, seen: Mapping[str, int], place: str) -> RequestItem:
    """A time profile; see ReadItem."""
    item, body = checked(LinkTimeProfile, raw, seen, place)
    return RequestItem(time_profile(item, item.link_id), body)


def read_link_id(raw: object, key: str, place: str) -> str:
    """A link_id in lower case. Raises ApiError that names `key` and `place`."""
    try:
        return LINK_ID.validate_python(raw, strict=True)
    except ValidationError as error:
        raise _first_mistake(error, place, key) from None


def _first_mistake(error: ValidationError, place: str, key: str = "list_items") -> ApiError:
    mistake = error.errors(include_url=False)[0]
    path = [step if isinstance(step, int) else step.removesuffix("_") for step in mistake["loc"]]  # `from` is a word of Python's
    keys = [step for step in path if isinstance(step, str)]
    vendor, expected = _in_words(mistake, keys[-1] if keys else key)
    seen = "none" if mistake["type"] == "missing" else shown(mistake["input"])
    return bad_value("".join(_steps(place, path)), expected, seen, vendor)


def _steps(place: str, path: Sequence[str | int]) -> Iterator[str]:
    yield place
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step}"


def _in_words(mistake: ErrorDetails, key: str) -> tuple[str, str]:
    """The vendor's text for one of pydantic's errors at `key`, and what is expected there."""
    kind, given = mistake["type"], mistake["input"]
    expected = mistake["msg"].removeprefix("Input should be ")
    if kind == "missing":
        return dialects.no_value(key), "a value"
    if isinstance(given, int) and given not in _INT64:
        return dialects.wrong_type(key), "a 64-bit integer"
    if kind == VENDOR:
        return mistake["ctx"]["error"], mistake["ctx"]["expected"]
    if kind == "string_pattern_mismatch":
        return dialects.WRONG_BODY, "a UUID of 8-4-4-4-12 hexadecimal digits"
    if kind == "literal_error" and isinstance(given, str):
        return dialects.WRONG_NAME.get(key, dialects.WRONG_BODY), expected
    if kind == "too_short":
        return dialects.EMPTY_SET[key], "at least one entry"
    if kind in _RANGE_ERRORS:
        return dialects.WRONG_RANGE.get(key, dialects.WRONG_BODY), f"a number {expected}"
    return dialects.wrong_type(key), "an object" if kind == "model_type" else expected
