"""Units that are not the panels they were, panels that left the site: a gateway process, its files, its commands and sockets."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_service import WORK_WEEK, simulated
from tests.support.processes import PROGRAM, Client, logged_in, run

GARAGE = '  [[lines.panels]]\n  id = "garage"\n  model = "open-access-panel"\n  unit = 2\n'
LINK: str = WORK_WEEK["link_id"]


async def command(*words: str, config: Path, url: str) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    pipe = asyncio.subprocess.PIPE
    asked = await asyncio.create_subprocess_exec(
        *PROGRAM, *words, "--config", str(config), "--url", url, stdout=pipe, stderr=pipe
    )
    told, wrong = await asked.communicate()
    assert asked.returncode is not None
    return asked.returncode, told.decode(), wrong.decode()


async def until_state(client: Client, **wanted: str) -> None:
    async with asyncio.timeout(60):
        while True:
            seen = await client.panels()
            if {name: seen[name]["state"] for name in wanted} == wanted:
                return
            await asyncio.sleep(0.05)


def warnings(log: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [record for record in records if record["level"] == "warning"]


@pytest.mark.long
async def test_two_units_that_changed_places_over_a_reboot_open_nothing_and_are_told_everywhere(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, site):
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await client.call("PUT", f"/gateway/v1/bindings/{LINK}", {"panels": ["lobby"]})
            await client.upsert(WORK_WEEK)
            await client.until_in_sync()
            assert await gateway.end() == 0
        site.swap("lobby", "garage")
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await until_state(client, lobby="identity_changed", garage="identity_changed")
            (entry,) = await client.upsert({**WORK_WEEK, "name": "another", "is_all_day": True})
            assert (entry["success"], entry["panels"][0]["reason"]) == (False, "identity_changed")
            status, said, _ = await command("status", config=config, url=gateway.url)
            assert status == 0
            assert "this is garage's unit" in said
            assert "are the ports swapped?" in said
            async with client.session.get(gateway.url + "/metrics", headers=client.headers) as answer:
                assert 'panel_gateway_panel_state{panel="lobby",state="identity_changed"} 1.0' in await answer.text()
            assert [each for each in warnings(tmp_path / "log") if each.get("panel") == "lobby"]
            for name in ("lobby", "garage"):
                assert (await command("accept", name, config=config, url=gateway.url))[0] == 0
            await client.until_in_sync("lobby", "garage")
            assert (await client.panels())["lobby"]["held"] == 1
            status, _, wrong = await command("accept", "lobby", config=config, url=gateway.url)
            assert status == 1
            assert "nothing to accept" in wrong
            assert await gateway.end() == 0


@pytest.mark.long
async def test_a_panel_that_left_the_file_is_told_until_it_is_forgotten(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, _):
        whole = config.read_text()
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await client.upsert(WORK_WEEK)
            await client.until_in_sync()
            config.write_text(whole.replace(GARAGE, ""))
            changes = (await client.call("POST", "/gateway/v1/reload"))["changes"]
            assert "panel garage removed" in changes
            assert any("garage still holds 1" in change and "panel-gateway forget garage" in change for change in changes)
            assert await gateway.end() == 0
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            told = [each for each in warnings(tmp_path / "log") if "left the configuration" in each["message"]]
            assert [each["panel"] for each in told] == ["garage"] * 2, "at the reload, and at the next start"
            (entry,) = await client.delete(LINK)
            assert not entry["success"]
            assert [each["reason"] for each in entry["panels"] if not each["success"]] == ["departed"]
            _, said, _ = await command("status", config=config, url=gateway.url)
            assert "panel-gateway forget garage" in said
            async with client.session.get(gateway.url + "/metrics", headers=client.headers) as answer:
                assert 'panel_gateway_departed_items{panel="garage"} 1.0' in await answer.text()
            assert (await command("forget", "garage", config=config, url=gateway.url))[0] == 0
            assert (await client.call("GET", "/gateway/v1/panels"))["departed"] == []
            (entry,) = await client.delete(LINK)
            assert entry["extended_info"] == "entity_not_found"
            await client.upsert(WORK_WEEK)
            await client.until_in_sync()
            config.write_text(config.read_text().replace('id = "lobby"', 'id = "hall"').replace('"lobby"', '"hall"'))
            changes = (await client.call("POST", "/gateway/v1/reload"))["changes"]
            assert {"panel lobby removed", "panel hall added"} <= set(changes)
            assert not any("still holds" in change for change in changes), "it has another name, and is where it was"
            await client.until_in_sync("hall")
            assert (await client.call("GET", "/gateway/v1/panels"))["departed"] == []
            assert await gateway.end() == 0


@pytest.mark.long
async def test_a_deletion_that_waited_for_a_panel_is_told_though_that_leaves_the_file_after_a_kill(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (config, site):
        site.panels["garage"].off()
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await client.until_in_sync("lobby")
            (entry,) = await client.delete(LINK)
            assert (entry["extended_info"], entry["success"]) == ("deleted", False)
            await gateway.end(signal.SIGKILL)
        config.write_text(config.read_text().replace(GARAGE, ""))
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await client.until_in_sync("lobby")
            (entry,) = await client.delete(LINK)
            assert (entry["extended_info"], entry["success"]) == ("deleted", False)
            assert [each["reason"] for each in entry["panels"] if not each["success"]] == ["departed"]
            assert (await command("forget", "garage", config=config, url=gateway.url))[0] == 0
            (entry,) = await client.delete(LINK)
            assert entry["extended_info"] == "entity_not_found"
            assert await gateway.end() == 0
