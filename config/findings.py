"""What there is to say of a configuration: mistakes, which refuse it, and warnings, which do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Finding:
    """`place` is a key path (`lines[0].panels[2].unit`), `what` says what is there, `line` is where that stands in the file.

    `elsewhere`: not the file's text is to blame but something that it names and that is not there now. It may be there later.
    """

    place: str
    what: str
    line: int | None = None
    elsewhere: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.line is None else f"{self.place}: {self.what} (line {self.line})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that is nearest, nothing where none is near."""
    folded = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
