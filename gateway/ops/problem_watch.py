"""Looks for problems when somebody asks and now and then, and tells the log which of them are new and which are over."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from drivers.contract import split_key
from gateway.concurrency import in_a_thread, in_turns
from gateway.fleet.fleet import Fleet
from gateway.fleet.problems import Beginnings, Known, Problem, Severity, problems
from gateway.fleet.views import PanelView
from gateway.identifiers.own_ids import is_own_id
from gateway.store.files import free_room

_log = logging.getLogger(__name__)
_PERIOD_S = 30.0
_PATIENCE_S = 60.0
"""Who does not take an event for less is about to be asked again."""
_LEVELS: Mapping[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class ProblemWatch:
    """`writable`: whether the store, which lies at `store_path`, takes writes; `certificate_ends_at`: see `Known`. `behind`:
    who has taken no events for some seconds, and why; `secrets`: what is wrong with files of secrets, asked in a thread."""

    def __init__(
        self,
        fleet: Fleet,
        writable: Callable[[], Awaitable[bool]],
        store_path: Path,
        certificate_ends_at: Callable[[], float | None],
        behind: Callable[[float], Mapping[str, str]],
        secrets: Callable[[], Sequence[str]],
    ) -> None:
        self._fleet = fleet
        self._certificate_ends_at = certificate_ends_at
        self._behind = behind
        self._secrets = secrets
        self._writable = writable
        self._store_path = store_path
        self._beginnings = Beginnings()
        self._looking = asyncio.Lock()
        self.last: tuple[Problem, ...] = ()
        """What the last look found."""

    async def look(self) -> tuple[Problem, ...]:
        """What is wrong now, the worst first."""
        async with self._looking:
            known = await self._known()
            at = known.at if known.clock.trusted else None
            self.last, new, over = self._beginnings.seen(problems(known), at)
        for problem in new:
            _log.log(_LEVELS[problem.severity], "problem", extra={**_facts(problem), "remedy": problem.remedy})
        for problem in over:
            _log.info("problem is over", extra=_facts(problem))
        return self.last

    def counts(self) -> Mapping[str, int]:
        """How many problems of each code the last look found."""
        return Counter(problem.code for problem in self.last)

    async def run(self) -> None:
        """Looks until it is cancelled. The first look is not at once: nothing is known of panels that were not spoken to yet."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            await self.look()

    async def _known(self) -> Known:
        fleet = self._fleet
        writable = await self._writable()
        return Known(
            at=fleet.stamp(),
            panels=[self._with_items(view) async for view in in_turns(fleet.panels())],
            departed={each.id: _shown(each.holds) for each in fleet.departed()},
            clock=fleet.clock(),
            store=fleet.store_view(),
            store_path=self._store_path,
            writable=writable,
            free_room=free_room(self._store_path),
            certificate_ends_at=self._certificate_ends_at(),
            behind=self._behind(_PATIENCE_S),
            secrets=await in_a_thread(self._secrets, "secrets"),
        )

    def _with_items(self, view: PanelView) -> PanelView:
        """The items of those that have something to tell of theirs."""
        whole = self._fleet.panel(view.id) if view.refused or view.still_granting else None
        return whole or view


def _shown(keys: frozenset[str]) -> list[str]:
    return sorted(link_id for key in keys if not is_own_id(link_id := split_key(key)[1]))


def _facts(problem: Problem) -> dict[str, object]:
    """Facts of a record."""
    place = {name: value for name in ("panel", "line") if (value := getattr(problem, name)) is not None}
    return {"code": problem.code, **place, "problem": problem.text}
