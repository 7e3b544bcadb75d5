"""Everybody to whom events are handed on, as the configuration names them; of a changed one only the differences are applied."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from config.settings import WebhookSettings
from drivers.clock import Clock
from gateway.concurrency import Supervisor, end
from gateway.journal.journal import Journal
from gateway.journal.manager import PREFIX as MANAGER
from gateway.journal.manager import Manager
from gateway.journal.manager import fact_of as manager_fact_of
from gateway.journal.manager_settings import ManagerLink
from gateway.journal.outbox import Outbox
from gateway.journal.webhooks import PREFIX, Webhook, fact_of, name_of
from gateway.store.contract import Store, StoreError

_PREFIXES = (PREFIX, MANAGER)


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """How far behind a receiver is: `waiting` events at the last failure, the oldest of them stored `lag_s` ago; `failed`
    attempts since the start; `error`: why the last one failed, None: it did not. Receivers of one name are one.
    """

    name: str
    waiting: int
    lag_s: float
    failed: int
    error: str | None


@dataclass(frozen=True, slots=True)
class _Running:
    """`outbox` None: it is told of no events."""

    sender: Webhook | Manager
    outbox: Outbox | None
    tasks: tuple[asyncio.Task[None], ...]


class Receivers:
    """`facts`: the site's facts at the start; `stamp`: the time to give to a durable write. `manager_of` makes the device side of
    a manager.
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        facts: Mapping[str, str],
        clock: Clock,
        stamp: Callable[[], float],
        manager_of: Callable[[ManagerLink], Manager],
    ) -> None:
        self._journal = journal
        self._store = store
        self._places = {key: int(value) for key, value in facts.items() if key.startswith(_PREFIXES) and value.isdigit()}
        self._clock = clock
        self._stamp = stamp
        self._supervisor = Supervisor()
        self.failed = self._supervisor.failed
        self._running: dict[WebhookSettings, _Running] = {}
        self._manager_of = manager_of
        self._link = ManagerLink()
        self._managed: _Running | None = None
        self._changing = asyncio.Lock()

    def view(self) -> Sequence[ReceiverView]:
        """All that are told of events."""
        running = [*self._running.values(), *([] if self._managed is None else [self._managed])]
        named: dict[str, list[Outbox]] = {}
        for each in running:
            if each.outbox is not None:
                named.setdefault(each.outbox.name, []).append(each.outbox)
        return [
            ReceiverView(
                name,
                sum(one.waiting for one in all_of),
                max(one.lag_s for one in all_of),
                sum(one.failed for one in all_of),
                next((one.error for one in all_of if one.error is not None), None),
            )
            for name, all_of in named.items()
        ]

    def behind(self, seconds: float) -> Mapping[str, str]:
        """Who has not taken an event for so long, and why."""
        return {each.name: each.error for each in self.view() if each.error is not None and each.lag_s >= seconds}

    async def apply(self, webhooks: Sequence[WebhookSettings]) -> bool:
        """Begin and end until these are served; whether anything changed."""
        async with self._changing:
            return await self._apply(webhooks)

    async def _apply(self, webhooks: Sequence[WebhookSettings]) -> bool:
        leaving, coming = self._running.keys() - set(webhooks), set(webhooks) - self._running.keys()
        for webhook in leaving:
            await self._end(self._running.pop(webhook))
        await self._forget_but({fact_of(webhook) for webhook in webhooks}, PREFIX)
        for webhook in coming:
            self._begin(webhook)
        return bool(leaving or coming)

    async def manage(self, link: ManagerLink) -> None:
        """Report to another manager, or in another way, from now on."""
        async with self._changing:
            await self._manage(link)

    async def _manage(self, link: ManagerLink) -> None:
        if link == self._link:
            return
        self._link, before = link, self._managed
        self._managed = None
        if before is not None:
            await self._end(before)
        await self._forget_but({manager_fact_of(link)} if link.url else set(), MANAGER)
        if link.is_used:
            self._managed = self._begin_to_report(link)

    def _begin_to_report(self, link: ManagerLink) -> _Running:
        manager, fact = self._manager_of(link), manager_fact_of(link)
        tasks, outbox = [], None
        if link.is_logging_enabled:
            outbox = Outbox(manager.name, fact, self._places.get(fact), None, self._journal, self._keep, manager)
            tasks.append(self._supervisor.spawn(outbox.run(), manager.name))
        if link.is_heartbeat_enabled:
            tasks.append(self._supervisor.spawn(manager.beat(), f"heartbeat to the {manager.name}"))
        return _Running(manager, outbox, tuple(tasks))

    def _begin(self, settings: WebhookSettings) -> None:
        webhook, fact = Webhook(settings, self._clock.wall), fact_of(settings)
        kinds = settings.kinds or None
        outbox = Outbox(name_of(settings), fact, self._places.get(fact), kinds, self._journal, self._keep, webhook)
        self._running[settings] = _Running(webhook, outbox, (self._supervisor.spawn(outbox.run(), outbox.name),))

    async def _keep(self, fact: str, place: str) -> None:
        await self._store.put_fact(fact, place, self._stamp())
        self._places[fact] = int(place)

    async def _forget_but(self, known: Collection[str], prefix: str) -> None:
        """A receiver that comes back later is a new one."""
        for fact in [fact for fact in self._places if fact.startswith(prefix) and fact not in known]:
            del self._places[fact]
            with contextlib.suppress(StoreError):  # the next start finds it again
                await self._store.put_fact(fact, None, self._stamp())

    @staticmethod
    async def _end(running: _Running) -> None:
        await end(running.tasks, 0)
        await running.sender.close()

    async def stop(self) -> None:
        async with self._changing:
            managed = [] if self._managed is None else [self._managed]
            for running in (*self._running.values(), *managed):
                await self._end(running)
            self._running.clear()
            self._managed = None
            self.failed.cancel()
