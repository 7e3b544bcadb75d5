"""How clients say which items of a list they mean: every dialect, whatever `api_version` says, also several at once.

A selector that is not known is refused, never ignored: who asks for one card and is shown all of them deletes all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from multidict import MultiMapping
from pydantic import BaseModel

from gateway.api.directory_models import ApartmentAddress, LinkApartment, LinkForward
from gateway.api.errors import ApiError, bad_value, query_mistake, shown
from gateway.api.filters import (
    Choice,
    ExpressionError,
    Fields,
    FieldType,
    OrderKey,
    Predicate,
    comparison,
    parse_filter,
    parse_order,
)
from gateway.api.identifier_models import LinkIdentifier, NamedProfiles, Owner, Passes, Valid, ValidTime
from gateway.api.models import LinkTimeProfile, RepeatFormat, RepeatOptions, TimeOptions

DEFAULT_LIMIT = 10
_PAGING: Mapping[str, str] = MappingProxyType(
    {"limit": "limit", "items_limit": "limit", "page_number": "page_number", "current_page": "page_number"}
)
_PARTS = ("filter_field", "filter_type", "filter_format", "filter_value")
_TYPES: Mapping[str, str] = MappingProxyType({"equal": "eq", "less": "lt", "more": "gt"})
_FORMATS = ("string", "integer")
_DIRECTIONS = ("asc", "desc")
PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "limit": f"items of a page, {DEFAULT_LIMIT} where absent",
        "items_limit": "the same",
        "page_number": "from 1",
        "current_page": "the same",
        "filter": "an expression, or the four parts below as one JSON object",
        "filter_field": "a field",
        "filter_type": f"one of {', '.join(_TYPES)}",
        "filter_format": f"one of {', '.join(_FORMATS)}",
        "filter_value": "what the field is compared with",
        "order_by": "fields, each with `asc` or `desc`",
        "sort_field": "a field",
        "sort_type": f"one of {', '.join(_DIRECTIONS)}",
    }
)
"""What every list takes beside its fields."""
_DIGITS = 9
_NUMBER = re.compile(r"[0-9]{1,18}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_SELECTOR = re.compile(r"(?i:(?:^|[_-])u?ids?$)|[a-z]U?Ids?$|^(?i:filter|sort|order|search|query|where|select)")
_JOINTS = re.compile(r"__|[^A-Za-z0-9_-]+")
"""What stands between a field and a part of it, or an operator: `owner.name`, `name__eq`, `name[eq]`, `date_from>`."""
_WORDS = re.compile(r"[A-Za-z0-9_-]+")
_FAMILIES = ("identifier", "apartment", "forward", "timeprofile", "linkid", "card", "owner")
_IDS = ("id", "ids", "uid", "uids", "guid", "uuid", "number", "owner")
_MODELS: tuple[type[BaseModel], ...] = (
    *(LinkTimeProfile, TimeOptions, RepeatOptions, RepeatFormat),
    *(LinkIdentifier, Owner, Valid, ValidTime, Passes, NamedProfiles),
    *(LinkApartment, ApartmentAddress, LinkForward),
)


def _plain(name: str) -> str:
    """A name as clients may write it: in any letter case, with any mark between its words."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_NAMES = frozenset(
    {_plain(field.alias or name) for model in _MODELS for name, field in model.model_fields.items()} | set(map(_plain, _IDS))
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """`limit` items a page, pages counted from 1."""

    limit: int = DEFAULT_LIMIT
    page_number: int = 1
    order: tuple[OrderKey, ...] = ()
    predicate: Predicate | None = None


def read_query(query: MultiMapping[str], choice: Choice, own: Collection[str] = ()) -> ListQuery:
    """`own`: parameters of this list that are read elsewhere. Raises ApiError that names the parameter.

    What names neither a field nor an id is ignored; unusual limits are accepted.
    """
    said = _once_each(query, choice.names, own)
    predicates = list(_predicates(said, choice))
    return ListQuery(
        _count(said, "limit", DEFAULT_LIMIT),
        _count(said, "page_number", 1),
        _order(said, choice),
        (lambda item: all(holds(item) for holds in predicates)) if predicates else None,
    )


def number_in(query: Mapping[str, str], key: str, absent: int, most: int | None = None) -> int:
    """A whole number of the query. Raises ApiError."""
    text = query.get(key, str(absent))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
    if number is None or (most is not None and not 1 <= number <= most):
        raise bad_value(key, "a whole number" if most is None else f"a number from 1 to {most}", shown(text))
    return number


def flag_in(query: Mapping[str, str], key: str) -> bool:
    """Whether a key of the query is `1`. Raises ApiError."""
    text = query.get(key, "0")
    if text not in ("0", "1"):
        raise bad_value(key, "0 or 1", shown(text))
    return text == "1"


def refuse_selectors(query: MultiMapping[str], own: Collection[str] = ()) -> None:
    """For lists that are chosen from by the `own` keys alone. Raises ApiError."""
    for key in query:
        if key not in own and _selects(key):
            raise _unknown(key, own)


def refuse_others(query: MultiMapping[str], keys: Collection[str]) -> None:
    """For paths that read every key of their query. Raises ApiError."""
    for key in query:
        if key not in keys:
            raise query_mistake(key, f"no such key, expected one of {', '.join(keys)}")
        if len(query.getall(key)) > 1:
            raise bad_value(key, "one value", "several")


def _selects(key: str) -> bool:
    """Whether a parameter may be meant to choose items, in whatever dialect."""
    named = any(_plain(part) in _NAMES for part in (key, *_JOINTS.split(key)))
    return named or _plain(key).startswith(_FAMILIES) or _SELECTOR.search(key) is not None


def _unknown(key: str, known: Collection[str]) -> ApiError:
    names = ", ".join(known)
    return bad_value(key, f"one of the fields {names}" if names else "no such selector: this list has none", shown(key))


def _once_each(query: MultiMapping[str], fields: Fields, own: Collection[str]) -> dict[str, str]:
    """What counts, by its name here: fields, and the parameters of lists."""
    names = {_plain(name): name for name in fields}
    said: dict[str, str] = {}
    for key, value in query.items():
        name = key if key in PARAMETERS or key in own else names.get(_plain(key)) if _WORDS.fullmatch(key) else None
        if name is None:
            if _selects(key):
                raise _unknown(key, fields)
            continue
        name = _PAGING.get(name, name)
        if said.setdefault(name, value) != value:
            raise bad_value(key, "one value", "several")
    return said


def _predicates(said: Mapping[str, str], choice: Choice) -> Iterator[Predicate]:
    fields = choice.fields
    text = said.get("filter", "").strip()
    if text.startswith("{"):
        yield _by_parts(_object(text), fields)
    elif text:
        yield _parsed("filter", lambda: parse_filter(text, fields))
    parts = {name: said[name] for name in _PARTS if name in said}
    if any(value.strip() for value in parts.values()):
        yield _by_parts(parts, fields)
    for name, field in choice.names.items():
        if name in said:
            yield comparison(field, "eq", _value(name, said[name], field))


def _object(text: str) -> dict[str, Any]:
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise query_mistake("filter", f"expected an expression or a JSON object, got neither ({error})") from error
    for key in parts:
        if key not in _PARTS:
            raise bad_value(f"filter.{key}", f"one of {', '.join(_PARTS)}", shown(key))
    return dict(parts)


def _by_parts(parts: Mapping[str, Any], fields: Fields) -> Predicate:
    """The filter of newer panels, as parameters of the query or as one object."""
    name = _one_of(parts, "filter_field", tuple(fields))
    field = fields[name]
    operation = _TYPES[_one_of({"filter_type": "equal", **parts}, "filter_type", tuple(_TYPES))]
    if operation not in field.operators:
        raise bad_value("filter_type", f"equal: {name} is not compared otherwise", shown(parts["filter_type"]))
    value_format = _one_of({"filter_format": "string", **parts}, "filter_format", _FORMATS)
    if "filter_value" not in parts:
        raise bad_value("filter_value", f"a value of {name}", "none")
    value = parts["filter_value"]
    if value_format == "integer" and not _INTEGER.fullmatch(str(value)):
        raise bad_value("filter_value", "an integer", shown(value))
    return comparison(field, operation, _value("filter_value", value, field))


def _one_of(parts: Mapping[str, Any], key: str, known: tuple[str, ...]) -> str:
    value = parts.get(key)
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise bad_value(key, f"one of {', '.join(known)}", "none" if value is None else shown(value))
    return value.strip().lower()


def _value(place: str, value: object, field: FieldType) -> object:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text:
        raise bad_value(place, "a value", shown(value))
    if field.value_type is not int:
        return text
    if not _INTEGER.fullmatch(text):
        raise bad_value(place, "an integer", shown(value))
    return int(text)


def _order(said: Mapping[str, str], choice: Choice) -> tuple[OrderKey, ...]:
    fields, order = choice.fields, said.get("order_by", "").strip()
    if not (said.get("sort_field", "").strip() or said.get("sort_type", "").strip()):
        return _parsed("order_by", lambda: parse_order(order, fields)) if order else ()
    if order:
        raise bad_value("sort_field", "order_by or sort_field, not both", "both")
    parts = {key: value for key in ("sort_field", "sort_type") if (value := said.get(key, "").strip())}
    direction = _one_of({"sort_type": "asc", **parts}, "sort_type", _DIRECTIONS)
    if "sort_field" in parts or not choice.names:
        name = _one_of(parts, "sort_field", tuple(fields))
    else:
        name = next(iter(choice.ids or fields))
    return (OrderKey(name, direction == "desc"),)


def _parsed(place: str, parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except ExpressionError as error:
        raise query_mistake(place, str(error)) from error


def _count(said: Mapping[str, str], name: str, default: int) -> int:
    text = said.get(name, "").strip()
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise bad_value(name, "a whole number from 1", shown(text))
    return int(text)
