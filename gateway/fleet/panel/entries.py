"""How many entries people with a limited number of them have had on one panel: a slot that goes takes none with it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from drivers.contract import NumberSpace, PanelImage, is_identifier
from gateway.fleet.numbers import KnownBy, known_by
from gateway.identifiers.identifier import Identifier
from gateway.store.codec import Codec, read_fact

FACT = "entries"
"""The durable fact of a panel that keeps `Spent`."""

Spent = Mapping[str, tuple[KnownBy, int]]
"""Identifier -> its number, and the entries it had in slots that are gone, less those that its slot had counted when they were
forgiven."""


_KEPT: Codec[Mapping[str, tuple[NumberSpace, int, int, int]]] = Codec(Mapping[str, tuple[NumberSpace, int, int, int]], FACT)


def text_of(spent: Spent) -> str:
    return _KEPT.encode({key: (*number, count) for key, (number, count) in spent.items()})


def spent_of(panel: str, text: str | None) -> Spent:
    """Raises StoreDamaged."""
    kept = {} if text is None else read_fact(_KEPT, panel, text)
    return {key: ((space, number, digits), count) for key, (space, number, digits, count) in kept.items()}


def limited(image: PanelImage, keys: Collection[str]) -> dict[int, str]:
    """The slots in which the panel counts entries, and whose they are."""
    if not image.identifiers:
        return {}
    return {
        number: key
        for key in keys
        if is_identifier(key)
        for number in image.allocation.get(key, ())
        if number in image.identifiers and image.identifiers[number].passes is not None
    }


def losing(before: PanelImage, after: PanelImage, keys: Collection[str]) -> dict[int, str]:
    """The slots of these identifiers whose count of entries ends: a panel counts on while number and slot stay."""
    return {
        number: key
        for number, key in limited(before, keys).items()
        if number not in after.identifiers or after.identifiers[number].known_by != before.identifiers[number].known_by
    }


def added(spent: Spent, image: PanelImage, slots: Mapping[int, str], counts: Mapping[int, int]) -> Spent:
    """The entries so far, with those that were had in these slots."""
    found = dict(spent)
    for number, key in slots.items():
        known_by = image.identifiers[number].known_by
        had = found.get(key)
        before = had[1] if had is not None and had[0] == known_by else 0
        found[key] = (known_by, before + counts.get(number, 0))
    return found


def forgiven(spent: Spent, key: str, identifier: Identifier, counted: int) -> Spent:
    """An identifier counts as one that had none so far, though its slot has `counted` them."""
    return {**spent, key: (known_by(identifier.number), -counted)}


def without_entries(image: PanelImage, slots: Mapping[int, str]) -> PanelImage:
    """The image with nobody let in by these slots any more; it is no generation of anything."""
    keys = set(slots.values())
    emptied = {number: replace(image.identifiers[number], passes=0) for number in slots}
    return replace(
        image,
        identifiers={**image.identifiers, **emptied},
        generations={key: generation for key, generation in image.generations.items() if key not in keys},
        outcomes={key: outcome for key, outcome in image.outcomes.items() if key not in keys},
    )
