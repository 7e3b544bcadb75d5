"""Versions: `ETag` names one, `If-Match` changes that one alone, so that of two operators the second is told. A write that knows
no versions is refused with `If-Match`: it would overwrite what its caller means to keep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api.errors import ApiError, bad_value
from gateway.fleet.results import Change, LinkReport
from gateway.fleet.views import Judge, JudgeBinding, RefusedItem, RequestItem, Revision
from gateway.store.contract import DesiredItem

IF_MATCH = "If-Match"
_ANY = "*"


def tag_of(item: DesiredItem) -> str:
    """The entity tag of an item: every change of it has another one."""
    return f'"{item.uid}.{item.generation}"'


def tag_of_binding(panels: Sequence[str]) -> str:
    """The entity tag of a binding: of its panels, in their order."""
    return f'"{hashlib.sha256(chr(0).join(panels).encode()).hexdigest()[:16]}"'


def refuse_another(request: web.Request, live: DesiredItem | None) -> None:
    """412 where the caller has seen another version of the item than the present one (None: it is gone). Raises ApiError."""
    if live is None:
        _refuse(request, None, "there is no such item any more: somebody deleted it meanwhile")
    else:
        _refuse(request, tag_of(live), f"it is {tag_of(live)} now: somebody changed it meanwhile")


def _refuse_binding(request: web.Request, panels: tuple[str, ...] | None) -> None:
    if panels is None:
        _refuse(request, None, "nothing is bound here any more: the file's rules hold")
    else:
        _refuse(request, tag_of_binding(panels), f"it is bound to {', '.join(panels) or 'no panel'} now")


def _refuse(request: web.Request, now: str | None, why: str) -> None:
    asked = _asked(request)
    if asked is not None and (now is None or {now, _ANY}.isdisjoint(asked)):
        raise _changed(why, now)


def _asked(request: web.Request) -> list[str] | None:
    """The versions that the caller has seen; None: it does not say."""
    listed = request.headers.getall(IF_MATCH, None)
    return None if listed is None else [part.strip() for part in ",".join(listed).split(",")]


def judge_of(request: web.Request, count: int) -> Judge | None:
    """What lets only the version go that the caller has seen, which is of one item; None: any goes. Raises ApiError."""
    if IF_MATCH not in request.headers:
        return None
    _require_one(count)
    return partial(refuse_another, request)


def judge_of_binding(request: web.Request) -> JudgeBinding | None:
    return partial(_refuse_binding, request) if IF_MATCH in request.headers else None


def only_that_version(request: web.Request, items: list[RequestItem | RefusedItem]) -> list[RequestItem | RefusedItem | Revision]:
    """The items of an upsert; with `If-Match` the only one of them, as a change of that version. Raises ApiError."""
    if IF_MATCH not in request.headers:
        return [*items]
    _require_one(len(items))
    (asked,) = items
    if not isinstance(asked, RequestItem):
        return [asked]
    item = asked

    def revise(live: DesiredItem) -> RequestItem:
        refuse_another(request, live)
        return item

    return [Revision(item.key, revise)]


def refuse_missing(request: web.Request, reports: Sequence[LinkReport]) -> None:
    """412 where the version to be changed is of an item that is not there any more. Raises ApiError."""
    if any(report.change is Change.NOT_FOUND for report in reports):
        refuse_another(request, None)


def without_versions(handler: Handler) -> Handler:
    """A write that changes nothing of which versions are shown: 412 for a caller who names one."""

    async def checked(request: web.Request) -> web.StreamResponse:
        asked = _asked(request)
        if asked is not None and _ANY not in asked:
            raise _changed("no versions are shown of what this changes: send the request without it", None)
        return await handler(request)

    return checked


def _require_one(count: int) -> None:
    if count != 1:
        raise bad_value(IF_MATCH, "one item in the request", f"{count} of them")


def _changed(detail: str, now: str | None) -> ApiError:
    """The refusal, with the `ETag` of what is there now."""
    headers = {} if now is None else {"ETag": now}
    return ApiError(412, f"{IF_MATCH}: {detail}", code="changed_meanwhile", headers=headers)
