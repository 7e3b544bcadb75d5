"""systemd restarts what a restart can mend, and leaves alone what it cannot; the journal files each line by its priority."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from config.loader import load_settings
from gateway.store.sqlite_store import SqliteStore
from tests.support.processes import PROGRAM, run

pytestmark = pytest.mark.long

GOOD = """
[http]
port = 0
[[users]]
name = "admin"
password_file = "password"
"""
LINE = '[[lines]]\nid = "a"\nkind = "modbus-rtu"\nport = "/dev/gone"\n'


def serve(folder: Path, text: str | None = None, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs a gateway that does not start."""
    config = folder / "site.toml"
    if text is not None:
        config.write_text(text)
    return subprocess.run(
        [*PROGRAM, "serve", "--config", str(config), *options], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("a long word\n")
    (tmp_path / "site.toml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        GOOD + "[site\n",
        GOOD + '[site]\ntimezone = "Europe/Kiew"\n',
        GOOD.replace("port = 0", "prot = 0"),
        GOOD.replace("port = 0", 'port = "0"'),
        GOOD + LINE + LINE,
        GOOD + LINE.replace("modbus-rtu", "modbus"),
        GOOD + LINE + '[[lines.panels]]\nid = "a"\nmodel = "nonesuch"\n',
        GOOD + '[[bindings]]\nlink_id = "*"\npanels = ["nobody"]\n',
        GOOD.replace("_file", ""),
        GOOD.replace('"password"', '"gone"') + "[site\n",
        GOOD.replace('"password"', '"gone"') + "[site]\nhorizon_days = 0\n",
    ],
)
def test_a_mistake_in_the_files_text_is_not_tried_again(folder: Path, text: str) -> None:
    if text == GOOD.replace("_file", ""):
        text = text.replace("password =", "pasword =")
    done = serve(folder, text)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"{folder}/site.toml: ")
    assert "Traceback" not in done.stderr


def _text(folder: Path) -> None:
    (folder / "panel-gateway.db").write_bytes(b"no database, and long enough to be read as one" * 10)


def _other_database(folder: Path) -> None:
    with sqlite3.connect(folder / "panel-gateway.db") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def _newer(folder: Path) -> None:
    with sqlite3.connect(folder / "panel-gateway.db") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
        connection.execute("PRAGMA user_version = 999")
    connection.close()


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "panel-gateway.db")


@pytest.mark.parametrize("fact", ["wear", "entries"])
def test_what_is_kept_of_a_panel_and_cannot_be_read_is_told_in_one_sentence(folder: Path, fact: str) -> None:
    """SQLite finds nothing wrong with it."""

    async def fill() -> None:
        store = SqliteStore(folder / "panel-gateway.db")
        await store.open()
        await store.put_panel_fact("door", fact, '{"table": "much"}', 1.0)
        await store.close()

    asyncio.run(fill())
    done = serve(folder, GOOD + LINE + '[[lines.panels]]\nid = "door"\nmodel = "open-access-panel"\n')
    assert (done.returncode, done.stdout) == (78, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{folder}/panel-gateway.db: what is kept of door is not readable")


@pytest.mark.parametrize("make", [_text, _other_database, _newer, _pipe])
def test_a_store_that_is_refused_is_not_tried_again(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder)
    done = serve(folder)
    assert (done.returncode, done.stdout) == (78, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"{folder}/panel-gateway.db" in done.stderr


def _no_file(folder: Path) -> None:
    (folder / "site.toml").unlink()


def _no_password(folder: Path) -> None:
    (folder / "password").unlink()


def _no_models(folder: Path) -> None:
    (folder / "site.toml").write_text(GOOD + '[site]\nmodels_dir = "gone"\n')


def _no_store_folder(folder: Path) -> None:
    (folder / "site.toml").write_text(GOOD + '[store]\npath = "gone/store.db"\n')


def _no_password_and_no_models(folder: Path) -> None:
    _no_models(folder)
    _no_password(folder)


@pytest.mark.parametrize("make", [_no_file, _no_password, _no_models, _no_store_folder, _no_password_and_no_models])
def test_what_may_be_there_later_is_tried_again(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder)
    done = serve(folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr


def test_a_port_in_use_is_tried_again(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert serve(folder, None, "--port", str(taken.getsockname()[1])).returncode == 1


async def test_a_device_that_is_missing_keeps_no_gateway_from_starting(folder: Path) -> None:
    (folder / "site.toml").write_text(GOOD + LINE)
    async with run("serve", "--config", str(folder / "site.toml"), log=folder / "log") as gateway:
        assert await gateway.end() == 0


def test_a_command_that_is_not_serve_has_the_status_of_a_mistake(folder: Path) -> None:
    (folder / "site.toml").write_text("[site\n")
    for command in ("check", "status", "reload"):
        done = subprocess.run([*PROGRAM, command, "--config", str(folder / "site.toml")], capture_output=True, check=False)
        assert done.returncode == 1


def _journal_of(path: Path) -> dict[str, str]:
    """An environment in which the file is what the journal reads."""
    found = path.stat()
    return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


async def test_the_journal_is_told_the_priority_of_each_line(folder: Path) -> None:
    log, config = folder / "log", folder / "site.toml"
    log.touch()
    async with run("serve", "--config", str(config), "--log-level", "debug", log=log, environment=_journal_of(log)) as gateway:
        config.write_text(GOOD + "[site\n")
        gateway.process.send_signal(signal.SIGHUP)
        assert await gateway.end() == 0
    by_level = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
    lines = log.read_text().splitlines()
    assert lines
    for line in lines:
        found = re.fullmatch(r"<(\d)>(\{.*\})", line)
        assert found, line
        assert by_level[json.loads(found[2])["level"]] == int(found[1])


def test_what_ends_the_start_is_an_error_in_the_journal(folder: Path) -> None:
    log = folder / "log"
    with log.open("wb") as stderr:
        environment = {**os.environ, **_journal_of(log)}
        command = [*PROGRAM, "serve", "--config", str(folder / "site.toml")]
        (folder / "site.toml").write_text("[site]\nnmae = 1\n[http]\nprot = 1\n")
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=stderr, env=environment, timeout=60, check=False)
        (folder / "site.toml").write_text('[store]\npath = "/dev/null"\n')
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=stderr, env=environment, timeout=60, check=False)
    lines = log.read_text().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("<3>") for line in lines)


def test_a_person_who_sent_stderr_elsewhere_sees_no_priorities(folder: Path) -> None:
    (folder / "site.toml").write_text("[site\n")
    environment = {**os.environ, **_journal_of(folder / "password")}
    command = [*PROGRAM, "serve", "--config", str(folder / "site.toml")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.stderr.startswith(str(folder))


def test_what_the_settings_say_is_not_changed_by_a_check(folder: Path) -> None:
    """The file that all these tests begin with is right."""
    assert load_settings(folder / "site.toml").users[0].name == "admin"
