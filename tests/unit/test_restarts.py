"""Whether a panel restarted in between: what it forgot then must never be taken for held."""

from __future__ import annotations

import pytest

from drivers.modbus.panel.restarts import Reading, went_on


@pytest.mark.parametrize(
    ("before", "now", "sure"),
    [
        (Reading(1000, None, 0.0), Reading(1010, None, 10.0), True),
        (Reading(1000, None, 0.0), Reading(4, None, 10.0), False),
        (Reading(1000, None, 0.0), Reading(999, None, 10.0), False),
        (Reading(1000, None, 0.0), Reading(1001, None, 600.0), False),
        (Reading(1000, None, 0.0), Reading(1575, None, 600.0), True),
        (Reading(None, 3, 0.0), Reading(None, 3, 10.0), True),
        (Reading(None, 3, 0.0), Reading(None, 4, 10.0), False),
        (Reading(1000, 3, 0.0), Reading(4, 3, 10.0), False),
        (Reading(1000, 3, 0.0), Reading(1010, 4, 10.0), False),
        (Reading(None, None, 0.0), Reading(None, None, 10.0), False),
        (None, Reading(1000, 3, 0.0), False),
    ],
)
def test_a_panel_whose_counters_went_back_restarted_whichever_it_has(before: Reading | None, now: Reading, sure: bool) -> None:
    assert went_on(before, now) is sure
