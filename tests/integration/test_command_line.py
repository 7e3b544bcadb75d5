"""What the command line says to a person who got something wrong: one message with its place, a status, never a trace."""

import asyncio
import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from config.loader import load_settings
from gateway.__main__ import main
from gateway.cli import lab
from simulators.models import MODELS
from tests.integration.test_service import SITE
from tests.support.processes import PROGRAM

BAD = SITE.format(port=70000).replace('model = "open-access-panel"', 'model = "nonesuch"').replace("@all", "@none")
PLACES = ["lines[1].port", "lines[0].panels[0].model", "lines[0].panels[1].model", "bindings[0].panels[0]"]


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


def _ran(*arguments: str | Path) -> Said:
    """Runs a command that must end by itself, in a process of its own."""
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(port=1502))
    return path


@contextlib.contextmanager
def _taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("command", "streams", "told"),
    [
        ("models", ">/dev/full", "standard output: No space left on device\n"),
        ("models", ">&-", ""),
        ("password", "<&-", "expected a password, got none\n"),
    ],
)
def test_a_stream_that_is_full_or_closed_ends_no_command_with_a_trace(command: str, streams: str, told: str) -> None:
    typed = ["sh", "-c", f'exec "$@" {streams}', "sh", *PROGRAM, command]
    done = subprocess.run(typed, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1 if told else 0, told)


def test_check_reports_every_mistake_at_once_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    assert main(["check", "--config", str(path)]) == 1
    shown = capsys.readouterr().out
    assert all(f"{path}: {place}: " in shown for place in PLACES), shown
    assert main(["check", "--json", "--config", str(path)]) == 1
    mistakes = json.loads(capsys.readouterr().out)["mistakes"]
    assert all(any(one.startswith(f"{place}: ") for one in mistakes) for place in PLACES), mistakes


@pytest.mark.parametrize("command", ["serve", "simulate", "check", "status", "backup"])
@pytest.mark.parametrize(("text", "told"), [(None, "No such file"), ("[site\n", "at line 1, column 6"), ("\xff", "not UTF-8")])
def test_a_configuration_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, text: str | None, told: str
) -> None:
    path = tmp_path / "site.toml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    more = [str(tmp_path / "copy.db")] if command == "backup" else []
    assert main([command, "--config", str(path), *more]) == (78 if command == "serve" and text is not None else 1)
    shown = "".join(capsys.readouterr())
    assert len(shown.splitlines()) == 1
    assert shown.startswith(f"{path}: ")
    assert told in shown


@pytest.mark.parametrize("arguments", ["serve --port", "lab --port", "lab --control-port", "simulate --control-port"])
@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_an_impossible_port_is_a_mistake_of_usage(
    site: Path, capsys: pytest.CaptureFixture[str], arguments: str, port: str
) -> None:
    command, option = arguments.split()
    config = [] if command == "lab" else ["--config", str(site)]
    with pytest.raises(SystemExit) as left:
        main([command, *config, option, port])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"panel-gateway {command}: {option}: expected a port from 0 to 65535, got {port!r}\n"


def test_a_taken_port_is_told_before_a_line_is_opened(site: Path) -> None:
    with _taken() as port:
        told = _ran("serve", "--config", site, "--port", str(port))
    assert (told.status, told.out) == (1, "")
    assert told.err.startswith(f"http: cannot listen at 127.0.0.1:{port}: ")
    assert len(told.err.splitlines()) == 1


def test_simulated_panels_without_their_port_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    with _taken() as port:
        path.write_text(SITE.format(port=port))
        told = _ran("simulate", "--config", path)
    assert told.status == 1
    assert f"{port}" in told.err
    assert len(told.err.splitlines()) == 1
    (tmp_path / "rs485-a").touch()
    told = _ran("simulate", "--config", path)
    assert told.status == 1
    assert told.err == f"simulated panels: {tmp_path}/rs485-a: a serial line's port is a file, not a device\n"


def test_a_model_without_a_simulator_is_told_with_its_place(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(MODELS, "open-access-panel")
    assert main(["simulate", "--config", str(site)]) == 1
    first, *_ = capsys.readouterr().err.splitlines()
    place = "lines[0].panels[0].model"
    assert first.startswith(f"{site}: {place}: no simulator is written for 'open-access-panel' (there is one for domat-fc013, ")


def test_a_taken_port_ends_the_lab_in_one_line() -> None:
    with _taken() as port:
        told = _ran("lab", "--port", "0", "--control-port", str(port))
        assert told.status == 1
        assert len(told.err.splitlines()) == 1
        told = _ran("lab", "--port", str(port))
    assert told.status == 1
    (last,) = told.err.splitlines()[-1:]
    assert last.startswith(f"http: cannot listen at 127.0.0.1:{port}: ")
    assert last.endswith('; try: make lab ARGS="--port 0" (or panel-gateway lab --port 0)')


def test_a_plan_blames_the_store_and_not_the_request(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site.parent / "panel-gateway.db").write_bytes(b"no database, and long enough to be read as one" * 10)
    request = site.parent / "request.json"
    request.write_text('{"list_items": []}')
    assert main(["plan", "--config", str(site), str(request)]) == 1
    assert capsys.readouterr().err.startswith(f"{site.parent}/panel-gateway.db: ")


def test_status_says_where_no_gateway_answers(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _taken() as port:
        url = f"http://127.0.0.1:{port}"
    assert main(["status", "--config", str(site), "--url", url]) == 1
    assert capsys.readouterr().err == f"{url}: no gateway answers there (Connection refused)\n"


def test_status_says_that_no_gateway_of_this_store_runs(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(site)]) == 1
    store = site.parent / "panel-gateway.db"
    assert capsys.readouterr().err.startswith(f"{store}: no gateway of this store answers (")


class _Broken:
    """A simulated site in which something crashes once it runs."""

    def __init__(self) -> None:
        self.control_url = "http://127.0.0.1:9"
        self.lines: Mapping[str, lab.Place] = {"rs485-a": "tty", "annex": ("127.0.0.1", 9)}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> lab.Simulated:
        asyncio.get_running_loop().call_soon(self.failed.set_exception, ZeroDivisionError())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.failed.result()


async def test_a_crash_in_a_simulated_panel_ends_simulate(site: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        await lab.simulate(load_settings(site), lambda _: _Broken())


def test_the_version_is_told() -> None:
    said = _ran("--version")
    assert (said.status, said.out.split()) == (0, ["panel-gateway", version("panel-gateway")])
