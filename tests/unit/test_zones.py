"""A zone's law changes under the name that the configuration gives: panel clocks move, people's hours do not."""

from __future__ import annotations

import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.schedules.local_time import local_second
from gateway.schedules.reading import accepted, is_read_for, local_rule
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile
from gateway.schedules.zones import newest, rules_digest
from gateway.store.codec import TIME_PROFILE
from tests.support.zone_files import publish, zone_with_rules
from tests.unit.strategies import sites


def wall(year: int, month: int, day: int, hour: int) -> int:
    """A reading of a wall clock in local seconds."""
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


LAWS = ("Europe/Istanbul", "Europe/Kaliningrad", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kolkata")
"""What the law may become."""
ONCE = TimeProfile(
    "91c615e3-1040-4815-8ecb-000000000001",
    "Visitor",
    False,
    int(datetime(2027, 7, 1, 6, tzinfo=UTC).timestamp()),
    int(datetime(2027, 7, 1, 15, tzinfo=UTC).timestamp()),
)


@pytest.mark.parametrize(
    ("profile", "nine"),
    [
        (ONCE, wall(2027, 7, 1, 9)),
        (replace(ONCE, repeat=Repeat(Frequency.WEEK, end=ONCE.date_to + 30 * 86_400)), wall(2027, 7, 22, 9)),
        (replace(ONCE, is_all_day=True), wall(2027, 7, 1, 0)),
        (replace(ONCE, repeat=Repeat(Frequency.YEAR)), wall(2030, 7, 1, 9)),
    ],
)
@pytest.mark.parametrize("law", LAWS)
def test_a_change_of_law_moves_nobodys_hours(profile: TimeProfile, nine: int, law: str) -> None:
    before = Readings(ZoneInfo("Europe/Kyiv"))
    kept = accepted(profile, before)
    assert kept == accepted(kept, before)
    after = Readings(zone_with_rules("Europe/Kyiv", law))
    assert Recurrence(kept, after).is_open_local(nine)
    assert not Recurrence(kept, after).is_open_local(nine - 1)
    instant = int(datetime.fromtimestamp(nine, UTC).replace(tzinfo=after.zone).timestamp())
    assert Recurrence(kept, after).is_open(instant), "nine o'clock is when the new law says so"


@given(sites(), st.sampled_from(LAWS))
def test_no_profile_reads_otherwise_on_the_wall_after_a_change_of_law(site: tuple[TimeProfile, Readings], law: str) -> None:
    profile, readings = site
    kept = accepted(profile, readings)
    assert replace(kept, reading=None) == profile
    other = replace(readings, zone=zone_with_rules(readings.zone.key, law))
    assert local_rule(kept, other) == local_rule(profile, readings)
    assert TIME_PROFILE.decode(TIME_PROFILE.encode(kept)) == kept


@pytest.mark.parametrize(
    "after", [Readings(ZoneInfo("America/New_York")), Readings(ZoneInfo("Europe/Kyiv"), timestamp="local_as_utc")]
)
def test_other_settings_of_the_site_read_anew(after: Readings) -> None:
    before = Readings(ZoneInfo("Europe/Kyiv"))
    kept = accepted(ONCE, before)
    assert (is_read_for(kept, before), is_read_for(kept, after)) == (True, False)
    assert local_rule(kept, after) == local_rule(ONCE, after)
    assert accepted(kept, after) == accepted(ONCE, after)


def test_what_an_older_release_stored_is_read_now() -> None:
    text = TIME_PROFILE.encode(ONCE)
    assert "reading" not in text
    kyiv = Readings(ZoneInfo("Europe/Kyiv"))
    reading = accepted(TIME_PROFILE.decode(text), kyiv).reading
    assert reading is not None
    assert reading.start == local_second(kyiv.zone, ONCE.date_from)


@pytest.mark.parametrize("law", LAWS)
def test_other_rules_have_another_digest(law: str) -> None:
    kyiv = ZoneInfo("Europe/Kyiv")
    assert rules_digest(zone_with_rules("Europe/Kyiv", law)) == rules_digest(zone_with_rules(law, law)) != rules_digest(kyiv)
    assert rules_digest(zone_with_rules("Europe/Kyiv", "Europe/Kyiv")) == rules_digest(kyiv)


def test_zones_that_differed_only_long_ago_have_one_digest() -> None:
    assert rules_digest(ZoneInfo("Europe/Helsinki")) == rules_digest(ZoneInfo("Europe/Kyiv"))


def test_an_update_of_the_database_is_seen(tmp_path: Path) -> None:
    publish(tmp_path, "Europe/Kyiv", "Europe/Kyiv")
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    try:
        zone = ZoneInfo.no_cache("Europe/Kyiv")
        assert newest(zone) is zone
        publish(tmp_path, "Europe/Kyiv", "Europe/Istanbul")
        fresh = newest(zone)
        assert fresh is not zone
        assert fresh.key == "Europe/Kyiv"
        assert rules_digest(fresh) == rules_digest(zone_with_rules("Europe/Istanbul", "Europe/Istanbul"))
        assert newest(fresh) is fresh
        (tmp_path / "Europe" / "Kyiv").write_bytes(b"half a file")
        with pytest.raises(ValueError, match="Invalid TZif"):
            newest(fresh)
    finally:
        zoneinfo.reset_tzpath(before)
