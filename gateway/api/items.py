"""Reads raw items for the fleet: identifiers, apartments, forwards, or any. The first mistake, in the vendor's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.nearest import did_you_mean
from gateway.api import dialects
from gateway.api.directory_models import ApartmentItem, ForwardItem, LinkApartment, LinkForward
from gateway.api.errors import bad_value, query_mistake
from gateway.api.identifier_models import IdentifierItem, LinkIdentifier, NamedProfiles, Passes, ValidTime
from gateway.api.models import LinkItem
from gateway.api.validation import checked, items_of, link_ids_of, names_of, object_of, read_item
from gateway.fleet.results import Change
from gateway.fleet.views import Deletion, RefusedItem, RequestItem
from gateway.identifiers.directory import Apartment, Forward
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import number_of

FACE = "face_id"
_READ = frozenset({"list_items", "link_ids", "panels"})
_PASSED_OVER = frozenset({"list_option", "list_options", "List_options"})
"""Keys of a list that was read: without effect."""


def plan_body(body: bytes) -> Iterator[RequestItem | RefusedItem | Deletion | tuple[str, ...] | None]:
    """The panels in place of the bindings (None: the bindings count), then the items and the deletions. Raises ApiError."""
    asked = object_of(body)
    yield names_of(asked) if "panels" in asked else None
    yield from changes_of(asked)


def changes_of(body: Mapping[str, Any]) -> Iterator[RequestItem | RefusedItem | Deletion]:
    """The items of `list_items`, then the deletions of `link_ids`, each once; one of the two has to be there. Raises ApiError."""
    _refuse_misspelt(body)
    if "link_ids" not in body:
        if "list_items" not in body:
            raise bad_value("list_items", "an array, here or at `link_ids`", "no value", dialects.no_value("list_items"))
        yield from items_of(body, read_any)
        return
    if body.get("panels") is not None:
        raise query_mistake("panels", "not beside `link_ids`: a deletion concerns every panel that holds the item")
    made = set[str]()
    for item in items_of(body, read_any) if "list_items" in body else ():
        made.add(item.link_id)
        yield item
    for index, link_id in enumerate(link_ids := list(link_ids_of(body))):
        if link_id in made:
            raise bad_value(f"link_ids[{index}]", "none that `list_items` makes or changes", link_id)
    yield from map(Deletion, dict.fromkeys(link_ids))


def _refuse_misspelt(body: Mapping[str, Any]) -> None:
    """Refuse a key that nobody reads and that is nearly one that counts: what it asks for would not be done. Raises ApiError."""
    for key in body.keys() - _READ - _PASSED_OVER:
        if near := did_you_mean(key, _READ):
            raise bad_value(key, ", ".join(f"`{each}`" for each in sorted(_READ)), f"a key that is not read{near}")


def read_any(raw: object, seen: Mapping[str, int], place: str) -> RequestItem | RefusedItem:
    """An identifier, or else a time profile; as all readers here, see `validation.ReadItem`."""
    is_identifier = isinstance(raw, dict) and "identifier_type" in {**_base(raw), **raw}
    return read_identifier(raw, seen, place) if is_identifier else read_item(raw, seen, place)


def read_identifier(raw: object, seen: Mapping[str, int], place: str) -> RequestItem | RefusedItem:
    """A face is told from all others first: the gateway knows none, and keeps nothing of it."""
    if isinstance(raw, dict) and FACE in (raw.get("identifier_type"), _base(raw).get("identifier_type")):
        return RefusedItem(checked(LinkItem, raw, seen, place)[0].link_id, Change.FACES_NOT_SUPPORTED)
    item, body = checked(LinkIdentifier, raw, seen, place)
    return RequestItem(identifier_of(item, item.link_id), body, uids_of(item))


def read_apartment(raw: object, seen: Mapping[str, int], place: str) -> RequestItem:
    item, body = checked(LinkApartment, raw, seen, place)
    return RequestItem(apartment_of(item, item.link_id), body)


def read_forward(raw: object, seen: Mapping[str, int], place: str) -> RequestItem:
    item, body = checked(LinkForward, raw, seen, place)
    return RequestItem(forward_of(item, item.link_id), body)


def apartment_of(item: ApartmentItem, link_id: str) -> Apartment:
    address = item.apartment_address
    return Apartment(link_id, None if address is None else (address.building, address.unit, address.floor, address.room))


def forward_of(item: ForwardItem, link_id: str) -> Forward:
    return Forward(link_id, str(item.forward_number))


def uids_of(item: IdentifierItem) -> tuple[int, ...]:
    return tuple(dict.fromkeys(item.time_profiles.uid_items))


def identifier_of(item: IdentifierItem, link_id: str) -> Identifier:
    valid = item.valid
    time, passes = (None, None) if valid is None else (valid.time, valid.passes)
    start, end = _span(time)
    return Identifier(
        link_id=link_id,
        type=item.identifier_type,
        number=number_of(item.identifier_type, item.identifier_number),
        lock=item.lock,
        valid_from=start,
        valid_to=end,
        passes=_allowed(passes),
        profiles=_named(item.time_profiles),
    )


def _span(time: ValidTime | None) -> tuple[int | None, int | None]:
    if time is None or time.is_permanent:
        return None, None
    assert isinstance(time.from_, int)
    assert isinstance(time.to, int)
    return time.from_, time.to


def _allowed(passes: Passes | None) -> int | None:
    if passes is None or passes.is_permanent:
        return None
    return passes.max_passes if isinstance(passes.max_passes, int) else 0


def _named(profiles: NamedProfiles) -> tuple[str, ...] | None:
    """None only where it names none; those it names by uid are added when they are known."""
    return tuple(sorted(set(profiles.link_ids))) if profiles.link_ids or profiles.uid_items else None


def _base(raw: Mapping[str, object]) -> Mapping[str, object]:
    base = raw.get("base")
    return base if isinstance(base, dict) else {}
