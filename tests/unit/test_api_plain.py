"""Items by uid over HTTP: bad input loses nothing and says where, and a client that may try again is told so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from drivers.contract import ItemState, Reason
from gateway.api.routes import everything
from gateway.fleet.results import LinkReport, PanelResult
from gateway.fleet.views import Judge
from gateway.store.contract import StoreFull, StoreUnavailable
from tests.support.api_server import ApiServer, MemoryFleet, api_server, vector

CARD = {
    "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"},
    "identifier_type": "card",
    "identifier_number": "12345678",
    "lock": "first",
}
PROFILE = vector("examples.json")["list_items"][0]
ITEMS = {"/access/timeprofile": PROFILE, "/access/identifier": CARD, "/apartment": {"apartment_name": "221b"}}
UNKNOWN = {"/access/timeprofile": "Wrong Time Profile Uid", "/access/identifier": "Wrong identifier uid"}
_OPEN = ("/login",)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


async def made(server: ApiServer, family: str) -> int:
    answer = await server.call("POST", f"/api/v1{family}", ITEMS[family])
    assert answer.status == 200, answer.text
    uid: int = answer.json["uid"]
    return uid


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"a":', b'"x"', b"\xff", b"[" * 100_000])
async def test_what_is_no_object_is_refused_everywhere_and_nothing_is_kept(server: ApiServer, body: bytes) -> None:
    for family in ITEMS:
        await made(server, family)
    before = dict(server.fleet.desired)
    for one in everything(metrics=False):
        if one.route.body is None or not one.path.startswith("/api/v1") or one.path.endswith(_OPEN):
            continue
        path = one.template.replace("{lock}", "1").replace("{number}", "5")
        path = path.replace("{uid}", "1")
        answer = await server.call(one.route.method, path, body)
        assert answer.status == 400, f"{one.route.method} {path}: {answer.status} {answer.text}"
        assert answer.json["error"].startswith(("Wrong JSON body", "Wrong ")), path
        assert answer.json["detail"], path
    assert server.fleet.desired == before


@pytest.mark.parametrize("family", ITEMS)
@pytest.mark.parametrize("uid", ["0", "-1", "7", "abc", "1.5", "1e1", "9" * 40, "%D9%A1"])
async def test_a_number_that_nobody_has_is_told_in_the_vendors_words(server: ApiServer, family: str, uid: str) -> None:
    await made(server, family)
    before = dict(server.fleet.desired)
    for method in ("GET", "PATCH", "DELETE"):
        answer = await server.call(method, f"/api/v1{family}/item/{uid}", None if method == "GET" else {})
        assert (answer.status, answer.json["error"]) == (400, UNKNOWN.get(family, "Wrong apartment uid")), method
        assert answer.json["detail"]
    assert server.fleet.desired == before


@pytest.mark.parametrize("uids", [None, {}, "1", [True], ["1"], [1.0], [None], [1, "2"]])
async def test_a_list_of_numbers_with_a_mistake_deletes_nobody(server: ApiServer, uids: object) -> None:
    await made(server, "/access/identifier")
    for method, path in (("DELETE", "items"), ("POST", "items/delete")):
        body = {} if uids is None else {"uid_items": uids}
        answer = await server.call(method, f"/api/v1/access/identifier/{path}", body)
        assert answer.status == 400, answer.text
        assert "uid_items" in answer.json["detail"]
    assert len(server.fleet.desired) == 1


async def test_a_number_that_nobody_has_harms_none_of_the_others(server: ApiServer) -> None:
    uid = await made(server, "/access/identifier")
    answer = await server.call("DELETE", "/api/v1/access/identifier/items", {"uid_items": [99, -1, uid, uid, 2**70], "count": 9})
    assert (answer.status, answer.json) == (200, {})
    assert not server.fleet.desired


def refused(*reasons: Reason) -> tuple[PanelResult, ...]:
    return tuple(PanelResult(f"panel {each.value}", False, ItemState.REFUSED, each, f"why {each.value}") for each in reasons)


AWAY = PanelResult("gate", False, ItemState.PENDING, Reason.NO_REPLY)


@pytest.mark.parametrize(
    ("panels", "status"),
    [
        (refused(Reason.NOT_REPRESENTABLE), 400),
        (refused(Reason.NOT_REPRESENTABLE, Reason.NOT_REPRESENTABLE), 400),
        (refused(Reason.NO_FREE_SLOT), 409),
        (refused(Reason.NOT_REPRESENTABLE, Reason.NO_FREE_SLOT), 409),
        (refused(Reason.PROFILE_NOT_HELD), 409),
        ((*refused(Reason.NOT_REPRESENTABLE), AWAY), 200),
        ((AWAY,), 200),
        ((), 200),
    ],
)
async def test_only_what_can_never_be_held_is_400_and_what_no_panel_takes_is_not_kept(
    server: ApiServer, panels: tuple[PanelResult, ...], status: int
) -> None:
    uid = await made(server, "/access/identifier")
    (kept,) = server.fleet.desired.values()
    server.fleet.panel_results = panels
    other = {**CARD, "identifier_number": "99"}
    answer = await server.call("POST", "/api/v1/access/identifier", other)
    assert answer.status == status, answer.text
    assert len(server.fleet.desired) == (2 if status == 200 else 1)
    if status != 200:
        assert all(each.panel in answer.json["detail"] and str(each.message) in answer.json["detail"] for each in panels)
    changed = await server.call("PATCH", f"/api/v1/access/identifier/item/{uid}", {"lock": "all"})
    assert changed.status == status
    shown = await server.call("GET", f"/api/v1/access/identifier/item/{uid}")
    assert shown.json["lock"] == ("all" if status == 200 else "first")
    if status != 200:
        assert server.fleet.desired[kept.key].content == kept.content


@pytest.mark.parametrize(("broken", "status"), [(StoreFull("no room"), 507), (StoreUnavailable("read-only"), 503)])
async def test_the_gateways_own_trouble_is_5xx(server: ApiServer, broken: Exception, status: int) -> None:
    uid = await made(server, "/access/identifier")
    server.fleet.broken = broken
    for method, path, body in (
        ("POST", "/access/identifier", {**CARD, "identifier_number": "9"}),
        ("PATCH", f"/access/identifier/item/{uid}", {"lock": "all"}),
        ("POST", "/network/ntp", {"enabled": True}),
    ):
        answer = await server.call(method, f"/api/v1{path}", body)
        assert (answer.status, bool(answer.json["detail"])) == (status, True), path
    assert (await server.call("GET", "/api/v1/network/ntp")).json["enabled"] is False


class Forgetful(MemoryFleet):
    """Deletes what its store does not hear of."""

    async def delete(self, link_ids: Sequence[str], kind: str, judge: Judge | None = None) -> tuple[LinkReport, ...]:
        return tuple([replace(each, success=False, durable=False) for each in await super().delete(link_ids, kind, judge)])


async def test_a_deletion_that_a_restart_forgets_is_to_be_sent_again() -> None:
    async with api_server(fleet=Forgetful()) as server:
        uid = await made(server, "/access/identifier")
        answer = await server.call("DELETE", f"/api/v1/access/identifier/item/{uid}")
        assert answer.status == 503


@pytest.mark.parametrize("detail", ["all", "none"])
async def test_who_deletes_by_link_id_is_told_what_a_restart_forgets_also_where_no_panel_says_so(detail: str) -> None:
    async with api_server(fleet=Forgetful()) as server:
        link_id = f"91c615e3-1040-4815-8ecb-{1:012d}"
        path = "/api/v1/access/timeprofile/items/link"
        await server.call("POST", path, {"list_items": [{**PROFILE, "link_id": link_id}]})
        answer = await server.call("DELETE", f"{path}?panels={detail}", {"link_ids": [link_id]})
        (entry,) = answer.json["result"]
        assert (entry["success"], entry["extended_info"], entry["reason"]) == (False, "deleted", "not_durable")


async def test_settings_that_cannot_be_are_refused_and_secrets_are_not_kept(server: ApiServer) -> None:
    path = "/api/v1/network/ntp"
    for wrong in ({"enabled": "yes"}, {"custom_server": 5}, {"x": "y" * 20_000}):
        assert (await server.call("POST", path, wrong)).status in (400, 413)
    given = {"enabled": True, "custom_server": "time.example", "more": {"password": "hunter2", "kept": 1}, "api_token": "hunter2"}
    assert (await server.call("POST", path, given)).json == {}
    assert (await server.call("POST", path, {"custom_server": "other.example"})).json == {}
    shown = {"enabled": True, "use_default": False, "custom_server": "other.example", "more": {"kept": 1}}
    assert (await server.call("GET", "/api/v0/network/ntp")).json == shown
    listed = (await server.call("GET", "/gateway/v1/inert")).json
    assert listed == {
        "settings": [{"path": "/network/ntp", "value": {key: shown[key] for key in ("enabled", "custom_server", "more")}}]
    }
    for number in ("0", "9", "x"):
        answer = await server.call("POST", f"/api/v1/access/general/lock/timeout/{number}", {"lock_timeout": 9})
        assert (answer.status, answer.json["error"]) == (400, "Only 0, 1..8 indexes available for the lock number")
    assert (await server.call("POST", "/api/v1/access/general/lock/timeout/2", {"lock_timeout": 9})).status == 200
    assert (await server.call("GET", "/api/v1/access/general/lock/timeout/2")).json == {"lock_timeout": 9}
    assert (await server.call("GET", "/api/v1/access/general/lock/timeout/1")).json == {"lock_timeout": 5}


async def test_what_is_inside_a_setting_keeps_its_type_too(server: ApiServer) -> None:
    locks = "/api/v1/access/general/lock/type"
    wrong: list[Any] = [[{"lock_number": "1"}], [5], [{"lock_number": 1}, {"lock_number": True}], {}]
    for torn in wrong:
        answer = await server.call("POST", locks, {"locks": torn})
        assert (answer.status, answer.json["detail"].startswith("body.locks")) == (400, True), torn
    assert (await server.call("POST", locks, {"locks": [{"type": None, "lock_number": 2, "more": [None]}]})).status == 200
    assert (await server.call("GET", locks)).json == {"locks": [{"lock_number": 2, "more": [None]}]}


async def test_only_logs_are_cleared(server: ApiServer) -> None:
    async def clear(body: Any) -> int:
        return (await server.call("POST", "/api/v1/system/data/clear", body)).status

    for right in ({"data_types": ["logs"]}, {"clear_fields": ["logs"]}, {"data_types": ["logs"], "clear_fields": ["logs"]}):
        assert await clear(right) == 200
    not_logs: list[dict[str, Any]] = [{}, {"data_types": []}, {"data_types": ["logs", "users"]}, {"clear_fields": "logs"}]
    not_logs += [{"fields": ["logs"]}, {"data_types": ["logs"], "clear_fields": ["identifiers"]}]
    for wrong in not_logs:
        assert await clear(wrong) == 400


async def test_the_log_is_an_empty_list_in_every_dialect(server: ApiServer) -> None:
    for path in ("/api/v1/log/items", "/api/v0/log/list"):
        query = "?locale=en&from=1549286120&to=1549286120038&limit=50&page_number=1&sort_type=desc&filter_field=category"
        answer = await server.call("GET", path + query + "&filter_type=equal&filter_value=access")
        assert (answer.status, answer.json["list_items"]) == (200, [])
        for wrong in ("from=yesterday", "card=5&identifier_number=5", "filter_field=colour&filter_value=x", "sort_type=up"):
            assert (await server.call("GET", f"{path}?{wrong}")).status == 400, wrong


async def test_lists_that_are_given_whole_refuse_to_be_asked_for_one(server: ApiServer) -> None:
    for path in ("panels", "bindings", "inert", "lines"):
        assert (await server.call("GET", f"/gateway/v1/{path}?_=1&verbose=yes")).status == 200
        assert (await server.call("GET", f"/gateway/v1/{path}?id=lobby")).status == 400
