"""The kinds of items on the plain surface: from a client's body to what the fleet takes, new or as a change of what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import PydanticCustomError

from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.api import dialects, listing
from gateway.api.convert import time_profile
from gateway.api.directory_models import ApartmentItem, ForwardItem
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.filters import Choice
from gateway.api.identifier_models import IdentifierItem, in_one_form, united
from gateway.api.items import FACE, apartment_of, forward_of, identifier_of, uids_of
from gateway.api.listing import sent
from gateway.api.models import TimeProfileItem, Wire
from gateway.api.validation import checked
from gateway.fleet.views import RequestItem
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.own_ids import is_own_id
from gateway.store.contract import APARTMENT, FORWARD, Content, DesiredItem

BODY = "body"
_PARTS = ("identifier_owner", "valid", "apartment_address")
"""Objects of which a change may name a part."""
_MISREAD: Mapping[str, str] = {"lock_number": "lock", "name": "identifier_owner.name"}
"""What clients write in place of a key of an identifier: ignored, it would let in somebody else, or elsewhere."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`said`: in words. `content` makes what is asked for of a checked item and its id; `unknown`: the vendor's text for an
    unknown number."""

    name: str
    said: str
    model: type[Wire]
    content: Callable[[Any, str], Content]
    choice: Choice
    unknown: str


TIME_PROFILES = Kind(TIME_PROFILE, "time profile", TimeProfileItem, time_profile, listing.PROFILES, dialects.WRONG_PROFILE)
IDENTIFIERS = Kind(IDENTIFIER, "identifier", IdentifierItem, identifier_of, listing.IDENTIFIERS, dialects.WRONG_IDENTIFIER)
APARTMENTS = Kind(APARTMENT, "apartment", ApartmentItem, apartment_of, listing.APARTMENTS, "Wrong apartment uid")
FORWARDS = Kind(FORWARD, "call forward", ForwardItem, forward_of, listing.FORWARDS, "Wrong forward number")


def new_item(kind: Kind, raw: Mapping[str, Any], link_id: str) -> RequestItem:
    """A whole item as a client sent it, bare or in `base`. Raises ApiError."""
    return _asked(kind, _flat(kind, raw), link_id)


def revised(kind: Kind, live: DesiredItem, raw: Mapping[str, Any]) -> RequestItem:
    """A live item with what a client changes of it: what is absent stays. Raises ApiError."""
    before, change = sent(live), _flat(kind, raw)
    change = {key: value for key, value in change.items() if value is not None}
    for key in _PARTS:
        if isinstance(part := change.get(key), dict) and isinstance(old := before.get(key), dict):
            change[key] = {**old, **{name: value for name, value in part.items() if value is not None}}
    names = change.get("time_profiles")
    item = _asked(kind, {**before, **change}, live.link_id)
    if live.identifier is None or not (names is None or (live.identifier.profiles == () and _is_echo_of_never(names))):
        return item
    return naming(item, live, live.identifier.profiles)


def _is_echo_of_never(names: object) -> bool:
    """Whether it is how an identifier that opens nothing any more is shown: who sends that back does not ask for *always*."""
    return isinstance(names, dict) and "count" in names and not names.get("uid_items") and not names.get("link_ids")


def as_it_is(live: DesiredItem) -> RequestItem:
    assert live.content is not None
    item = RequestItem(live.content, live.body)
    return item if live.identifier is None else naming(item, live, live.identifier.profiles)


def naming(item: RequestItem, live: DesiredItem, profiles: tuple[str, ...] | None) -> RequestItem:
    """An identifier that names `profiles`, of which those that `live` names already need not be there any more."""
    assert isinstance(item.content, Identifier)
    assert live.identifier is not None
    before = frozenset(live.identifier.profiles or ())
    return replace(item, content=replace(item.content, profiles=profiles), uids=(), kept=before)


def _flat(kind: Kind, raw: Mapping[str, Any]) -> dict[str, Any]:
    base = raw.get("base")
    if base is not None and not isinstance(base, dict):
        raise bad_value(f"{BODY}.base", "an object", shown(base), dialects.wrong_type("base"))
    try:
        if kind is not IDENTIFIERS:
            return {key: value for key, value in united(raw, base or {}, "base").items() if key != "base"}
        flat = in_one_form(raw)
    except PydanticCustomError as error:
        facts = error.context or {}
        raise bad_value(BODY, str(facts["expected"]), "two that differ", str(facts["error"])) from error
    for key, right in _MISREAD.items():
        if key in flat:
            raise bad_value(f"{BODY}.{key}", f"{right} in its place", shown(flat[key]))
    if flat.get("identifier_type") == FACE:
        raise bad_value(f"{BODY}.identifier_type", "a type that the gateway knows (face_id_not_supported)", shown(FACE))
    return flat


def _asked(kind: Kind, flat: Mapping[str, Any], link_id: str) -> RequestItem:
    try:
        item, body = checked(kind.model, flat, {}, BODY)
    except ApiError as error:
        if kind is IDENTIFIERS and (error.vendor or "").startswith(dialects.NO_VALUE):
            raise ApiError(400, error.detail, vendor=dialects.NOT_PROVIDED) from error
        raise
    if not is_own_id(link_id):
        body = f'{{"link_id":"{link_id}",{body[1:]}'
    uids = uids_of(item) if isinstance(item, IdentifierItem) else ()
    return RequestItem(kind.content(item, link_id), body, uids)
