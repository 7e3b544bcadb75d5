"""What public clients send is answered with what they read: every call of every client, in each generation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import MD5, vector
from tests.support.whole_site import WholeSite, whole_site

GENERATIONS = ("/api/v0", "/api/v1")
CALLS = vector("client-calls.json")
PROFILE = vector("examples.json")["list_items"][0]
LINK = "91c615e3-1040-4815-8ecb-000000000009"
PERMANENT = {"time": {"is_permanent": True}, "passes": {"is_permanent": True}}

_LOCKS = re.compile("/access/general/lock/(open|close)/")
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
    async with whole_site(tmp_path, bound=False) as running:
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
            if _LOCKS.search(path) or path == "/logout":
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
