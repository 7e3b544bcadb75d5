"""`kill -9` of the gateway at random moments under load: nothing that was answered is lost, no slot is ever doubled.

    python -m tests.benchmarks.kill9 [--kills N] [--seed S]

After each kill the store and the panels are looked at while nobody is there to put anything right:
- every request that was answered is in the store; one that was not is there wholly or not at all;
- no slot of a panel belongs to two link_ids in the store, and no link_id has two slots of a panel;
- a panel that was said to hold something holds it, one that was said to be rid of it is.
At the end every panel holds exactly what is desired. Prints counts; status 1 when anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sqlite3
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any
from uuid import UUID

import aiohttp

from gateway.__main__ import main as panel_gateway
from tests.benchmarks.farm import Farm, forked
from tests.benchmarks.service import panels_of
from tests.benchmarks.workload import SiteText, closing_minute, item, link_id
from tests.support.processes import Client, logged_in

PANELS = 3
LINKS = 40
WORKERS = 4
_LATEST_KILL_S = 1.2
_END_S = 60.0
_CLOSING_WORD = 14
"""The word of a slot with one period that says the minute at which it ends."""

Content = int | None
"""The content of one link_id: the minute at which it closes; None: deleted, or never there."""
Slots = Mapping[str, Mapping[int, tuple[int, ...]]]


@dataclass
class Asked:
    """What is known of one link_id."""

    answered: Content = None
    """The content that a request was answered for last."""
    settled: frozenset[str] = frozenset()
    """The panels that the answer said hold it, or are rid of it."""
    open: list[Content] = field(default_factory=list)
    """What was asked for since and not answered."""


class Desired:
    """What clients were told, held against what is there. `lies` is what must not be."""

    def __init__(self) -> None:
        self.asked = {link_id(number): Asked() for number in range(LINKS)}
        self.lies: list[str] = []
        self.counts: Counter[str] = Counter()

    def check(self, good: bool, what: str) -> None:
        if not good:
            self.lies.append(f"kill {self.counts['kills']}: {what}")

    def look(self, stored: Mapping[str, Content], allocations: Mapping[str, Mapping[str, list[int]]], slots: Slots) -> None:
        """After a kill, before anybody could put anything right."""
        for panel, allocation in allocations.items():
            given = Counter(slot for numbers in allocation.values() for slot in numbers)
            self.check(max(given.values(), default=1) == 1, f"{panel}: doubled in the store {given.most_common(2)}")
        held = {panel: self._held(panel, used) for panel, used in slots.items()}
        for link, asked in self.asked.items():
            self._look_at(link, asked, stored.get(link), held)

    def _held(self, panel: str, used: Mapping[int, tuple[int, ...]]) -> dict[str, Content]:
        links = [str(UUID(bytes=struct.pack(">8H", *words[1:9]))) for words in used.values()]
        self.check(len(set(links)) == len(links), f"{panel}: doubled on the panel {Counter(links).most_common(2)}")
        return {link: words[_CLOSING_WORD] for link, words in zip(links, used.values(), strict=True)}

    def _look_at(self, link: str, asked: Asked, stored: Content, held: Mapping[str, Mapping[str, Content]]) -> None:
        allowed = [asked.answered, *asked.open]
        self.check(stored in allowed, f"{link}: {stored} is stored, {asked.answered} was answered, {asked.open} were open")
        for panel in asked.settled:
            found = held[panel].get(link)
            sure = stored == asked.answered and stored not in asked.open
            good = found == asked.answered if sure else found in allowed
            self.check(good, f"{link}: {panel} holds {found}, {asked.answered} was answered, {asked.open} were open")
        if asked.open:
            asked.answered, asked.open = stored, []
            asked.settled = frozenset()

    def look_at_end(self, listed: Mapping[str, Content], slots: Slots) -> None:
        """When every panel says that it is in step."""
        wanted = {link: asked.answered for link, asked in self.asked.items() if asked.answered is not None}
        self.check(dict(listed) == wanted, f"listed {listed}, wanted {wanted}")
        for panel, used in slots.items():
            held = self._held(panel, used)
            self.check(held == wanted, f"{panel} holds {held}, wanted {wanted}")


# ---- the gateway: forked from a process that has everything imported, so that it starts soon ----


def _serve(output: Connection, config: Path) -> None:
    os.dup2(output.fileno(), 1)
    with (config.parent / "gateway.log").open("ab") as log:
        os.dup2(log.fileno(), 2)
    raise SystemExit(panel_gateway(["serve", "--config", str(config)]))


@dataclass(frozen=True)
class _Process:
    child: Any
    output: Connection

    @classmethod
    def start(cls, config: Path) -> _Process:
        context = forked()
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_serve, args=(theirs, config))
        child.start()
        theirs.close()
        return cls(child, ours)

    def kill(self) -> None:
        os.kill(self.child.pid, signal.SIGKILL)

    async def url(self) -> str | None:
        """Where it listens; None when it was killed before."""
        said = await asyncio.to_thread(os.read, self.output.fileno(), 1000)
        return said.decode().strip() or None

    async def ended(self, within_s: float) -> int:
        await asyncio.to_thread(self.child.join, within_s)
        self.output.close()
        status = self.child.exitcode
        assert isinstance(status, int), "it did not end"
        return status


# ---- the load ----


async def _upsert(client: Client, desired: Desired, links: list[int], version: int) -> None:
    items = [item(number, version) for number in links]
    for each in items:
        desired.asked[each["link_id"]].open.append(closing_minute(version))
    for entry in await client.upsert(*items):
        _answered(desired, entry, closing_minute(version))


async def _delete(client: Client, desired: Desired, links: list[int]) -> None:
    names = [link_id(number) for number in links]
    for name in names:
        desired.asked[name].open.append(None)
    for entry in await client.delete(*names):
        _answered(desired, entry, None)


def _answered(desired: Desired, entry: Mapping[str, Any], content: Content) -> None:
    panels = frozenset(panel["panel"] for panel in entry["panels"] if panel["success"])
    asked = desired.asked[entry["link_id"]]
    asked.answered, asked.settled, asked.open = content, panels, []
    desired.counts["answers"] += 1
    desired.counts["settled on a panel"] += len(panels)


async def _worker(client: Client, desired: Desired, random: Random, mine: list[int]) -> None:
    """One request after the other, for link_ids that no other worker touches, until the gateway is gone."""
    while True:
        links = random.sample(mine, random.randint(1, 3))
        if random.random() < 0.7:
            await _upsert(client, desired, links, random.randrange(600))
        else:
            await _delete(client, desired, links)


async def _load(url: str, desired: Desired, random: Random) -> None:
    """Ends when the gateway does."""
    try:
        async with logged_in(url) as client, asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                worker = _worker(client, desired, Random(random.random()), list(range(number, LINKS, WORKERS)))
                group.create_task(worker)
    except* aiohttp.ClientError:
        desired.counts["link_ids with a request cut off"] += sum(bool(asked.open) for asked in desired.asked.values())


# ---- what is there ----


def _copied(folder: Path) -> Iterator[Path]:
    """The store's files as the kill left them, copied: looking at them must not put them right."""
    copy = folder / "look"
    copy.mkdir(exist_ok=True)
    for name in ("panel-gateway.db", "panel-gateway.db-wal"):
        (copy / name).unlink(missing_ok=True)
        if (folder / name).exists():
            shutil.copy(folder / name, copy / name)
            yield copy / name


def stored(folder: Path) -> tuple[dict[str, Content], dict[str, dict[str, list[int]]]]:
    """link_id -> content; panel -> link_id -> slots."""
    files = list(_copied(folder))
    if not files:
        return {}, {}
    with closing(sqlite3.connect(files[0])) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return {}, {}
        bodies = connection.execute("SELECT link_id, body FROM entity WHERE content IS NOT NULL").fetchall()
        allocations = connection.execute("SELECT panel, slots FROM allocation").fetchall()
    return {link: _closes(json.loads(body)) for link, body in bodies}, {panel: _slots(text) for panel, text in allocations}


def _closes(body: Mapping[str, Any]) -> int:
    """The minute at which an item of the workload closes."""
    return int(body["time_options"]["date_to"] - item(0)["time_options"]["date_to"]) // 60 + closing_minute(0)


def _slots(text: str) -> dict[str, list[int]]:
    read: dict[str, list[int]] = json.loads(text)
    return read


# ---- all of it ----


async def _life(config: Path, panels: Farm, desired: Desired, random: Random) -> None:
    gateway = _Process.start(config)
    killer = asyncio.get_running_loop().call_later(random.uniform(0, _LATEST_KILL_S), gateway.kill)
    url = await gateway.url()
    if url is None:
        desired.counts["killed while it started"] += 1
    else:
        await _load(url, desired, random)
    status = await gateway.ended(_END_S)
    killer.cancel()
    desired.check(status == -signal.SIGKILL, f"it ended by itself with status {status}")
    desired.counts["kills"] += 1
    desired.look(*stored(config.parent), panels.slots())


async def _end(config: Path, panels: Farm, desired: Desired) -> None:
    gateway = _Process.start(config)
    url = await gateway.url()
    assert url is not None, (config.parent / "gateway.log").read_text()[-2000:]
    async with logged_in(url) as client:
        await client.until_in_sync()
        listed = await client.call("GET", f"/api/v1/access/timeprofile/items/link?limit={LINKS + 1}&page_number=1")
        desired.look_at_end({body["link_id"]: _closes(body) for body in listed["list_items"]}, panels.slots())
    os.kill(gateway.child.pid, signal.SIGTERM)
    desired.check(await gateway.ended(_END_S) == 0, "it did not stop cleanly")


async def run(kills: int, seed: int) -> Desired:
    """Kill a gateway `kills` times; what was found."""
    random, desired = Random(seed), Desired()
    async with panels_of(SiteText(PANELS, latency_ms=1.0), 1) as (config, panels):
        for _ in range(kills):
            await _life(config, panels, desired, random)
            if desired.lies:
                break
        await _end(config, panels, desired)
    return desired


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    began = monotonic()
    desired = asyncio.run(run(chosen.kills, chosen.seed))
    print(f"{monotonic() - began:.0f} s, " + ", ".join(f"{count} {name}" for name, count in desired.counts.items()))
    for lie in desired.lies:
        print(lie)
    print(f"{len(desired.lies)} lost, doubled or untrue")
    return 1 if desired.lies else 0


if __name__ == "__main__":
    sys.exit(main())
