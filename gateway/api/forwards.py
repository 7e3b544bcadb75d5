"""Call forwards by the number whose calls they forward: kept and listed, without effect. One number has one of them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.api import shown
from gateway.api.errors import ApiError, bad_value
from gateway.api.errors import shown as shown_value
from gateway.api.kinds import FORWARDS, new_item, revised
from gateway.api.plain import Plain, done, object_in, revise
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.versions import refuse_another, tag_of
from gateway.identifiers.directory import Forward
from gateway.identifiers.own_ids import own_id_of
from gateway.store.contract import DesiredItem

PLAIN = Plain(FORWARDS, shown.other)
_NUMBER = "forward_number"


async def put(request: web.Request) -> web.Response:
    """Make the one of this number, or change it."""
    raw = await object_in(request)
    number = request.match_info.get("number") or raw.get(_NUMBER)
    if not isinstance(number, int | str) or isinstance(number, bool) or number == "":
        raise bad_value(f"body.{_NUMBER}", "a number or text", shown_value(number))
    if str(raw.get(_NUMBER, number)) != str(number):
        raise bad_value(f"body.{_NUMBER}", "the number of the path", shown_value(raw[_NUMBER]))
    live = _found(request, str(number))
    if live is None:
        refuse_another(request, None)
        asked = new_item(FORWARDS, {_NUMBER: number, **raw}, own_id_of(str(number)))
        return json_response(await PLAIN.make(request, asked))
    return await _changed(request, live, raw)


async def show(request: web.Request) -> web.Response:
    live = _known(request)
    return json_response(PLAIN.shown(live, request.app[SERVICES].fleet), headers={"ETag": tag_of(live)})


async def change(request: web.Request) -> web.Response:
    return await _changed(request, _known(request), await object_in(request))


async def _changed(request: web.Request, live: DesiredItem, raw: dict[str, Any]) -> web.Response:
    await revise(request, FORWARDS, live, lambda item: revised(FORWARDS, item, raw))
    return json_response({"uid": live.uid})


async def delete(request: web.Request) -> web.Response:
    await PLAIN.take_away(request, [_known(request).uid])
    return done()


def _found(request: web.Request, number: str) -> DesiredItem | None:
    items = request.app[SERVICES].fleet.items(FORWARDS.name)
    return next((item for item in items if isinstance(item.content, Forward) and item.content.number == number), None)


def _known(request: web.Request) -> DesiredItem:
    """Raises ApiError."""
    number = request.match_info["number"]
    live = _found(request, number)
    if live is None:
        raise ApiError(400, f"{shown_value(number)}: there is no such call forward", vendor=FORWARDS.unknown)
    return live
