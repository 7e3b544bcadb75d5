"""The audit trail: who was granted or revoked what, where and when, as log records of the logger `audit`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice

from drivers.contract import ItemOutcome, Reason

_audit = logging.getLogger("audit")

_NAMED = 20
"""link_ids that a record of refusals names."""


def _record(message: str, **facts: object) -> None:
    _audit.info(message, extra=facts)


class AuditTrail:
    """Listens to the fleet (`gateway.fleet.events.Events`)."""

    def asked(self, link_id: str, generation: int, deleted: bool) -> None:
        _record("deletion asked" if deleted else "profile asked", link_id=link_id, generation=generation)

    def bound(self, link_id: str, panels: tuple[str, ...] | None) -> None:
        _record("binding set", link_id=link_id, panels=panels)

    def pushed(self, panel: str, link_ids: Collection[str], words: int, seconds: float) -> None:
        _record("panel acknowledged", panel=panel, link_ids=sorted(link_ids), words=words, seconds=round(seconds, 3))

    def revoked(self, panel: str, link_ids: Collection[str], lag_s: float) -> None:
        _record("panel revoked", panel=panel, link_ids=sorted(link_ids), lag_s=round(lag_s, 3))

    def failed(self, panel: str, reason: Reason, message: str | None) -> None:
        _record("attempt failed", panel=panel, reason=reason.value, detail=message)

    def refused(self, panel: str, outcomes: Mapping[str, ItemOutcome]) -> None:
        """One record, however many they are; `link_ids`: the first of them."""
        reasons = Counter(outcome.reason.value for outcome in outcomes.values() if outcome.reason is not None)
        first = list(islice(outcomes, _NAMED))
        _record("panel cannot hold it", panel=panel, count=len(outcomes), reasons=dict(reasons), link_ids=first)

    def drifted(self, panel: str) -> None:
        _record("panel drifted", panel=panel)

    def reset(self, panel: str) -> None:
        _record("panel restarted", panel=panel)

    def clock_measured(self, panel: str, drift_ms: int | None) -> None:
        _audit.debug("panel clock measured", extra={"panel": panel, "drift_ms": drift_ms})

    def clock_set(self, panel: str, reason: Reason | None) -> None:
        _record("panel clock set" if reason is None else "panel clock not set", panel=panel, reason=reason and reason.value)

    def commanded(self, panel: str, action: str) -> None:
        _record("operator command", panel=panel, action=action)

    def output(self, panel: str, output: int, on: bool, reason: Reason | None) -> None:
        _record("output switched" if reason is None else "output not switched", panel=panel, output=output, on=on)
