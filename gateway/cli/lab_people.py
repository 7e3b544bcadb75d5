"""People for the lab: profiles, cards and codes by the gateway's own API, and a day at the readers by the simulators' control."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import aiohttp

from config.settings import Settings

_FIRST = ("Ada", "Ben", "Chloe", "Dmytro", "Elena", "Farid", "Grace", "Hugo", "Iryna", "Jonas", "Kira", "Liam", "Mila")
_LAST = ("Adams", "Bondar", "Costa", "Dubois", "Evans", "Fischer", "Green", "Horak", "Ivanenko", "Jansen", "Kovac")
_UUID = "91c615e3-1040-4815-8ecb-{:012d}"
_PROFILES, _PEOPLE = 1000, 2000
"""The first numbers of their link_ids."""
_FIRST_CARD = 10_000_001
_STRANGERS_CARD = "99999999"
_DAY_S = 86_400
_EACH = 4
"""How often a person comes to a reader in a day."""
_AT_ONCE = 100
_SETTLED_WITHIN_S = 120.0


class NotFilled(Exception):
    """The lab has no people, or not all of them; the text says why."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody at the reader of a panel's first door, `ago_s` seconds ago."""

    panel: str
    type: str
    number: str
    ago_s: int


def _weekly(number: int, name: str, days: Sequence[str], start_hour: int, end_hour: int) -> dict[str, Any]:
    """Hours on days of the week from Monday, 2 November 2026 on, in the time of the lab (UTC+2)."""
    midnight = 1_793_570_400
    window = {"date_from": midnight + 3600 * start_hour, "date_to": midnight + 3600 * end_hour}
    week = {"repeat_point_type": "week", "repeat_looper": 1, "repeat_options": list(days)}
    return {
        "link_id": _UUID.format(_PROFILES + number),
        "name": name,
        "time_options": {"is_all_day": False, **window},
        "repeat_options": {
            "repeat_enable": True,
            "repeat_format": {"repeat_type": "custom", "repeat_end": {"format": "never"}, "repeat_custom": week},
        },
    }


def profiles() -> list[dict[str, Any]]:
    workdays = ("MON", "TUE", "WED", "THU", "FRI")
    return [
        _weekly(1, "Office hours", workdays, 7, 19),
        _weekly(2, "Evenings", (*workdays, "SAT", "SUN"), 17, 23),
        _weekly(3, "Weekends", ("SAT", "SUN"), 8, 20),
    ]


def people(count: int) -> list[dict[str, Any]]:
    """Identifiers: most are cards, some are codes; each counts at the hours of one or two profiles, some always."""
    return [_person(number) for number in range(count)]


def _person(number: int) -> dict[str, Any]:
    is_code = number % 7 == 6
    name = f"{_FIRST[number % len(_FIRST)]} {_LAST[number // len(_FIRST) % len(_LAST)]}"
    named = [] if number % 5 == 4 else [1 + number % 3] if number % 2 else [1, 2 + number % 2]
    return {
        "link_id": _UUID.format(_PEOPLE + number),
        "identifier_owner": {"name": name, "type": "owner"},
        "identifier_type": "inputCode" if is_code else "card",
        "identifier_number": f"{7000 + number}" if is_code else str(_FIRST_CARD + number),
        "lock": "all" if number % 4 == 0 else "first",
        **({"time_profiles": {"link_ids": [_UUID.format(_PROFILES + each) for each in named]}} if named else {}),
    }


def day(identifiers: Sequence[dict[str, Any]], panels: Sequence[str]) -> list[Visit]:
    """Who comes to which reader in a day, the earliest first; always the same. Some show a card that nobody knows."""
    shown = [(each["identifier_type"], each["identifier_number"]) for each in identifiers for _ in range(_EACH)]
    shown += [("card", _STRANGERS_CARD)] * (1 + len(identifiers) // 10)
    visits = [_visit(place, kind, number, panels) for place, (kind, number) in enumerate(shown)]
    return sorted(visits, key=lambda visit: -visit.ago_s)


def _visit(place: int, kind: str, number: str, panels: Sequence[str]) -> Visit:
    drawn = crc32(f"{place} {number}".encode())
    return Visit(panels[drawn % len(panels)], kind, number, 60 + drawn // len(panels) % (_DAY_S - 60))


async def fill(settings: Settings, url: str, control: str, count: int) -> str:
    """What was made, in words. Raises NotFilled."""
    user = settings.users[0]
    credentials = b64encode(f"{user.name}:{user.password}".encode()).decode()
    panels = settings.groups["doors"]
    made = people(count)
    visits = day(made, panels)
    try:
        async with aiohttp.ClientSession() as session:
            gateway = _Gateway(session, url, {"Authorization": f"Basic {credentials}"})
            await gateway.upsert("timeprofile", profiles())
            await gateway.upsert("identifier", made)
            await gateway.until_settled(panels)
            for visit in visits:
                body = {"type": visit.type, "number": visit.number, "door": 0, "ago_s": visit.ago_s}
                await _posted(session.post(f"{control}/panels/{visit.panel}/read", json=body))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotFilled(str(error) or type(error).__name__) from error
    return f"{count} people with {len(profiles())} time profiles, and their day at the readers: {url}/gateway/v1/events"


@dataclass(frozen=True, slots=True)
class _Gateway:
    session: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str]

    async def upsert(self, kind: str, items: Sequence[dict[str, Any]]) -> None:
        place = f"{self.url}/api/v1/access/{kind}/items/link?panels=none"
        for start in range(0, len(items), _AT_ONCE):
            body = {"list_items": items[start : start + _AT_ONCE]}
            await _posted(self.session.post(place, json=body, headers=self.headers))

    async def until_settled(self, panels: Sequence[str]) -> None:
        """Wait until the panels hold all of it. Raises TimeoutError."""
        async with asyncio.timeout(_SETTLED_WITHIN_S):
            while True:
                async with self.session.get(f"{self.url}/gateway/v1/panels", headers=self.headers) as answer:
                    views = (await answer.json())["panels"]
                if not any(view["pending"] for view in views if view["id"] in panels):
                    return
                await asyncio.sleep(0.5)


async def _posted(request: Any) -> None:
    """Raises NotFilled where the answer is not 200."""
    async with request as answer:
        if answer.status != 200:
            raise NotFilled(f"{answer.url.path} answered {answer.status}: {await answer.text()}")
