"""Runs tests in children of a process that has the libraries imported already: a mutant costs no start of an interpreter.

    python -m tests.mutants.server [TEST FILE ...]

One job a line in JSON on standard input, one answer a line on standard output. A job is a list of `[test, seconds it may
take]`, in the order in which they are run, and, where files were named, a file of the sources and its text as a mutant or
none; the answer says how the run ended, and which test was the last to begin. The files named are imported before the fork,
with the sources that they test: each child gets the code of its mutant. Where none is named, nothing that may be mutated is
imported before the fork, so that every child sees the sources as they are.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.mutants.swap import swap

_LIBRARIES = ("aiohttp", "asyncio", "coverage", "hypothesis", "pydantic", "pymodbus.client", "pytest_asyncio", "serial_asyncio")
_START_S = 60.0
"""For imports and collection, and for the end."""
_WAITS = 6
"""A test may last this many times the processor time that it may use: one that waits without end uses none."""
_MEMORY_BYTES = 6 << 30
SURVIVED, TIMEOUT, IMPORTED_ANEW = "survived", "timeout", "has to be imported anew"
_QUIET = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_SWAPLESS = 71
"""The status of a child that could not get the code of its mutant."""


class _Chosen:
    """Runs these tests only, in this order; a timer ends the process when one takes too long."""

    def __init__(self, limits: dict[str, float], note: Path) -> None:
        self._limits = limits
        self._note = note

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places = {test: place for place, test in enumerate(self._limits)}
        items[:] = sorted((item for item in items if item.nodeid in places), key=lambda item: places[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._note.write_text(item.nodeid, encoding="utf-8")
        _limit(self._limits[item.nodeid])
        try:
            return (yield)
        finally:
            _limit(_START_S)


def _limit(seconds: float) -> None:
    """End this process when it uses so much processor time, or stands still for much longer."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, _WAITS * seconds)


def _child(limits: dict[str, float], mutant: Mapping[str, str], note: Path) -> int:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    with Path(os.devnull).open("rb") as nowhere, note.with_suffix(".txt").open("wb") as output:
        os.dup2(nowhere.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    _limit(_START_S)
    gc.unfreeze()
    try:
        for path, source in mutant.items():
            swap(Path(path).resolve(), source.encode())
    except LookupError:
        return _SWAPLESS
    gc.freeze()
    files = sorted({test.split("::")[0] for test in limits})
    return int(pytest.main(["-x", *_QUIET, *files], plugins=[_Chosen(limits, note)]))


def _run(limits: dict[str, float], mutant: Mapping[str, str], note: Path) -> dict[str, str]:
    note.write_text("", encoding="utf-8")
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = _child(limits, mutant, note)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    last = note.read_text(encoding="utf-8")
    if os.WIFSIGNALED(status):
        ended_by = os.WTERMSIG(status)
        return {"end": TIMEOUT if ended_by in {signal.SIGALRM, signal.SIGPROF} else f"signal {ended_by}", "test": last}
    ends = {int(pytest.ExitCode.OK): SURVIVED, int(pytest.ExitCode.NO_TESTS_COLLECTED): "no tests collected"}
    return {"end": {**ends, _SWAPLESS: IMPORTED_ANEW}.get(os.WEXITSTATUS(status), "failed"), "test": last}


def _import(files: Sequence[str]) -> None:
    """All that these test files import, and they themselves, as pytest does it."""
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(["--collect-only", "-qq", *_QUIET, *files])
    gc.freeze()


def main(files: Sequence[str]) -> None:
    for library in _LIBRARIES:
        importlib.import_module(library)
    if files:
        _import(files)
    note = Path(".last_test").resolve()
    for line in sys.stdin:
        limits, mutant = json.loads(line)
        print(json.dumps(_run(dict(limits), mutant, note)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
