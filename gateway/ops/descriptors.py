"""How many file descriptors the process may have, and for how many connections they suffice."""

from __future__ import annotations

import contextlib
import os
import resource

ACCEPTED_AT_ONCE = 4
"""How many connections are accepted in one iteration of the loop: each delays everything else a little."""
_OWN = 32
"""Reserved for the store's files, host names, the process that reads large bodies, and what libraries open for a moment."""
_A_LINE = 2
"""Reserved for each line: its connection, and the one that replaces it."""
_LEAST = 32


def allowed() -> int:
    """Raise the limit of this process as far as it is allowed, and return it."""
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

    The new connections of two iterations of the loop may exist before the ones that make room for them are closed.
    """
    return max(_LEAST, min(wanted, limit - used - _OWN - _A_LINE * lines - 2 * ACCEPTED_AT_ONCE))
