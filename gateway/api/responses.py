"""JSON out."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from pydantic_core import to_json


def json_bytes(value: object) -> bytes:
    """UTF-8 JSON of plain values, frozen dataclasses and enumerations."""
    return to_json(value, inf_nan_mode="null")


def json_text(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response of JSON that is text already."""
    return web.Response(body=body, status=status, headers=headers, content_type="application/json", charset="utf-8")


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return json_text(json_bytes(value), status, headers)
