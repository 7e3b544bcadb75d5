"""`profiles`, `people`, `bindings` and `lines`: what there is, as people call it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.cli.answers import Bindings, Bound, Counts, Explained, Line, Lines, Overrides
from gateway.cli.client import Running, running
from gateway.cli.directory import Directory, Entry, Kind, directory
from gateway.cli.hours import person_parts, profile_text
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, say, say_json
from gateway.cli.tables import table

_BINDINGS = "/gateway/v1/bindings"


def listed(asked: Asked, kind: Kind) -> int:
    """Every time profile, or every identifier."""
    gateway = running(asked)
    known = directory(gateway)
    entries = known.of(kind)
    if asked.as_json:
        say_json({"list_items": [entry.body for entry in entries]})
    else:
        say(table(_profiles(entries, gateway) if kind == "timeprofile" else _people(entries, known, gateway)))
    return 0


def _profiles(entries: Sequence[Entry], gateway: Running) -> list[tuple[object, ...]]:
    rows = [(entry.name or None, profile_text(entry.body, gateway.zone), _id(entry)) for entry in entries]
    return [("time profile", "open", "link_id"), *rows]


def _people(entries: Sequence[Entry], known: Directory, gateway: Running) -> list[tuple[object, ...]]:
    names = known.profile_names()
    parts = [(entry, person_parts(entry.body, gateway.zone, names)) for entry in entries]
    rows = [(entry.name or None, said["number"], said["through"], said["valid"], _id(entry)) for entry, said in parts]
    return [("person", "number", "through", "valid", "link_id"), *rows]


def _id(entry: Entry) -> str:
    return entry.link_id or f"uid {entry.uid}"


def shown(asked: Asked, kind: Kind, name: str) -> int:
    """One of them: what it says, and what every panel says of it."""
    gateway = running(asked)
    known = directory(gateway)
    entry = known.find(name, (kind,))
    if asked.as_json:
        say_json(entry.body)
        return 0
    say("\n".join(_facts(entry, known, gateway)))
    explained = gateway.ask(Explained, f"/gateway/v1/explain?{entry.query}").panels
    rows = [(each.panel, _OPEN[each.compiled], _OPEN[each.held], each.message) for each in explained]
    say("\n" + table([("panel", "by its table, now", "holds, now", ""), *rows]) if rows else "bound to no panel")
    return 0


_OPEN = {True: "open", False: "closed", None: None}


def _facts(entry: Entry, known: Directory, gateway: Running) -> Iterator[str]:
    yield f"{entry.shown}, {_id(entry)}"
    if entry.kind == "timeprofile":
        yield f"open: {profile_text(entry.body, gateway.zone)}"
        uids = set(entry.body["identifiers"]["uid_items"])
        people = [person.shown for person in known.of("identifier") if person.uid in uids]
        yield f"named by: {', '.join(people) or 'nobody'}"
    else:
        yield from (f"{key}: {value}" for key, value in person_parts(entry.body, gateway.zone, known.profile_names()).items())


# bindings


def bindings(asked: Asked, item: str | None) -> int:
    """What every item is bound to in the end, and what says so. `item`: that one alone."""
    gateway = running(asked)
    body = gateway.get(f"{_BINDINGS}?effective=1")
    known = directory(gateway)
    chosen = None if item is None else known.find(item)
    rows = [
        (raw, each)
        for raw, each in zip(body["bindings"], gateway.read(Bindings, body).bindings, strict=True)
        if chosen is None or (each.link_id, each.kind) == (chosen.link_id, chosen.kind)
    ]
    if asked.as_json:
        say_json({"bindings": [raw for raw, _ in rows]})
        return 0
    said = [(known.named(each), ", ".join(each.panels) or None, _SOURCES[each.source]) for _, each in rows]
    say(table([("item", "panels", "by"), *said]))
    return 0


_SOURCES = {"file": "the configuration", "override": "bindings set"}


def bind(asked: Asked, item: str, panels: Sequence[str]) -> int:
    """In place of the configuration's rules."""
    gateway = running(asked)
    known = directory(gateway)
    entry = _with_link_id(known.find(item))
    body = gateway.call("PUT", f"{_BINDINGS}/{entry.link_id}", {"panels": list(panels)})
    if asked.as_json:
        say_json(body)
    else:
        bound = ", ".join(gateway.read(Bound, body).panels) or "no panel"
        say(f"{known.called(entry)}: bound to {bound} in place of the configuration's rules")
    return 0


def unbind(asked: Asked, item: str) -> int:
    """What was set for a link_id that nothing has any more goes by that link_id."""
    gateway = running(asked)
    overrides = {each.link_id for each in gateway.ask(Overrides, _BINDINGS).bindings}
    known = directory(gateway)
    link_id, name = item.lower(), item
    if link_id not in overrides or any(entry.link_id == link_id for entry in known.entries):
        entry = _with_link_id(known.find(item))
        link_id, name = entry.link_id or "", known.called(entry)
    if link_id not in overrides:
        raise Mistakes([f"{name}: nothing was set for it, the configuration's rules count"])
    body = gateway.call("DELETE", f"{_BINDINGS}/{link_id}")
    if asked.as_json:
        say_json(body)
    else:
        say(f"{name}: the configuration's rules count again")
    return 0


def _with_link_id(entry: Entry) -> Entry:
    if entry.link_id is None:
        raise Mistakes([f"{entry.shown}: it was made without a link_id, only the rules for `*` bind it"])
    return entry


# lines


def lines(asked: Asked, line: str | None) -> int:
    """The counts of every line and unit since the gateway started, or of one line."""
    gateway = running(asked)
    body = gateway.get("/gateway/v1/lines")
    every = zip(body["lines"], gateway.read(Lines, body).lines, strict=True)
    found = [(raw, each) for raw, each in every if line in (None, each.id)]
    if not found and line is not None:
        raise Mistakes([f"{line}: no such line{gateway.near_line(line)}"])
    if asked.as_json:
        say_json({"lines": [raw for raw, _ in found]})
        return 0
    rows = [row for _, each in found for row in ((each.id, each.kind, *_counts(each)), *_units(each))]
    say(table([("line", "unit", *_HEADS), *rows]))
    return 0


_HEADS = ("exchanges", "timeouts", "damaged", "exceptions", "retries", "busy", "p50 ms", "p95 ms", "waiting")


def _units(line: Line) -> Iterator[tuple[object, ...]]:
    for unit in line.units:
        yield f"  {unit.panel}", unit.unit, *_counts(unit)


def _counts(seen: Counts) -> tuple[object, ...]:
    took = [None if ms is None else f"{ms:.1f}" for ms in (seen.exchange_ms.p50, seen.exchange_ms.p95)]
    damaged = seen.crc + seen.protocol + seen.connections_lost
    share = f"{100 * seen.load_1m:.0f} %"
    return (
        seen.exchanges,
        seen.timeouts,
        damaged,
        sum(seen.exceptions.values()),
        seen.retries,
        share,
        *took,
        seen.queue_depth,
    )
