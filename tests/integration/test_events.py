"""From a card at a reader to what a client reads over HTTP, through everything that ships."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from config.loader import load_settings
from simulators.site import SimulatedSite
from tests.support.api_server import BASIC
from tests.support.processes import Client, logged_in, run
from tests.support.whole_site import WholeSite, whole_site

PERSON = {
    "link_id": "91c615e3-1040-4815-8ecb-000000000101",
    "identifier_owner": {"name": "Ann", "type": "owner"},
    "identifier_type": "card",
    "identifier_number": "4711",
    "lock": "second",
}


async def until(site: WholeSite, kind: str) -> list[Any]:
    """The events of a stream up to the first one of a kind."""
    found: list[Any] = []
    asked = {"Accept": "text/event-stream", "Authorization": BASIC}
    async with asyncio.timeout(30), site.session.get(f"{site.url}/gateway/v1/events?after=0", headers=asked) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line.removeprefix(b"data: ")))
                if found[-1]["kind"] == kind:
                    return found
    raise AssertionError("the stream ended")


async def test_who_came_in_is_in_the_stream_and_in_the_vendors_log_by_name(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        (result,) = (await site.done("POST", "/api/v1/access/identifier/items/link", {"list_items": [PERSON]}))["result"]
        assert result["success"], result
        assert site.panel.read("card", "4711", 1).granted
        told = (await until(site, "access_granted_by_valid_identifier"))[-1]
        person = told["identifier"]
        assert (told["panel"], told["output"], person["owner"], person["number"]) == ("lobby", 1, "Ann", "4711")
        log = await site.done("GET", "/api/v1/log/items?filter_field=category&filter_value=access&sort_type=desc&limit=10")
        (item,) = log["list_items"]
        assert item["name"]["key"] == "access_granted_by_valid_identifier"
        assert (item["info"]["model"]["owner"], item["info"]["model"]["lock"]) == ("Ann", 2)
        lines = (await site.call("GET", "/gateway/v1/events?kinds=access_granted_by_valid_identifier")).text.splitlines()
        assert [json.loads(line) for line in lines] == [told]


_SITE = """
[site]
clock_source = "host"
[http]
port = 0
[[users]]
name = "admin"
password = "123456"
[[lines]]
id = "line"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  simulator = {{ identifiers = 1, events = 64 }}
[[doors]]
id = "front"
panel = "lobby"
output = 0
number = 1
[[bindings]]
link_id = "*"
panels = ["@all"]
[[webhooks]]
url = "{hook}"
secret_file = "secret"
kinds = ["access_granted_by_valid_identifier"]
"""
_ACCESS = "?after=0&kinds=access_granted_by_valid_identifier,access_denied_by_not_valid_identifier,access_denied_by_unknown_card"


def person(number: int) -> dict[str, Any]:
    return {
        "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}",
        "identifier_owner": {"name": f"person {number}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(number),
        "lock": "first",
    }


async def exchange(client: Client, leaves: int | None, comes: int) -> None:
    """One person leaves for good, and another has the only slot from the answer on."""
    path = "/api/v1/access/identifier/items/link"
    if leaves is not None:
        await client.call("DELETE", path, {"link_ids": [person(leaves)["link_id"]]})
    (result,) = (await client.call("POST", path, {"list_items": [person(comes)]}))["result"]
    assert result["success"], result


async def access(client: Client, count: int) -> list[tuple[str, str | None]]:
    """The first `count` events of cards: what happened, and whom it names."""
    headers = {**client.headers, "Accept": "text/event-stream"}
    found: list[tuple[str, str | None]] = []
    async with asyncio.timeout(30), client.session.get(f"{client.url}/gateway/v1/events{_ACCESS}", headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                found.append((event["kind"].split("_")[1], event.get("identifier", {}).get("owner")))
                if len(found) == count:
                    return found
    raise AssertionError(f"the stream ended after {found}")


async def opened_from_afar(client: Client) -> list[str]:
    """The doors that somebody opened over HTTP, as far as the gateway knows."""
    asked = f"{client.url}/gateway/v1/events?kinds=access_granted_by_api_call"
    async with client.session.get(asked, headers=client.headers) as response:
        return [json.loads(line)["door"] async for line in response.content]


async def test_everybody_is_named_once_over_a_kill_and_a_power_cut_though_one_slot_is_for_all(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret\n")
    config = tmp_path / "site.toml"
    posted: list[str] = []

    async def take(request: web.Request) -> web.Response:
        posted.extend(event["identifier"]["owner"] for event in (await request.json())["events"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    config.write_text(_SITE.format(port=1, hook=hook))
    async with SimulatedSite(load_settings(config), tcp_port_override={"line": 0}) as simulated:
        config.write_text(_SITE.format(port=simulated.lines["line"][1], hook=hook))
        panel = simulated.panels["lobby"]
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await exchange(client, None, 1)
            assert panel.read("card", "1", 0).granted
            await exchange(client, 1, 2)
            assert panel.read("card", "2", 0).granted
            await client.call("GET", "/api/v1/access/general/lock/open/remote/accepted/1")
            gateway.process.kill()
            await gateway.process.wait()
        assert panel.read("card", "2", 0).granted
        panel.power_cut()
        assert not panel.read("card", "2", 0).granted
        async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
            await exchange(client, 2, 3)
            assert panel.read("card", "3", 0).granted
            assert not panel.read("card", "1", 0).granted
            told = await access(client, 6)
            assert await opened_from_afar(client) == ["front"]
            assert await gateway.end() == 0
    assert told == [
        *(("granted", "person 1"), ("granted", "person 2"), ("granted", "person 2")),
        *(("denied", "person 2"), ("granted", "person 3"), ("denied", None)),
    ]
    assert list(dict.fromkeys(posted)) == ["person 1", "person 2", "person 3"][: len(set(posted))]
    await runner.cleanup()
