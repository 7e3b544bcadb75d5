"""Versions of items: `ETag` names one, `If-Match` changes that one alone, so that of two operators the second is told."""

from __future__ import annotations

from aiohttp import web

from gateway.api.errors import ApiError, bad_value
from gateway.fleet.results import Change, LinkReport
from gateway.fleet.views import RefusedItem, RequestItem, Revision
from gateway.store.contract import DesiredItem

IF_MATCH = "If-Match"


def tag_of(item: DesiredItem) -> str:
    """The entity tag of an item: every change of it has another one."""
    return f'"{item.uid}.{item.generation}"'


def refuse_another(request: web.Request, live: DesiredItem) -> None:
    """412 where the caller has seen another version of the item than the present one. Raises ApiError."""
    asked = request.headers.get(IF_MATCH)
    if asked is not None and {tag_of(live), "*"}.isdisjoint(part.strip() for part in asked.split(",")):
        raise _changed(f"it is {tag_of(live)} now: somebody changed it meanwhile")


def only_that_version(request: web.Request, items: list[RequestItem | RefusedItem]) -> list[RequestItem | RefusedItem | Revision]:
    """The items of an upsert; with `If-Match` the only one of them, as a change of that version. Raises ApiError."""
    if IF_MATCH not in request.headers:
        return [*items]
    (item,) = items if len(items) == 1 else (None,)
    if not isinstance(item, RequestItem):
        raise bad_value(IF_MATCH, "one item in the request", f"{len(items)} of them")
    asked = item

    def revise(live: DesiredItem) -> RequestItem:
        refuse_another(request, live)
        return asked

    return [Revision(item.key, revise)]


def refuse_missing(request: web.Request, reports: tuple[LinkReport, ...]) -> None:
    """412 where the version to be changed is of an item that is not there any more. Raises ApiError."""
    if IF_MATCH in request.headers and any(report.change is Change.NOT_FOUND for report in reports):
        raise _changed("there is no such item any more: somebody deleted it meanwhile")


def _changed(detail: str) -> ApiError:
    return ApiError(412, f"{IF_MATCH}: {detail}", code="changed_meanwhile")
