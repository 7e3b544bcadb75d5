"""A refusal tells by which limit of the panel, and what the panel may cut for it is cut."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from config.panel_model import load_models
from drivers.contract import ItemState, PanelCapabilities, PanelImage
from drivers.modbus.panel.output_driver import capabilities_of
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.compiler.image import is_open
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile

MODELS = {name: capabilities_of(model) for name, model in load_models(None).items()}
LIMITS = {each.name for each in fields(PanelCapabilities)}
NARROW = frozenset({"resolution", "validity_days"})
DAY = 86_400


def weekly(zone: ZoneInfo, begin: str, end: str) -> TimeProfile:
    first, last = (int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) for text in (begin, end))
    return TimeProfile("a", "a", False, first, last, Repeat(Frequency.WEEK))


def compiled(profile: TimeProfile, model: str, zone: ZoneInfo, *narrow: str, held: PanelImage | None = None) -> PanelImage:
    options = CompileOptions(Readings(zone), narrow=NARROW | set(narrow))
    return compile_panel([BoundProfile(profile, 1)], MODELS[model], {}, profile.date_from, options, held)


MIDNIGHTS = [
    ("America/Santiago", "2026-11-07T18:00", "2026-11-08T00:00"),
    ("Asia/Beirut", "2026-11-07T20:30", "2026-11-08T00:00"),
    ("America/Havana", "2026-11-07T00:00", "2026-11-08T00:00"),
    ("Africa/Cairo", "2026-11-05T09:00", "2026-11-06T00:00"),
    ("Europe/Kyiv", "2026-11-07T22:00", "2026-11-08T03:00"),
    ("Europe/London", "2026-11-08T00:15", "2026-11-08T01:00"),
]
"""Weekly windows that end when the clock of the zone skips an hour once a year."""


@pytest.mark.parametrize(("name", "begin", "end"), MIDNIGHTS)
@pytest.mark.parametrize("model", ["ge-a-series", "domat-fc013"])
def test_who_closes_as_the_clock_skips_an_hour_is_told_so_and_may_close_a_minute_earlier(
    model: str, name: str, begin: str, end: str
) -> None:
    zone = ZoneInfo(name)
    profile = weekly(zone, begin, end)
    outcome = compiled(profile, model, zone).outcomes["a"]
    assert outcome.refusal is not None
    assert outcome.refusal.limit == "events_on_clock_step"
    assert "events_on_clock_step" in (outcome.message or "")
    image = compiled(profile, model, zone, "last_minute")
    said = image.outcomes["a"]
    assert (said.outcome, said.cuts) == (ItemState.NARROWED, ("the last minute of a period or day",))
    assert compiled(profile, model, zone, "last_minute", held=image) == image, "it stays as it is held"
    asked, first = Recurrence(profile, Readings(zone)), (profile.date_from + 10 * DAY) // 60 * 60
    for minute in range(0, 7 * DAY, 60):
        at = first + minute
        wall = datetime.fromtimestamp(at, zone).replace(tzinfo=UTC).timestamp()
        held = is_open(image, MODELS[model], int(wall) // 60, "a")
        assert not held or asked.is_open(at), "never wider"
        if asked.is_open(at) and asked.is_open(at + 60):
            assert held, "and only the last minute is cut"


def test_a_window_that_ends_elsewhere_keeps_its_last_minute() -> None:
    zone = ZoneInfo("America/Santiago")
    profile = weekly(zone, "2026-11-06T18:00", "2026-11-07T00:00")
    assert compiled(profile, "ge-a-series", zone, "last_minute").outcomes["a"].outcome is ItemState.EXACT


def test_two_profiles_of_which_one_goes_on_where_the_other_ends_need_no_cut() -> None:
    zone = ZoneInfo("America/Santiago")
    evening, morning = (
        replace(weekly(zone, *times), link_id=name)
        for name, times in (
            ("a", ("2026-11-08T00:00", "2026-11-08T06:00")),
            ("b", ("2026-11-07T18:00", "2026-11-08T00:00")),
        )
    )
    options = CompileOptions(Readings(zone), narrow=NARROW | {"last_minute"})
    both = [BoundProfile(each, 1) for each in (evening, morning)]
    image = compile_panel(both, MODELS["domat-fc013"], {}, morning.date_from + 8 * DAY, options)
    assert {outcome.outcome for outcome in image.outcomes.values()} == {ItemState.EXACT}


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize(
    "repeat",
    [None, Repeat(Frequency.DAY), Repeat(Frequency.WEEK, 3), Repeat(Frequency.MONTH), Repeat(Frequency.DAY, 5)],
)
@pytest.mark.parametrize(
    ("begin", "end"), [("2026-11-07T18:00:20", "2026-11-07T18:00:50"), ("2026-11-07T22:00", "2026-11-10T07:00")]
)
def test_every_refusal_of_a_shipped_model_names_its_limit(model: str, repeat: Repeat | None, begin: str, end: str) -> None:
    zone = ZoneInfo("Europe/Kyiv")
    profile = replace(weekly(zone, begin, end), repeat=repeat)
    names_its_limit(compiled(profile, model, zone))


def names_its_limit(image: PanelImage) -> None:
    for outcome in image.outcomes.values():
        if outcome.outcome is ItemState.REFUSED:
            assert outcome.refusal is not None
            assert outcome.refusal.limit in LIMITS
            assert outcome.message
            assert "not fit" not in outcome.message or outcome.refusal.limit in outcome.message
