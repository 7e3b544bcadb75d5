"""Whose each number is. Numbers are compared as panels compare them."""

from __future__ import annotations

import json

from drivers.contract import IDENTIFIER, NumberSpace
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number, number_of
from gateway.store.contract import DesiredItem

KnownBy = tuple[NumberSpace, int, int]
"""`drivers.contract.IdentifierSlot.known_by`."""


def known_by(number: Number) -> KnownBy:
    return number.space, number.value, number.digits


class Numbers:
    """The numbers of identifiers that are live, and of those that are deleted as long as panels may have them."""

    def __init__(self) -> None:
        self._live: dict[KnownBy, str] = {}
        self._gone: dict[KnownBy, str] = {}
        self._of: dict[str, KnownBy] = {}

    def absorb(self, item: DesiredItem) -> None:
        """An item is asked for, changed or deleted."""
        if item.kind != IDENTIFIER:
            return
        self.forget(item.key)
        number = self._of[item.key] = known_by(_number(item))
        (self._gone if item.content is None else self._live)[number] = item.key

    def forget(self, key: str) -> None:
        number = self._of.pop(key, None)
        for owners in (self._live, self._gone):
            if number is not None and owners.get(number) == key:
                del owners[number]

    def live_owner(self, number: KnownBy) -> str | None:
        return self._live.get(number)

    def owner(self, number: KnownBy) -> str | None:
        """A live one before a deleted one."""
        return self._live.get(number) or self._gone.get(number)


def _number(item: DesiredItem) -> Number:
    """A tombstone's is told by the wire item it was deleted with."""
    if isinstance(item.content, Identifier):
        return item.content.number
    sent = json.loads(item.body)
    return number_of(sent["identifier_type"], sent["identifier_number"])
