"""Who deletes or binds something as somebody else changes it: the version is judged when its turn comes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.fleet.views import Judge
from gateway.store.contract import DesiredItem
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual


class SeenAnother(Exception):
    """The caller has seen another version."""


def only(generation: int) -> Judge:
    def judge(live: DesiredItem | None) -> None:
        if live is None or live.generation != generation:
            raise SeenAnother

    return judge


async def open_site() -> FleetSite:
    site = FleetSite({"lobby": FakePanel(), "annex": FakePanel()})
    await site.open()
    await site.fleet.upsert([item(1)])
    return site


def test_a_deletion_that_waits_behind_a_change_takes_nothing_away() -> None:
    async def test() -> None:
        site = await open_site()
        (seen,) = site.fleet.profiles()
        change = asyncio.create_task(site.fleet.upsert([item(1, start=600)]))
        await asyncio.sleep(0)  # it is first
        with pytest.raises(SeenAnother):
            await site.fleet.delete([link(1)], judge=only(seen.generation))
        await change
        assert site.held("lobby") == {link(1): (600, 660)}
        (now,) = site.fleet.profiles()
        (report,) = await site.fleet.delete([link(1)], judge=only(now.generation))
        assert report.success
        with pytest.raises(SeenAnother):
            await site.fleet.delete([link(1)], judge=only(now.generation))
        await site.close()

    run_virtual(test())


def test_a_binding_that_waits_behind_another_one_replaces_nothing() -> None:
    async def test() -> None:
        site = await open_site()

        def unchanged(panels: tuple[str, ...] | None) -> None:
            if panels is not None:
                raise SeenAnother

        first, second = await asyncio.gather(
            site.fleet.bind(link(1), ["annex"], unchanged), site.fleet.bind(link(1), [], unchanged), return_exceptions=True
        )
        assert first is None
        assert isinstance(second, SeenAnother)
        assert site.fleet.bindings() == {link(1): ("annex",)}
        with pytest.raises(SeenAnother):
            await site.fleet.unbind(link(1), unchanged)
        assert site.fleet.bindings() == {link(1): ("annex",)}
        await site.close()

    run_virtual(test())
