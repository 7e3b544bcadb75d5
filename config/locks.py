"""What the panel API's `lock` means at a panel: `first` and `second` are its doors in the order of their numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from config.settings import DoorSettings

Locks = Mapping[Literal["first", "second", "all"], tuple[int, ...]]
"""`first`, `second`, `all` -> outputs of one panel; empty: the panel lacks it."""


def locks_of(doors: Sequence[DoorSettings], panel: str) -> Locks:
    """To be asked where a site names doors. Those without a number belong to no lock; a panel that no door names has none."""
    numbered = sorted((door.number, door.output) for door in doors if door.panel == panel and door.number is not None)
    outputs = tuple(output for _, output in numbered)
    return {"first": outputs[:1], "second": outputs[1:2], "all": outputs}


def lock_number(doors: Sequence[DoorSettings], panel: str | None, output: int) -> int:
    """The number of the door that an output is, 0: none; where a site names no doors, panels have their outputs in order."""
    if not doors:
        return output + 1
    return next((door.number for door in doors if (door.panel, door.output) == (panel, output)), None) or 0


def not_for_profiles(doors: Sequence[DoorSettings], panel: str, output: int) -> str | None:
    """Why time profiles do not hold an output; None: they may."""
    door = next((door for door in doors if (door.panel, door.output) == (panel, output)), None)
    if door is None or door.allow_door_hold:
        return None
    return f"{panel}:{output} is the door {door.id}: time profiles hold it only with its allow_door_hold"
