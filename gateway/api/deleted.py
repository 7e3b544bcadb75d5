"""`GET /gateway/v1/deleted`: what was deleted and panels may hold, by name."""

from __future__ import annotations

from aiohttp import web

from drivers.contract import IDENTIFIER
from gateway.api.listing import name_of, sent
from gateway.api.queries import refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.shapes import DeletedItem, DeletedItems
from gateway.concurrency import in_turns
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.contract import DesiredItem


async def all_deleted(request: web.Request) -> web.Response:
    """Each of them, until every panel that may hold it was seen without it."""
    refuse_selectors(request.query)
    return json_response(DeletedItems([_shown(item) async for item in in_turns(request.app[SERVICES].fleet.deleted())]))


def _shown(item: DesiredItem) -> DeletedItem:
    body = sent(item) if item.kind == IDENTIFIER and item.body else {}
    number = " ".join(str(body[key]) for key in ("identifier_type", "identifier_number") if body.get(key))
    return DeletedItem(item.kind, item.uid, shown_link_id(item.link_id), name_of(item), number, int(item.changed_at))
