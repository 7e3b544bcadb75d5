"""A gateway whose host shows a wrong time: a process of its own, its clock faked by libfaketime, its panels at the right time.

libfaketime fakes no kernel status: what the kernel says of its clock is put into the process before it starts.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.loader import load_settings
from simulators.panel import SimulatedPanel
from simulators.site import SimulatedSite
from tests.support.host_time import clock_off_by, kernel_that_says
from tests.support.processes import PROGRAM, Client, Running, logged_in, run
from tests.support.skips import tool

pytestmark = pytest.mark.long

DAY = 86_400
SITE = """
[site]
timezone = "UTC"
[http]
port = 0
[[users]]
name = "admin"
password = "123456"
[[lines]]
id = "rs485-a"
kind = "modbus-rtu"
port = "rs485-a"
baudrate = 115200
{panels}
[[bindings]]
link_id = "*"
panels = ["@all"]
"""
PANEL = """
  [[lines.panels]]
  id = "{name}"
  model = "{model}"
  unit = {unit}
"""
MODELS = ("open-access-panel", "ge-a-series", "domat-fc013")


def daily(number: int) -> dict[str, Any]:
    begin = 1_793_602_800
    return {
        "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}",
        "name": "Every day",
        "time_options": {"is_all_day": False, "date_from": begin + 3600 * number, "date_to": begin + 3600 * (number + 1)},
        "repeat_options": {"repeat_enable": True, "repeat_format": {"repeat_type": "day", "repeat_end": {"format": "never"}}},
    }


@asynccontextmanager
async def site(folder: Path, *models: str) -> AsyncIterator[tuple[Path, Mapping[str, SimulatedPanel]]]:
    """Panels in this process, at the right time: `panel-1` and so on."""
    config = folder / "site.toml"
    panels = (PANEL.format(name=f"panel-{unit}", model=model, unit=unit) for unit, model in enumerate(models, 1))
    config.write_text(SITE.format(panels="".join(panels)))
    async with SimulatedSite(load_settings(config), pty_dir=folder) as simulated:
        yield config, simulated.panels


@asynccontextmanager
async def gateway(config: Path, offset: str = "+0", kernel: str = "unsynchronised") -> AsyncIterator[tuple[Client, Running]]:
    """`offset`: how wrong the host's clock is, in the words of libfaketime."""
    before, log = kernel_that_says(kernel), config.with_suffix(".log")
    environment = clock_off_by(offset, tool("faketime", "faketime"))
    async with run("serve", "--config", str(config), log=log, before=before, environment=environment) as running:
        async with logged_in(running.url) as client:
            yield client, running
        assert await running.end() == 0, log.read_text()


def error_s(panel: SimulatedPanel) -> float:
    """How far a panel's clock is ahead of the right time."""
    shown = panel.local_second()
    return float("nan") if shown is None else shown - time.time()


async def until(client: Client, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The body of /gateway/v1/panels, once it is so."""
    async with asyncio.timeout(60):
        while True:
            body: dict[str, Any] = await client.call("GET", "/gateway/v1/panels")
            if condition(body):
                return body
            await asyncio.sleep(0.05)


async def ready(client: Client) -> int:
    async with client.session.get(f"{client.url}/readyz") as response:
        return response.status


def in_sync(body: dict[str, Any]) -> bool:
    return all(panel["state"] == "in_sync" for panel in body["panels"])


def reasons(result: list[dict[str, Any]]) -> set[str | None]:
    return {panel.get("reason") for one in result for panel in one["panels"]}


@pytest.mark.parametrize("model", MODELS)
async def test_two_panels_at_the_right_time_stop_a_host_that_is_days_off(tmp_path: Path, model: str) -> None:
    async with site(tmp_path, model, model) as (config, panels):
        async with gateway(config) as (client, _):
            await client.upsert(daily(1), daily(2))
            await until(client, in_sync)
            assert await ready(client) == 200
        async with gateway(config, "+3d") as (client, _):
            body = await until(client, lambda body: not body["clock"]["trusted"])
            assert "panel-1" in body["clock"]["reason"]
            assert await ready(client) == 503
            assert reasons(await client.upsert(daily(1), daily(3))) == {"clock_not_set"}
            assert [each["success"] for each in await client.delete(daily(1)["link_id"])] == [True]
            assert all(abs(error_s(panel)) < 60 for panel in panels.values()), "the panels keep the right time"
        async with gateway(config) as (client, _):
            clock = (await client.call("GET", "/gateway/v1/clock"))["clock"]  # it may have written while it was believed
            await client.call("POST", f"/gateway/v1/clock/trust?at={clock['at']}&up_s={clock['up_s']}")
            await until(client, in_sync)
            assert await ready(client) == 200


@pytest.mark.parametrize("model", MODELS)
async def test_a_panel_at_the_right_time_is_left_alone_until_somebody_says_who_is_right(tmp_path: Path, model: str) -> None:
    async with site(tmp_path, model) as (config, panels):
        (panel,) = panels.values()
        async with gateway(config) as (client, _):
            await client.upsert(daily(1))
            await until(client, in_sync)
        async with gateway(config, "+3d") as (client, _):
            (said,) = (await client.upsert(daily(2)))[0]["panels"]
            assert said["reason"] == "clock_not_set"
            assert "sync panel-1" in said["message"]
            assert abs(error_s(panel)) < 60
            await client.call("POST", "/gateway/v1/panels/panel-1/sync", status=202)
            await until(client, in_sync)
            assert abs(error_s(panel) - 3 * DAY) < 60


async def test_a_host_in_the_year_2006_opens_nothing_whatever_its_kernel_says(tmp_path: Path) -> None:
    async with site(tmp_path, *MODELS) as (config, panels):
        for kernel in ("synchronised", "unsynchronised", "unknown"):
            async with gateway(config, "-20y", kernel) as (client, _):
                assert await ready(client) == 503
                assert reasons(await client.upsert(daily(1))) == {"clock_not_set"}
                assert (await client.call("GET", "/gateway/v1/panels"))["clock"]["trusted"] is False
        assert all(not abs(error_s(panel)) > 60 for panel in panels.values())


async def test_one_run_ten_years_ahead_is_healed_by_a_word(tmp_path: Path) -> None:
    """Without a time server: the command shows the time, and the site works at once."""
    async with site(tmp_path, "open-access-panel") as (config, _):
        async with gateway(config, "+10y") as (client, _):
            await client.upsert(daily(1))
            await until(client, in_sync)
        async with gateway(config) as (client, running):
            assert await ready(client) == 503
            assert reasons(await client.upsert(daily(1))) == {"clock_not_set"}
            trust = [*PROGRAM, "trust-clock", "--config", str(config), "--url", running.url]
            refused = await asyncio.to_thread(_called, trust)
            assert refused.returncode == 1
            assert "--yes" in refused.stderr
            assert await ready(client) == 503
            done = await asyncio.to_thread(_called, [*trust, "--yes"])
            assert (done.returncode, done.stderr) == (0, "")
            body = await until(client, in_sync)
            assert (body["clock"]["trusted"], body["clock"]["source"]) == (True, "operator")
            assert "last_write_taken_back" in {warning["code"] for warning in body["clock"]["warnings"]}
            assert await ready(client) == 200
        async with gateway(config) as (client, _):
            assert await ready(client) == 200, "also after a restart"


def _called(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


async def test_a_time_server_that_is_lost_closes_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, *MODELS) as (config, _):
        async with gateway(config, kernel="synchronised") as (client, _):
            await client.upsert(daily(1))
            await until(client, in_sync)
        for kernel in ("unsynchronised", "unknown"):
            async with gateway(config, kernel=kernel) as (client, _):
                body = await until(client, in_sync)
                assert body["clock"]["source"] == "synchronised", "it was, since this host booted"
                assert await ready(client) == 200
