"""What is served, as values: of them the router, the OpenAPI document and the table in the gateway's page are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp.typedefs import Handler

from gateway.api.filters import Choice
from gateway.api.roles import Role


@dataclass(frozen=True, slots=True)
class Json:
    """A body or an answer. `model`: a type that pydantic knows, or a value whose shape it has."""

    model: Any
    partly: bool = False
    """Any part of it may be left out."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A list of the vendor's kind. `item`: what it lists; `choice`: what they are chosen by."""

    item: Any
    choice: Choice


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no JSON."""

    media: str


@dataclass(frozen=True, slots=True)
class Empty:
    """The answer to a command: `{}`."""


Answer = Json | Lists | Text | Empty


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, below the base of its surface. `needs`: the least role; `does`: one sentence; `refuses`: statuses
    beside those that every path may answer; `acts`: HEAD is not served, since a GET moves something; `versioned`: it changes only
    the version that `If-Match` names, other writes are refused with that; `query`: its parameters, with what each means."""

    method: str
    path: str
    needs: Role
    handler: Handler
    does: str
    answer: Answer = field(default_factory=Empty)
    body: Json | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    refuses: tuple[int, ...] = ()
    acts: bool = False
    versioned: bool = False

    @property
    def writes(self) -> bool:
        return self.acts or self.method not in ("GET", "HEAD")
