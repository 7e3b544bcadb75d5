"""How many file descriptors the process may have, and how many connections that leaves room for."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass

_OWN = 32
"""For the store's files, host names, the process that reads large bodies, and what libraries open for a moment."""
_A_LINE = 2
"""A line's connection, and the one that replaces it."""
_LEAST = 32
_LARGEST_BURST = 100


@dataclass(frozen=True, slots=True)
class Share:
    """`connections` to hold open, of which `burst` may be accepted in one turn of the loop, before others are closed."""

    connections: int
    burst: int


def allowed() -> int:
    """The limit of this process, raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**31 if limit == resource.RLIM_INFINITY else limit


def in_use() -> int:
    return len(os.listdir("/proc/self/fd"))


def share(limit: int, used: int, lines: int, wanted: int) -> Share:
    """What connections may have of `limit` descriptors beside `used` open ones and `lines` lines."""
    free = limit - used - _OWN - _A_LINE * lines
    burst = max(4, min(_LARGEST_BURST, free // 4))
    return Share(max(_LEAST, min(wanted, free - 2 * burst)), burst)
