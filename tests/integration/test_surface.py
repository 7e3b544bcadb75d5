"""What public clients send is answered with what they read: every call of every client, in each generation."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from config.settings import DoorSettings
from simulators.open_access_panel import OpenAccessPanel
from tests.support.api_server import MD5, vector
from tests.support.whole_site import WholeSite, whole_site
from tests.unit.test_fleet_simulated import until

GENERATIONS = ("/api/v0", "/api/v1")
CALLS = vector("client-calls.json")
PROFILE = vector("examples.json")["list_items"][0]
LINK = "91c615e3-1040-4815-8ecb-000000000009"
PERMANENT = {"time": {"is_permanent": True}, "passes": {"is_permanent": True}}

DOORS = (DoorSettings(id="front", panel="lobby", output=0, number=1), DoorSettings(id="yard", panel="lobby", output=1, number=2))
_REFUSED = {
    "/system/reboot/run",
    "/system/debug/call/start",
    "/photo/file",
    "/security/password/admin",
    "/security/password/web/admin",
}
"""What this gateway is not: 400, and says why."""
_BODIES: dict[tuple[str, str], Any] = {
    ("DELETE", "/access/identifier/items"): {"uid_items": [7]},
    ("POST", "/access/identifiers/items/delete"): {"uid_items": [7], "count": 1},
    ("DELETE", "/access/identifier/items/link"): {"link_ids": [LINK]},
    ("POST", "/system/data/clear"): {"data_types": ["logs"]},
    ("POST", "/forward/item/{id}"): {"forward_entity_list": ["1001", "sip:5@example"]},
    ("POST", "/access/general/lock/open/emergency"): {"locks": [{"lock_number": 1, "unlock_time": 10}]},
    ("POST", "/access/general/lock/close/emergency"): {"locks": [1]},
    ("PATCH", "/access/identifiers/item/{id}"): {"base": {"identifier_number": "4242"}},
    ("PATCH", "/access/identifier/item/{id}"): {"identifier_owner": {"name": "Irene Adler", "type": "guest"}},
}


def card(number: str = "12345678", **more: Any) -> dict[str, Any]:
    return {
        "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": number,
        "lock": "first",
        **more,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("surface")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WholeSite]:
    async with whole_site(tmp_path, bound=False, doors=DOORS) as running:
        await running.in_sync()
        yield running


def body_of(call: dict[str, Any]) -> Any:
    method, path = call["method"], call["path"]
    if (method, path) in _BODIES:
        return _BODIES[method, path]
    if path in ("/access/identifier", "/access/identifiers", "/access/identifiers/item") and method == "POST":
        return card()
    if path.endswith("/items/link") and method == "POST":
        return {"list_items": [card(link_id=LINK)]}
    return None if method == "GET" else {}


async def test_every_call_of_every_client_is_answered_in_each_generation(site: WholeSite) -> None:
    for base in GENERATIONS:
        for call in CALLS:
            method, path = call["method"], call["path"]
            if path == "/logout":
                continue
            at_root = path == "/api/info"
            uid = None
            if "{id}" in path and not path.startswith("/forward"):
                uid = (await site.done("POST", f"{base}/access/identifier", card("777")))["uid"]
            if path == "/access/identifier/1":
                path = f"/access/identifier/{(await site.done('POST', f'{base}/access/identifier', card('778')))['uid']}"
            place = path.replace("{id}", str(uid or 5)).replace("{n}", "1")
            query = f"?username=admin&password={MD5}" if path == "/login" else ""
            answer = await site.call(method, ("" if at_root else base) + place + query, body_of(call))
            said = f"{method} {base}{place}: {answer.status} {answer.text}"
            assert answer.status == (400 if path in _REFUSED else 200), said
            if path.endswith("/qr"):
                assert answer.headers["Content-Type"] == "image/png", said
                assert answer.text[1:4] == "PNG", said
            else:
                assert answer.headers["Content-Type"].startswith("application/json"), said
                assert {*call.get("keys", ())} <= answer.json.keys(), said
            if path in _REFUSED:
                assert answer.json["detail"], said
            for left in (await site.done("GET", f"{base}/access/identifier/items?limit=100"))["list_items"]:
                await site.done("DELETE", f"{base}/access/identifier/item/{left['uid']}")


def lets_in(panel: OpenAccessPanel, number: str, at: float | None = None) -> bool:
    """Whether the panel lets a card in at its first door (now where `at` is absent); all profiles here are whole days."""
    minute = int(time.time() if at is None else at) // 60
    return panel.would_read("card", number, 0, minute, minute).granted


DIALECTS = [
    "filter=" + quote("identifier_number eq '22'"),
    "filter_field=identifier_number&filter_type=equal&filter_format=string&filter_value=22",
    "filter=" + quote('{"filter_field":"identifier_number","filter_type":"equal","filter_format":"string","filter_value":"22"}'),
    "identifier_number=22",
    "identifierNumber=22",
]


@pytest.mark.parametrize("base", GENERATIONS)
async def test_a_client_that_deletes_what_it_finds_by_its_dialect_takes_nobody_elses_card(tmp_path: Path, base: str) -> None:
    async with whole_site(tmp_path) as site:
        for dialect in DIALECTS:
            for number in ("11", "22", "33"):
                await site.done("POST", f"{base}/access/identifier", card(number))
            found = (await site.done("GET", f"{base}/access/identifier/items?{dialect}"))["list_items"]
            assert [one["identifier_number"] for one in found] == ["22"], dialect
            for one in found:
                await site.done("DELETE", f"{base}/access/identifier/item/{one['identifier_uid']}")
            left = (await site.done("GET", f"{base}/access/identifiers/items/list?limit=100"))["list_items"]
            assert [one["identifier_number"] for one in left] == ["11", "33"]
            assert [lets_in(site.panel, number) for number in ("11", "22", "33")] == [True, False, True]
            uids = [one["identifier_uid"] for one in left]
            await site.done("POST", f"{base}/access/identifiers/items/delete", {"uid_items": uids, "count": len(uids)})
            assert not any(lets_in(site.panel, number) for number in ("11", "22", "33"))


TAKEN: list[dict[str, Any]] = [
    {},
    {"valid": {"time": {"is_permanent": False, "from": 0, "to": 4_000_000_000}, "passes": {"is_permanent": True}}},
    {"valid": {"time": {"is_permanent": True}, "passes": {"is_permanent": True, "max_passes": 0}}},
    {"valid": {"time": {"is_permanent": True, "from": 5, "to": 1}, "passes": {"is_permanent": True, "max_passes": None}}},
    {"valid": {"passes": {"is_permanent": True, "time": {"is_permanent": False}}}},
    {"identifier_number": "A3:F2:0C:1D"},
    {"identifier_number": "1A-2B-3C-4D"},
    {"identifier_number": "00-00-00-1A-2B-3C-4D"},
    {"identifier_type": "inputCode", "identifier_number": "0042"},
    {"identifier_owner": {"name": " Ша́рик  'O' \u2028", "type": "guest"}},
    {"time_profiles": {"uid_items": [], "count": 0}},
]
NOT_TAKEN: list[tuple[dict[str, Any], str]] = [
    ({"identifier_type": "input_code"}, "identifier_type"),
    ({"lock_number": 1}, "lock_number"),
    ({"name": "Sherlock"}, "name"),
    ({"lock": None}, "lock"),
    ({"identifier_owner": None}, "identifier_owner"),
    ({"identifier_number": 5}, "identifier_number"),
    ({"identifier_number": "A3F2"}, "identifier_number"),
    ({"identifier_type": "face_id"}, "identifier_type"),
    ({"valid": {"time": {"is_permanent": False}}}, "from"),
    ({"time_profiles": {}}, "time_profiles"),
]


async def test_identifiers_come_back_field_by_field(site: WholeSite) -> None:
    sent: dict[str, Any]
    for place in ("/access/identifier", "/access/identifiers/item"):
        for more in TAKEN:
            sent = card(**more)
            uid = (await site.done("POST", f"/api/v1{place}", sent))["uid"]
            assert isinstance(uid, int)
            (listed,) = (await site.done("GET", f"/api/v1/access/identifiers/items/list?uid={uid}"))["list_items"]
            shown = await site.done("GET", f"/api/v0/access/identifiers/item/{uid}")
            base = {key: sent[key] for key in ("identifier_owner", "identifier_type", "identifier_number", "lock")}
            for each in (listed, shown):
                assert base.items() <= each.items()
                assert (each["identifier_uid"], each["base"], each["link_id"]) == (uid, base, None)
                assert each["valid"].keys() >= {"time", "passes"}
                assert each["time_profiles"] == {"uid_items": [], "link_ids": [], "count": 0}
                assert each["additional"]["passes_left"] == -1
            again = await site.call("POST", f"/api/v1{place}", sent)
            assert (again.status, again.json["error"]) == (400, "Identifier with that type and number already exist")
            assert await site.done("DELETE", f"/api/v1{place.removesuffix('/item')}/item/{uid}") == {}
    for more, where in NOT_TAKEN:
        sent = {key: value for key, value in card(**more).items() if value is not None}
        answer = await site.call("POST", "/api/v1/access/identifier", sent)
        assert answer.status == 400, more
        assert where in answer.json["detail"]
        if None in more.values():
            assert answer.json["error"] == "Validation error. Required fields are not provided."
    listed = await site.done("GET", "/api/v1/access/identifier/items")
    assert listed["list_items"] == []
    assert listed["list_option"]["pagination"]["total_pages"] == 0


async def test_a_change_says_only_what_changes_bare_or_in_base(site: WholeSite) -> None:
    time, passes = {"is_permanent": False, "from": 60, "to": 4_000_000_000}, {"is_permanent": False, "max_passes": 5}
    uid = (await site.done("POST", "/api/v1/access/identifier", card(valid={"time": time, "passes": passes})))["uid"]
    item = f"/api/v1/access/identifiers/item/{uid}"
    assert await site.done("PATCH", item, {"base": {"identifier_number": "42"}}) == {}
    assert (
        await site.done("PATCH", item, {"identifier_owner": {"name": "Irene"}, "valid": {"passes": {"is_permanent": True}}}) == {}
    )
    assert await site.done("PATCH", item, {}) == {}
    shown = await site.done("GET", item)
    assert shown["identifier_number"] == "42"
    assert shown["identifier_owner"] == {"name": "Irene", "type": "owner"}
    assert shown["valid"] == {"time": time, "passes": {"is_permanent": True}}
    other = (await site.done("POST", "/api/v1/access/identifier", card("43")))["uid"]
    taken = await site.call("PATCH", f"/api/v1/access/identifier/item/{other}", {"identifier_number": "42"})
    assert (taken.status, taken.json["error"]) == (400, "Identifier with that type and number already exist")
    torn = await site.call("PATCH", item, {"lock": "first", "base": {"lock": "all"}})
    assert torn.status == 400
    assert (await site.done("GET", f"/api/v1/access/identifier/item/{other}"))["identifier_number"] == "43"


async def test_profiles_are_attached_and_detached_and_the_last_one_leaves_nothing_open(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        day = {"name": "Always", "repeat_options": {"repeat_enable": True, "repeat_format": ALL_DAYS}}
        day["time_options"] = {"is_all_day": True, "date_from": 1_793_484_000, "date_to": 1_793_484_000}
        profile = (await site.done("POST", "/api/v1/access/timeprofile", day))["uid"]
        number = "12345678"
        uid = (await site.done("POST", "/api/v1/access/identifier", card(number)))["uid"]
        item = f"/api/v1/access/identifier/item/{uid}"
        later = 1_793_484_000 + 40 * 86_400
        assert lets_in(site.panel, number, later)
        assert await site.done("POST", f"{item}/timeProfile/{profile}") == {}
        assert (await site.done("GET", item))["time_profiles"] == {"uid_items": [profile], "link_ids": [], "count": 1}
        assert (await site.done("GET", f"/api/v1/access/timeprofile/item/{profile}"))["identifiers"] == {
            "uid_items": [uid],
            "count": 1,
        }
        assert lets_in(site.panel, number, later)
        for kind, asked in (("timeprofile", profile), ("identifier", uid)):
            told = await site.done("GET", f"/gateway/v1/explain?kind={kind}&uid={asked}&at={later}")
            assert (told["link_id"], told["asked"], told["panels"][0]["held"]) == (None, True, True)
        assert not lets_in(site.panel, number, 1_793_484_000 - 86_400 * 2), "it is bound to the profile's days"
        assert await site.done("DELETE", f"{item}/timeprofile/{profile}") == {}
        never = (await site.done("GET", item))["time_profiles"]
        assert never == {"uid_items": [], "link_ids": [], "count": 0}
        assert not lets_in(site.panel, number, later)
        for change in ({"identifier_owner": {"name": "Irene"}}, {"time_profiles": never}, {"base": {"lock": "all"}}):
            await site.done("PATCH", item, change)
            assert not lets_in(site.panel, number, later), "a change that does not ask for it opens nothing"
        await site.done("PATCH", item, {"time_profiles": {"link_ids": []}})
        assert lets_in(site.panel, number, later), "naming none says always"
        unknown = await site.call("POST", "/api/v1/access/identifier", card("77", time_profiles={"uid_items": [99]}))
        assert unknown.status == 409, "a client that gets 400 drops the card for good"
        assert (await site.done("GET", "/api/v1/access/identifier/items?identifier_number=77"))["list_items"] == []
        await site.done("POST", f"{item}/timeprofile/{profile}")
        await site.done("DELETE", f"/api/v1/access/timeprofile/item/{profile}")
        assert not lets_in(site.panel, number, later)
        assert (await site.done("GET", item))["time_profiles"]["uid_items"] == [profile], "what is named stays named"
        await site.done("PATCH", item, {"identifier_owner": {"name": "Watson"}})
        assert not lets_in(site.panel, number, later)
        sent_back = await site.call("PATCH", item, {"time_profiles": {"uid_items": [profile], "count": 1}})
        assert sent_back.status == 409


ALL_DAYS = {"repeat_type": "day", "repeat_end": {"format": "never"}}


async def test_entries_are_counted_anew_where_they_are_reset(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        passes = {"is_permanent": False, "max_passes": 2}
        uid = (await site.done("POST", "/api/v1/access/identifier", card("5", valid={"passes": passes})))["uid"]
        item = f"/api/v1/access/identifier/item/{uid}"
        assert (await site.done("GET", item))["additional"]["passes_left"] == 2

        async def enter() -> list[bool]:
            return [site.panel.read("card", "5", 0).granted for _ in range(4)]

        assert await enter() == [True, True, False, False]
        assert await site.done("POST", f"{item}/passes/reset") == {}
        await site.done("PATCH", item, {"identifier_owner": {"name": "waits until the panel is settled"}})
        assert await enter() == [True, True, False, False]


async def test_both_surfaces_show_the_same_entities(site: WholeSite) -> None:
    await site.done("POST", "/api/v1/access/timeprofile/items/link", {"list_items": [PROFILE]})
    made = (await site.done("POST", "/api/v1/access/timeprofile/item", {**PROFILE, "name": "plain"}))["uid"]
    every = (await site.done("GET", "/api/v0/access/timeprofile/items/list"))["list_items"]
    assert [(one["uid"], one["link_id"]) for one in every] == [(1, PROFILE["link_id"]), (made, None)]
    assert [one["name"] for one in (await site.done("GET", "/api/v1/access/timeprofile/items/link"))["list_items"]] == ["One day"]
    people = [card(link_id=LINK, time_profiles={"link_ids": [PROFILE["link_id"]], "uid_items": [made]})]
    await site.done("POST", "/api/v1/access/identifier/items/link", {"list_items": people})
    (linked,) = (await site.done("GET", "/api/v1/access/identifier/items/link?link_id=" + LINK))["list_items"]
    uid = linked["uid"]
    shown = await site.done("GET", f"/api/v1/access/identifier/item/{uid}")
    assert shown["link_id"] == LINK
    assert shown["time_profiles"] == {"uid_items": [1, made], "link_ids": [PROFILE["link_id"]], "count": 2}
    await site.done("PATCH", f"/api/v1/access/identifier/item/{uid}", {"identifier_number": "99"})
    (linked,) = (await site.done("GET", "/api/v1/access/identifier/items/link"))["list_items"]
    assert (linked["link_id"], linked["identifier_number"]) == (LINK, "99")
    await site.done("DELETE", f"/api/v1/access/timeprofile/item/{made}")
    again = (await site.done("POST", "/api/v1/access/timeprofile", {**PROFILE, "name": "plain"}))["uid"]
    assert again > made, "a number is given once"
    for path in ("/access/timeprofile/items/link", "/access/identifier/items/link"):
        text = (await site.call("GET", f"/api/v1{path}?limit=100")).text + (
            await site.call("GET", "/gateway/v1/panels/lobby")
        ).text
        assert "70616e65-6c67-" not in text, "an id of the gateway's own is shown"
    stolen = await site.call("POST", "/api/v1/access/timeprofile/link", {"list_items": [{**PROFILE, "link_id": OWN}]})
    assert stolen.status == 400
    assert (await site.call("POST", "/api/v1/access/timeprofile/link/delete", {"link_ids": [OWN]})).status == 400


OWN = "70616e65-6c67-4a5c-8d1e-0d6f1f6f0001"


async def test_apartments_and_forwards_are_kept_and_given_back(site: WholeSite) -> None:
    home = {
        "apartment_name": "221b",
        "apartment_address": {"building": 1, "unit": 0, "floor": 2, "room": 21},
        "residents": {"count": 2},
    }
    auid = (await site.done("POST", "/api/v1/apartment", home))["uid"]
    iuid = (await site.done("POST", "/api/v1/access/identifier", card()))["uid"]
    assert home.items() <= (await site.done("GET", f"/api/v1/apartment/item/{auid}")).items()
    assert [one["uid"] for one in (await site.done("GET", "/api/v1/apartment/items?room=21"))["list_items"]] == [auid]
    assert (await site.done("GET", "/api/v1/apartment/items?floor=1"))["list_items"] == []
    await site.done("POST", f"/api/v1/apartment/item/{auid}/identifier/{iuid}")
    apartment = (await site.done("GET", f"/api/v1/access/identifier/item/{iuid}"))["apartment"]
    assert apartment == {"uid": auid, "link_id": None, "logical_address": home["apartment_address"]}
    await site.done("PATCH", f"/api/v1/access/identifier/item/{iuid}", {"lock": "second"})
    assert (await site.done("GET", f"/api/v1/access/identifier/item/{iuid}"))["apartment"]["uid"] == auid
    await site.done("POST", f"/api/v1/apartment/item/unbind/identifier/{iuid}")
    assert (await site.done("GET", f"/api/v1/access/identifier/item/{iuid}"))["apartment"]["uid"] == -1
    forward = {"forward_entity_list": ["1001", "sip:5@example"]}
    first = await site.done("POST", "/api/v1/forward/item/5", forward)
    assert await site.done("POST", "/api/v0/forward/item/5", {"forward_entity_list": ["7"]}) == first
    (listed,) = (await site.done("GET", "/api/v1/forward/items"))["list_items"]
    assert (str(listed["forward_number"]), listed["forward_entity_list"]) == ("5", ["7"])
    assert (await site.call("POST", "/api/v1/forward/item/5", {"forward_number": 6})).status == 400
    assert await site.done("DELETE", "/api/v1/forward/item/5") == {}
    assert (await site.call("GET", "/api/v1/forward/item/5")).status == 400


STATUS: list[tuple[str, dict[str, Any]]] = [
    ("/device/time", {"time_unix": int, "device_time_unix": int, "timezone": str, "device_timezone": str}),
    ("/network/timezone", {"current_timezone": str, "timezone": str}),
    ("/network/ntp", {"enabled": False, "use_default": False, "custom_server": ""}),
    ("/network/settings", {"dhcp": bool, "ip_address": "127.0.0.1", "mask": str, "gateway": str, "dns": str}),
    ("/network/mac", {"mac_address": str}),
    ("/network/dst", {"enable": True, "is_enabled": True}),
    ("/sip/status", {"sip_status": ""}),
    ("/device/language", {"current_language": str, "all_supported_languages": list}),
    ("/device/mode/current", {"current_panel_mode": str}),
    ("/device/name", {"device_name": "Lab"}),
    ("/dashboard", {"device_name": "Lab", "api_version": "1.3.5"}),
    ("/frontend/version", {"frontend_version": str}),
    ("/access/door/status", {"status": "closed", "is_timeout_exceed": False}),
    ("/access/door/sensor", {"enable": False, "mode": str, "opening_delay": int}),
    ("/access/exit/button/toggle", {}),
    ("/access/general/lock/type", {"locks": list}),
    ("/access/general/lock/timeout/1", {"lock_timeout": int}),
    ("/access/general/lock/delay/2", {"lock_delay": int}),
    ("/access/general/lock/dtmf/1", {"dtmf_code": ""}),
    ("/access/general/unlock/input/code", {"input_code_enable": False, "input_code_number": ""}),
    ("/access/locks/settings", {"open_all_dtmf": str, "settings": list}),
    ("/access/freeaccess", {"enable": False, "days": []}),
    ("/network/management/server", {"is_enabled": False, "protocol": "http", "settings": dict}),
    ("/network/management/link", {"link_enable": False, "link_url": "", "realtime_logging": False, "heartbeat": False}),
]


async def test_what_clients_ask_at_their_start_is_answered_field_by_field(site: WholeSite) -> None:
    for base in GENERATIONS:
        for path, fields in STATUS:
            shown = await site.done("GET", base + path)
            for key, right in fields.items():
                good = type(shown[key]) is right if isinstance(right, type) else shown[key] == right
                assert good, f"{path}: {key} is {shown[key]!r}"
    told = await site.done("GET", "/api/v1/device/time")
    assert abs(told["time_unix"] - time.time()) < 60
    assert re.fullmatch(r"UTC\+0[23]:00", told["timezone"])
    assert (await site.call("GET", "/api/v1/sip/status", authorization=None)).status == 200
    assert (await site.call("GET", "/api/v1/device/name", authorization=None)).status == 401


def all_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_what_was_asked_by_uid_and_settings_outlive_a_restart(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        kept = (await site.done("POST", "/api/v1/access/identifier", card("11")))["uid"]
        gone = (await site.done("POST", "/api/v1/access/identifier", card("22")))["uid"]
        await site.done("DELETE", f"/api/v1/access/identifier/item/{gone}")
        await site.done("PUT", "/api/v1/network/management/server", {"is_enabled": True, "settings": {"password": "hunter2"}})
    assert b"hunter2" not in all_files(tmp_path)
    async with whole_site(tmp_path) as site:
        assert (await site.done("GET", "/api/v1/network/management/server"))["is_enabled"] is True
        (listed,) = (await site.done("GET", "/api/v1/access/identifier/items"))["list_items"]
        assert (listed["uid"], listed["link_id"], listed["identifier_number"]) == (kept, None, "11")
        assert (await site.call("GET", f"/api/v1/access/identifier/item/{gone}")).status == 400
        assert (await site.done("POST", "/api/v1/access/identifier", card("22")))["uid"] > gone
        await site.done("PATCH", f"/api/v1/access/identifier/item/{kept}", {"identifier_owner": {"name": "Irene"}})
        assert lets_in(site.panel, "11")
        assert lets_in(site.panel, "22")


async def test_changes_at_the_same_time_lose_none_of_each_other(site: WholeSite) -> None:
    uid = (await site.done("POST", "/api/v1/access/identifier", card()))["uid"]
    item = f"/api/v1/access/identifier/item/{uid}"
    changes: list[dict[str, Any]] = [
        {"identifier_owner": {"name": "Irene"}},
        {"identifier_owner": {"type": "guest"}},
        {"identifier_number": "77"},
        {"lock": "second"},
        {"valid": {"passes": {"is_permanent": False, "max_passes": 3}}},
        {"valid": {"time": {"is_permanent": False, "from": 60, "to": 4_000_000_000}}},
    ]
    await asyncio.gather(*(site.done("PATCH", item, change) for change in changes))
    shown = await site.done("GET", item)
    assert shown["identifier_owner"] == {"name": "Irene", "type": "guest"}
    assert (shown["identifier_number"], shown["lock"]) == ("77", "second")
    assert (shown["valid"]["passes"]["max_passes"], shown["valid"]["time"]["from"]) == (3, 60)


async def test_a_panel_that_is_away_keeps_no_client_from_its_work(tmp_path: Path) -> None:
    async with whole_site(tmp_path, deadline_ms=500) as site:
        for number in ("11", "22"):
            await site.done("POST", "/api/v1/access/identifier", card(number))
        site.panel.off()
        (found,) = (await site.done("GET", "/api/v1/access/identifier/items?identifier_number=22"))["list_items"]
        assert await site.done("DELETE", f"/api/v1/access/identifier/item/{found['uid']}") == {}
        await site.done("POST", "/api/v1/access/identifier", card("33"))
        twice = await site.call("POST", "/api/v1/access/identifier", card("33"))
        assert (twice.status, twice.json["error"]) == (400, "Identifier with that type and number already exist")
        assert [lets_in(site.panel, number) for number in ("11", "22", "33")] == [True, True, False]
        site.panel.on()
        await site.call("POST", "/gateway/v1/panels/lobby/retry")
        await until(lambda: [lets_in(site.panel, number) for number in ("11", "22", "33")] == [True, False, True])
