"""A zone's rules, apart from its name: the same name may mean other rules after an update of the time zone database."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo

from gateway.release import RELEASED_AT
from gateway.schedules.local_time import DAY_S, changes_between, offset_at

_FIRST = int(RELEASED_AT) - 366 * DAY_S
_LAST = int(datetime(2060, 1, 1, tzinfo=UTC).timestamp())
"""Every horizon of a trusted clock lies between these. They are constants: the passing of time changes no digest."""


@lru_cache(maxsize=64)
def rules_digest(zone: ZoneInfo) -> str:
    """The same for two zones that have the same offsets from a year before this release on, up to the year 2060."""
    changes = [(change.instant, change.after) for change in changes_between(zone, _FIRST, _LAST)]
    return sha256(repr((offset_at(zone, _FIRST), changes)).encode()).hexdigest()[:16]


def newest(zone: ZoneInfo) -> ZoneInfo:
    """`zone` itself, or another of its name where the time zone database has other rules for it by now.

    Reads files. Raises ZoneInfoNotFoundError, OSError, and ValueError where they are no such database.
    """
    fresh = ZoneInfo.no_cache(zone.key)
    return zone if rules_digest(fresh) == rules_digest(zone) else fresh
