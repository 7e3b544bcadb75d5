"""What a scan finds, and that the block which it proposes is a configuration that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import load_settings
from config.settings import UhppoteLineSettings
from drivers.errors import BusUnavailable
from drivers.uhppote.scan import block, scan
from tests.unit.test_sim_uhppote_board import OTHER, SERIAL, board, heard

TWO_DOORS = 223_000_123


async def test_every_controller_is_found_once_and_its_block_is_a_configuration(tmp_path: Path) -> None:
    async with heard(board(), board(OTHER), board(TWO_DOORS), host="127.255.255.255") as port:
        place = ("127.255.255.255", port)
        found = await scan(place, within_s=0.1)
    assert [each.device.serial for each in found] == [TWO_DOORS, OTHER, SERIAL]
    assert {(each.host, each.device.version, each.device.address) for each in found} == {("127.0.0.1", "8.92", "127.0.0.1")}
    file = tmp_path / "site.toml"
    file.write_text(block(found, place))
    (line,) = load_settings(file).lines
    assert isinstance(line, UhppoteLineSettings)
    assert [(panel.serial, panel.host, panel.doors) for panel in line.panels] == [
        (TWO_DOORS, "127.0.0.1", 2),
        (OTHER, "127.0.0.1", 4),
        (SERIAL, "127.0.0.1", 4),
    ]


async def test_a_network_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(BusUnavailable):
        await scan(("127.255.255.255", 60_000), bind="192.0.2.1", within_s=0.1)
