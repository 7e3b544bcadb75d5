"""The unit file is checked by systemd's own tools; readiness and watchdog by a socket in place of the service manager's."""

import ctypes.util
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.ops.systemd import notify, watchdog_interval_s
from tests.support.skips import tool

UNIT = Path(__file__).parents[2] / "config" / "systemd" / "panel-gateway.service"


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = tool("systemd-analyze", "systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def unit_copy(tmp_path: Path) -> Path:
    """The unit with an program that exists on every machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", UNIT.read_text()))
    return copy


def test_the_unit_file_is_valid(unit_copy: Path) -> None:
    done = _analyze("verify", "--man=no", str(unit_copy))
    assert done.returncode == 0, done.stderr
    assert "panel-gateway" not in done.stderr


@pytest.mark.parametrize("name", ["panel-gateway-backup.service", "panel-gateway-backup.timer"])
def test_the_nightly_copy_is_a_valid_unit_and_hardened(tmp_path: Path, name: str) -> None:
    for unit in UNIT.parent.glob("*backup*"):
        (tmp_path / unit.name).write_text(re.sub(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", unit.read_text()))
    done = _analyze("verify", "--man=no", str(tmp_path / name))
    assert (done.returncode, "panel-gateway" in done.stderr) == (0, False), done.stderr
    if name.endswith(".service"):
        said = _analyze("security", "--offline=true", "--no-pager", str(tmp_path / name)).stdout
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        assert found
        assert float(found[1]) <= 2.0


def test_the_unit_is_hardened(unit_copy: Path) -> None:
    done = _analyze("security", "--offline=true", "--no-pager", str(unit_copy))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0


def _filter() -> set[str]:
    """The system calls that the unit allows: groups taken apart, lines in their order, the first of which allows."""
    allowed: set[str] = set()
    for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", UNIT.read_text()):
        calls = {call for name in line.lstrip("~").split() for call in _calls(name)}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def _calls(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    done = _analyze("syscall-filter", "--no-pager", name)
    assert done.returncode == 0, done.stderr
    found = [line.strip() for line in done.stdout.splitlines()[1:]]
    return {call for each in found if each and not each.startswith("#") for call in _calls(each)}


def test_the_unit_may_read_the_clocks_state_and_set_no_clock() -> None:
    allowed, text = _filter(), UNIT.read_text()
    assert {"adjtimex", "clock_adjtime", "clock_adjtime64", "clock_gettime"} <= allowed
    assert not allowed & {"clock_settime", "clock_settime64", "settimeofday"}
    assert "ProtectClock=" not in re.sub(r"(?m)^#.*$", "", text)
    assert re.search(r"(?m)^CapabilityBoundingSet=$", text), "CAP_SYS_TIME stays dropped"


_UNDER_THE_FILTER = """
import ctypes, sys
from drivers.clock import kernel_sync
before = kernel_sync()
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
rules = seccomp.seccomp_init(0x00050001)  # refused: EPERM
for name in sys.argv[1:]:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number != -1:
        seccomp.seccomp_rule_add(ctypes.c_void_p(rules), 0x7FFF0000, number, 0)
assert seccomp.seccomp_load(ctypes.c_void_p(rules)) == 0
print(before.value, kernel_sync().value)
"""


@pytest.mark.parametrize("readable", [True, False])
def test_under_the_units_own_filter_the_kernel_tells_of_its_clock(readable: bool) -> None:
    """And where a filter refuses, that is not taken for a clock that is not synchronised."""
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed (Debian package libseccomp2)")
    allowed = _filter() if readable else _filter() - {"adjtimex", "clock_adjtime", "clock_adjtime64"}
    command = [sys.executable, "-c", _UNDER_THE_FILTER, *sorted(allowed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=UNIT.parents[2])
    assert done.returncode == 0, done.stderr
    before, under = done.stdout.split()
    assert under == (before if readable else "unknown")


def test_the_unit_promises_what_the_service_keeps() -> None:
    text = UNIT.read_text()
    for line in ("Type=notify", "User=panel-gateway", "StateDirectory=panel-gateway", "Restart=on-failure"):
        assert line in text.splitlines()
    assert re.search(r"(?m)^WatchdogSec=\d+$", text)


def test_a_restart_is_not_tried_where_it_does_not_help() -> None:
    assert "RestartPreventExitStatus=78 2" in UNIT.read_text().splitlines()


def test_a_restart_that_may_help_is_tried_without_an_end() -> None:
    assert "StartLimitIntervalSec=0" in UNIT.read_text().splitlines()


@pytest.mark.parametrize("name", ["panel-gateway.service", "panel-gateway-backup.service"])
def test_a_start_warns_of_no_permissions_that_the_installation_gave(name: str) -> None:
    """systemd compares the mode of the configuration's folder with this one, and would warn at every start."""
    lines = (UNIT.parent / name).read_text().splitlines()
    page = (UNIT.parents[1] / "README.md").read_text()
    assert "ConfigurationDirectoryMode=0750" in lines
    assert "-m 0750 /etc/panel-gateway" in page


def test_the_unit_runs_commands_that_exist() -> None:
    for line in re.findall(r"(?m)^Exec\w+=/opt/panel-gateway/bin/panel-gateway (.+)", UNIT.read_text()):
        with pytest.raises(SystemExit) as left:
            main([*line.split(), "--help"])
        assert left.value.code == 0


def test_the_page_that_the_unit_names_is_installed() -> None:
    root = UNIT.parents[2]
    installed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    pages = {f"{folder}/{Path(page).name}": page for folder, named in installed.items() for page in named}
    (named,) = re.findall(r"(?m)^Documentation=file:/opt/panel-gateway/(.+)$", UNIT.read_text())
    assert (root / pages[named]).is_file()
    for place, page in pages.items():
        assert place == f"share/doc/panel-gateway/{page}", "links between pages are relative"


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
