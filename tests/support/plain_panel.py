"""Panel models made of data alone, for plain register tables that no shipped model has."""

from __future__ import annotations

PLAIN_DAYS = """
name = "plain-days"
title = "Two week tables of three start and end pairs a day, minutes since midnight"
provenance = "made up for tests"
[capabilities]
max_schedules = 2
first_id = 1
max_time_periods_per_day = 3
day_model = "per_day"
clock = "rw"
[schedule]
layout = "period-table"
address = 100
slot_stride = 50
style = "per_day"
periods = 3
day_stride = 6
[write]
merge_gap = 1
[clock]
codec = "fields"
address = 10
fields = ["zero", "year", "zero", "month", "zero", "day", "zero", "hour", "zero", "minute", "zero", "second"]
[[vectors]]
name = "Monday 09:00-18:00"
slots = [{ slot = 1, periods = [{ days = 1, start = 540, end = 1080 }] }]
expect = [{ address = 100, words = "021C 0438 0000 0000" }]
"""

PLAIN_RECORDS = """
name = "plain-records"
title = "Four slots of dated records with a weekday mask, BCD times, inclusive ends, and coils"
provenance = "made up for tests"
[registers]
magic = { area = "input", address = 0 }
[[identity]]
read = "magic"
equals = 42
[capabilities]
max_schedules = 4
max_periods_per_schedule = 4
day_model = "mask_per_period"
date_range = "optional"
end_minute = "inclusive"
last_minute = "23:59"
clock = "none"
outputs = 4
[schedule]
layout = "period-table"
address = 0x400
slot_stride = 16
style = "records"
first_period = 3
periods = 4
period_stride = 3
days = 0
start = 1
end = 2
gate = "days"
time = "bcd"
state = 0
state_used = 0xA5
valid_from = 1
valid_to = 2
[outputs]
state = { area = "coil", type = "bit", address = 0 }
switch = { function = "coil", address = 0 }
[[vectors]]
name = "Monday to Friday 09:00-17:59 from 2026-11-02 in slot 1"
slots = [{ slot = 1, valid_from = 20759, periods = [{ days = 31, start = 540, end = 1080 }] }]
expect = [{ address = 0x410, words = "00A5 5117 FFFF 001F 0900 1759 0000 0000 0000" }]
"""
