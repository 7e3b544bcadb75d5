"""Which items of a request are kept: one after the other, as if each were a request of its own."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace

from drivers.contract import IDENTIFIER, TIME_PROFILE, item_key
from gateway.fleet.desired import Desired
from gateway.fleet.numbers import KnownBy, known_by
from gateway.fleet.results import Change
from gateway.fleet.views import RefusedItem, RequestItem, Revision
from gateway.identifiers.directory import Apartment, Forward
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.own_ids import is_own_id
from gateway.store.contract import DesiredItem, kind_of


class Admission:
    """The admission of one request's items, on top of what is desired. `coming`: time profiles that are there by then, too."""

    def __init__(self, desired: Desired, coming: Collection[str] = ()) -> None:
        self._desired = desired
        self._coming = coming
        self._owners: dict[KnownBy, str | None] = {}
        """The owners of numbers that the items so far give or take away."""
        self._places: dict[str, dict[object, str]] = {}
        """Kind -> who has each place after the items so far."""
        self.replaced: dict[str, str] = {}
        """The items that go because another one has their place after the items so far, and which."""

    def admit(self, item: RequestItem | RefusedItem) -> RequestItem | RefusedItem:
        """The item as it is to be kept, or why nothing of it is."""
        if isinstance(item, RequestItem) and isinstance(item.content, Apartment | Forward):
            self._settle_in(item, item.content)
        if isinstance(item, RefusedItem) or not isinstance(item.content, Identifier):
            return item
        identifier = self._resolved(item.content, item)
        if identifier is None:
            return RefusedItem(item.content.link_id, Change.PROFILE_MISSING)
        if not self._takes(identifier):
            return RefusedItem(identifier.link_id, Change.NUMBER_TAKEN)
        return replace(item, content=identifier)

    def _resolved(self, identifier: Identifier, item: RequestItem) -> Identifier | None:
        """The identifier with the link_ids of profiles that it names by uid; None where one that it names anew is not there."""
        if identifier.profiles is None:
            return identifier
        by_uid = [self._desired.entity(TIME_PROFILE, uid) for uid in item.uids]
        named = {*identifier.profiles, *(found.key for found in by_uid if found is not None)}
        live = (link_id in self._desired.live or link_id in self._coming for link_id in named - item.kept)
        known = None not in by_uid and all(live)
        return replace(identifier, profiles=tuple(sorted(named))) if known else None

    def _takes(self, identifier: Identifier) -> bool:
        """Whether the number is free for it; its former number becomes free then."""
        key, number = item_key(IDENTIFIER, identifier.link_id), known_by(identifier.number)
        owner = self._owners[number] if number in self._owners else self._desired.numbers.live_owner(number)
        if owner not in (None, key):
            return False
        before: DesiredItem | None = self._desired.live.get(key)
        if before is not None and before.identifier is not None:
            self._owners[known_by(before.identifier.number)] = None
        self._owners[number] = key
        return True

    def _settle_in(self, item: RequestItem, content: Apartment | Forward) -> None:
        """An address, or a number that is forwarded, is one entity's: what is sent with it is that one, under any link_id."""
        if is_own_id(item.link_id):
            return
        self.replaced.pop(item.key, None)
        kind = kind_of(content)
        if kind not in self._places:
            self._places[kind] = {_place(each): each.key for each in self._desired.items(kind)}
        places, former = self._places[kind], _place(self._desired.live.get(item.key))
        if places.get(former) == item.key:
            del places[former]
        if content.place is not None:
            before = places.get(content.place)
            if before is not None:
                self.replaced[before] = item.key
            places[content.place] = item.key


def claims(items: Iterable[RequestItem | RefusedItem | Revision]) -> frozenset[Hashable] | None:
    """What decides about these items: their keys, and the numbers of identifiers. None: it may be anything."""
    found = set[Hashable]()
    for item in items:
        if isinstance(item, RefusedItem):
            continue
        if isinstance(item, Revision) or isinstance(item.content, Apartment | Forward):
            return None
        found.add(item.key)
        if isinstance(item.content, Identifier):
            found.add(known_by(item.content.number))
    return frozenset(found)


def _place(item: DesiredItem | None) -> object:
    """None also for an apartment that was made by its uid: that stays beside one that a management system names."""
    content = None if item is None else item.content
    if isinstance(content, Apartment) and is_own_id(content.link_id):
        return None
    return content.place if isinstance(content, Apartment | Forward) else None
