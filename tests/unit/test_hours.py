"""What a plan says of a time profile in words, and how two versions of one differ."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.cli.hours import differences, flat, is_identifier, person_parts, profile_parts, profile_text

KYIV = ZoneInfo("Europe/Kyiv")
WINDOW = {"is_all_day": False, "date_from": 1793602800, "date_to": 1793635200}  # 2026-11-02, a Monday, 09:00 to 18:00


def repeating(**form: Any) -> dict[str, Any]:
    end = form.pop("end", {"format": "never"})
    return {"time_options": WINDOW, "repeat_options": {"repeat_enable": True, "repeat_format": {"repeat_end": end, **form}}}


def custom(unit: str, looper: int = 1, options: Any = None) -> dict[str, Any]:
    return repeating(
        repeat_type="custom", repeat_custom={"repeat_point_type": unit, "repeat_looper": looper, "repeat_options": options}
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"time_options": WINDOW, "repeat_options": {"repeat_enable": False}}, "once, 2026-11-02 09:00-18:00"),
        (repeating(repeat_type="day"), "every day 09:00-18:00 from 2026-11-02"),
        (
            repeating(repeat_type="week", end={"format": "date", "date": 1798668000}),
            "every week on Mon 09:00-18:00 from 2026-11-02 until 2026-12-31",
        ),
        (custom("week", options=["FRI", "MON", "TUE", "WED", "THU"]), "every Mon-Fri 09:00-18:00 from 2026-11-02"),
        (custom("week", 3, ["MON", "WED"]), "every 3 weeks on Mon, Wed 09:00-18:00 from 2026-11-02"),
        (custom("day", 2), "every 2 days 09:00-18:00 from 2026-11-02"),
        (
            custom("month", options={"format": "dayNumbers", "range": [1, 15]}),
            "every month on day 1, 15 09:00-18:00 from 2026-11-02",
        ),
        (
            custom("month", options={"format": "parameterizedDay", "range": {"week_order": "last", "day_type": "WEEK_DAY"}}),
            "every month on the last working day 09:00-18:00 from 2026-11-02",
        ),
        (
            custom("year", options={"months": [1, 4], "range": {"week_order": "first", "day_type": "MON"}}),
            "every year on the first Mon of Jan, Apr 09:00-18:00 from 2026-11-02",
        ),
        (custom("year", options={"months": [12], "range": None}), "every year on Dec 09:00-18:00 from 2026-11-02"),
    ],
)
def test_a_time_profile_is_said_in_words(body: dict[str, Any], said: str) -> None:
    assert profile_text(body, KYIV) == said


def test_a_change_names_what_is_other_than_before_and_nothing_else() -> None:
    old = profile_parts(repeating(repeat_type="day"), KYIV)
    shorter = {**repeating(repeat_type="day"), "time_options": {**WINDOW, "date_to": WINDOW["date_to"] - 3600}}
    assert differences(old, profile_parts(shorter, KYIV)) == "closes 17:00 instead of 18:00"
    ending = repeating(repeat_type="day", end={"format": "date", "date": 1798668000})
    assert differences(old, profile_parts(ending, KYIV)) == "ends 2026-12-31 instead of never"
    assert differences(old, old) == ""


def test_a_person_is_said_in_words() -> None:
    body = {
        "identifier_type": "card",
        "identifier_number": "7",
        "lock": "first",
        "time_profiles": {"link_ids": ["a", "b"]},
        "valid": {
            "time": {"is_permanent": False, "from": 1793602800, "to": 1793635200},
            "passes": {"is_permanent": False, "max_passes": 3},
        },
    }
    parts = person_parts(body, KYIV, {"a": "Work week"})
    assert parts == {
        "number": "card 7",
        "lock": "first",
        "through": "Work week, b",
        "valid": "2026-11-02 09:00 to 2026-11-02 18:00",
        "entries": "3",
    }
    shown = {**body, "time_profiles": {"uid_items": [4, 5], "count": 2, "link_ids": ["a"]}}
    assert person_parts(shown, KYIV, {"uid 4": "Work week"})["through"] == "Work week, uid 5"
    detached = {**body, "time_profiles": {"uid_items": [], "count": 0, "link_ids": []}}
    assert person_parts(detached, KYIV, {})["through"] == "no time profile"
    always = person_parts({"identifier_type": "card", "identifier_number": "7", "lock": "all"}, KYIV, {})
    assert (always["through"], always["valid"], always["entries"]) == ("always", "without a limit", "any number")


@pytest.mark.parametrize("base", [{"identifier_type": "card"}, None, [1]])
def test_an_identifier_is_told_from_a_time_profile_whatever_stands_in_its_base(base: Any) -> None:
    body = {"link_id": "x", "base": base, **({} if isinstance(base, dict) else {"identifier_type": "card"})}
    assert is_identifier(body)
    assert flat(body)["identifier_type"] == "card"
    assert not is_identifier({"link_id": "x", "base": None})
