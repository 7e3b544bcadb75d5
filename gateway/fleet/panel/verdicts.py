"""What became of items that a panel does not hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.contract import ItemOutcome, ItemState, PanelImage, Reason
from gateway.compiler.outcome import HELD
from gateway.fleet.panel.failure import Failure

Verdicts = Mapping[str, tuple[int, ItemOutcome]]
"""Item -> the generation, and what became of it."""

REFUSAL_LIMIT = 5
"""How often the panel itself may refuse one item alone before it is given up until an operator's `retry`."""
_GIVEN_UP = ItemOutcome(ItemState.REFUSED, Reason.PANEL_REJECTED, "given up: the panel refused it again and again")


def refusal_key(key: str, generation: int) -> str:
    """The key by which refusals are counted: a new generation starts anew."""
    return f"{key}:{generation}"


def given_up(failure: Failure) -> ItemOutcome:
    message = f"given up after {REFUSAL_LIMIT} refusals by the panel: {failure.message or failure.reason.value}"
    return ItemOutcome(ItemState.REFUSED, failure.reason, message)


def judged(verdicts: Verdicts, asked: Mapping[str, int], held: PanelImage, before: Mapping[str, ItemOutcome]) -> Verdicts:
    """The verdicts on a panel that holds all it can of these generations. `before`: what became of items in an earlier run."""
    found = dict(verdicts)
    for key, generation in asked.items():
        outcome = held.outcomes.get(key)
        if outcome is None:
            kept = before.get(key, _GIVEN_UP)
            found.setdefault(key, (generation, kept if kept.outcome is ItemState.REFUSED else _GIVEN_UP))
        elif outcome.outcome in HELD:
            found.pop(key, None)
        else:
            found[key] = (generation, outcome)
    return found


def fresh_refusals(before: Verdicts, after: Verdicts) -> Mapping[str, ItemOutcome]:
    """The verdicts that were not known before."""
    return {
        key: outcome
        for key, (generation, outcome) in after.items()
        if outcome.outcome is ItemState.REFUSED and before.get(key) != (generation, outcome)
    }
