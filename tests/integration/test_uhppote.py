"""UHPPOTE controllers through the HTTP port: real UDP and TCP to simulated boards, and who comes in at their doors."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

import pytest

from config.settings import (
    BindingSettings,
    DoorSettings,
    HttpSettings,
    Settings,
    SiteSettings,
    StoreSettings,
    UhppoteLineSettings,
    UhppotePanelSettings,
    UserSettings,
)
from drivers.clock import SystemClock
from gateway.app import Gateway
from simulators.site import SimulatedSite
from simulators.uhppote_board import UhppoteBoard
from tests.judge import seconds_on_wall, wall_clock
from tests.support.processes import Client, logged_in

EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())
_EARLIER_S = 6 * 52 * 7 * 86_400
_EXAMPLE: dict[str, Any] = EXAMPLES["list_items"][8]
_OPTIONS: dict[str, Any] = _EXAMPLE["time_options"]
_SHIFTED = {name: _OPTIONS[name] - _EARLIER_S for name in ("date_from", "date_to")}
WORK_WEEK = {**_EXAMPLE, "time_options": {**_OPTIONS, **_SHIFTED}}
"""It began years ago, whenever the test runs."""
LINK = WORK_WEEK["link_id"]
ENTRANCE, CELLAR = 405_419_896, 303_986_753
CARD = 10_058_400
KYIV = ZoneInfo("Europe/Kyiv")
DAY = 86_400
NOW = time.time()
WEDNESDAY = int(NOW) // DAY + (2 - int(NOW) // DAY - 3) % 7
"""A Wednesday that is today or comes within a week, as a day since 1970."""


class Site:
    def __init__(self, client: Client, simulated: SimulatedSite) -> None:
        self.client, self.simulated = client, simulated

    def board(self, name: str) -> UhppoteBoard:
        return cast("UhppoteBoard", self.simulated.panels[name])

    def lets_in(self, name: str, hour: int, door: int = 0, card: int = CARD) -> str:
        return self.board(name).decide(card, door, DAY * WEDNESDAY + 3600 * hour)

    def writes(self) -> int:
        return sum(board.traffic.writes for board in self.simulated.panels.values())


@asynccontextmanager
async def gateway_with(
    folder: Path, transport: Literal["udp", "tcp"] = "udp", host: str = "127.0.0.1", **panel: Any
) -> AsyncIterator[Site]:
    boards = [
        UhppotePanelSettings(id="entrance", model="uhppote", serial=ENTRANCE, **panel),
        UhppotePanelSettings(id="cellar", model="uhppote", serial=CELLAR, doors=2),
    ]
    line = UhppoteLineSettings(id="boards", transport=transport, host=host, port=0, timeout_ms=100, panels=tuple(boards))
    async with SimulatedSite(Settings(lines=(line,))) as simulated:
        place = simulated.lines["boards"]
        settings = Settings(
            site=SiteSettings(timezone=KYIV.key, clock_source="host"),
            http=HttpSettings(port=0),
            store=StoreSettings(path=folder / "gateway.db"),
            users=(UserSettings(name="admin", password="123456"),),
            bindings=(BindingSettings(link_id="*", panels=("entrance", "cellar")),),
            lines=(line.model_copy(update={"port": place[1]}),),
            doors=(
                DoorSettings(id="front", panel="entrance", output=0, number=1, pulse_s=7),
                DoorSettings(id="side", panel="entrance", output=1, number=2, sensor=1),
                DoorSettings(id="cellar", panel="cellar", output=0, number=3),
            ),
        )
        gateway = Gateway(settings, None, SystemClock())
        try:
            url = await gateway.start()
            async with logged_in(url) as client:
                yield Site(client, simulated)
        finally:
            await gateway.stop()


def person(number: int = CARD, lock: str = "first") -> dict[str, Any]:
    return {
        "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}",
        "identifier_owner": {"name": "Ada", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(number),
        "lock": lock,
        "time_profiles": {"link_ids": [LINK]},
    }


async def put(client: Client, *items: dict[str, Any]) -> list[dict[str, Any]]:
    said = await client.call("POST", "/api/v1/access/identifier/items/link", {"list_items": list(items)})
    return list(said["result"])


@pytest.mark.parametrize(("transport", "host"), [("udp", "127.0.0.1"), ("tcp", "127.0.0.1"), ("udp", "127.255.255.255")])
async def test_a_profile_and_a_card_reach_the_boards_and_leave_them(
    tmp_path: Path, transport: Literal["udp", "tcp"], host: str
) -> None:
    async with gateway_with(tmp_path, transport, host) as site:
        (told,) = await site.client.upsert(WORK_WEEK)
        assert [(each["panel"], each["success"]) for each in told["panels"]] == [("entrance", True), ("cellar", True)]
        (told,) = await put(site.client, person())
        assert told["success"], told
        assert abs((site.board("entrance").local_second() or 0) - seconds_on_wall(wall_clock(KYIV, int(time.time())))) < 60
        assert {site.lets_in(name, 12) for name in ("entrance", "cellar")} == {"granted"}
        assert {site.lets_in(name, 22) for name in ("entrance", "cellar")} == {"schedule_closed"}
        assert site.lets_in("entrance", 12, door=1) == "not_this_door"
        assert site.lets_in("entrance", 12, card=CARD + 1) == "unknown"
        written = site.writes()
        assert (await site.client.upsert(WORK_WEEK))[0]["success"]
        assert (await put(site.client, person()))[0]["success"]
        assert site.writes() == written, "the same again is nothing to write"
        (gone,) = await site.client.delete(LINK)
        assert gone["success"]
        assert site.lets_in("entrance", 12) in ("unknown", "schedule_closed")
        (line,) = (await site.client.call("GET", "/gateway/v1/lines"))["lines"]
        assert (line["kind"], sorted(unit["unit"] for unit in line["units"])) == ("uhppote", [CELLAR, ENTRANCE])


async def test_a_profile_that_vanishes_from_a_board_lets_nobody_in_for_long(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as site:
        await site.client.upsert(WORK_WEEK)
        await put(site.client, person())
        site.board("entrance").profiles.records.clear()
        assert site.lets_in("entrance", 3) == "granted", "as on the board"
        await site.client.call("POST", "/gateway/v1/panels/entrance/sync", {}, status=202)
        async with asyncio.timeout(20):
            while (site.lets_in("entrance", 3), site.lets_in("entrance", 12)) != ("schedule_closed", "granted"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_silent_board_costs_the_other_nothing_and_is_found_again(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as site:
        site.board("cellar").off()
        (told,) = await site.client.upsert(WORK_WEEK)
        assert [(each["panel"], each["success"]) for each in told["panels"]] == [("entrance", True), ("cellar", False)]
        site.board("cellar").on()
        async with asyncio.timeout(20):
            while not site.board("cellar").profiles.records:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_card_that_is_found_with_a_pin_keeps_it_and_says_so(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as site:
        record = CARD.to_bytes(4, "little") + bytes.fromhex("20000101 20991231 01 00 00 00 6b1d00 00")
        assert site.board("entrance").cards.put(record)
        await site.client.call("POST", "/gateway/v1/panels/entrance/sync", {}, status=202)
        async with asyncio.timeout(20):
            while not (await site.client.panels())["entrance"].get("foreign"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (told,) = await put(site.client, {**person(), "lock": "second", "time_profiles": {"link_ids": []}})
        said = {each["panel"]: each.get("message") or "" for each in told["panels"]}
        assert "PIN" in said["entrance"]
        assert site.board("entrance").cards.get(CARD)[12:19] == bytes.fromhex("00 01 00 00 6b1d00")


async def kinds(client: Client, wanted: int) -> list[dict[str, Any]]:
    """The events of doors, once there are this many."""
    async with asyncio.timeout(20):
        while True:
            async with client.session.get(f"{client.url}/gateway/v1/events", headers=client.headers) as response:
                told = [json.loads(line) for line in (await response.text()).splitlines()]
            found = [each for each in told if each["kind"].startswith("access_")]
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.05)


async def test_who_was_let_in_and_who_was_not_is_told_by_name_and_number(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as site:
        await put(site.client, {**person(), "time_profiles": {"link_ids": []}})
        board = site.board("entrance")
        assert board.read("card", str(CARD), 0).granted
        assert not board.read("card", str(CARD), 1).granted
        assert not board.read("card", "77", 0).granted
        granted, denied, unknown = await kinds(site.client, 3)
        assert (granted["kind"], granted["identifier"]["owner"], granted["output"]) == (
            "access_granted_by_valid_identifier",
            "Ada",
            0,
        )
        assert (denied["kind"], denied["identifier"]["owner"], denied["output"]) == (
            "access_denied_by_not_valid_identifier",
            "Ada",
            1,
        )
        assert (unknown["kind"], unknown["number"]) == ("access_denied_by_unknown_card", "77")
        assert abs(granted["at"] - time.time()) < 300, "by the board's own clock"
        log = await site.client.call("GET", "/api/v1/log/items?filter_field=category&filter_value=access&limit=10")
        assert {item["info"]["model"]["number"] for item in log["list_items"]} == {str(CARD), "77"}


async def test_a_door_opens_for_its_own_time_and_no_other(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as site:
        await site.client.upsert(WORK_WEEK)
        board = site.board("entrance")
        async with asyncio.timeout(20):
            while board.delays_s[:2] != [7, 5]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        opened = await site.client.call("POST", "/gateway/v1/doors/front/open", {})
        assert (opened["outcome"], board.outputs()) == ("acknowledged", (True, False, False, False))
        refused = await site.client.call("POST", "/gateway/v1/doors/side/open", {"seconds": 3}, status=409)
        assert refused["error"] == "refused"
        held = await site.client.call("POST", "/gateway/v1/doors/side/hold", {"seconds": 3}, status=409)
        assert held["error"] == "refused"
        assert board.outputs() == (True, False, False, False)


@pytest.mark.long
async def test_a_door_that_stands_open_is_shown_to_be_open_until_its_board_is_away(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as site:

        async def shown(**wanted: object) -> None:
            async with asyncio.timeout(20):
                while True:
                    (side,) = (await site.client.call("GET", "/gateway/v1/doors/side"))["doors"]
                    if side | wanted == side:
                        return
                    await asyncio.sleep(0.02)

        await shown(state="closed", is_open=False)
        assert (await site.client.call("GET", "/api/v1/access/door/status"))["status"] == "closed"
        site.board("entrance").stand(1, is_open=True)
        await shown(state="open", is_open=True)
        assert (await site.client.call("GET", "/api/v1/access/door/status"))["status"] == "open"
        (front,) = (await site.client.call("GET", "/gateway/v1/doors/front"))["doors"]
        assert (front["state"], front["is_open"]) == ("closed", None), "it has no sensor"
        site.board("entrance").off()
        await shown(state="unknown", is_open=None)
