"""An installer's first hour: which ports there are, who answers on a line, and a configuration to begin with."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.loader import load_settings
from config.password_hash import PasswordHash, md5_form
from config.settings import ModbusRtuLine
from drivers.clock import SystemClock
from gateway.__main__ import main
from gateway.app import Gateway
from gateway.cli.certificates import made_pair, name_mistake
from gateway.cli.output import Mistakes
from gateway.cli.ports import serial_ports
from gateway.cli.setting_up import Answers, configuration, store_of
from gateway.ops import local_socket
from simulators.site import SimulatedSite
from tests.support.skips import tool
from tests.support.terminal import on_a_terminal
from tests.unit.test_sim_uhppote_board import SERIAL, board, heard

HASH = str(PasswordHash.of("a long word"))
SITE = """
[[lines]]
id = "rs485-a"
kind = "modbus-rtu"
port = "rs485-a"
baudrate = 19200
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  unit = 3
  [[lines.panels]]
  id = "lights"
  model = "ge-a-series"
  unit = 4
  [[lines.panels]]
  id = "gate"
  model = "waveshare-relay-8ch"
  unit = 6
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = 1502
  [[lines.panels]]
  id = "annex-door"
  model = "open-access-panel"
  unit = 2
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SimulatedSite]:
    config = tmp_path / "site.toml"
    config.write_text(SITE)
    async with SimulatedSite(load_settings(config), tcp_port_override={"annex": 0}, pty_dir=tmp_path) as simulated:
        yield simulated


async def scan(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["scan", *arguments])


def place(site: SimulatedSite) -> str:
    where = site.lines["annex"]
    return f"{where[0]}:{where[1]}"


async def test_a_scan_names_the_units_of_a_line_and_writes_nothing(
    site: SimulatedSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await scan("rs485-a", "--config", str(tmp_path / "site.toml"), "--units", "2-6", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["line"]["baudrate"], told["line"]["parity"]) == (19_200, "none")
    models = {each["unit"]: each["models"] for each in told["units"]}
    assert (models[3], "ge-a-series" in models[4], "waveshare-relay-8ch" in models[6]) == (["open-access-panel"], True, True)
    assert await scan(place(site), "--units", "2") == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["unit  looks like", "2     open-access-panel"]
    assert [panel.traffic.writes for panel in site.panels.values()] == [0, 0, 0, 0]


_, RS485, ANNEX = SITE.split("[[lines]]\n")


def write_site(config: Path, *lines: str) -> None:
    users = '[http]\nport = 0\n[[users]]\nname = "admin"\npassword = "right one"\n'
    config.write_text(users + "".join(f"[[lines]]\n{line}" for line in lines))


@asynccontextmanager
async def at_work(config: Path, line: str) -> AsyncIterator[None]:
    """A gateway that works on this line; a file at `config` says so."""
    write_site(config, line)
    gateway = Gateway(load_settings(config), config, SystemClock())
    try:
        await gateway.start()
        yield
    finally:
        await gateway.stop()


async def test_no_line_of_a_running_gateway_gets_a_second_master_and_any_other_is_scanned(
    site: SimulatedSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is called, and whatever the file says by now."""
    config, port, panels = tmp_path / "site.toml", tmp_path / "rs485-a", site.panels
    options = ("--units", "2-3", "--config", str(config))
    annex = ANNEX.replace("1502", str(site.lines["annex"][1]))
    async with at_work(config, annex):
        for name in ("annex", place(site), place(site).replace("127.0.0.1", "localhost")):
            assert await scan(name, *options) == 1
            told = "the running gateway works on it as annex: stop it before a scan, or see `panel-gateway lines annex`"
            assert capsys.readouterr().err == f"{name}: {told}\n"
        write_site(config, annex.replace('"annex"', '"attic"').replace(str(site.lines["annex"][1]), "503"))
        assert await scan(place(site), *options) == 1
        assert " works on it as annex: " in capsys.readouterr().err
        await scan(str(port), *options)
        assert panels["lobby"].traffic.bytes_in > 0, "the line was scanned"
    (tmp_path / "other-name").symlink_to(port)
    async with at_work(config, RS485):
        for name in (str(port), str(tmp_path / "other-name"), str(site.lines["rs485-a"])):
            assert await scan(name, *options) == 1
            assert " works on it as rs485-a: stop it before a scan" in capsys.readouterr().err
        before = panels["annex-door"].traffic.bytes_in
        await scan(place(site), *options)
        assert panels["annex-door"].traffic.bytes_in > before


async def test_nothing_is_scanned_beside_a_gateway_that_does_not_tell_where_it_works(
    site: SimulatedSite, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, body = tmp_path / "site.toml", '{"lines": [{"id": "a", "kind": "modbus-rtu"}]}'

    async def of_an_older_release(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    def not_for_everybody(store: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(store))

    async with await asyncio.start_unix_server(of_an_older_release, local_socket.place_of(load_settings(config).store.path)):
        assert await scan("rs485-a", "--config", str(config), "--units", "3") == 1
        assert capsys.readouterr().err.startswith("rs485-a: whether the running gateway works on it is not known (")
    monkeypatch.setattr(local_socket, "answering", not_for_everybody)
    assert await scan("rs485-a", "--config", str(config), "--units", "3") == 1
    assert "is not known (Permission denied): stop it before a scan" in capsys.readouterr().err
    assert [panel.traffic.bytes_in for panel in site.panels.values()] == [0, 0, 0, 0]


async def test_a_line_without_units_and_a_place_that_is_none_are_told(
    site: SimulatedSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ("--config", str(tmp_path / "site.toml"))
    for panel in site.panels.values():
        panel.off()
    assert await scan("rs485-a", *config, "--units", "3") == 1
    assert capsys.readouterr().err.startswith("rs485-a: nobody answers as unit 3 to 3 (tried: ")
    assert await scan("rs485-b", *config) == 1
    expected = "rs485-b: expected a line: one of rs485-a, annex, a serial port such as /dev/ttyUSB0, HOST:PORT, or uhppote:HOST"
    assert capsys.readouterr().err == f"{expected}; did you mean 'rs485-a'?\n"
    beside = next(iter(site.panels))
    assert await scan(beside, *config) == 1
    assert capsys.readouterr().err.startswith(f"{beside}: no such line; it is a panel of the line ")
    assert await scan(str(tmp_path / "none"), *config, "--units", "3") == 1
    assert (
        capsys.readouterr().err == f"{tmp_path}/none: there is no such port; `panel-gateway ports` lists those of this machine\n"
    )


def test_ports_have_the_names_that_they_keep(tmp_path: Path) -> None:
    device, name = tmp_path / "ttyUSB7", tmp_path / "by-id" / "usb-adapter"
    device.touch()
    name.parent.mkdir()
    name.symlink_to(device)
    (name.parent / "usb-gone").symlink_to(tmp_path / "ttyUSB8")
    assert [port.name for port in serial_ports(name.parent) if port.device.startswith(str(tmp_path))] == [str(name)]
    assert main(["ports", "--json"]) == 0


async def test_a_first_configuration_is_asked_for_and_right(site: SimulatedSite, tmp_path: Path) -> None:
    tool("openssl", "openssl")
    output = tmp_path / "new" / "panel-gateway.toml"
    output.parent.mkdir()
    answers = [
        ("Name of the site", 'The "old" mill'),
        ("Time zone", "Europe/Kiyv"),
        ("did you mean 'Europe/Kyiv'?", "Europe/Kyiv"),
        ("Line: ", "nowhere"),
        ("expected a line", place(site)),
        ("Nothing is written", "y"),
        ("Id of the panel that is unit 2", "front door"),
        ("letters, digits", "front-door"),
        ("Its model", ""),
        ("Line: ", ""),
        ("First user", ""),
        ("Password of admin", "a long word"),
        ("Repeat for confirmation", "a long word"),
        ("Serve HTTPS", "y"),
        ("Names and addresses", "a b"),
        ("expected host names", "localhost, 127.0.0.1"),
    ]
    status, shown = await asyncio.to_thread(on_a_terminal, "init", "--output", str(output), answers=answers)
    assert status == 0, shown
    settings = load_settings(output)
    assert (settings.site.name, settings.site.timezone) == ('The "old" mill', "Europe/Kyiv")
    (panel,) = settings.lines[0].panels
    assert (panel.id, panel.model, panel.unit) == ("front-door", "open-access-panel", 2)
    assert settings.http.tls is not None
    trusting = ssl.create_default_context(cafile=settings.http.tls.certificate)
    assert len(trusting.get_ca_certs()) == 0, "it may sign no others"
    assert not stat.S_IMODE(os.stat(settings.http.tls.key).st_mode) & 0o137
    (user,) = settings.users
    assert user.password_hash is not None
    assert PasswordHash.parsed(user.password_hash).fits(md5_form("a long word"))
    assert not stat.S_IMODE(os.stat(output).st_mode) & 0o137
    assert "a long word" not in shown
    files = sorted(output.parent.iterdir())
    assert [file.name for file in files] == ["panel-gateway.toml", "tls.key", "tls.pem"]
    assert not any(b"a long word" in file.read_bytes() for file in files), "no file has the password itself"
    status, shown = await asyncio.to_thread(on_a_terminal, "init", "--output", str(output))
    assert (status, shown.startswith(f"{output}: is there already")) == (1, True)


async def test_whatever_is_answered_the_configuration_has_no_mistakes(site: SimulatedSite, tmp_path: Path) -> None:
    output = tmp_path / "new.toml"
    (tmp_path / "tls.pem").touch()
    async with heard(board(), host="127.255.255.255") as port:
        answers = [
            ("Name of the site", ""),
            ("Time zone", "UTC"),
            ("Line: ", place(site)),
            ("Nothing is written", "n"),
            ("Unit of a panel", "7"),
            ("Id of the panel that is unit 7", "front"),
            ("Its model", ""),
            ("Unit of a panel", "7"),
            ("7: is there already", "8"),
            ("Id of the panel that is unit 8", "front"),
            ("another panel is called that", "back"),
            ("Its model", ""),
            ("Unit of a panel", ""),
            ("Line: ", f"uhppote:127.255.255.255:{port}"),
            (f"{SERIAL} answers", f"uhppote:127.255.255.255:0{port}"),
            ("is there already", f"uhppote:127.0.0.1:{port}"),
            ("none but those above", "/dev/not-yet-there"),
            ("Nothing is written", "n"),
            ("Unit of a panel", ""),
            ("Line: ", "/dev/not-yet-there"),
            ("/dev/not-yet-there: is there already", "uhppote:nowhere.invalid"),
            ("Line: ", ""),
            ("First user", ""),
            ("Password of admin", "a long word"),
            ("Repeat for confirmation", "a long word"),
        ]
        status, shown = await asyncio.to_thread(on_a_terminal, "init", "--output", str(output), answers=answers)
    assert (status, "tls.pem: is there already" in shown, "Serve HTTPS" in shown) == (0, True, False), shown
    modbus, serial, boards = load_settings(output).lines
    assert isinstance(serial, ModbusRtuLine)
    assert [panel.id for panel in modbus.panels] == ["front", "back"]
    assert [panel.unit for panel in boards.panels] == [SERIAL]
    status, shown = await asyncio.to_thread(on_a_terminal, "init", "--output", str(tmp_path / "none" / "new.toml"))
    assert (status, len(shown.splitlines()), "nothing can be written there" in shown) == (1, 1, True), (
        "before a question is asked"
    )


def test_nobody_is_asked_where_nobody_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--output", str(tmp_path / "new.toml")]) == 1
    assert capsys.readouterr().err == "this asks questions: run it on a terminal\n"


@pytest.mark.parametrize("name", ["\x7f\x00", 'a"b\\', "\u2028"])
def test_any_name_of_a_site_is_written_so_that_it_reads_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(configuration(Answers(name, "UTC", "admin", HASH)))
    assert load_settings(path).site.name == name


def test_a_configuration_of_the_service_keeps_its_store_where_the_service_may_write(tmp_path: Path) -> None:
    assert store_of(tmp_path / "panel-gateway.toml") == "panel-gateway.db"
    store = store_of(Path("/etc/panel-gateway/panel-gateway.toml"))
    assert store == "/var/lib/panel-gateway/panel-gateway.db"
    (tmp_path / "site.toml").write_text(configuration(Answers("Site", "UTC", "admin", HASH, store=store)))
    assert load_settings(tmp_path / "site.toml").store.path == Path(store)


def test_a_certificate_without_openssl_is_told_to_need_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Mistakes, match="apt-get install openssl"):
        made_pair(["localhost"])


@pytest.mark.parametrize(
    ("names", "mistake"),
    [
        ("gate.example, 192.0.2.7,fd00::7", None),
        ("", "expected at least one"),
        ("gate.example\n[x]", "expected host names and addresses, got 'gate.example\\n[x]'"),
        ("a,DNS:b", "expected host names and addresses, got 'DNS:b'"),
        ("*.example", "expected host names and addresses, got '*.example'"),
    ],
)
def test_the_names_of_a_certificate_are_names(names: str, mistake: str | None) -> None:
    assert name_mistake(names) == mistake


TLS = '[http]\nhosts = ["gate.example"]\n[http.tls]\ncertificate = "own/site.pem"\nkey = "own/site.key"\n'


def test_a_certificate_is_made_where_the_configuration_expects_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool("openssl", "openssl")
    config = tmp_path / "site.toml"
    config.write_text(TLS)
    (tmp_path / "own").mkdir()
    assert main(["check", "--config", str(config)]) == 1, "there is none yet"
    assert main(["certificate", "--config", str(config)]) == 0
    assert "gate.example" in capsys.readouterr().out
    tls = load_settings(config).http.tls
    assert tls is not None
    first = tls.certificate.read_bytes(), tls.key.read_bytes()
    assert not stat.S_IMODE(tls.key.stat().st_mode) & 0o137
    assert main(["certificate", "--config", str(config)]) == 1
    assert capsys.readouterr().err.endswith("there already; --replace makes a new pair, which has to be trusted anew\n")
    assert (tls.certificate.read_bytes(), tls.key.read_bytes()) == first
    assert main(["certificate", "--config", str(config), "--replace", "--names", "192.0.2.7"]) == 0
    assert load_settings(config).http.tls == tls, "the new ones belong together"
    assert tls.key.read_bytes() != first[1]
    assert sorted(file.name for file in tls.key.parent.iterdir()) == ["site.key", "site.pem"]


def test_where_no_certificate_is_expected_what_to_write_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool("openssl", "openssl")
    config = tmp_path / "site.toml"
    config.write_text('[site]\nname = "x"\n')
    assert main(["certificate", "--config", str(config)]) == 0
    block = capsys.readouterr().out.split("\n\n")[2]
    config.write_text(f'[site]\nname = "x"\n\n{block}\n')
    assert load_settings(config).http.tls is not None


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("[http]\nport = 'x'\n", (), "http.port: expected a whole number, got 'x'"),
        (TLS, (), "own/site.pem.new: No such file or directory"),
        (TLS, ("--names", "a b"), "--names: expected host names and addresses, got 'a b'"),
    ],
)
def test_what_keeps_a_certificate_from_being_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: tuple[str, ...], said: str
) -> None:
    tool("openssl", "openssl")
    config = tmp_path / "site.toml"
    config.write_text(text)
    assert main(["certificate", "--config", str(config), *arguments]) == 1
    assert said in capsys.readouterr().err
    assert [*tmp_path.rglob("*.pem*")] == []
