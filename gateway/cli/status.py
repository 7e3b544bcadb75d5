"""`panel-gateway status`: what is desired and what the panels hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from gateway.cli.client import running
from gateway.cli.clock import clock_lines
from gateway.cli.options import Asked
from gateway.cli.output import counted, say, say_json
from gateway.cli.tables import table

_STATUS = (
    *("id", "line", "state", "availability"),
    *("desired", "held", "pending", "refused", "lag_s", "clock_drift_ms", "last_error"),
)
_ITEMS = ("link_id", "desired_generation", "held_generation", "outcome", "valid_until", "reason", "still_grants_text")


def _named(item: Mapping[str, object]) -> object:
    """An item that was made without a link_id goes by its kind and number."""
    return item["link_id"] or f"{item['kind']} {item['uid']}"


def _shown(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def _store_lines(store: Mapping[str, Any] | None) -> Iterator[str]:
    """What is to be known of the store; nothing where all is well."""
    if store is not None and store["doubt"]:
        yield f"the store is not trusted, nothing is opened: {store['doubt']} (`restore FILE` or `trust-store`)"
    if store is not None and store["not_durable"]:
        yield f"deletions that the store has not taken yet, a restart would forget them: {store['not_durable']}"


def _looked(panel: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """What was found when every word of a panel was looked at, and how long that took."""
    look, drift = panel.get("full_look"), panel.get("last_drift")
    if look is not None and look["reached_h"] is not None:
        yield f"{panel['id']}: every word it holds was read within {look['reached_h']:g} h; the aim is {look['aim_h']:g} h"
    if drift is not None:
        when = datetime.fromtimestamp(drift["at"], zone)
        yield from (f"{panel['id']}: found at {when:%Y-%m-%d %H:%M:%S}: {change}" for change in drift["changes"])


def status(asked: Asked, panel: str | None) -> int:
    """`panel` None: all."""
    gateway = running(asked)
    body = gateway.get("/gateway/v1/panels" + (f"/{quote(panel, safe='')}" if panel else ""))
    if asked.as_json:
        say_json(body)
        return 0
    panels = body["panels"]
    told = [*clock_lines(body["clock"]), *_store_lines(body.get("store"))]
    sys.stderr.write("".join(f"{line}\n" for line in told))
    say(table([("panel", *_STATUS[1:]), *([_shown(panel[key]) for key in _STATUS] for panel in panels)]))
    warnings = [text for panel in panels for text in _looked(panel, gateway.zone)]
    warnings += [f"{panel['id']}: {text}" for panel in panels for text in panel["warnings"]]
    warnings += [
        f"{left['id']}: no longer configured, may hold {counted(len(left['link_ids']), 'item')}: "
        f"`panel-gateway forget {left['id']}`"
        for left in body.get("departed", ())
    ]
    if warnings:
        say("\n" + "\n".join(warnings))
    items = [item for panel in panels for item in panel.get("items", ())]
    if items:
        say("\n" + table([_ITEMS, *([_named(item), *(item[key] for key in _ITEMS[1:])] for item in items)]))
    return 0
