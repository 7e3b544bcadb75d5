"""`/gateway/v1/panels`: desired against observed, and the operator's verbs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.contract import DOOR, ItemState, item_key, split_key
from gateway.api.errors import bad_value, shown, unknown_panel
from gateway.api.listing import name_of
from gateway.api.queries import number_in, refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES, FleetService
from gateway.api.shapes import Acted, Left, OnePanel
from gateway.concurrency import in_turns
from gateway.fleet.panel.departed import Departed
from gateway.fleet.views import ItemView, NumberedView, PanelView, kind_of_view
from gateway.identifiers.own_ids import is_own_id

ONE_PANEL: Mapping[str, str] = {
    "items": "`all` where absent, or `lacking`: those that it does not hold as asked, with their names and how many there are",
    "first": "items to pass over, 0 where absent; of `lacking` ones",
    "limit": "items at most, 100 where absent, 1000 at most; of `lacking` ones",
}
_MOST_ITEMS = 1000


async def all_panels(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    fleet = request.app[SERVICES].fleet
    views = [_without_items(view) async for view in in_turns(fleet.panels())]
    body = {"panels": views, "departed": [_left(each) for each in fleet.departed()], "clock": fleet.clock()}
    store = request.app[SERVICES].store
    return json_response(body if store is None else {**body, "store": store()})


async def one_panel(request: web.Request) -> web.Response:
    """Query: see `ONE_PANEL`."""
    query, fleet, panel_id = request.query, request.app[SERVICES].fleet, request.match_info["panel"]
    wanted = query.get("items", "all")
    if wanted not in ("all", "lacking"):
        raise bad_value("items", "`all` or `lacking`", shown(wanted))
    first, limit = number_in(query, "first", 0), number_in(query, "limit", 100, _MOST_ITEMS)
    view = fleet.panel(panel_id)
    if view is None:
        raise unknown_panel(panel_id)
    if wanted == "all":
        return json_response(OnePanel([view], fleet.clock()))
    lacking = [item for item in view.items if _is_lacking(item)]
    items = [_named(fleet, item) for item in lacking[first : first + limit]]
    return json_response({"panels": [{**_without_items(view), "items": items, "lacking": len(lacking)}], "clock": fleet.clock()})


def _is_lacking(item: ItemView) -> bool:
    """Whether the panel does not hold it as it is asked for, or holds what is to be removed."""
    return item.desired_generation is None or item.outcome in (ItemState.PENDING, ItemState.REFUSED)


def _named(fleet: FleetService, item: ItemView) -> dict[str, Any]:
    """An item with what people know it by."""
    kind = kind_of_view(item)
    uid = item.uid if isinstance(item, NumberedView) else fleet.uid_of(item_key(kind, item.link_id or ""))
    known = None if uid is None else fleet.entity(kind, uid)
    return {**asdict(item), "kind": kind, "uid": uid, "name": "" if known is None else name_of(known)}


def verb(action: str) -> Handler:
    """An operator's verb: 202, the work continues in the background; 409 where it has no meaning now."""
    return partial(_act, action)


async def _act(action: str, request: web.Request) -> web.Response:
    fleet, panel_id = request.app[SERVICES].fleet, request.match_info["panel"]
    verbs: dict[str, Callable[[str], Awaitable[None]]] = {
        "sync": fleet.sync,
        "reinit": fleet.reinit,
        "retry": fleet.retry,
        "accept": fleet.accept_slots if request.query.get("slots") == "true" else fleet.accept,
        "erase": fleet.erase,
        "forget": fleet.forget,
    }
    await verbs[action](panel_id)
    return json_response(Acted(panel_id, action), status=202)


def _left(panel: Departed) -> Left:
    named = [link_id for kind, link_id in map(split_key, panel.holds) if kind != DOOR]
    link_ids = {link_id for link_id in named if not is_own_id(link_id)}
    return Left(panel.id, panel.kind[0], panel.serial, sorted(link_ids))


def _without_items(view: PanelView) -> dict[str, Any]:
    shown = asdict(view)
    del shown["items"]
    return shown
