"""The vendor's log: the events of the site in the words of a panel, filtered, sorted and paged like all its lists."""

from __future__ import annotations

from collections.abc import Mapping
from math import nextafter
from types import MappingProxyType

from aiohttp import web

from drivers.trace import who
from gateway.api.errors import bad_value, shown
from gateway.api.events import journal_of
from gateway.api.filters import Choice, FieldType
from gateway.api.listing import page_of
from gateway.api.plain import done, object_in
from gateway.api.queries import read_query
from gateway.api.responses import json_bytes, json_text
from gateway.api.services import SERVICES, told
from gateway.concurrency import in_turns
from gateway.journal.vendor_form import log_item
from gateway.store.events import Column, EventQuery

PARAMETERS = ("locale", "from", "to")
_MS_FROM = 100_000_000_000
"""A larger number of `from` and `to` is milliseconds: in seconds it would be the year 5138."""
_MOST_DIGITS = 15
_MOST = 10_000
"""Events of one page. A smaller log is answered whole, whatever the limit."""
_KEYS = ("data_types", "clear_fields")
_LOGS = ["logs"]
CHOICE = Choice(
    {
        "timestamp": FieldType.of_number(lambda event: int(event.at * 1000), "timestamp"),
        "category": FieldType.of_text(lambda event: event.category),
        "priority": FieldType.of_text(lambda event: event.priority),
    }
)
_COLUMNS: Mapping[str, Column] = MappingProxyType({"timestamp": "at", "category": "category", "priority": "priority"})
_NEWEST_FIRST: tuple[tuple[Column, bool], ...] = (("at", True),)


async def log(request: web.Request) -> web.Response:
    """The newest events first, unless an order is asked for."""
    journal = journal_of(request)
    since, until = _instant(request, "from"), _instant(request, "to", whole=True)
    said = read_query(request.query, CHOICE, PARAMETERS)
    query = EventQuery(
        since=since,
        until=until,
        chosen=said.predicate,
        order=[(_COLUMNS[name], descending) for name, descending in said.order] or _NEWEST_FIRST,
        skip=(said.page_number - 1) * said.limit,
        limit=said.limit,
    )
    total = await journal.count(query)
    if min(query.limit, total - query.skip) > _MOST:
        raise bad_value("limit", f"{_MOST} events a page at most, of which there may be many", str(query.limit))
    page = await journal.page(query)
    doors = request.app[SERVICES].doors.doors
    items = [json_bytes(log_item(event, doors)) async for event in in_turns(page)]
    return json_text(page_of(items, total, said, CHOICE))


def _instant(request: web.Request, name: str, *, whole: bool = False) -> float | None:
    """Unix seconds; `whole`: the end of the second or millisecond that is said, since events are shown without what is finer.
    Raises ApiError.
    """
    text = request.query.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise bad_value(name, "a time in Unix seconds or milliseconds", shown(text))
    unit = 1000 if int(text) >= _MS_FROM else 1
    return nextafter((int(text) + 1) / unit, 0) if whole else int(text) / unit


async def clear(request: web.Request) -> web.Response:
    """Logs only, in either dialect; what is left tells who cleared them."""
    body = await object_in(request)
    asked = [body[key] for key in _KEYS if key in body]
    if not asked or any(each != _LOGS for each in asked):
        seen = asked[0] if asked else None
        raise bad_value("body", f'{" or ".join(_KEYS)} with ["logs"], which is all that may be cleared', shown(seen))
    journal = journal_of(request)
    await journal.clear()
    journal.tell("events_cleared", **who())
    await told(request)
    return done()
