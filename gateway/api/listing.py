"""The vendor's lists by link_id: filtered, sorted, one page, with its envelope."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api.errors import bad_value, query_mistake, shown
from gateway.api.filters import FIELDS, ExpressionError, Fields, FieldType, OrderKey, Predicate, parse_filter, parse_order
from gateway.api.responses import json_bytes
from gateway.concurrency import in_turns
from gateway.store.contract import DesiredItem

_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """`limit` items a page, pages counted from 1."""

    limit: int = 10
    page_number: int = 1
    order: tuple[OrderKey, ...] = ()
    predicate: Predicate | None = None


def read_query(query: Mapping[str, str], fields: Fields) -> ListQuery:
    """Read the query. Raises ApiError that names the parameter. Unknown parameters are ignored, unusual limits are accepted."""
    order, chosen = query.get("order_by", "").strip(), query.get("filter", "").strip()
    try:
        place = "order_by"
        keys = parse_order(order, fields) if order else ()
        place = "filter"
        predicate = parse_filter(chosen, fields) if chosen else None
    except ExpressionError as error:
        raise query_mistake(place, str(error)) from error
    return ListQuery(_count(query, "limit", 10), _count(query, "page_number", 1), keys, predicate)


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "").strip()
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise bad_value(name, "a whole number from 1", shown(text))
    return int(text)


@dataclass(frozen=True, slots=True)
class Listing:
    """How items of a kind are listed: by which `fields` of what `seen` makes of an item, with its uid or without."""

    fields: Fields
    seen: Callable[[DesiredItem], Any]
    with_uid: bool = False

    def shown(self, item: DesiredItem) -> str:
        return f'{item.body[:-1]},"uid":{item.uid}}}' if self.with_uid else item.body


def _sent(item: DesiredItem) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(item.body)
    return sent


def _text(key: str) -> FieldType:
    return FieldType("string", str, ("eq", "nq"), lambda sent: str(sent.get(key) or ""))


def _owner(sent: Mapping[str, Any]) -> str:
    return str(sent["identifier_owner"]["name"])


def _texts(*keys: str) -> dict[str, FieldType]:
    return {key: _text(key) for key in keys}


PROFILES = Listing(FIELDS, lambda item: item.content)
PEOPLE = Listing(
    {
        **_texts("identifier_number", "identifier_type", "lock", "link_id", "apartment_link_id"),
        "identifier_owner": FieldType("string", str, ("eq", "nq"), _owner),
    },
    _sent,
    with_uid=True,
)
HOMES = Listing(_texts("apartment_name", "link_id"), _sent, with_uid=True)
CALLS = Listing(_texts("forward_number", "link_id"), _sent, with_uid=True)


async def list_page(items: Sequence[DesiredItem], query: ListQuery, listing: Listing) -> bytes:
    """The response body as JSON. A page past the end has an empty list."""
    chosen = [one async for one in in_turns(items) if query.predicate is None or query.predicate(listing.seen(one))]
    for field, descending in reversed(query.order):
        chosen.sort(key=_by(listing, listing.fields[field].read), reverse=descending)
    first = (query.page_number - 1) * query.limit
    page = ",".join(map(listing.shown, chosen[first : first + query.limit]))
    return b'{"list_items":[%b],"list_option":%b}' % (page.encode(), json_bytes(_envelope(len(chosen), query, listing.fields)))


def _by(listing: Listing, read: Callable[[Any], Any]) -> Callable[[DesiredItem], Any]:
    return lambda one: read(listing.seen(one))


def _envelope(total: int, query: ListQuery, fields: Fields) -> dict[str, object]:
    return {
        "pagination": {
            "total_items": total,
            "items_limit": query.limit,
            "total_pages": -(-total // query.limit),
            "current_page": query.page_number,
        },
        "filter": {
            "available_filtering": True,
            "is_filtered": query.predicate is not None,
            "available_fields": [
                {"field_name": name, "data_type": field.data_type, "compare_operators": field.operators, "options": []}
                for name, field in fields.items()
            ],
        },
        "sort": {
            "is_sorted": bool(query.order),
            "order": "desc" if query.order and query.order[0].descending else "asc",
            "available_fields": list(fields),
        },
    }
