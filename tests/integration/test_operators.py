"""An operator on the machine asks the running gateway without a password; nobody else does, and never another site's gateway."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.processes import PROGRAM, Running, run

pytestmark = pytest.mark.long

SITE = """
[http]
port = 0
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = 9
  [[lines.panels]]
  id = "door"
  model = "open-access-panel"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def write(config: Path, text: str) -> None:
    config.write_text(text)


async def ran(*arguments: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def serving(config: Path, environment: dict[str, str] | None = None) -> AsyncIterator[Running]:
    async with run("serve", "--config", str(config), log=config.with_suffix(".log"), environment=environment) as gateway:
        yield gateway


async def test_a_site_without_users_can_be_operated(config: Path) -> None:
    async with serving(config) as gateway:
        status, out, err = await ran("status", "--config", config, "--json")
        assert (status, err) == (0, "")
        assert [panel["id"] for panel in json.loads(out)["panels"]] == ["door"]
        for verb in ("sync", "retry", "reinit"):
            assert (await ran(verb, "door", "--config", config))[:2] == (0, f"door: {verb} asked for\n")
        status, _, err = await ran("sync", "dor", "--config", config)
        assert status == 1
        assert "dor: no such panel" in err
        assert await gateway.end() == 0
    assert not (config.parent / "panel-gateway.db.sock").exists()


async def test_a_lost_password_locks_no_operator_out(config: Path) -> None:
    secret = config.parent / "password"
    secret.write_text("a long word\n")
    write(config, SITE + '[[users]]\nname = "admin"\npassword_file = "password"\n')
    async with serving(config) as gateway:
        secret.write_text("another word\n")
        assert (await ran("status", "--config", config))[0] == 0
        status, _, err = await ran("status", "--config", config, "--url", gateway.url)
        assert status == 1
        assert "Log In" in err


async def test_a_reload_of_a_broken_file_fails_with_every_mistake_and_changes_nothing(config: Path) -> None:
    async with serving(config):
        write(config, SITE.replace("port = 9", "port = 99999").replace("open-access", "open-acess") + "[[users]]\n")
        status, out, err = await ran("reload", "--config", config)
        assert (status, out) == (1, "")
        for place in ("lines[0].port", "lines[0].panels[0].model", "users[0].name"):
            assert place in err
        write(config, SITE.replace("port = 0", "port = 1"))
        status, _, err = await ran("reload", "--config", config)
        assert (status, err) == (1, "http.port: needs a restart\n")
        write(config, SITE.replace('"door"', '"gate"'))
        assert (await ran("reload", "--config", config))[:2] == (0, "panel door removed\npanel gate added\n")
        assert (await ran("reload", "--config", config))[:2] == (0, "nothing changed\n")
        assert '"id": "gate"' in (await ran("status", "--json", "--config", config))[1]
        door = '[[doors]]\nid = "front"\npanel = "gate"\noutput = 0\n'
        write(config, SITE.replace('"door"', '"gate"') + door.replace('"gate"', '"gat"'))
        assert "doors[0].panel: no panel is named 'gat'; did you mean 'gate'?" in (await ran("reload", "--config", config))[2]
        write(config, SITE.replace('"door"', '"gate"') + door)
        assert (await ran("reload", "--config", config))[:2] == (0, "doors changed\n")


async def test_commands_reach_the_gateway_of_their_own_store(config: Path) -> None:
    other = config.parent / "other.toml"
    other.write_text(SITE.replace('"door"', '"elsewhere"') + '[store]\npath = "other.db"\n')
    async with serving(other):
        status, _, err = await ran("reinit", "elsewhere", "--config", config)
        assert status == 1
        assert err.startswith(f"{config.parent}/panel-gateway.db: no gateway of this store answers")
        async with serving(config):
            assert '"door"' in (await ran("status", "--json", "--config", config))[1]
            assert '"elsewhere"' in (await ran("status", "--json", "--config", other))[1]


async def test_a_socket_left_over_from_a_crash_is_in_nobodys_way(config: Path) -> None:
    async with serving(config) as gateway:
        await gateway.end(signal.SIGKILL)
    left = config.parent / "panel-gateway.db.sock"
    assert left.is_socket()
    status, _, err = await ran("status", "--config", config)
    assert status == 1
    assert "no gateway of this store answers" in err
    async with serving(config):
        assert (await ran("status", "--config", config))[0] == 0


async def test_a_file_in_the_sockets_place_is_kept_and_the_site_works(config: Path) -> None:
    precious = config.parent / "panel-gateway.db.sock"
    precious.write_text("precious")
    async with serving(config) as gateway:
        assert (await ran("status", "--config", config))[0] == 1
        assert await gateway.end() == 0
    assert precious.read_text() == "precious"
    assert "commands cannot ask this gateway" in config.with_suffix(".log").read_text()


async def test_under_systemd_the_socket_is_in_the_runtime_directory(config: Path) -> None:
    runtime = config.parent / "run"
    runtime.mkdir()
    environment = {"RUNTIME_DIRECTORY": str(runtime)}
    async with serving(config, environment) as gateway:
        (place,) = runtime.iterdir()
        assert place.stat().st_mode & 0o777 == 0o600
        assert (await ran("reload", "--config", config, environment=environment))[0] == 0
        assert await gateway.end() == 0
    assert not list(runtime.iterdir())


async def test_a_store_deep_in_folders_is_asked_like_any_other(config: Path) -> None:
    deep = config.parent / ("long-" * 20) / ("name-" * 20)
    deep.mkdir(parents=True)
    write(config, SITE + f'[store]\npath = "{deep}/store.db"\n')
    async with serving(config):
        assert (await ran("status", "--config", config))[0] == 0
        assert (deep / "store.db.sock").is_socket()


async def test_a_flood_of_connections_keeps_no_operator_out(config: Path) -> None:
    write(config, SITE.replace("port = 0", "port = 0\nmax_connections = 32"))
    async with serving(config) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        with ExitStack() as held:
            for _ in range(60):
                stranger = held.enter_context(socket.create_connection(("127.0.0.1", port)))
                stranger.sendall(b"GET /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
            assert (await ran("status", "--config", config))[0] == 0


STRANGER = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setuid(65534)
channel = socket.socket(socket.AF_UNIX)
channel.settimeout(20)
try:
    channel.connect("panel-gateway.db.sock")
    channel.sendall(b"GET /gateway/v1/panels HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    print(len(channel.recv(100)))
except PermissionError:
    print("no permission")
except ConnectionError:
    print(0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_another_user_of_the_machine_is_turned_away(config: Path) -> None:
    async with serving(config):
        place = config.parent / "panel-gateway.db.sock"
        place.parent.chmod(0o711)
        for mode, told in ((0o600, "no permission\n"), (0o666, "0\n")):
            place.chmod(mode)
            command = (sys.executable, "-c", STRANGER, str(config.parent))
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            out, _ = await asyncio.wait_for(process.communicate(), 60)
            assert out.decode() == told
