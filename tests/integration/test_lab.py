"""What a person sees who runs the lab and follows the README: the whole main job, through the real ports."""

import asyncio
import copy
import json
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.processes import Client, Running, logged_in, run
from tests.support.skips import tool
from tests.support.terminal import CTRL_C, on_a_terminal

VECTORS = Path(__file__).parents[1] / "vectors"
EXAMPLES: list[dict[str, Any]] = json.loads((VECTORS / "examples.json").read_text())["list_items"]
WORK_WEEK = EXAMPLES[8]
WORK_WEEK_ID = WORK_WEEK["link_id"]
DOORS = {"lobby", "garage", "stairs", "north-door", "south-door", "roof", "annex-door", "warehouse-door"}


class Control:
    """The lab's control URL."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def panel(self, name: str) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/panels/{name}") as response:
            assert response.status == 200
            return dict(await response.json())

    async def commits(self) -> dict[str, int]:
        """By panel; reading a log takes writes of its own, at any time."""
        return {name: (await self.panel(name))["commits"] for name in DOORS}

    async def read(self, name: str, shown: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(f"{self._url}/panels/{name}/read", json=shown) as response:
            assert response.status == 200
            return dict(await response.json())

    async def act(self, name: str, action: str) -> None:
        async with self._session.post(f"{self._url}/panels/{name}/{action}") as response:
            assert response.status == 200


def _after(text: str, output: str) -> str:
    return output.split(text, 1)[1].split()[0]


@asynccontextmanager
async def running_lab(log: Path) -> AsyncIterator[tuple[Running, Client, Control]]:
    async with (
        run("lab", "--port", "0", log=log, ready="/read --data") as lab,
        logged_in(lab.url) as client,
        aiohttp.ClientSession() as session,
    ):
        yield lab, client, Control(session, _after("control URL:", lab.output))


def _changed(item: dict[str, Any], seconds: int) -> dict[str, Any]:
    later = copy.deepcopy(item)
    later["time_options"]["date_to"] += seconds
    return later


def _told_before(last: str, log: Path) -> Iterator[str]:
    """Message and panel of each record of the log, up to `last`."""
    for line in log.read_text().splitlines():
        record = json.loads(line)
        told = f"{record['message']} {record.get('panel')}"
        if told == last:
            return
        yield told
    raise AssertionError(f"the log has no {last}")


async def test_the_ten_examples_reach_all_eight_panels_and_leave_again(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab.log") as (_, client, control):
        for entry in await client.upsert(*EXAMPLES):
            assert (entry["success"], entry["extended_info"]) == (True, "created"), entry
            assert {panel["panel"] for panel in entry["panels"]} == DOORS
            assert all(panel["success"] and panel["outcome"] in {"exact", "materialised"} for panel in entry["panels"])

        before = await control.commits()
        again = await client.upsert(*EXAMPLES)
        assert {(entry["success"], entry["extended_info"]) for entry in again} == {(True, "updated")}
        assert await control.commits() == before

        quiet = await control.panel("lobby")
        (entry,) = await client.upsert(_changed(WORK_WEEK, 3600))
        assert (entry["success"], entry["extended_info"]) == (True, "updated")
        loud = await control.panel("lobby")
        # Drop what is staged, the end minute, the slot's CRC, commit, and a look whether it is still busy: no 128 bytes of slot.
        # One more where the log of events is read meanwhile, which has to be told from where on.
        assert loud["writes"] - quiet["writes"] <= 6
        assert loud["bytes_in"] - quiet["bytes_in"] < 100

        first, second = await client.delete(WORK_WEEK_ID, "00000000-0000-0000-0000-000000000000")
        assert (first["success"], first["extended_info"]) == (True, "deleted")
        assert (second["success"], second["extended_info"]) == (False, "entity_not_found")
        (gone,) = await client.delete(WORK_WEEK_ID)
        assert (gone["success"], gone["extended_info"]) == (False, "entity_not_found")
        assert len(await client.profiles()) == 9


async def test_the_first_person_of_the_lab_is_known_at_the_first_reader(tmp_path: Path) -> None:
    """Whether the card opens depends on the hour; whose it is does not."""
    async with running_lab(tmp_path / "lab.log") as (lab, client, control):
        await client.upsert(WORK_WEEK)
        pasted = lab.output.split("identifier/items/link", 1)[1].split("--data '", 1)[1].split("'", 1)[0]
        answer = await client.call("POST", "/api/v1/access/identifier/items/link", json.loads(pasted))
        (entry,) = answer["result"]
        by_panel = {panel["panel"]: panel["outcome"] for panel in entry["panels"]}
        assert (entry["success"], entry["extended_info"], by_panel["lobby"]) == (True, "created", "exact"), entry
        shown = await control.read("lobby", json.loads(lab.output.rsplit("--data '", 1)[1].split("'", 1)[0]))
        assert shown["granted"] or shown["reason"] == "schedule_closed", shown


async def test_a_lab_with_people_has_a_day_of_events_to_look_at(tmp_path: Path) -> None:
    log = tmp_path / "lab.log"
    async with (
        run("lab", "--port", "0", "--people", "6", log=log, ready="their day at the readers") as lab,
        logged_in(lab.url) as client,
    ):
        items = (await client.call("GET", "/api/v1/access/identifier/items?limit=100"))["list_items"]
        assert len(items) == 6
        assert {each["identifier_type"] for each in items} == {"card"}
        async with asyncio.timeout(30):
            while True:
                told = await client.call("GET", "/api/v1/log/items?filter_field=category&filter_value=access&limit=100")
                if len(told["list_items"]) >= 25:
                    break
                await asyncio.sleep(0.2)
        assert len(told["list_items"]) == 25
        keys = {each["name"]["key"] for each in told["list_items"]}
        assert keys >= {"access_granted_by_valid_identifier", "access_denied_by_unknown_card"}
        named = [each for each in told["list_items"] if each["info"]["model"]["owner"]]
        assert len(named) == 24
        times = [each["timestamp"] for each in told["list_items"]]
        assert 3600_000 < max(times) - min(times) <= 86_400_000


async def test_the_first_door_of_the_lab_opens_and_so_does_that_of_a_relay_board(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab.log") as (lab, client, control):
        pasted = "/gateway/v1" + lab.output.split("/gateway/v1", 1)[1].split()[0]
        for path, panel in ((pasted, "lobby"), ("/gateway/v1/doors/gate/open", "gate")):
            while (await client.call("GET", f"/gateway/v1/panels/{panel}"))["panels"][0]["state"] != "in_sync":
                pass  # the gateway has just started
            assert (await client.call("POST", path))["outcome"] == "acknowledged"
            assert (await control.panel(panel))["outputs"][0] is True


def _read_slot(program: str, host: str, port: str) -> list[int]:
    """The 64 committed words of slot 0, read by a Modbus master that shares nothing with this project."""
    command = [program, "-m", "tcp", "-p", port, "-a", "1", "-0", "-r", str(0x1000), "-c", "64", "-t", "4:hex", "-1", "-q", host]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [int(line.split(":")[1].split()[0], 16) for line in shown.splitlines() if line.startswith("[")]


async def test_an_independent_master_reads_the_documented_words(tmp_path: Path) -> None:
    program = tool("mbpoll", "mbpoll")
    async with running_lab(tmp_path / "lab.log") as (lab, client, _):
        (entry,) = await client.upsert(WORK_WEEK)
        assert entry["success"], entry
        row = next(line for line in lab.output.splitlines() if line.split()[:1] == ["annex-door"])
        host, port = row.split()[-1].rsplit(":", 1)
        words = _read_slot(program, host, port)
    head = "0001 91C6 15E3 1040 4815 8ECB 0000 0000 0009 5117 FFFF 0001 001F 021C 0438"
    assert words == [*(int(word, 16) for word in head.split()), *[0] * 48, 0x700A]


async def test_a_silent_panel_is_told_apart_and_catches_up(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab.log") as (_, client, control):
        await client.until_in_sync()
        await control.act("lobby", "off")
        (entry,) = await client.upsert(WORK_WEEK)
        assert (entry["success"], entry["extended_info"]) == (False, "created")
        by_panel = {panel["panel"]: panel for panel in entry["panels"]}
        lobby = by_panel.pop("lobby")
        assert (lobby["success"], lobby["outcome"]) == (False, "pending")
        assert lobby["reason"] == "no_reply"
        assert all(panel["success"] for panel in by_panel.values())
        elsewhere = {f"panel acknowledged {panel}" for panel in DOORS - {"lobby", "garage", "stairs"}}
        assert elsewhere <= set(_told_before("attempt failed lobby", tmp_path / "lab.log"))
        await control.act("lobby", "on")
        await client.until_in_sync("lobby")
        (entry,) = await client.upsert(WORK_WEEK)
        assert entry["success"], entry


async def test_interrupting_the_lab_stops_all_of_it(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab.log") as (lab, client, _):
        (entry,) = await client.upsert(WORK_WEEK)
        assert entry["success"], entry
        assert await lab.end(signal.SIGINT) == 0
    assert "Traceback" not in (tmp_path / "lab.log").read_text()


@pytest.mark.long
def test_what_to_try_is_printed_last_and_again_on_enter() -> None:
    answers = [("Enter prints this again", ""), ("control URL", CTRL_C)]
    status, shown = on_a_terminal("lab", "--port", "0", answers=answers)
    assert status == 0
    assert re.search(r"\n\d+ simulated panels, \d+ of them bound:\n", shown.replace("\r", "")), shown
    url = re.findall(r"panel gateway: (http://\S+)", shown)[0]
    assert len(re.findall(f"panel-gateway status --config \\S+lab.toml --url {url}\n", shown)) == 2
    assert len(re.findall(r"curl -s -X POST http://\S+/panels/lobby/off ", shown)) == 2
