"""A gateway as it is served, over one simulated panel with readers: real HTTP, SQLite, drivers and sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from config.settings import (
    BindingSettings,
    DoorSettings,
    HttpSettings,
    ModbusTcpLine,
    Settings,
    SiteSettings,
    StoreSettings,
    UserSettings,
)
from drivers.clock import SystemClock
from gateway.app import Gateway
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.api_server import BASIC, Answer

ZONE = "Europe/Kyiv"
_LINE = {
    "id": "line",
    "kind": "modbus-tcp",
    "host": "127.0.0.1",
    "port": 0,
    "panels": [{"id": "lobby", "model": "open-access-panel"}],
}


@dataclass
class WholeSite:
    """Requests carry Basic credentials unless told otherwise."""

    url: str
    session: aiohttp.ClientSession
    panel: OpenAccessPanel
    simulated: SimulatedSite

    async def call(self, method: str, path: str, body: object = None, authorization: str | None = BASIC) -> Answer:
        """`body`: bytes as they are, None for none, anything else as JSON."""
        headers = {} if authorization is None else {"Authorization": authorization}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            return Answer(response.status, response.headers, (await response.read()).decode("utf-8", "replace"))

    async def done(self, method: str, path: str, body: object = None) -> Any:
        """The body of an answer that is 200 and JSON."""
        answer = await self.call(method, path, body)
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.text}"
        assert answer.headers["Content-Type"].startswith("application/json")
        return answer.json

    async def in_sync(self) -> None:
        """Wait until the panel was looked at and holds what it has to."""
        await self.until_shown("state", "in_sync")

    async def until_shown(self, field: str, value: str) -> None:
        """Wait until the panel's view says so."""
        async with asyncio.timeout(30):
            while (await self.done("GET", "/gateway/v1/panels/lobby"))["panels"][0][field] != value:
                pass


@asynccontextmanager
async def whole_site(
    folder: Path, *, bound: bool = True, deadline_ms: int = 10_000, doors: Sequence[DoorSettings] = ()
) -> AsyncIterator[WholeSite]:
    """`bound`: everything is for the panel; else the gateway keeps it for itself."""
    line = ModbusTcpLine.model_validate(_LINE, strict=False)
    settings = Settings(lines=(line,))
    async with SimulatedSite(settings) as simulated:
        place = simulated.lines["line"]
        assert isinstance(place, tuple)
        panel = simulated.panels["lobby"]
        assert isinstance(panel, OpenAccessPanel)
        gateway = Gateway(
            Settings(
                site=SiteSettings(name="Lab", timezone=ZONE),
                http=HttpSettings(port=0, deadline_ms=deadline_ms),
                store=StoreSettings(path=folder / "gateway.db"),
                users=(UserSettings(name="admin", password="123456"),),
                lines=(line.model_copy(update={"host": place[0], "port": place[1]}),),
                bindings=(BindingSettings(link_id="*", panels=("@all",)),) if bound else (),
                doors=tuple(doors),
            ),
            None,
            SystemClock(),
            released_at=0,
        )
        url = await gateway.start()
        try:
            async with aiohttp.ClientSession() as session:
                yield WholeSite(url, session, panel, simulated)
        finally:
            await gateway.stop()
