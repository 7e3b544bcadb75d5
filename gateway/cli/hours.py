"""Time profiles and identifiers in words, and how two versions of one differ. Pure; bodies are those of the panel API."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = {"day": "day", "week": "week", "twoWeeks": "2 weeks", "month": "month", "year": "year"}
_CHANGED = {"opens": "opens {new} instead of {old}", "closes": "closes {new} instead of {old}"}
_CHANGES = {
    "entity_not_found": "not there, nothing is deleted",
    "number_taken_by_another_identifier": "not taken, another person has this number",
    "bound_time_profile_doesnt_exist": "not taken, it names a time profile that is not there",
    "number_of_identifiers_exceeded": "kept, but a panel has no free slot for it",
}
Parts = Mapping[str, str]


def flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """An identifier whose fields may stand in `base`."""
    base = body.get("base")
    return {**base, **body} if isinstance(base, Mapping) else body


def is_identifier(body: Mapping[str, Any]) -> bool:
    """Whether an item of a request is an identifier; all others are time profiles."""
    return "identifier_type" in flat(body)


def change_text(change: str, body: Mapping[str, Any] | None, there: Container[str]) -> str:
    """What became of an item. `change`: its token; `there`: the link_ids of the time profiles that there are."""
    said = _CHANGES.get(change, change.replace("_", " "))
    if change != "bound_time_profile_doesnt_exist" or body is None:
        return said
    named = (flat(body).get("time_profiles") or {}).get("link_ids") or ()
    return ": ".join(filter(None, (said, ", ".join(each for each in named if each.lower() not in there))))


def profile_parts(body: Mapping[str, Any], zone: ZoneInfo) -> Parts:
    """What a time profile says: `repeats`, `opens`, `closes`, `begins`, `ends`."""
    options, repeat = body["time_options"], body.get("repeat_options") or {}
    first, last = (datetime.fromtimestamp(options[key], zone) for key in ("date_from", "date_to"))
    shape = "%H:%M" if first.date() == last.date() else "%Y-%m-%d %H:%M"
    whole = bool(options.get("is_all_day"))
    form = (repeat.get("repeat_format") or {}) if repeat.get("repeat_enable") else {}
    return {
        "repeats": _repeats(form, first) if form else "once",
        "opens": "00:00" if whole else first.strftime(shape),
        "closes": "24:00" if whole else last.strftime(shape),
        "begins": f"{first:%Y-%m-%d}",
        "ends": _ends(form.get("repeat_end") or {}, zone),
    }


def profile_text(body: Mapping[str, Any], zone: ZoneInfo) -> str:
    """`every Mon-Fri 09:00-18:00 from 2026-11-02`."""
    parts = profile_parts(body, zone)
    window = f"{parts['opens']}-{parts['closes']}" if len(parts["opens"]) == 5 else f"{parts['opens']} to {parts['closes']}"
    if parts["repeats"] == "once":
        return f"once, {parts['begins']} {window}" if len(parts["opens"]) == 5 else f"once, {window}"
    ends = "" if parts["ends"] == "never" else f" until {parts['ends']}"
    return f"{parts['repeats']} {window} from {parts['begins']}{ends}"


def person_parts(body: Mapping[str, Any], zone: ZoneInfo, names: Mapping[str, str]) -> Parts:
    """What an identifier says. `names`: those of time profiles, by link_id and by `uid 7`."""
    valid = body.get("valid") or {}
    time, passes = valid.get("time") or {}, valid.get("passes") or {}
    bounded = not time.get("is_permanent", True)
    span = [datetime.fromtimestamp(time[key], zone) for key in ("from", "to")] if bounded else []
    return {
        "number": f"{body.get('identifier_type')} {body.get('identifier_number')}",
        "lock": str(body.get("lock", "")),
        "through": _through(body.get("time_profiles") or {}, names),
        "valid": " to ".join(f"{each:%Y-%m-%d %H:%M}" for each in span) or "without a limit",
        "entries": "any number" if passes.get("is_permanent", True) else str(passes.get("max_passes") or 0),
    }


def _through(named: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The gateway shows all by uid, with a count, and does not tell whether none of them means always or never."""
    uids = [f"uid {uid}" for uid in named.get("uid_items") or ()]
    keys = uids if "count" in named else [*(named.get("link_ids") or ()), *uids]
    return ", ".join(names.get(key, key) for key in keys) or ("no time profile" if "count" in named else "always")


def differences(old: Parts, new: Parts) -> str:
    """`closes 17:00 instead of 18:00, ends 2027-01-01 instead of never`; empty where they say the same."""
    changed = [name for name in new if old.get(name) != new[name]]
    return ", ".join(
        _CHANGED.get(name, name + " {new} instead of {old}").format(new=new[name], old=old[name]) for name in changed
    )


def _ends(end: Mapping[str, Any], zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(end['date'], zone):%Y-%m-%d}" if end.get("format") == "date" else "never"


def _repeats(form: Mapping[str, Any], first: datetime) -> str:
    custom = form.get("repeat_custom")
    if form.get("repeat_type") != "custom" or not custom:
        unit = str(form.get("repeat_type"))
        on = {
            "week": f" on {first:%a}",
            "twoWeeks": f" on {first:%a}",
            "month": f" on day {first.day}",
            "year": f" on {first:%b} {first.day}",
        }
        return f"every {_UNITS.get(unit, unit)}{on.get(unit, '')}"
    unit, count = str(custom.get("repeat_point_type")), int(custom.get("repeat_looper") or 1)
    every = f"every {unit}" if count == 1 else f"every {count} {unit}s"
    options = custom.get("repeat_options")
    if unit == "week" and options:
        days = _days(options)
        return f"every {days}" if count == 1 else f"{every} on {days}"
    if unit == "month" and isinstance(options, dict):
        return f"{every} on {_monthly(options)}"
    if unit == "year" and isinstance(options, dict):
        months = ", ".join(_MONTHS[number - 1] for number in options.get("months") or () if 1 <= number <= 12)
        day = f"the {_ordinal(options['range'])} of " if isinstance(options.get("range"), dict) else ""
        return f"{every} on {day}{months}" if months else every
    return every


def _monthly(options: Mapping[str, Any]) -> str:
    within = options.get("range")
    if isinstance(within, list):
        return "day " + ", ".join(map(str, within))
    return f"the {_ordinal(within)}" if isinstance(within, dict) else "the same day"


def _ordinal(within: Mapping[str, Any]) -> str:
    kind = {"WEEK_DAY": "working day", "DAY_OFF": "day off"}.get(str(within.get("day_type")), str(within.get("day_type")).title())
    return f"{within.get('week_order')} {kind}"


def _days(names: list[str]) -> str:
    """`Mon-Fri`, `Mon, Wed`."""
    held = sorted({_DAYS.index(name) for name in names if name in _DAYS})
    if len(held) > 2 and held == list(range(held[0], held[-1] + 1)):
        return f"{_DAYS[held[0]].title()}-{_DAYS[held[-1]].title()}"
    return ", ".join(_DAYS[day].title() for day in held)
