"""Instants and ages as people read them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

_STEPS = ((2 * 86_400, 86_400, "d"), (2 * 3600, 3600, "h"), (120, 60, "min"))


def moment(at: float | None, zone: ZoneInfo) -> str | None:
    """`2027-07-30 00:00`, on the site's wall clock. None where there is none."""
    return None if at is None else f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"


def second(at: float, zone: ZoneInfo) -> str:
    """`2026-11-27 14:03:09`."""
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}"


def length(seconds: float) -> str:
    """`40 s`, `3 min`, `5 h`, `12 d`: whole ones, rounded down."""
    for least, unit_s, unit in _STEPS:
        if seconds >= least:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{max(0, int(seconds))} s"


def aged(at: float, now: float, zone: ZoneInfo) -> str:
    """`2026-11-27 14:03, 3 min ago`."""
    return f"{moment(at, zone)}, {length(now - at)} ago"


def now(zone: ZoneInfo) -> datetime:
    """This machine's clock, in the site's zone."""
    return datetime.now(zone)
