"""A site with a panel of every shipped model, for histories in virtual time."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from config.settings import Settings

ZONE = ZoneInfo("Europe/Kyiv")
STARTS = (
    datetime(2026, 11, 4, 7, 40, tzinfo=ZONE),
    datetime(2027, 3, 27, 15, 0, tzinfo=ZONE),
    datetime(2026, 12, 31, 12, 0, tzinfo=ZONE),
    datetime(2027, 10, 30, 16, 0, tzinfo=ZONE),
)
"""Both changes of the offset among them."""
_ACCESS = "open-access-panel"
READERS = ("lobby", "gate", "vault")
TABLES = (*READERS, "hall", "room")
OUTPUTS = ("relay:1", "relay:5", "gate:7")
EVERYWHERE = (*TABLES, "relay:1", "relay:5")
LEASE_S = 60.0


def _panel(name: str, model: str, unit: int, **more: object) -> dict[str, object]:
    simulator = {"latency_ms": 20.0, "schedules": 12, "identifiers": 6, **more}
    return {"id": name, "model": model, "unit": unit, "poll_ms": 5000, "simulator": simulator}


def settings() -> Settings:
    """Panels of every shipped model, on Modbus TCP and behind a serial device server."""
    tcp: dict[str, object] = {"kind": "modbus-tcp", "host": "127.0.0.1", "drift_share": 0.005}
    lines = [
        {**tcp, "id": "west", "port": 1, "panels": [_panel("lobby", _ACCESS, 1), _panel("gate", _ACCESS, 2)]},
        {**tcp, "id": "east", "port": 2, "panels": [_panel("vault", _ACCESS, 1, busy_ms=150)]},
        {
            **tcp,
            "id": "north",
            "kind": "modbus-rtu-tcp",
            "baudrate": 57_600,
            "port": 3,
            "panels": [_panel("hall", "ge-a-series", 1), _panel("room", "domat-fc013", 2)],
        },
        {**tcp, "id": "south", "port": 4, "panels": [_panel("relay", "waveshare-relay-8ch", 1)]},
    ]
    return Settings.model_validate(
        {
            "site": {"timezone": ZONE.key},
            "http": {"deadline_ms": 5000},
            "lines": lines,
            "bindings": [{"link_id": "*", "panels": EVERYWHERE}],
        },
        strict=False,
    )
