"""Everybody to whom events are handed on, as the configuration names them; of a changed one only the differences are applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from config.settings import WebhookSettings
from drivers.clock import Clock
from gateway.concurrency import Supervisor, end
from gateway.journal.journal import Journal
from gateway.journal.outbox import Outbox
from gateway.journal.webhooks import PREFIX, Webhook, fact_of, name_of
from gateway.store.contract import Store, StoreError


@dataclass(frozen=True, slots=True)
class _Running:
    webhook: Webhook
    task: asyncio.Task[None]


class Receivers:
    """`facts`: the site's facts at the start; `stamp`: the time to give to a durable write."""

    def __init__(
        self, journal: Journal, store: Store, facts: Mapping[str, str], clock: Clock, stamp: Callable[[], float]
    ) -> None:
        self._journal = journal
        self._store = store
        self._places = {key: int(value) for key, value in facts.items() if key.startswith(PREFIX) and value.isdigit()}
        self._clock = clock
        self._stamp = stamp
        self._supervisor = Supervisor()
        self.failed = self._supervisor.failed
        self._running: dict[WebhookSettings, _Running] = {}

    async def apply(self, webhooks: Sequence[WebhookSettings]) -> bool:
        """Begin and end until these are served; whether anything changed."""
        leaving, coming = self._running.keys() - set(webhooks), set(webhooks) - self._running.keys()
        for webhook in leaving:
            await self._end(self._running.pop(webhook))
        known = {fact_of(webhook) for webhook in webhooks}
        for fact in [fact for fact in self._places if fact not in known]:
            await self._forget(fact)
        for webhook in coming:
            self._begin(webhook)
        return bool(leaving or coming)

    def _begin(self, settings: WebhookSettings) -> None:
        webhook, fact = Webhook(settings, self._clock.wall), fact_of(settings)
        kinds = settings.kinds or None
        outbox = Outbox(name_of(settings), fact, self._places.get(fact), kinds, self._journal, self._keep, webhook)
        self._running[settings] = _Running(webhook, self._supervisor.spawn(outbox.run(), outbox.name))

    async def _keep(self, fact: str, place: str) -> None:
        await self._store.put_fact(fact, place, self._stamp())
        self._places[fact] = int(place)

    async def _forget(self, fact: str) -> None:
        """One that comes back later is a new one."""
        del self._places[fact]
        try:
            await self._store.put_fact(fact, None, self._stamp())
        except StoreError:
            return  # the next start finds it again

    @staticmethod
    async def _end(running: _Running) -> None:
        await end([running.task], 0)
        await running.webhook.close()

    async def stop(self) -> None:
        for running in self._running.values():
            await self._end(running)
        self._running.clear()
        self.failed.cancel()
