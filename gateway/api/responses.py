"""JSON responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web
from pydantic_core import to_json

from gateway.concurrency import in_turns

COMPRESSED_AT_ONCE = 64 * 1024
"""Longer bodies are compressed beside the loop, where they are compressed."""


def json_bytes(value: object) -> bytes:
    """UTF-8 JSON of plain values, frozen dataclasses and enumerations."""
    return to_json(value, inf_nan_mode="null")


async def json_in_turns(values: Iterable[object]) -> bytes:
    """An array of many values as UTF-8 JSON."""
    return b"[%b]" % b",".join([json_bytes(value) async for value in in_turns(values)])


def json_text(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response whose JSON is already serialised."""
    return web.Response(
        body=body,
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
        zlib_executor_size=COMPRESSED_AT_ONCE,
    )


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return json_text(json_bytes(value), status, headers)
