"""A run that skips a test nobody allowed to be skipped fails, in one process and in several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.skips import VARIABLE, tool

CONFTEST = """
from tests.support import skips

def pytest_configure(config):
    skips.watch(config)
"""
TESTS = """
import pytest

def test_runs():
    pass

def test_skipped():
    pytest.skip("mbpoll is not installed (Debian package mbpoll)")
"""


def run(folder: Path, allowed: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_one.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE and not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    if allowed is not None:
        environment[VARIABLE] = allowed
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "test_one.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "two processes"])
def test_a_skip_that_is_not_listed_fails_the_run_by_name(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, "no file system can be mounted here", *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_one.py::test_skipped: mbpoll is not installed (Debian package mbpoll)" in done.stdout


@pytest.mark.parametrize("allowed", [None, "other\nmbpoll is not installed (Debian package mbpoll)\n"])
def test_a_listed_skip_and_a_run_without_a_list_pass(tmp_path: Path, allowed: str | None) -> None:
    done = run(tmp_path, allowed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"no-such-program is not installed \(Debian package nothing\)"):
        tool("no-such-program", "nothing")
    assert Path(tool("sh", "dash")).is_absolute()
