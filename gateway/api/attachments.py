"""What is done to one identifier by its uid: time profiles, an apartment, its entries, its picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import segno
from aiohttp import web

from gateway.api.errors import ApiError
from gateway.api.kinds import APARTMENTS, IDENTIFIERS, TIME_PROFILES, naming
from gateway.api.listing import sent
from gateway.api.plain import done, live_one, revise
from gateway.api.responses import json_bytes
from gateway.api.services import SERVICES, finish
from gateway.api.versions import refuse_another
from gateway.concurrency import in_a_thread
from gateway.fleet.views import RequestItem
from gateway.store.contract import DesiredItem

_MOST_SHOWN = 512
"""More characters make a picture that no reader reads."""
_SCALE = 8


async def attach_profile(request: web.Request) -> web.Response:
    """From now on it is open while this profile is, too; one that named none was always open, and is open only then."""
    return await _name(request, lambda named, profile: {*named, profile})


async def detach_profile(request: web.Request) -> web.Response:
    """Take a profile away. Without the last one the identifier is never open; one that names none stays always open."""
    return await _name(request, lambda named, profile: {*named} - {profile})


async def _name(request: web.Request, change: Callable[[tuple[str, ...], str], set[str]]) -> web.Response:
    live, profile = live_one(request, IDENTIFIERS, "iuid"), live_one(request, TIME_PROFILES, "tuid")

    def changed(item: DesiredItem) -> RequestItem:
        before = None if item.identifier is None else item.identifier.profiles
        after = change(before or (), profile.link_id)
        body = sent(item)
        names = body.get("time_profiles") or {}
        uids = [uid for uid in names.get("uid_items", ()) if uid != profile.uid]
        link_ids = [link_id for link_id in names.get("link_ids", ()) if link_id != profile.link_id]
        uids += [profile.uid] if profile.link_id in after else []
        if before is not None or after:
            body["time_profiles"] = {"link_ids": link_ids, "uid_items": uids}
        named = None if before is None and not after else tuple(sorted(after))
        return naming(_with(item, body), item, named)

    await revise(request, IDENTIFIERS, live, changed)
    return done()


async def attach_apartment(request: web.Request) -> web.Response:
    apartment = live_one(request, APARTMENTS, "auid")
    return await _live_in(request, {"apartment_uid": apartment.uid})


async def detach_apartment(request: web.Request) -> web.Response:
    return await _live_in(request, {})


async def _live_in(request: web.Request, home: dict[str, Any]) -> web.Response:
    live = live_one(request, IDENTIFIERS, "iuid")

    def changed(item: DesiredItem) -> RequestItem:
        rest = {key: value for key, value in sent(item).items() if key not in ("apartment_uid", "apartment_link_id")}
        profiles = None if item.identifier is None else item.identifier.profiles
        return naming(_with(item, {**rest, **home}), item, profiles)

    await revise(request, IDENTIFIERS, live, changed)
    return done()


def _with(item: DesiredItem, body: dict[str, Any]) -> RequestItem:
    assert item.content is not None
    return RequestItem(item.content, json_bytes(body).decode())


async def reset_passes(request: web.Request) -> web.Response:
    """Its entries are counted anew."""
    live = live_one(request, IDENTIFIERS)
    refuse_another(request, live)
    await finish(request, request.app[SERVICES].fleet.reset_passes(live))
    return done()


async def picture(request: web.Request) -> web.Response:
    """A QR code of its number, as PNG."""
    number = str(sent(live_one(request, IDENTIFIERS))["identifier_number"])
    if len(number) > _MOST_SHOWN:
        raise ApiError(400, f"uid: expected a number of at most {_MOST_SHOWN} characters, got {len(number)}")
    return web.Response(body=await in_a_thread(partial(_drawn, number), "picture"), content_type="image/png")


def _drawn(number: str) -> bytes:
    file = BytesIO()
    segno.make_qr(number).save(file, kind="png", scale=_SCALE)
    return file.getvalue()
