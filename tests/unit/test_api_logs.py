"""Clients of a panel find its log where they look for it, in their dialect, and never more than they asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.store.events import SiteEvent
from tests.support.api_server import ApiServer, api_server

NOW = 1_793_484_000.0
ANN = {"link_id": None, "uid": 1, "type": "card", "number": "AA:BB", "owner": "Ann", "apartment_link_id": None}
CODE = {**ANN, "type": "inputCode", "number": "0042"}
EVENTS = (
    SiteEvent(NOW, "access_granted_by_valid_identifier", "lobby", {"identifier": ANN, "output": 1, "sequence": 7}),
    SiteEvent(
        NOW + 1, "access_denied_by_not_valid_identifier", "lobby", {"identifier": CODE, "output": 0, "reason": "no_passes"}
    ),
    SiteEvent(NOW + 2, "panel_away", "gate", {"reason": "quarantined"}),
)


@asynccontextmanager
async def site() -> AsyncIterator[ApiServer]:
    async with api_server() as server:
        await server.journal.keep(EVENTS, {})
        yield server


async def test_a_page_is_never_larger_than_the_gateway_can_hold() -> None:
    async with site() as server:
        many = [SiteEvent(NOW, "output_on", "lobby") for _ in range(10_000)]
        await server.journal.keep(many, {})
        refused = await server.call("GET", "/api/v1/log/items?limit=100000")
        assert (refused.status, refused.json["detail"].split(":")[0]) == (400, "limit")
        assert len(await keys(server, "limit=100000&page_number=2")) == 0
        assert (
            len(
                await keys(
                    server, "limit=100000&filter_field=category&filter_type=equal&filter_format=string&filter_value=access"
                )
            )
            == 2
        )


async def keys(server: ApiServer, query: str, path: str = "/api/v1/log/items") -> list[str]:
    answer = await server.call("GET", f"{path}?{query}")
    assert answer.status == 200, answer.text
    return [item["name"]["key"] for item in answer.json["list_items"]]


GRANTED, DENIED, AWAY = (event.kind for event in EVENTS)


async def test_an_event_has_the_shape_that_clients_read() -> None:
    async with site() as server:
        answer = (await server.call("GET", "/api/v1/log/items")).json
        away, denied, granted = answer["list_items"]
        assert granted == {
            "timestamp": 1_793_484_000_000,
            "category": "access",
            "priority": "medium",
            "name": {"key": GRANTED, "text": "Access granted by a valid identifier"},
            "info": {
                "text": "lobby, Ann, AA:BB, lock 2",
                "model": {
                    "lock": 2,
                    "owner": "Ann",
                    "number": "AA:BB",
                    "card": "AA:BB",
                    "apartment_address": "",
                    "type": "card",
                },
            },
        }
        assert (denied["info"]["model"]["card"], denied["info"]["model"]["type"]) == ("", "inputCode")
        empty: dict[str, Any] = {"lock": 0, "owner": "", "number": "", "card": "", "apartment_address": "", "type": ""}
        assert away["info"]["model"] == empty
        assert answer["list_option"]["pagination"]["total_items"] == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [AWAY, DENIED, GRANTED]),
        ("sort_type=asc", [GRANTED, DENIED, AWAY]),
        ("sort_type=desc&sort_field=timestamp", [AWAY, DENIED, GRANTED]),
        ("order_by=category desc, timestamp", [AWAY, GRANTED, DENIED]),
        ("limit=1&page_number=2", [DENIED]),
        ("limit=1&page_number=4", []),
        ("items_limit=100&current_page=1&locale=en", [AWAY, DENIED, GRANTED]),
        ("from=1793484001", [AWAY, DENIED]),
        ("from=1793484001000&to=1793484001", [DENIED]),
        ("to=1793484000999", [GRANTED]),
        ("filter_field=category&filter_value=access&filter_type=equal&filter_format=string", [DENIED, GRANTED]),
        ("filter=category eq 'system' or timestamp lt 1793484000001", [AWAY, GRANTED]),
        ('filter={"filter_field": "priority", "filter_value": "high"}', [AWAY]),
        ("category=emergency", []),
    ],
)
async def test_every_dialect_of_filters_pages_and_orders_is_understood(query: str, found: list[str]) -> None:
    async with site() as server:
        assert await keys(server, query) == found
        assert await keys(server, query, "/api/v0/log/list") == found


@pytest.mark.parametrize(
    "query",
    ["from=yesterday", "from=1&from=2", "to=2&to=1", "owner=Ann", "filter_field=name&filter_value=x", "filter=kind eq 'x'"],
)
async def test_what_is_not_understood_is_refused_and_never_ignored(query: str) -> None:
    async with site() as server:
        assert (await server.call("GET", f"/api/v1/log/items?{query}")).status == 400


async def test_an_event_is_not_left_out_by_the_time_that_it_is_shown_with() -> None:
    """A client that asks for one stretch after the other misses none in between."""
    async with api_server() as server:
        await server.journal.keep([SiteEvent(NOW + 0.9876, "panel_away", "gate"), SiteEvent(NOW + 1, "panel_back", "gate")], {})
        (_, away) = (await server.call("GET", "/api/v1/log/items")).json["list_items"]
        assert away["timestamp"] == NOW * 1000 + 987
        assert await keys(server, f"from={away['timestamp']}&to={away['timestamp']}") == ["panel_away"]
        assert await keys(server, f"from={NOW:.0f}&to={NOW:.0f}") == ["panel_away"]
        assert await keys(server, f"from={NOW + 1:.0f}") == ["panel_back"]


async def test_a_log_that_was_cleared_tells_by_whom() -> None:
    async with site() as server:
        assert (await server.call("POST", "/api/v1/system/data/clear", {"data_types": ["users"]})).status == 400
        assert len(await keys(server, "")) == 3
        assert (await server.call("POST", "/api/v1/system/data/clear", {"clear_fields": ["logs"]})).json == {}
        await server.journal.keep([], {"lobby": ("log", "1")})
        told = (await server.call("GET", "/api/v1/log/items")).json["list_items"]
        assert [(item["name"]["key"], item["info"]["text"]) for item in told] == [("events_cleared", "admin, 127.0.0.1")]
