from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from config.loader import ConfigurationError, check_settings, load_settings
from config.locks import locks_of
from config.panel_model import PanelModel, load_models
from config.settings import LINE_KINDS, LineSettings

GOOD = """
[site]
name = "Lab"
timezone = "Europe/Kyiv"
[http]
host = "127.0.0.1"
port = 8080
[store]
path = "panel-gateway.db"
[[users]]
name = "admin"
password = "hunter2-hunter2"
[[lines]]
id = "rs485-a"
kind = "modbus-rtu"
port = "/dev/ttyUSB0"
baudrate = 19200
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  unit = 1
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = 1502
  [[lines.panels]]
  id = "annex-door"
  model = "open-access-panel"
  narrow = ["resolution", "periods"]
[groups]
doors = ["lobby", "annex-door"]
[[bindings]]
link_id = "*"
panels = ["@doors", "@all", "lobby:7"]
"""


API_KEY = f'[[api_keys]]\nname = "report"\nhash = "{"0" * 64}"\nrole = "viewer"\n'


@pytest.fixture(scope="module")
def models() -> Mapping[str, PanelModel]:
    return load_models(None)


def test_a_kind_of_line_that_says_nothing_of_its_place_is_checked_all_the_same(
    tmp_path: Path, models: Mapping[str, PanelModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NewLine(LineSettings):
        host: str
        port: int

    monkeypatch.setitem(LINE_KINDS, "new", NewLine)
    text = GOOD.replace('kind = "modbus-tcp"', 'kind = "new"').replace('host = "127.0.0.1"\nport = 1502', 'port = "a"')
    mistakes = mistakes_of(tmp_path, text, models)
    assert "lines[1].host: is missing (line 22)" in mistakes
    assert "lines[1].port: a line of this kind has another one (line 25)" in mistakes


def mistakes_of(folder: Path, text: str, models: Mapping[str, PanelModel] | None) -> tuple[str, ...]:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, models)
    assert "hunter2" not in str(caught.value)
    return caught.value.mistakes


def test_a_good_file(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    path = tmp_path / "site.toml"
    path.write_text(GOOD, encoding="utf-8")
    settings = load_settings(path, models)
    assert settings.store.path == tmp_path / "panel-gateway.db"
    assert settings.lines[0].port == "/dev/ttyUSB0"
    assert settings.lines[1].port == 1502
    assert settings.lines[1].panels[0].narrow == ("resolution", "periods")
    assert settings.groups == {"doors": ("lobby", "annex-door")}


def test_an_empty_file_is_a_site_without_panels(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    path = tmp_path / "site.toml"
    path.write_text("", encoding="utf-8")
    assert load_settings(path, models).store.path == tmp_path / "panel-gateway.db"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    (tmp_path / "secret").write_text("hunter2-hunter2\n", encoding="utf-8")
    text = GOOD.replace('password = "hunter2-hunter2"', 'password_file = "secret"').replace("/dev/ttyUSB0", "tty-a")
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    settings = load_settings(path, models)
    assert settings.users[0].password_file == tmp_path / "secret"
    assert settings.lines[0].port == str(tmp_path / "tty-a")


SECOND = '[[lines.panels]]\nid = "{}"\nmodel = "open-access-panel"\nunit = {}'

DOOR = '[[doors]]\nid = "front"\npanel = "lobby"\noutput = 0\n'

CASES = [
    ('timezone = "Europe/Kyiv"', 'timezone = "Europe/Kiew"', "site.timezone: no time zone is named 'Europe/Kiew'"),
    ('timezone = "Europe/Kyiv"', 'timezone = "../etc/passwd"', "site.timezone: no time zone"),
    ('timezone = "Europe/Kyiv"', 'timezone = "Europe"', "site.timezone: no time zone"),
    ('name = "Lab"', 'nmae = "Lab"', "site.nmae: unknown key"),
    ('name = "Lab"', "name = 2026-01-01", "site.name: expected text, got a date or time"),
    ('name = "Lab"', 'aggregate = "most"', "site.aggregate: expected 'all', 'any' or 'accepted', got 'most'"),
    ('name = "Lab"', 'models_dir = "nowhere"', "site.models_dir: no folder"),
    ("port = 8080", 'port = "8080"', "http.port: expected a whole number, got '8080'"),
    ("port = 8080", "port = true", "http.port: expected a whole number, got true"),
    ("port = 8080", "port = 99999", "http.port: expected a number up to 65535, got 99999"),
    ("port = 8080", "deadline_ms = 1e30", "http.deadline_ms: expected a whole number, got 1e+30"),
    ('password = "hunter2-hunter2"', "", "users[0]: expected one of password_hash, password_file and password"),
    ('password = "hunter2-hunter2"', "password = 222222", "users[0].password: expected text, got a number"),
    ('password = "hunter2-hunter2"', 'password = ""', "users[0].password: is empty"),
    (
        'password = "hunter2-hunter2"',
        'password = "hunter2"\npassword_file = "x"',
        "users[0]: expected one of password_hash, password_file and password",
    ),
    ('name = "admin"', 'name = "ad:min"', "users[0].name: HTTP Basic cannot carry a name with a colon"),
    ('password = "hunter2-hunter2"', 'password_file = "gone"', "users[0].password_file: there is no file "),
    (
        "[[lines]]",
        '[[users]]\nname = "admin"\npassword = "hunter2"\n[[lines]]',
        "users[1].name: 'admin' is already used at users[0].name",
    ),
    ('id = "annex"', 'id = "rs485-a"', "lines[1].id: 'rs485-a' is already used at lines[0].id"),
    (
        'kind = "modbus-rtu"',
        'kind = "modbus"',
        "lines[0].kind: expected one of 'modbus-rtu', 'modbus-tcp', 'modbus-rtu-tcp', 'uhppote', got",
    ),
    ('port = "/dev/ttyUSB0"', "port = 3", "lines[0].port: a serial line's port is a device path"),
    ('port = "/dev/ttyUSB0"', "port = 3.5", "lines[0].port: expected text, got a number"),
    ('port = "/dev/ttyUSB0"', "", "lines[0].port: is missing"),
    ("baudrate = 19200", 'host = "a"', "lines[0].host: a serial line has none"),
    ("baudrate = 19200", "timeout_ms = nan", "lines[0].timeout_ms: "),
    ('host = "127.0.0.1"\nport = 1502', "port = 1502", "lines[1].host: is missing"),
    ("port = 1502", 'port = "1502"', "lines[1].port: a TCP line's port is a number from 1 to 65535"),
    ("port = 1502", "port = 0", "lines[1].port: a TCP line's port is a number from 1 to 65535"),
    ("unit = 1", SECOND.format("lobby", 2), "lines[0].panels[1].id: 'lobby' is already used at lines[0].panels[0].id"),
    ("unit = 1", SECOND.format("second door", 2), "lines[0].panels[1].id: expected letters, digits"),
    ("unit = 1", "unit = 248", "lines[0].panels[0].unit: must be a number from 1 to 247"),
    ("unit = 1", 'unit = "1"', "lines[0].panels[0].unit: expected a whole number, got '1'"),
    ("unit = 1", "gaurd_ms = 1", "lines[0].panels[0].gaurd_ms: unknown key"),
    ("unit = 1", SECOND.format("second", 1), "lines[0].panels[1].unit: 1 is taken by lines[0].panels[0].unit"),
    ("unit = 1", 'model = "x"\n[unclosed', "not TOML: "),
    ("unit = 1", "options = {warp = 9}", "lines[0].panels[0].options.warp: this model has no such option"),
    (
        '  model = "open-access-panel"\n  unit = 1',
        '  model = "closed"',
        "lines[0].panels[0].model: no panel model is named 'closed'",
    ),
    ('["lobby", "annex-door"]', '["lobby", "attic"]', "groups.doors[1]: no panel is named 'attic'"),
    ('["lobby", "annex-door"]', '["@doors"]', "groups.doors[0]: a group holds panels and outputs, not groups"),
    ("doors =", "all = []\ndoors =", "groups.all: @all is every panel"),
    ("doors =", '"fire doors" = []\ndoors =', "groups.fire doors: expected letters, digits"),
    (
        'link_id = "*"',
        'link_id = "91C615E3-1040-4815-8ECB-000000000001"',
        "bindings[0].link_id: expected a UUID in lower case or *",
    ),
    ('"@doors", "@all"', '"@door"', "bindings[0].panels[0]: no group is named 'door'"),
    ('"@doors", "@all"', '"attic"', "bindings[0].panels[0]: no panel is named 'attic'"),
    ('"lobby:7"', '"lobby:8"', "bindings[0].panels[2]: lobby has outputs 0 to 7"),
    ('"lobby:7"', '"lobby:x"', "bindings[0].panels[2]: no panel is named 'lobby:x'"),
    ('"lobby:7"', "7", "bindings[0].panels[2]: expected text, got a number"),
    ("[[bindings]]", "[bindings]", "bindings: expected a list, got a table"),
    ("[[bindings]]", '[[bindings]]\npanel = "lobby"', "bindings[0].panel: unknown key; did you mean 'panels'?"),
    ("[[bindings]]", '[[bindings]]\npanels = ["@all"]\n[[bindings]]', "bindings[0].link_id: is missing"),
    (
        '  model = "open-access-panel"\n  unit = 1',
        '  model = "waveshare-relay-8ch"\n  options = {longest_timed_on = 255}',
        "lines[0].panels[0].hold_lease_s: is absent, which is 60: this panel is held for at most 25 seconds at a time",
    ),
    (
        '  model = "open-access-panel"\n  unit = 1',
        '  model = "waveshare-relay-8ch"\n  hold_lease_s = 26\n  options = {longest_timed_on = 255}',
        "lines[0].panels[0].hold_lease_s: is 26: this panel is held for at most 25 seconds at a time",
    ),
    (
        '  model = "open-access-panel"\n  unit = 1',
        '  model = "waveshare-relay-8ch"\n  simulator = {serial = 5}',
        "lines[0].panels[0].simulator.serial: a waveshare-relay-8ch has no serial number",
    ),
    *(
        (
            '  model = "open-access-panel"\n  unit = 1',
            f'  model = "open-access-panel"\n  serial = {serial}',
            "lines[0].panels[0].serial: 0 and all ones are what units report that have no serial number",
        )
        for serial in ("0", '"0000"', '"0xFFFFFFFFFFFFFFFF"')
    ),
    (
        'kind = "modbus-tcp"\nhost = "127.0.0.1"',
        'kind = "modbus-rtu-tcp"\nhost = ["127.0.0.1"]',
        "lines[1].host: expected text, got a list",
    ),
    ('port = "/dev/ttyUSB0"', "port = {}", "lines[0].port: expected text, got a table"),
    ("[groups]", f"{DOOR}panle = 1\n[groups]", "doors[0].panle: unknown key; did you mean 'panel'?"),
    ("[groups]", f"{DOOR}number = 9\n[groups]", "doors[0].number: expected a number up to 8, got 9"),
    ("[groups]", f'{DOOR}number = "1"\n[groups]', "doors[0].number: expected a whole number, got '1'"),
    ("[groups]", f"{DOOR}pulse_s = 0\n[groups]", "doors[0].pulse_s: expected a number from 0.1, got 0"),
    ("[groups]", '[[doors]]\nid = "front"\npanel = "lobby"\n[groups]', "doors[0].output: is missing"),
    ("[groups]", f"{DOOR.replace('lobby', 'loby')}[groups]", "doors[0].panel: no panel is named 'loby'; did you mean 'lobby'?"),
    ("[groups]", f"{DOOR.replace('lobby', 'lobby:1')}[groups]", "doors[0].panel: expected a panel; its output has a key"),
    ("[groups]", f"{DOOR.replace('= 0', '= 8')}[groups]", "doors[0].output: lobby has outputs 0 to 7"),
    ("[groups]", f"{DOOR}{DOOR.replace('= 0', '= 1')}[groups]", "doors[1].id: 'front' is already used at doors[0].id"),
    ("[groups]", f"{DOOR}{DOOR.replace('front', 'back')}[groups]", "doors[1].output: lobby:0 is already the door at doors[0]"),
    (
        "[groups]",
        f"{DOOR}number = 1\n{DOOR.replace('front', 'back').replace('= 0', '= 1')}number = 1\n[groups]",
        "doors[1].number: 1 is already used at doors[0].number",
    ),
    (
        "[groups]",
        f"{DOOR.replace('= 0', '= 7')}[groups]",
        "bindings[0].panels[2]: lobby:7 is the door at doors[0]: time profiles hold it only with its allow_door_hold",
    ),
    ("[groups]", f'{DOOR}[groups]\nfire = ["lobby:00"]', "groups.fire[0]: lobby:00 is the door at doors[0]"),
    ('password = "hunter2-hunter2"', 'password_hash = "hunter2"', "users[0].password_hash: expected $scrypt$"),
    ('name = "admin"', 'name = "admin"\nrole = "root"', "users[0].role: expected 'admin', 'operator' or 'viewer', got 'root'"),
    ("[[lines]]", API_KEY.replace('role = "viewer"', "") + "[[lines]]", "api_keys[0].role: is missing"),
    ("[[lines]]", API_KEY.replace("0", "g") + "[[lines]]", "api_keys[0].hash: expected the 64 digits"),
    ("[[lines]]", API_KEY.replace("report", "a:b") + "[[lines]]", "api_keys[0].name: expected a name without a colon"),
    (
        "[[lines]]",
        API_KEY + API_KEY.replace("0", "1") + "[[lines]]",
        "api_keys[1].name: 'report' is already used at api_keys[0].name",
    ),
    (
        "[[lines]]",
        API_KEY + API_KEY.replace("report", "b") + "[[lines]]",
        "api_keys[1].hash: is already used at api_keys[0].hash",
    ),
    ('name = "admin"', 'name = ""', "users[0].name: expected 1 or more characters, got 0"),
    ('name = "admin"', f'name = "{"x" * 51}"', "users[0].name: expected at most 50 characters, got 51"),
    ('path = "panel-gateway.db"', 'path = "a\\u0000b"', "store.path: no file has a NUL in its name"),
    ('host = "127.0.0.1"', 'host = "a\\u0000b"', "http.host: expected a host, which has no NUL in its name"),
]


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[case[2][:40] + f"#{number}" for number, case in enumerate(CASES)])
def test_one_mistake(tmp_path: Path, models: Mapping[str, PanelModel], old: str, new: str, said: str) -> None:
    assert old in GOOD
    own = None if "models_dir" in new else models
    mistakes = mistakes_of(tmp_path, GOOD.replace(old, new, 1), own)
    assert len(mistakes) == 1, mistakes
    assert said in mistakes[0]


def test_all_mistakes_come_in_one_report(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    several = [CASES[number] for number in (0, 3, 7, 17, 25, 27, 36, 43)]
    text = GOOD
    for old, new, _ in several:
        text = text.replace(old, new, 1)
    mistakes = mistakes_of(tmp_path, text, models)
    for _, _, said in several:
        assert any(mistake.startswith(said) for mistake in mistakes), (said, mistakes)


def test_doors_and_what_a_lock_means_at_each_panel(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    """Somebody with a card for `first` would go through another door."""
    doors = ((3, 4), (1, 7), (None, 0), (2, 5))
    text = "".join(
        f'[[doors]]\nid = "d{output}"\npanel = "lobby"\noutput = {output}\nallow_door_hold = true\n'
        + ("" if number is None else f"number = {number}\n")
        for number, output in doors
    )
    path = tmp_path / "site.toml"
    path.write_text(GOOD.replace("[groups]", f"{text}[groups]"), encoding="utf-8")
    settings = load_settings(path, models)
    assert [(door.said, door.pulse_s) for door in settings.doors[:1]] == [("d4", 5)]
    assert locks_of(settings.doors, "lobby") == {"first": (7,), "second": (5,), "all": (7, 5, 4)}
    assert locks_of(settings.doors, "annex-door") == {"first": (), "second": (), "all": ()}


def test_the_same_serial_port_twice(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    second = '[[lines]]\nid = "b"\nkind = "modbus-rtu"\nport = "/dev/ttyUSB0"\n[groups]'
    mistakes = mistakes_of(tmp_path, GOOD.replace("[groups]", second), models)
    assert mistakes == ("lines[2].port: /dev/ttyUSB0 is already used at lines[0].port (line 34)",)


UNITS = """
[[lines]]
id = "a"
kind = "{kind}"
{place}
"""
PANEL = '[[lines.panels]]\nid = "panel-{unit}"\nmodel = "open-access-panel"\nunit = {unit}\n'
SERIAL, SOCKET = 'port = "/dev/ttyUSB0"', 'host = "h"\nport = 502'


@pytest.mark.parametrize(
    ("kind", "units", "accepted"),
    [
        ("modbus-tcp", (255,), True),
        ("modbus-tcp", (1, 255), True),
        ("modbus-tcp", (0,), True),
        ("modbus-tcp", (0, 1), False),
        ("modbus-tcp", (248,), False),
        ("modbus-tcp", (254,), False),
        ("modbus-tcp", (256,), False),
        ("modbus-rtu-tcp", (0,), False),
        ("modbus-rtu-tcp", (255,), False),
        ("modbus-rtu", (0,), False),
        ("modbus-rtu", (255,), False),
    ],
)
def test_each_kind_of_line_has_unit_numbers_of_its_own(
    tmp_path: Path, models: Mapping[str, PanelModel], kind: str, units: tuple[int, ...], accepted: bool
) -> None:
    place = SERIAL if kind == "modbus-rtu" else SOCKET
    text = UNITS.format(kind=kind, place=place) + "".join(PANEL.format(unit=unit) for unit in units)
    if not accepted:
        (mistake,) = mistakes_of(tmp_path, text, models)
        assert mistake.startswith("lines[0].panels[0].unit: ")
        return
    path = tmp_path / "site.toml"
    path.write_text(text)
    warned = {finding.place for finding in check_settings(path)[1]}
    assert ("lines[0].panels[0].unit" in warned) is (0 in units)


def test_the_line_of_a_syntax_error_is_told(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    assert "line 2" in mistakes_of(tmp_path, '[site]\nname = "\n', models)[0]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not readable: No such file"):
        load_settings(tmp_path / "gone.toml")


def test_a_file_of_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b'[site]\nname = "\xff"\n')
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_settings(path)


def test_models_of_a_folder_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.toml").write_text("name = 3", encoding="utf-8")
    mistakes = mistakes_of(tmp_path, GOOD.replace('name = "Lab"', 'models_dir = "models"'), None)
    assert len(mistakes) == 1
    assert mistakes[0].startswith("site.models_dir: ")
    assert "bad.toml: " in mistakes[0]


@pytest.mark.parametrize(
    "text", ["lines = 3", "lines = [3]", "groups = 1", "users = {a = 1}", "[lines]\npanels = 3", "[[lines]]\npanels = [1]"]
)
def test_odd_shapes_are_reported_and_not_stumbled_over(tmp_path: Path, models: Mapping[str, PanelModel], text: str) -> None:
    assert mistakes_of(tmp_path, text, models)


def test_two_modbus_tcp_lines_to_one_place_share_its_units(tmp_path: Path, models: Mapping[str, PanelModel]) -> None:
    def line(name: str, unit: int) -> str:
        place = f'[[lines]]\nid = "{name}"\nkind = "modbus-tcp"\nhost = "h"\nport = 502\n'
        return f'{place}[[lines.panels]]\nid = "{name}"\nmodel = "open-access-panel"\nunit = {unit}\n'

    path = tmp_path / "site.toml"
    path.write_text(line("a", 1) + line("b", 2))
    assert len(load_settings(path, models).lines) == 2
    taken = "lines[1].panels[0].unit: 1 is taken by lines[0].panels[0].unit on this line (line 18)"
    assert mistakes_of(tmp_path, line("a", 1) + line("b", 1), models) == (taken,)
