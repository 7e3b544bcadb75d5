"""Several listeners behind one: each event goes to every one of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from drivers.contract import ItemOutcome, Reason
from gateway.fleet.events import Events


class Listeners:
    def __init__(self, *listeners: Events) -> None:
        self._listeners = listeners

    def asked(self, link_id: str, generation: int, deleted: bool) -> None:
        for listener in self._listeners:
            listener.asked(link_id, generation, deleted)

    def bound(self, link_id: str, panels: tuple[str, ...] | None) -> None:
        for listener in self._listeners:
            listener.bound(link_id, panels)

    def pushed(self, panel: str, link_ids: Collection[str], words: int, seconds: float) -> None:
        for listener in self._listeners:
            listener.pushed(panel, link_ids, words, seconds)

    def revoked(self, panel: str, link_ids: Collection[str], lag_s: float) -> None:
        for listener in self._listeners:
            listener.revoked(panel, link_ids, lag_s)

    def failed(self, panel: str, reason: Reason, message: str | None) -> None:
        for listener in self._listeners:
            listener.failed(panel, reason, message)

    def refused(self, panel: str, outcomes: Mapping[str, ItemOutcome]) -> None:
        for listener in self._listeners:
            listener.refused(panel, outcomes)

    def drifted(self, panel: str) -> None:
        for listener in self._listeners:
            listener.drifted(panel)

    def reset(self, panel: str) -> None:
        for listener in self._listeners:
            listener.reset(panel)

    def clock_measured(self, panel: str, drift_ms: int | None) -> None:
        for listener in self._listeners:
            listener.clock_measured(panel, drift_ms)

    def clock_set(self, panel: str, reason: Reason | None) -> None:
        for listener in self._listeners:
            listener.clock_set(panel, reason)

    def commanded(self, panel: str, action: str) -> None:
        for listener in self._listeners:
            listener.commanded(panel, action)

    def output(self, panel: str, output: int, on: bool, reason: Reason | None) -> None:
        for listener in self._listeners:
            listener.output(panel, output, on, reason)
