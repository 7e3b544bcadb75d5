"""A running gateway with simulated panels in this process, and commands typed against it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.loader import load_settings
from drivers.clock import HostClock, SystemClock
from gateway.__main__ import main
from gateway.app import Gateway
from gateway.ops import logs
from gateway.release import RELEASED_AT
from simulators.site import SimulatedSite

VECTORS = Path(__file__).parents[1] / "vectors"
SITE = """
[site]
timezone = "Europe/Kyiv"
clock_source = "host"
[http]
port = 0
deadline_ms = 10000
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
  known_foreign = [0]
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
CELLAR = """
[[lines]]
id = "cellar"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
timeout_ms = 100
  [[lines.panels]]
  id = "garage"
  model = "open-access-panel"
"""
"""Another line, with a panel that nothing is bound to."""
EXAMPLES = json.loads((VECTORS / "examples.json").read_text())["list_items"]
WORK_WEEK = EXAMPLES[8]
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
    clock: HostClock
    released_at: float
    gateway: Gateway | None = None

    async def start(self) -> None:
        config = self.folder / "site.toml"
        self.gateway = Gateway(load_settings(config), config, self.clock, released_at=self.released_at)
        await self.gateway.start()

    async def stop(self) -> None:
        stopped, self.gateway = self.gateway, None
        if stopped is not None:
            await stopped.stop()

    async def until(self, panel: str, *states: str) -> None:
        """Until the panel is in one of these states."""
        async with asyncio.timeout(30):
            while True:
                seen = json.loads((await self("status", panel, "--json"))[1])["panels"][0]
                if seen["state"] in states:
                    return
                await asyncio.sleep(0.05)

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
async def day(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    cellar: bool = False,
    clock: HostClock | None = None,
    wall: Callable[[], float] = time.time,
    released_at: float = RELEASED_AT,
) -> AsyncIterator[Day]:
    """A site at work; its configuration and store lie in `folder`. `cellar`: with a second line from the beginning.

    `clock`: of the gateway's host; `wall`: the time that the panels' clocks go by; `released_at`: it believes no earlier time.
    """
    monkeypatch.setattr(logs, "configure", lambda level: None)  # the gateway's records would be the commands' words
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    config = folder / "site.toml"
    config.write_text(SITE.format(port=502) + CELLAR.format(port=503))
    async with SimulatedSite(load_settings(config), tcp_port_override={"annex": 0, "cellar": 0}, wall=wall) as simulated:
        ports = {name: int(str(place[1])) for name, place in simulated.lines.items()}
        whole = SITE.format(port=ports["annex"]) + CELLAR.format(port=ports["cellar"])
        (folder / "whole.toml").write_text(whole)
        config.write_text(whole if cellar else SITE.format(port=ports["annex"]))
        site = Day(folder, simulated, capsys, clock or SystemClock(), released_at)
        try:
            await site.start()
            yield site
        finally:
            await site.stop()
