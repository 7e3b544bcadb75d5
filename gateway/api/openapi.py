"""The OpenAPI document, made of the routes and of the models that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from gateway.api.info import own_version
from gateway.api.listing import ListOption
from gateway.api.models import ABSENT
from gateway.api.queries import PARAMETERS
from gateway.api.responses import json_bytes, json_text
from gateway.api.roles import Role
from gateway.api.route import Empty, Json, Lists, Route, Text
from gateway.api.shapes import Refusal
from gateway.api.versions import IF_MATCH

Schema = dict[str, Any]
_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_REFERENCE = "#/components/schemas/{model}"
_PARAMETERS: Mapping[str, Schema] = {
    **{name: {"type": "integer", "minimum": 1} for name in ("uid", "iuid", "tuid", "auid")},
    "lock": {"type": "integer", "minimum": 1, "maximum": 8},
    "n": {"type": "integer", "minimum": 0, "maximum": 8},
    "link_id": {"type": "string", "format": "uuid"},
}
_SCHEMES: Mapping[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "panel-gateway", "description": "by TLS: `__Host-panel-gateway`"},
}
_IF_MATCH: Schema = {
    "name": IF_MATCH,
    "in": "header",
    "description": "change this version of the item alone, as its `ETag` names it",
    "schema": {"type": "string"},
}
_ANYWHERE = (400, 403, 408, 413, 415, 429, 500, 503, 507)
"""What every path may answer, whatever is asked: see `middleware`, `bodies`, `errors`."""


@dataclass(frozen=True, slots=True)
class Served:
    """A route at the path where it is served."""

    path: str
    route: Route

    @property
    def template(self) -> str:
        """The path with its parameters by name only."""
        return _PARAMETER.sub(r"{\1}", self.path)


class Document:
    """What is served, as UTF-8 JSON; made when somebody asks first."""

    def __init__(self, served: Iterable[Served]) -> None:
        self._served = tuple(served)

    @cached_property
    def text(self) -> bytes:
        return document(self._served)


DOCUMENT = web.AppKey("document", Document)


async def described(request: web.Request) -> web.Response:
    return json_text(request.app[DOCUMENT].text)


def document(served: Iterable[Served]) -> bytes:
    every = tuple(served)
    models = _Models(every)
    paths: dict[str, Schema] = {}
    for one in every:
        paths.setdefault(one.template, {})[one.route.method.lower()] = _operation(one, models)
    return json_bytes(
        {
            "openapi": "3.1.0",
            "info": {"title": "panel-gateway", "version": own_version()},
            "paths": paths,
            "components": {
                "schemas": models.definitions,
                "responses": _all_refusals(every, models),
                "parameters": {name: _in_query(name, does, name in _COUNTS) for name, does in PARAMETERS.items()},
                "securitySchemes": _SCHEMES,
            },
        }
    )


class _Models:
    """The schemas of everything that the routes name; those of pydantic refer to `definitions`."""

    def __init__(self, served: Iterable[Served]) -> None:
        named = {repr(model): model for model in (Refusal, ListOption, *_named(served)) if not isinstance(model, Mapping)}
        made, rest = TypeAdapter.json_schemas(
            [(name, "validation", TypeAdapter(model)) for name, model in named.items()], ref_template=_REFERENCE
        )
        self._made = {name: schema for (name, _), schema in made.items()}
        self.definitions: Schema = _without_absent(rest.get("$defs", {}))

    def of(self, model: Any) -> Schema:
        if not isinstance(model, Mapping):
            return self._made[repr(model)]
        return {**shape_of(model), "required": [*model]}

    def partly(self, model: Any) -> Schema:
        """Any part may be left out, and all of it may stand in `base`."""
        whole = self.of(model)
        while "$ref" in whole:
            whole = self.definitions[whole["$ref"].rpartition("/")[2]]
        return {key: value for key, value in whole.items() if key != "required"}


def _without_absent(schema: Any) -> Any:
    """A key that may be left out has no default that a client could send."""
    match schema:
        case dict():
            return {key: _without_absent(one) for key, one in schema.items() if (key, one) != ("default", ABSENT.value)}
        case list():
            return [_without_absent(one) for one in schema]
    return schema


def _named(served: Iterable[Served]) -> Iterator[Any]:
    for one in served:
        if one.route.body is not None:
            yield one.route.body.model
        match one.route.answer:
            case Json(model) | Lists(model):
                yield model


def shape_of(example: Any) -> Schema:
    """The schema of values like this one."""
    match example:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"} if not example else {"type": "array", "items": shape_of(example[0])}
        case Mapping():
            return {"type": "object", "properties": {key: shape_of(value) for key, value in example.items()}}
    return {}


def _operation(one: Served, models: _Models) -> Schema:
    route = one.route
    said: Schema = {
        "operationId": f"{route.method} {one.template}",
        "summary": route.does,
        "parameters": [*_path_parameters(one.path), *_query_parameters(route), *([_IF_MATCH] if route.versioned else [])],
        "responses": {str(route.status): _answered(route, models), **dict(_refusals(route))},
    }
    if route.body is not None:
        schema = models.partly(route.body.model) if route.body.partly else models.of(route.body.model)
        said["requestBody"] = {"required": not route.body.partly, "content": {"application/json": {"schema": schema}}}
    if route.needs > Role.EVERYBODY:
        said["security"] = [{scheme: [route.needs.said]} for scheme in _SCHEMES]
    return said


def _path_parameters(path: str) -> Iterator[Schema]:
    for name in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": _PARAMETERS.get(name, {"type": "string", "minLength": 1})}


def _query_parameters(route: Route) -> Iterator[Schema]:
    if isinstance(route.answer, Lists):
        yield from ({"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS)
        for name, field in route.answer.choice.names.items():
            yield _in_query(name, f"only those whose `{name}` is this", field.value_type is int)
    yield from (_in_query(name, does) for name, does in route.query.items())


def _in_query(name: str, does: str, is_number: bool = False) -> Schema:
    kind = "integer" if is_number else "string"
    return {"name": name, "in": "query", "description": does, "schema": {"type": kind}}


_COUNTS = ("limit", "items_limit", "page_number", "current_page")


def _answered(route: Route, models: _Models) -> Schema:
    content: Schema
    match route.answer:
        case Empty():
            content = {"application/json": {"schema": {"type": "object"}}}
        case Text(media):
            content = {media: {"schema": {"type": "string"}}}
        case Json(model):
            content = {"application/json": {"schema": models.of(model)}}
        case Lists(item):
            listed = {"list_items": {"type": "array", "items": models.of(item)}}
            properties = {**listed, "list_option": models.of(ListOption)}
            schema = {"type": "object", "properties": properties, "required": [*properties]}
            content = {"application/json": {"schema": schema}}
    return {"description": HTTPStatus(route.status).phrase, "content": content}


def _refusals(route: Route) -> Iterator[tuple[str, Schema]]:
    refused = {*_ANYWHERE, *route.refuses, *((401,) if route.needs > Role.EVERYBODY else ()), *((412,) if route.writes else ())}
    for status in sorted(refused):
        yield str(status), {"$ref": f"#/components/responses/{status}"}


def _all_refusals(served: Iterable[Served], models: _Models) -> Schema:
    content = {"application/json": {"schema": models.of(Refusal)}}
    statuses = {*_ANYWHERE, 401, 412}.union(*(one.route.refuses for one in served))
    return {str(status): {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}
