"""From a card at a reader to what a client reads over HTTP, through everything that ships."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.support.api_server import BASIC
from tests.support.whole_site import WholeSite, whole_site

PERSON = {
    "link_id": "91c615e3-1040-4815-8ecb-000000000101",
    "identifier_owner": {"name": "Ann", "type": "owner"},
    "identifier_type": "card",
    "identifier_number": "4711",
    "lock": "second",
}


async def until(site: WholeSite, kind: str) -> list[Any]:
    """The events of a stream up to the first one of a kind."""
    found: list[Any] = []
    asked = {"Accept": "text/event-stream", "Authorization": BASIC}
    async with asyncio.timeout(20), site.session.get(f"{site.url}/gateway/v1/events?after=0", headers=asked) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line.removeprefix(b"data: ")))
                if found[-1]["kind"] == kind:
                    return found
    raise AssertionError("the stream ended")


async def test_who_came_in_is_in_the_stream_and_in_the_vendors_log_by_name(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        (result,) = (await site.done("POST", "/api/v1/access/identifier/items/link", {"list_items": [PERSON]}))["result"]
        assert result["success"], result
        assert site.panel.read("card", "4711", 1).granted
        told = (await until(site, "access_granted_by_valid_identifier"))[-1]
        person = told["identifier"]
        assert (told["panel"], told["output"], person["owner"], person["number"]) == ("lobby", 1, "Ann", "4711")
        log = await site.done("GET", "/api/v1/log/items?filter_field=category&filter_value=access&sort_type=desc&limit=10")
        (item,) = log["list_items"]
        assert item["name"]["key"] == "access_granted_by_valid_identifier"
        assert (item["info"]["model"]["owner"], item["info"]["model"]["lock"]) == ("Ann", 2)
        lines = (await site.call("GET", "/gateway/v1/events?kinds=access_granted_by_valid_identifier")).text.splitlines()
        assert [json.loads(line) for line in lines] == [told]
