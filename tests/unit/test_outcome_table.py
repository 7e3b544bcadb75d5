"""The ten examples on seven kinds of panels, each example alone, compiled at 2026-11-01T00:00 of the site (Europe/Kyiv).

`python -m tests.unit.test_outcome_table` prints the table as Markdown.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.contract import ItemOutcome, ItemState, PanelCapabilities
from gateway.api.validation import read_item
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.fleet.panel.held_output import refusal
from gateway.schedules.time_profile import Readings, TimeProfile
from tests.unit.compiler_oracle import NAMES, record

KYIV = ZoneInfo("Europe/Kyiv")
NOW = int(datetime(2026, 11, 1, tzinfo=KYIV).timestamp())

# Every example starts on Monday 2 November, but for the eighth (Sunday the 1st), so that what is weekly has not started on panels
# that cannot express a start: GE, Domat and the two access tables wait for it. A date range says it on the first and on uhppote.
# "Daily until date" has 60 dates: GE has 90 in one calendar, ZKTeco takes two of its three types of 32, HID two of eight.
# "Every two weeks" lasts from Monday 09:00 to Wednesday 18:00, three different days: one more than GE has calendars, as many as
# ZKTeco has holiday types. The open panel writes the off weeks as closed dates, in a bitmap of 224 days from 2 November, up to
# 13 June 2027; the occurrence of 14 June needs no date, validity ends with it, and the next one is on 28 June. On uhppote an
# occurrence takes three slots, and they end before the next one. Other dates reach the horizon, 400 days with today. On uhppote
# each date is a slot: right up to the day before the next date.
# Domat knows no dates at all. An output is held by the gateway.
EXPECTED = """\
| | open-access-panel | ge-a-series | domat-fc013 | uhppote | zkteco-like | hid-like | waveshare-relay-8ch |
|---|---|---|---|---|---|---|---|
| One day | exact | exact | refused | exact | exact | exact | gateway_held |
| Daily | exact | pending | pending | exact | pending | pending | gateway_held |
| Daily until date | exact | exact | refused | exact | exact | exact | gateway_held |
| Weekly | exact | pending | pending | exact | pending | pending | gateway_held |
| Every two weeks | materialised to 2027-06-27 | refused | refused | materialised to 2026-11-15 | \
materialised to 2027-12-05 | materialised to 2027-12-05 | gateway_held |
| Monthly | materialised to 2027-12-05 | materialised to 2027-12-05 | refused | materialised to 2026-12-01 | \
materialised to 2027-12-05 | materialised to 2027-12-05 | gateway_held |
| Yearly | materialised to 2027-12-05 | materialised to 2027-12-05 | refused | materialised to 2027-11-01 | \
materialised to 2027-12-05 | materialised to 2027-12-05 | gateway_held |
| First day of the month | materialised to 2027-12-05 | materialised to 2027-12-05 | refused | materialised to 2026-11-30 | \
materialised to 2027-12-05 | materialised to 2027-12-05 | gateway_held |
| Work week | exact | pending | pending | exact | pending | pending | gateway_held |
| Last day off of every quarter's first month | materialised to 2027-12-05 | materialised to 2027-12-05 | refused | \
materialised to 2027-04-24 | materialised to 2027-12-05 | materialised to 2027-12-05 | gateway_held |
"""


def examples() -> list[TimeProfile]:
    items = json.loads((Path(__file__).parent.parent / "vectors" / "examples.json").read_text())["list_items"]
    return [read_item(item, {}, "list_items[0]").profile for item in items]


def outcome(profile: TimeProfile, capabilities: PanelCapabilities) -> ItemOutcome:
    if not capabilities.max_schedules:
        assert refusal(capabilities, 1, unattended=False) is None
        return ItemOutcome(ItemState.GATEWAY_HELD)
    bound = BoundProfile(profile, 1)
    return compile_panel([bound], capabilities, {}, NOW, CompileOptions(Readings(KYIV))).outcomes[profile.link_id]


def cell(found: ItemOutcome) -> str:
    if found.valid_until is None:
        return found.outcome.value
    return f"{found.outcome.value} to {datetime.fromtimestamp(found.valid_until - 1, KYIV).date().isoformat()}"


def markdown() -> str:
    rows = [["", *NAMES], ["---"] * (len(NAMES) + 1)]
    rows += [[profile.name, *(cell(outcome(profile, record(name))) for name in NAMES)] for profile in examples()]
    lines = ("|" + "|".join(row) + "|" if row[-1] == "---" else "| " + " | ".join(row).lstrip() + " |" for row in rows)
    return "\n".join(lines) + "\n"


def test_the_table_is_as_reasoned() -> None:
    assert markdown() == EXPECTED


def test_the_page_has_this_table() -> None:
    page = (Path(__file__).parents[2] / "config" / "README.md").read_text()
    section = page.split("\n## What panels can hold\n")[1].split("\n## ")[0]
    assert "".join(line + "\n" for line in section.splitlines() if line.startswith("|")) == markdown()


@pytest.mark.parametrize("name", ["ge-a-series", "domat-fc013", "zkteco-like", "hid-like"])
def test_what_waits_for_its_start_is_written_when_it_comes(name: str) -> None:
    start = int(datetime(2026, 11, 2, 9, tzinfo=KYIV).timestamp())
    for profile in examples():
        found = outcome(profile, record(name))
        if found.outcome is ItemState.PENDING:
            assert found.renew_at == start
            held = compile_panel([BoundProfile(profile, 1)], record(name), {}, start, CompileOptions(Readings(KYIV)))
            assert held.outcomes[profile.link_id].outcome is ItemState.EXACT


if __name__ == "__main__":
    sys.stdout.write(markdown())
