"""What `check` says of a line of UHPPOTE controllers."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import ConfigurationError, check_settings, load_settings
from config.settings import UhppoteLineSettings, UhppotePanelSettings

GOOD = """
[[users]]
name = "admin"
password = "hunter2-hunter2"
[[lines]]
id = "boards"
kind = "uhppote"
transport = "udp"
host = "192.168.1.255"
port = 60000
  [[lines.panels]]
  id = "entrance"
  model = "uhppote"
  serial = 405419896
  host = "192.168.1.40"
  doors = 4
  card_format = "decimal"
  [[lines.panels]]
  id = "cellar"
  model = "uhppote"
  serial = 303986753
[[lines]]
id = "wire"
kind = "modbus-tcp"
host = "192.168.1.9"
port = 502
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def test_a_line_of_controllers_is_read_as_it_is_written(tmp_path: Path) -> None:
    line, _ = load_settings(written(tmp_path, GOOD)).lines
    assert isinstance(line, UhppoteLineSettings)
    entrance, cellar = line.panels
    assert isinstance(entrance, UhppotePanelSettings)
    assert (entrance.unit, entrance.host, entrance.port, entrance.doors) == (405_419_896, "192.168.1.40", None, 4)
    assert (cellar.unit, cellar.host, cellar.doors, cellar.card_format) == (303_986_753, None, 4, "decimal")
    assert (line.bind, line.listen, line.timeout_ms) == (None, None, 300)


def test_values_that_are_read_are_written_alike(tmp_path: Path) -> None:
    """A line is copied with changes, and validated again where a simulator moves it."""
    line, _ = load_settings(written(tmp_path, GOOD)).lines
    assert UhppoteLineSettings.model_validate(line.model_dump()) == line


CASES = [
    ("  serial = 405419896\n", "", "lines[0].panels[0].serial: is missing"),
    ("serial = 405419896", 'serial = "405419896"', "lines[0].panels[0].serial: expected a whole number, got '405419896'"),
    ("serial = 405419896", "serial = 4294967296", "lines[0].panels[0].serial: expected a number below 4.29"),
    ("serial = 303986753", "serial = 405419896", "lines[0].panels[1].serial: 405419896 stands at lines[0].panels[0].serial"),
    ("doors = 4", "doors = 3", "lines[0].panels[0].doors: expected 1, 2 or 4, got 3"),
    ('"decimal"', '"octal"', "lines[0].panels[0].card_format: expected 'decimal' or 'wiegand26', got 'octal'"),
    ("doors = 4", "doors = 4\n  unit = 7", "lines[0].panels[0].unit: a panel of such a line has none"),
    ('transport = "udp"', 'transport = "tls"', "lines[0].transport: expected 'udp' or 'tcp', got 'tls'"),
    ('transport = "udp"', 'bind = "lan0"', "lines[0].bind: expected 4 octets"),
    ('transport = "udp"', 'listen = "60001"', "lines[0].listen: expected an address of this machine and a port"),
    ('host = "192.168.1.255"\n', "", "lines[0].host: is missing: a controller, or a broadcast address"),
    ("port = 60000", 'port = "/dev/ttyS0"', "lines[0].port: the port of such a line is a number from 1 to 65535"),
    ("port = 60000", "baudrate = 9600", "lines[0].baudrate: unknown key"),
    (
        '"uhppote"\n  serial = 303986753',
        '"open-access-panel"\n  serial = 303986753',
        "lines[0].panels[1].model: open-access-panel speaks modbus, and this line uhppote",
    ),
    (
        'model = "open-access-panel"',
        'model = "uhppote"',
        "lines[1].panels[0].model: uhppote speaks uhppote, and this line modbus",
    ),
    ('model = "open-access-panel"', 'model = "open-access-panel"\n  doors = 4', "lines[1].panels[0].doors: unknown key"),
]


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[case[2][:45] for case in CASES])
def test_one_mistake(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        load_settings(written(tmp_path, GOOD.replace(old, new, 1)))
    assert len(caught.value.mistakes) == 1, caught.value.mistakes
    assert caught.value.mistakes[0].startswith(said)


def test_by_tcp_each_controller_has_a_host_of_its_own(tmp_path: Path) -> None:
    alone = GOOD.replace('transport = "udp"', 'transport = "tcp"')
    assert load_settings(written(tmp_path, alone)), "one of them may be where the line is"
    homeless = alone.replace('  host = "192.168.1.40"\n', "")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(written(tmp_path, homeless))
    assert [mistake.partition(": ")[0] for mistake in caught.value.mistakes] == [
        "lines[0].panels[0].host",
        "lines[0].panels[1].host",
    ]


def test_a_key_that_says_nothing_to_controllers_is_warned_of(tmp_path: Path) -> None:
    _, warnings = check_settings(written(tmp_path, GOOD.replace("port = 60000", "port = 60000\nguard_ms = 5")))
    assert any(str(warning).startswith("lines[0].guard_ms") for warning in warnings)


@pytest.mark.parametrize(
    "more",
    ['[[doors]]\nid = "d"\npanel = "entrance"\noutput = 2\n', '[[bindings]]\nlink_id = "*"\npanels = ["entrance:2"]\n'],
    ids=["a door", "a binding"],
)
def test_a_door_that_the_board_does_not_have_is_told(tmp_path: Path, more: str) -> None:
    assert load_settings(written(tmp_path, GOOD + more))
    with pytest.raises(ConfigurationError, match="entrance has outputs 0 to 1"):
        load_settings(written(tmp_path, GOOD.replace("doors = 4", "doors = 2") + more))
