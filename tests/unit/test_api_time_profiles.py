"""Upsert, delete and list over real HTTP, in the vendor's words."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.schedules.time_profile import DayType, Frequency, NthDay, Repeat, TimeProfile, WeekOrder
from tests.support.api_server import GATE, LOBBY, ApiServer, api_server, vector

LINK = "/api/v1/access/timeprofile/items/link"
ONE = "91c615e3-1040-4815-8ecb-000000000001"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


def examples() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = vector("examples.json")["list_items"]
    return items


def work_week(**changed: Any) -> dict[str, Any]:
    return {**examples()[8], **changed}


def custom(point_type: str, options: object = None, looper: object = 1) -> dict[str, Any]:
    repeat_custom = {"repeat_point_type": point_type, "repeat_looper": looper, "repeat_options": options}
    repeat_format = {"repeat_type": "custom", "repeat_end": {"format": "never"}, "repeat_custom": repeat_custom}
    return work_week(repeat_options={"repeat_enable": True, "repeat_format": repeat_format})


async def test_the_ten_examples_are_created_then_updated(server: ApiServer) -> None:
    first, second = await server.upsert(*examples()), await server.upsert(*examples())
    assert (first.status, second.status) == (200, 200)
    assert [one["link_id"] for one in first.json["result"]] == [one["link_id"] for one in examples()]
    assert {(one["success"], one["extended_info"]) for one in first.json["result"]} == {(True, "created")}
    assert {one["extended_info"] for one in second.json["result"]} == {"updated"}


async def test_examples_become_profiles(server: ApiServer) -> None:
    await server.upsert(*examples())
    profiles = [item.profile for item in server.fleet.upserts[0]]
    assert profiles[0] == TimeProfile(ONE, "One day", False, 1_793_602_800, 1_793_635_200, None)
    assert [one.repeat for one in profiles[1:7]] == [
        Repeat(Frequency.DAY),
        Repeat(Frequency.DAY, end=1_798_668_000),
        Repeat(Frequency.WEEK),
        Repeat(Frequency.WEEK, interval=2),
        Repeat(Frequency.MONTH),
        Repeat(Frequency.YEAR),
    ]
    assert profiles[7].is_all_day
    assert profiles[7].repeat == Repeat(Frequency.MONTH, custom=True, month_days=frozenset({1}))
    assert profiles[8].repeat == Repeat(Frequency.WEEK, custom=True, weekdays=frozenset(range(5)))
    last_day_off = NthDay(WeekOrder.LAST, DayType.DAY_OFF)
    assert profiles[9].repeat == Repeat(Frequency.YEAR, custom=True, months=frozenset({1, 4, 7, 10}), nth=last_day_off)


async def test_custom_forms_become_profiles(server: ApiServer) -> None:
    second_monday = {"format": "parameterizedDay", "range": {"week_order": "second", "day_type": "MON"}}
    expected = {
        ("day", None): Repeat(Frequency.DAY, 3, custom=True),
        ("week", None): Repeat(Frequency.WEEK, 3, custom=True),
        ("month", None): Repeat(Frequency.MONTH, 3, custom=True),
        ("year", None): Repeat(Frequency.YEAR, 3, custom=True),
    }
    for (point_type, options), repeat in expected.items():
        assert (await server.upsert(custom(point_type, options, looper=3))).status == 200
        assert server.fleet.upserts[-1][0].profile.repeat == repeat
    await server.upsert(custom("month", second_monday))
    nth = NthDay(WeekOrder.SECOND, DayType.MON)
    assert server.fleet.upserts[-1][0].profile.repeat == Repeat(Frequency.MONTH, custom=True, nth=nth)


async def test_the_vendors_own_example_is_accepted_and_listed_as_sent(server: ApiServer) -> None:
    sent = {"link_id": ONE, **vector("vendor-example.json")}
    assert (await server.upsert(sent)).json["result"][0]["success"] is True
    assert server.fleet.upserts[0][0].profile.repeat == Repeat(Frequency.DAY, end=1_540_819_272)
    assert (await server.call("GET", LINK)).json["list_items"] == [sent]


async def test_unknown_keys_are_ignored_everywhere(server: ApiServer) -> None:
    item = work_week(extra=[1], time_options={**work_week()["time_options"], "extra": 1})
    answer = await server.call("POST", LINK, {"list_items": [item], "list_options": 7, "more": None})
    assert answer.status == 200
    assert (await server.call("GET", LINK)).json["list_items"] == [work_week()]


async def test_what_does_not_count_is_not_validated_and_kept(server: ApiServer) -> None:
    once = work_week(repeat_options={"repeat_enable": False, "repeat_format": {"repeat_type": 5}})
    assert (await server.upsert(once)).status == 200
    assert (await server.call("GET", LINK)).json["list_items"] == [once]
    assert server.fleet.upserts[0][0].profile.repeat is None


async def test_a_link_id_is_kept_and_echoed_in_lower_case(server: ApiServer) -> None:
    answer = await server.upsert(work_week(link_id=ONE.upper()))
    assert answer.json["result"][0]["link_id"] == ONE
    assert (await server.call("GET", LINK)).json["list_items"][0]["link_id"] == ONE
    deleted = await server.call("DELETE", LINK, {"link_ids": [ONE.upper()]})
    assert deleted.json["result"][0]["extended_info"] == "deleted"


async def test_panels_are_shown_as_asked(server: ApiServer) -> None:
    server.fleet.panel_results = (LOBBY, GATE)
    lobby = {
        "panel": "lobby",
        "success": True,
        "extended_info": "created",
        "outcome": "materialised",
        "valid_until": 1_825_000_000,
    }
    gate = {
        "panel": "gate:3",
        "success": False,
        "extended_info": "created",
        "outcome": "pending",
        "reason": "no_reply",
        "message": "no answer",
        "still_grants": 2,
    }
    shown = (await server.upsert(work_week())).json["result"][0]
    assert shown == {"link_id": work_week()["link_id"], "success": False, "extended_info": "created", "panels": [lobby, gate]}
    failed = (await server.upsert(work_week(), query="?panels=failed")).json["result"][0]
    assert failed["panels"] == [{**gate, "extended_info": "updated"}]
    assert "panels" not in (await server.upsert(work_week(), query="?panels=none")).json["result"][0]
    assert (await server.upsert(work_week(), query="?panels=some")).status == 400


async def test_an_item_bound_to_no_panel_has_an_empty_list(server: ApiServer) -> None:
    assert (await server.upsert(work_week())).json["result"][0]["panels"] == []


@pytest.mark.parametrize("case", vector("errors.json"), ids=lambda case: case["error"])
async def test_error_texts_are_exact(server: ApiServer, case: dict[str, Any]) -> None:
    answer = await server.upsert(work_week(link_id=ONE), case["item"])
    assert (answer.status, answer.json["error"]) == (400, case["error"])
    assert answer.json["detail"].startswith("list_items[1].")
    assert server.fleet.upserts == []


def options(**changed: Any) -> dict[str, Any]:
    return work_week(time_options={**work_week()["time_options"], **changed})


MONTH_DAY = {"week_order": "first", "day_type": "MON"}
BAD_ITEMS: list[tuple[object, str, str]] = [
    ([], "Wrong JSON body: value `list_items` was of the wrong type", "list_items[0]"),
    (None, "Wrong JSON body: value `list_items` was of the wrong type", "list_items[0]"),
    ({}, "Wrong JSON body: no value for `link_id`", "list_items[0].link_id"),
    (work_week(link_id=None), "Wrong JSON body: value `link_id` was of the wrong type", "list_items[0].link_id"),
    (work_week(link_id="nonsense"), "Wrong JSON body", "list_items[0].link_id"),
    (work_week(link_id="{" + ONE + "}"), "Wrong JSON body", "list_items[0].link_id"),
    (work_week(link_id=ONE + "\n"), "Wrong JSON body", "list_items[0].link_id"),
    (work_week(link_id=ONE.replace("-", "")), "Wrong JSON body", "list_items[0].link_id"),
    (work_week(name=5), "Wrong JSON body: value `name` was of the wrong type", "list_items[0].name"),
    (work_week(time_options=[]), "Wrong JSON body: value `time_options` was of the wrong type", "list_items[0].time_options"),
    (options(date_from=True), "Wrong JSON body: value `date_from` was of the wrong type", "list_items[0].time_options.date_from"),
    (options(date_from=1.0), "Wrong JSON body: value `date_from` was of the wrong type", "list_items[0].time_options.date_from"),
    (options(date_to=2**63), "Wrong JSON body: value `date_to` was of the wrong type", "list_items[0].time_options.date_to"),
    (
        options(date_to=-(2**63) - 1),
        "Wrong JSON body: value `date_to` was of the wrong type",
        "list_items[0].time_options.date_to",
    ),
    (options(date_to=2**63 - 1), "Wrong JSON body", "list_items[0].time_options.date_to"),
    (options(date_from=-1), "Wrong JSON body", "list_items[0].time_options.date_from"),
    (options(date_to=7_289_654_400), "Wrong JSON body", "list_items[0].time_options.date_to"),
    (
        options(is_all_day="true"),
        "Wrong JSON body: value `is_all_day` was of the wrong type",
        "list_items[0].time_options.is_all_day",
    ),
    (
        work_week(repeat_options={"repeat_enable": True}),
        "Wrong JSON body: no value for `repeat_format`",
        "list_items[0].repeat_options.repeat_format",
    ),
    (custom("week", {}), "Wrong JSON body: value `repeat_options` was of the wrong type", "…repeat_custom.repeat_options"),
    (custom("week", [1]), "Wrong JSON body: value `repeat_options` was of the wrong type", "…repeat_custom.repeat_options[0]"),
    (custom("month", []), "Wrong JSON body: value `repeat_options` was of the wrong type", "…repeat_custom.repeat_options"),
    (custom("month", {}), "Wrong JSON body: no value for `format`", "…repeat_options.format"),
    (custom("month", {"format": "dayNumbers"}), "Wrong JSON body: no value for `range`", "…repeat_options.range"),
    (
        custom("month", {"format": "dayNumbers", "range": [1, "2"]}),
        "Wrong JSON body: value `range` was of the wrong type",
        "…repeat_options.range[1]",
    ),
    (
        custom("month", {"format": "parameterizedDay", "range": [1]}),
        "Wrong JSON body: value `range` was of the wrong type",
        "…repeat_options.range",
    ),
    (
        custom("month", {"format": "parameterizedDay", "range": {**MONTH_DAY, "day_type": "HOLIDAY"}}),
        "Wrong repeat_options enum name",
        "…repeat_options.range.day_type",
    ),
    (custom("year", {}), "Wrong JSON body: no value for `months`", "…repeat_options.months"),
    (
        custom("year", {"months": [1, True]}),
        "Wrong JSON body: value `months` was of the wrong type",
        "…repeat_options.months[1]",
    ),
    (
        custom("year", {"months": [1], "range": {"week_order": "zeroth"}}),
        "Wrong repeat_options enum name",
        "…repeat_options.range.week_order",
    ),
    (custom("week", ["MON"], 10**30), "Wrong JSON body: value `repeat_looper` was of the wrong type", "…repeat_looper"),
    (custom("week", ["MON"], "1"), "Wrong JSON body: value `repeat_looper` was of the wrong type", "…repeat_looper"),
]


@pytest.mark.parametrize(("item", "error", "place"), BAD_ITEMS)
async def test_bad_items(server: ApiServer, item: object, error: str, place: str) -> None:
    answer = await server.upsert(item)
    assert (answer.status, answer.json["error"]) == (400, error)
    said, _, prose = answer.json["detail"].partition(": ")
    assert prose
    assert said.endswith(place.removeprefix("…"))
    assert said.startswith("list_items[0]")
    assert server.fleet.upserts == []


HUGE = b"9" * 5000


@pytest.mark.parametrize(
    ("sent", "error", "place"),
    [
        (b'"date_from":' + HUGE, "Wrong JSON body: value `date_from` was of the wrong type", "time_options.date_from"),
        (b'"date_from":1e999', "Wrong JSON body: value `date_from` was of the wrong type", "time_options.date_from"),
        (b'"repeat_format":[0,{"x":-1e999}]', "Wrong JSON body", "repeat_options.repeat_format"),
        (b'"repeat_format":' + HUGE, "Wrong JSON body", "repeat_options.repeat_format"),
    ],
)
async def test_a_number_out_of_range_is_a_mistake_where_it_counts_or_is_kept(
    server: ApiServer, sent: bytes, error: str, place: str
) -> None:
    item = work_week(repeat_options={"repeat_enable": False, "repeat_format": None})
    good = json.dumps({"list_items": [item]}, separators=(",", ":")).encode()
    key = sent.partition(b":")[0]
    bad = re.sub(key + rb":[^,}]*", lambda _: sent, good)
    assert bad != good
    answer = await server.call("POST", LINK, bad)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert answer.json["detail"].startswith(f"list_items[0].{place}: ")
    ignored = good[:-1] + b',"unknown":[' + HUGE + b",1e999]}"
    assert (await server.call("POST", LINK, ignored)).status == 200
    for odd in (b"NaN", b'"\\ud800"', b"[" * 300 + b"]" * 300, b"[" * 100_000, b"01"):
        worse = good[:-1] + b',"unknown":[' + HUGE + b"," + odd + b"]}"
        assert (await server.call("POST", LINK, worse)).json["error"] == "Wrong JSON body"


async def test_a_byte_order_mark_is_skipped(server: ApiServer) -> None:
    assert (await server.call("POST", LINK, b'\xef\xbb\xbf{"list_items": []}')).json == {"result": []}


async def test_the_first_bad_item_and_its_first_field_are_told(server: ApiServer) -> None:
    bad = {"time_options": {"date_to": "x", "date_from": "y"}, "name": 1, "link_id": "nonsense"}
    answer = await server.upsert(work_week(), {**bad, "link_id": ONE}, bad)
    assert answer.json["error"] == "Wrong JSON body: value `name` was of the wrong type"
    assert answer.json["detail"].startswith("list_items[1].name: ")


async def test_a_link_id_twice_is_refused_before_the_items_other_fields(server: ApiServer) -> None:
    answer = await server.upsert(work_week(link_id=ONE), {"link_id": ONE.upper()})
    assert (answer.status, answer.json["error"]) == (400, "Wrong JSON body")
    expected = f'expected another link_id than that of list_items[0], got "{ONE.upper()}"'
    assert answer.json["detail"] == f"list_items[1].link_id: {expected}"


async def test_no_items_answer_an_empty_result(server: ApiServer) -> None:
    answer = await server.upsert()
    assert (answer.status, answer.json) == (200, {"result": []})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "Wrong JSON body"),
        (b"{", "Wrong JSON body"),
        (b"[]", "Wrong JSON body"),
        (b'"text"', "Wrong JSON body"),
        (b"null", "Wrong JSON body"),
        (b'{"list_items": NaN}', "Wrong JSON body"),
        (b'{"list_items": [], "x": Infinity}', "Wrong JSON body"),
        (b'{"list_items": [], "x": -Infinity}', "Wrong JSON body"),
        (b'{"list_items": [], "x": "\xff"}', "Wrong JSON body"),
        (b'{"list_items": [], "x": "\\ud800"}', "Wrong JSON body"),
        (b'{"list_items": ' + b"[" * 50_000, "Wrong JSON body"),
        (b'{"list_items": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "Wrong JSON body"),
        (b'{"list_items": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, "Wrong JSON body"),
        (b'{"list_items": ' + b"1" * 100_000 + b"}", "Wrong JSON body: value `list_items` was of the wrong type"),
        (b"{}", "Wrong JSON body: no value for `list_items`"),
        (b'{"list_items": {}}', "Wrong JSON body: value `list_items` was of the wrong type"),
        (b'{"list_items": null}', "Wrong JSON body: value `list_items` was of the wrong type"),
    ],
)
async def test_bad_bodies(server: ApiServer, body: bytes, error: str) -> None:
    answer = await server.call("POST", LINK, body)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert server.fleet.upserts == []


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "image/png", "application/x-www-form-urlencoded"])
async def test_any_content_type_is_served(server: ApiServer, content_type: str) -> None:
    answer = await server.call("POST", LINK, {"list_items": [work_week()]}, Content_Type=content_type)
    assert answer.status == 200


@pytest.mark.parametrize("base", ["/api/v0", "/api/v1"])
@pytest.mark.parametrize("word", ["timeprofile", "timeProfile"])
@pytest.mark.parametrize("tail", ["link", "items/link"])
async def test_every_alias_is_served(server: ApiServer, base: str, word: str, tail: str) -> None:
    path = f"{base}/access/{word}/{tail}"
    assert (await server.call("POST", path, {"list_items": [work_week()]})).status == 200
    assert (await server.call("GET", path)).json["list_option"]["pagination"]["total_items"] == 1
    assert (await server.call("HEAD", path)).status == 200
    body = {"link_ids": [work_week()["link_id"]]}
    assert (await server.call("DELETE", path, body)).json["result"][0]["extended_info"] == "deleted"
    gone = (await server.call("POST", f"{base}/access/{word}/link/delete", body)).json["result"][0]
    assert gone == {"link_id": body["link_ids"][0], "success": False, "extended_info": "entity_not_found", "panels": []}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, "Wrong JSON body: no value for `link_ids`"),
        (b"{}", "Wrong JSON body: no value for `link_ids`"),
        (b"[]", "Wrong JSON body"),
        (b"x", "Wrong JSON body"),
        (b'{"link_ids": "x"}', "Wrong JSON body: value `link_ids` was of the wrong type"),
        (b'{"link_ids": [5]}', "Wrong JSON body: value `link_ids` was of the wrong type"),
        (b'{"link_ids": ["x"]}', "Wrong JSON body"),
    ],
)
async def test_bad_deletes(server: ApiServer, body: bytes | None, error: str) -> None:
    answer = await server.call("DELETE", LINK, body)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert server.fleet.deletes == []


async def test_a_delete_answers_every_entry_in_order(server: ApiServer) -> None:
    await server.upsert(work_week(link_id=ONE))
    other = "00000000-0000-0000-0000-00000000000f"
    answer = await server.call("DELETE", LINK, {"link_ids": [other, ONE, ONE.upper()]})
    assert [(one["link_id"], one["success"]) for one in answer.json["result"]] == [(other, False), (ONE, True), (ONE, True)]
    assert server.fleet.deletes == [(other, ONE)]
    assert (await server.call("DELETE", LINK, {"link_ids": []})).json == {"result": []}
