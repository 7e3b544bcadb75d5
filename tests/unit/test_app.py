"""The life of a gateway: one deadline for all of its end, and what a start makes of a host's clock that is wrong."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.settings import HttpSettings, Settings, SiteSettings, StoreSettings, UserSettings
from drivers.clock import SystemClock
from gateway import app
from gateway.fleet.fleet import Fleet
from gateway.site import Site
from tests.support.api_server import BASIC
from tests.support.host_time import ClockAhead
from tests.support.processes import logged_in

UNIT = Path(__file__).parents[2] / "config" / "systemd" / "panel-gateway.service"
LINK = "/api/v1/access/timeprofile/link"


class _LateClock(SystemClock):
    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late


async def test_what_a_stop_waits_for_shares_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "REQUESTS_S", 0.05)
    clock = _LateClock()
    graces: list[float] = []

    async def fleet_stop(fleet: Fleet, grace_s: float) -> None:
        graces.append(grace_s)
        clock.late += grace_s

    async def site_stop(site: Site, grace_s: float) -> None:
        graces.append(grace_s)

    monkeypatch.setattr(Fleet, "stop", fleet_stop)
    monkeypatch.setattr(Site, "stop", site_stop)
    settings = Settings(
        site=SiteSettings(timezone="Europe/Kyiv"),
        http=HttpSettings(port=0),
        store=StoreSettings(path=tmp_path / "gateway.db"),
        users=(UserSettings(name="admin", password="123456"),),
    )
    gateway = app.Gateway(settings, None, clock)
    where = urlsplit(await gateway.start())
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST {LINK} HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode())
    assert b" 100 " in await reader.readline()  # it is in hand, and its body never comes
    began = clock.monotonic()
    await gateway.stop()
    spent = clock.monotonic() - began - graces[0]
    assert app.STOP_S - app.WIRES_S - spent <= graces[0] <= app.STOP_S - app.WIRES_S - app.REQUESTS_S
    assert graces[1] == app.WIRES_S
    writer.close()


async def test_no_event_goes_where_the_gateway_starts_again_while_the_hosts_clock_is_years_ahead(tmp_path: Path) -> None:
    settings = Settings(
        site=SiteSettings(timezone="Europe/Kyiv"),
        http=HttpSettings(port=0),
        store=StoreSettings(path=tmp_path / "gateway.db"),
        users=(UserSettings(name="admin", password="123456"),),
    )
    for years in (0, 10, 10):
        clock = ClockAhead(time.time() + years * 365 * 86_400)
        gateway = app.Gateway(settings, None, clock)
        async with logged_in(await gateway.start()), logged_in(gateway.urls[0]) as client:  # the second one after a look
            listed = await client.call("GET", "/api/v1/log/items?limit=100")
        await gateway.stop()
    assert [each["name"]["key"] for each in listed["list_items"]] == ["successful_login_api_call"] * 3


def test_the_service_manager_waits_longer_than_a_stop_takes() -> None:
    (limit,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", UNIT.read_text())
    assert int(limit) > app.STOP_S + 5
