"""What is wrong now, and what to do about it: derived from what the gateway shows of itself, and from nothing else. Pure.

The HTTP surface, the metrics, the log and the commands `doctor` and `status` all draw on this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from drivers.contract import Availability, ItemState, Reason
from gateway.fleet.host_clock import ClockView
from gateway.fleet.views import ItemView, PanelView, StoreView

Severity = Literal["info", "warning", "error"]
_WORST_FIRST: tuple[Severity, ...] = ("error", "warning", "info")
_PATIENCE_S = 60.0
"""What a panel that can be spoken to does not hold for less is at work, not a problem."""
_SETTLED = ("in_sync", "refused", "foreign")
"""States in which a panel holds all that it can hold."""
_RENEWED_BEFORE_S = 30 * 86_400.0
_LITTLE_ROOM = 64 << 20
"""Bytes: days of events, and of what is written before the log of the store gives room back."""
_TOLD_S = 86_400.0
"""How long something that is over is told."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`since`: Unix seconds. `text`: what it is and what follows from it; `remedy`: what to do, in a sentence, and `command`: the
    command that does it, or shows more. `panel`, `line`, `link_ids`: what it touches."""

    code: str
    severity: Severity
    text: str
    remedy: str
    command: str
    since: int | None = None
    panel: str | None = None
    line: str | None = None
    link_ids: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What makes it the same problem at another look."""
        return self.code, self.panel, self.line

    def begun(self, at: float | None) -> Problem:
        """The same, with `at` where it does not say itself since when it is."""
        return self if self.since is not None or at is None else replace(self, since=int(at))


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway shows of itself at one moment. `panels`: those that refuse or still grant something with their items.
    `departed`: link_ids that panels may hold which left the configuration. `writable`: whether the store takes writes.
    `free_room`: bytes that are free on its medium, None where that is not known. `certificate_ends_at`: when the one of HTTPS
    expires, Unix seconds. `behind`: who takes no events for a while, and why. `secrets`: what is wrong with files of secrets."""

    at: float
    panels: Sequence[PanelView]
    departed: Mapping[str, Sequence[str]]
    clock: ClockView
    store: StoreView
    store_path: Path
    writable: bool = True
    free_room: int | None = None
    certificate_ends_at: float | None = None
    behind: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()


def problems(known: Known) -> tuple[Problem, ...]:
    """The worst first, then in the order of the panels."""
    down = _lines_down(known.panels)
    if not known.clock.trusted:
        known = replace(known, panels=[replace(panel, last_error=_beside_clock(panel.last_error)) for panel in known.panels])
    found = [*_of_host(known), *(_line(line, there) for line, there in down.items())]
    for panel in known.panels:
        found += (each for each in _of_panel(panel, known.at) if each.code != "panel_away" or panel.line not in down)
    found += (_departed(panel, link_ids) for panel, link_ids in known.departed.items())
    return tuple(sorted(found, key=lambda problem: _WORST_FIRST.index(problem.severity)))


def _of_host(known: Known) -> Iterator[Problem]:
    clock, store = known.clock, known.store
    if not known.writable:
        text = f"the store {known.store_path} takes no writes: nothing new is accepted, panels go on with what they hold"
        remedy = "make room on its disk, or make its medium writable"
        yield Problem("store_takes_no_writes", "error", text, remedy, f"df -h {known.store_path.parent}")
    elif known.free_room is not None and known.free_room < _LITTLE_ROOM:
        left = f"{known.free_room >> 20} MiB left"
        text = f"the disk of the store {known.store_path} has {left}: once it is full, requests are refused"
        yield Problem("store_room_low", "warning", text, "make room on its disk", f"df -h {known.store_path.parent}")
    if store.doubt:
        text = f"the store is not trusted, nothing is opened by what it says: {store.doubt}"
        remedy = "stop the gateway and put a backup back, or take the store as it is"
        yield Problem("store_not_trusted", "error", text, remedy, "panel-gateway restore FILE (or: panel-gateway trust-store)")
    if store.not_durable:
        text = f"the store has not taken {_counted(store.not_durable, 'deletion')} yet: a restart would forget them"
        yield Problem("deletions_not_durable", "error", text, "make room on its disk", f"df -h {known.store_path.parent}")
    if not clock.trusted:
        text = f"the host's clock is not trusted, nothing is opened by it: {clock.reason or 'nothing speaks for it'}"
        remedy = "set the clock, or mend its time server; where it is right, say so"
        yield Problem("clock_not_trusted", "error", text, remedy, "panel-gateway trust-clock")
    if clock.trusted and known.certificate_ends_at is not None:
        yield from _of_certificate(known.certificate_ends_at, known.at)
    if known.behind:
        names = ", ".join(f"{name} ({why})" for name, why in known.behind.items())
        text = f"no events are taken by {names}: they wait here, the oldest are lost to it where there are too many"
        remedy = "mend the receiver, or take it out of the configuration"
        yield Problem("events_not_taken", "warning", text, remedy, "journalctl -u panel-gateway")
    if known.secrets:
        lost = "without its own a webhook is sent nothing and nobody logs in to the manager, and the next start is refused"
        text = f"secrets cannot be read; {lost}: {'; '.join(known.secrets)}"
        remedy = "put the file there as it was, readable for the gateway's user: no restart is needed then"
        yield Problem("secret_not_readable", "error", text, remedy, "panel-gateway check")
    for warning in clock.warnings:
        remedy = "mend the host's time server"
        yield Problem(f"clock_{warning.code}", warning.severity, warning.text, remedy, "timedatectl timesync-status")


def _of_certificate(ends_at: float, now: float) -> Iterator[Problem]:
    day = datetime.fromtimestamp(ends_at, UTC).date()
    remedy = "put a new certificate in its place, and have it read"
    if ends_at <= now:
        text = f"the certificate of HTTPS expired on {day}: browsers and managers refuse it"
        yield Problem("certificate_expires", "error", text, remedy, "panel-gateway reload", since=int(ends_at))
    elif ends_at - now < _RENEWED_BEFORE_S:
        text = f"the certificate of HTTPS expires on {day}: browsers and managers refuse it from then on"
        yield Problem("certificate_expires", "warning", text, remedy, "panel-gateway reload")


def _beside_clock(error: str | None) -> str | None:
    """The clocks of panels wait for the host's: that is one problem."""
    return None if (error or "").partition(":")[0] == Reason.CLOCK_NOT_SET.value else error


def _lines_down(panels: Iterable[PanelView]) -> Mapping[str, Sequence[PanelView]]:
    """Lines with several panels of which none can be reached: that is one problem."""
    by_line: dict[str, list[PanelView]] = defaultdict(list)
    for panel in panels:
        by_line[panel.line].append(panel)
    return {line: there for line, there in by_line.items() if len(there) > 1 and all(map(_is_cut_off, there))}


def _is_cut_off(panel: PanelView) -> bool:
    return panel.state == "away" and panel.availability is Availability.BUS_UNAVAILABLE


def _line(line: str, panels: Sequence[PanelView]) -> Problem:
    names = ", ".join(panel.id for panel in panels)
    text = f"{line} is out of reach ({cause(panels[0].away_reason or '')}): {names} {_go_on(panels)}"
    since = min((panel.away_since for panel in panels if panel.away_since is not None), default=None)
    remedy = HELPS[Reason.BUS_UNAVAILABLE]
    return Problem("line_unavailable", "error", text, remedy, "panel-gateway lines", since=since, line=line)


def _go_on(panels: Sequence[PanelView]) -> str:
    """What panels do that nobody can speak to."""
    held, desired = sum(panel.held for panel in panels), sum(panel.desired for panel in panels)
    return f"{'go' if len(panels) > 1 else 'goes'} on with what was held when last seen, {held:,} of {_counted(desired, 'item')}"


def _at(panel: PanelView) -> Callable[..., Problem]:
    """Makes a problem of this panel."""
    return partial(Problem, panel=panel.id, line=panel.line)


def _of_panel(panel: PanelView, now: float) -> Iterator[Problem]:
    made, status = _at(panel), f"panel-gateway status {panel.id}"
    yield from _of_state(panel, status)
    is_late = panel.state == "away" or panel.revocation_lag_s >= _PATIENCE_S
    if panel.still_granting and is_late:
        link_ids = _link_ids(item for item in panel.items if item.still_grants is not None)
        text = f"{panel.id} may still open by {_counted(panel.still_granting, 'item')} beyond what is asked"
        remedy = "bring the panel back; until then take its door out of use where that matters"
        since = int(now - panel.revocation_lag_s)
        yield made("still_granting", "error", text, remedy, status, since=since, link_ids=link_ids)
    if panel.refused:
        refused = [item for item in panel.items if item.outcome is ItemState.REFUSED]
        why = "; ".join(sorted({item.message or (item.reason.value if item.reason else "") for item in refused} - {""}))
        text = f"{panel.id} cannot hold {_counted(panel.refused, 'item')}" + (f": {why}" if why else "")
        asked_at = min((item.asked_at for item in refused if item.asked_at is not None), default=None)
        remedy = "change the items, or bind them to other panels; `retry` tries them again"
        yield made("items_refused", "warning", text, remedy, status, since=asked_at, link_ids=_link_ids(refused))
    if panel.pending and panel.lag_s >= _PATIENCE_S and panel.state == "syncing":
        why = panel.last_error or "the gateway is still working on it"
        text = f"{panel.id} does not hold {_counted(panel.pending, 'item')} yet: {why}"
        yield made("items_pending", "warning", text, _help(why), status, since=int(now - panel.lag_s))
    yield from _of_log(panel, now)
    yield from _of_unit(panel)
    yield from _of_others(panel, now)
    yield from _of_wear(panel)


def _of_state(panel: PanelView, status: str) -> Iterator[Problem]:
    made = _at(panel)
    why = panel.last_error or ""
    if panel.state == "away":
        reason = panel.away_reason or ""
        text = f"{panel.id} is away ({cause(reason)}): it {_go_on([panel])}"
        yield made("panel_away", "error", text, _help(reason), status, since=panel.away_since)
    elif panel.state == "identity_changed":
        text = f"another unit stands at the place of {panel.id}: nothing is opened on it. {cause(why)}"
        remedy = "check the wiring and the ports; where the unit is meant to be there, accept it"
        yield made("identity_changed", "error", text, remedy, f"panel-gateway accept {panel.id}")
    elif panel.state == "wrong_device":
        text = f"what answers at the address of {panel.id} is no {panel.model}: nothing is written to it. {cause(why)}"
        remedy = "correct `model` and `unit` of the panel in the configuration, or the wiring; then have it read again"
        yield made("wrong_device", "error", text, remedy, "panel-gateway reload")
    elif panel.state == "failed":
        text = f"a defect of the gateway ended the work for {panel.id}: {why}. It is tried again by itself"
        yield made("panel_failed", "error", text, HELPS[Reason.FAILED], "journalctl -p err -u panel-gateway")
    elif why.partition(":")[0] == Reason.CLOCK_NOT_SET.value:
        text = f"the clock of {panel.id} is not right, nothing is opened on it: {cause(why)}"
        yield made("panel_clock_not_set", "error", text, HELPS[Reason.CLOCK_NOT_SET], f"panel-gateway sync {panel.id}")


def _of_log(panel: PanelView, now: float) -> Iterator[Problem]:
    """A log that was not read for less is about to be read again; of another unit or device that is not told."""
    since = panel.log_unread_since
    if since is None or now - since < _PATIENCE_S or panel.state in ("away", "identity_changed", "wrong_device"):
        return
    why = panel.log_error or ""
    lost = "who goes in there is not told, and is lost once its log is full"
    text = f"the log of {panel.id} cannot be read ({cause(why)}): {lost}"
    remedy = f"check that `model` is right; {_help(why)}"
    command = f"panel-gateway status {panel.id}"
    yield _at(panel)("event_log_not_read", "error", text, remedy, command, since=since)


def _of_others(panel: PanelView, now: float) -> Iterator[Problem]:
    """What somebody other than the gateway did to a panel."""
    made = _at(panel)
    if open_now := [each for each in panel.foreign if each.opens is not None and not each.known]:
        slots = "; ".join(f"slot {each.name} is open {each.opens}" for each in open_now)
        text = f"{panel.id} lets somebody in by what is not the gateway's: {slots}"
        remedy = "find out who wrote it; `accept --slots` takes it as known, `reinit` erases it with all else"
        yield made("foreign_open", "error", text, remedy, f"panel-gateway status {panel.id}")
    if panel.foreign_commit_at is not None and now - panel.foreign_commit_at < _TOLD_S:
        text = f"somebody else wrote to {panel.id}, last within a day: another gateway or another master works at this unit"
        remedy = "find the other master on the line, and take it off"
        command = f"panel-gateway status {panel.id}"
        yield made("foreign_commits", "warning", text, remedy, command, since=panel.foreign_commit_at)
    drift = panel.last_drift
    if drift is not None and now - drift.at < _TOLD_S:
        mended = "It was put right" if panel.state in _SETTLED else "It is not put right yet"
        text = f"{panel.id} was found to hold something other than it acknowledged: {'; '.join(drift.changes)}. {mended}"
        remedy = "find out who changes the panel beside the gateway"
        severity: Severity = "info" if panel.state in _SETTLED else "warning"
        yield made("panel_changed", severity, text, remedy, f"panel-gateway status {panel.id}", since=drift.at)


def _of_unit(panel: PanelView) -> Iterator[Problem]:
    if panel.identity_note is not None and panel.state not in ("identity_changed", "wrong_device"):
        holds = f"holds {panel.held:,} of {_counted(panel.desired, 'item')}"
        text = f"{panel.id}: {panel.identity_note}. It is treated as the panel, and {holds}"
        remedy = "nothing where somebody replaced the unit; else check the wiring"
        yield _at(panel)("unit_replaced", "info", text, remedy, f"panel-gateway status {panel.id}")


def _of_wear(panel: PanelView) -> Iterator[Problem]:
    made = _at(panel)
    status = f"panel-gateway status {panel.id}"
    if panel.endurance is not None and panel.endurance.left < 1:
        text = f"the storage of {panel.id} was written as often as it may be in a day: only new hours and deletions are written"
        yield made("endurance_spent", "warning", text, HELPS[Reason.ENDURANCE_SPENT], status)
    look = panel.full_look
    if look is not None and look.reached_h is not None and look.reached_h > look.aim_h:
        text = f"every word of {panel.id} was read within {look.reached_h:g} h, not within {look.aim_h:g} h as `full_look_h` says"
        remedy = "raise `full_look_h`, or `drift_share` of its line"
        yield made("full_look_late", "info", text, remedy, status)


def _departed(panel: str, link_ids: Sequence[str]) -> Problem:
    text = f"{panel} has left the configuration and may still open by {_counted(len(link_ids), 'item')}"
    remedy = "bring it back and erase it there; where it is gone for good, forget it"
    return Problem(
        "panel_departed", "warning", text, remedy, f"panel-gateway forget {panel}", panel=panel, link_ids=tuple(link_ids)
    )


HELPS: Mapping[Reason, str] = {
    Reason.NO_REPLY: "check its power, wiring, unit number and baud rate",
    Reason.CORRUPT_REPLY: "check termination and ground of the line, and look for another master on it",
    Reason.UNEXPECTED_REPLY: "look for two units with one number, and check the converter's settings and the model",
    Reason.BUS_UNAVAILABLE: "check the adapter, the device server and the network",
    Reason.QUARANTINED: "check its power, wiring, unit number and baud rate; `sync` has it asked at once",
    Reason.PANEL_REJECTED: "look the code up in the panel's manual",
    Reason.VERIFY_FAILED: "look for another master on the line; the panel may be defective",
    Reason.CLOCK_NOT_SET: "check the panel's battery, and the host's time service",
    Reason.ENDURANCE_SPENT: "wait where `reinit` wrote it; else find out who changes the panel, or why it does not confirm",
    Reason.QUEUE_FULL: "ask for less at once, or make the line faster",
    Reason.FAILED: "report the record in the log as a defect",
}
"""What helps, by the reason that the gateway gives."""


def _help(said: str) -> str:
    """`said`: a reason, then perhaps a colon and its message."""
    helps = {reason.value: text for reason, text in HELPS.items()}
    parts = [part.removeprefix("after ") for part in said.split(": ")]
    return next((helps[part] for part in reversed(parts) if part in helps), "look at what the panel reports")


def cause(said: str) -> str:
    """What is said after the reasons' tokens; the last token in words where nothing is."""
    parts = said.split(": ")
    tokens = {reason.value for reason in Reason}
    said_more = [part for part in parts if part.removeprefix("after ") not in tokens]
    return ": ".join(said_more) or parts[-1].removeprefix("after ").replace("_", " ")


def _link_ids(items: Iterable[ItemView]) -> tuple[str, ...]:
    return tuple(item.link_id for item in items if item.link_id is not None)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@dataclass(slots=True)
class Beginnings:
    """Since when each problem is, as far as it does not say so itself: it was seen first then."""

    _first: dict[tuple[str, str | None, str | None], Problem] = field(default_factory=dict)

    def seen(
        self, found: Iterable[Problem], at: float | None
    ) -> tuple[tuple[Problem, ...], tuple[Problem, ...], tuple[Problem, ...]]:
        """All of them with their beginnings, those that are new, and those that are over. `at` None: no clock is trusted."""
        before = self._first
        told = tuple(each.begun((before[each.key].since or at) if each.key in before else at) for each in found)
        self._first = {each.key: each for each in told}
        ended = tuple(problem for key, problem in before.items() if key not in self._first)
        return told, tuple(each for each in told if each.key not in before), ended
