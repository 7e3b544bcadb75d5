"""Two operators at one item: the second is told that it changed, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from drivers.contract import TIME_PROFILE
from tests.support.api_server import ApiServer, api_server, vector

ITEM: dict[str, Any] = vector("examples.json")["list_items"][0]
ONE = "/api/v1/access/timeprofile/item/1"
LINK = "/api/v1/access/timeprofile/items/link"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        await running.upsert(ITEM)
        yield running


def name(server: ApiServer) -> str:
    (item,) = server.fleet.items(TIME_PROFILE)
    assert item.profile is not None
    return item.profile.name


async def test_a_change_of_the_version_that_was_seen_goes_through(server: ApiServer) -> None:
    tag = (await server.call("GET", ONE)).headers["ETag"]
    assert (await server.call("PATCH", ONE, {"name": "First"}, If_Match=tag)).status == 200
    asked = {"list_items": [{**ITEM, "name": "Second"}]}
    assert (await server.call("POST", LINK, asked, If_Match=f'"0.0", {tag}')).status == 200
    assert (await server.call("POST", LINK, asked, If_Match="*")).status == 200
    assert name(server) == "Second"


async def test_a_change_of_another_version_is_refused_and_changes_nothing(server: ApiServer) -> None:
    before = name(server)
    asked = {"list_items": [{**ITEM, "name": "Overwritten"}]}
    for answer in (
        await server.call("PATCH", ONE, {"name": "Overwritten"}, If_Match='"1.99"'),
        await server.call("POST", LINK, asked, If_Match='"1.99"'),
    ):
        assert answer.status == 412
        assert answer.json["detail"].startswith('If-Match: it is "1.1" now')
    assert name(server) == before


async def test_a_version_is_of_one_item(server: ApiServer) -> None:
    other = {**ITEM, "link_id": "91c615e3-1040-4815-8ecb-000000000077"}
    answer = await server.call("POST", LINK, {"list_items": [ITEM, other]}, If_Match="*")
    assert answer.status == 400
    assert answer.json["detail"].startswith("If-Match: expected one item")
    assert (await server.call("POST", LINK, {"list_items": []}, If_Match="*")).status == 400
