"""Time zones whose law changes: the same name, with the rules of another zone."""

from __future__ import annotations

from importlib import resources
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo


def rules_of(zone: str) -> bytes:
    """A zone's file in the time zone database."""
    area, _, place = zone.rpartition("/")
    return resources.files("tzdata.zoneinfo").joinpath(*area.split("/"), place).read_bytes()


def zone_with_rules(name: str, rules: str) -> ZoneInfo:
    """A zone of one name with another one's rules."""
    return ZoneInfo.from_file(BytesIO(rules_of(rules)), key=name)


def publish(folder: Path, name: str, rules: str) -> None:
    """Put an update of the database into `folder`, which the program looks at first (PYTHONTZPATH)."""
    place = folder.joinpath(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_bytes(rules_of(rules))
    fresh.replace(place)
