"""The vendor's list of time profiles by link_id: filtered, sorted, one page, with its envelope."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api.errors import bad_value, query_mistake, shown
from gateway.api.filters import FIELDS, ExpressionError, OrderKey, Predicate, parse_filter, parse_order
from gateway.api.responses import json_bytes
from gateway.concurrency import in_turns
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import DesiredItem

_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """`limit` items a page, pages counted from 1."""

    limit: int = 10
    page_number: int = 1
    order: tuple[OrderKey, ...] = ()
    predicate: Predicate | None = None


def read_query(query: Mapping[str, str]) -> ListQuery:
    """Read the query. Raises ApiError that names the parameter. Unknown parameters are ignored, unusual limits are accepted."""
    order, chosen = query.get("order_by", "").strip(), query.get("filter", "").strip()
    try:
        place = "order_by"
        keys = parse_order(order) if order else ()
        place = "filter"
        predicate = parse_filter(chosen) if chosen else None
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


async def list_page(profiles: Sequence[DesiredItem], query: ListQuery) -> bytes:
    """The response body as JSON. A page past the end has an empty list."""
    live = ((one.profile, one.body) for one in profiles if one.profile is not None)
    chosen = [one async for one in in_turns(live) if query.predicate is None or query.predicate(one[0])]
    for field, descending in reversed(query.order):
        chosen.sort(key=_by(FIELDS[field].read), reverse=descending)
    first = (query.page_number - 1) * query.limit
    items = ",".join(body for _, body in chosen[first : first + query.limit])
    return b'{"list_items":[%b],"list_option":%b}' % (items.encode(), json_bytes(_envelope(len(chosen), query)))


def _by(read: Callable[[TimeProfile], Any]) -> Callable[[tuple[TimeProfile, str]], Any]:
    return lambda one: read(one[0])


def _envelope(total: int, query: ListQuery) -> dict[str, object]:
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
                for name, field in FIELDS.items()
            ],
        },
        "sort": {
            "is_sorted": bool(query.order),
            "order": "desc" if query.order and query.order[0].descending else "asc",
            "available_fields": list(FIELDS),
        },
    }
