"""A changed configuration reaches the doors and those who are told of events, while the gateway serves."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from config.loader import load_settings
from config.settings import ModbusTcpLine, Settings
from drivers.clock import SystemClock
from gateway.app import Gateway
from gateway.journal import manager, outbox
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.api_server import BASIC
from tests.support.whole_site import WholeSite
from tests.unit.test_manager import SERVER, managing
from tests.unit.test_webhooks import SECRET, serving

FRONT = '[[doors]]\nid = "front"\npanel = "lobby"\noutput = {output}\nnumber = 1\n'
SITE = """
[http]
port = 0
[[users]]
name = "admin"
password = "123456"
[[lines]]
id = "line"
kind = "modbus-tcp"
host = "{host}"
port = {port}
[[lines.panels]]
id = "lobby"
model = "open-access-panel"
"""


@dataclass
class Site(WholeSite):
    """`base`: what its configuration has without doors and receivers."""

    config: Path
    base: str

    def write(self, *parts: str) -> None:
        self.config.write_text("\n".join((self.base, *parts)))

    async def reload(self, *parts: str) -> list[str]:
        self.write(*parts)
        changes: list[str] = (await self.done("POST", "/gateway/v1/reload"))["changes"]
        return changes

    def open_outputs(self) -> list[int]:
        return [number for number, on in enumerate(self.panel.outputs()) if on]


@asynccontextmanager
async def served(folder: Path, *parts: str) -> AsyncIterator[Site]:
    panels = [{"id": "lobby", "model": "open-access-panel"}]
    line = ModbusTcpLine.model_validate(
        {"id": "line", "kind": "modbus-tcp", "host": "127.0.0.1", "port": 0, "panels": panels}, strict=False
    )
    (folder / "secret").write_text(SECRET)
    (folder / "password").write_text("secret")
    async with SimulatedSite(Settings(lines=(line,))) as simulated, aiohttp.ClientSession() as session:
        place, panel = simulated.lines["line"], simulated.panels["lobby"]
        assert isinstance(place, tuple)
        assert isinstance(panel, OpenAccessPanel)
        site = Site("", session, panel, simulated, folder / "site.toml", SITE.format(host=place[0], port=place[1]))
        site.write(*parts)
        gateway = Gateway(load_settings(site.config), site.config, SystemClock(), released_at=0)
        site.url = await gateway.start()
        try:
            await site.in_sync()
            yield site
        finally:
            await gateway.stop()


def hook(url: str) -> str:
    return f'[[webhooks]]\nurl = "{url}"\nsecret_file = "secret"\n'


async def test_doors_webhooks_and_the_manager_follow_the_file_while_a_door_is_held(tmp_path: Path) -> None:
    async with (
        serving() as one,
        serving() as other,
        managing() as fake,
        served(tmp_path, FRONT.format(output=3), hook(one.url)) as site,
    ):
        await site.done("POST", "/gateway/v1/doors/front/hold", {"seconds": 600})
        assert site.open_outputs() == [3]
        await one.until(lambda: "door_held_open" in [event["kind"] for event in one.events])
        told = f'[manager]\nis_enabled = true\nurl = "{fake.url}"\npassword_file = "password"\n'
        changes = await site.reload(FRONT.format(output=5), hook(other.url), told)
        assert changes == ["doors changed", "webhooks changed", "manager changed"]
        assert site.open_outputs() == [], "the door is elsewhere now, and nobody holds what it was"
        before = len(one.bodies)
        assert await site.done("GET", "/api/v1/access/general/lock/open/remote/accepted/1") == {}
        assert site.open_outputs() == [5]
        await other.until(lambda: "access_granted_by_api_call" in json.dumps(other.events))
        await fake.until(lambda: "access_granted_by_api_call" in fake.codes)
        assert len(one.bodies) == before
        site.write(FRONT.format(output=5), hook(one.url).replace('"secret"', '"gone"'))
        refused = await site.call("POST", "/gateway/v1/reload")
        assert (refused.status, "webhooks[0].secret_file" in refused.text) == (422, True)
        await site.done("POST", "/gateway/v1/doors/front/release")
        await other.until(lambda: "door_hold_ended" in json.dumps(other.events))
        assert await site.reload() == ["doors changed", "webhooks changed", "manager changed"]
        assert (await site.call("POST", "/gateway/v1/doors/front/open")).status == 404
        assert (await site.done("GET", SERVER))["is_enabled"] is False


@pytest.mark.long
async def test_no_secret_is_shown_logged_or_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(manager, "PONG_S", 0.01)
    monkeypatch.setattr(outbox, "back_off_s", lambda name, failures: 0.01)
    async with serving() as receiver, managing() as fake:
        receiver.answers, fake.refuses = [500, 302], 2
        async with served(tmp_path, FRONT.format(output=3), hook(f"{receiver.url}?key=hunter1")) as site:
            link = {"url": fake.url, "password": "hunter2", "is_logging_enabled": True, "is_heartbeat_enabled": True}
            await site.done("PUT", SERVER, {"is_enabled": True, "settings": link})
            await site.done("PUT", SERVER, {"settings": {**link, "password": "secret"}})
            await site.done("POST", "/gateway/v1/doors/front/open")
            await receiver.until(lambda: bool(receiver.bodies))
            await fake.until(lambda: bool(fake.events))
            paths = (
                *(SERVER, "/api/v0/network/management/link", "/gateway/v1/openapi.json", "/gateway/v1/events", "/metrics"),
                *("/gateway/v1/problems", "/gateway/v1/status", "/gateway/v1/inert", "/api/v1/log/items?limit=100"),
            )
            shown = [(await site.call("GET", path)).text for path in paths]
    told = [json.dumps(body) for body in (*receiver.bodies, *fake.events)]
    logged = [json.dumps(record.__dict__, default=repr) for record in caplog.records if record.name.split(".")[0] != "aiohttp"]
    for secret in ("hunter1", "hunter2", SECRET, "token-1", BASIC):
        assert not [text[:200] for text in (*shown, *told, *logged) if secret in text], secret
