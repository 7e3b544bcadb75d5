"""The known name that somebody may have meant, and how a few of many are named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_NAMED = 10


def some(names: Sequence[str], most: int, count: int = 0) -> str:
    """`lobby, gate, yard and 4 more`. `count`: of all that there are, where `names` may be the first of them only."""
    more = max(count, len(names)) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that is nearest, nothing where none is near."""
    folded = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def there_are(known: Iterable[str], most: int = _NAMED) -> str:
    """` (there are x, y and 3 more)`, for who has named none of them."""
    names = list(known)
    return f" (there are {some(names, most)})" if names else ""
