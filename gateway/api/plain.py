"""Items by uid on the vendor's surface: one at a time, made, shown, changed, deleted; and lists of them. All kinds alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from drivers.contract import ItemState, Reason
from gateway.api.dialects import NUMBER_TAKEN, WRONG_PROFILE, no_value, wrong_type
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.kinds import Kind, as_it_is, new_item, revised
from gateway.api.listing import list_page
from gateway.api.queries import read_query
from gateway.api.reading import read
from gateway.api.responses import json_bytes, json_response, json_text
from gateway.api.services import SERVICES, FleetService
from gateway.api.validation import object_of
from gateway.api.versions import judge_of, refuse_another, refuse_missing, tag_of
from gateway.fleet.results import Change, LinkReport
from gateway.fleet.views import RequestItem, Revision
from gateway.identifiers.own_ids import new_own_id
from gateway.store.contract import DesiredItem

_MOST_OBJECT = 512 * 1024
"""In bytes. One object reaches the loop in one piece, however many keys it has."""
_UID = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a new item."""

    uid: int


def one_object(body: bytes) -> Iterator[dict[str, Any]]:
    yield object_of(body)


async def object_in(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object. Raises ApiError."""
    (found,) = await read(request, one_object, _MOST_OBJECT)
    return found


def done() -> web.Response:
    """The answer to a command that was carried out."""
    return json_response({})


def uid_in(request: web.Request, kind: Kind, name: str = "uid") -> int:
    """The number in the path. Raises ApiError where it is none."""
    text = request.match_info[name]
    if not _UID.fullmatch(text):
        raise bad_value(name, "a whole number", shown(text), kind.unknown)
    return int(text)


def unknown(kind: Kind, uid: object) -> ApiError:
    return ApiError(400, f"{shown(uid)}: there is no such {kind.said}", vendor=kind.unknown)


def live_one(request: web.Request, kind: Kind, name: str = "uid") -> DesiredItem:
    """The item whose number is in the path. Raises ApiError."""
    uid = uid_in(request, kind, name)
    found = request.app[SERVICES].fleet.entity(kind.name, uid)
    if found is None or found.content is None:
        raise unknown(kind, uid)
    return found


async def revise(request: web.Request, kind: Kind, live: DesiredItem, change: Callable[[DesiredItem], RequestItem]) -> None:
    """Change a live item, with `If-Match` that version alone; where no panel can hold it then, it stays as it was. Raises
    ApiError."""
    fleet = request.app[SERVICES].fleet
    before: list[RequestItem] = []
    after: list[RequestItem] = []

    def changed(item: DesiredItem) -> RequestItem:
        refuse_another(request, item)
        before.append(as_it_is(item))
        after.append(change(item))
        return after[-1]

    def back(item: DesiredItem) -> RequestItem:
        return before[-1] if item.body == after[-1].body else as_it_is(item)

    (report,) = await fleet.upsert([Revision(live.key, changed)])
    refuse_missing(request, [report])
    _refuse_unkept(report, kind, live.uid)
    refusal = _held_nowhere(report)
    if refusal is not None:
        await fleet.upsert([Revision(live.key, back)])
        raise refusal


@dataclass(frozen=True, slots=True)
class Plain:
    """`shown`: how an item is shown, in lists too."""

    kind: Kind
    shown: Callable[[DesiredItem, FleetService], dict[str, Any]]

    async def create(self, request: web.Request) -> web.Response:
        asked = new_item(self.kind, await object_in(request), new_own_id())
        return json_response(await self.make(request, asked))

    async def make(self, request: web.Request, asked: RequestItem) -> Created:
        """What no panel can hold is not kept. Raises ApiError."""
        fleet = request.app[SERVICES].fleet
        (report,) = await fleet.upsert([asked])
        _refuse_unkept(report, self.kind, report.uid)
        refusal = _held_nowhere(report)
        if refusal is not None:
            await fleet.delete([asked.link_id], self.kind.name)
            raise refusal
        return Created(report.uid)

    async def show(self, request: web.Request) -> web.Response:
        live = live_one(request, self.kind)
        return json_response(self.shown(live, request.app[SERVICES].fleet), headers={"ETag": tag_of(live)})

    async def change(self, request: web.Request) -> web.Response:
        live, raw = live_one(request, self.kind), await object_in(request)
        await revise(request, self.kind, live, lambda item: revised(self.kind, item, raw))
        return done()

    async def delete(self, request: web.Request) -> web.Response:
        uid = uid_in(request, self.kind)
        if not await self.take_away(request, [uid]):
            raise unknown(self.kind, uid)
        return done()

    async def delete_many(self, request: web.Request) -> web.Response:
        """Unknown numbers are passed over."""
        body = await object_in(request)
        if "uid_items" not in body:
            raise bad_value("uid_items", "an array", "no value", no_value("uid_items"))
        uids = body["uid_items"]
        if not isinstance(uids, list):
            raise bad_value("uid_items", "an array", shown(uids), wrong_type("uid_items"))
        for index, uid in enumerate(uids):
            if not isinstance(uid, int) or isinstance(uid, bool):
                raise bad_value(f"uid_items[{index}]", "a whole number", shown(uid), wrong_type("uid_items"))
        await self.take_away(request, uids)
        return done()

    async def take_away(self, request: web.Request, uids: Iterable[int]) -> bool:
        """Whether any of them was there. Raises ApiError where a restart would bring one back."""
        fleet, once = request.app[SERVICES].fleet, tuple(dict.fromkeys(uids))
        known = [found.link_id for uid in once if (found := fleet.entity(self.kind.name, uid)) is not None]
        judge = judge_of(request, len(once))
        if judge is not None and not known:
            judge(None)
        reports = await fleet.delete(known, self.kind.name, judge) if known else ()
        if not all(report.durable for report in reports):
            raise ApiError(503, "it is taken from the panels, but the store takes no writes: a restart would bring it back")
        return any(report.change is Change.DELETED for report in reports)

    async def list(self, request: web.Request) -> web.Response:
        fleet = request.app[SERVICES].fleet
        query = read_query(request.query, self.kind.choice)

        def listed(item: DesiredItem) -> bytes:
            return json_bytes(self.shown(item, fleet))

        return json_text(await list_page(fleet.items(self.kind.name), query, self.kind.choice, listed))


def _refuse_unkept(report: LinkReport, kind: Kind, uid: int) -> None:
    match report.change:
        case Change.NUMBER_TAKEN:
            raise ApiError(400, "body.identifier_number: another identifier has this number", vendor=NUMBER_TAKEN)
        case Change.PROFILE_MISSING:
            raise ApiError(409, "body.time_profiles: one of them is not there (yet)", vendor=WRONG_PROFILE)
        case Change.NOT_FOUND:
            raise unknown(kind, uid)


def _held_nowhere(report: LinkReport) -> ApiError | None:
    """400 where no panel will ever hold it, 409 where one may later; None where any holds it or will."""
    if report.success or not report.panels or any(each.outcome is not ItemState.REFUSED for each in report.panels):
        return None
    why = "; ".join(f"{each.panel}: {each.message or (each.reason and each.reason.value)}" for each in report.panels)
    forever = all(each.reason is Reason.NOT_REPRESENTABLE for each in report.panels)
    return ApiError(400 if forever else 409, f"no panel can hold it: {why}", vendor=None if forever else "Conflict")
