"""Requests to the fleet of a whole site, drawn at random; the ledger learns of each, and what is claimed is checked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemState
from gateway.api.items import read_any
from gateway.fleet.results import Change, LinkReport, PanelResult
from gateway.store.contract import StoreError
from tests.judge_access import Body
from tests.support.chance import Drawn
from tests.support.ledger import Ledger, Version, version_of
from tests.support.open_minutes import OpenMinutes
from tests.support.site_record import Record
from tests.support.soaked_site import OUTPUTS, TABLES
from tests.support.virtual_site import VirtualSite

_NOTHING_KEPT = (Change.NUMBER_TAKEN, Change.PROFILE_MISSING, Change.FACES_NOT_SUPPORTED)


class Requests:
    """`working`: what waits for an answer; a kill ends it, and leaves the ledger unsure."""

    def __init__(
        self, site: VirtualSite, ledger: Ledger, units: Mapping[str, OpenMinutes], drawn: Drawn, random: Random, record: Record
    ) -> None:
        self.working: set[asyncio.Task[None]] = set()
        self._site, self._ledger, self._units, self._drawn, self._random = site, ledger, units, drawn, random
        self._record = record
        self._busy: set[str] = set()
        """The link_ids of requests under way."""

    def one(self) -> None:
        """Begin another request."""
        random, drawn = self._random, self._drawn
        kind = random.choices(("hours", "delete", "people", "leave", "bind"), (8, 3, 4, 2, 2))[0]
        links = drawn.people if kind in ("people", "leave") else drawn.profiles
        free = [each for each in links if each not in self._busy]
        if not free:
            return
        chosen = random.sample(free, min(len(free), random.randint(1, 3)))
        self._record.counts[f"requests: {kind}"] += 1
        match kind:
            case "hours":
                self._start(partial(self._upsert, [drawn.profile(each) for each in chosen]), chosen)
            case "people":
                self._start(partial(self._upsert, [drawn.person(each) for each in chosen]), chosen)
            case "bind":
                self._start(partial(self._bind, chosen[0]), chosen[:1])
            case _:
                self._start(partial(self._delete, chosen, TIME_PROFILE if kind == "delete" else IDENTIFIER), chosen)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], links: Sequence[str]) -> None:
        """A kill may come before it has begun."""

        async def until_done() -> None:
            try:
                await work()
            finally:
                self._busy.difference_update(links)

        self._busy.update(links)
        self.working.add(asyncio.create_task(until_done()))

    def collect(self) -> None:
        """Raises what a request that is done failed with."""
        for task in [task for task in self.working if task.done()]:
            self.working.discard(task)
            if not task.cancelled():
                task.result()

    def killed(self) -> None:
        self.working.clear()
        self._busy.clear()

    async def _upsert(self, bodies: Sequence[Body]) -> None:
        versions = [version_of(body, self._ledger.readings) for body in bodies]
        for version in versions:
            self._ledger.asks(version.link_id, version)
        try:
            reports = await self._site.fleet.upsert([read_any(body, {}, "item") for body in bodies])
        except StoreError:
            self._record.counts["requests that the store refused"] += 1
            for version in versions:
                self._ledger.refused(version.link_id, version)
            return
        for version, report in zip(versions, reports, strict=True):
            self._answered(version, report)

    def _answered(self, version: Version, report: LinkReport) -> None:
        if report.change in _NOTHING_KEPT:
            self._ledger.refused(version.link_id, version)
            return
        self._ledger.kept(version.link_id, version)
        for result in report.panels:
            self._record.counts[f"answers: {result.outcome.value}"] += 1
            if result.success:
                self._claims(result, version)

    def _claims(self, result: PanelResult, version: Version) -> None:
        """It holds what is asked, and nothing older."""
        name, _, output = result.panel.partition(":")
        unit = self._units[name]
        if unit.struck or output:
            return
        self._ledger.gone(result.panel, version.link_id)
        unit.look()
        if result.outcome in (ItemState.EXACT, ItemState.MATERIALISED) and version.asked is not None:
            lacking = unit.lacks(version, result.valid_until)
            if lacking:
                self._record.lies.append(f"{self._site.right.wall():.0f} {result} lacks {lacking} minutes of {version.body}")

    async def _delete(self, links: Sequence[str], kind: str) -> None:
        for link_id in links:
            self._ledger.asks(link_id, None)
        try:
            reports = await self._site.fleet.delete(links, kind)
        except StoreError:
            self._record.counts["requests that the store refused"] += 1
            for link_id in links:
                self._ledger.refused(link_id, None)
            return
        for report in reports:
            if not report.durable:
                self._record.counts["deletions that were not durable"] += 1  # a kill may undo it
            else:
                self._deleted(report)

    def _deleted(self, report: LinkReport) -> None:
        self._ledger.kept(report.link_id, None)
        for result in report.panels:
            unit = self._units[result.panel.partition(":")[0]]
            if result.success and not unit.struck:
                self._record.counts["answers: removed"] += 1
                self._ledger.gone(result.panel, report.link_id)
                unit.look()

    async def _bind(self, link_id: str) -> None:
        targets = None
        if self._random.random() < 0.6:
            targets = tuple(self._random.sample((*TABLES, *OUTPUTS), self._random.randint(0, 5)))
        self._ledger.asks_binding(link_id, targets)
        fleet = self._site.fleet
        try:
            await (fleet.unbind(link_id) if targets is None else fleet.bind(link_id, targets))
        except StoreError:
            targets = self._ledger.bound.get(link_id)
        self._ledger.bound_to(link_id, targets)
