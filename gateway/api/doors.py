"""Doors over HTTP: the vendor's lock calls by number, the gateway's own by id.

A command is answered 200 only where the panel acknowledged it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiMapping

from config.settings import DoorSettings
from drivers.contract import Outcome
from gateway.access.doors import Done, Doors
from gateway.api.bodies import read_body
from gateway.api.dialects import WRONG_BODY, WRONG_LOCK, WRONG_UNLOCK_TIME, no_value
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.plain import done, object_in
from gateway.api.queries import refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES, finish, told
from gateway.api.shapes import DoorDone, DoorsAnswer

MOST_HOLD_S = 86_400
_MOST_UNLOCK_S = 604_800
_NUMBER = re.compile(r"[0-8]")
_SECONDS = re.compile(r"[0-9]{1,6}")
_FAILED: Mapping[Outcome, tuple[int, str]] = {
    Outcome.REJECTED: (409, "refused"),
    Outcome.NOT_SENT: (503, "unreachable"),
    Outcome.UNCONFIRMED: (504, "unconfirmed"),
}
"""Status and token of what was not acknowledged, the worst last."""


def _doors(request: web.Request) -> Doors:
    return request.app[SERVICES].doors


def _failure(every: Sequence[Done]) -> tuple[int, dict[str, Any]] | None:
    """The worst of what became of commands; None: all were acknowledged."""
    failed = [one for one in every if one.said.outcome in _FAILED]
    if not failed:
        return None
    worst = max(failed, key=lambda one: [*_FAILED].index(one.said.outcome))
    status, token = _FAILED[worst.said.outcome]
    reason = "" if worst.said.reason is None else f" ({worst.said.reason.value})"
    return status, {"error": token, "detail": f"{worst.door.id}: {worst.said.message or token}{reason}"}


async def _carry_out(request: web.Request, commands: Iterable[Coroutine[Any, Any, Done]]) -> list[Done]:
    """What became of commands, each of which is an event by then. Doors do not wait for each other."""
    every = await finish(request, _all(commands))
    await told(request)
    return every


async def _all(commands: Iterable[Coroutine[Any, Any, Done]]) -> list[Done]:
    return list(await asyncio.gather(*commands))


def _answer(every: Sequence[Done], listed: bool) -> web.Response:
    """`listed`: the body names every door, with what became of it."""
    failure = _failure(every)
    status, body = (200, {}) if failure is None else failure
    if listed:
        body["doors"] = [DoorDone(one.door.id, one.said.outcome) for one in every]
    return json_response(body, status=status)


# the vendor's: by number


def by_number(*, remote: bool) -> Handler:
    """Opens the door of the number in the path, or for 0 every door that has one."""

    async def opened(request: web.Request) -> web.Response:
        number, seconds = _number(request.match_info["n"], "n"), _unlock_time(request.query)
        found = _numbered(request, number, "n")
        commands = [_doors(request).open(door, seconds, remote=remote) for door in found]
        return _answer(await _carry_out(request, commands), listed=number == 0)

    return opened


async def denied(request: web.Request) -> web.Response:
    """Nothing moves."""
    _doors(request).deny(_number(request.match_info["n"], "n"))
    await told(request)
    return done()


async def emergency_open(request: web.Request) -> web.Response:
    """Body `locks`: `lock_number` (0: all) and `unlock_time` of each. Nothing moves where one of them is wrong."""
    asked: dict[str, tuple[DoorSettings, int]] = {}
    for index, lock in enumerate(_locks(await object_in(request))):
        place = f"locks[{index}]"
        if not isinstance(lock, dict):
            raise bad_value(place, "an object with lock_number and unlock_time", shown(lock))
        seconds = _whole(lock.get("unlock_time"), f"{place}.unlock_time", WRONG_UNLOCK_TIME, range(1, MOST_HOLD_S + 1))
        for door in _numbered(request, _lock_number(lock.get("lock_number"), f"{place}.lock_number"), place):
            asked[door.id] = door, seconds
    doors = _doors(request)
    commands = [doors.hold(door, seconds, "emergency_open") for door, seconds in asked.values()]
    return _answer(await _carry_out(request, commands), listed=len(asked) > 1)


async def emergency_close(request: web.Request) -> web.Response:
    """Body `locks`: their numbers; 0: all."""
    asked: dict[str, DoorSettings] = {}
    for index, lock in enumerate(_locks(await object_in(request))):
        place = f"locks[{index}]"
        asked |= {door.id: door for door in _numbered(request, _lock_number(lock, place), place)}
    commands = [_doors(request).release(door, "emergency_close") for door in asked.values()]
    return _answer(await _carry_out(request, commands), listed=len(asked) > 1)


def _locks(body: Mapping[str, Any]) -> list[Any]:
    locks = body.get("locks")
    if locks is None:
        raise ApiError(400, "locks: is missing", vendor=no_value("locks"))
    if not isinstance(locks, list) or not locks:
        raise bad_value("locks", "a list of locks", shown(locks))
    return locks


def _numbered(request: web.Request, number: int, place: str) -> list[DoorSettings]:
    found = _doors(request).numbered(number)
    if not found:
        what = f"no door has the number {number}" if number else "no door has a number"
        raise ApiError(400, f"{place}: {what}", vendor=WRONG_LOCK)
    return found


def _number(text: str, place: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise bad_value(place, "a number from 0 to 8", shown(text), WRONG_LOCK)
    return int(text)


def _lock_number(value: object, place: str) -> int:
    return _whole(value, place, WRONG_LOCK, range(9))


def _whole(value: object, place: str, vendor: str, allowed: range) -> int:
    if type(value) is not int or value not in allowed:
        raise bad_value(place, f"a whole number from {allowed[0]} to {allowed[-1]}", shown(value), vendor)
    return value


def _unlock_time(query: MultiMapping[str]) -> int | None:
    """Seconds; None: the door's own time, which 0 stands for too."""
    said = query.getall("unlockTime", [])
    if not said:
        return None
    if len(said) > 1:
        raise bad_value("unlockTime", "one value", "several", WRONG_UNLOCK_TIME)
    (text,) = said
    if not _SECONDS.fullmatch(text) or int(text) > _MOST_UNLOCK_S:
        raise bad_value("unlockTime", f"whole seconds from 0 to {_MOST_UNLOCK_S}", shown(text), WRONG_UNLOCK_TIME)
    return int(text) or None


# the gateway's own: by id


async def all_doors(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    doors = _doors(request)
    return json_response(DoorsAnswer([doors.view(door) for door in doors.doors]))


async def one_door(request: web.Request) -> web.Response:
    return json_response(DoorsAnswer([_doors(request).view(_named(request))]))


async def open_door(request: web.Request) -> web.Response:
    """Once: for `seconds`, or the door's own time."""
    door, body = _named(request), await _body(request)
    seconds = body.get("seconds")
    right = seconds is None or (type(seconds) in (int, float) and 0.1 <= seconds <= MOST_HOLD_S)
    if not right:
        raise bad_value("seconds", f"a number from 0.1 to {MOST_HOLD_S}", shown(seconds))
    return await _carried_out(request, door, _doors(request).open(door, seconds))


async def hold_door(request: web.Request) -> web.Response:
    """For `seconds`."""
    door, body = _named(request), await _body(request)
    seconds = _whole(body.get("seconds"), "seconds", WRONG_BODY, range(1, MOST_HOLD_S + 1))
    return await _carried_out(request, door, _doors(request).hold(door, seconds))


async def release_door(request: web.Request) -> web.Response:
    door = _named(request)
    if (await _body(request)).get("seconds") is not None:
        raise bad_value("seconds", "nothing: a release is at once", "a value")
    return await _carried_out(request, door, _doors(request).release(door))


async def _carried_out(request: web.Request, door: DoorSettings, command: Coroutine[Any, Any, Done]) -> web.Response:
    (one,) = await _carry_out(request, [command])
    failure = _failure([one])
    if failure is not None:
        return json_response(failure[1], status=failure[0])
    return json_response(DoorDone(door.id, one.said.outcome))


def _named(request: web.Request) -> DoorSettings:
    return door_of(request, request.match_info["door"])


def door_of(request: web.Request, name: str) -> DoorSettings:
    """The door of an id. Raises ApiError."""
    door = _doors(request).door(name)
    if door is None:
        raise ApiError(404, f"{name}: no such door", code="unknown_door")
    return door


async def _body(request: web.Request) -> dict[str, Any]:
    """An object with nothing but `seconds`; nothing at all is an empty one."""
    body = await object_in(request) if await read_body(request) else {}
    for key in body:
        if key != "seconds":
            raise bad_value(key, "no such key; `seconds` is the only one", shown(body[key]))
    return body
