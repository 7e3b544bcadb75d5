"""What came of a history of a whole site."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Record:
    """`lies` must stay empty."""

    lies: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    tasks: list[int] = field(default_factory=list)
    """At the same place of every gateway's life; `descriptors` likewise."""
    descriptors: list[int] = field(default_factory=list)
    most_written: dict[str, int] = field(default_factory=dict)
    """By panel: writes of the cell that was written most."""
