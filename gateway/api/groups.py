"""What is said of many panels: a result that several of them have is said once, with their names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any, TypeVar

from gateway.concurrency import in_turns

Subject = TypeVar("Subject")
Result = TypeVar("Result", bound=Hashable)


async def grouped(results: Iterable[tuple[Subject, Result]]) -> dict[Result, list[Subject]]:
    """The subjects that have each result, both in the order in which they come first."""
    found: dict[Result, list[Subject]] = {}
    async for subject, result in in_turns(results):
        found.setdefault(result, []).append(subject)
    return found


async def grouped_views(views: Iterable[Any]) -> list[dict[str, Any]]:
    """Values that have a `panel`, without it, and with `panels`."""
    alike = await grouped((view.panel, tuple(_without_panel(view).items())) for view in views)
    return [{"panels": names, **dict(result)} for result, names in alike.items()]


def _without_panel(view: Any) -> dict[str, Any]:
    return {one.name: getattr(view, one.name) for one in fields(view) if one.name != "panel"}
