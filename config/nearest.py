"""The known name that somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_NAMED = 10


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that is nearest, nothing where none is near."""
    folded = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def there_are(known: Iterable[str]) -> str:
    """` (there are x, y and 3 more)`, for who has named none of them."""
    names = list(known)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f" (there are {', '.join(names[:_NAMED])}{more})" if names else ""
