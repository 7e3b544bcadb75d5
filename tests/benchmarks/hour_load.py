"""What clients ask in the real hour, and what the ledger learns of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp

from tests.benchmarks.hour_judge import Judge
from tests.benchmarks.hour_site import EVERYWHERE
from tests.judge_access import Body
from tests.support.chance import Drawn
from tests.support.ledger import Version, version_of
from tests.support.processes import Client

PROFILES = "/api/v1/access/timeprofile/items/link"
PEOPLE = "/api/v1/access/identifier/items/link"
_PAUSE_S = 4.0
_NOTHING_KEPT = frozenset({"number_taken_by_another_identifier", "bound_time_profile_doesnt_exist"})


class Load:
    """One request after the other. A request that is cut off leaves the ledger unsure, until a gateway lists what it keeps."""

    def __init__(self, drawn: Drawn, judge: Judge, now_s: Callable[[], int]) -> None:
        self._drawn, self._judge, self._ledger, self._now_s = drawn, judge, judge.ledger, now_s
        self.counts: Counter[str] = Counter()

    async def run(self, client: Client) -> None:
        """Until the gateway is gone."""
        random = self._drawn.random
        try:
            while True:
                await self._one(client)
                await self._claims(client)
                await asyncio.sleep(random.uniform(0, 2 * _PAUSE_S))
        except aiohttp.ClientError:
            self.counts["requests cut off"] += bool(self._ledger.unsure or self._ledger.unsure_bound)

    async def _one(self, client: Client) -> None:
        random, drawn = self._drawn.random, self._drawn
        kind = random.choices(("upsert", "delete", "people", "leave", "bind"), (8, 3, 4, 2, 2))[0]
        self.counts[f"requests: {kind}"] += 1
        match kind:
            case "upsert":
                links = random.sample(drawn.profiles, random.randint(1, 3))
                await self._ask(client, PROFILES, links, [drawn.profile(each, self._now_s()) for each in links])
            case "delete":
                await self._ask(client, PROFILES, random.sample(drawn.profiles, random.randint(1, 2)), None)
            case "people":
                links = random.sample(drawn.people, random.randint(1, 2))
                await self._ask(client, PEOPLE, links, [drawn.person(each) for each in links])
            case "leave":
                await self._ask(client, PEOPLE, random.sample(drawn.people, 1), None)
            case _:
                await self._bind(client, random.choice(drawn.profiles))

    async def _ask(self, client: Client, path: str, links: Sequence[str], bodies: Sequence[Body] | None) -> None:
        ledger = self._ledger
        versions: list[Version | None] = [None] * len(links)
        if bodies is not None:
            versions = [version_of(body, ledger.readings) for body in bodies]
        for link_id, version in zip(links, versions, strict=True):
            ledger.asks(link_id, version)
        status, answer = await self._call(client, "DELETE" if bodies is None else "POST", path, links, bodies)
        if status != 200:
            self.counts[f"refused with {status}"] += 1
            for link_id, version in zip(links, versions, strict=True):
                ledger.refused(link_id, version)
            return
        for entry, version in zip(answer["result"], versions, strict=True):
            self._answered(entry, version)

    @staticmethod
    async def _call(
        client: Client, method: str, path: str, links: Sequence[str], bodies: Sequence[Body] | None
    ) -> tuple[int, Mapping[str, Any]]:
        body = {"link_ids": links} if bodies is None else {"list_items": bodies}
        async with client.session.request(method, client.url + path, json=body, headers=client.headers) as response:
            return response.status, await response.json()

    def _answered(self, entry: Mapping[str, Any], version: Version | None) -> None:
        link_id = entry["link_id"]
        if entry["extended_info"] in _NOTHING_KEPT:
            self._ledger.refused(link_id, version)
            return
        panels = {panel["panel"]: panel for panel in entry["panels"]}
        if entry.get("reason") == "not_durable":
            self.counts["deletions that were not durable"] += 1
        else:
            self._ledger.kept(link_id, version)
        for name, panel in panels.items():
            if panel["success"]:
                self.counts["settled on a panel"] += 1
                self._ledger.gone(name, link_id)
                if version is not None:
                    self._judge.strange.discard(name)

    async def _bind(self, client: Client, link_id: str) -> None:
        random = self._drawn.random
        targets = None if random.random() < 0.5 else tuple(random.sample(EVERYWHERE, random.randint(0, 4)))
        self._ledger.asks_binding(link_id, targets)
        method, body = ("DELETE", None) if targets is None else ("PUT", {"panels": targets})
        path = f"{client.url}/gateway/v1/bindings/{link_id}"
        async with client.session.request(method, path, json=body, headers=client.headers) as response:
            if response.status < 400 or response.status == 404:
                self._ledger.bound_to(link_id, targets)
            else:
                self._ledger.bound_to(link_id, self._ledger.bound.get(link_id))

    async def _claims(self, client: Client) -> None:
        """What a gateway calls in step it is held to: nothing older may be open on that panel from then on."""
        before = self._ledger.changes
        seen = await client.panels()
        if before == self._ledger.changes:
            for name, view in seen.items():
                if view["state"] == "in_sync":
                    self.counts["claims to be in step"] += 1
                    for target in (each for each in EVERYWHERE if each.partition(":")[0] == name):
                        self._ledger.at_rest(target)

    async def found(self, client: Client) -> list[str]:
        """What a gateway lists that is not what was asked."""
        bodies: dict[str, Body] = {}
        for path in (PROFILES, PEOPLE):
            listed = (await client.call("GET", f"{path}?limit=50&page_number=1"))["list_items"]
            bodies |= {body["link_id"]: body for body in listed}
        bound = (await client.call("GET", "/gateway/v1/bindings"))["bindings"]
        return list(self._ledger.found(bodies, {each["link_id"]: tuple(each["panels"]) for each in bound}))
