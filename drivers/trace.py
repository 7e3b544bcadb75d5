"""The id of the HTTP request that work is done for, carried along so that log records of frames name it."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def for_no_request() -> Context:
    """The context of a task that outlives the request in which it begins, which may be a reload."""
    context = copy_context()
    context.run(request_id.set, None)
    return context
