"""What the metrics say about panels."""

from __future__ import annotations

from gateway.ops.metrics import Metrics
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_reconciler import on_site


def test_who_still_grants_and_for_how_long() -> None:
    async def test(site: FleetSite) -> None:
        metrics = Metrics()
        metrics.watch(site.fleet.panels)
        await site.fleet.upsert([item(1), item(2)])
        site.panels["gate"].online = False
        await site.fleet.delete([link(1)])
        await site.pass_time(100)
        lines = metrics.exposition().decode().splitlines()
        assert 'panel_gateway_still_granting{panel="lobby"} 0.0' in lines
        assert 'panel_gateway_still_granting{panel="gate"} 1.0' in lines
        (age,) = (line.split()[1] for line in lines if line.startswith('panel_gateway_revocation_age_seconds{panel="gate"}'))
        assert 100 <= float(age) < 102
        assert 'panel_gateway_storage_writes_total{panel="lobby",storage="flash"} 2.0' in lines
        site.drivers["gate"].back()
        await site.pass_time(2)
        assert 'panel_gateway_still_granting{panel="gate"} 0.0' in metrics.exposition().decode().splitlines()

    on_site(test, "lobby", "gate")
