"""A second, independent opinion on whom a panel lets in: from the bodies that were sent, to yes or no at one door and minute.

Written from the rules for identifiers apart from the gateway and the simulators; when a time profile is open is asked of
`tests/judge.py`. Nothing of `gateway` is used but the values that this judge takes.

It knows one panel that never lost a message: it holds the profiles and identifiers it is given, whole. What a real panel may do
less than that (refused, narrowed, not yet written) is not its business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.schedules.time_profile import DayType, Frequency, NthDay, Readings, Repeat, TimeProfile, WeekOrder
from tests.judge import Judge

Body = Mapping[str, Any]
"""An item of the panel API, as it was sent."""
Key = str | int
"""A link_id, or a uid."""
Number = tuple[str, int | str]
"""The space of a number, and its normal form there."""
_ORDERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_WEEK = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True, slots=True)
class Door:
    """One of the panel's doors. `number` None: it belongs to no lock."""

    output: int
    number: int | None = None


DEFAULT_DOORS = (Door(0, 1), Door(1, 2))
"""The doors of a panel at a site whose file names no doors at all."""


class AccessJudge:
    """One panel.

    `profiles` and `identifiers`: the live ones bound to it, each with its last accepted body, `link_id` or `uid` included.
    Profiles that were deleted are left out; identifiers go on naming them. `detached`: pairs (identifier, profile) that were
    detached after the identifier's last body, each by link_id or uid. `doors`: those of this panel; none: it has no lock.

    Raises ValueError where two identifiers have one number: only one of them can have been accepted.
    """

    def __init__(
        self,
        readings: Readings,
        profiles: Iterable[Body],
        identifiers: Iterable[Body],
        doors: Iterable[Door] = DEFAULT_DOORS,
        detached: Collection[tuple[Key, Key]] = (),
    ) -> None:
        self._doors = tuple(doors)
        self._detached = frozenset(detached)
        self._judges: dict[Key, Judge] = {}
        for body in profiles:
            judge = Judge(time_profile(body), readings)
            self._judges.update(dict.fromkeys(_keys(body), judge))
        self._people: dict[Number, Body] = {}
        for body in identifiers:
            number = normal_form(_field(body, "identifier_type"), _field(body, "identifier_number"))
            if number in self._people:
                raise ValueError(f"two identifiers have the number {number}")
            self._people[number] = body

    def lets_in(self, kind: str, number: str, output: int, minute: int, passes_used: int = 0) -> bool:
        """Whether somebody who shows this at the door of `output` comes in, in this Unix minute.

        `passes_used`: how often this panel let this number in before. Raises ValueError for a number that nobody can have.
        """
        body = self._people.get(normal_form(kind, number))
        return (
            body is not None
            and output in lock_outputs(_field(body, "lock"), self._doors)
            and is_valid(body, minute)
            and _has_passes(body, passes_used)
            and self._profiles_open(body, minute)
        )

    def _profiles_open(self, body: Body, minute: int) -> bool:
        named = references(body)
        if not named:
            return True
        detached = {profile for key in _keys(body) for identifier, profile in self._detached if identifier == key}
        return any(self._judges[key].is_open(60 * minute) for key in named - detached if key in self._judges)


def normal_form(kind: str, number: str) -> Number:
    """What is compared of a number. Raises ValueError where there is nothing to compare."""
    if kind in ("card", "ukey"):
        return "card", _integer(number)
    if kind == "inputCode" and re.fullmatch("[0-9]{1,19}", number):
        return kind, number
    if kind == "qr" and number:
        return kind, number.lower()
    if kind == "license_plate":
        text = unicodedata.normalize("NFKC", number)
        if plate := "".join(sign for sign in text if unicodedata.category(sign).startswith(("L", "Nd"))).upper():
            return kind, plate
    raise ValueError(f"no number of a {kind}: {number!r}")


def _integer(number: str) -> int:
    if re.fullmatch("[0-9]{1,4000}", number):
        value = int(number)
    elif re.fullmatch("[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2})+", number) and len({":", "-"} & set(number)) == 1:
        value = int.from_bytes(bytes.fromhex(number.replace(":", "").replace("-", "")), "big")
    else:
        raise ValueError(f"no number of a card: {number!r}")
    if value >> 64:
        raise ValueError(f"more than 64 bits: {number!r}")
    return value


def lock_outputs(lock: str, doors: Iterable[Door]) -> frozenset[int]:
    """The outputs that `first`, `second` or `all` means: doors with a number, in its order."""
    numbered = sorted((door.number, door.output) for door in doors if door.number is not None)
    outputs = [output for _, output in numbered]
    return frozenset({"first": outputs[:1], "second": outputs[1:2], "all": outputs}[lock])


def is_valid(body: Body, minute: int) -> bool:
    """Whether `valid.time` holds the whole minute."""
    time = _limits(body, "time")
    if time is None or time["is_permanent"]:
        return True
    return bool(time["from"] <= 60 * minute and 60 * minute + 60 <= time["to"])


def passes_allowed(body: Body) -> int | None:
    """None: as many as one likes. Permanent says so, whatever number stands beside it."""
    passes = _limits(body, "passes")
    if passes is None or passes["is_permanent"]:
        return None
    return int(passes.get("max_passes") or 0)


def _has_passes(body: Body, used: int) -> bool:
    allowed = passes_allowed(body)
    return allowed is None or used < allowed


def references(body: Body) -> frozenset[Key]:
    """The profiles that an identifier names, living or not. None at all: it is bound to no hours."""
    named = _field(body, "time_profiles") or {}
    return frozenset({*(link_id.lower() for link_id in named.get("link_ids") or ()), *(named.get("uid_items") or ())})


def _limits(body: Body, name: str) -> Any:
    """`time` or `passes`: inside `valid`, or in the older form beside it."""
    valid: Body = _field(body, "valid") or {}
    found = valid.get(name)
    return _field(body, name) if found is None else found


def _field(body: Body, name: str) -> Any:
    """The field of the item, or of the `base` in it."""
    found = body.get(name)
    return found if found is not None else (body.get("base") or {}).get(name)


def _keys(body: Body) -> tuple[Key, ...]:
    link_id, uid = body.get("link_id"), body.get("uid")
    return (*(() if link_id is None else (str(link_id).lower(),)), *(() if uid is None else (int(uid),)))


def time_profile(body: Body) -> TimeProfile:
    """The values that `tests/judge.py` takes."""
    options, repeat = body["time_options"], body["repeat_options"]
    return TimeProfile(
        link_id=str(body.get("link_id", "")),
        name=body.get("name", ""),
        is_all_day=options["is_all_day"],
        date_from=options["date_from"],
        date_to=options["date_to"],
        repeat=_repeat(repeat["repeat_format"]) if repeat["repeat_enable"] else None,
    )


def _repeat(wire: Body) -> Repeat:
    end = wire["repeat_end"]["date"] if wire["repeat_end"]["format"] == "date" else None
    kind = wire["repeat_type"]
    if kind == "twoWeeks":
        return Repeat(Frequency.WEEK, 2, end=end)
    if kind != "custom":
        return Repeat(Frequency(kind), end=end)
    custom = wire["repeat_custom"]
    chosen = custom.get("repeat_options")
    return Repeat(
        Frequency(custom["repeat_point_type"]),
        custom["repeat_looper"],
        custom=True,
        weekdays=frozenset(_WEEK.index(name) for name in chosen) if isinstance(chosen, list) else None,
        month_days=frozenset(chosen["range"]) if isinstance(chosen, dict) and isinstance(chosen.get("range"), list) else None,
        months=frozenset(chosen["months"]) if isinstance(chosen, dict) and "months" in chosen else None,
        nth=_nth(chosen["range"]) if isinstance(chosen, dict) and isinstance(chosen.get("range"), dict) else None,
        end=end,
    )


def _nth(wire: Body) -> NthDay:
    return NthDay(WeekOrder(_ORDERS[wire["week_order"]]), DayType(wire["day_type"]))
