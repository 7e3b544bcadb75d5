"""A relay of a board without schedules, held by the gateway as a process of its own over a pseudo-terminal, on the real clock."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from config.loader import load_settings
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel
from simulators.site import SimulatedSite
from simulators.waveshare_relay import WaveshareRelay
from tests.support.processes import Client, Running, logged_in, run

LINK_ID = "91c615e3-1040-4815-8ecb-000000000001"
CONFIG = """
[http]
port = 0

[store]
path = "panel-gateway.db"

[[users]]
name = "admin"
password = "123456"

[[lines]]
id = "relays"
kind = "modbus-rtu"
port = "relays"
baudrate = 115200

  [[lines.panels]]
  id = "gate"
  model = "{model}"
  poll_ms = 100
  {settings}

[[bindings]]
link_id = "*"
panels = ["{bound}"]
"""


@asynccontextmanager
async def board(
    folder: Path, settings: str = "hold_lease_s = 2", bound: str = "gate:3", model: str = "waveshare-relay-8ch"
) -> AsyncIterator[SimulatedPanel]:
    """The simulated board; `folder` has the configuration of its gateway."""
    config = folder / "site.toml"
    config.write_text(CONFIG.format(settings=settings, bound=bound, model=model))
    async with SimulatedSite(load_settings(config)) as site:
        yield site.panels["gate"]


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[tuple[Running, Client]]:
    arguments = ("serve", "--config", str(folder / "site.toml"), "--port", "0")
    async with run(*arguments, log=folder / "log") as running, logged_in(running.url) as client:
        yield running, client


def once(start: int, end: int) -> dict[str, Any]:
    """A profile that is open once, in Unix seconds."""
    return {
        "link_id": LINK_ID,
        "name": "Once",
        "time_options": {"is_all_day": False, "date_from": start, "date_to": end},
        "repeat_options": {"repeat_enable": False},
    }


def open_now() -> dict[str, Any]:
    now = int(time.time())
    return once(now - 3600, now + 3600)


async def until(true: Callable[[], bool], always: Callable[[], bool] = lambda: True) -> None:
    """Wait for something; something else must be so all the time before."""
    async with asyncio.timeout(30):
        while True:
            if true():
                return
            assert always(), "it did not stay as it was"
            await asyncio.sleep(0.005)


def only(output: int) -> tuple[bool, ...]:
    return tuple(number == output for number in range(8))


OFF = (False,) * 8


@pytest.mark.long
async def test_held_while_open_and_fallen_off_when_the_gateway_is_dead(tmp_path: Path) -> None:
    async with board(tmp_path) as gate:
        async with gateway(tmp_path) as (running, client):
            (entry,) = await client.upsert(open_now())
            (panel,) = entry["panels"]
            assert (entry["success"], panel["panel"], panel["outcome"]) == (True, "gate:3", "gateway_held")
            assert gate.outputs() == only(3)
            prolonged = gate.traffic.writes + 4
            await until(lambda: gate.traffic.writes >= prolonged, always=lambda: gate.outputs() == only(3))
            assert await running.end(signal.SIGKILL) == -signal.SIGKILL
        await until(lambda: gate.outputs() == OFF)
        async with gateway(tmp_path) as (running, client):
            await until(lambda: gate.outputs() == only(3))
            (entry,) = await client.delete(LINK_ID)
            assert entry["success"], entry
            assert gate.outputs() == OFF
            assert await running.end() == 0


@pytest.mark.parametrize("model", ["waveshare-relay-8ch", "open-access-panel"])
async def test_a_door_that_a_killed_gateway_held_is_closed_by_the_next_one_at_once(tmp_path: Path, model: str) -> None:
    async with board(tmp_path, "hold_lease_s = 60", bound="gate", model=model) as gate:
        config = tmp_path / "site.toml"
        config.write_text(config.read_text() + '[[doors]]\nid = "barrier"\npanel = "gate"\noutput = 3\nnumber = 1\n')
        async with gateway(tmp_path) as (running, client):
            await client.until_in_sync()
            before = gate.traffic.writes
            await client.call("POST", "/gateway/v1/doors/barrier/hold", {"seconds": 3600})
            await until(lambda: 3 in marked(tmp_path))
            assert (gate.outputs(), gate.traffic.writes) == (only(3), before + 1)
            assert await running.end(signal.SIGKILL) == -signal.SIGKILL
        assert gate.outputs() == only(3), "its lease has a while to go"
        async with gateway(tmp_path) as (running, client):
            await until(lambda: gate.outputs() == OFF)
            (door,) = (await client.call("GET", "/gateway/v1/doors"))["doors"]
            assert door["held_by"] is None
            await until(lambda: marked(tmp_path) == [])
            assert await running.end() == 0


def marked(folder: Path) -> list[int]:
    """The outputs of the gate that the store says may be on for a door."""
    with closing(sqlite3.connect(f"file:{folder / 'panel-gateway.db'}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT panel FROM allocation WHERE kind = 'door' AND slots LIKE '%barrier%'").fetchall()
    return [int(name.partition(":")[2]) for (name,) in rows]


@contextmanager
def stuck(gate: SimulatedPanel, on: bool) -> Iterator[None]:
    """Relay 3 stays as it is, whatever its board acknowledges: its coil is burnt out, or its contact is welded."""
    if isinstance(gate, WaveshareRelay):
        with patch.object(gate._relays[3], "is_on", lambda: on):
            yield
        return
    assert isinstance(gate, OpenAccessPanel)
    states = gate._outputs.states
    with patch.object(gate._outputs, "states", lambda: (*states()[:3], on, *states()[4:])):
        yield


@pytest.mark.parametrize("model", ["waveshare-relay-8ch", "open-access-panel"])
async def test_a_relay_that_stays_as_it_is_is_neither_held_nor_taken_away(tmp_path: Path, model: str) -> None:
    async with board(tmp_path, "hold_lease_s = 60", model=model) as gate, gateway(tmp_path) as (running, client):
        await client.until_in_sync()
        with stuck(gate, on=False):
            (entry,) = await client.upsert(open_now())
            (panel,) = entry["panels"]
            assert (entry["success"], panel["outcome"], panel["reason"]) == (False, "pending", "verify_failed")
            writes = gate.traffic.writes
            await until(lambda: gate.traffic.writes >= writes + 4)
            (view,) = (await client.call("GET", "/gateway/v1/panels/gate"))["panels"]
            assert (view["held"], view["items"][0]["reason"]) == (0, "verify_failed")
        await until(lambda: gate.outputs() == only(3))
        await client.until_in_sync()
        with stuck(gate, on=True):
            (entry,) = await client.delete(LINK_ID)
            (panel,) = entry["panels"]
            assert (entry["success"], panel["outcome"], panel["reason"]) == (False, "pending", "verify_failed")
            writes = gate.traffic.writes
            await until(lambda: gate.traffic.writes >= writes + 4)
        await until(lambda: gate.outputs() == OFF)
        (entry,) = await client.delete(LINK_ID)
        assert entry["success"] or entry["extended_info"] == "entity_not_found"
        assert await running.end() == 0


async def test_the_closing_edge_closes(tmp_path: Path) -> None:
    async with board(tmp_path, "hold_lease_s = 60") as gate, gateway(tmp_path) as (_, client):
        closes = int(time.time()) + 6
        (entry,) = await client.upsert(once(closes - 3600, closes))
        assert entry["success"], entry
        assert gate.outputs() == only(3)
        await until(lambda: gate.outputs() == OFF)
        assert closes - 1.5 < time.time(), "a lease is whole seconds, never longer than the profile"
        (view,) = (await client.call("GET", "/gateway/v1/panels/gate"))["panels"]
        assert view["state"] == "in_sync"


def _hands(gate: SimulatedPanel) -> Iterator[Callable[[], object]]:
    """What people and the mains do to a board."""
    yield lambda: gate.write_bit(3, 0x0000)
    yield lambda: gate.write_bit(3, 0x5500)
    yield gate.power_cut
    yield gate.reset


async def test_what_was_changed_by_hand_or_lost_is_put_right_at_the_next_poll(tmp_path: Path) -> None:
    async with board(tmp_path, "hold_lease_s = 60") as gate, gateway(tmp_path) as (_, client):
        (entry,) = await client.upsert(open_now())
        assert entry["success"], entry
        for change in _hands(gate):
            change()
            assert gate.outputs() == OFF
            read = gate.traffic.reads
            await until(lambda: gate.outputs() == only(3))
            assert gate.traffic.reads - read <= 3, (
                "a look, one more where the first was on its way, and what was commanded is read"
            )
        gate.off()
        gate.power_cut()
        gate.on()
        await until(lambda: gate.outputs() == only(3))
        gate.off()
        (entry,) = await client.delete(LINK_ID)
        (panel,) = entry["panels"]
        assert (panel["success"], panel["outcome"]) == (False, "pending")
        assert panel["reason"] in {"no_reply", "quarantined"}
        assert gate.outputs() == only(3), "the lease goes on"
        gate.on()
        await until(lambda: gate.outputs() == OFF)


async def test_a_closed_output_switched_on_by_hand_is_switched_off(tmp_path: Path) -> None:
    async with board(tmp_path) as gate, gateway(tmp_path) as (_, client):
        now = int(time.time())
        (entry,) = await client.upsert(once(now + 1800, now + 3600))
        assert entry["success"], entry
        gate.write_bit(3, 0xFF00)
        await until(lambda: gate.outputs() == OFF)


async def test_a_stop_switches_off(tmp_path: Path) -> None:
    async with board(tmp_path, "hold_lease_s = 60") as gate, gateway(tmp_path) as (running, client):
        await client.upsert(open_now())
        assert gate.outputs() == only(3)
        assert await running.end() == 0
        assert gate.outputs() == OFF


async def test_a_stop_holds_where_the_panel_says_so(tmp_path: Path) -> None:
    """For as long as the lease lasts: another gateway may take over without a gap."""
    async with board(tmp_path, 'hold_lease_s = 60\n  on_stop = "hold"') as gate:
        async with gateway(tmp_path) as (running, client):
            await client.upsert(open_now())
            assert await running.end() == 0
        assert gate.outputs() == only(3)
        async with gateway(tmp_path) as (_, client):
            await client.until_in_sync()
            (entry,) = await client.delete(LINK_ID)
            assert entry["success"], entry
        assert gate.outputs() == OFF


async def test_a_board_without_schedules_bound_without_an_output_refuses(tmp_path: Path) -> None:
    async with board(tmp_path, bound="gate") as gate, gateway(tmp_path) as (_, client):
        (entry,) = await client.upsert(open_now())
        (panel,) = entry["panels"]
        assert (entry["success"], panel["panel"]) == (False, "gate")
        assert (panel["outcome"], panel["reason"]) == ("refused", "not_representable")
        assert gate.outputs() == OFF


async def test_a_board_that_would_stay_on_is_held_only_where_that_is_allowed(tmp_path: Path) -> None:
    options = "options = { timed_on_prolongs = false }"
    async with board(tmp_path, options) as gate, gateway(tmp_path) as (_, client):
        (entry,) = await client.upsert(open_now())
        (panel,) = entry["panels"]
        assert (panel["outcome"], panel["reason"]) == ("refused", "not_representable")
        assert gate.outputs() == OFF
    (tmp_path / "allowed").mkdir()
    async with (
        board(tmp_path / "allowed", f"{options}\n  allow_unattended_outputs = true") as gate,
        gateway(tmp_path / "allowed") as (_, client),
    ):
        (entry,) = await client.upsert(open_now())
        assert entry["success"], entry
        assert gate.outputs() == only(3)


async def test_a_relay_whose_board_left_the_file_while_it_was_away_is_told_until_it_is_forgotten(tmp_path: Path) -> None:
    async with (
        board(tmp_path, 'on_stop = "hold"\n  allow_unattended_outputs = true') as gate,
        gateway(tmp_path) as (running, client),
    ):
        config = tmp_path / "site.toml"
        (entry,) = await client.upsert(open_now())
        assert entry["success"]
        assert gate.outputs() == only(3)
        gate.off()
        whole = config.read_text()
        config.write_text(
            whole[: whole.index("  [[lines.panels]]")] + whole[whole.index("[[bindings]]") :].replace("gate:3", "@all")
        )
        changes = (await client.call("POST", "/gateway/v1/reload"))["changes"]
        assert any("gate" in change and "panel-gateway forget gate" in change for change in changes), changes
        (entry,) = await client.delete(LINK_ID)
        assert [(each["panel"], each["reason"]) for each in entry["panels"]] == [("gate:3", "departed")]
        assert not entry["success"]
        (left,) = (await client.call("GET", "/gateway/v1/panels"))["departed"]
        assert (left["id"], left["link_ids"]) == ("gate", [LINK_ID])
        assert gate.outputs() == only(3), "nobody can close it"
        await client.call("POST", "/gateway/v1/panels/gate/forget", status=202)
        assert (await client.call("GET", "/gateway/v1/panels"))["departed"] == []
        assert await running.end() == 0
