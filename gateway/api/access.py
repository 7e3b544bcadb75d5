"""`GET /gateway/v1/access`: who may open a door at a moment, and which doors somebody may open."""

from __future__ import annotations

from aiohttp import web

from drivers.contract import IDENTIFIER, item_key
from gateway.api.doors import door_of
from gateway.api.errors import bad_value, shown
from gateway.api.listing import name_of, sent
from gateway.api.plans import asked_id, asked_instant
from gateway.api.queries import refuse_others
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.shapes import Access, Admitted
from gateway.concurrency import in_turns
from gateway.fleet.who import Passage
from gateway.identifiers.own_ids import shown_link_id

_PERSON = ("link_id", "uid")
_KEYS = ("door", *_PERSON, "at")


async def access(request: web.Request) -> web.Response:
    """Query `door`, or `link_id` or `uid` of an identifier, or both; `at` (Unix seconds, now where absent)."""
    query, services = request.query, request.app[SERVICES]
    refuse_others(query, _KEYS)
    of_person = any(key in query for key in _PERSON)
    if "door" not in query and not of_person:
        raise bad_value("door", "a door, or the link_id or uid of an identifier", shown(None))
    doors = [door_of(request, query["door"])] if "door" in query else services.doors.doors
    person = item_key(IDENTIFIER, asked_id(query, services.fleet, IDENTIFIER)) if of_person else None
    at = asked_instant(request)
    found = await services.fleet.passages(doors, person, at)
    return json_response(Access(at, [_admitted(each) async for each in in_turns(found)]))


def _admitted(passage: Passage) -> Admitted:
    item = passage.item
    body = sent(item) if item.body else {}
    return Admitted(
        door=passage.door.id,
        link_id=shown_link_id(item.link_id),
        uid=item.uid,
        name=name_of(item),
        number=body.get("identifier_number") or "",
        through=[named for each in passage.through if (named := shown_link_id(each)) is not None],
        outcome=passage.outcome,
        asked=passage.asked,
        held=passage.held,
    )
