"""Bodies of the panel API, drawn at random: time profiles of every kind of recurrence, and people who name them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from tests.judge_access import Body
from tests.support.fleet_site import link

HOUR, DAY = 3600, 86_400
_WEEK = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_FIRST_PERSON = 100


class Drawn:
    """`midnight`: Unix seconds of a midnight at the site, near which profiles begin. Every body has a name of its own.

    `now_s`, where given, puts windows of some minutes around that second of the day, so that an hour sees them open and close.
    """

    def __init__(self, random: Random, midnight: int, profiles: int, people: int) -> None:
        self.random, self._midnight = random, midnight
        self.profiles = [link(number) for number in range(1, profiles + 1)]
        self.people = [link(_FIRST_PERSON + number) for number in range(1, people + 1)]
        self.numbers = [str(number) for number in range(1, people + 2)]
        self._versions = 0

    def profile(self, link_id: str, now_s: int | None = None) -> Body:
        random = self.random
        first = self._midnight + DAY * random.choice((-200, -30, -8, -7, -3, -2, -1, 0, 0, 1))
        minute, length = random.randrange(1440), random.choice((1, 7, 30, 60, 240, 540, 600, 900, 1440))
        if now_s is not None:
            first = self._midnight - DAY * random.randrange(1, 8)
            minute, length = (now_s // 60 + random.randint(-8, 30)) % 1440, random.randint(2, 14)
        repeat = self._repeat(random, now_s is not None)
        is_all_day = now_s is None and random.random() < 0.1
        return {
            "link_id": link_id,
            "name": self._name("hours"),
            "time_options": {
                "is_all_day": is_all_day,
                "date_from": first + 60 * minute,
                "date_to": first + 60 * (minute + length),
            },
            "repeat_options": {"repeat_enable": repeat is not None, **({} if repeat is None else {"repeat_format": repeat})},
        }

    def _repeat(self, random: Random, often: bool) -> Body | None:
        end: Body = {"format": "never"}
        if not often and random.random() < 0.15:
            end = {"format": "date", "date": self._midnight + DAY * random.randint(0, 40)}
        kind = random.choice(
            ("day", "day", "week") if often else ("day", "day", "days", "days", "week", "twoWeeks", "month", "none")
        )
        if kind == "none":
            return None
        if kind not in ("days", "month") and not (often and kind == "week"):
            return {"repeat_type": kind, "repeat_end": end}
        point: dict[str, Any] = {"repeat_point_type": "week", "repeat_looper": 1, "repeat_options": list(_WEEK)}
        if not often and kind == "days":
            point["repeat_options"] = random.sample(_WEEK, random.randint(1, 6))
        elif not often:
            days = sorted(random.sample(range(1, 32), random.randint(1, 4)))
            point = {
                "repeat_point_type": "month",
                "repeat_looper": random.choice((1, 1, 2)),
                "repeat_options": {"format": "dayNumbers", "range": days},
            }
        return {"repeat_type": "custom", "repeat_end": end, "repeat_custom": point}

    def person(self, link_id: str) -> Body:
        """Somebody with a card, some or no hours, one or both doors, without an end or for some hours."""
        random = self.random
        valid: dict[str, Any] = {}
        if random.random() < 0.3:
            begins = self._midnight + HOUR * random.randint(-4, 20)
            valid["time"] = {"is_permanent": False, "from": begins + 30, "to": begins + HOUR * random.randint(1, 20) + 90}
        named = {} if random.random() < 0.2 else {"time_profiles": {"link_ids": self._some(self.profiles, 4)}}
        return {
            "link_id": link_id,
            "identifier_owner": {"name": self._name("person"), "type": "owner"},
            "identifier_type": "card",
            "identifier_number": random.choice(self.numbers),
            "lock": random.choice(("first", "second", "all")),
            "valid": valid,
            **named,
        }

    def _some(self, links: Sequence[str], most: int) -> list[str]:
        return self.random.sample(links, self.random.randint(1, min(most, len(links))))

    def _name(self, word: str) -> str:
        self._versions += 1
        return f"{word} {self._versions}"
