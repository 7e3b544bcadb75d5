"""`/gateway/v1/bindings`: which panels a link_id is for, in place of the file's rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from aiohttp import web

from drivers.contract import TIME_PROFILE
from gateway.api.errors import ApiError, bad_value, unknown_panel
from gateway.api.groups import grouped
from gateway.api.queries import flag_in, refuse_selectors
from gateway.api.reading import read
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.shapes import Binding, Bindings, BoundAlike, BoundGroup, EffectiveBinding, Unbound
from gateway.api.validation import binding_body, read_link_id
from gateway.api.versions import judge_of_binding, tag_of_binding
from gateway.concurrency import in_turns
from gateway.fleet.views import BoundItem, UnknownPanel
from gateway.identifiers.own_ids import is_own_id
from gateway.store.contract import DesiredItem

_MOST_GROUPS, _NAMED = 100, 20
"""Groups at most, and the names in one of them."""


async def all_bindings(request: web.Request) -> web.Response:
    """The bindings that were set through the API; with `effective=1` every item that has a link_id, with what it is bound to;
    with `grouped=1`, too, how many of them are bound to the same."""
    refuse_selectors(request.query)
    fleet, is_grouped = request.app[SERVICES].fleet, flag_in(request.query, "grouped")
    if not flag_in(request.query, "effective"):
        if is_grouped:
            raise bad_value("grouped", "`effective=1` beside it", "none")
        return json_response(Bindings([Binding(link_id, panels) for link_id, panels in fleet.bindings().items()]))
    bound = (each for each in fleet.bound_items() if not is_own_id(each.item.link_id))
    if is_grouped:
        return json_response(await _alike(bound))
    return json_response(
        Bindings(
            [EffectiveBinding(each.item.link_id, each.panels, each.item.kind, each.source) async for each in in_turns(bound)]
        )
    )


async def _alike(bound: Iterable[BoundItem]) -> BoundAlike:
    found = await grouped((each.item, (each.panels, each.source)) for each in bound)
    most = sorted(found.items(), key=lambda one: -len(one[1]))[:_MOST_GROUPS]
    return BoundAlike([_group(panels, source, items) for (panels, source), items in most], len(found))


def _group(panels: tuple[str, ...], source: Literal["file", "override"], items: list[DesiredItem]) -> BoundGroup:
    profiles = sum(item.kind == TIME_PROFILE for item in items)
    link_ids = [item.link_id for item in items[:_NAMED]]
    return BoundGroup(panels[:_NAMED], len(panels), source, profiles, len(items) - profiles, link_ids)


async def one_binding(request: web.Request) -> web.Response:
    link_id = _link_id(request)
    panels = request.app[SERVICES].fleet.bindings().get(link_id)
    if panels is None:
        raise _no_binding(link_id)
    return json_response(Binding(link_id, panels), headers={"ETag": tag_of_binding(panels)})


async def bind(request: web.Request) -> web.Response:
    link_id = _link_id(request)
    panels = tuple(await read(request, binding_body))
    try:
        await request.app[SERVICES].fleet.bind(link_id, panels, judge_of_binding(request))
    except UnknownPanel as error:
        raise unknown_panel(f"panels: {error.name}", status=400) from error
    return json_response(Binding(link_id, panels), headers={"ETag": tag_of_binding(panels)})


async def unbind(request: web.Request) -> web.Response:
    link_id = _link_id(request)
    if not await request.app[SERVICES].fleet.unbind(link_id, judge_of_binding(request)):
        raise _no_binding(link_id)
    return json_response(Unbound(link_id))


def _link_id(request: web.Request) -> str:
    return read_link_id(request.match_info["link_id"], "link_id", "link_id")


def _no_binding(link_id: str) -> ApiError:
    return ApiError(404, f"{link_id}: the file's rules hold, nothing is bound here", code="unknown_link_id")
