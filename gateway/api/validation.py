"""From a request's bytes to checked wire items; the first mistake, in the vendor's words.

The first bad item, and in it the first field in the order of the vendor's table. `detail` starts with the key path.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from gateway.api import dialects
from gateway.api.convert import time_profile
from gateway.api.errors import ApiError, bad_body
from gateway.api.models import LINK_ID, VENDOR, LinkTimeProfile
from gateway.fleet.views import RequestItem

_ITEMS_AT_ONCE = 256
"""Items checked before other requests get their turn."""

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
        raise bad_body(f"not JSON: {error}") from error


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


async def read_body(request: web.Request) -> bytes:
    """Raises ApiError where the body ends early or cannot be decompressed."""
    try:
        return await request.read()
    except web.RequestPayloadError as error:
        raise bad_body("the body does not hold what its headers say") from error
    except ConnectionError as error:
        raise bad_body("the connection ended before the body") from error


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object, whatever its content type says. Raises ApiError."""
    parsed = parse(await read_body(request))
    if not isinstance(parsed, dict):
        raise bad_body("a JSON object is wanted")
    return parsed


def array_of(body: Mapping[str, Any], key: str) -> list[Any]:
    """The array at `key`. Raises ApiError where there is none."""
    if key not in body:
        raise bad_body(f"{key}: no value", dialects.no_value(key))
    value = body[key]
    if not isinstance(value, list):
        raise bad_body(f"{key}: an array is wanted", dialects.wrong_type(key))
    return value


async def read_items(body: Mapping[str, Any]) -> tuple[RequestItem, ...]:
    """`list_items` as profiles, in order; all or an ApiError."""
    items: list[RequestItem] = []
    seen: dict[str, int] = {}
    for index, raw in enumerate(array_of(body, "list_items")):
        if index % _ITEMS_AT_ONCE == _ITEMS_AT_ONCE - 1:
            await asyncio.sleep(0)
        item = read_item(raw, seen, f"list_items[{index}]")
        seen[item.profile.link_id] = index
        items.append(item)
    return tuple(items)


def read_item(raw: object, seen: Mapping[str, int], place: str) -> RequestItem:
    """One wire item. `seen` maps the request's earlier link_ids to their index. Raises ApiError."""
    try:
        item = LinkTimeProfile.model_validate(raw, context=seen)
    except ValidationError as error:
        raise _first_mistake(error, place) from None
    return RequestItem(time_profile(item), item.model_dump_json(exclude_unset=True))


def read_link_id(raw: object, key: str, place: str) -> str:
    """A link_id in lower case. Raises ApiError that names `key` and `place`."""
    try:
        return LINK_ID.validate_python(raw, strict=True)
    except ValidationError as error:
        raise _first_mistake(error, place, key) from None


def _first_mistake(error: ValidationError, place: str, key: str = "list_items") -> ApiError:
    mistake = error.errors(include_url=False)[0]
    path = mistake["loc"]
    keys = [step for step in path if isinstance(step, str)]
    vendor, prose = _in_words(mistake, keys[-1] if keys else key)
    return bad_body(f"{''.join(_steps(place, path))}: {prose}", vendor)


def _steps(place: str, path: Sequence[str | int]) -> Iterator[str]:
    yield place
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step}"


def _in_words(mistake: ErrorDetails, key: str) -> tuple[str, str]:
    """The vendor's text and the prose for one of pydantic's errors at `key`."""
    kind, given = mistake["type"], mistake["input"]
    if kind == "missing":
        return dialects.no_value(key), "no value"
    if isinstance(given, int) and given not in _INT64:
        return dialects.wrong_type(key), "no 64-bit integer"
    if kind == VENDOR:
        return mistake["ctx"]["error"], mistake["ctx"]["prose"]
    if kind == "string_pattern_mismatch":
        return dialects.WRONG_BODY, "a UUID is wanted: 8-4-4-4-12 hexadecimal digits"
    if kind == "literal_error" and isinstance(given, str):
        return dialects.WRONG_NAME[key], mistake["msg"]
    if kind == "too_short":
        return dialects.EMPTY_SET[key], "empty"
    if kind in _RANGE_ERRORS:
        return dialects.WRONG_RANGE[key], mistake["msg"]
    return dialects.wrong_type(key), "an object is wanted" if kind == "model_type" else mistake["msg"]
