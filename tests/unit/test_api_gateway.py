"""The gateway's own surface, and what holds for every request: ids, errors, sizes, clients that leave."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from multidict import CIMultiDict

from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.api.services import ReloadReport
from gateway.identifiers.own_ids import new_own_id
from gateway.store.contract import DesiredItem, StoreFull, StoreUnavailable
from tests.support.api_server import BASIC, SERIAL, ApiServer, MemoryFleet, api_server, settings, vector

OWN = "/gateway/v1"
LINK = "/api/v1/access/timeprofile/link"
ONE, TWO = (f"91c615e3-1040-4815-8ecb-00000000000{number}" for number in (1, 2))
ITEM = vector("examples.json")["list_items"][0]


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


@pytest.mark.parametrize("path", ["/api/info", "/api/v1/api/info", "/api/v0/api/info"])
async def test_info_is_open_and_complete(server: ApiServer, path: str) -> None:
    answer = await server.call("GET", path, authorization=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json["api_version"] == "1.3.5"
    assert answer.json["device_name"] == "Lab"
    assert answer.json["device_serial_number"] == SERIAL
    assert answer.json["hybrid_enable"] is False
    texts = {"firmware_version", "framework_version", "frontend_version", "mcu_version", "device_type", "device_model", "commit"}
    assert all(isinstance(answer.json[name], str) and answer.json[name] for name in texts)
    assert answer.json["device_type"] == "panel"


async def test_panels(server: ApiServer) -> None:
    (listed,) = (await server.call("GET", f"{OWN}/panels")).json["panels"]
    assert "items" not in listed
    assert (listed["id"], listed["state"], listed["availability"], listed["last_error"]) == ("lobby", "in_sync", "online", None)
    (one,) = (await server.call("GET", f"{OWN}/panels/lobby")).json["panels"]
    assert one["items"][0] == {
        "link_id": ONE,
        "desired_generation": 3,
        "held_generation": 3,
        "outcome": "exact",
        "valid_until": None,
        "reason": None,
        "message": None,
        "still_grants": None,
        "still_grants_text": None,
        "still_grants_until": None,
        "slots": [],
        "asked_at": None,
    }
    missing = await server.call("GET", f"{OWN}/panels/attic")
    assert (missing.status, missing.json["error"]) == (404, "unknown_panel")
    assert "attic" in missing.json["detail"]


async def test_verbs(server: ApiServer) -> None:
    for action in ("sync", "reinit", "retry"):
        answer = await server.call("POST", f"{OWN}/panels/lobby/{action}")
        assert (answer.status, answer.json) == (202, {"panel": "lobby", "action": action})
    assert server.fleet.acted == [("sync", "lobby"), ("reinit", "lobby"), ("retry", "lobby")]
    assert (await server.call("POST", f"{OWN}/panels/attic/sync")).status == 404
    assert (await server.call("POST", f"{OWN}/panels/lobby/explode")).status == 404
    assert (await server.call("GET", f"{OWN}/panels/lobby/sync")).status == 405


async def test_plan(server: ApiServer) -> None:
    answer = await server.call("POST", f"{OWN}/plan", {"list_items": [ITEM], "panels": ["@doors", "gate:3"]})
    assert answer.status == 200
    assert answer.json == {
        "items": [
            {
                "link_id": ONE,
                "panels": [
                    {
                        "panel": "lobby",
                        "outcome": "exact",
                        "valid_until": None,
                        "cuts": [],
                        "reason": None,
                        "message": None,
                        "slots": 1,
                    }
                ],
            }
        ],
        "panels": [
            {"panel": "lobby", "line": "rs485-a", "words": 64, "frames": ["0110"], "bytes": 187, "wire_ms": 109.4, "commits": 1}
        ],
    }
    assert server.fleet.upserts == []


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        (b"{", "bad_request", "not JSON: "),
        (b'{"list_items": [{}]}', "bad_request", "list_items[0].link_id: Wrong JSON body: no value for `link_id`"),
        (b'{"list_items": [{"link_id": "x"}]}', "bad_request", "list_items[0].link_id: expected a UUID"),
        (b'{"list_items": [], "panels": ["attic"]}', "unknown_panel", "panels: attic"),
        (b'{"list_items": [], "panels": [1]}', "bad_request", "panels[0]: "),
        (b'{"list_items": [], "panels": "lobby"}', "bad_request", "panels: "),
        (b"{}", "bad_request", "list_items: "),
        (b'{"link_ids": "x"}', "bad_request", "link_ids: "),
        (b'{"link_ids": [7]}', "bad_request", "link_ids[0]: "),
        (b'{"link_ids": ["x"]}', "bad_request", "link_ids[0]: expected a UUID"),
        (b'{"link_ids": [], "panels": []}', "bad_request", "panels: not beside `link_ids`"),
        (b'{"list_items": [], "link_id": []}', "bad_request", "link_id: expected `link_ids`"),
        (b'{"list_items": %b, "link_ids": ["%b"]}' % (json.dumps([ITEM]).encode(), ONE.encode()), "bad_request", "link_ids[0]: "),
    ],
)
async def test_bad_plans(server: ApiServer, body: bytes, error: str, detail: str) -> None:
    answer = await server.call("POST", f"{OWN}/plan", body)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert answer.json["detail"].startswith(detail)


async def test_explain(server: ApiServer) -> None:
    await server.upsert(ITEM)
    answer = await server.call("GET", f"{OWN}/explain?link_id={ONE.upper()}&at=1795450000&panel=lobby")
    held = {"panel": "lobby", "compiled": True, "held": False, "differs_at": "held", "message": "generation 3 asked, 2 held"}
    assert answer.json == {"link_id": ONE, "at": 1_795_450_000, "asked": True, "panels": [held]}
    assert (await server.call("GET", f"{OWN}/explain?link_id={ONE}")).json["at"] == 1_793_484_000
    assert (await server.call("GET", f"{OWN}/explain?uid=1&at=1795450000")).json["link_id"] == ONE
    other = ONE.replace("0001", "0002")
    for query, status, error in (
        ("", 400, "bad_request"),
        ("?link_id=x", 400, "bad_request"),
        (f"?link_id={ONE}&at=soon", 400, "bad_request"),
        (f"?link_id={ONE}&at=-1", 400, "bad_request"),
        (f"?link_id={ONE}&panel=attic", 404, "unknown_panel"),
        (f"?link_id={other}", 404, "unknown_link_id"),
        ("?uid=7", 404, "unknown_uid"),
        ("?uid=one", 404, "unknown_uid"),
        ("?uid=1&kind=identifier", 404, "unknown_uid"),
    ):
        refused = await server.call("GET", f"{OWN}/explain{query}")
        assert (refused.status, refused.json["error"]) == (status, error), query


async def test_bindings(server: ApiServer) -> None:
    path = f"{OWN}/bindings/{ONE}"
    assert (await server.call("GET", path)).json["error"] == "unknown_link_id"
    put = await server.call("PUT", f"{OWN}/bindings/{ONE.upper()}", {"panels": ["@doors", "gate:3"]})
    assert (put.status, put.json) == (200, {"link_id": ONE, "panels": ["@doors", "gate:3"]})
    assert (await server.call("GET", path)).json == put.json
    assert (await server.call("GET", f"{OWN}/bindings")).json == {"bindings": [put.json]}
    assert (await server.call("GET", f"{OWN}/bindings?effective=1")).json == {"bindings": []}
    assert (await server.call("GET", f"{OWN}/bindings?effective=yes")).status == 400
    unknown = await server.call("PUT", path, {"panels": ["attic"]})
    assert (unknown.status, unknown.json["error"]) == (400, "unknown_panel")
    assert (await server.call("PUT", path, {})).status == 400
    assert (await server.call("PUT", f"{OWN}/bindings/x", {"panels": []})).status == 400
    assert (await server.call("DELETE", path)).json == {"link_id": ONE}
    assert (await server.call("DELETE", path)).status == 404


async def test_what_was_deleted_and_panels_may_hold_is_told_with_its_name_and_number(server: ApiServer) -> None:
    card = {"identifier_owner": {"name": "Ada"}, "identifier_type": "card", "identifier_number": "77"}
    server.fleet.gone = [
        DesiredItem(ONE, 0, 2, 2, None, json.dumps({"name": "Nights"}), 5.5, TIME_PROFILE, 1),
        DesiredItem(new_own_id(), 0, 2, 3, None, json.dumps(card), 6.5, IDENTIFIER, 2),
        DesiredItem(TWO, 0, 2, 4, None, "", 7.5, TIME_PROFILE, 3),
    ]
    told = (await server.call("GET", f"{OWN}/deleted")).json["items"]
    keys = ("kind", "uid", "link_id", "name", "number", "deleted_at")
    assert [tuple(each[key] for key in keys) for each in told] == [
        ("timeprofile", 1, ONE, "Nights", "", 5),
        ("identifier", 2, None, "Ada", "card 77", 6),
        ("timeprofile", 3, TWO, "", "", 7),  # deleted by a release that kept no name
    ]


async def test_lines_and_reload(server: ApiServer) -> None:
    lines = await server.call("GET", f"{OWN}/lines")
    assert lines.json == {"lines": [{"id": "rs485-a", "exchange_ms": {"p50": 1.5, "p95": None}}], "total": 1}
    done = await server.call("POST", f"{OWN}/reload")
    assert (done.status, done.json) == (200, {"applied": True, "changes": ["panel gate added"]})
    server.reload_report = ReloadReport(False, mistakes=("http.port: cannot change", "lines[0].id: missing"))
    refused = await server.call("POST", f"{OWN}/reload")
    assert (refused.status, refused.json["error"], refused.json["applied"]) == (422, "configuration", False)
    assert refused.json["mistakes"] == ["http.port: cannot change", "lines[0].id: missing"]
    assert "lines[0].id: missing" in refused.json["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_open(server: ApiServer, path: str) -> None:
    assert (await server.call("GET", path, authorization=None)).status == 200
    server.wrong = ("the store is not writable",)
    answer = await server.call("GET", path, authorization=None)
    assert (answer.status, answer.json["detail"]) == (503, "the store is not writable")


async def test_metrics_where_they_are_kept(server: ApiServer) -> None:
    assert (await server.call("GET", "/metrics")).status == 404
    async with api_server(metrics=b"x 1\n") as measured:
        answer = await measured.call("GET", "/metrics")
        assert (answer.status, answer.text) == (200, "x 1\n")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert (await measured.call("GET", "/metrics", authorization=None)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/api/v2/login", 404, "Not Found"),
        ("PATCH", LINK, 405, "Method Not Allowed"),
        ("OPTIONS", "/api/info", 405, "Method Not Allowed"),
        ("GET", f"{OWN}/nowhere", 404, "not_found"),
        ("DELETE", f"{OWN}/panels", 405, "method_not_allowed"),
    ],
)
async def test_wrong_paths_and_methods(server: ApiServer, method: str, path: str, status: int, error: str) -> None:
    answer = await server.call(method, path)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.json["detail"]
    assert ("Allow" in answer.headers) == (status == 405)


async def test_allow_names_every_method(server: ApiServer) -> None:
    allowed = (await server.call("PATCH", LINK)).headers["Allow"]
    assert set(allowed.split(",")) == {"GET", "HEAD", "POST", "DELETE"}


async def test_a_body_over_the_limit_is_413() -> None:
    async with api_server(settings(max_body=1000)) as server:
        for body in (b" " * 1001, b"[" * 1_000_000):
            answer = await server.call("POST", LINK, body)
            assert (answer.status, answer.json["error"]) == (413, "Request Entity Too Large")
        own = await server.call("POST", f"{OWN}/plan", b" " * 1001)
        assert (own.status, own.json["error"]) == (413, "body_too_large")
        fitting = b'{"list_items": []}'.ljust(1000)
        assert (await server.call("POST", LINK, fitting)).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
async def test_a_packed_body_is_415_however_small(server: ApiServer, encoding: str) -> None:
    packed = gzip.compress(b'{"list_items": []}')
    for path in (LINK, f"{OWN}/plan", "/api/v1/login"):
        assert (await server.call("POST", path, packed, Content_Encoding=encoding)).status == 415
    assert (await server.call("POST", LINK, b'{"list_items": []}', Content_Encoding="Identity")).status == 200


async def test_a_packed_body_is_415_behind_a_header_that_says_otherwise(server: ApiServer) -> None:
    twice = CIMultiDict([("Content-Encoding", "identity"), ("Content-Encoding", "gzip"), ("Authorization", BASIC)])
    async with server.session.post(server.url + LINK, data=b"{}", headers=twice) as answer:
        assert answer.status == 415


@pytest.mark.parametrize(
    ("broken", "status", "vendor", "own"),
    [
        (StoreFull("no room"), 507, "Insufficient Storage", "store_full"),
        (StoreUnavailable("read-only"), 503, "Service Unavailable", "store_unavailable"),
        (ZeroDivisionError("secret detail"), 500, "Internal Server Error", "internal"),
    ],
)
async def test_what_breaks_inside_is_json(
    broken: Exception, status: int, vendor: str, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = MemoryFleet(broken=broken)
    monkeypatch.setattr(fleet, "bind", lambda link_id, panels, judge: fleet.upsert([]))
    async with api_server(fleet=fleet) as server:
        answer = await server.upsert(ITEM)
        assert (answer.status, answer.json["error"]) == (status, vendor)
        assert "secret" not in answer.text
        bound = await server.call("PUT", f"{OWN}/bindings/{ONE}", {"panels": []})
        assert (bound.status, bound.json["error"]) == (status, own)


async def test_the_request_id_reaches_the_fleet_and_the_answer(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.api.access")
    body = {"list_items": [ITEM]}
    answer = await server.call("POST", LINK, body, X_Request_Id="ticket-42")
    assert answer.headers["X-Request-Id"] == "ticket-42"
    assert server.fleet.seen_request_id == "ticket-42"
    odd = await server.call("POST", LINK, body, X_Request_Id="a b" * 100)
    assert odd.headers["X-Request-Id"] == server.fleet.seen_request_id
    assert len(odd.headers["X-Request-Id"]) == 32
    record = caplog.records[0]
    facts = {name: vars(record)[name] for name in ("method", "path", "status", "remote")}
    assert facts == {"method": "POST", "path": LINK, "status": 200, "remote": "127.0.0.1"}


async def test_a_client_that_leaves_does_not_stop_the_work(server: ApiServer) -> None:
    server.fleet.gate = asyncio.Event()
    call = asyncio.create_task(server.upsert(ITEM))
    await server.fleet.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    server.fleet.gate.set()
    listed = await server.call("GET", LINK)
    assert [item["link_id"] for item in listed.json["list_items"]] == [ONE]


NO_REQUESTS = {
    "unknown method": (400, f"FOO {LINK}?password=hunter2 HTTP/1.1\r\nHost: x\r\n\r\n", "the method is not known"),
    "unknown version": (400, f"GET {LINK}?password=hunter2 HTTP/9\r\n\r\n", "request line"),
    "long query": (400, f"GET {LINK}?password={'hunter2' * 2000} HTTP/1.1\r\nHost: x\r\n\r\n", "is too long"),
    "length": (400, f"POST {LINK} HTTP/1.1\r\nContent-Length: hunter2\r\n\r\n", "request line"),
    "chunk": (400, f"POST {LINK} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n", "encoding"),
    "expectation": (417, f"POST {LINK} HTTP/1.1\r\nHost: x\r\nExpect: hunter2\r\n\r\n", None),
    "expectation of nothing": (417, "POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: hunter2\r\n\r\n", None),
}


@pytest.mark.parametrize(("status", "sent", "detail"), NO_REQUESTS.values(), ids=NO_REQUESTS)
async def test_what_is_no_request_is_answered_in_json_and_leaves_no_secret(
    server: ApiServer, caplog: pytest.LogCaptureFixture, status: int, sent: str, detail: str | None
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await _sent_raw(server, sent.encode())
    head, _, body = answer.partition("\r\n\r\n")
    assert head.split()[1] == str(status)
    assert "content-type: application/json; charset=utf-8" in head.lower()
    told = json.loads(body)
    assert told["error"] == HTTPStatus(status).phrase
    assert (detail or "") in told.get("detail", "")
    (record,) = (record for record in caplog.records if record.name == "gateway.api.server")
    assert f"X-Request-Id: {vars(record)['request_id']}" in head
    for known in caplog.records:
        assert "hunter2" not in caplog.handler.format(known) + str(vars(known))
    assert "hunter2" not in answer


async def test_a_body_that_is_not_what_its_headers_say_is_400_and_one_access_record(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    head = f"POST {LINK} HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nTransfer-Encoding: chunked\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head.encode() + b"Expect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"2\r\n{}\r\nxxxxx\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "Wrong JSON body"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("gateway.api")] == ["request"]


async def _sent_raw(server: ApiServer, sent: bytes) -> str:
    """What is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


@pytest.mark.parametrize(
    "offer",
    [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
    ],
    ids=["Java's client", "websocket", "tls"],
)
async def test_an_offer_of_another_protocol_is_passed_over_and_the_connection_goes_on(server: ApiServer, offer: str) -> None:
    """The client of Java 11 offers HTTP/2 with every first request."""
    body = json.dumps({"list_items": [ITEM]}).encode()
    first = f"POST {LINK} HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\n{offer}\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for request in (
        first.encode() + body,
        first.encode() + body,
        b"GET /api/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        writer.write(request)
        assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 200 ")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    writer.close()
    assert len(server.fleet.upserts) == 2
