"""How items are shown on the plain surface: what was sent, byte for byte, with what the gateway knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.contract import item_key
from gateway.api.listing import ADDRESS, sent
from gateway.api.services import FleetService
from gateway.identifiers.directory import Apartment
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.contract import APARTMENT, DesiredItem

_BASE = ("identifier_owner", "identifier_type", "identifier_number", "lock")
_UNLIMITED: Mapping[str, Mapping[str, object]] = {
    "time": {"is_permanent": True, "from": 0, "to": 0},
    "passes": {"is_permanent": True, "max_passes": 0},
}
NO_REFERENCE = -1
"""What the vendor writes in place of a uid, and of the number of entries, where there is none."""


def profile(item: DesiredItem, fleet: FleetService) -> dict[str, Any]:
    """A time profile, with the identifiers that name it."""
    named = sorted(uid for key in fleet.naming(item.link_id) if (uid := fleet.uid_of(key)) is not None)
    return {**_plain(item), "identifiers": _uids(named)}


def identifier(item: DesiredItem, fleet: FleetService) -> dict[str, Any]:
    body, left = sent(item), fleet.passes_left(item)
    base = {key: body[key] for key in _BASE}
    additional = body.get("additional")
    return {
        **_ids(item),
        "identifier_uid": item.uid,
        **base,
        "base": base,
        "valid": {**_UNLIMITED, **{name: limit for name, limit in (body.get("valid") or {}).items() if limit is not None}},
        "time_profiles": profiles_of(item, fleet),
        "apartment_link_id": body.get("apartment_link_id"),
        "apartment": _apartment(body, fleet),
        "additional": {
            **(additional if isinstance(additional, dict) else {}),
            "passes_left": NO_REFERENCE if left is None else left,
        },
    }


def other(item: DesiredItem, fleet: FleetService) -> dict[str, Any]:
    """An apartment or a call forward."""
    return _plain(item)


def profiles_of(item: DesiredItem, fleet: FleetService) -> dict[str, Any]:
    """The time profiles that an identifier names, those too that are deleted."""
    body = sent(item).get("time_profiles") or {}
    named: tuple[str, ...] = () if item.identifier is None else item.identifier.profiles or ()
    uids = {uid for link_id in named if (uid := fleet.uid_of(link_id)) is not None} | {*body.get("uid_items", ())}
    link_ids = {shown for link_id in named if (shown := shown_link_id(link_id)) is not None}
    return {**_uids(sorted(uids)), "link_ids": sorted(link_ids)}


def _plain(item: DesiredItem) -> dict[str, Any]:
    return {**sent(item), **_ids(item)}


def _ids(item: DesiredItem) -> dict[str, Any]:
    return {"uid": item.uid, "link_id": shown_link_id(item.link_id)}


def _uids(uids: list[int]) -> dict[str, Any]:
    return {"uid_items": uids, "count": len(uids)}


def _apartment(body: Mapping[str, Any], fleet: FleetService) -> dict[str, Any]:
    uid, link_id = body.get("apartment_uid"), body.get("apartment_link_id")
    uid = fleet.uid_of(item_key(APARTMENT, link_id)) if uid is None and link_id is not None else uid
    found = None if uid is None else fleet.entity(APARTMENT, uid)
    content = None if found is None else found.content
    if found is None or not isinstance(content, Apartment):
        return {"uid": NO_REFERENCE, "link_id": None, "logical_address": None}
    address = None if content.address is None else dict(zip(ADDRESS, content.address, strict=True))
    return {**_ids(found), "logical_address": address}
