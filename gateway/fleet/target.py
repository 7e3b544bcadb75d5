"""Where an item is bound: a panel, or one output of a panel. A value; its text is for answers and for the store's keys."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"(?P<panel>[^:@]+)(?::(?P<output>[0-9]{1,4}))?")


class Target(NamedTuple):
    """`output` counts from 0; None: the panel itself."""

    panel: str
    output: int | None = None

    def __str__(self) -> str:
        return self.panel if self.output is None else f"{self.panel}:{self.output}"


def read_target(name: str) -> Target | None:
    """The target that `gate` or `gate:3` names; None: the text is neither."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return Target(match["panel"], None if match["output"] is None else int(match["output"]))
