"""A running gateway with simulated panels in this process, and commands typed against it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.loader import load_settings
from drivers.clock import SystemClock
from gateway.__main__ import main
from gateway.app import Gateway
from gateway.ops import logs
from simulators.site import SimulatedSite

VECTORS = Path(__file__).parents[1] / "vectors"
SITE = """
[site]
timezone = "Europe/Kyiv"
clock_source = "host"
[http]
port = 0
deadline_ms = 2000
[store]
path = "store.db"
[[users]]
name = "admin"
password = "right one"
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
timeout_ms = 100
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  [[lines.panels]]
  id = "meeting-room"
  model = "domat-fc013"
  unit = 2
[[bindings]]
link_id = "*"
panels = ["lobby"]
[[doors]]
id = "front"
name = "Front door"
panel = "lobby"
output = 0
number = 1
"""
WORK_WEEK = json.loads((VECTORS / "examples.json").read_text())["list_items"][8]
PERSON = {
    "link_id": "91c615e3-1040-4815-8ecb-000000000101",
    "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"},
    "identifier_type": "card",
    "identifier_number": "12345678",
    "lock": "first",
    "time_profiles": {"link_ids": [WORK_WEEK["link_id"]]},
}


@dataclass
class Day:
    """A site at work. Called with a command, it gives the status and what was said."""

    folder: Path
    simulated: SimulatedSite
    capsys: pytest.CaptureFixture[str]

    async def __call__(self, command: str, *arguments: str) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, [command, "--config", str(self.folder / "site.toml"), *arguments])
        said = self.capsys.readouterr()
        return status, said.out, said.err

    def request(self, body: Mapping[str, Any]) -> str:
        path = self.folder / "request.json"
        path.write_text(json.dumps(body))
        return str(path)

    def off(self, panel: str) -> None:
        self.simulated.panels[panel].off()

    def on(self, panel: str) -> None:
        self.simulated.panels[panel].on()


@asynccontextmanager
async def day(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Day]:
    """A site at work; its configuration and store lie in `folder`."""
    monkeypatch.setattr(logs, "configure", lambda level: None)  # the gateway's records would be the commands' words
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    config = folder / "site.toml"
    config.write_text(SITE.format(port=502))
    async with SimulatedSite(load_settings(config), tcp_port_override={"annex": 0}) as simulated:
        place = simulated.lines["annex"]
        config.write_text(SITE.format(port=place[1]))
        gateway = Gateway(load_settings(config), config, SystemClock())
        try:
            await gateway.start()
            yield Day(folder, simulated, capsys)
        finally:
            await gateway.stop()
