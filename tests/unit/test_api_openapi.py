"""The OpenAPI document: it has what is served, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.api.openapi import document
from gateway.api.routes import everything
from tests.support.api_server import BASIC, api_server

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def described() -> Any:
    return json.loads(document(everything(metrics=True)))


def references(part: Any) -> Iterator[str]:
    match part:
        case dict():
            for key, value in part.items():
                if key == "$ref":
                    yield value
                yield from references(value)
        case list():
            for value in part:
                yield from references(value)


async def test_the_document_has_every_route_and_no_other(described: Any) -> None:
    async with api_server(metrics=b"") as server:
        routes = {(route.method, route.resource.canonical) for route in server.app.router.routes() if route.resource}
        answer = await server.call("GET", "/gateway/v1/openapi.json")
        assert (await server.call("GET", "/gateway/v1/openapi.json", authorization=None)).status == 401
    assert answer.json == described
    served = {(method, path.replace("{_}", "timeprofile")) for method, path in routes if method != "HEAD"}
    assert served == {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert len(served) > 400


def test_every_reference_leads_somewhere(described: Any) -> None:
    for reference in set(references(described)):
        part = described
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_every_operation_says_what_it_needs_and_may_answer(described: Any) -> None:
    assert described["openapi"].startswith("3.1")
    names = []
    for path, methods in described["paths"].items():
        assert methods.keys() <= METHODS
        for operation in methods.values():
            names.append(operation["operationId"])
            in_path = {each["name"] for each in operation["parameters"] if each.get("in") == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))
            assert ("security" in operation) == ("401" in operation["responses"])
            assert operation["summary"]
            assert {"400", "500", "503"} <= operation["responses"].keys()
    assert len(names) == len(set(names))
    absent = [name for name, schema in described["components"]["schemas"].items() if '"absent"' in json.dumps(schema)]
    assert not absent, "a default that no client can send"


async def test_an_answer_of_each_status_call_is_as_described(described: Any) -> None:
    """The shapes are those of examples, which what the gateway knows itself has to have."""
    async with api_server() as server:
        for path, methods in described["paths"].items():
            if not path.startswith("/api/v1/") or "get" not in methods or "{" in path.replace("{lock}", "1"):
                continue
            answer = await server.call("GET", path.replace("{lock}", "1"), authorization=BASIC)
            schema = methods["get"]["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if answer.status == 200 and "properties" in schema:
                assert {*schema["required"]} <= answer.json.keys(), path
