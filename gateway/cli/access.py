"""`who`, `where` and `when`: who may open a door at a moment, which doors somebody may open, and at what times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from gateway.api.validation import read_item
from gateway.cli.answers import Access, Admitted, Door, Doors, Explained
from gateway.cli.client import Running, running
from gateway.cli.directory import Directory, Entry, directory
from gateway.cli.doors import find_door
from gateway.cli.moments import Moment, when
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, counted, say, say_json
from gateway.cli.tables import table
from gateway.cli.times import now
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings
from gateway.schedules.windows import Span, merged

_ACCESS = "/gateway/v1/access"
_NO_ID = "00000000-0000-4000-8000-000000000000"
"""In the place of a link_id where a profile has none: what it means does not depend on it."""


def who(asked: Asked, door_name: str, words: Sequence[str]) -> int:
    """Who may open a door then. `words`: when, now where there are none."""
    gateway = running(asked)
    at, door = when(words, now(gateway.zone)), find_door(gateway, door_name)
    body = gateway.get(f"{_ACCESS}?door={door.id}&at={at.unix}")
    if asked.as_json:
        say_json(body)
        return 0
    names, people = directory(gateway), gateway.read(Access, body).people
    say(f"{door.name} at {at.shown}: {counted(len(people), 'person').replace('persons', 'people')} may open it")
    if people:
        say("\n" + table([("person", "number", "through", ""), *(_admitted(each, names) for each in people)]))
    return 0


def _admitted(person: Admitted, names: Directory) -> tuple[object, ...]:
    called = names.profile_names()
    through = ", ".join(called.get(link_id, link_id) for link_id in person.through)
    return person.name or person.link_id, person.number, through or None, _held(person)


def _held(person: Admitted) -> str:
    """Where what the panel does differs from what is asked."""
    if person.asked and person.held is False:
        return f"not yet: the panel does not hold it ({person.outcome})"
    if person.asked:
        return "" if person.held else f"it is not known what the panel holds ({person.outcome})"
    return "still, though it is not asked any more" if person.held else "perhaps still, though it is not asked any more"


def where(asked: Asked, name: str, words: Sequence[str]) -> int:
    """Which doors a person may open then; of a time profile, the doors of the panels that it is open at."""
    gateway = running(asked)
    at, entry = when(words, now(gateway.zone)), directory(gateway).find(name)
    doors = {door.id: door for door in gateway.ask(Doors, "/gateway/v1/doors").doors}
    if entry.kind == "timeprofile":
        return _profile_doors(asked, gateway, entry, at, list(doors.values()))
    named = f"link_id={entry.link_id}" if entry.link_id else f"uid={entry.uid}"
    body = gateway.get(f"{_ACCESS}?{named}&at={at.unix}")
    if asked.as_json:
        say_json(body)
        return 0
    found = [(doors[each.door], each) for each in gateway.read(Access, body).people if each.door in doors]
    rows = [(door.name, door.panel, _held(each)) for door, each in found]
    say(f"{entry.shown} at {at.shown}: may open {counted(len(rows), 'door')}")
    if rows:
        say("\n" + table([("door", "panel", ""), *rows]))
    return 0


def _profile_doors(asked: Asked, gateway: Running, entry: Entry, at: Moment, doors: Sequence[Door]) -> int:
    body = gateway.get(f"/gateway/v1/explain?{entry.query}&at={at.unix}")
    if asked.as_json:
        say_json(body)
        return 0
    said = gateway.read(Explained, body)
    places = {each.panel: each for each in said.panels if each.held or (each.compiled and each.held is None)}
    found = [(door, places.get(door.panel) or places.get(f"{door.panel}:{door.output}")) for door in doors]
    rows = [
        (door.name, door.panel, "" if place.held else "it is not known what the panel holds") for door, place in found if place
    ]
    open_now = "open" if said.asked else "closed"
    say(f"{entry.shown} at {at.shown}: {open_now} as asked; who has it may open {counted(len(rows), 'door')}")
    if rows:
        say("\n" + table([("door", "panel", ""), *rows]))
    return 0


def times(asked: Asked, name: str, door_name: str, days: int) -> int:
    """When a person may open a door in the next days, as asked, with what the door's panel makes of it."""
    gateway = running(asked)
    known = directory(gateway)
    person, door = known.find(name, ("identifier",)), find_door(gateway, door_name)
    begin = now(gateway.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    spans = list(_open(gateway, known, person, begin, begin + timedelta(days)))
    if asked.as_json:
        say_json({"door": door.id, "link_id": person.link_id, "times": [{"from": start, "to": end} for start, end in spans]})
        return 0
    say(f"{person.shown} at {door.name}, the next {counted(days, 'day')} as asked:")
    say("\n".join(_timeline(spans, gateway.zone)) or "  never")
    say(f"{door.panel}: {_said_by_panel(gateway, person, door)}")
    return 0


def _open(gateway: Running, known: Directory, person: Entry, begin: datetime, end: datetime) -> Iterator[Span]:
    """The union of what the person's time profiles say, within what is valid (Unix seconds)."""
    first, last = int(begin.timestamp()), int(end.timestamp())
    time = (person.body.get("valid") or {}).get("time") or {}
    if not time.get("is_permanent", True):
        first, last = max(first, time["from"]), min(last, time["to"])
    uids = set(person.body["time_profiles"]["uid_items"])
    profiles = [entry for entry in known.of("timeprofile") if entry.uid in uids]
    spans = sorted(span for profile in profiles for span in _periods(gateway, profile, first, last))
    if not uids and _is_asked(gateway, person, first):
        spans = [(first, last)]  # no time profile: always, or never where the last one was detached
    yield from (span for span in merged(spans) if span[0] < span[1])


def _is_asked(gateway: Running, person: Entry, at: int) -> bool:
    return gateway.ask(Explained, f"/gateway/v1/explain?{person.query}&at={at}").asked


def _periods(gateway: Running, profile: Entry, first: int, last: int) -> Iterator[Span]:
    site = gateway.settings.site
    readings = Readings(gateway.zone, site.window_reading, site.looper_reading, site.timestamp_reading)
    item = read_item({**profile.body, "link_id": profile.link_id or _NO_ID}, {}, profile.shown)
    periods = Recurrence(item.profile, readings).open_periods(first, last)
    yield from ((max(start, first), min(stop, last)) for start, stop in periods)


def _timeline(spans: Sequence[Span], zone: ZoneInfo) -> Iterator[str]:
    """One line a day: `  Mon 2026-11-30  09:00-18:00, 20:00-21:00`; a span over midnight is on the day on which it begins."""
    local = [(datetime.fromtimestamp(start, zone), datetime.fromtimestamp(end, zone)) for start, end in spans]
    for day, within in groupby(local, lambda span: span[0].date()):
        yield f"  {day:%a %Y-%m-%d}  " + ", ".join(f"{start:%H:%M}-{_end(start, end)}" for start, end in within)


def _end(start: datetime, end: datetime) -> str:
    if end.date() == start.date():
        return f"{end:%H:%M}"
    is_midnight = end.date() == start.date() + timedelta(1) and (end.hour, end.minute) == (0, 0)
    return "24:00" if is_midnight else f"{end:%a %Y-%m-%d %H:%M}"


def _said_by_panel(gateway: Running, person: Entry, door: Door) -> str:
    for item in gateway.panel(door.panel).items:
        uid = person.uid if item.uid is None else item.uid
        if item.kind == "identifier" and (item.link_id, uid) == (person.link_id, person.uid):
            why = ": ".join(filter(None, (item.reason, item.message)))
            return f"{item.outcome}{f' ({why})' if why else ''}"
    raise Mistakes([f"{person.shown} is not bound to {door.panel}, the panel of {door.name}: it never opens there"])
