"""Apartments and call forwards: managers send them before people. They are kept and listed, and have no effect. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Apartment:
    """`address`: building, unit, floor and room; None where it was sent without one."""

    link_id: str
    address: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Forward:
    """`number`: whom calls to are forwarded, as text."""

    link_id: str
    number: str
