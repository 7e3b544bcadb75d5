"""Identifiers by link_id over HTTP: what is taken, what is refused, what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.api.errors import ApiError
from gateway.api.items import read_identifier
from gateway.fleet.results import Change
from gateway.fleet.views import RefusedItem, RequestItem
from gateway.identifiers.identifier import Identifier

LINK = "91c615e3-1040-4815-8ecb-000000000009"
PROFILE = "91c615e3-1040-4815-8ecb-000000000001"


def card(**changes: Any) -> dict[str, Any]:
    return {
        "link_id": LINK,
        "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": "12345678",
        "lock": "first",
        **changes,
    }


def read(item: dict[str, Any]) -> Identifier:
    found = read_identifier(item, {}, "list_items[0]")
    assert isinstance(found, RequestItem)
    assert isinstance(found.content, Identifier)
    return found.content


def refused(item: dict[str, Any]) -> tuple[str | None, str | None]:
    with pytest.raises(ApiError) as error:
        read_identifier(item, {}, "list_items[0]")
    assert error.value.status == 400
    return error.value.vendor, error.value.detail


@pytest.mark.parametrize(
    ("kind", "sent", "text"),
    [
        ("card", "12345678", "12345678"),
        ("card", "00:BC:61:4E", "12345678"),
        ("ukey", "00-bc-61-4e", "12345678"),
        ("card", "00000000012345678", "12345678"),
        ("card", str(2**64 - 1), str(2**64 - 1)),
        ("inputCode", "00420", "00420"),
        ("license_plate", "aa 1234-bc", "AA1234BC"),
        ("license_plate", "ａ１", "A1"),  # noqa: RUF001
        ("qr", "6F9619FF-8B86", "6f9619ff-8b86"),
    ],
)
def test_a_number_is_compared_in_one_form_however_it_is_written(kind: str, sent: str, text: str) -> None:
    assert read(card(identifier_type=kind, identifier_number=sent)).number.text == text


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("card", str(2**64)),
        ("card", "1" * 5000),
        ("card", "A3F2"),
        ("card", "A3:F"),
        ("card", "A3:F2-0C"),
        ("card", ""),
        ("card", "٣"),
        ("inputCode", "12a"),
        ("inputCode", "1" * 20),
        ("license_plate", " -- "),
        ("qr", ""),
    ],
)
def test_what_is_no_number_is_refused_and_its_place_named(kind: str, sent: str) -> None:
    vendor, detail = refused(card(identifier_type=kind, identifier_number=sent))
    assert vendor == "Wrong JSON body"
    assert detail is not None
    assert detail.startswith("list_items[0].identifier_number: ")


@pytest.mark.parametrize(
    ("sent", "profiles"),
    [
        ({}, None),
        ({"time_profiles": {"link_ids": []}}, None),
        ({"time_profiles": {"link_ids": [PROFILE.upper(), PROFILE]}}, (PROFILE,)),
        ({"time_profiles": {"uid_items": [7]}}, ()),
    ],
)
def test_always_is_only_for_who_names_no_profile(sent: dict[str, Any], profiles: tuple[str, ...] | None) -> None:
    assert read(card(**sent)).profiles == profiles


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_profiles": {}},
        {"time_profiles": None},
        {"time_profiles": {"count": 0}},
        {"time_profiles": {"link_ids": [], "areas": [1]}},
        {"time_profiles": {"link_ids": None}},
        {"time_profiles": {"link_ids": ["office"]}},
        {"valid": {"time": {"is_permanent": False}}},
        {"valid": {"time": {"is_permanent": False, "from": 60, "to": 59}}},
        {"valid": {"time": {"is_permanent": False, "from": 1, "to": 10**12}}},
        {"valid": {"passes": {"is_permanent": False, "max_passes": -1}}},
        {"valid": {"passes": {"is_permanent": False, "max_passes": True}}},
        {"valid": {"time": {"is_permanent": True}}, "time": {"is_permanent": False, "from": 0, "to": 60}},
        {"base": {"lock": "all"}},
        {"lock": "third"},
        {"identifier_type": "input_code"},
        {"identifier_owner": {"name": "x", "type": "thief"}},
    ],
)
def test_what_would_be_read_as_wider_is_refused(wrong: dict[str, Any]) -> None:
    vendor, detail = refused(card(**wrong))
    assert vendor is not None
    assert detail is not None
    assert detail.startswith("list_items[0]")


@pytest.mark.parametrize("missing", ["from", "to"])
def test_a_missing_time_is_named_as_the_client_knows_it(missing: str) -> None:
    time = {key: value for key, value in {"is_permanent": False, "from": 0, "to": 60}.items() if key != missing}
    said = f"Wrong JSON body: no value for `{missing}`", f"list_items[0].valid.time.{missing}: expected a value, got none"
    assert refused(card(valid={"time": time})) == said


def test_the_older_form_means_the_same() -> None:
    time, passes = {"is_permanent": False, "from": 60, "to": 600}, {"is_permanent": False, "max_passes": 2}
    new = card(valid={"time": time, "passes": passes})
    older = {"link_id": LINK, "base": {key: value for key, value in card().items() if key != "link_id"}}
    assert read(new) == read(card(time=time, passes=passes)) == read({**older, "time": time, "passes": passes})
    assert (read(new).valid_from, read(new).valid_to, read(new).passes) == (60, 600, 2)


@pytest.mark.parametrize(
    ("passes", "allowed"),
    [
        ({"is_permanent": True, "max_passes": 2}, None),
        ({"is_permanent": True, "max_passes": 0}, None),
        ({"is_permanent": True}, None),
        ({"is_permanent": False, "max_passes": 0}, 0),
        ({"is_permanent": False, "max_passes": None}, 0),
        ({"is_permanent": False}, 0),
        ({"is_permanent": False, "max_passes": 3}, 3),
    ],
)
def test_no_number_of_entries_is_none_unless_permanent_says_so(passes: dict[str, Any], allowed: int | None) -> None:
    assert read(card(valid={"passes": passes})).passes == allowed


def test_a_face_is_not_supported_and_nothing_else_of_it_is_looked_at() -> None:
    found = read_identifier({"link_id": LINK, "identifier_type": "face_id"}, {}, "list_items[0]")
    assert found == RefusedItem(LINK, Change.FACES_NOT_SUPPORTED)


def test_names_and_numbers_are_kept_as_they_were_sent() -> None:
    sent = card(identifier_number="00:bc:61:4E", apartment_link_id="FLAT 7", additional={"passes_left": 4})
    found = read_identifier(sent, {}, "list_items[0]")
    assert isinstance(found, RequestItem)
    assert json.loads(found.body) == sent


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [(0, 0, None), (0, 59, None), (0, 60, (0, 0)), (60, 60, None), (1, 120, (1, 1)), (59, 119, None), (61, 240, (2, 3))],
)
def test_a_validity_counts_whole_minutes_inside_it(start: int, end: int, minutes: tuple[int, int] | None) -> None:
    time = {"is_permanent": False, "from": start, "to": end}
    assert read(card(valid={"time": time})).minutes() == minutes
