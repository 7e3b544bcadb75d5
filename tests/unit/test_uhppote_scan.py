"""What a scan finds, and that the block which it proposes is a configuration that works."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from config.loader import load_settings
from config.settings import UhppoteLineSettings
from drivers.errors import BusUnavailable
from drivers.uhppote.scan import block, scan
from gateway.__main__ import main
from tests.unit.test_sim_uhppote_board import OTHER, SERIAL, board, heard

TWO_DOORS = 223_000_123


async def test_every_controller_is_found_once_and_its_block_is_a_configuration(tmp_path: Path) -> None:
    async with heard(board(), board(OTHER), board(TWO_DOORS), host="127.255.255.255") as port:
        place = ("127.255.255.255", port)
        found = await scan(place, within_s=1.0)
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


async def test_the_command_shows_what_it_found_and_the_block_to_paste(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with heard(board(), board(TWO_DOORS), host="127.255.255.255") as port:
        assert await asyncio.to_thread(main, ["scan", f"uhppote:127.255.255.255:{port}"]) == 0
        shown = capsys.readouterr().out
        assert "2 controllers answer" in shown
        assert shown.count("8.92") == 2
        file = tmp_path / "site.toml"
        file.write_text("[[lines]]" + shown.split("[[lines]]", 1)[1])
        (line,) = load_settings(file).lines
        assert [panel.unit for panel in line.panels] == [TWO_DOORS, SERIAL]
        assert await asyncio.to_thread(main, ["scan", "boards", "--config", str(file), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [each["serial"] for each in told["controllers"]] == [TWO_DOORS, SERIAL]


@pytest.mark.parametrize("place", ["uhppote:", "uhppote:127.0.0.1:x", "uhppote:127.0.0.1:99999"])
def test_a_place_that_is_none_is_told(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", place]) == 1
    assert "expected uhppote:HOST" in capsys.readouterr().err
