"""Waits for panels, and tells how far they are."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from gateway.cli.answers import ClockAnswer, Panel, Panels
from gateway.cli.client import Running
from gateway.cli.output import Mistakes
from gateway.cli.progress import progress

_PATIENCE_S = 60.0
_PAUSE_S = 0.25
AWAY = "away"
_SETTLED = ("in_sync", "refused", "foreign")


def next_second(gateway: Running) -> tuple[int, float]:
    """The next whole second of the gateway's clock, and how far off it is: when a panel was seen is told in whole seconds."""
    at = gateway.ask(ClockAnswer, "/gateway/v1/clock").clock.at
    return int(at) + 1, int(at) + 1 - at


def settled(
    gateway: Running,
    panels: Collection[str],
    since: int,
    pause: Callable[[float], None] = time.sleep,
    *,
    pass_over_away: bool = False,
) -> Mapping[str, Panel]:
    """The panels as they are once each of them was seen from `since` on and holds all that it can, or when a minute is over.

    `pass_over_away`: a panel that cannot be spoken to is not waited for.
    """
    until = time.monotonic() + _PATIENCE_S
    with progress("panels that hold all", len(panels)) as reached:
        while True:
            there = {each.id: each for each in _panels(gateway) if each.id in panels}
            late = [panel for panel in there.values() if not is_settled(panel, since)]
            reached(len(there) - len(late))
            if all(pass_over_away and panel.state == AWAY for panel in late) or time.monotonic() >= until:
                return there
            pause(_PAUSE_S)


def answered(gateway: Running, method: str, path: str, body: object) -> Any:
    """The answer to a request that many panels are written for; the person at the terminal sees how many items they hold."""
    with ThreadPoolExecutor(1) as asking:
        answer = asking.submit(gateway.call, method, path, body)
        if sys.stderr.isatty():
            with contextlib.suppress(Mistakes):  # the answer itself tells what is wrong
                _watch(gateway, answer)
        return answer.result()


def _watch(gateway: Running, answer: Future[Any]) -> None:
    if wait([answer], _PAUSE_S).done:
        return
    most = _waiting(gateway)
    with progress("items written", most) as reached:
        while not wait([answer], _PAUSE_S).done:
            reached(most - _waiting(gateway))


def _waiting(gateway: Running) -> int:
    """How many items are still on their way to panels that can be reached."""
    return sum(panel.pending for panel in _panels(gateway) if panel.state != AWAY)


def _panels(gateway: Running) -> Sequence[Panel]:
    return gateway.ask(Panels, "/gateway/v1/panels").panels


def is_settled(panel: Panel, since: int) -> bool:
    """Whether it was seen since then and holds all that it can hold."""
    return panel.state in _SETTLED and not panel.pending and (panel.last_seen_at or 0) >= since
