"""An identifier: a card, a key fob, a code, a plate or a QR code, when it counts, and which doors it opens. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.identifiers.number import IdentifierType, Number

Lock = Literal["first", "second", "all"]


@dataclass(frozen=True, slots=True)
class Identifier:
    """What is asked for a person, as far as panels care; the wire item keeps owner, apartment and spelling of the number.

    It is open at an instant when `valid_from <= instant < valid_to` (Unix seconds; None: permanent), entries are left of
    `passes` (None: unlimited), and one of `profiles` is open.
    """

    link_id: str
    type: IdentifierType
    number: Number
    lock: Lock
    valid_from: int | None = None
    valid_to: int | None = None
    passes: int | None = None
    profiles: tuple[str, ...] | None = None
    """The link_ids of the time profiles it names, sorted, each once. None: it names none, and is bound to no hours. What was
    named stays named forever: empty means never."""

    def minutes(self) -> tuple[int, int] | None:
        """The first and the last whole Unix minute that its validity holds; None where it holds none.

        To be asked only where the validity is not permanent.
        """
        assert self.valid_from is not None
        assert self.valid_to is not None
        first, last = -(-self.valid_from // 60), self.valid_to // 60 - 1
        return (first, last) if first <= last else None
