"""`GET /gateway/v1/hours`: when an item is open in the days to come, as asked, compiled and held; `POST /gateway/v1/openings`:
when a time profile would be open that nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from aiohttp import web

from gateway.api.errors import bad_value, shown
from gateway.api.listing import name_of
from gateway.api.plans import asked_id, asked_kind, now_at, unknown_item
from gateway.api.queries import number_in, refuse_others
from gateway.api.reading import read
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.validation import read_item, upsert_body
from gateway.compiler.calendar import Calendar
from gateway.fleet.views import HoursReport, PanelHours, RequestItem
from gateway.identifiers.own_ids import shown_link_id
from gateway.schedules.local_time import date_of, day_of, local_second

QUERY: Mapping[str, str] = {
    "link_id": "of a time profile or an identifier",
    "uid": "the same, by its number",
    "kind": "`timeprofile` where absent, or `identifier`",
    "from": "the first day, as `2026-11-30`; today where absent",
    "days": "how many days, 366 where absent, 800 at most",
    "panel": "a panel or an output, all bound ones where absent",
    "first": "panels to pass over, 0 where absent",
    "limit": "panels at most, 50 where absent, 200 at most",
}
_DAY_S = 86_400
_YEARS = range(1970, 2201)
_MOST_DAYS, _MOST_PANELS = 800, 200
_SHOWN = 20


async def hours(request: web.Request) -> web.Response:
    """Query: see `QUERY`."""
    query, fleet = request.query, request.app[SERVICES].fleet
    refuse_others(query, QUERY)
    kind = asked_kind(query)
    link_id = asked_id(query, fleet, kind)
    count, passed = number_in(query, "days", 366, _MOST_DAYS), number_in(query, "first", 0)
    places = slice(passed, passed + number_in(query, "limit", 50, _MOST_PANELS))
    report = await fleet.hours(link_id, kind, _first_day(request), count, places, query.get("panel"))
    if report is None:
        raise unknown_item(kind, link_id)
    return json_response(_said(report))


def _first_day(request: web.Request) -> int:
    """Days since 1970-01-01: the query's `from`, today where absent. Raises ApiError."""
    services, text = request.app[SERVICES], request.query.get("from")
    if text is None:
        return local_second(services.fleet.readings().zone, now_at(services, "from")) // _DAY_S
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or len(text) != len("2026-11-30") or found.year not in _YEARS:
        raise bad_value("from", "a day such as 2026-11-30", shown(text))
    return day_of(found)


def _said(report: HoursReport) -> dict[str, Any]:
    """A calendar stands in `calendars` once, however many panels have it."""
    known: dict[Calendar, int] = {}

    def number(calendar: Calendar | None) -> int | None:
        return None if calendar is None else known.setdefault(calendar, len(known))

    asked = number(report.asked)
    panels = [
        {**_result(each), "compiled": number(each.compiled), "held": number(each.held), "differs_at": _differs_at(each, report)}
        for each in report.panels
    ]
    item = report.item
    return {
        "link_id": shown_link_id(item.link_id),
        "uid": item.uid,
        "kind": item.kind,
        "name": name_of(item),
        "deleted": item.content is None,
        "from": date_of(report.first).isoformat(),
        "days": report.days,
        "zone": report.zone,
        "calendars": [_calendar(each) for each in known],
        "asked": asked,
        "panels": panels,
        "total": report.places,
    }


def _result(hours: PanelHours) -> dict[str, Any]:
    result = hours.result
    return {
        "panel": result.panel,
        "success": result.success,
        "outcome": result.outcome,
        "reason": result.reason,
        "message": result.message,
        "valid_until": result.valid_until,
        "still_grants_text": result.still_grants_text,
    }


def _differs_at(hours: PanelHours, report: HoursReport) -> str | None:
    """The first of the two that does not do what is asked of it, as `/explain` has it."""
    if hours.compiled != report.asked:
        return "compiled"
    return "held" if hours.held is not None and hours.held != hours.compiled else None


def _calendar(calendar: Calendar) -> dict[str, Any]:
    changes = [{"date": date_of(day).isoformat(), "open": plan} for day, plan in calendar.changes]
    return {"week": calendar.week, "changes": changes}


async def openings(request: web.Request) -> web.Response:
    """The body is that of an upsert of time profiles. Nothing is stored."""
    services = request.app[SERVICES]
    asked = [item for item in await read(request, partial(upsert_body, read_item)) if isinstance(item, RequestItem)]
    at = now_at(services, "at")
    found = await services.fleet.openings(asked, at, _SHOWN)
    items = [
        {
            "link_id": shown_link_id(each.link_id),
            "open": each.open,
            "openings": [{"from": start, "to": end} for start, end in each.openings],
            "more": each.more,
        }
        for each in found
    ]
    readings = services.fleet.readings()
    read_as = {"zone": readings.zone.key, "timestamps": readings.timestamp, "window": readings.window, "looper": readings.looper}
    return json_response({"at": at, **read_as, "items": items})
