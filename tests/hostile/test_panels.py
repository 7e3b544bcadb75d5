"""What the doors and the service manager see of a gateway that is attacked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from config.loader import load_settings
from simulators.panel import SimulatedPanel
from simulators.site import SimulatedSite
from tests.benchmarks.workload import item
from tests.support.processes import logged_in, run

pytestmark = pytest.mark.long

PROFILES = 60
OPEN_S = 6
LATE_S = 1.0
WATCHED_S = 3.0
"""What the service manager allows between two signs of life; a tenth of what the unit that ships allows."""

CONFIG = """
[site]
timezone = "Europe/Kyiv"
[http]
port = 0
[[users]]
name = "admin"
password = "123456"

[[lines]]
id = "shared"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
timeout_ms = 500

  [[lines.panels]]
  id = "leased"
  model = "waveshare-relay-8ch"
  unit = 1

  [[lines.panels]]
  id = "unleased"
  model = "waveshare-relay-8ch"
  unit = 2
  allow_unattended_outputs = true
  options = {{ timed_on_prolongs = false }}

  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  unit = 3
  simulator = {{ latency_ms = 20 }}

[[bindings]]
link_id = "{once}"
panels = ["leased:3", "unleased:3"]

[[bindings]]
link_id = "*"
panels = ["lobby"]
"""
ONCE = "91c615e3-1040-4815-8ecb-ffffffffffff"


def once(closes: int) -> dict[str, Any]:
    return {
        "link_id": ONCE,
        "name": "Once",
        "time_options": {"is_all_day": False, "date_from": closes - 3600, "date_to": closes},
        "repeat_options": {"repeat_enable": False},
    }


@asynccontextmanager
async def attack(port: int) -> AsyncIterator[None]:
    attacker = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.attacker", str(port))
    try:
        yield
    finally:
        attacker.kill()
        await attacker.wait()


@contextmanager
def service_manager(folder: Path) -> Iterator[tuple[dict[str, str], list[float]]]:
    """The environment of a service, and when it gave signs of life."""
    fed: list[float] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.setblocking(False)

        def told() -> None:
            with contextlib.suppress(BlockingIOError):
                if manager.recv(1000).startswith(b"WATCHDOG=1"):
                    fed.append(time.monotonic())

        asyncio.get_running_loop().add_reader(manager, told)
        try:
            yield {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(int(WATCHED_S * 1e6))}, fed
        finally:
            asyncio.get_running_loop().remove_reader(manager)


async def closed_at(panel: SimulatedPanel) -> float:
    async with asyncio.timeout(OPEN_S + 20):
        while True:
            if not any(panel.outputs()):
                return time.time()
            await asyncio.sleep(0.005)


async def test_doors_close_on_time_panels_converge_and_the_watchdog_is_fed(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(CONFIG.format(port=1, once=ONCE))
    async with SimulatedSite(load_settings(config), tcp_port_override={"shared": 0}) as site:
        where = site.lines["shared"]
        assert isinstance(where, tuple)
        config.write_text(CONFIG.format(port=where[1], once=ONCE))
        with service_manager(tmp_path) as (environment, fed):
            serve = ("serve", "--config", str(config))
            async with (
                run(*serve, log=tmp_path / "log", environment=environment) as gateway,
                logged_in(gateway.url) as client,
            ):
                port = urlsplit(gateway.url).port
                assert port is not None
                async with attack(port):
                    closes = int(time.time()) + OPEN_S
                    (entry,) = await client.upsert(once(closes))
                    assert entry["success"], entry
                    load = asyncio.create_task(client.upsert(*(item(number) for number in range(PROFILES))))
                    ends = await asyncio.gather(*(closed_at(site.panels[name]) for name in ("leased", "unleased")))
                    assert all(each["success"] for each in await load)
                    await client.until_in_sync()
                leased, unleased = (end - closes for end in ends)
                assert leased < LATE_S
                assert -0.1 < unleased < LATE_S
                gaps = [after - before for before, after in pairwise(fed)]
                assert gaps
                assert max(gaps) < WATCHED_S, gaps
                assert await gateway.end() == 0
