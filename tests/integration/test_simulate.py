"""`simulate` in place of the panels of the shipped example for an appliance: what somebody tries who has no panels yet."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import aiohttp

from tests.support.processes import logged_in, port_for_later, run


def appliance(folder: Path) -> Path:
    """The example as it ships, but with places that a test may use. Its hardware address stays one of nobody's."""
    text = resources.files("config.examples").joinpath("appliance.toml").read_text()
    for old, new in (
        ('"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"', '"rs485-a"'),
        ("port = 502", f"port = {port_for_later()}"),
        ("port = 8080", "port = 0"),
        ('"0.0.0.0"', '"127.0.0.1"'),
        ('"/var/lib/panel-gateway/panel-gateway.db"', '"panel-gateway.db"'),
    ):
        assert old in text
        text = text.replace(old, new)
    assert 'parity = "even"' in text
    config = folder / "panel-gateway.toml"
    config.write_text(text)
    return config


async def test_the_shipped_example_can_be_tried_without_hardware_before_there_is_a_password(tmp_path: Path) -> None:
    config = appliance(tmp_path)
    async with run("simulate", "--config", str(config), log=tmp_path / "simulate.log", ready="control URL") as panels:
        assert "line annex: 192.0.2.10 is not this machine; a gateway finds these panels at 127.0.0.1:" in panels.output
        config.write_text(config.read_text().replace("192.0.2.10", "127.0.0.1"))
        (tmp_path / "admin.password").write_text("a long password\n")
        async with (
            run("serve", "--config", str(config), log=tmp_path / "serve.log") as gateway,
            logged_in(gateway.url, password="a long password") as client,
        ):
            await client.until_in_sync("lobby", "annex-door")
            assert {panel["availability"] for panel in (await client.panels()).values()} == {"online"}
            assert await gateway.end() == 0
        async with aiohttp.ClientSession(panels.url) as control, control.get("/panels/lobby") as answer:
            assert (await answer.json())["writes"] > 0
        assert await panels.end() == 0


async def test_a_person_at_a_reader_of_a_simulated_panel(tmp_path: Path) -> None:
    async with (
        run("simulate", "--config", str(appliance(tmp_path)), log=tmp_path / "log", ready="control URL") as panels,
        aiohttp.ClientSession(panels.url) as control,
        control.post("/panels/lobby/read", json={"type": "card", "number": "1234", "door": "first"}) as answer,
    ):
        assert (answer.status, await answer.json()) == (200, {"granted": False, "reason": "clock_not_set"})
