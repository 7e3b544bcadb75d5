"""Whatever the API lets through compiles within 50 ms of CPU for every kind of panel."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from time import process_time

import pytest

from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile
from tests.unit.compiler_oracle import NAMES, record
from tests.unit.strategies import DAY
from tests.unit.test_recurrence_bad_input import ALL_DAYS, CASES, CPU_BUDGET_S, START, forget, month, profile

NOW = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
NARROW = frozenset({"resolution", "periods", "last_minute"})
_KYIV = CASES["30 February"][1]
MORE: dict[str, tuple[TimeProfile, Readings]] = {
    "31-day list, 40 days long": (profile(START, START + 40 * DAY, month(1000, ALL_DAYS)), _KYIV),
    "overlapping windows that move": (profile(START, START + 3 * DAY + 32_401, Repeat(Frequency.DAY, 2, True)), _KYIV),
    "every second day, ended in 2199": (
        profile(START, START + 34_567, Repeat(Frequency.DAY, 2, True, end=NOW + 63_000 * DAY)),
        _KYIV,
    ),
}
NEVER_SEEN = (str(number) for number in count())


def cold_seconds(case: tuple[TimeProfile, Readings], panel: str) -> float:
    """CPU time to compile it, with nothing remembered of it or of the zone."""
    each, readings = case
    fresh = BoundProfile(replace(each, name=next(NEVER_SEEN)), 1)
    forget()
    begin = process_time()
    image = compile_panel([fresh], record(panel), {}, NOW, CompileOptions(readings, allow_stale=True, narrow=NARROW))
    taken = process_time() - begin
    assert set(image.outcomes) == {each.link_id}
    return taken


@pytest.mark.cpu
@pytest.mark.parametrize("panel", NAMES)
def test_every_profile_compiles_in_less_than_50_ms_of_cpu(panel: str) -> None:
    """The least of several tries: what else the machine does is not what is measured."""
    for name, case in {**CASES, **MORE}.items():
        least = cold_seconds(case, panel)
        tries = 1
        while least >= CPU_BUDGET_S and tries < 6:
            least, tries = min(least, cold_seconds(case, panel)), tries + 1
        assert least < CPU_BUDGET_S, name
