"""Two gateways at one panel, each of which undoes what the other writes: each is told, and nobody is told what is not so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from drivers.contract import PanelStatus
from gateway.fleet.panel.commits import ForeignCommits
from gateway.fleet.views import PanelView
from gateway.ops.audit import audit
from gateway.ops.metrics import Metrics
from simulators.site import SimulatedSite
from tests.support.fleet_site import item
from tests.unit.test_fleet_real_drivers import open_access, someone_writes
from tests.unit.test_fleet_simulated import Running, gateway_on, tcp_lines, until
from tests.unit.test_sim_open_access_panel import EXAMPLE


def lobby(running: Running) -> PanelView:
    view = running.fleet.panel("lobby")
    assert view is not None
    return view


async def looked(running: Running) -> PanelView:
    """The panel, after it was looked at again."""
    await until(lambda: lobby(running).state in ("in_sync", "foreign"))
    seen = running.simulated.panels["lobby"].traffic.reads
    await running.fleet.sync("lobby")
    await until(lambda: running.simulated.panels["lobby"].traffic.reads > seen)
    await until(lambda: lobby(running).state in ("in_sync", "foreign"))
    return lobby(running)


async def test_two_gateways_at_one_panel_are_both_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings, metrics = tcp_lines("lobby"), Metrics()
    async with (
        SimulatedSite(settings) as simulated,
        gateway_on(simulated, settings, tmp_path / "one.db", listeners=(metrics.listen, audit)) as one,
        gateway_on(simulated, settings, tmp_path / "other.db") as other,
    ):
        await one.fleet.upsert([item(1)])
        assert (await looked(one)).foreign_commits == 0
        await other.fleet.upsert([item(2)])
        seen = await looked(one)
        assert seen.foreign_commits == 1
        assert "does another gateway work at this panel?" in " ".join(seen.warnings)
        assert b'panel_gateway_foreign_commits_total{panel="lobby"} 1.0' in metrics.exposition()
        (record,) = [each for each in caplog.records if each.message == "somebody else commits to a panel"]
        assert (record.levelno, record.__dict__["panel"]) == (logging.WARNING, "lobby")
        told, before = (await looked(other)).foreign_commits, open_access(simulated).commit_count()
        await one.fleet.upsert([item(3)])
        commits = open_access(simulated).commit_count() - before
        assert (await looked(other)).foreign_commits == told + commits > told, "the other one is told too"
        assert (await looked(one)).foreign_commits == 1, "what the gateway commits itself is no news"


async def test_nobody_is_told_of_the_gateways_own_commits(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated:
        panel = open_access(simulated)
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            for number in range(1, 4):
                await running.fleet.upsert([item(number)])
            assert (await looked(running)).foreign_commits == 0
            panel.reset()
            panel.power_cut()
            assert (await looked(running)).foreign_commits == 0, "its restart"
            await running.fleet.upsert([item(4)])
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            assert (await looked(running)).foreign_commits == 0, "ours"
            panel.restore()
            assert (await looked(running)).foreign_commits == 0, "a panel that begins to count anew"


async def test_a_commit_while_the_gateway_was_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated:
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            await running.fleet.upsert([item(1)])
            await looked(running)
        someone_writes(open_access(simulated), 9, EXAMPLE)
        async with gateway_on(simulated, settings, tmp_path / "store.db") as running:
            await until(lambda: lobby(running).foreign_commits == 1)


@pytest.mark.parametrize(
    ("before", "after", "foreign"),
    [
        ((None, 0), (7, 0), 0),
        ((7, 0), (7, 0), 0),
        ((7, 0), (8, 1), 0),
        ((7, 3), (7, 4), 0),
        ((7, 3), (8, 5), 0),
        ((7, 0), (8, 0), 1),
        ((7, 3), (10, 5), 1),
        ((65_535, 0), (1, 1), 1),
        ((9, 0), (0, 0), 0),
    ],
    ids=["first", "none", "ours", "unconfirmed, not done", "two, one done", "theirs", "both", "overflow", "begun anew"],
)
def test_whose_commits(before: tuple[int | None, int], after: tuple[int, int], foreign: int) -> None:
    seen = ForeignCommits(*before).read(PanelStatus(commit_count=after[0], own_commits=after[1]), 1000.0)
    assert seen.foreign == foreign
    assert seen.read(PanelStatus(commit_count=after[0], own_commits=after[1]), 2000.0).foreign == foreign, "told once"
    assert seen.warned(1001.0) is bool(foreign)
    assert not seen.warned(1000.0 + 86_400)
