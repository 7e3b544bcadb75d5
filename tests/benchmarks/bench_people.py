"""Many people at once on a site where each panel has some of them: what travels, how long it takes, and what is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from tests.benchmarks.rows import Row
from tests.benchmarks.service import Bench, bench, written
from tests.benchmarks.workload import SiteText, item
from tests.benchmarks.yardsticks import replay, sockets

PEOPLE = "/api/v1/access/identifier/items/link"
_WRITES = frozenset({6, 16})
_COMMIT = bytes((16, 2, 0, 0, 2, 4, 0xC0, 0xDE))
_CLEAR = bytes((6, 2, 3))
_STAGED = bytes((16, 0x40))
_SLOT_BYTES = 32
_LOOKS = 1200


def _link_id(number: int) -> str:
    return f"91c615e3-1040-4815-8ecb-{1_000_000 + number:012d}"


def _person(number: int, profile: str) -> dict[str, Any]:
    return {
        "link_id": _link_id(number),
        "identifier_owner": {"name": f"person {number}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(1_000_000 + number),
        "lock": "first",
        "time_profiles": {"link_ids": [profile]},
    }


def _panels(number: int, panels: int) -> list[str]:
    """Three in five are for two panels."""
    places = [number % panels, (number + 7) % panels] if number % 5 < 3 else [number % panels]
    return [f"p{place}" for place in places]


async def _ask(ready: Bench, people: Sequence[Mapping[str, Any]]) -> tuple[float, dict[str, list[bytes]]]:
    """Seconds that the request took, and what each panel was sent."""
    ready.farm.frames()
    began = perf_counter()
    answer = await ready.client.call("POST", PEOPLE, {"list_items": people})
    took = perf_counter() - began
    written(answer["result"])
    return took, {name: [pdu for _, pdu in taken] for name, taken in ready.farm.frames().items()}


async def _run(count: int, panels: int, latency_ms: float) -> list[Row]:
    """`latency_ms`: what a panel takes for an exchange; 20 is a frame of full length at 115,200 baud."""
    profile = item(1)
    people = [_person(number, profile["link_id"]) for number in range(count)]
    rules = [(profile["link_id"], ("@all",)), *((_link_id(number), _panels(number, panels)) for number in range(count))]
    async with bench(SiteText(panels, bindings=rules, latency_ms=latency_ms), 2) as ready:
        _, answer = await ready.upsert([profile])
        written(answer)
        before, used = ready.memory_mib(), ready.cpu_s()
        ready.sample()
        took, frames = await _ask(ready, people)
        profiled, used = ready.profile(), ready.cpu_s() - used
        grown = ready.memory_mib() - before
        again, nothing = await _ask(ready, people)
        async with sockets(ready.farm.ports) as clients:
            bare = await replay(clients, frames)
    writes = [pdu for sent in frames.values() for pdu in sent if pdu[0] in _WRITES]
    slots = sum(len(_panels(number, panels)) for number in range(count))
    repeated = sum(len(pdu) for sent in nothing.values() for pdu in sent if pdu[0] in _WRITES)
    commits = sum(pdu.startswith(_COMMIT) for pdu in writes)
    where = f"{count:,} people on {panels} panels ({slots // panels} each), {latency_ms:.0f} ms an exchange"
    goal = 2.0 if latency_ms else None
    note = "\n".join(filter(None, (f"{commits} commits, {used:.2f} s of the gateway's CPU", profiled)))
    return [
        Row(f"{where}: written", sum(map(len, writes)), "bytes", "the words that differ", _SLOT_BYTES * slots, 1.3),
        Row(f"{where}: time", took, "s", "the same frames by bare pymodbus", bare, goal, note=note),
        Row(f"{where}: again, written", repeated, "bytes", goal=0, note=f"in {again:.2f} s"),
        Row(f"{where}: memory", 1024 * grown / count, "KiB an identifier"),
    ]


def _taking_away(sent: Sequence[bytes]) -> list[bytes]:
    """The frames that free an identifier slot and prove it free: the write, and the reading behind it."""
    at = next(place for place, pdu in enumerate(sent) if pdu.startswith(_CLEAR))
    return list(sent[at : at + 2])


async def _revoke(count: int, panels: int, latency_ms: float) -> list[Row]:
    """One card is revoked on all panels while `count` others are being given."""
    lost = _person(count, "")
    del lost["time_profiles"]
    people = [{**_person(number, ""), "time_profiles": {"link_ids": []}} for number in range(count)]
    rules = [(_link_id(count), ("@all",)), *((_link_id(number), [f"p{number % panels}"]) for number in range(count))]
    async with bench(SiteText(panels, bindings=rules, latency_ms=latency_ms), 2) as ready:
        written((await ready.client.call("POST", PEOPLE, {"list_items": [lost]}))["result"])
        ready.farm.frames()
        giving = asyncio.create_task(ready.client.call("POST", PEOPLE, {"list_items": people}))
        written_to: set[str] = set()
        for _ in range(_LOOKS):  # until the panels are being written; logs and clocks are read all the time
            sent = ready.farm.frames()
            written_to |= {name for name, taken in sent.items() if any(pdu.startswith(_STAGED) for _, pdu in taken)}
            if len(written_to) == panels:
                break
            await asyncio.sleep(0.05)
        began = perf_counter()
        gone = await ready.client.call("DELETE", PEOPLE, {"link_ids": [lost["link_id"]]})
        took = perf_counter() - began
        written(gone["result"])
        waited = giving.done()
        frames = {name: _taking_away([pdu for _, pdu in taken]) for name, taken in ready.farm.frames().items()}
        written((await giving)["result"])
        async with sockets(ready.farm.ports) as clients:
            bare = await replay(clients, frames)
    what = f"one card revoked on {panels} panels while {count:,} grants wait, {latency_ms:.0f} ms an exchange"
    note = "the grants were written before it" if waited else ""
    return [Row(what, took, "s", "the bare frames of the revocation", bare, 3.0 if latency_ms else None, note=note)]


def run(quick: bool) -> list[Row]:
    rows: list[Row] = []
    for latency_ms in (0.0, 20.0):
        rows += asyncio.run(_run(*((100, 4) if quick else (5000, 20)), latency_ms))
        rows += asyncio.run(_revoke(*((100, 4) if quick else (10_000, 50)), latency_ms))
    return rows
