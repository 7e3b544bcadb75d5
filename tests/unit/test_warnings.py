"""What an operator would rather know before the site meets it: `check` warns, and the gateway starts all the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.loader import load_settings
from config.password_hash import PasswordHash
from gateway.__main__ import main

GOOD = """\
[http]
host = "127.0.0.1"
[store]
path = "store.db"
[[users]]
name = "admin"
password_file = "password"
[[lines]]
id = "a"
kind = "modbus-rtu"
port = "/dev/null"
baudrate = 19200
  [[lines.panels]]
  id = "door"
  model = "open-access-panel"
[[lines]]
id = "b"
kind = "modbus-tcp"
host = "192.0.2.1"
port = 502
  [[lines.panels]]
  id = "gate"
  model = "open-access-panel"
"""
TCP = 'host = "192.0.2.1"\nport = 502\n'
SERVER = ('kind = "modbus-tcp"\nhost = "192.0.2.1"', 'kind = "modbus-rtu-tcp"\nhost = "192.0.2.1"\n')
Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs `check` over a text; the status and what was warned of."""

    def run(text: str, *options: str, password: bytes = b"a long word\n", mode: int = 0o640) -> tuple[int, list[str]]:
        file, secret = tmp_path / "site.toml", tmp_path / "password"
        for path, content in ((file, text.encode()), (secret, password)):
            path.write_bytes(content)
            path.chmod(mode)
        load_settings(file)
        status = main(["check", "--config", str(file), *options])
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1].startswith("no mistakes: ")
        assert all(line.startswith(f"{file}: warning: ") for line in lines[:-1])
        return status, [line.removeprefix(f"{file}: warning: ") for line in lines[:-1]]

    return run


def test_a_good_file_is_warned_of_nothing(check: Check) -> None:
    assert check(GOOD, "--strict") == (0, [])


def test_a_password_that_stands_in_the_file_is_warned_of_and_a_hash_is_not(check: Check) -> None:
    typed = check(GOOD.replace('_file = "password"', ' = " a word"'))[1]
    assert [warning.partition(": ")[0] for warning in typed] == ["users[0].password"] * 2
    assert "`panel-gateway password`" in typed[0]
    assert "a blank, which is a part of this password" in typed[1]
    kept = f'_hash = "{PasswordHash.of("123456")}"'
    assert check(GOOD.replace('_file = "password"', kept), "--strict") == (0, [])
    (easy,) = check(GOOD.replace('_file = "password"', kept).replace("127.0.0.1", "0.0.0.0"))[1]
    assert easy.startswith("users[0].password_hash: anybody tries this password first")


@pytest.mark.parametrize(
    ("old", "new", "place", "line", "said"),
    [
        ('[[users]]\nname = "admin"\npassword_file = "password"\n', "", "users", None, "nobody can log in"),
        (GOOD[GOOD.index("[[lines]]") :], "", "lines", None, "no panel is reached"),
        ('  [[lines.panels]]\n  id = "gate"\n  model = "open-access-panel"\n', "", "lines[1].panels", 16, "there are none"),
        ('"/dev/null"', '"/dev/ttyX7"', "lines[0].port", 11, "there is no device /dev/ttyX7"),
        ('"/dev/null"', '"/dev/a\\u0000"', "lines[0].port", 11, "there is no device"),
        ('"/dev/null"', '"/dev/serial/by-id/usb-gone"', "lines[0].port", 11, "there is no device"),
        ('"/dev/null"', '"password"', "lines[0].port", 11, "is no device"),
        ('"/dev/null"', '"/tmp"', "lines[0].port", 11, "/tmp is no device"),
        ('"store.db"', '"gone/store.db"', "store.path", 4, "there is no folder"),
        ('"store.db"', '"password/store.db"', "store.path", 4, "there is no folder"),
        ('"store.db"', '"/tmp"', "store.path", 4, "/tmp is a folder"),
        ('"store.db"', '"/dev/null"', "store.path", 4, "/dev/null is not a file"),
        ("19200", "9800", "lines[0].baudrate", 12, "9800 is an odd rate; did you mean 9600?"),
        ("19200", "15000", "lines[0].baudrate", 12, "did you mean 19200?"),
        ("19200", "115000", "lines[0].baudrate", 12, "did you mean 115200?"),
        (SERVER[0], SERVER[1] + "baudrate = 19201", "lines[1].baudrate", 20, "did you mean 19200?"),
        (TCP, TCP + "baudrate = 9800\n", "lines[1].baudrate", 21, "has no effect on a modbus-tcp line"),
        (TCP, TCP + 'parity = "even"\n', "lines[1].parity", 21, "has no effect on a modbus-tcp line"),
        (TCP, TCP + "stopbits = 1\n", "lines[1].stopbits", 21, "has no effect on a modbus-tcp line"),
        (TCP, TCP + "local_echo = false\n", "lines[1].local_echo", 21, "has no effect"),
        (TCP, TCP + "rs485 = true\n", "lines[1].rs485", 21, "has no effect"),
        (TCP, TCP + "post_timeout_quiet_ms = 5\n", "lines[1].post_timeout_quiet_ms", 21, "has no effect"),
        (SERVER[0], SERVER[1] + "rs485 = true", "lines[1].rs485", 20, "has no effect on a modbus-rtu-tcp line"),
        ("baudrate = 19200", "turnaround_ms = 9", "lines[0].turnaround_ms", 12, "has no effect on a modbus-rtu line"),
        ('  id = "gate"\n', '  id = "gate"\n  unit = 0\n', "lines[1].panels[0].unit", 23, "broadcast"),
        (
            '  id = "door"\n',
            '  id = "door"\n  pipeline = 4\n',
            "lines[0].panels[0].pipeline",
            15,
            "has no effect on a modbus-rtu line",
        ),
    ],
)
def test_one_surprise(check: Check, old: str, new: str, place: str, line: int | None, said: str) -> None:
    assert old in GOOD
    status, (warning,) = check(GOOD.replace(old, new))
    assert status == 0
    assert warning.startswith(f"{place}: ")
    assert said in warning
    assert warning.endswith(f" (line {line})") is (line is not None)
    assert check(GOOD.replace(old, new), "--strict")[0] == 1


@pytest.mark.parametrize("name", ["/dev/ttyUSB0", "/dev/ttyUSB12", "/dev/ttyACM0"])
def test_a_device_name_that_changes_hands(check: Check, name: str) -> None:
    _, warnings = check(GOOD.replace("/dev/null", name))
    assert "/dev/serial/by-id" in warnings[-1]


@pytest.mark.parametrize("name", ["/dev/ttyS0", "/dev/ttyAMA0", "/dev/serial/by-id/usb-FTDI_x-if00", "loop://"])
def test_a_device_name_that_stays(check: Check, name: str) -> None:
    assert not any("by-id:" in warning for warning in check(GOOD.replace("/dev/null", name))[1])


@pytest.mark.parametrize(
    ("host", "password", "warned"),
    [
        ("0.0.0.0", "123456", True),
        ("", "123456", True),
        ("::", "123456", True),
        ("192.0.2.7", "123456", True),
        ("gateway.example", "123456", True),
        ("192.0.2.7", "admin", True),
        ("192.0.2.7", "1234567", False),
        ("127.0.0.1", "123456", False),
        ("127.1.2.3", "123456", False),
        ("::1", "123456", False),
        ("localhost", "123456", False),
    ],
)
@pytest.mark.parametrize("inline", [True, False], ids=["inline", "file"])
def test_the_vendors_password_on_the_network(check: Check, host: str, password: str, inline: bool, warned: bool) -> None:
    text = GOOD.replace("127.0.0.1", host)
    if inline:
        text = text.replace('_file = "password"', f' = "{password}"')
    _, warnings = check(text, password=f"{password}\n".encode())
    assert any(warning.startswith("users[0].password") and "tries" in warning for warning in warnings) is warned


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "file"])
def test_a_password_that_everybody_on_the_machine_may_read(check: Check, inline: bool) -> None:
    text = GOOD.replace('_file = "password"', ' = "a long word"') if inline else GOOD
    for mode, warned in ((0o644, True), (0o604, True), (0o640, False), (0o600, False)):
        assert any("every user of this machine" in warning for warning in check(text, mode=mode)[1]) is warned


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\ufeffa long word\n", "byte order mark"),
        ("a long word \n", "ends with a blank"),
        ("a long word\t\r\n", "ends with a blank"),
        ("a long word\u00a0", "ends with a blank"),
        ("\ufeffa long word \n", "byte order mark"),
        (" \t\n", "the user cannot log in"),
    ],
)
def test_what_an_editor_added_to_a_password(check: Check, content: str, said: str) -> None:
    status, warnings = check(GOOD, password=content.encode())
    assert status == 0
    assert any(warning.startswith("users[0].password_file: ") and said in warning for warning in warnings)


def test_scripts_get_warnings_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[[lines]]\nid = "a"\nkind = "modbus-rtu"\nport = "gone"\n')
    assert main(["check", "--json", "--strict", "--config", str(file)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["mistakes"] == []
    assert [warning.partition(": ")[0] for warning in told["warnings"]] == ["users", "lines[0].port", "lines[0].panels"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[http]\nhost", "[http]\nhots", "http.hots: unknown key; did you mean 'hosts'? (line 2)"),
        ("[store]", "[sotre]", "sotre: unknown key; did you mean 'store'? (line 3)"),
        ("baudrate", "baud_rate", "lines[0].baud_rate: unknown key; did you mean 'baudrate'? (line 12)"),
        (
            "port = 502",
            "port = 502\nconect_delay_ms = 1",
            "lines[1].conect_delay_ms: unknown key; did you mean 'con",
        ),
        ('  id = "gate"', '  id = "gate"\n  Unit = 3', "lines[1].panels[0].Unit: unknown key; did you mean 'unit'? (line 23)"),
        (
            '  id = "gate"',
            '  id = "gate"\n  simulator = {latency = 3}',
            "latency: unknown key; did you mean 'latency_ms'?",
        ),
        ("password_file", "pasword_file", "users[0].pasword_file: unknown key; did you mean 'password_file'? (line 7)"),
        ("[http]", "[http]\nqwertz = 1", "http.qwertz: unknown key (line 2)"),
        ('model = "open-access-panel"', 'model = "open-acess-panel"', "'open-acess-panel' (known: "),
        ('model = "open-access-panel"', 'model = "open-acess-panel"', "; did you mean 'open-access-panel'? (line 15)"),
        (
            "[http]",
            '[site]\ntimezone = "europe/kyiv"\n[http]',
            "'europe/kyiv'; did you mean 'Europe/Kyiv'? (line 2)",
        ),
        (
            "[http]",
            '[groups]\nall-doors = ["dor"]\n[http]',
            "no panel is named 'dor'; did you mean 'door'? (line 2)",
        ),
        (
            "[http]",
            '[groups]\ndoors = []\n[[bindings]]\nlink_id = "*"\npanels = ["@all",\n"@dors"]\n[http]',
            "bindings[0].panels[1]: no group is named 'dors'; did you mean 'doors'? (line 6)",
        ),
        (
            '  id = "gate"',
            '  id = "gate"\n  options = {clock_trust_hours = 1}',
            "no such option; did you mean 'clock_trusted_hours'? (line 23)",
        ),
        ("port = 502", 'port = "502"', "lines[1].port: a TCP line's port is a number from 1 to 65535 (line 20)"),
        ('kind = "modbus-tcp"\n', "", "lines[1].kind: is missing (line 16)"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_may_be_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    file = tmp_path / "site.toml"
    (tmp_path / "password").write_text("a long word\n")
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    assert main(["check", "--config", str(file)]) == 1
    assert said in capsys.readouterr().out


def test_a_machine_without_permission_for_the_device_is_told(check: Check, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    os.symlink(loop, loop)
    (warning,) = check(GOOD.replace("/dev/null", str(loop)))[1]
    assert "cannot be looked at" in warning
