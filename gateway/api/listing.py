"""The vendor's lists: filtered, sorted, one page, with its envelope."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from gateway.api.filters import FIELDS, Choice, Fields, FieldType
from gateway.api.queries import ListQuery
from gateway.api.responses import json_bytes
from gateway.concurrency import in_turns
from gateway.identifiers.directory import Apartment
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.contract import DesiredItem

ADDRESS = ("building", "unit", "floor", "room")


def sent(item: DesiredItem) -> dict[str, Any]:
    """The wire item."""
    parsed: dict[str, Any] = json.loads(item.body)
    return parsed


def name_of(item: DesiredItem) -> str:
    """The name that people know it by; empty where there is none."""
    if item.profile is not None:
        return item.profile.name
    body = sent(item) if item.body else {}
    return str((body.get("identifier_owner") or body).get("name") or "")


@lru_cache(maxsize=8)
def _read(body: str) -> Mapping[str, Any]:
    """A filter asks for the same item's fields as often as it has comparisons."""
    parsed: dict[str, Any] = json.loads(body)
    return MappingProxyType(parsed)


def _text(key: str) -> FieldType:
    return FieldType.of_text(lambda item: str(_read(item.body).get(key) or ""))


def _owner(item: DesiredItem) -> str:
    return str(_read(item.body)["identifier_owner"]["name"])


def _part(place: int) -> FieldType:
    return FieldType.of_number(lambda item: _address(item)[place])


def _address(item: DesiredItem) -> tuple[int, ...]:
    content = item.content
    return (content.address if isinstance(content, Apartment) else None) or (-1,) * len(ADDRESS)


def _of_content(field: FieldType) -> FieldType:
    return FieldType(field.data_type, field.value_type, field.operators, lambda item: field.read(item.content))


_IDS: Fields = {
    "uid": FieldType.of_number(lambda item: item.uid),
    "link_id": FieldType.of_text(lambda item: shown_link_id(item.link_id) or "", str.lower),
}
PROFILES = Choice({name: _of_content(field) for name, field in FIELDS.items()}, _IDS)
IDENTIFIERS = Choice(
    {
        **{key: _text(key) for key in ("identifier_number", "identifier_type", "lock")},
        "link_id": _IDS["link_id"],
        "apartment_link_id": _text("apartment_link_id"),
        "identifier_owner": FieldType.of_text(_owner),
        "identifier_uid": _IDS["uid"],
    },
    _IDS,
)
APARTMENTS = Choice(
    {
        "apartment_name": _text("apartment_name"),
        "link_id": _IDS["link_id"],
        **{name: _part(place) for place, name in enumerate(ADDRESS)},
    },
    _IDS,
)
FORWARDS = Choice({"forward_number": _text("forward_number"), "link_id": _IDS["link_id"]}, _IDS)


@dataclass(frozen=True, slots=True)
class Pagination:
    total_items: int
    items_limit: int
    total_pages: int
    current_page: int


@dataclass(frozen=True, slots=True)
class FilterField:
    field_name: str
    data_type: str
    compare_operators: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterOption:
    available_filtering: bool
    is_filtered: bool
    available_fields: list[FilterField]


@dataclass(frozen=True, slots=True)
class SortOption:
    is_sorted: bool
    order: str
    available_fields: list[str]


@dataclass(frozen=True, slots=True)
class ListOption:
    pagination: Pagination
    filter: FilterOption
    sort: SortOption


async def list_page(items: Iterable[Any], query: ListQuery, choice: Choice, shown: Callable[[Any], bytes]) -> bytes:
    """The response body as JSON. `shown` gives the JSON of one item. A page past the end has an empty list."""
    chosen = [one async for one in in_turns(items) if query.predicate is None or query.predicate(one)]
    for field, descending in reversed(query.order):
        chosen.sort(key=choice.names[field].read, reverse=descending)
    first = (query.page_number - 1) * query.limit
    page = [shown(one) async for one in in_turns(chosen[first : first + query.limit])]
    return page_of(page, len(chosen), query, choice)


def page_of(items: Iterable[bytes], total: int, query: ListQuery, choice: Choice) -> bytes:
    """The response body of one page. `items`: the JSON of each; `total`: how many there are on all pages."""
    return b'{"list_items":[%b],"list_option":%b}' % (b",".join(items), json_bytes(_envelope(total, query, choice.fields)))


def _envelope(total: int, query: ListQuery, fields: Fields) -> ListOption:
    first = query.order[0] if query.order else None
    descending = first is not None and first.descending
    known = [FilterField(name, field.data_type, field.operators) for name, field in fields.items()]
    return ListOption(
        Pagination(total, query.limit, -(-total // query.limit), query.page_number),
        FilterOption(bool(fields), query.predicate is not None, known),
        SortOption(first is not None, "desc" if descending else "asc", [*fields]),
    )
