"""`panel-gateway explain`: asked, compiled, held; the first difference, in a sentence."""

from __future__ import annotations

from gateway.cli.answers import Explained, ExplainedPanel
from gateway.cli.client import quoted, running
from gateway.cli.directory import directory
from gateway.cli.moments import when
from gateway.cli.options import Asked
from gateway.cli.output import say, say_json
from gateway.cli.times import now

_OPEN = {True: "open", False: "closed"}


def explain(asked: Asked, item: str, panel: str | None, words: tuple[str, ...]) -> int:
    """`panel` None: all that it is bound to. `words`: when, now where there are none."""
    gateway = running(asked)
    at = when(words, now(gateway.zone))
    entry = directory(gateway).find(item)
    at_panel = "" if panel is None else f"&panel={quoted(panel)}"
    body = gateway.get(f"/gateway/v1/explain?{entry.query}&at={at.unix}{at_panel}")
    if asked.as_json:
        say_json(body)
        return 0
    said = gateway.read(Explained, body)
    reason = f": {said.message}" if said.message else ""
    say(f"{entry.shown} at {at.shown}: as asked it is {_OPEN[said.asked]}{reason}")
    for each in said.panels:
        say(f"  {each.panel}: {_sentence(each, _OPEN[said.asked])}")
    if not said.panels:
        say("  it is bound to no panel")
    return 0


def _sentence(panel: ExplainedPanel, asked: str) -> str:
    message = f" ({panel.message})" if panel.message else ""
    if panel.differs_at == "compiled":
        compiled = "has no place for it" if panel.compiled is None else f"would be {_OPEN[panel.compiled]} by its table"
        return f"the panel {compiled}{message}"
    if panel.differs_at == "held":
        held = "it is not known what the panel holds" if panel.held is None else f"the panel holds {_OPEN[panel.held]}"
        return f"{held}, though its table is meant to be {_OPEN[bool(panel.compiled)]}{message}"
    if panel.compiled is None:  # nothing differs, since nothing is asked of it
        return panel.message or "it has no place for it"
    if panel.held is None:
        return f"{_OPEN[panel.compiled]} by its table{message}"
    return f"holds what was asked, {asked}{message}"
