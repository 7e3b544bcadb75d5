"""Who waits at a terminal sees how far long work is; what a script reads has none of it."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, TypeVar, cast

import pytest

from gateway.api import shapes as api
from gateway.cli import waiting
from gateway.cli.answers import understood
from gateway.cli.client import Running
from gateway.cli.output import Mistakes
from gateway.cli.progress import progress
from gateway.fleet.host_clock import ClockView
from tests.support.api_server import VIEW

T = TypeVar("T")


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Standard error is a terminal; what is yielded reads all that was written to it."""
    near, far = pty.openpty()
    written = os.fdopen(far, "w")
    monkeypatch.setattr(sys, "stderr", written)

    def shown() -> str:
        monkeypatch.undo()
        written.close()
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(near, 65_536):
                said += part
        return said.decode()

    try:
        yield shown
    finally:
        shown()
        os.close(near)


GATE = replace(VIEW, id="gate", line="annex", desired=9, held=9, last_seen_at=5)


class Gateway:
    """Panels that hold one more item each time they are asked for; a request ends when they hold all of them."""

    def __init__(self, pending: int, *, refuses: bool = False) -> None:
        self._pending, self._refuses = pending, refuses

    def get(self, path: str) -> Any:
        self._pending = max(0, self._pending - 1)
        if self._refuses:
            raise Mistakes(["no gateway answers there"])
        gate = replace(GATE, state="syncing" if self._pending else "in_sync", pending=self._pending)
        shed = replace(GATE, id="shed", state="away", pending=7, last_seen_at=None)
        return asdict(api.Panels([gate, shed], [], ClockView(True, None, 0, None, (), 5.5, 90.0)))

    def ask(self, shape: type[T], path: str) -> T:
        return understood(shape, self.get(path), "here")

    def call(self, method: str, path: str, body: object = None) -> Any:
        while self._pending and not self._refuses:
            time.sleep(0)
        return {"result": [method, path, body]}


def test_a_bar_tells_how_much_is_done_and_never_more_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as shown:
        with progress("units", 10) as reached:
            reached(3)
            reached(12)
        said = shown()
        assert "3/10" in said
        assert "10/10" in said
        assert "12/10" not in said


@pytest.mark.parametrize("total", [0, 10])
def test_a_log_file_gets_no_bar(monkeypatch: pytest.MonkeyPatch, total: int) -> None:
    monkeypatch.setattr(sys, "stderr", file := io.StringIO())
    with progress("units", total) as reached:
        reached(total)
    assert not file.getvalue()


def test_who_applies_a_long_request_sees_how_many_items_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE_S", 0.0)
    with terminal(monkeypatch) as shown:
        gateway = cast("Running", Gateway(9))
        assert waiting.answered(gateway, "POST", "/items", {"list_items": []})["result"][0] == "POST"
        said = shown()
    assert "items written" in said
    assert "/8" in said, "a panel that is away takes nothing now"


def test_a_gateway_that_is_too_busy_to_tell_how_far_it_is_still_gives_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE_S", 0.0)
    with terminal(monkeypatch):
        gateway = cast("Running", Gateway(9, refuses=True))
        assert waiting.answered(gateway, "DELETE", "/items", None)["result"] == ["DELETE", "/items", None]


def test_who_waits_for_a_panel_sees_that_it_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as shown:
        there = waiting.settled(cast("Running", Gateway(3)), ["gate"], since=4, pause=lambda seconds: None)
        assert there["gate"].state == "in_sync"
        said = shown()
    assert "0/1" in said
    assert "1/1" in said
