"""A panel's table of offsets, as words and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config.panel_parts import UnixTableClock
from drivers.contract import ClockSetting
from drivers.modbus.panel.clock_words import table_setting, table_words

CODEC = UnixTableClock(codec="unix-table", address=0x0100, wall="wall")
OFFSETS = st.integers(-14 * 60, 14 * 60)
INSTANTS = st.integers(1, 2**32 - 1)


@given(INSTANTS, OFFSETS, st.lists(st.tuples(INSTANTS, OFFSETS), max_size=2, unique_by=lambda change: change[0]))
def test_the_table_that_a_panel_shows_is_the_one_that_was_written(
    instant: int, offset: int, changes: list[tuple[int, int]]
) -> None:
    coming = tuple(sorted(change for change in changes if change[0] > instant))
    words = table_words(CODEC, ClockSetting(instant, offset, coming), instant)
    assert table_setting(words) == ClockSetting(instant, offset, coming)
