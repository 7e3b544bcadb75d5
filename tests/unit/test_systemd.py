"""The unit file is checked by systemd's own tools; readiness and watchdog by a socket in place of the service manager's."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from gateway.ops.systemd import notify, watchdog_interval_s
from tests.support.skips import tool

UNIT = Path(__file__).parents[2] / "config" / "systemd" / "panel-gateway.service"


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = tool("systemd-analyze", "systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def unit_copy(tmp_path: Path) -> Path:
    """The unit with an ExecStart that exists on every machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    return copy


def test_the_unit_file_is_valid(unit_copy: Path) -> None:
    done = _analyze("verify", "--man=no", str(unit_copy))
    assert done.returncode == 0, done.stderr
    assert "panel-gateway" not in done.stderr


def test_the_unit_is_hardened(unit_copy: Path) -> None:
    done = _analyze("security", "--offline=true", "--no-pager", str(unit_copy))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0


def test_the_unit_promises_what_the_service_keeps() -> None:
    text = UNIT.read_text()
    for line in ("Type=notify", "User=panel-gateway", "StateDirectory=panel-gateway", "Restart=on-failure"):
        assert line in text.splitlines()
    assert re.search(r"(?m)^WatchdogSec=\d+$", text)


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(tmp_path / "notify"))
    channel.settimeout(5)
    return channel


def test_notify_sends_one_datagram(manager: socket.socket, tmp_path: Path) -> None:
    with manager:
        assert notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"READY=1"


def test_notify_without_a_manager_or_with_one_that_left(tmp_path: Path) -> None:
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_interval(environment: dict[str, str], interval: float | None) -> None:
    assert watchdog_interval_s(environment) == interval
