"""The law of the site's time zone: noticed when it changes, and told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from gateway.fleet.clock_trust import ClockWarning, said_utc
from gateway.schedules.zones import rules_digest

LOG = logging.getLogger(__name__)
FACT = "zone"
"""The name of the store's fact that holds which rules were in force last."""
_TOLD_S = 86_400.0


class ZoneLaw:
    """`facts` are the store's."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self._stored = self._known = facts.get(FACT, "")
        self._changed_at: float | None = None
        self._zone = ""

    def follow(self, zone: ZoneInfo, now: float) -> None:
        """These rules are in force from now on (Unix seconds)."""
        self._zone, said = zone.key, f"{zone.key} {rules_digest(zone)}"
        if self._known != said and self._known.startswith(f"{zone.key} "):
            LOG.warning("the time zone has other rules, panel clocks and schedules are written anew", extra={"zone": zone.key})
            self._changed_at = now
        self._known = said

    def none_later_than(self, now: float) -> None:
        """The clock was ahead: the law changed now at the latest."""
        self._changed_at = None if self._changed_at is None else min(now, self._changed_at)

    def unsaved(self) -> str | None:
        """What the store must remember as the fact `FACT`; None: it does already."""
        return None if self._known == self._stored else self._known

    def saved(self, text: str) -> None:
        self._stored = text

    def warnings(self, now: float) -> tuple[ClockWarning, ...]:
        """What is to be told for a day."""
        if self._changed_at is None or now - self._changed_at > _TOLD_S:
            return ()
        text = f"{self._zone} has other rules since {said_utc(self._changed_at)}: panel clocks and schedules were written anew"
        return (ClockWarning("zone_rules_changed", "warning", text),)
