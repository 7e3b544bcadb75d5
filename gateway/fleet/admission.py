"""Which items of a request are kept: one after the other, as if each were a request of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from drivers.contract import IDENTIFIER, item_key
from gateway.fleet.desired import Desired
from gateway.fleet.numbers import KnownBy, known_by
from gateway.fleet.results import Change
from gateway.fleet.views import RefusedItem, RequestItem
from gateway.identifiers.identifier import Identifier
from gateway.store.contract import DesiredItem


class Admission:
    """The admission of one request's items, on top of what is desired."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._owners: dict[KnownBy, str | None] = {}
        """The owners of numbers that the items so far give or take away."""

    def admit(self, item: RequestItem | RefusedItem) -> RequestItem | RefusedItem:
        """The item as it is to be kept, or why nothing of it is."""
        if isinstance(item, RefusedItem) or not isinstance(item.content, Identifier):
            return item
        identifier = self._resolved(item.content, item.uids)
        if identifier is None:
            return RefusedItem(item.content.link_id, Change.PROFILE_MISSING)
        if not self._takes(identifier):
            return RefusedItem(identifier.link_id, Change.NUMBER_TAKEN)
        return replace(item, content=identifier)

    def _resolved(self, identifier: Identifier, uids: tuple[int, ...]) -> Identifier | None:
        """The identifier with the link_ids of profiles that it names by uid; None where one of them is not there."""
        if identifier.profiles is None:
            return identifier
        named = {*identifier.profiles, *self._by_uid(uids)}
        known = all(link_id is not None and link_id in self._desired.live for link_id in named)
        return replace(identifier, profiles=tuple(sorted(filter(None, named)))) if known else None

    def _by_uid(self, uids: tuple[int, ...]) -> Iterator[str | None]:
        for uid in uids:
            yield self._desired.profile_of(uid)

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
