"""How long to wait before the next attempt. Pure."""

from __future__ import annotations

from zlib import crc32

FIRST_S = 1.0
CAP_S = 60.0
_DOUBLINGS = 10


def back_off_s(panel: str, failures: int) -> float:
    """Seconds after the n-th failure in a row: doubling up to a cap, spread by a quarter so that panels do not march in step."""
    spread = crc32(f"{panel}:{failures}".encode()) / 2**32
    return min(CAP_S, FIRST_S * 2.0 ** min(failures - 1, _DOUBLINGS)) * (0.75 + 0.5 * spread)
