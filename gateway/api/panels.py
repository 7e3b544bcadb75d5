"""`/gateway/v1/panels`: desired against observed, and the operator's verbs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.contract import DOOR, split_key
from gateway.api.errors import unknown_panel
from gateway.api.queries import refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.shapes import Acted, Left, OnePanel
from gateway.concurrency import in_turns
from gateway.fleet.panel.departed import Departed
from gateway.fleet.views import PanelView
from gateway.identifiers.own_ids import is_own_id


async def all_panels(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    fleet = request.app[SERVICES].fleet
    views = [_without_items(view) async for view in in_turns(fleet.panels())]
    body = {"panels": views, "departed": [_left(each) for each in fleet.departed()], "clock": fleet.clock()}
    store = request.app[SERVICES].store
    return json_response(body if store is None else {**body, "store": store()})


async def one_panel(request: web.Request) -> web.Response:
    fleet, panel_id = request.app[SERVICES].fleet, request.match_info["panel"]
    view = fleet.panel(panel_id)
    if view is None:
        raise unknown_panel(panel_id)
    return json_response(OnePanel([view], fleet.clock()))


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
