"""Two operators at one item: the second is told that it changed, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drivers.contract import TIME_PROFILE
from gateway.api.routes import everything
from tests.support.api_server import BASIC, ApiServer, api_server, vector

ITEM: dict[str, Any] = vector("examples.json")["list_items"][0]
LINK_ID: str = ITEM["link_id"]
PERSON = "91c615e3-1040-4815-8ecb-000000000101"
CARD = {
    "link_id": PERSON,
    "identifier_owner": {"name": "Ada", "type": "owner"},
    "identifier_type": "card",
    "identifier_number": "10000001",
    "lock": "first",
}
HOME = {"link_id": "91c615e3-1040-4815-8ecb-000000000201", "apartment_name": "12"}
CALLS = {"link_id": "91c615e3-1040-4815-8ecb-000000000301", "forward_number": "12"}
KINDS = {"access/timeprofile": ITEM, "access/identifier": CARD, "apartment": HOME, "forward": CALLS}
SHOWN = {
    "timeprofile": "/api/v1/access/timeprofile/item/1",
    "identifier": "/api/v1/access/identifier/item/2",
    "apartment": "/api/v1/apartment/item/3",
    "forward": "/api/v1/forward/item/12",
    "bindings": f"/gateway/v1/bindings/{PERSON}",
}
NUMBERS = {"timeprofile": 1, "identifier": 2, "apartment": 3, "forward": 4}
UNVERSIONED = [
    "POST /api/v./(login|logout)",
    "POST /api/v./(access/(timeprofile|identifiers?)|apartment)(/item)?",  # makes a new one
    "(GET|POST) /api/v./access/general/.*",
    "POST /api/v./(system|security|network|device|syslog|access/(door|exit|locks))/.*",
    "POST /api/v./access/freeaccess",
    "(GET|PUT|DELETE) /api/v./(logout|network/management/server|system/reboot/run)",
    "(POST|DELETE) /gateway/v1/(session|sessions/.*|clock/trust|reload|store/trust|plan|openings|panels/.*|doors/.*)",
]
"""What changes nothing of which a version is shown, as patterns of `METHOD path`."""
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


async def everything_there(server: ApiServer) -> None:
    for family, item in KINDS.items():
        assert (await server.call("POST", f"/api/v1/{family}/items/link", {"list_items": [item]})).status == 200
    assert (await server.call("PUT", SHOWN["bindings"], {"panels": ["lobby"]})).status == 200


WRITES = tuple(one for one in everything(metrics=True) if one.route.writes and not one.path.startswith("/api/v0"))


def of_kind(path: str) -> str:
    """What a path changes the version of."""
    path = path.replace("identifiers", "identifier")
    return next(kind for kind in ("bindings", "forward", "identifier", "apartment", "timeprofile") if f"/{kind}" in path)


def body_of(method: str, path: str, kind: str) -> object:
    """One with which the call would change that item."""
    if "/link" in path:
        item = next(item for family, item in KINDS.items() if kind in family)
        return {"list_items": [item]} if method == "POST" and not path.endswith("delete") else {"link_ids": [item["link_id"]]}
    if path.endswith(("/items", "/items/delete")):
        return {"uid_items": [NUMBERS[kind]]}
    bodies = {"bindings": {"panels": ["lobby"]}, "forward": {"forward_number": "12"}, "timeprofile": {"name": "Changed"}}
    return bodies.get(kind, {}) if method in ("PATCH", "PUT") or kind == "forward" else None


def concrete(path: str, kind: str) -> str:
    numbers = {"iuid": NUMBERS["identifier"], "auid": 3, "tuid": 1, "uid": NUMBERS.get(kind), "number": "12", "link_id": PERSON}
    return re.sub(r"\{(\w+)(?::[^}]*)?\}", lambda found: str(numbers[found[1]]), path)


@pytest.mark.parametrize("one", WRITES, ids=lambda one: f"{one.route.method} {one.path}")
def test_a_write_keeps_to_the_version_that_its_caller_has_seen_or_stands_in_a_list(one: Any) -> None:
    call = f"{one.route.method} {one.template}"
    assert one.route.versioned != any(re.fullmatch(pattern, call) for pattern in UNVERSIONED), call


async def test_no_write_overwrites_what_its_caller_has_not_seen(server: ApiServer) -> None:
    """Each write of the whole surface, with a version that is over: nothing changes."""
    await everything_there(server)
    before = {kind: (await server.call("GET", path)).text for kind, path in SHOWN.items()}
    for one in WRITES:
        kind = of_kind(one.path) if one.route.versioned else "none"
        path = concrete(one.path, kind) if one.route.versioned else re.sub(r"\{[^/]*\}", "1", one.path)
        body = body_of(one.route.method, path, kind) if one.route.versioned else None
        answer = await server.call(one.route.method, path, body, If_Match='"9.99"')
        is_login = path.endswith(("/login", "/session"))
        assert answer.status == 412 or (is_login and answer.status in (400, 403)), f"{one.route.method} {path}: {answer.text}"
        if one.route.versioned:
            assert answer.headers["ETag"] == (await server.call("GET", SHOWN[kind])).headers["ETag"], "what is there now"
    assert {kind: (await server.call("GET", path)).text for kind, path in SHOWN.items()} == before
    assert server.fleet.acted == []


@pytest.mark.parametrize("one", [one for one in WRITES if one.route.versioned], ids=lambda one: f"{one.route.method} {one.path}")
async def test_a_write_of_the_version_that_was_seen_goes_through(server: ApiServer, one: Any) -> None:
    await everything_there(server)
    kind = of_kind(one.path)
    path = concrete(one.path, kind)
    tag = (await server.call("GET", SHOWN[kind])).headers["ETag"]
    answer = await server.call(one.route.method, path, body_of(one.route.method, path, kind), If_Match=tag)
    assert answer.status == 200, answer.text


async def test_what_somebody_else_deleted_is_not_made_again_nor_deleted_twice(server: ApiServer) -> None:
    await everything_there(server)
    tags = {kind: (await server.call("GET", path)).headers["ETag"] for kind, path in SHOWN.items()}
    for kind, path in reversed(SHOWN.items()):  # the fleet in memory numbers them anew
        assert (await server.call("DELETE", path, If_Match=tags[kind])).status == 200
    for family, item in KINDS.items():
        kind, place = family.rpartition("/")[2], f"/api/v1/{family}"
        assert (await server.call("DELETE", f"{place}/link", {"link_ids": [item["link_id"]]}, If_Match=tags[kind])).status == 412
        many = await server.call("DELETE", f"{place}/items", {"uid_items": [NUMBERS[kind]]}, If_Match=tags[kind])
        assert many.status == 412, many.text
    assert (await server.call("POST", "/api/v1/forward/item/12", {"name": "again"}, If_Match=tags["forward"])).status == 412
    assert (await server.call("PUT", SHOWN["bindings"], {"panels": ["lobby"]}, If_Match="*")).status == 412
    assert server.fleet.bindings() == {}


async def test_a_version_is_of_one_item_also_where_items_are_deleted(server: ApiServer) -> None:
    answer = await server.call("DELETE", "/api/v1/access/timeprofile/items", {"uid_items": [1, 2]}, If_Match='"1.1"')
    assert (answer.status, answer.json["detail"][:27]) == (400, "If-Match: expected one item")
    assert (await server.call("DELETE", LINK, {"link_ids": [LINK_ID, PERSON]}, If_Match="*")).status == 400
    assert server.fleet.deletes == []


async def test_every_header_of_its_name_counts(server: ApiServer) -> None:
    tag = (await server.call("GET", ONE)).headers["ETag"]
    async with server.session.delete(
        server.url + ONE, headers=[("Authorization", BASIC), ("If-Match", '"0.0"'), ("If-Match", tag)]
    ) as answer:
        assert answer.status == 200
