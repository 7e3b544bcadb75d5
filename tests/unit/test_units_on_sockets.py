"""Units that were exchanged or replaced, over real sockets, drivers and files: the address stays, the unit does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import BindingSettings, Settings
from drivers.contract import Reason
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel
from simulators.site import SimulatedSite
from tests.support.fleet_site import item, link
from tests.unit.test_fleet_simulated import Running, gateway_on, until

RULES = (
    BindingSettings(link_id=link(1), panels=("lobby",)),
    BindingSettings(link_id=link(2), panels=("vault",)),
)


def two(model: str) -> Settings:
    lines = [
        {
            "id": f"line-{name}",
            "kind": "modbus-tcp",
            "host": "127.0.0.1",
            "port": 0,
            "timeout_ms": 500.0,
            "panels": [{"id": name, "model": model, "unit": 1, "allow_stale": True, "options": {}}],
        }
        for name in ("lobby", "vault")
    ]
    return Settings.model_validate({"lines": lines}, strict=False)


def states(running: Running) -> dict[str, str]:
    return {view.id: view.state for view in running.fleet.panels()}


@pytest.mark.parametrize("model", ["open-access-panel", "ge-a-series", "domat-fc013"])
async def test_nobody_gets_into_the_vault_when_two_adapters_change_names_over_a_reboot(model: str, tmp_path: Path) -> None:
    """With a serial number, and without one by what the units hold."""
    settings = two(model)
    async with SimulatedSite(settings) as simulated:
        async with gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running:
            await running.fleet.upsert([item(1, start=300), item(2, start=900)])
            await until(lambda: set(states(running).values()) == {"in_sync"})
        held = {name: contents(panel) for name, panel in simulated.panels.items()}
        simulated.swap("lobby", "vault")
        async with gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running:
            await until(lambda: set(states(running).values()) == {"identity_changed"})
            (report,) = await running.fleet.upsert([item(1, start=240)])
            assert (report.success, report.panels[0].reason) == (False, Reason.IDENTITY_CHANGED)
            assert {name: contents(panel) for name, panel in simulated.panels.items()} == held
        simulated.swap("lobby", "vault")
        async with gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running:
            await until(lambda: set(states(running).values()) == {"in_sync"})


def contents(panel: SimulatedPanel) -> object:
    if isinstance(panel, OpenAccessPanel):
        return dict(panel.used_schedules())
    slots = range(1, 17) if panel.model == "ge-a-series" else range(1)
    return [(panel.day_windows(slot, day), panel.kept_windows(slot, day)) for slot in slots for day in range(20_400, 20_407)]


@pytest.mark.parametrize(
    ("stands", "configured"),
    [
        ("domat-fc013", "open-access-panel"),
        ("waveshare-relay-8ch", "open-access-panel"),
        ("waveshare-relay-8ch", "ge-a-series"),
        ("open-access-panel", "domat-fc013"),
        ("open-access-panel", "ge-a-series"),
        ("ge-a-series", "waveshare-relay-8ch"),
    ],
)
async def test_another_kind_of_device_at_the_address_is_told_as_such_and_left_alone(
    stands: str, configured: str, tmp_path: Path
) -> None:
    async with (
        SimulatedSite(two(stands)) as simulated,
        gateway_on(simulated, two(configured), tmp_path / "store.db", RULES) as running,
    ):
        (report,) = await running.fleet.upsert([item(1)])
        assert (report.success, report.panels[0].reason) == (False, Reason.WRONG_DEVICE)
        assert "is the model right?" in (report.panels[0].message or "")
        await until(lambda: set(states(running).values()) == {"wrong_device"})
        assert simulated.panels["lobby"].traffic.writes == 0


async def test_a_new_unit_is_filled_with_no_command_and_told(tmp_path: Path) -> None:
    settings = two("open-access-panel")
    async with (
        SimulatedSite(settings) as simulated,
        gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running,
    ):
        await running.fleet.upsert([item(1), item(2)])
        panel = simulated.panels["lobby"]
        panel.replace()
        await running.fleet.sync("lobby")
        await until(lambda: "replaced" in str(running.fleet.panel("lobby")))
        await until(lambda: states(running)["lobby"] == "in_sync")
        assert isinstance(panel, OpenAccessPanel)
        assert set(panel.used_schedules().values()) == {link(1)}


def on_one_line() -> Settings:
    panels = [{"id": name, "model": "open-access-panel", "unit": unit} for unit, name in enumerate(("lobby", "vault"), 1)]
    line = {"id": "line", "kind": "modbus-tcp", "host": "127.0.0.1", "port": 0, "timeout_ms": 300.0, "panels": panels}
    return Settings.model_validate({"lines": [line]}, strict=False)


@pytest.mark.parametrize("settings", [two("open-access-panel"), on_one_line()], ids=["two ports", "one line"])
async def test_the_new_unit_of_the_vault_gets_no_hours_of_the_lobby_where_the_cables_were_exchanged_over_a_restart(
    settings: Settings, tmp_path: Path
) -> None:
    """The lobby's own unit, which is reached as the vault now, is the last one to come back."""
    async with SimulatedSite(settings) as simulated:
        async with gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running:
            await running.fleet.upsert([item(1), item(2)])
        own, new = simulated.panels["lobby"], simulated.panels["vault"]
        new.replace()
        simulated.swap("lobby", "vault")
        own.off()
        async with gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running:
            await until(lambda: states(running)["lobby"] == "identity_changed")
            own.on()
            await running.fleet.sync("vault")
            await until(lambda: set(states(running).values()) == {"identity_changed"})
            await until(lambda: "vault's place" in str(running.fleet.panel("lobby")))
        assert isinstance(new, OpenAccessPanel)
        assert new.used_schedules() == {}
