"""The judge of people at doors, on cases that can be checked by hand; and its reading of time profiles against the gateway's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.api.convert import time_profile as gateway_profile
from gateway.api.models import LinkTimeProfile
from gateway.schedules.time_profile import DayType as Day
from gateway.schedules.time_profile import Frequency, NthDay, Readings, Repeat
from gateway.schedules.time_profile import WeekOrder as Order
from tests.judge_access import DEFAULT_DOORS, AccessJudge, Door, lock_outputs, normal_form, passes_allowed, time_profile

UTC = Readings(ZoneInfo("UTC"))
ONE, TWO, DEAD = (f"91c615e3-1040-4815-8ecb-00000000000{number}" for number in (1, 2, 3))
MONDAY = 1_793_577_600
"""2026-11-02T00:00:00Z."""
TEN, NOON = MONDAY // 60 + 600, MONDAY // 60 + 720
EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())["list_items"]


def profile(key: str | int, start_hour: int, end_hour: int) -> dict[str, Any]:
    """Every day between these hours."""
    return {
        ("uid" if isinstance(key, int) else "link_id"): key,
        "name": "hours",
        "time_options": {"is_all_day": False, "date_from": MONDAY + 3600 * start_hour, "date_to": MONDAY + 3600 * end_hour},
        "repeat_options": {
            "repeat_enable": True,
            "repeat_format": {"repeat_type": "day", "repeat_end": {"format": "never"}},
        },
    }


PROFILES = (profile(ONE, 9, 11), profile(TWO, 12, 13), profile(7, 12, 13))


def person(**changes: Any) -> dict[str, Any]:
    return {"link_id": "p", "identifier_type": "card", "identifier_number": "1234", "lock": "first", **changes}


def judge(*people: dict[str, Any], **more: Any) -> AccessJudge:
    return AccessJudge(UTC, PROFILES, people, **more)


def open_at(body: dict[str, Any], **more: Any) -> tuple[bool, bool]:
    """At ten and at noon."""
    judged = judge(body, **more)
    return judged.lets_in("card", "1234", 0, TEN), judged.lets_in("card", "1234", 0, NOON)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (None, (True, True)),
        ({"link_ids": []}, (True, True)),
        ({"link_ids": [], "uid_items": []}, (True, True)),
        ({"link_ids": [ONE]}, (True, False)),
        ({"link_ids": [ONE.upper()]}, (True, False)),
        ({"link_ids": [ONE, TWO]}, (True, True)),
        ({"uid_items": [7]}, (False, True)),
        ({"link_ids": [ONE], "uid_items": [7]}, (True, True)),
        ({"link_ids": [DEAD]}, (False, False)),
        ({"uid_items": [99]}, (False, False)),
        ({"link_ids": [DEAD, TWO]}, (False, True)),
    ],
)
def test_always_is_only_for_who_names_no_profile(named: object, said: tuple[bool, bool]) -> None:
    assert open_at(person() if named is None else person(time_profiles=named)) == said


def test_the_last_profile_detached_leaves_never() -> None:
    body = person(uid=5, time_profiles={"link_ids": [ONE], "uid_items": [7]})
    assert open_at(body, detached={(5, 7)}) == (True, False)
    assert open_at(body, detached={("p", ONE)}) == (False, True)
    assert open_at(body, detached={("p", ONE), (5, 7)}) == (False, False)


SECONDS = [
    (60 * TEN, 60 * TEN + 60, True),
    (60 * TEN, 60 * TEN + 59, False),
    (60 * TEN + 1, 60 * TEN + 600, False),
    (0, 60 * TEN + 60, True),
    (60 * TEN - 30, 60 * TEN + 61, True),
    (60 * TEN, 60 * TEN, False),
    (0, 0, False),
    (0, 60 * TEN, False),
]


@pytest.mark.parametrize(("start", "end", "said"), SECONDS)
@pytest.mark.parametrize("place", ["valid", "item", "base"])
def test_a_validity_is_rounded_inwards_to_whole_minutes(start: int, end: int, said: bool, place: str) -> None:
    time = {"is_permanent": False, "from": start, "to": end}
    places: dict[str, dict[str, Any]] = {
        "valid": {"valid": {"time": time}},
        "item": {"time": time},
        "base": {"base": {"time": time}},
    }
    changes = places[place]
    assert open_at(person(**changes))[0] is said
    permanent = {"is_permanent": True, "from": start, "to": end}
    assert open_at(person(valid={"time": permanent}))[0]


@pytest.mark.parametrize(
    ("passes", "allowed"),
    [
        (None, None),
        ({"is_permanent": True}, None),
        ({"is_permanent": True, "max_passes": 0}, None),
        ({"is_permanent": True, "max_passes": 2}, None),
        ({"is_permanent": False}, 0),
        ({"is_permanent": False, "max_passes": None}, 0),
        ({"is_permanent": False, "max_passes": 0}, 0),
        ({"is_permanent": False, "max_passes": 2}, 2),
    ],
)
def test_passes(passes: dict[str, Any] | None, allowed: int | None) -> None:
    body = person() if passes is None else person(valid={"passes": passes})
    assert passes_allowed(body) == allowed
    judged = judge(body)
    for used in (0, 1, 2, 3):
        assert judged.lets_in("card", "1234", 0, TEN, used) is (allowed is None or used < allowed)


@pytest.mark.parametrize(
    ("lock", "doors", "outputs"),
    [
        ("first", DEFAULT_DOORS, {0}),
        ("second", DEFAULT_DOORS, {1}),
        ("all", DEFAULT_DOORS, {0, 1}),
        ("all", (), set()),
        ("first", (Door(4),), set()),
        ("all", (Door(4), Door(2, 8)), {2}),
        ("first", (Door(5, 8), Door(6, 3), Door(7, 4)), {6}),
        ("second", (Door(5, 8), Door(6, 3), Door(7, 4)), {7}),
        ("all", (Door(5, 8), Door(6, 3), Door(7, 4)), {5, 6, 7}),
        ("second", (Door(5, 2),), set()),
    ],
)
def test_a_lock_is_counted_on_each_panel(lock: str, doors: tuple[Door, ...], outputs: set[int]) -> None:
    assert lock_outputs(lock, doors) == outputs
    judged = judge(person(lock=lock), doors=doors)
    assert {output for output in range(8) if judged.lets_in("card", "1234", output, TEN)} == outputs


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("card", "0012", "12"),
        ("card", "00:0C", "12"),
        ("card", "ff-ff", "65535"),
        ("license_plate", "aa 1234-bc", "AA1234BC"),
        ("license_plate", "\uff21\u0431", "A\u0411"),
        ("qr", "6F96", "6f96"),
    ],
)
def test_numbers_that_are_one_number(kind: str, one: str, other: str) -> None:
    assert normal_form(kind, one) == normal_form(kind, other)
    with pytest.raises(ValueError, match="two identifiers"):
        judge(person(identifier_type=kind, identifier_number=one), person(identifier_type=kind, identifier_number=other))


def test_numbers_that_are_not() -> None:
    assert normal_form("ukey", "12") == normal_form("card", "12")
    assert len({normal_form("inputCode", code) for code in ("12", "012", "0012")}) == 3
    assert len({normal_form(kind, "12") for kind in ("card", "inputCode", "qr", "license_plate")}) == 4
    judged = judge(person(identifier_type="inputCode", identifier_number="012"))
    assert [judged.lets_in("inputCode", code, 0, TEN) for code in ("12", "012", "0012")] == [False, True, False]
    assert not judged.lets_in("card", "12", 0, TEN)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("card", ""),
        ("card", "ABCD"),
        ("card", "AA:B"),
        ("card", "AA:BB-CC"),
        ("card", str(1 << 64)),
        ("card", "\u0661"),
        ("inputCode", ""),
        ("inputCode", "1" * 20),
        ("license_plate", "--"),
        ("qr", ""),
        ("face_id", "1"),
    ],
)
def test_numbers_that_nobody_can_have(kind: str, number: str) -> None:
    with pytest.raises(ValueError, match=r"number|bits"):
        normal_form(kind, number)


def test_the_examples_of_the_api_are_read() -> None:
    """As the gateway reads them."""
    for body in EXAMPLES:
        assert time_profile(body) == gateway_profile(LinkTimeProfile.model_validate(body), body["link_id"])


@pytest.mark.parametrize(
    ("wire", "repeat"),
    [
        ({"repeat_type": "twoWeeks", "repeat_end": {"format": "date", "date": 5}}, Repeat(Frequency.WEEK, 2, end=5)),
        ({"repeat_type": "year", "repeat_end": {"format": "never", "date": 5}}, Repeat(Frequency.YEAR)),
        (
            {"repeat_point_type": "month", "repeat_looper": 3, "repeat_options": {"format": "dayNumbers", "range": [1, 31]}},
            Repeat(Frequency.MONTH, 3, True, month_days=frozenset({1, 31})),
        ),
        (
            {
                "repeat_point_type": "year",
                "repeat_looper": 1,
                "repeat_options": {"months": [2], "range": {"week_order": "last", "day_type": "DAY_OFF"}},
            },
            Repeat(Frequency.YEAR, 1, True, months=frozenset({2}), nth=NthDay(Order.LAST, Day.DAY_OFF)),
        ),
        ({"repeat_point_type": "day", "repeat_looper": 9}, Repeat(Frequency.DAY, 9, True)),
    ],
)
def test_recurrences_are_read(wire: dict[str, Any], repeat: Repeat) -> None:
    body = profile(ONE, 9, 10)
    custom = {"repeat_type": "custom", "repeat_end": {"format": "never"}, "repeat_custom": wire}
    body["repeat_options"]["repeat_format"] = wire if "repeat_type" in wire else custom
    assert time_profile(body).repeat == repeat
