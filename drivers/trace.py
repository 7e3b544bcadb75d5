"""The id of the HTTP request that work is done for, carried along so that log records of frames name it."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
