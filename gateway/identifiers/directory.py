"""Apartments and call forwards: managers send them before people. They are kept and listed, and have no effect. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Apartment:
    """`address`: building, unit, floor and room, which one apartment has; None where it was sent without one."""

    link_id: str
    address: tuple[int, int, int, int] | None

    @property
    def place(self) -> object:
        """What no other of the kind has at the same time; None: nothing."""
        return self.address


@dataclass(frozen=True, slots=True)
class Forward:
    """`number`: whom calls to are forwarded, as text; one forward has it."""

    link_id: str
    number: str

    @property
    def place(self) -> object:
        """What no two forwards may share, as an apartment's address."""
        return self.number
