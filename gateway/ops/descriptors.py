"""How many file descriptors the process may have, and how many connections that leaves room for."""

from __future__ import annotations

import contextlib
import os
import resource

ACCEPTED_AT_ONCE = 4
"""New connections in one turn of the loop: each of them takes some of everybody's time."""
_OWN = 32
"""For the store's files, host names, the process that reads large bodies, and what libraries open for a moment."""
_A_LINE = 2
"""A line's connection, and the one that replaces it."""
_LEAST = 32


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


def connections(limit: int, used: int, lines: int, wanted: int) -> int:
    """How many may be open of `limit` descriptors, beside `used` open ones and `lines` lines.

    Those of two turns of the loop may be there before the ones that make way for them are closed.
    """
    return max(_LEAST, min(wanted, limit - used - _OWN - _A_LINE * lines - 2 * ACCEPTED_AT_ONCE))
