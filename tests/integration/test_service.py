"""The gateway as a service: a process of its own against simulated panels of this process, killed, restarted, reloaded."""

import asyncio
import hashlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.loader import load_settings
from config.settings import Settings
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.processes import PROGRAM, logged_in, port_for_later, run

WORK_WEEK: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())["list_items"][8]

DIGEST = hashlib.md5(b"123456", usedforsecurity=False).hexdigest()

SITE = """
[site]
timezone = "Europe/Kyiv"
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
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  unit = 1
  [[lines.panels]]
  id = "garage"
  model = "open-access-panel"
  unit = 2
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
  [[lines.panels]]
  id = "annex-door"
  model = "open-access-panel"
  unit = 1
[[bindings]]
link_id = "*"
panels = ["@all"]
"""


def config_of(folder: Path) -> Path:
    return folder / "site.toml"


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[tuple[Path, SimulatedSite]]:
    """Panels in this process, and a configuration file that points to them."""
    config = config_of(folder)
    config.write_text(SITE.format(port=1))
    settings: Settings = load_settings(config)
    async with SimulatedSite(settings, pty_dir=folder, tcp_port_override={"annex": 0}) as site:
        where = site.lines["annex"]
        config.write_text(SITE.format(port=where[1]))
        yield config, site


def _records(log: Path) -> Iterator[dict[str, Any]]:
    """Those that are written whole."""
    return (json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n"))


async def _logged(log: Path, message: str) -> dict[str, Any]:
    """The first record of the log with this message, waited for."""
    async with asyncio.timeout(30):
        while True:
            for record in _records(log):
                if record["message"] == message:
                    return record
            await asyncio.sleep(0.01)


def _writes(site: SimulatedSite) -> dict[str, tuple[int, int]]:
    """By panel: how often its table changed, and how often anything was written."""
    panels = {name: panel for name, panel in site.panels.items() if isinstance(panel, OpenAccessPanel)}
    return {name: (panel.commit_count(), panel.traffic.writes) for name, panel in panels.items()}


def _is_not_written(site: SimulatedSite, before: Mapping[str, tuple[int, int]], *names: str) -> bool:
    """No table changed. One write alone tells the log of events from where on it is read, soon after a start."""
    now = _writes(site)
    return all(now[name][0] == before[name][0] and now[name][1] <= before[name][1] + 1 for name in names or before)


async def test_what_was_answered_survives_a_kill_and_is_not_written_again(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, site):
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            (entry,) = await client.upsert(WORK_WEEK)
            assert entry["success"], entry
            listed = await client.profiles()
            assert await gateway.end(signal.SIGKILL) == -signal.SIGKILL
        before = _writes(site)
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            assert await client.profiles() == listed
            await client.until_in_sync()
            assert _is_not_written(site, before)
            assert await gateway.end() == 0


async def test_the_request_id_reaches_the_records_of_its_work(tmp_path: Path) -> None:
    serve = ("serve", "--config", str(config_of(tmp_path)), "--log-level", "debug")
    async with simulated(tmp_path), run(*serve, log=tmp_path / "log") as gateway:
        async with logged_in(gateway.url) as client:
            client.headers["X-Request-Id"] = "from-the-test"
            (entry,) = await client.upsert(WORK_WEEK)
            assert entry["success"], entry
        assert await gateway.end() == 0
    records = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    pushed = {
        record["panel"]
        for record in records
        if record["message"] == "panel acknowledged" and record.get("request_id") == "from-the-test"
    }
    assert pushed == {"lobby", "garage", "annex-door"}
    mine = [record for record in records if record.get("request_id") == "from-the-test"]
    units = {bytes.fromhex(record["frame"])[0] for record in mine if record["message"] == "frame sent"}
    assert units == {1, 2}, "both panels of the serial line"
    assert any(record["message"] == "request sent" and record["line"] == "annex" for record in mine)


async def test_the_log_holds_no_secret(tmp_path: Path) -> None:
    serve = ("serve", "--config", str(config_of(tmp_path)), "--log-level", "debug")
    async with simulated(tmp_path), run(*serve, log=tmp_path / "log") as gateway:
        async with logged_in(gateway.url) as client:
            token = client.headers["Authorization"].split()[1]
            await client.call("GET", "/api/v1/login?username=admin&password=hunter2", status=400)
            await client.call("POST", "/api/v1/login", {"username": "admin", "password": ["hunter2"]}, status=400)
            await client.call("POST", "/gateway/v1/nowhere?password=hunter2", "hunter2", status=404)
            reader, writer = await asyncio.open_connection(*gateway.url.removeprefix("http://").split(":"))
            writer.write(b"GET /api/v1/login?password=hunter2 HTTP/9.9\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
        assert await gateway.end() == 0
    log = (tmp_path / "log").read_text()
    assert "/api/v1/login" in log
    assert [secret for secret in ("123456", DIGEST, token, "hunter2", "username") if secret in log] == []


@pytest.mark.long
async def test_a_stop_answers_what_is_in_hand(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, site):
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await client.until_in_sync()
            site.panels["annex-door"].off()
            answer = asyncio.create_task(client.upsert(WORK_WEEK))
            await _logged(tmp_path / "log", "profile asked")
            assert not answer.done()
            assert await gateway.end() == 0
            (entry,) = await answer
            by_panel = {panel["panel"]: panel["success"] for panel in entry["panels"]}
            assert by_panel == {"lobby": True, "garage": True, "annex-door": False}
        site.panels["annex-door"].on()
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await client.until_in_sync()
            assert (await client.panels())["annex-door"]["held"] == 1
            assert await gateway.end() == 0


async def test_status_is_asked_of_the_running_gateway(tmp_path: Path) -> None:
    async with (
        simulated(tmp_path) as (config, _),
        run("serve", "--config", str(config), log=tmp_path / "log") as gateway,
        logged_in(gateway.url) as client,
    ):
        await client.upsert(WORK_WEEK)
        command = (*PROGRAM, "status", "--config", str(config), "--url", gateway.url)
        asked = await asyncio.create_subprocess_exec(*command, "lobby", stdout=asyncio.subprocess.PIPE)
        told, _ = await asked.communicate()
        assert asked.returncode == 0
        heading, lobby, *_, columns, item = told.decode().splitlines()
        assert heading.split()[:4] == ["panel", "line", "state", "holds"]
        assert lobby.split()[:6] == ["lobby", "rs485-a", "in_sync", "1", "of", "1"]
        assert columns.split()[:2] == ["item", "outcome"]
        assert item.split("  ")[:2] == [WORK_WEEK["name"], "exact"]
        assert await gateway.end() == 0


async def test_a_second_gateway_leaves_the_store_alone(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, _), run("serve", "--config", str(config), log=tmp_path / "log") as gateway:
        command = (*PROGRAM, "serve", "--config", str(config))
        second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, told = await second.communicate()
        assert second.returncode == 1
        assert told.decode() == f"{tmp_path}/panel-gateway.db: another gateway uses this store\n"
        assert await gateway.end() == 0


async def test_a_hangup_applies_a_changed_file_and_refuses_a_bad_one(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, _):
        whole = config.read_text()
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            config.write_text("[site\n")
            gateway.process.send_signal(signal.SIGHUP)
            refused = await _logged(tmp_path / "log", "configuration refused, nothing changed")
            assert refused["mistakes"] == ["file: not TOML: Expected ']' at the end of a table declaration (at line 1, column 6)"]
            config.write_text(whole.replace("[site]", '[site]\nname = "Harbour"'))
            gateway.process.send_signal(signal.SIGHUP)
            applied = await _logged(tmp_path / "log", "configuration reloaded")
            assert applied["changes"] == ["site changed"]
            assert (await client.call("GET", "/api/info"))["device_name"] == "Harbour"
            assert await gateway.end() == 0


async def test_systemd_is_told_readiness_watchdog_and_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        loop = asyncio.get_running_loop()

        async def told(state: bytes) -> None:
            async with asyncio.timeout(30):
                while not (await loop.sock_recv(manager, 1000)).startswith(state):
                    pass

        async with (
            simulated(tmp_path) as (config, _),
            run("serve", "--config", str(config), log=tmp_path / "log", environment=environment) as gateway,
        ):
            await told(b"READY=1")
            await told(b"WATCHDOG=1")
            await told(b"WATCHDOG=1")
            ended = asyncio.create_task(gateway.end())
            await told(b"STOPPING=1")
            assert await ended == 0


async def test_simulate_and_serve_meet_at_the_configured_places(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(SITE.format(port=port_for_later()))
    async with run("simulate", "--config", str(config), log=tmp_path / "simulate.log", ready="control URL") as panels:
        assert (tmp_path / "rs485-a").is_symlink()
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            (entry,) = await client.upsert(WORK_WEEK)
            assert entry["success"], entry
            assert await gateway.end() == 0
        assert await panels.end() == 0
    assert not (tmp_path / "rs485-a").exists()


async def test_a_reload_adds_a_panel_without_touching_the_others(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, site):
        whole = config.read_text()
        without = whole.replace('  [[lines.panels]]\n  id = "garage"\n  model = "open-access-panel"\n  unit = 2\n', "")
        assert without != whole
        config.write_text(without)
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            (entry,) = await client.upsert(WORK_WEEK)
            assert {panel["panel"] for panel in entry["panels"]} == {"lobby", "annex-door"}
            before = _writes(site)
            config.write_text(whole)
            answer = await client.call("POST", "/gateway/v1/reload")
            assert answer == {"applied": True, "changes": ["panel garage added"]}
            await client.until_in_sync()
            after = _writes(site)
            assert after["garage"] > before["garage"]
            assert _is_not_written(site, before, "lobby", "annex-door")
            config.write_text(whole.replace("unit = 2", "unit = 1"))
            refused = await client.call("POST", "/gateway/v1/reload", status=422)
            assert "lines[0].panels[1].unit" in refused["detail"]
            config.write_text(whole.replace("port = 0", "port = 9"))
            refused = await client.call("POST", "/gateway/v1/reload", status=422)
            assert "http.port" in refused["detail"]
            assert set(await client.panels()) == {"lobby", "garage", "annex-door"}
