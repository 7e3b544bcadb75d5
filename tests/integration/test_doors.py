"""Doors through the HTTP port: a command is answered with what the panel did, and nothing opens later or twice."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import DoorSettings
from simulators.faults import FaultRates
from tests.support.api_server import vector
from tests.support.whole_site import WholeSite, whole_site

DOORS = (
    DoorSettings(id="front", name="Front door", panel="lobby", output=3, number=2, pulse_s=8.5),
    DoorSettings(id="yard", panel="lobby", output=1, number=1),
    DoorSettings(id="cellar", panel="lobby", output=0),
)
ACCEPTED = "/api/v1/access/general/lock/open/remote/accepted"
EMERGENCY = "/api/v1/access/general/lock/{}/emergency"
WRONG_LOCK = "Only 0, 1..8 indexes available for the lock number"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WholeSite]:
    async with whole_site(tmp_path, doors=DOORS) as running:
        await running.in_sync()
        yield running


def are_open(site: WholeSite) -> list[int]:
    return [number for number, on in enumerate(site.panel.outputs()) if on]


async def states(site: WholeSite) -> dict[str, str]:
    return {door["id"]: door["state"] for door in (await site.done("GET", "/gateway/v1/doors"))["doors"]}


def tenths(site: WholeSite, output: int) -> int:
    """Tenths of a second that a pulse still lasts."""
    return int.from_bytes(site.panel.handle(bytes((3, 0x02, 0x10 + output, 0, 1)))[2:], "big")


async def test_a_lock_number_opens_its_door_and_no_other(site: WholeSite) -> None:
    assert await site.done("GET", f"{ACCEPTED}/2") == {}
    assert are_open(site) == [3]
    assert 60 <= tenths(site, 3) <= 85
    assert await states(site) == {"front": "open", "yard": "closed", "cellar": "closed"}
    assert await site.done("GET", f"{ACCEPTED.replace('v1', 'v0')}/1?unlockTime=30") == {}
    assert are_open(site) == [1, 3]
    assert 270 <= tenths(site, 1) <= 300
    assert await site.done("GET", f"{ACCEPTED}/1?unlockTime=0") == {}, "0 stands for the door's own time"
    assert 20 <= tenths(site, 1) <= 50


async def test_a_release_ends_a_pulse_at_once(site: WholeSite) -> None:
    await site.done("POST", "/gateway/v1/doors/front/open", {"seconds": 600})
    assert are_open(site) == [3]
    assert await site.done("POST", "/gateway/v1/doors/front/release") == {"door": "front", "outcome": "acknowledged"}
    assert (are_open(site), await states(site)) == ([], {"front": "closed", "yard": "closed", "cellar": "closed"})


async def test_number_0_opens_every_door_that_has_one(site: WholeSite) -> None:
    said = await site.done("GET", "/api/v1/access/general/lock/open/remote/control/accepted/0")
    assert said == {"doors": [{"door": "yard", "outcome": "acknowledged"}, {"door": "front", "outcome": "acknowledged"}]}
    assert are_open(site) == [1, 3]


@pytest.mark.parametrize("way", ["/remote", "/remote/control"])
async def test_denied_moves_nothing(site: WholeSite, way: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "audit")
    before = site.panel.traffic.writes
    assert await site.done("GET", f"/api/v1/access/general/lock/open{way}/denied/2") == {}
    assert (are_open(site), site.panel.traffic.writes) == ([], before)
    (record,) = [each for each in caplog.records if each.getMessage() == "door denied"]
    assert (record.number, record.user) == (2, "admin")  # type: ignore[attr-defined]
    wrong = await site.call("GET", f"/api/v1/access/general/lock/open{way}/denied/9")
    assert (wrong.status, wrong.json["error"]) == (400, WRONG_LOCK)


BAD: list[tuple[str, str, Any, str, str]] = [
    ("GET", f"{ACCEPTED}/3", None, WRONG_LOCK, "n: no door has the number 3"),
    ("GET", f"{ACCEPTED}/9", None, WRONG_LOCK, "n: expected a number from 0 to 8"),
    ("GET", f"{ACCEPTED}/-1", None, WRONG_LOCK, "n: expected a number"),
    ("GET", f"{ACCEPTED}/1?unlockTime=-1", None, "Unlock time", "unlockTime: expected whole seconds"),
    ("GET", f"{ACCEPTED}/1?unlockTime=604801", None, "Unlock time", "unlockTime: expected"),
    ("GET", f"{ACCEPTED}/1?unlockTime=1&unlockTime=9", None, "Unlock time", "unlockTime: expected one value"),
    ("GET", f"{ACCEPTED}/1?unlockTime=1.5", None, "Unlock time", "unlockTime: expected"),
    ("POST", EMERGENCY.format("open"), {}, "Wrong JSON body: no value", "locks: is missing"),
    ("POST", EMERGENCY.format("open"), {"locks": []}, "Wrong JSON body", "locks: expected"),
    ("POST", EMERGENCY.format("open"), {"locks": [1]}, "Wrong JSON body", "locks[0]: expected an object"),
    ("POST", EMERGENCY.format("open"), {"locks": [{"lock_number": 1}]}, "Unlock time", "locks[0].unlock_time: expected"),
    (
        "POST",
        EMERGENCY.format("open"),
        {"locks": [{"lock_number": 1, "unlock_time": 60}, {"lock_number": 2, "unlock_time": 86_401}]},
        "Unlock time should be in range [1, 86400] seconds",
        "locks[1].unlock_time: expected",
    ),
    (
        "POST",
        EMERGENCY.format("open"),
        {"locks": [{"lock_number": 1, "unlock_time": 60}, {"lock_number": 5, "unlock_time": 60}]},
        WRONG_LOCK,
        "locks[1]: no door has the number 5",
    ),
    ("POST", EMERGENCY.format("close"), {"locks": [True]}, WRONG_LOCK, "locks[0]: expected a whole number"),
    ("POST", "/gateway/v1/doors/front/hold", None, "bad_request", "seconds: expected a whole number from 1 to 86400"),
    ("POST", "/gateway/v1/doors/front/hold", {"seconds": 0}, "bad_request", "seconds: "),
    ("POST", "/gateway/v1/doors/front/hold", {"seconds": 86_401}, "bad_request", "seconds: "),
    ("POST", "/gateway/v1/doors/front/hold", {"seconds": True}, "bad_request", "seconds: "),
    ("POST", "/gateway/v1/doors/front/open", {"seconds": 0}, "bad_request", "seconds: "),
    ("POST", "/gateway/v1/doors/front/open", {"second": 3}, "bad_request", "second: "),
    ("POST", "/gateway/v1/doors/front/open", b"[", "bad_request", "not JSON: "),
    ("POST", "/gateway/v1/doors/front/release", {"seconds": 3}, "bad_request", "seconds: "),
]


async def test_a_wrong_command_moves_nothing_and_is_told_with_its_place(site: WholeSite) -> None:
    before = site.panel.traffic.writes
    for method, path, body, error, detail in BAD:
        said = await site.call(method, path, body)
        assert said.status == 400, f"{method} {path}: {said.status} {said.text}"
        assert said.json["error"].startswith(error), f"{path}: {said.text}"
        assert said.json["detail"].startswith(detail), f"{path}: {said.text}"
    unknown = await site.call("POST", "/gateway/v1/doors/attic/open")
    assert (unknown.status, unknown.json["error"]) == (404, "unknown_door")
    assert (await site.call("GET", "/gateway/v1/doors/attic")).status == 404
    assert (await site.call("GET", "/gateway/v1/doors?id=front")).status == 400
    assert (await site.call("HEAD", f"{ACCEPTED}/1")).status == 405, "a look at a path opens no door"
    assert (await site.call("GET", f"{ACCEPTED}/1", authorization=None)).status == 401
    assert (are_open(site), site.panel.traffic.writes) == ([], before)


async def test_a_silent_panel_is_unconfirmed_sent_once_and_a_dead_one_unreachable_at_once(site: WholeSite) -> None:
    before = site.panel.traffic.writes
    site.simulated.set_faults("line", FaultRates(lose=1), 1)
    said = await site.call("POST", "/gateway/v1/doors/front/open", {"seconds": 60})
    assert (said.status, said.json["error"]) == (504, "unconfirmed"), said.text
    assert site.panel.traffic.writes == before + 1, "it arrived, and is never sent again"
    assert (await states(site))["front"] == "unknown"
    site.simulated.set_faults("line", FaultRates(), 1)
    site.panel.off()
    await site.until_shown("availability", "quarantined")
    before = site.panel.traffic.writes
    for method, path in (("POST", "/gateway/v1/doors/yard/open"), ("GET", f"{ACCEPTED}/1")):
        took = []
        for _ in range(3):  # the quickest: on a busy machine anything is slow once
            began = time.monotonic()
            said = await site.call(method, path)
            took.append(time.monotonic() - began)
            assert (said.status, said.json["error"]) == (503, "unreachable"), said.text
        assert min(took) < 0.25, "nobody waits for a panel that is away"
    site.panel.on()
    await site.in_sync()
    assert (site.panel.traffic.writes, are_open(site)) == (before, [3]), "nothing is made up for"


async def test_the_worst_of_several_doors_is_the_answer_and_each_is_named(tmp_path: Path) -> None:
    doors = (*DOORS, DoorSettings(id="gate", panel="gone", output=0, number=7))
    async with whole_site(tmp_path, doors=doors) as site:
        await site.in_sync()
        said = await site.call("GET", f"{ACCEPTED}/0")
        assert (said.status, said.json["error"]) == (503, "unreachable")
        assert [(one["door"], one["outcome"]) for one in said.json["doors"]] == [
            ("yard", "acknowledged"),
            ("front", "acknowledged"),
            ("gate", "not_sent"),
        ]
        assert are_open(site) == [1, 3]


async def test_an_emergency_holds_doors_open_until_it_is_ended(site: WholeSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "audit")
    locks = [{"lock_number": 2, "unlock_time": 3600}]
    assert await site.done("POST", EMERGENCY.format("open"), {"locks": locks}) == {}
    assert are_open(site) == [3]
    assert await states(site) == {"front": "held", "yard": "closed", "cellar": "closed"}
    (door,) = (await site.done("GET", "/gateway/v1/doors/front"))["doors"]
    assert (door["held_by"], door["number"], door["name"], door["output"]) == ("admin", 2, "Front door", 3)
    assert door["last_event_at"] is not None
    assert await site.done("POST", "/gateway/v1/doors/cellar/hold", {"seconds": 60}) == {
        "door": "cellar",
        "outcome": "acknowledged",
    }
    assert are_open(site) == [0, 3]
    assert await site.done("POST", "/gateway/v1/doors/front/open") == {"door": "front", "outcome": "acknowledged"}
    assert await states(site) == {"front": "held", "yard": "closed", "cellar": "held"}, "a pulse shortens no hold"
    assert (await site.done("POST", EMERGENCY.format("close"), {"locks": [0]}))["doors"] == [
        {"door": "yard", "outcome": "acknowledged"},
        {"door": "front", "outcome": "acknowledged"},
    ]
    assert are_open(site) == [0], "a door without a number belongs to no lock"
    await site.done("POST", "/gateway/v1/doors/cellar/release")
    assert are_open(site) == []
    told = [record.action for record in caplog.records if record.getMessage() == "door commanded"]  # type: ignore[attr-defined]
    assert told == ["emergency_open", "hold", "open", "emergency_close", "emergency_close", "release"]


async def test_a_gateway_that_stops_lets_go_of_the_doors_it_holds(tmp_path: Path) -> None:
    async with whole_site(tmp_path, doors=DOORS) as site:
        await site.in_sync()
        await site.done("POST", "/gateway/v1/doors/front/hold", {"seconds": 3600})
        assert are_open(site) == [3]
        panel = site.panel
    assert not any(panel.outputs())


async def test_settings_of_locks_are_those_of_the_doors(site: WholeSite) -> None:
    settings = (await site.done("GET", "/api/v1/access/locks/settings"))["settings"]
    assert [(lock["lock_number"], lock["timeout"], lock["type"]) for lock in settings] == [(1, 5, ""), (2, 9, "")]
    assert (await site.done("GET", "/api/v1/access/general/lock/timeout/2")) == {"lock_timeout": 9}
    assert (await site.call("GET", "/api/v1/access/general/lock/timeout/x")).status == 400


PROFILE = vector("examples.json")["list_items"][1]
AT = 1_793_484_000
"""Any instant."""


def card(number: int, lock: str, **more: Any) -> dict[str, Any]:
    return {
        "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}",
        "identifier_owner": {"name": f"person {number}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(number),
        "lock": lock,
        **more,
    }


async def test_who_may_open_a_door_then_and_which_doors_somebody_may_open(site: WholeSite) -> None:
    await site.done("POST", "/api/v1/access/timeprofile/items/link", {"list_items": [PROFILE]})
    within = {"time_profiles": {"link_ids": [PROFILE["link_id"]]}}
    people = [card(101, "first", **within), card(102, "all"), card(103, "second")]
    await site.done("POST", "/api/v1/access/identifier/items/link", {"list_items": people})
    plain = (await site.done("POST", "/api/v1/access/identifier", {**card(104, "first"), "link_id": None}))["uid"]

    async def asked(query: str) -> list[tuple[str, str]]:
        said = await site.done("GET", f"/gateway/v1/access?{query}")
        for one in said["people"]:
            assert (one["asked"], one["held"], one["outcome"]) == (True, True, "exact"), one
        return [(one["door"], one["number"]) for one in said["people"]]

    begin = PROFILE["time_options"]["date_from"] + 400 * 86_400
    assert await asked(f"door=yard&at={begin}") == [("yard", "101"), ("yard", "102"), ("yard", "104")]
    assert await asked(f"door=yard&at={begin - 3600}") == [("yard", "102"), ("yard", "104")]
    assert await asked(f"door=front&at={begin}") == [("front", "102"), ("front", "103")]
    assert await asked(f"door=cellar&at={begin}") == [], "it has no number: no lock opens it"
    assert await asked(f"link_id={people[1]['link_id']}&at={begin}") == [("front", "102"), ("yard", "102")]
    assert await asked(f"uid={plain}") == [("yard", "104")]
    (one,) = (await site.done("GET", f"/gateway/v1/access?door=yard&link_id={people[0]['link_id']}&at={begin}"))["people"]
    assert (one["name"], one["through"], one["link_id"]) == ("person 101", [PROFILE["link_id"]], people[0]["link_id"])
    for query in ("", "door=attic", "door=yard&at=soon", "link_id=x", "uid=99", "door=yard&when=1", "door=yard&door=front"):
        assert (await site.call("GET", f"/gateway/v1/access?{query}")).status in (400, 404), query


async def test_a_card_whose_deletion_did_not_reach_the_panel_is_told_to_open_still(tmp_path: Path) -> None:
    async with whole_site(tmp_path, doors=DOORS, deadline_ms=500) as site:
        await site.in_sync()
        await site.done("POST", "/api/v1/access/identifier/items/link", {"list_items": [card(101, "first"), card(102, "first")]})
        site.panel.off()
        await site.done("POST", "/api/v1/access/identifier/link/delete", {"link_ids": [card(101, "first")["link_id"]]})
        await site.done("POST", "/api/v1/access/identifier/items/link", {"list_items": [card(102, "second"), card(103, "first")]})
        told = (await site.done("GET", f"/gateway/v1/access?door=yard&at={AT}"))["people"]
        assert {one["number"]: (one["asked"], one["held"] in held) for one, held in zip(told, MAY_HOLD, strict=True)} == {
            "102": (False, True),
            "103": (True, True),
            "101": (False, True),
        }, told
        assert {one["outcome"] for one in told} == {"pending"}
        (now,) = (await site.done("GET", f"/gateway/v1/access?door=front&at={AT}"))["people"]
        assert (now["number"], now["asked"], now["held"] in (False, None)) == ("102", True, True)


MAY_HOLD = ((True, None), (False, None), (True, None))
"""What the panel may still hold of each: whether a frame that was sent as it went away arrived is not known."""
