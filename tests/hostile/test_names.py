"""Name servers that never answer, and what must not wait for them."""

from __future__ import annotations

import time
from pathlib import Path

from config.loader import load_settings
from gateway.app import STOP_S
from simulators.site import SimulatedSite
from tests.benchmarks.workload import SiteText, item, link_id
from tests.support.processes import logged_in, run

DEAD_NAMES = Path(__file__).parents[1] / "support" / "dead_names"
AWAY = 50
"""More than a process has threads of its own for whatever comes."""
ITEMS = 100
DEADLINE_MS = 4000
BUSY_S = 12.0
"""What a busy machine may take for its own work. Who waits for a name waits without end, a stop for STOP_S."""

LINE = """
[[lines]]
id = "away-{number}"
kind = "{kind}"
host = "away-{number}.invalid"
port = 502
  [[lines.panels]]
  id = "away-{number}"
  model = "open-access-panel"
"""


def _roomy(text: str) -> str:
    return text.replace("latency_ms = 0.0", "schedules = 192")


async def test_a_healthy_panel_waits_for_no_name_server_nor_does_a_request_or_a_stop(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    here = SiteText(1, bindings=[("*", ["p0"]), (link_id(0), ["@all"])], deadline_ms=DEADLINE_MS)
    config.write_text(_roomy(here.toml({})))
    async with SimulatedSite(load_settings(config), tcp_port_override={"p0": 0}) as site:
        where = site.lines["p0"]
        assert isinstance(where, tuple)
        away = [LINE.format(number=number, kind=("modbus-tcp", "modbus-rtu-tcp")[number % 2]) for number in range(AWAY)]
        config.write_text(_roomy(here.toml({"p0": where[1]})) + "".join(away))
        environment = {"PYTHONPATH": str(DEAD_NAMES)}
        serve = ("serve", "--config", str(config))
        async with (
            run(*serve, log=tmp_path / "log", environment=environment) as gateway,
            logged_in(gateway.url) as client,
        ):
            began = time.monotonic()
            healthy = await client.upsert(*(item(number) for number in range(1, ITEMS + 1)))
            assert all(each["success"] for each in healthy)
            (everywhere,) = await client.upsert(item(0))
            assert time.monotonic() - began < BUSY_S + DEADLINE_MS / 1000
            results = {each["panel"]: (each["success"], each.get("reason")) for each in everywhere["panels"]}
            assert results.pop("p0") == (True, None)
            assert len(results) == AWAY
            assert set(results.values()) == {(False, "bus_unavailable")}
            began = time.monotonic()
            assert await gateway.end() == 0
            assert time.monotonic() - began < BUSY_S < STOP_S
