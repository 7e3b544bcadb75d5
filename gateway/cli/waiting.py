"""Waits for panels, and tells how far they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from gateway.cli.client import Running
from gateway.cli.output import note

_PATIENCE_S = 60.0
_PAUSE_S = 0.25
_SETTLED = ("in_sync", "refused", "foreign")
Panel = Mapping[str, Any]


def next_second(gateway: Running) -> tuple[int, float]:
    """The next whole second of the gateway's clock, and how far off it is: when a panel was seen is told in whole seconds."""
    at = float(gateway.get("/gateway/v1/clock")["clock"]["at"])
    return int(at) + 1, int(at) + 1 - at


def settled(
    gateway: Running, panels: Collection[str], since: int, pause: Callable[[float], None] = time.sleep
) -> Mapping[str, Panel]:
    """The panels as they are once each of them was seen from `since` on and holds all that it can, or when a minute is over."""
    until = time.monotonic() + _PATIENCE_S
    told = ""
    while True:
        there = {each["id"]: each for each in gateway.get("/gateway/v1/panels")["panels"] if each["id"] in panels}
        done = [name for name, panel in there.items() if is_settled(panel, since)]
        if len(done) == len(there) or time.monotonic() >= until:
            return there
        now = f"{len(done)} of {len(there)} panels hold all"
        if now != told and sys.stderr.isatty():
            note(now)
        told = now
        pause(_PAUSE_S)


def is_settled(panel: Panel, since: int) -> bool:
    """Whether it was seen since then and holds all that it can hold."""
    return panel["state"] in _SETTLED and not panel["pending"] and (panel["last_seen_at"] or 0) >= since
