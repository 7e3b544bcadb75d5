"""Hypothesis strategies of panels: the seven records, and panels that nobody builds."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from drivers.contract import PanelCapabilities
from tests.unit.compiler_oracle import NAMES, record

known_panels = st.sampled_from([record(name) for name in NAMES])


@st.composite
def panels(draw: st.DrawFn) -> PanelCapabilities:
    fields: dict[str, Any] = {
        "max_schedules": draw(st.sampled_from([0, 1, 3, 8])),
        "first_id": draw(st.sampled_from([0, 1, 2])),
        "max_time_periods_per_day": draw(st.sampled_from([None, 1, 2, 3, 6])),
        "max_periods_per_schedule": draw(st.sampled_from([None, 1, 2, 3, 12])),
        "max_distinct_day_plans": draw(st.sampled_from([None, None, 1, 2, 3])),
        "day_model": draw(st.sampled_from(["per_day", "mask_per_period", "mask_per_schedule"])),
        "max_special_day_groups": draw(st.sampled_from([0, 1, 2, 3])),
        "max_days_in_special_day_group": draw(st.sampled_from([0, 1, 14, 90])),
        "special_day_bitmap_days": draw(st.sampled_from([0, 0, 30, 224])),
        "special_days_scope": draw(st.sampled_from(["schedule", "panel"])),
        "special_days_effect": draw(st.sampled_from(["replace", "replace", "add"])),
        "date_range": draw(st.sampled_from(["none", "optional", "required"])),
        "first_date": draw(st.sampled_from([None, 0, 10957])),
        "link_chain": draw(st.booleans()),
        "max_slots_per_profile": draw(st.sampled_from([1, 2, 4, 12])),
        "resolution_s": draw(st.sampled_from([1, 60, 60, 300, 900])),
        "end_minute": draw(st.sampled_from(["exclusive", "inclusive", "unknown"])),
        "last_minute": draw(st.sampled_from(["23:59", "24:00"])),
        "semantics": draw(st.sampled_from(["period", "event_list"])),
        "midnight_entry": draw(st.booleans()),
        "carry_over": draw(st.booleans()),
        "scope": draw(st.sampled_from(["panel", "output", "card"])),
        "events_on_clock_step": draw(st.sampled_from(["evaluates", "edge_only", "unknown"])),
    }
    fields["last_date"] = draw(
        st.sampled_from([25000, 47481, 65534] if fields["date_range"] == "required" else [None, 25000, 65534])
    )
    return PanelCapabilities(**fields)


any_panel = st.one_of(known_panels, panels())
