"""What the page asks for: the matrix, the hours of an item, the openings of a profile that nobody has asked for yet."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from config.settings import DoorSettings
from drivers.contract import ItemState, Reason
from gateway.fleet.matrix import Cell, Column
from gateway.fleet.target import Target
from tests.support.api_server import CLOCK, ApiServer, api_server, vector

OWN = "/gateway/v1"
ITEM: dict[str, Any] = vector("examples.json")["list_items"][0]
WORK = {
    "link_id": "91c615e3-1040-4815-8ecb-000000000001",
    "name": "<b>Work</b>",
    "time_options": {"is_all_day": False, "date_from": 1_793_602_800, "date_to": 1_793_635_200},
    "repeat_options": {
        "repeat_enable": True,
        "repeat_format": {
            "repeat_type": "custom",
            "repeat_end": {"format": "never"},
            "repeat_custom": {"repeat_point_type": "week", "repeat_looper": 1, "repeat_options": ["MON", "TUE"]},
        },
    },
}
"""Mondays and Tuesdays, 09:00 to 18:00 in Kyiv, from 2 November 2026 on."""


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


HELD = Cell(True, True, ItemState.EXACT, None, None, None, None)
LATE = Cell(True, False, ItemState.PENDING, Reason.NO_REPLY, "no answer", None, None)


async def test_a_row_of_the_matrix_says_every_column_and_repeats_nothing(server: ApiServer) -> None:
    front = DoorSettings(id="front", panel="p0", output=2, name="Front <door>")
    columns = [Column(Target(f"p{number}"), away=number == 3) for number in range(5)]
    server.fleet.columns = [*columns, Column(Target("p0", 2), False, front)]
    server.fleet.cells = {0: HELD, 1: HELD, 3: LATE, 4: HELD}
    await server.upsert(WORK)
    body = (await server.call("GET", f"{OWN}/matrix")).json
    assert body["columns"][3] == {"panel": "p3", "away": True}
    assert body["columns"][5] == {"panel": "p0", "away": False, "output": 2, "door": "front", "name": "Front <door>"}
    assert body["total"] == 1
    (row,) = body["rows"]
    assert row == {
        "kind": "timeprofile",
        "uid": 1,
        "link_id": WORK["link_id"],
        "name": "<b>Work</b>",
        "cells": [0, 2, -1, 1, 1, 1, 0, 1, -1, 1],
    }
    assert [(each["outcome"], each["reason"]) for each in body["results"]] == [("exact", None), ("pending", "no_reply")]


async def test_rows_come_by_the_page_and_by_what_is_looked_for(server: ApiServer) -> None:
    server.fleet.columns, server.fleet.cells = [Column(Target("p0"), away=False)], {0: HELD}
    link_ids = [f"91c615e3-1040-4815-8ecb-{number:012d}" for number in range(5)]
    await server.upsert(*({**WORK, "link_id": link_id, "name": f"Şift {link_id[-1]}"} for link_id in link_ids))

    async def names(query: str) -> tuple[list[str], int]:
        body = (await server.call("GET", f"{OWN}/matrix?{query}")).json
        return [row["name"] for row in body["rows"]], body["total"]

    assert await names("first=1&limit=2") == (["Şift 1", "Şift 2"], 5)
    assert await names("find=şift+4") == (["Şift 4"], 1)
    assert await names("find=000000000003") == (["Şift 3"], 1)
    assert await names("kind=identifier") == ([], 0)
    assert await names("differing=1") == ([], 0)
    server.fleet.cells = {0: LATE}
    assert await names("differing=1&first=4") == (["Şift 4"], 5)


async def test_a_thousand_panels_and_a_hundred_items_are_a_small_answer(server: ApiServer) -> None:
    server.fleet.columns = [Column(Target(f"panel-{number:04d}"), away=False) for number in range(1000)]
    server.fleet.cells = {number: LATE if number % 97 == 0 else HELD for number in range(1000)}
    await server.upsert(*({**WORK, "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}"} for number in range(100)))
    answer = await server.call("GET", f"{OWN}/matrix?limit=100")
    assert len(answer.json["rows"]) == 100
    assert len(answer.text) < 80_000


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("matrix?limit=0", "limit"),
        ("matrix?limit=1001", "limit"),
        ("matrix?first=-1", "first"),
        ("matrix?kind=door", "kind"),
        ("matrix?differing=yes", "differing"),
        ("matrix?panel=lobby", "panel"),
        ("hours?uid=1&from=2026-13-01", "from"),
        ("hours?uid=1&from=20261130", "from"),
        ("hours?uid=1&from=9999-12-31", "from"),
        ("hours?uid=1&days=0", "days"),
        ("hours?uid=1&days=801", "days"),
        ("hours?uid=1&kind=door", "kind"),
        ("hours", "link_id"),
    ],
)
async def test_a_query_that_means_nothing_names_its_key(server: ApiServer, path: str, place: str) -> None:
    await server.upsert(WORK)
    answer = await server.call("GET", f"{OWN}/{path}")
    assert answer.status == 400, answer.text
    assert answer.json["detail"].startswith(f"{place}: ")


async def test_hours_are_a_week_and_the_days_that_are_otherwise(server: ApiServer) -> None:
    await server.upsert(WORK)
    body = (await server.call("GET", f"{OWN}/hours?uid=1&from=2026-10-26&days=28")).json
    asked = body["calendars"][body["asked"]]
    assert (body["name"], body["zone"], body["from"], body["total"]) == ("<b>Work</b>", "Europe/Kyiv", "2026-10-26", 2)
    assert asked["week"] == [[[540, 1080]], [[540, 1080]], [], [], [], [], []]
    assert asked["changes"] == [{"date": "2026-10-26", "open": []}, {"date": "2026-10-27", "open": []}]
    lobby, gate = body["panels"]
    assert (lobby["compiled"], lobby["held"], lobby["differs_at"]) == (body["asked"], body["asked"], None)
    assert (gate["panel"], gate["outcome"], gate["differs_at"]) == ("gate:3", "pending", "held")
    assert body["calendars"][gate["held"]] == {"week": [[]] * 7, "changes": []}
    (only,) = (await server.call("GET", f"{OWN}/hours?uid=1&first=1&limit=1")).json["panels"]
    assert only["panel"] == "gate:3"


async def test_hours_of_what_is_not_there_are_not_found(server: ApiServer) -> None:
    await server.upsert(WORK)
    for query, error in (("uid=9", "unknown_uid"), (f"link_id={WORK['link_id']}&panel=attic", "unknown_panel")):
        answer = await server.call("GET", f"{OWN}/hours?{query}")
        assert (answer.status, answer.json["error"]) == (404, error)
    missing = await server.call("GET", f"{OWN}/hours?link_id=91c615e3-1040-4815-8ecb-000000000009")
    assert (missing.status, missing.json["error"]) == (404, "unknown_link_id")


async def test_the_next_openings_are_told_before_anything_is_stored(server: ApiServer) -> None:
    answer = await server.call("POST", f"{OWN}/openings", {"list_items": [WORK]})
    read_as = {key: answer.json[key] for key in ("zone", "timestamps", "window", "looper")}
    assert [*read_as.values()] == ["Europe/Kyiv", "instant", "first_occurrence", "interval"]
    (item,) = answer.json["items"]
    assert (item["open"], item["more"], len(item["openings"])) == (False, True, 20)
    assert item["openings"][0] == {"from": 1_793_602_800, "to": 1_793_635_200}
    assert server.fleet.desired == {}


async def test_an_opening_without_an_end_says_so(server: ApiServer) -> None:
    always = {**WORK, "time_options": {**WORK["time_options"], "is_all_day": True}}  # type: ignore[dict-item]
    always["repeat_options"] = {"repeat_enable": True, "repeat_format": {"repeat_type": "day", "repeat_end": {"format": "never"}}}
    (item,) = (await server.call("POST", f"{OWN}/openings", {"list_items": [always]})).json["items"]
    assert [each["to"] for each in item["openings"]] == [None]
    assert item["more"] is False


async def test_a_mistake_in_what_is_being_typed_names_its_field(server: ApiServer) -> None:
    wrong = json.loads(json.dumps(WORK))
    wrong["repeat_options"]["repeat_format"]["repeat_custom"]["repeat_looper"] = 0
    answer = await server.call("POST", f"{OWN}/openings", {"list_items": [wrong]})
    assert answer.status == 400
    assert answer.json["detail"].startswith("list_items[0].repeat_options.repeat_format.repeat_custom.repeat_looper: ")


async def test_while_the_time_is_not_known_nothing_is_said_of_the_days_to_come(server: ApiServer) -> None:
    server.fleet.host_clock = replace(CLOCK, trusted=False, reason="never set")
    await server.upsert(WORK)
    for answer in (
        await server.call("POST", f"{OWN}/openings", {"list_items": [WORK]}),
        await server.call("GET", f"{OWN}/hours?uid=1"),
    ):
        assert (answer.status, answer.json["error"]) == (503, "clock_not_set")
    assert (await server.call("GET", f"{OWN}/hours?uid=1&from=2026-11-30")).status == 200
