"""An event as the gateway's own surface shows it, and as webhooks carry it."""

from __future__ import annotations

from gateway.store.events import SiteEvent


def shown_event(event: SiteEvent) -> dict[str, object]:
    """A JSON object: what every event has, over the facts of its kind."""
    own = {"id": event.id, "at": event.at, "kind": event.kind, "category": event.category, "panel": event.panel}
    return {**event.facts, **own}
