"""`doors`, and what opens, holds and releases one."""

from __future__ import annotations

from collections.abc import Sequence

from config.nearest import did_you_mean, there_are
from gateway.cli.answers import Door, DoorDone, Doors
from gateway.cli.client import Refused, Running, quoted, running
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, say, say_json
from gateway.cli.tables import table
from gateway.cli.times import length, moment
from gateway.fleet.problems import cause

_DOORS = "/gateway/v1/doors"


def find_door(gateway: Running, text: str) -> Door:
    """The door that is called so: by its id, its name or its number. Raises Mistakes."""
    return _found(gateway.ask(Doors, _DOORS).doors, text)


def _found(every: Sequence[Door], text: str) -> Door:
    found = [door for door in every if text.casefold() in (door.id.casefold(), door.name.casefold(), str(door.number))]
    if len(found) == 1:
        return found[0]
    if found:
        raise Mistakes(
            [f"{text}: {len(found)} doors are called that, expected the id of one: {', '.join(each.id for each in found)}"]
        )
    if not every:
        raise Mistakes([f"{text}: the configuration has no [[doors]]"])
    called = [name for door in every for name in (door.id, door.name)]
    near = did_you_mean(text, called) or there_are(door.id for door in every)
    raise Mistakes([f"{text}: no such door{near}"])


def doors(asked: Asked, name: str | None) -> int:
    """`name` None: every door."""
    gateway = running(asked)
    body = gateway.get(_DOORS)
    every = gateway.read(Doors, body).doors
    found = every if name is None else [_found(every, name)]
    if asked.as_json:
        say_json({"doors": [raw for raw, door in zip(body["doors"], every, strict=True) if door in found]})
        return 0
    heads = ("door", "name", "number", "panel", "state", "held by", "last command")
    rows = [
        (
            *(door.id, door.name, door.number, f"{door.panel}:{door.output}", door.state, door.held_by),
            moment(door.last_event_at, gateway.zone),
        )
        for door in found
    ]
    say(table([heads, *rows]))
    return 0


def command(asked: Asked, name: str, action: str, seconds: float | None) -> int:
    """`action`: open, hold or release. Raises Mistakes where the panel did not acknowledge: nothing is repeated."""
    gateway = running(asked)
    door = find_door(gateway, name)
    body = {} if seconds is None else {"seconds": seconds}
    try:
        answer = gateway.post(f"{_DOORS}/{quoted(door.id)}/{action}", body)
    except Refused as refused:
        raise Mistakes([_failed(refused, door, action)]) from refused
    if asked.as_json:
        say_json(answer)
    else:
        lasts = "" if seconds is None else f" for {length(seconds)}"
        say(f"{door.name}: {_DONE[action]}{lasts}, {gateway.read(DoorDone, answer).outcome} by {door.panel}")
    return 0


_DONE = {"open": "opened", "hold": "held open", "release": "released"}
_FAILED = {
    "refused": "not {done}",
    "unreachable": "not {done}, nothing was sent",
    "unconfirmed": "it was sent and no answer came, the door may have been {done}",
}


def _failed(refused: Refused, door: Door, action: str) -> str:
    """What became of the door, why, and what shows more."""
    became = _FAILED.get(refused.error)
    if became is None:
        return str(refused)
    why = cause(refused.detail.removeprefix(f"{door.id}: "))
    return f"{door.name}: {became.format(done=_DONE[action])}: {why}; `panel-gateway status {door.panel}` shows more"
