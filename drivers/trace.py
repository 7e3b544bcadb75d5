"""The HTTP request that work is done for: its id, carried along so that log records of frames name it, and its client."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: a user of the gateway, or of this machine, and the address."""

    user: str
    address: str


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
client: ContextVar[Client | None] = ContextVar("client", default=None)


def who() -> dict[str, str]:
    """The client whose request is being served, as facts of a record; none where there is no such request."""
    return facts_of(client.get())


def facts_of(asking: Client | None) -> dict[str, str]:
    """A client as facts of a record."""
    return {} if asking is None else {"user": asking.user, "address": asking.address}


def for_no_request() -> Context:
    """The context of a task that outlives the request in which it begins, which may be a reload."""
    context = copy_context()
    context.run(request_id.set, None)
    context.run(client.set, None)
    return context
