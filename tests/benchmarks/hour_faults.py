"""What goes wrong with panels and lines in the real hour, drawn at random and told to their control URL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from random import Random

from tests.benchmarks.hour_judge import Judge
from tests.benchmarks.hour_site import ACCESS, LINES, TABLES

_PAUSE_S = 12.0
ALL = (*TABLES, "relay")
KINDS: Mapping[str, Mapping[str, float]] = {
    "a noisy line": {"lose_request": 0.1, "lose": 0.1, "corrupt": 0.1, "duplicate": 0.05, "truncate": 0.05},
    "a line that goes silent": {"lose_request": 1.0},
    "a server that hangs up": {"cut": 0.3},
    "late replies": {"late": 0.2, "delay": 0.3},
    "panels that reject": {"refuse": 0.3},
    "slow savers": {"deaf_after_commit": 0.7, "away_ms": 1500.0},
    "power cuts while saving": {"power_cut_before_commit": 0.3, "power_cut_after_commit": 0.3},
    "untrue replies": {"foreign_unit": 0.05, "wrong_echo": 0.1, "short_count": 0.1},
}


class Mishaps:
    def __init__(self, judge: Judge, random: Random) -> None:
        self.counts: Counter[str] = Counter()
        self._judge, self._random = judge, random

    async def run(self) -> None:
        """Until it is cancelled; what is wrong then stays so until `end`."""
        while True:
            await asyncio.sleep(self._random.uniform(0, 2 * _PAUSE_S))
            await self._one()

    async def _one(self) -> None:
        random = self._random
        kind = random.choice((*KINDS, *KINDS, "off", "on", "power-cut", "reset", "replace", "heal", "heal"))
        self.counts[kind] += 1
        if kind in KINDS:
            body = {"seed": random.randrange(1000), "rates": KINDS[kind]}
            await self._judge.act(f"/lines/{random.choice(LINES)}/faults", body)
        elif kind == "heal":
            await self.end()
        else:
            await self._strike(kind, random.choice(ACCESS if kind == "replace" else ALL))

    async def _strike(self, kind: str, name: str) -> None:
        if kind == "off":
            await self._judge.act(f"/panels/{name}/off")
            await asyncio.sleep(self._random.uniform(1, 40))
            kind = "on"
        await self._judge.act(f"/panels/{name}/{kind}")

    async def end(self) -> None:
        """All faults end and everybody is there."""
        for line in LINES:
            await self._judge.act(f"/lines/{line}/faults")
        for name in ALL:
            await self._judge.act(f"/panels/{name}/on")
