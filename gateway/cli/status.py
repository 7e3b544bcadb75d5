"""`panel-gateway status`: what is desired and what the panels hold, as people read it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

from gateway.cli.answers import Item, Panel, Panels, Problem, Problems, Store
from gateway.cli.client import Running, quoted, running
from gateway.cli.clock import clock_lines
from gateway.cli.directory import Directory, directory
from gateway.cli.doctor import NOT_AS_ASKED, found_by, names_for, told
from gateway.cli.options import Asked
from gateway.cli.output import counted, say, say_json
from gateway.cli.tables import table
from gateway.cli.times import aged, length, moment
from gateway.fleet.problems import cause

_CLEAR = "\x1b[H\x1b[2J"
_SHOWN_AT_ONCE = 20
"""Problems that stand below the table; `doctor` has all."""


def status(asked: Asked, panel: str | None, *, watch: bool, exit_code: bool, pause: Callable[[float], None] = time.sleep) -> int:
    """`panel` None: all. `watch`: again every two seconds, until Ctrl-C. `exit_code`: 3 where a panel is not in sync."""
    gateway = running(asked)
    while True:
        body = gateway.get("/gateway/v1/panels" + (f"/{quoted(panel)}" if panel is not None else ""))
        if asked.as_json:
            say_json(body)
        else:
            said = "\n".join(_told(gateway, gateway.read(Panels, body), panel))
            sys.stdout.write(_CLEAR if watch and sys.stdout.isatty() else "")
            say(said)
        if not watch:
            return NOT_AS_ASKED if exit_code and _differs(gateway.read(Panels, body)) else 0
        sys.stdout.flush()
        pause(2.0)


def _differs(seen: Panels) -> bool:
    return any(panel.state != "in_sync" for panel in seen.panels)


def _told(gateway: Running, seen: Panels, panel: str | None) -> Iterator[str]:
    zone, now, panels = gateway.zone, seen.clock.at, seen.panels
    sys.stderr.write("".join(f"{line}\n" for line in [*clock_lines(seen.clock), *_store_lines(seen.store)]))
    yield table([("panel", "line", "state", "holds", "seen", "not held"), *(_row(each, now, zone) for each in panels)])
    found = gateway.read(Problems, found_by(gateway)).problems
    problems = [each for each in found if panel is None or _concerns(each, panels[0])]
    names = names_for(problems, gateway)
    for problem in problems[:_SHOWN_AT_ONCE]:
        yield f"\n{told(problem, zone, now, names)}"
    if len(problems) > _SHOWN_AT_ONCE:
        yield f"\n{len(problems) - _SHOWN_AT_ONCE} more: panel-gateway doctor"
    if panel is not None:
        (shown,) = panels
        yield from ("", *_facts(shown, now, zone))
        if shown.items:
            known = directory(gateway)
            yield "\n" + table([_ITEMS, *(_item(item, known, zone) for item in shown.items)])


def _concerns(problem: Problem, panel: Panel) -> bool:
    """Whether it is this panel's, its line's, or everybody's."""
    if problem.panel is not None:
        return problem.panel == panel.id
    return problem.line in (None, panel.line)


def _row(panel: Panel, now: float, zone: ZoneInfo) -> tuple[object, ...]:
    since = moment(panel.away_since, zone)
    state = f"away since {since}" if panel.state == "away" and since else panel.state
    seen = None if panel.last_seen_at is None else f"{length(now - panel.last_seen_at)} ago"
    lacking = [f"{count} {what}" for count, what in ((panel.pending, "pending"), (panel.refused, "refused")) if count]
    return panel.id, panel.line, state, f"{panel.held} of {panel.desired}", seen, ", ".join(lacking) or None


_ITEMS = ("item", "outcome", "asked", "until", "why")


def _item(item: Item, names: Directory, zone: ZoneInfo) -> tuple[object, ...]:
    """An item that is to be removed is `removed` once the panel was seen without it."""
    outcome = "to be removed" if item.desired_generation is None and item.outcome == "pending" else item.outcome
    why = [*_why(item), item.still_grants_text and f"still open {item.still_grants_text}"]
    until = moment(item.valid_until, zone)
    said = names.in_words("; ".join(filter(None, why)))
    return names.named(item), outcome, moment(item.asked_at, zone), until, said or None


def _why(item: Item) -> list[str]:
    """The reason, and the message where that says more."""
    reason, message = item.reason or "", cause(item.message or "")
    return [message] if message.startswith(reason) or message == reason.replace("_", " ") else [reason, message]


def _facts(panel: Panel, now: float, zone: ZoneInfo) -> Iterator[str]:
    """What else there is to know of one panel, a line each."""
    yield f"model: {panel.model}" + (f", serial number {panel.serial}" if panel.serial else "")
    if panel.last_seen_at is not None:
        holds = f"{panel.held} of {counted(panel.desired, 'item')}"
        yield f"seen: {aged(panel.last_seen_at, now, zone)}; it holds {holds} as of then"
    if panel.clock_drift_ms is not None:
        drift = panel.clock_drift_ms
        yield f"clock: {abs(drift)} ms {'ahead of' if drift > 0 else 'behind'} the gateway's"
    renewals = [item.valid_until for item in panel.items if item.valid_until is not None]
    if renewals:
        yield f"next renewal: before {moment(min(renewals), zone)}"
    if panel.writes:
        written = ", ".join(f"{storage} written {count:,} times" for storage, count in panel.writes.items())
        left = panel.endurance and f"; {panel.endurance.left:.0f} writes of its own are left today"
        yield f"storage: {written}{left or ''}"
    look = panel.full_look
    if look is not None and look.reached_h is not None:
        yield f"look at every word: within {look.reached_h:g} h; the aim is {look.aim_h:g} h"
    for each in panel.foreign:
        kind = "identifier slot" if each.kind == "identifier" else "slot"
        yield f"not the gateway's: {kind} {each.slot}, open {each.opens or 'never'}{', known' if each.known else ''}"


def _store_lines(store: Store | None) -> Iterator[str]:
    """What is to be known of the store; nothing where all is well."""
    if store is not None and store.doubt:
        yield f"the store is not trusted, nothing is opened: {store.doubt} (`restore FILE` or `trust-store`)"
    if store is not None and store.not_durable:
        yield f"deletions that the store has not taken yet, a restart would forget them: {store.not_durable}"
